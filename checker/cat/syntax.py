"""The syntax of cat and bell files: what the parser makes and `elaborate` walks.

Shapes only, no meaning. Precedence and associativity are the parser's business (design.md §3, herd-facts §4):
`a;b\\c` is `Binary(";", a, Binary("\\", b, c))`.

    let fence = [M]; fencerel(MB); [M]
    acyclic po | rf as sc
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from checker.core.source import NOWHERE, Source, Span

# ---------------------------------------------------------------- expressions


class Name(Struct, frozen=True):
    name: str
    span: Span = NOWHERE


class Tag(Struct, frozen=True):
    """'once, without its quote."""

    name: str
    span: Span = NOWHERE


class Empty(Struct, frozen=True):
    """`0`, the empty relation."""

    span: Span = NOWHERE


class Universe(Struct, frozen=True):
    """`_`, all events."""

    span: Span = NOWHERE


class Unary(Struct, frozen=True):
    """op is one of: "+" "*" "?" (postfix), "^-1", "~" (complement), "[]" (a set as an identity relation)."""

    op: str
    arg: Exp
    span: Span = NOWHERE


class Binary(Struct, frozen=True):
    """op is one of: "|" "&" "\\" ";" "*" (cartesian product) "++" (element added to a set)."""

    op: str
    left: Exp
    right: Exp
    span: Span = NOWHERE


class Tuple(Struct, frozen=True):
    args: tuple[Exp, ...]
    span: Span = NOWHERE


class SetOf(Struct, frozen=True):
    """`{a, b}`; `{}` is the empty set of anything."""

    args: tuple[Exp, ...]
    span: Span = NOWHERE


class Apply(Struct, frozen=True):
    function: Exp
    arg: Exp
    span: Span = NOWHERE


Pattern: TypeAlias = "str | tuple[str, ...]"
"""What an argument is bound to: a name, "_", or a tuple of these."""


class Fun(Struct, frozen=True):
    """`fun pattern -> body`; `let f x = e` and `let f(x, y) = e` bind a Fun."""

    param: Pattern
    body: Exp
    name: str = ""
    span: Span = NOWHERE


class Binding(Struct, frozen=True):
    pattern: Pattern
    value: Exp
    span: Span = NOWHERE


class Let(Struct, frozen=True):
    """`let [rec] bindings in body`."""

    bindings: tuple[Binding, ...]
    body: Exp
    rec: bool = False
    span: Span = NOWHERE


class MatchSet(Struct, frozen=True):
    """`match e with {} -> empty || element ++ rest -> step end`."""

    arg: Exp
    empty: Exp
    element: str
    rest: str
    step: Exp
    span: Span = NOWHERE


class MatchTag(Struct, frozen=True):
    """`match e with 'a -> e1 || 'b -> e2 || _ -> default end`."""

    arg: Exp
    clauses: tuple[tuple[str, Exp], ...]
    default: Exp | None = None
    span: Span = NOWHERE


class Try(Struct, frozen=True):
    body: Exp
    otherwise: Exp
    span: Span = NOWHERE


class Variant(Struct, frozen=True):
    """`"name"` (or `variant "name"`) as a condition."""

    name: str
    span: Span = NOWHERE


class Junction(Struct, frozen=True):
    """`not c` has one argument; `c && d` and `c || d` two."""

    op: str
    args: tuple[Cond, ...]
    span: Span = NOWHERE


class Test(Struct, frozen=True):
    """A comparison of values in a condition: op is "=", "subset" or "in"."""

    op: str
    left: Exp
    right: Exp
    span: Span = NOWHERE


Cond: TypeAlias = Variant | Junction | Test


class IfExp(Struct, frozen=True):
    cond: Cond
    then: Exp
    orelse: Exp
    span: Span = NOWHERE


Exp: TypeAlias = (
    Name | Tag | Empty | Universe | Unary | Binary | Tuple | SetOf | Apply | Fun | Let | MatchSet | MatchTag | Try | IfExp
)

# ---------------------------------------------------------------- instructions


class LetIns(Struct, frozen=True):
    """`let [rec] bindings`; all right sides see the names as they were before (or themselves, with rec)."""

    bindings: tuple[Binding, ...]
    rec: bool = False
    span: Span = NOWHERE


class Check(Struct, frozen=True):
    """`kind` is acyclic | irreflexive | empty; `role` check | flag | undefined_unless | assert; `name` is after `as`, or ""."""

    kind: str
    exp: Exp
    name: str = ""
    negated: bool = False
    role: str = "check"
    span: Span = NOWHERE


class Show(Struct, frozen=True):
    """`show a, b`, `unshow a`, `show e as n`: hints for drawing; they mean nothing to a verdict."""

    names: tuple[str, ...]
    exp: Exp | None = None
    span: Span = NOWHERE


class Include(Struct, frozen=True):
    file: str
    span: Span = NOWHERE


class Procedure(Struct, frozen=True):
    name: str
    param: Pattern
    body: tuple[Ins, ...]
    rec: bool = False
    span: Span = NOWHERE


class CallIns(Struct, frozen=True):
    name: str
    arg: Exp
    label: str = ""
    span: Span = NOWHERE


class WithFrom(Struct, frozen=True):
    """`with name from exp`: one execution for each member of the set of relations."""

    name: str
    exp: Exp
    span: Span = NOWHERE


class IfIns(Struct, frozen=True):
    cond: Cond
    then: tuple[Ins, ...]
    orelse: tuple[Ins, ...] = ()
    span: Span = NOWHERE


class EnumIns(Struct, frozen=True):
    name: str
    tags: tuple[str, ...]
    span: Span = NOWHERE


class Instructions(Struct, frozen=True):
    """`instructions R[{'once,'release}]` or `instructions W[Accesses]`: which tags an event class may carry.

    `default R[{'once}]` instead names the tag that an event gets when it is written without one.
    """

    name: str
    args: tuple[Exp, ...]
    default: bool = False
    span: Span = NOWHERE


class MatchIns(Struct, frozen=True):
    """`match e with 'a -> instructions ... end`."""

    arg: Exp
    clauses: tuple[tuple[str, tuple[Ins, ...]], ...]
    default: tuple[Ins, ...] | None = None
    span: Span = NOWHERE


class Forall(Struct, frozen=True):
    """`forall x in e do instructions end`."""

    name: str
    exp: Exp
    body: tuple[Ins, ...]
    span: Span = NOWHERE


Ins: TypeAlias = (
    LetIns | Check | Show | Include | Procedure | CallIns | WithFrom | IfIns | EnumIns | Instructions | MatchIns | Forall
)


class File(Struct, frozen=True):
    """One parsed file: its title ("" when it has none), whether it says `catdep`, and its instructions in order."""

    title: str
    catdep: bool
    body: tuple[Ins, ...]
    source: Source
