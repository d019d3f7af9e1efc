"""A function of the kernel as statements and expressions, each with its line: what is left of C when only its meaning counts.

    if (READ_ONCE(vcpu->mode) == IN_GUEST_MODE)    Branch(Op("==", (Call("READ_ONCE", (Member(Name("vcpu"), "mode", True),)),
        kick(vcpu);                                              Name("IN_GUEST_MODE"))), (Do(Call("kick", (Name("vcpu"),))),), ())

Casts that change no pointer are left out. What C has and this has not (initialisers in braces, asm) is `Other`, with the
expressions that are in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import astuple


class Name(Struct, frozen=True):
    name: str


class Number(Struct, frozen=True):
    value: int


class Member(Struct, frozen=True):
    """`base.name`, or `base->name`."""

    base: Expr
    name: str
    arrow: bool
    line: int = 0


class Index(Struct, frozen=True):
    base: Expr
    index: Expr
    line: int = 0


class Deref(Struct, frozen=True):
    base: Expr
    line: int = 0


class AddressOf(Struct, frozen=True):
    base: Expr


class Cast(Struct, frozen=True):
    type: str
    base: Expr


class Call(Struct, frozen=True):
    """A call of `name`, or of what `function` points to; a type among the arguments (of container_of) is a Name."""

    name: str
    args: tuple[Expr, ...]
    line: int = 0
    function: Expr | None = None
    start: int = 0
    """Where it stands in its file, in bytes."""


class Op(Struct, frozen=True):
    """An operator: of one operand, of two, `?:` of three, `,`."""

    op: str
    args: tuple[Expr, ...]


class Set(Struct, frozen=True):
    """`target op= value`; `op` is empty for `=`. `after`: its value is that of before (`x++`)."""

    op: str
    target: Expr
    value: Expr
    line: int = 0
    after: bool = False


class Braced(Struct, frozen=True):
    """GNU C's `({ …; value; })`."""

    body: tuple[Stmt, ...]


class Other(Struct, frozen=True):
    """Something else: its text, and the expressions in it."""

    text: str
    args: tuple[Expr, ...] = ()
    line: int = 0


Expr: TypeAlias = Name | Number | Member | Index | Deref | AddressOf | Cast | Call | Op | Set | Braced | Other


class Do(Struct, frozen=True):
    value: Expr
    line: int = 0


class Local(Struct, frozen=True):
    """The declaration of a local variable; `static` is one that stays."""

    name: str
    type: str
    value: Expr | None = None
    line: int = 0
    static: bool = False


class Branch(Struct, frozen=True):
    """`if`. `unknown`: conditional code under the condition `unknown`, of which it is not known whether it is there; of its arms
    the first one has the condition 1, the others 0."""

    cond: Expr
    then: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...] = ()
    line: int = 0
    unknown: str = ""


class Loop(Struct, frozen=True):
    """A loop of kind "while", "do" or "for", or the macro that it is one of (`list_for_each_entry`); `cond` None: for ever, or not
    known where it is a macro's. `head` are the macro's arguments."""

    kind: str
    cond: Expr | None
    body: tuple[Stmt, ...]
    first: tuple[Stmt, ...] = ()
    step: tuple[Stmt, ...] = ()
    line: int = 0
    head: tuple[Expr, ...] = ()


class Scope(Struct, frozen=True):
    """A block; with `guard` one that such a lock is held in: the kind of `scoped_guard(kind, &l)`, and what is locked."""

    body: tuple[Stmt, ...]
    guard: str = ""
    args: tuple[Expr, ...] = ()
    line: int = 0


class Guard(Struct, frozen=True):
    """`guard(kind)(&l);`: a lock that is held until the end of the block."""

    kind: str
    args: tuple[Expr, ...]
    line: int = 0


class Switch(Struct, frozen=True):
    """`switch`: its arms, each with its labels (None: `default`)."""

    value: Expr
    arms: tuple[tuple[tuple[Expr | None, ...], tuple[Stmt, ...]], ...]
    line: int = 0


class Jump(Struct, frozen=True):
    """`break`, `continue`, `goto label`."""

    kind: str
    label: str = ""
    line: int = 0


class Return(Struct, frozen=True):
    value: Expr | None = None
    line: int = 0


class Label(Struct, frozen=True):
    name: str
    line: int = 0


Stmt: TypeAlias = Do | Local | Branch | Loop | Scope | Guard | Switch | Jump | Return | Label


def inside(part: object) -> Iterator[Stmt | Expr]:
    """All statements and expressions in something, with itself."""
    if isinstance(part, Struct):
        yield part  # type: ignore[misc]
    for one in part if isinstance(part, tuple) else astuple(part) if isinstance(part, Struct) else ():
        yield from inside(one)
