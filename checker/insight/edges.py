"""A reason as a path of edges that a person can follow: each between two accesses, with its relation and what makes it hold.

A derivation is cut down to its base relations. Program order through a fence is one edge, held by the fence; a read that is
overwritten later is one edge `fr`; an edge of program order has the name that the model gives it nearest (`po-rel`, `wmb`), and
the sets in which an end had to be (Release, Acquire) tell which instruction does it.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from checker.cat.evaluate import Bounds
from checker.cat.term import Model, Term
from checker.insight.refute import Reason
from checker.insight.why import Derivations, Why
from checker.program.events import Event
from checker.solve.execution import Execution

_MEMORY = ("rf", "co", "fr")
_DEPENDENCIES = ("addr", "data", "ctrl")
_FILTERS = frozenset({"int", "ext", "loc", "id"})


class Edge(Struct, frozen=True):
    """From an event to the next: `relation` as the field calls it, `kind` the base relation it is made of (or fr, or inverse);
    `by` are the events that make it hold, fences between the two or what an end of it is."""

    a: int
    b: int
    relation: str
    kind: str
    by: tuple[int, ...] = ()


class Told(Struct, frozen=True):
    """A reason's cycle (or the path that must not be), edge by edge."""

    reason: Reason
    edges: tuple[Edge, ...]


def told(reason: Reason, model: Model, bounds: Bounds) -> Told:
    """The cycle of a reason, for people."""
    names: dict[int, str] = {}
    for name, term in model.names.items():
        names.setdefault(term.index, name)
    memory = model.names.get("M")
    named = memory is not None and memory.kind == "set"
    accesses = reason.found.bounds.of(memory)[1] if memory is not None and named else reason.found.graph.sets["M"]
    speaker = _Speaker(reason.found, bounds, names, {term.index: term for term in model.names.values()}, accesses)
    path, found = reason.path, reason.found
    if not path:
        return Told(reason, ())
    derive = Derivations(found, bounds, whole=True)
    term = reason.axiom.term
    if term.kind == "set":
        return Told(reason, tuple(speaker.edges(derive.member(term, path[0]))))
    ends = {"acyclic": path[1:] + path[:1], "irreflexive": path}.get(reason.axiom.kind, path[1:])
    edges = [edge for a, b in zip(path, ends) for edge in speaker.edges(derive.pair(term, a, b))]
    told_edges = speaker.joined(edges, closed=reason.axiom.kind != "empty")
    return Told(reason, tuple([edge for edge in told_edges if not speaker.same(edge)]))


