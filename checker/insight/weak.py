"""Why an outcome is possible: an execution that has it, why no interleaving does, and the order that is missing.

An execution that is no interleaving has a cycle of program order and communication (Shasha and Snir 1988). Where the model
keeps an edge of program order in it, that is no gap; of the others, the cheapest barriers between the two accesses that
forbid this very execution are looked for: the program with all of them, each there or not by a free choice, the sources of
reads and the coherence order as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from checker.cat.term import Model, Term
from checker.check import Options, stages
from checker.core.circuit import FALSE, TRUE, Lit
from checker.core.rel import Rows, bits, closure, components, compose, cycle, diff, identity, inter, inverse, pairs, restrict, union
from checker.core.rel import path as way
from checker.core.source import Source, Span
from checker.insight.assembly import Code, Line, fenced, lines_of, one_of
from checker.insight.edges import Edge
from checker.insight.engine import Engine
from checker.insight.statements import points, varied
from checker.program.events import EventGraph
from checker.program.ir import Call, Choose, Do, If, Reg, RegLoc, Stmt, Test, Thread
from checker.program.tree import Body
from checker.result import Result
from checker.solve.encode import Problem
from checker.solve.execution import Execution

INSERTED = Span(Source("<inserted>", ""), 0, 0)
BARRIERS = {("R", "R"): ("smp_rmb", "smp_mb"), ("W", "W"): ("smp_wmb", "smp_mb")}
FULL = ("smp_mb",)
Pair = tuple[Term, int, int]
"""That a term has a pair."""


class Switch(Struct, frozen=True):
    """A barrier in a gap, by its number: there if the register is 1."""

    gap: int
    barrier: str
    register: str
    where: str = ""


class Gap(Struct, frozen=True):
    """Two accesses of one thread that nothing keeps in order (`kept`: in an order that other CPUs need not see); `would` is a
    barrier that forbids the execution, with those of the other gaps, where one is known: at any place between the two, or, where
    others stand between, right `behind` the first or right `before` the second."""

    a: int
    b: int
    would: str = ""
    kept: bool = False
    where: str = ""


class Weakness(Struct, frozen=True):
    """An execution: its accesses in an order in which they may happen; a cycle of program order and communication, empty where
    it is an interleaving; and the gaps in it."""

    found: Execution
    order: tuple[int, ...]
    cycle: tuple[Edge, ...]
    gaps: tuple[Gap, ...]


def weakness(test: Test, model: Model, options: Options, result: Result) -> Weakness | None:
    """Why the outcome that `result` shows an execution of is possible; None where it shows none."""
    found = result.witness
    if found is None:
        return None
    rows = communication(model, found)
    whole = union(union(rows["po"], rows["rf"]), union(rows["co"], rows["fr"]))
    path = cycle(whole)
    return _told(test, model, options, found, tuple(_edges(found, rows, [*path, *path[:1]])))


def unordered(test: Test, model: Model, options: Options, found: Execution, pair: Pair | None) -> Weakness:
    """How an execution comes about in which a term has a pair for want of order: a way of program order and communication leads
    from the one event to the other or back, if one does, and something in it is missing."""
    if pair is None:
        return _told(test, model, options, found, ())
    rows = communication(model, found)
    ends = 1 << pair[1] | 1 << pair[2]
    for name in ("rf", "co", "fr"):  # which lead from the one to the other by themselves
        rows[name] = tuple([row & ~ends if ends >> n & 1 else row for n, row in enumerate(rows[name])])
    whole = union(union(rows["po"], rows["rf"]), union(rows["co"], rows["fr"]))
    reach = closure(whole)
    path = next((way(whole, a, b) for a, b in (pair[1:], pair[:0:-1]) if reach[a] >> b & 1), [])
    return _told(test, model, options, found, tuple(_edges(found, rows, path)), pair)


def _told(
    test: Test, model: Model, options: Options, found: Execution, edges: tuple[Edge, ...], pair: Pair | None = None
) -> Weakness:  # fmt: skip
    """What is missing on a way; `pair` is what it makes possible, the execution itself where there is none."""
    inside = [Gap(e.a, e.b, "", _kept(model, found, e)) for e in edges if e.kind == "po"]
    gaps = [gap for gap in inside if not gap.kept]
    tried = (_closed(test, model, options, found, some, pair) for some in (gaps, inside) if some)
    gaps = next(filter(None, tried), gaps)
    return Weakness(found, _in_time(model, found), edges, tuple(gaps))


def communication(model: Model, found: Execution) -> dict[str, Rows]:
    """po, rf, co and fr of an execution, on its accesses of memory."""
    memory = found.graph.sets["M"] & found.executed
    co = found.bounds.of(_coherence(model, found))[1]
    rf = found.graph.leaves["rf"][1]
    fr = diff(compose(inverse(rf), co), identity(memory, found.graph.n))
    made = {"rf": rf, "co": co, "fr": fr, "po": found.graph.leaves["po"][1]}
    return {name: restrict(memory, rows, memory) for name, rows in made.items()}


def _coherence(model: Model, found: Execution) -> Term:
    """What the model calls co; of one that has none, the orders that it chooses."""
    named, terms = model.names.get("co"), found.bounds.terms
    if named is not None and named.kind == "rel":
        return named
    return terms.union((terms.empty_rel, *[term for term in terms.generators if term.op == "orders"]))


def _edges(found: Execution, rows: dict[str, Rows], path: Sequence[int]) -> Iterator[Edge]:
    """The edges between the events of a way."""
    events = found.graph.events
    for a, b in pairwise(path):
        kind = next(name for name in ("rf", "co", "fr", "po") if rows[name][a] >> b & 1)
        apart = "" if kind == "po" else "i" if events[a].tid == events[b].tid else "e"
        yield Edge(a, b, kind + apart, kind)


def _kept(model: Model, found: Execution, edge: Edge) -> bool:
    """Whether an axiom keeps the two in order, by what their own thread does."""
    inside = found.graph.leaves["int"][1]
    for axiom in model.axioms:
        if axiom.role == "check" and axiom.kind == "acyclic":
            rows = closure(inter(found.bounds.of(axiom.term)[1], inside))
            if rows[edge.a] >> edge.b & 1:
                return True
    return False


def _in_time(model: Model, found: Execution) -> tuple[int, ...]:
    """The accesses in an order that goes with the model: with everything, if that is possible, else with what its axioms order,
    those first that see to reads being after the writes they read from."""
    memory = found.graph.sets["M"] & found.executed & ~found.graph.sets["IW"]
    rows = communication(model, found)
    whole = union(union(rows["po"], rows["rf"]), union(rows["co"], rows["fr"]))
    external = inter(rows["rf"], found.graph.leaves["ext"][1])
    orders = [found.bounds.of(a.term)[1] for a in model.axioms if a.role == "check" and a.kind == "acyclic" and not a.negated]
    orders.sort(key=lambda r: -sum(row.bit_count() for row in inter(r, external)))
    known = found.bounds.empty
    for more in [whole, *orders]:
        if not components(union(known, more)):
            known = union(known, more)
    before = inverse(closure(known))
    done, order = 0, []
    while left := memory & ~done:
        n = next(n for n in bits(left) if not before[n] & left & ~(1 << n))
        order.append(n)
        done |= 1 << n
    return tuple(order)


# ---------------------------------------------------------------- what would forbid it


def _closed(
    test: Test, model: Model, options: Options, found: Execution, gaps: Sequence[Gap], pair: Pair | None
) -> list[Gap]:  # fmt: skip
    """The gaps to be closed so that this execution is gone (`pair`: so that the term has the pair in it no more), each with the
    barrier that does it; none where that is not enough."""
    made, switches = (_with_calls if test.arch == "C" else _with_fences)(test, model, found, gaps)
    if not switches:
        return []
    graph, _, problem = stages(made, model, options)
    again = _same(graph, found, problem, pair)
    if again is None:
        return []
    literals = {s.register: _chosen(graph, gaps, found, s.gap, s.register) for s in switches}
    with Engine(problem, [*again, *literals.values()]) as engine:
        return _cheapest(gaps, switches, literals, lambda on: engine.satisfiable([*again, *on]))


def _cheapest(
    gaps: Sequence[Gap], switches: list[Switch], literals: dict[str, Lit], possible: Callable[[list[Lit]], bool]
) -> list[Gap]:
    """The fewest barriers without which it is possible; of as many, those that are less of a barrier."""
    for size in range(1, len(gaps) + 1):
        for some in itertools.combinations(switches, size):
            if len({s.gap for s in some}) < size:
                continue
            there = {s.register for s in some}
            if not possible([lit if register in there else -lit for register, lit in literals.items()]):
                return [replace(gaps[s.gap], would=s.barrier, where=s.where) for s in some]
    return []


def _with_calls(test: Test, model: Model, found: Execution, gaps: Sequence[Gap]) -> tuple[Test, list[Switch]]:
    """A C test with the barriers that might close each gap, each there if its register is 1."""
    switches: list[Switch] = []
    behind: list[tuple[int, Stmt, str, str]] = []
    for n, gap in enumerate(gaps):
        a, b = found.graph.events[gap.a], found.graph.events[gap.b]
        body = next(thread.body for thread in test.threads if thread.tid == a.tid)
        places = list(points(body, a.span, b.span))
        for barrier in BARRIERS.get((a.kind, b.kind), FULL):
            for point, where in zip(places, ("behind", "before") if len(places) > 1 else ("",), strict=True):
                if barrier in (model.primitives or {}):
                    switches.append(Switch(n, f"{barrier}()", f"%barrier{len(switches)}", where))
                    behind.append((a.tid, point.following, barrier, switches[-1].register))
    return replace(test, threads=tuple([_with(thread, behind) for thread in test.threads])), switches


def _with_fences(test: Test, _: Model, found: Execution, gaps: Sequence[Gap]) -> tuple[Test, list[Switch]]:
    """The same of a test in assembly, of a machine whose fences are known: behind the first access of each gap."""
    switches: list[Switch] = []
    if not fenced(test.arch):
        return test, switches
    lines = lines_of(test)
    behind: dict[Span, list[tuple[str, str]]] = {}
    used: dict[int, list[str]] = {}
    for n, gap in enumerate(gaps):
        a, b = found.graph.events[gap.a], found.graph.events[gap.b]
        for fence in filter(None, (lines.machine.directional.get((a.kind, b.kind), ""), *lines.machine.fences[:1])):
            where = "behind" if lines.between(a.tid, a.span, b.span) else ""
            switches.append(Switch(n, fence, f"%barrier{len(switches)}", where))
            behind.setdefault(a.span, []).append((switches[-1].register, fence))
            used.setdefault(a.tid, []).append(switches[-1].register)

    def chosen(line: Line) -> Code:
        more = [
            one_of(register[1:], [([register], lines.fence(fence, INSERTED))], ()) for register, fence in behind.get(line.span, ())
        ]
        return (*line.code, *[instr for code in more for instr in code])

    return lines.varied(chosen, lambda tid: used.get(tid, ())), switches


def _with(thread: Thread, behind: Sequence[tuple[int, Stmt, str, str]]) -> Thread:
    """The thread with barriers before some of its statements, each if its register is 1."""
    mine = [(following, barrier, register) for tid, following, barrier, register in behind if tid == thread.tid]

    def before(s: Stmt) -> Body:
        fences = [(barrier, register) for following, barrier, register in mine if following is s]
        return tuple([If(Reg(r), (Do(Call(b, (), (), INSERTED), INSERTED),), (), INSERTED) for b, r in fences])

    body = varied(thread.body, lambda _call, _made: None, before)
    return replace(thread, body=(*[Choose(register, INSERTED) for _, _, register in mine], *body))


def _same(graph: EventGraph, found: Execution, problem: Problem, pair: Pair | None) -> list[Lit] | None:
    """That an execution of the program with barriers is `found` but for them: the same events, sources and coherence; and that
    it has `pair`, where there is one."""
    old = list(found.graph.events)
    new = [e for e in graph.events if e.span != INSERTED]
    if len(old) != len(new):
        return None
    place = {o.eid: n.eid for o, n in zip(old, new, strict=True)}
    lits = [e.guard if found.executed >> o.eid & 1 else -e.guard for o, e in zip(old, new, strict=True)]
    terms = problem.encoder.bounds.terms
    chosen = [(terms.make("leaf", "rel", name="rf"), found.graph.leaves["rf"][1])]
    chosen += [(term, found.bounds.of(term)[1]) for term in terms.generators]
    for term, rows in chosen:
        lits += [problem.encoder.literal(term, place[a], place[b], up=True) for a, b in pairs(rows)]
    if pair is not None:
        term, a, b = pair
        lits.append(problem.encoder.literal(term, place[a], place[b], up=False))
    return [lit for lit in lits if lit != TRUE]


def _chosen(graph: EventGraph, gaps: Sequence[Gap], found: Execution, n: int, register: str) -> Lit:
    value = graph.finals[RegLoc(found.graph.events[gaps[n].a].tid, register)]
    return value.get(1, FALSE)
