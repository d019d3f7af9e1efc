"""C as it was written, before it has types: what the rules of c.lark make, and `c_lower.py` turns into the statements of ir.

What C and ir have in common (names, numbers, operators, calls, `*p`, `if`, `while`, assignments) is in ir's classes from the
start; here is the rest. An operator has ir's name for what it does to signed numbers of 64 bits.

    kvm->ready      Member(Reg("kvm"), "ready", arrow=True)
    (u8)r           Cast("u8", Reg("r"))
    int *p = x;     Declare("p", "int *", Reg("x"))
"""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

from checker.core.source import NOWHERE, Span
from checker.program.ir import Expr

Node: TypeAlias = Any
"""An expression: one of ir's, or one of the classes below, at any depth."""


# ---------------------------------------------------------------- expressions


class Cast(Struct, frozen=True):
    """`(type)value`; also a literal whose type its value does not tell."""

    type: str
    value: Node
    span: Span = NOWHERE


class Member(Struct, frozen=True):
    """`value.name`, or with `arrow` `value->name`."""

    value: Node
    name: str
    arrow: bool
    span: Span = NOWHERE


class AddressOf(Struct, frozen=True):
    """`&place` of a member; of `*p` it is p, of a local variable Op("ref")."""

    place: Node
    span: Span = NOWHERE


class Set(Struct, frozen=True):
    """`target = value`, or `target op= value`, where it is a value."""

    target: Node
    op: str
    value: Node
    span: Span = NOWHERE


class Step(Struct, frozen=True):
    """`++target` or `--target` (op "add" or "sub"); with `after`, `target++` and `target--`."""

    target: Node
    op: str
    after: bool
    span: Span = NOWHERE


class SizeOf(Struct, frozen=True):
    """`sizeof` of an expression, or of the type written as a text."""

    of: Node | str
    span: Span = NOWHERE


class Statements(Struct, frozen=True):
    """`({ … })`: its value is that of the expression at the end."""

    body: tuple[Node, ...]
    span: Span = NOWHERE


class Comma(Struct, frozen=True):
    first: Node
    second: Node


# ---------------------------------------------------------------- statements


class Declare(Struct, frozen=True):
    """`type name = value;`"""

    name: str
    type: str
    value: Node | None
    span: Span = NOWHERE
    reach: Span = NOWHERE  # of the whole statement


class Update(Struct, frozen=True):
    """`target op= value;`"""

    target: Node
    op: str
    value: Node
    span: Span = NOWHERE
    reach: Span = NOWHERE


class Scope(Struct, frozen=True):
    """A block that declares something."""

    body: tuple[Node, ...]


class DoWhile(Struct, frozen=True):
    cond: Node
    body: tuple[Node, ...]
    span: Span = NOWHERE


class For(Struct, frozen=True):
    start: tuple[Node, ...]
    cond: Node
    step: tuple[Node, ...]
    body: tuple[Node, ...]
    span: Span = NOWHERE


class Switch(Struct, frozen=True):
    value: Node
    body: tuple[Node, ...]
    span: Span = NOWHERE


class Case(Struct, frozen=True):
    """`case value:`, or `default:` without a value."""

    value: Node | None
    span: Span = NOWHERE


class Here(Struct, frozen=True):
    """A label."""

    name: str
    span: Span = NOWHERE


class Jump(Struct, frozen=True):
    """`break`, `continue`, `return`, or `goto` with its label; `return` may have a value."""

    kind: str
    label: str = ""
    value: Node | None = None
    span: Span = NOWHERE


# ---------------------------------------------------------------- what a file defines


class Process(Struct, frozen=True):
    """Process `tid`: its parameters with the type of what they point to, its code, the names it uses and those it declares."""

    tid: int
    params: tuple[tuple[str, str], ...]
    body: tuple[Node, ...]
    used: dict[str, Span]
    declared: frozenset[str]
    span: Span


class Helper(Struct, frozen=True):
    """A function that processes call: its parameters with their types, the type of its value."""

    name: str
    type: str
    params: tuple[tuple[str, str], ...]
    body: tuple[Node, ...]
    used: dict[str, Span]
    declared: frozenset[str]
    span: Span


class Field(Struct, frozen=True):
    """A member of a structure: `sizes` are those of an array; `inner` are the members of a structure, or `union`, declared in
    place, which without a name has its members where it is."""

    name: str
    type: str
    sizes: tuple[Expr, ...]
    inner: tuple[Field, ...]
    span: Span
    union: bool = False


class Structure(Struct, frozen=True):
    tag: str
    fields: tuple[Field, ...]
    span: Span
    union: bool = False


class Enumeration(Struct, frozen=True):
    tag: str
    names: tuple[tuple[str, Node | None, Span], ...]


class Typedef(Struct, frozen=True):
    """Another name for a type: that of a field, or of an enumeration."""

    field: Field


Unit: TypeAlias = Process | Helper | Structure | Enumeration | Typedef
