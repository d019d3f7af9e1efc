"""What many additions make of a location in the end, whatever their order: the sum.

Where every write adds a constant to what it replaces, the order of n writes means n! cases to a solver and nothing to the sum.
So questions are asked first that are about two or three writes at a time: can it be otherwise? Let W be the writes to x that
may execute, each with a read of x in its thread (its other half, or what its value is computed from) and a constant d. It is
otherwise in an execution in which, for some w in W that executes,

    its read does not; or what it reads is not before w in coherence, or another write is between the two; or the initial write
    is not before w; or w writes something else than what its read got, plus d; or w is the last write to x (as final values
    have it), and another comes after it.

If no execution is like that, then in each the writes that execute stand in one row, coherence being total, each adds its d to
what the one before it wrote, the first to the initial value, and the last is the final value. So this is the initial value and
the sum of the d of the writes that execute, which is then asserted; it takes no execution away. What a write adds is a guess:
nothing is taken on trust from how it looks, or from the model. Where the search gives up on a question, nothing is asserted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from checker.cat.term import Term
from checker.core.circuit import FALSE, TRUE, Lit
from checker.core.value import Symbolic, apply, known, merge
from checker.program.events import Event
from checker.program.ir import Address
from checker.solve.encode import Problem
from checker.solve.search import GiveUp, Search
from checker.solve.symmetry import coherence_of

FEWEST = 5  # writes for which it is worth asking
MOST_SUMS = 1000  # what they may add up to


def assert_sums(problem: Problem, *, fewest: int = FEWEST) -> None:
    """Assert the final value of each location that matters and to which at least `fewest` writes do nothing but add."""
    claims = [c for address in problem.graph.final_write if (c := _claim(problem, address, fewest)) is not None]
    if not claims:
        return
    circuit = problem.circuit
    roots = [lit for claim in claims for lit in claim.otherwise]
    clauses = circuit.clauses(roots)
    used = {abs(lit) for clause in (*clauses, roots) for lit in clause}
    inputs = sorted([v for v in used - circuit.derived - {TRUE} if circuit.gates[v] is None])
    search = Search(clauses, len(circuit.gates) - 1, inputs, circuit.deadline)
    for claim in claims:
        with suppress(GiveUp):
            if not any(search.satisfiable([lit]) for lit in claim.otherwise):
                claim.require()


class _Claim:
    """The writes to one location, each with its read and what it adds; `otherwise`: that it is not as claimed, case by case."""

    def __init__(self, problem: Problem, address: Address, writes: Sequence[tuple[Event, Event, int]], order: Term) -> None:
        self.problem, self.circuit, self.address = problem, problem.circuit, address
        self.initial, self.writes, self.order = _initial(problem, address), writes, order
        self.otherwise = [lit for lit in dict.fromkeys(self.cases()) if lit != FALSE]

    def before(self, a: Event, b: Event) -> Lit:
        return FALSE if a is b else self.problem.encoder.literal(self.order, a.eid, b.eid, up=True)

    def cases(self) -> Iterator[Lit]:
        graph, circuit = self.problem.graph, self.circuit
        must, may, lits = graph.leaves["rf"]
        chain = [self.initial, *[w for w, _, _ in self.writes]]
        last = graph.final_write[self.address]
        for w, r, d in self.writes:
            yield circuit.both2(w.guard, -r.guard)
            yield circuit.both2(w.guard, -self.before(self.initial, w))
            sources = []
            for s in chain:
                if may[s.eid] >> r.eid & 1:
                    read = r.guard if must[s.eid] >> r.eid & 1 else lits[s.eid, r.eid]
                    sources.append((s, circuit.both2(w.guard, read)))
            for s, taken in sources:
                yield circuit.both2(taken, -self.before(s, w))
            for other in chain:
                skipped = circuit.either([circuit.both2(taken, self.before(s, other)) for s, taken in sources])
                yield circuit.both2(skipped, self.before(other, w))
                yield circuit.both2(last[w.eid], self.before(w, other))
            for v, lit in (r.value or {}).items():
                yield circuit.both((w.guard, lit, -(w.value or {}).get(v + d, FALSE)))
        for other in chain[1:]:
            yield circuit.both2(last[self.initial.eid], other.guard)

    def require(self) -> None:
        """Assert that the final value is the sum."""
        graph, circuit = self.problem.graph, self.circuit
        total: Symbolic = self.initial.value or {}
        for w, _, d in self.writes:
            total = apply(circuit, "add", [total, merge(circuit, [(w.guard, known(d)), (-w.guard, known(0))])], w.span)
        final = merge(circuit, [(lit, graph.events[w].value or {}) for w, lit in graph.final_write[self.address].items()])
        for v, lit in final.items():
            circuit.require((-lit, total.get(v, FALSE)))


def _claim(problem: Problem, address: Address, fewest: int) -> _Claim | None:
    """What is to be shown of a location; None where it cannot be so, or is not worth it."""
    graph = problem.graph
    writers = [graph.events[w] for w in graph.final_write[address] if graph.events[w].kind != "IW"]
    if len(writers) < fewest:
        return None
    initial = _initial(problem, address)
    order = coherence_of(problem, [initial, *writers])
    found = [_added(problem, write) for write in writers]
    writes = [f for f in found if f is not None]
    reached = set(initial.value or {})
    if order is None or len(writes) != len(writers) or not all(isinstance(v, int) for v in reached):
        return None
    for _, _, d in writes:
        reached |= {v + d for v in reached}
        if len(reached) > MOST_SUMS:
            return None
    return _Claim(problem, address, writes, order)


def _initial(problem: Problem, address: Address) -> Event:
    events = problem.graph.events
    return next(events[w] for w in problem.graph.final_write[address] if events[w].kind == "IW")


def _added(problem: Problem, write: Event) -> tuple[Event, Event, int] | None:
    """A write with the read it may add to, and what it may add."""
    graph = problem.graph
    for name in ("rmw", "data"):
        may = graph.leaves[name][1]
        for r in reversed(range(graph.n)):
            read = graph.events[r]
            if not may[r] >> write.eid & 1 or read.kind != "R" or read.addr != write.addr:
                continue
            if read.value and write.value and all(isinstance(v, int) for v in (*read.value, *write.value)):
                return write, read, min(write.value) - min(read.value)
    return None
