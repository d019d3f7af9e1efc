"""What an expression of a cat file can be while it is elaborated: a term, or something that only makes terms.

Functions, procedures, tags and tuples are gone when elaboration is done. Sets of relations are kept as what they are used for:
all coherence orders, or all ways to choose one edge for each event.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from checker.cat import syntax as s
from checker.cat.base import OF_NOTHING
from checker.cat.term import Term
from checker.core.source import Span


class Closure(Struct, frozen=True):
    param: s.Pattern
    body: s.Exp
    env: dict[str, Value]
    name: str
    span: Span


class Procedure(Struct, frozen=True):
    syntax: s.Procedure
    env: dict[str, Value]


class Primitive(Struct, frozen=True):
    """A function of the library, with the arguments it has so far (curried ones take them one by one)."""

    name: str
    args: tuple[Value, ...] = ()


class TagValue(Struct, frozen=True):
    name: str


class Enumeration(Struct, frozen=True):
    tags: tuple[str, ...]


class TupleValue(Struct, frozen=True):
    args: tuple[Value, ...]


class SetValue(Struct, frozen=True):
    """A set of relations (or of sets of relations) written out."""

    members: tuple[Value, ...]


class Element(Struct, frozen=True):
    """The event a `map` over a set of events stands at."""

    term: Term


class Pair(Struct, frozen=True):
    """The pair a `map` over a relation stands at, as a relation of its own."""

    term: Term


class Edges(Struct, frozen=True):
    """The single-edge relations of a relation's pairs."""

    relation: Term


class Family(Struct, frozen=True):
    """What a `map` over the events, or pairs, of `domain` gives: `member`, one for each that `variable` stands for."""

    domain: Term
    variable: str
    member: Value


class Orders(Struct, frozen=True):
    """All total orders per location on `events` that extend `within`."""

    events: Term
    within: Term


class Choices(Struct, frozen=True):
    """All relations made of one pair of `member` for each event, or pair, of `domain`."""

    domain: Term
    variable: str
    member: Term


Value: TypeAlias = (
    Term | Closure | Procedure | Primitive | TagValue | Enumeration | TupleValue | SetValue | Element | Pair | Edges
    | Family | Orders | Choices
)  # fmt: skip

PRIMITIVES: dict[str, int] = {
    "domain": 1, "range": 1, "classes-loc": 1, "partition": 1, "linearisations": 1, "tag2events": 1, "tag2instrs": 1,
    "different-values": 1, "map": 2, "cross": 1, "co_locs": 1, "generate_orders": 1, "generate_cos": 1,
    **dict.fromkeys(OF_NOTHING, 1),
}  # fmt: skip


def describe(value: Value) -> str:
    match value:
        case Term():
            return "a " + ("set" if value.kind == "set" else "relation")
        case Closure() | Primitive():
            return "a function"
        case Procedure():
            return "a procedure"
        case TagValue() | Enumeration():
            return "a tag"
        case TupleValue():
            return "a tuple"
    return "a set of relations"
