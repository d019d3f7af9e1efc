"""What an execution decides, one fact at a time; and a graph in which only some facts are decided.

A fact is that an event executes, that a pair is in a base relation or in an order the model chooses, that an event has a value,
or that a write is the last one; or that it is not so. What the program decides for all executions is no fact.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from checker.cat.evaluate import Bounds
from checker.cat.term import Term
from checker.core.circuit import FALSE, TRUE, Lit
from checker.core.rel import Rows
from checker.program.events import EventGraph, Leaf
from checker.program.ir import Value
from checker.solve.encode import Encoder


class Fact(Struct, frozen=True):
    """`kind` is event, value or rel; a rel is a base relation, or a set at (a, a), or an order or choice, of the model."""

    kind: str
    a: int
    b: int
    holds: bool = True
    term: Term | None = None
    value: Value = 0

    def lit(self, encoder: Encoder) -> Lit:
        """The literal for this fact."""
        match self.kind:
            case "event":
                lit = encoder.guard[self.a]
            case "value":
                lit = (encoder.graph.events[self.a].value or {}).get(self.value, FALSE)
            case _:
                assert self.term is not None
                pair = self.term.kind == "rel"
                lit = encoder.literal(self.term, self.a, self.b, up=True) if pair else encoder.member(self.term, self.a, up=True)
        return lit if self.holds else -lit


def executed(facts: Iterable[Fact]) -> int:
    """The events that the facts say execute."""
    mask = 0
    for fact in facts:
        if fact.kind == "event" and fact.holds:
            mask |= 1 << fact.a
    return mask


def decided(graph: EventGraph, bounds: Bounds, facts: Iterable[Fact]) -> Bounds:
    """The bounds of the model's terms over executions of which no more is known than `facts`."""
    facts = tuple(facts)
    there = executed(facts)
    gone = 0
    for fact in facts:
        if fact.kind == "event" and not fact.holds:
            gone |= 1 << fact.a
    values = {fact.a: fact.value for fact in facts if fact.kind == "value" and fact.holds}
    events = tuple(
        replace(
            e, guard=TRUE if there >> e.eid & 1 else FALSE if gone >> e.eid & 1 else e.guard,
            value={values[e.eid]: TRUE} if e.eid in values else e.value,
        )
        for e in graph.events
    )  # fmt: skip
    told = {name: [f for f in facts if f.term is not None and f.term.op == "leaf" and f.term.name == name] for name in graph.leaves}
    leaves = {name: _leaf(leaf, told[name], gone, single=name == "rf") for name, leaf in graph.leaves.items()}
    always = there | sum(1 << e.eid for e in graph.events if e.guard == TRUE)
    implied = tuple([row | always for row in graph.implied])
    last = {f.a: f.holds for f in facts if f.term is not None and f.term.kind == "set"}
    finals = {
        at: {w: (TRUE if last[w] else FALSE) if w in last else lit for w, lit in lits.items() if not gone >> w & 1}
        for at, lits in graph.final_write.items()
    }
    known = replace(
        graph, events=events, leaves=leaves, implied=implied, final_write=finals,
        sets={name: mask & ~gone for name, mask in graph.sets.items()},
    )  # fmt: skip
    made = Bounds(known, bounds.terms)
    made.everything &= ~gone
    for term in bounds.terms.generators:
        must, may = bounds.of(term)
        mine = [f for f in facts if f.term is term]
        made.values[term.index] = _rows(must, may, mine, gone, single=False, ordered=term.op == "orders")
    return made


def _leaf(leaf: Leaf, facts: list[Fact], gone: int, *, single: bool) -> Leaf:
    must, may, lits = leaf
    must, may = _rows(must, may, facts, gone, single=single)
    return must, may, lits


def _rows(
    must: Rows, may: Rows, facts: list[Fact], gone: int, *, single: bool, ordered: bool = False
) -> tuple[Rows, Rows]:  # fmt: skip
    """A relation with what the facts say of it. `single`: nothing has two sources; `ordered`: nothing goes both ways."""
    if not facts and not gone:
        return must, may
    least, most = [row & ~gone for row in must], [row & ~gone for row in may]
    for e in range(len(least)):
        if gone >> e & 1:
            least[e] = most[e] = 0
    for fact in facts:
        bit = 1 << fact.b
        if not fact.holds:
            most[fact.a] &= ~bit
            continue
        if single:
            most = [row & ~bit for row in most]
        if ordered:
            most[fact.b] &= ~(1 << fact.a)
        most[fact.a] |= bit
        least[fact.a] |= bit
    if least == most:
        exact = tuple(least)
        return exact, exact
    return tuple(least), tuple(most)