class _Speaker(Struct, frozen=True):
    found: Execution
    bounds: Bounds
    names: dict[int, str]
    terms: dict[int, Term]
    accesses: int

    @property
    def events(self) -> tuple[Event, ...]:
        return self.found.graph.events

    # ------------------------------------------------------------ from derivations to edges

    def edges(self, why: Why, name: str = "", notes: tuple[int, ...] = ()) -> Iterator[Edge]:
        """The edges of a derivation, in order. `name`: what the model calls the pair; `notes`: the sets an end must be in."""
        term = why.term
        named = self.names.get(term.index, "")
        if named.rstrip("ei") in _MEMORY:
            yield self.memory(why, named.rstrip("ei"))
            return
        if named and term.args and _by_fence(term):
            name = named
        match term.op:
            case "union" | "fix" | "var" | "diff" | "values" | "domain" | "range":
                yield from self.edges(why.parts[0], name, notes)
            case "inter":
                yield from self.several([part for part in why.parts if not self.filters(part.term)] or [why.parts[0]], name, notes)
            case "seq":
                yield from self.sequence(why, name, notes)
            case "plus":
                for part in why.parts:
                    yield from self.edges(part)
            case "inverse":
                yield from self.backwards(why.parts[0])
            case "id" | "product":
                return
            case _:
                yield self.edge(why, name, notes)

    def several(self, parts: list[Why], name: str, notes: tuple[int, ...]) -> Iterator[Edge]:
        """A pair in two relations at once: there by the first of them, and back by the others."""
        yield from self.edges(parts[0], name, notes)
        for part in parts[1:]:
            if part.term.op == "inverse":
                yield from self.edges(part.parts[0])
            else:
                yield from self.backwards(part)

    def backwards(self, why: Why) -> Iterator[Edge]:
        """The edges from its second event to its first; one edge where they stay in one thread."""
        inner = self.joined(list(self.edges(why)), closed=False)
        name = self.names.get(why.term.index) or (inner[0].relation if len(inner) == 1 else "")
        if name and self.events[why.a].tid == self.events[why.b].tid:
            by = tuple([e for edge in inner for e in edge.by])
            yield Edge(why.b, why.a, f"{name}^-1", "inverse", by)
            return
        for edge in reversed(inner):
            kind = "rf^-1" if edge.kind == "rf" else "inverse"
            yield replace(edge, a=edge.b, b=edge.a, relation=f"{edge.relation}^-1", kind=kind)

    def sequence(self, why: Why, name: str, notes: tuple[int, ...]) -> Iterator[Edge]:
        """The parts of a sequence: the sets between them are notes on the edges beside."""
        parts = list(_flat(why))
        steps = [part for part in parts if part.a != part.b or part.term.op not in ("id", "union", "leaf")]
        said = [part.a for part in parts if part not in steps and self.tells(part)]
        whole = len(steps) == 1 and (steps[0].a, steps[0].b) == (why.a, why.b)
        for step in steps:
            mine = tuple([event for event in said if event in (step.a, step.b)])
            yield from self.edges(step, name if whole else "", (*notes, *mine) if whole else mine)

    def edge(self, why: Why, name: str, notes: tuple[int, ...]) -> Edge:
        """The edge of a base relation."""
        if why.term.op == "choice":
            return Edge(why.a, why.b, self.names.get(why.term.index, "chosen"), "choice")
        leaf = "co" if why.term.op == "orders" else why.term.name
        if leaf in _MEMORY:
            return self.memory(why, leaf)
        if leaf in _DEPENDENCIES:
            return Edge(why.a, why.b, leaf, leaf)
        return Edge(why.a, why.b, name or leaf, leaf, tuple(dict.fromkeys(notes)))

    def memory(self, why: Why, kind: str) -> Edge:
        """An edge that the memory decided, between two threads or inside one."""
        apart = "e" if self.events[why.a].tid != self.events[why.b].tid else "i"
        return Edge(why.a, why.b, kind + apart, kind)

    def joined(self, edges: list[Edge], *, closed: bool) -> list[Edge]:
        """Edges joined where what lies between is no access: program order through a fence; rf backwards and co are fr."""
        if closed and len(edges) > 1:  # begin where nothing is joined over the seam
            for n in range(len(edges)):
                turned = edges[n:] + edges[:n]
                if self.join(turned[-1], turned[0]) is None:
                    edges = turned
                    break
        made: list[Edge] = []
        for edge in edges:
            both = self.join(made[-1], edge) if made else None
            if both is not None:
                made[-1] = both
            else:
                made.append(edge)
        return made

    def join(self, first: Edge, second: Edge) -> Edge | None:
        """One edge for two that follow each other, if they are to be told as one."""
        if first.b != second.a:
            return None
        if first.kind == "rf^-1" and second.kind == "co":
            apart = "e" if self.events[first.a].tid != self.events[second.b].tid else "i"
            return Edge(first.a, second.b, "fr" + apart, "fr")
        middle = first.b
        if first.kind == second.kind == "po" and not self.accesses >> middle & 1:
            relation = self.covering(first.a, middle, second.b) or f"{first.relation}; {second.relation}"
            between = [e for e in (*first.by, middle, *second.by) if e not in (first.a, second.b)]
            return Edge(first.a, second.b, relation, "po", tuple(dict.fromkeys(between)))
        return None

    def same(self, edge: Edge) -> bool:
        """Whether it leads from one event of a statement to another."""
        a, b = self.events[edge.a], self.events[edge.b]
        return a.tid == b.tid >= 0 and a.span == b.span and edge.kind in ("po", "inverse")

    # ------------------------------------------------------------ names

    def covering(self, a: int, middle: int, b: int) -> str:
        """What the model calls, first of all, going from a to b through the fence `middle`."""
        derive = Derivations(self.found, self.bounds, whole=True)
        for index, name in self.names.items():
            term = self.terms[index]
            if term.kind == "rel" and not term.free and term.args and _by_fence(term):
                through = self.found.bounds.of(term)[1][a] >> b & 1
                if through and any(f.a == middle for f in derive.pair(term, a, b).all_facts()):
                    return name
        return ""

    def tells(self, part: Why) -> bool:
        """Whether the set that an event had to be in is one that few are in: an acquire, a release, a fence."""
        if part.term.op != "id":
            return False
        mask: int = self.found.bounds.of(part.term.args[0])[1] & self.found.executed
        return 2 * mask.bit_count() <= self.found.executed.bit_count()

    def filters(self, term: Term) -> bool:
        """Whether a relation says only of which threads and locations events are, or of which sets."""
        if term.op == "leaf":
            return term.name in _FILTERS
        if term.op in ("union", "inter", "diff"):
            return all(map(self.filters, term.args))
        return term.op in ("product", "id")


def _flat(why: Why) -> Iterator[Why]:
    """The parts of nested sequences."""
    if why.term.op == "seq":
        for part in why.parts:
            yield from _flat(part)
    elif why.term.op == "union" and why.a == why.b and why.parts and why.parts[0].term.op == "id":
        yield why.parts[0]
    else:
        yield why


def _by_fence(term: Term) -> bool:
    """Whether a relation is made of program order and sets alone."""
    if term.op == "leaf":
        return term.kind == "set" or term.name in ("po", "int", "loc", "id", "rmw")
    return term.op in ("union", "inter", "diff", "seq", "id", "product", "range", "domain", "inverse") and all(
        map(_by_fence, term.args)
    )
