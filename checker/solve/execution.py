"""One execution: the event graph with exact leaves, and the proof that the model allows it.

A solution fixes every choice. Putting the fixed choices into the leaves makes the evaluator's bounds exact, so the same
walk that bounded the encoding now certifies what the solver found: nothing of the encoding is trusted.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from checker.cat.evaluate import Bounds
from checker.cat.term import Axiom, Model, Term
from checker.core.circuit import FALSE, TRUE, Lit
from checker.core.rel import Rows, bits, components, pairs
from checker.core.value import Symbolic, result_of
from checker.program.events import Event, EventGraph, Leaf
from checker.program.ir import Address, RegLoc, Value
from checker.solve.encode import Encoder


class Uncertified(Exception):
    """The solver's answer does not stand up to evaluation: an error in this program, never to be hidden."""


class Execution(Struct, frozen=True):
    """A candidate execution: who executed, with which values, and the relations that memory chose.

    `graph` has exact leaves and only the executed events in its sets; `bounds` evaluates any term of the model exactly.
    """

    graph: EventGraph
    executed: int
    bounds: Bounds
    finals: dict[RegLoc, Value]
    memory: dict[Address, Value]

    def events(self) -> list[Event]:
        return [self.graph.events[i] for i in bits(self.executed)]

    def pairs(self, term: Term) -> list[tuple[int, int]]:
        """The pairs of a relation in this execution."""
        return list(pairs(self.bounds.of(term)[1]))


def execution(graph: EventGraph, encoder: Encoder, model: Model, holds: set[Lit]) -> Execution:
    """The execution of a solution in which exactly the variables `holds` are true."""
    circuit = graph.circuit
    cache: dict[Lit, bool] = {}

    def true(lit: Lit) -> bool:
        return circuit.value(lit, holds, cache)

    def settled(value: Symbolic | None) -> Symbolic | None:
        if value is None:
            return None
        for v, lit in value.items():
            if true(lit):
                return {v: TRUE}
        return None

    executed = 0
    events = []
    for e in graph.events:
        happens = true(e.guard)
        executed |= happens << e.eid
        events.append(replace(e, guard=TRUE if happens else FALSE, addr=settled(e.addr), value=settled(e.value)))
    leaves = {name: _exact_leaf(leaf, executed, true) for name, leaf in graph.leaves.items()}
    exact = EventGraph(
        tuple(events), circuit, {name: mask & executed for name, mask in graph.sets.items()}, leaves,
        {}, {a: {w: TRUE for w, lit in lits.items() if true(lit)} for a, lits in graph.final_write.items()},
        tuple([(TRUE, span, lost) for lit, span, lost in graph.cut if true(lit)]),
        tuple([(TRUE, span, what) for lit, span, what in graph.wild if true(lit)]),
        tuple([(1 << graph.n) - 1] * graph.n), graph.threads,
        tuple([(TRUE, span, what) for lit, span, what in graph.undefined if true(lit)]),
    )  # fmt: skip
    bounds = Bounds(exact, model.terms)
    bounds.everything = executed
    bounds.always = True
    chosen = encoder.chosen_terms()
    for term, lits in chosen:
        rows = [0] * graph.n
        for (a, b), lit in lits.items():
            if true(lit):
                rows[a] |= 1 << b
        bounds.values[term.index] = (fixed := tuple(rows), fixed)
    finals = {loc: next(iter(settled(value) or {0: TRUE})) for loc, value in graph.finals.items()}
    memory: dict[Address, Value] = {}
    for address, lits_at in graph.final_write.items():
        for w, lit in lits_at.items():
            if true(lit):
                memory[address] = next(iter(events[w].value or {0: TRUE}))
    if graph.parts is not None:
        for whole, parts in graph.parts.of.items():
            if parts[0] in memory:
                memory[whole] = graph.parts.joined(whole, [memory[part] for part in parts], _applied, int)
    return Execution(exact, executed, bounds, finals, memory)


