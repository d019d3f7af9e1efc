"""The syntax of cat and bell files: what the parser makes and `elaborate` walks.

Shapes only, no meaning. Precedence and associativity are the parser's business (design.md §3, herd-facts §4):
`a;b\\c` is `Binary(";", a, Binary("\\", b, c))`.

    let fence = [M]; fencerel(MB); [M]
    acyclic po | rf as sc
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from checker.core.source import NOWHERE, Source, Span

# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Tag:
    """'once, without its quote."""

    name: str
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Empty:
    """`0`, the empty relation."""

    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Universe:
    """`_`, all events."""

    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Unary:
    """op is one of: "+" "*" "?" (postfix), "^-1", "~" (complement), "[]" (a set as an identity relation)."""

    op: str
    arg: Exp
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Binary:
    """op is one of: "|" "&" "\\" ";" "*" (cartesian product) "++" (element added to a set)."""

    op: str
    left: Exp
    right: Exp
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Tuple:
    args: tuple[Exp, ...]
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class SetOf:
    """`{a, b}`; `{}` is the empty set of anything."""

    args: tuple[Exp, ...]
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Apply:
    function: Exp
    arg: Exp
    span: Span = NOWHERE


Pattern: TypeAlias = "str | tuple[str, ...]"
"""What an argument is bound to: a name, "_", or a tuple of these."""


@dataclass(frozen=True, slots=True)
class Fun:
    """`fun pattern -> body`; `let f x = e` and `let f(x, y) = e` bind a Fun."""

    param: Pattern
    body: Exp
    name: str = ""
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Binding:
    pattern: Pattern
    value: Exp
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Let:
    """`let [rec] bindings in body`."""

    bindings: tuple[Binding, ...]
    body: Exp
    rec: bool = False
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class MatchSet:
    """`match e with {} -> empty || element ++ rest -> step end`."""

    arg: Exp
    empty: Exp
    element: str
    rest: str
    step: Exp
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class MatchTag:
    """`match e with 'a -> e1 || 'b -> e2 || _ -> default end`."""

    arg: Exp
    clauses: tuple[tuple[str, Exp], ...]
    default: Exp | None = None
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Try:
    body: Exp
    otherwise: Exp
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Variant:
    """`"name"` (or `variant "name"`) as a condition."""

    name: str
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Junction:
    """`not c` has one argument; `c && d` and `c || d` two."""

    op: str
    args: tuple[Cond, ...]
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Test:
    """A comparison of values in a condition: op is "=", "subset" or "in"."""

    op: str
    left: Exp
    right: Exp
    span: Span = NOWHERE


Cond: TypeAlias = Variant | Junction | Test


@dataclass(frozen=True, slots=True)
class IfExp:
    cond: Cond
    then: Exp
    orelse: Exp
    span: Span = NOWHERE


Exp: TypeAlias = (
    Name | Tag | Empty | Universe | Unary | Binary | Tuple | SetOf | Apply | Fun | Let | MatchSet | MatchTag | Try | IfExp
)

# ---------------------------------------------------------------- instructions


@dataclass(frozen=True, slots=True)
class LetIns:
    """`let [rec] bindings`; all right sides see the names as they were before (or themselves, with rec)."""

    bindings: tuple[Binding, ...]
    rec: bool = False
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Check:
    """`kind` is acyclic | irreflexive | empty; `role` check | flag | undefined_unless | assert; `name` is after `as`, or ""."""

    kind: str
    exp: Exp
    name: str = ""
    negated: bool = False
    role: str = "check"
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Show:
    """`show a, b`, `unshow a`, `show e as n`: hints for drawing; they mean nothing to a verdict."""

    names: tuple[str, ...]
    exp: Exp | None = None
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Include:
    file: str
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Procedure:
    name: str
    param: Pattern
    body: tuple[Ins, ...]
    rec: bool = False
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class CallIns:
    name: str
    arg: Exp
    label: str = ""
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class WithFrom:
    """`with name from exp`: one execution for each member of the set of relations."""

    name: str
    exp: Exp
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class IfIns:
    cond: Cond
    then: tuple[Ins, ...]
    orelse: tuple[Ins, ...] = ()
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class EnumIns:
    name: str
    tags: tuple[str, ...]
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Instructions:
    """`instructions R[{'once,'release}]` or `instructions W[Accesses]`: which tags an event class may carry.

    `default R[{'once}]` instead names the tag that an event gets when it is written without one.
    """

    name: str
    args: tuple[Exp, ...]
    default: bool = False
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class MatchIns:
    """`match e with 'a -> instructions ... end`."""

    arg: Exp
    clauses: tuple[tuple[str, tuple[Ins, ...]], ...]
    default: tuple[Ins, ...] | None = None
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Forall:
    """`forall x in e do instructions end`."""

    name: str
    exp: Exp
    body: tuple[Ins, ...]
    span: Span = NOWHERE


Ins: TypeAlias = (
    LetIns | Check | Show | Include | Procedure | CallIns | WithFrom | IfIns | EnumIns | Instructions | MatchIns | Forall
)


@dataclass(frozen=True, slots=True)
class File:
    """One parsed file: its title ("" when it has none), whether it says `catdep`, and its instructions in order."""

    title: str
    catdep: bool
    body: tuple[Ins, ...]
    source: Source