def _applied(op: str, a: Value, b: Value) -> Value:
    return result_of(op, (a, b))  # type: ignore[return-value]


def _exact_leaf(leaf: Leaf, executed: int, true) -> Leaf:  # type: ignore[no-untyped-def]
    must, may, lits = leaf
    rows = [row & executed if executed >> a & 1 else 0 for a, row in enumerate(must if must is not may else may)]
    for (a, b), lit in lits.items():
        if not must[a] >> b & 1 and true(lit):
            rows[a] |= 1 << b
    fixed = tuple(rows)
    return fixed, fixed, {}


def failures(axioms: tuple[Axiom, ...], bounds: Bounds) -> list[Axiom]:
    """The checks (of any role) that fail in an execution with exact bounds."""
    return [axiom for axiom in axioms if not succeeds(axiom, bounds)]


def succeeds(axiom: Axiom, bounds: Bounds) -> bool:
    """Whether a check holds in an execution with exact bounds."""
    value = bounds.of(axiom.term)[1]
    match axiom.kind:
        case "acyclic":
            good = not components(value)
        case "irreflexive":
            good = not any(row >> a & 1 for a, row in enumerate(value))
        case _:
            good = not value if axiom.term.kind == "set" else not any(value)
    return good != axiom.negated


def certify(model: Model, found: Execution, *, flag: str = "", undefined: bool = False) -> None:
    """Raise Uncertified unless the execution is whole and well formed, and passes every check.

    It must raise `flag` when one is named, and be one that the model gives no meaning when that is what `undefined` asks.
    """
    if found.graph.cut or found.graph.wild or found.graph.undefined:
        raise Uncertified("an execution was found that is not whole")
    well_formed(found)
    for axiom in model.axioms:
        if axiom.role == "check" and not succeeds(axiom, found.bounds):
            raise Uncertified(f"an execution was found that violates '{axiom.name}'")
    raised = [a for a in model.axioms if a.role == "flag" and a.name == flag]
    if flag and not any(succeeds(a, found.bounds) for a in raised):
        raise Uncertified(f"an execution was found for the flag '{flag}', but does not raise it")
    required = [a for a in model.axioms if a.role not in ("check", "flag")]
    if undefined and all(succeeds(a, found.bounds) for a in required):
        raise Uncertified("an execution was found to have no meaning, but has one")
    for term in model.terms.all:
        if term.op == "orders":
            order_is_total(found, term)


def well_formed(found: Execution) -> None:
    """Every executed read reads from exactly one executed write of the same location and value."""
    graph = found.graph
    rf = graph.leaves["rf"][0]
    sources: dict[int, list[int]] = {}
    for w, r in pairs(rf):
        sources.setdefault(r, []).append(w)
    for e in found.events():
        if e.kind != "R":
            continue
        if len(sources.get(e.eid, [])) != 1:
            raise Uncertified(f"read {e.letter} has {len(sources.get(e.eid, []))} sources")
        write = graph.events[sources[e.eid][0]]
        if not found.executed >> write.eid & 1 or write.addr != e.addr or write.value != e.value:
            raise Uncertified(f"read {e.letter} does not get its value from write {write.letter}")


def order_is_total(found: Execution, term: Term) -> None:
    """A coherence order is total per location and extends what it was told to."""
    known = found.bounds.values.get(term.index)
    if known is None:
        return
    rows: Rows = known[1]
    events = found.bounds.of(term.args[0])[1]
    at = found.graph.leaves["loc"][0]
    for a in bits(events):
        for b in bits(events & at[a] & ~(1 << a)):
            if (rows[a] >> b & 1) + (rows[b] >> a & 1) != 1:
                raise Uncertified("a coherence order is not total")
    if components(rows):
        raise Uncertified("a coherence order has a cycle")
    within = found.bounds.of(term.args[1])[1]
    for a, b in pairs(within):
        if events >> a & 1 and events >> b & 1 and at[a] >> b & 1 and not rows[a] >> b & 1:
            raise Uncertified("a coherence order misses a pair it must contain")
