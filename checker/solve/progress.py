"""Whether a wait can last for ever: the lost wake-up.

Under fair scheduling every process goes on, and what is written is read in the end. A loop that only waits (program/spin.py)
then goes on for ever just in the executions in which all processes have ended or wait so, and each wait reads, in a round that
fails, what is last in coherence: no store is left that could end it (Lahav, Namakonov, Oberhauser, Podkopaev, Vafeiadis, "Making
Weak Memory Models Fair", OOPSLA 2021). Such an execution is looked for: two rounds of each loop, behind them a process that waits
goes no further, and what it read there is final.

    P0: x = 1; y = 1       P1: while (READ_ONCE(*y) == 0) ; while (READ_ONCE(*x) != 2) ;       yes: nobody writes 2
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from msgspec.structs import replace

from checker.cat.evaluate import Bounds
from checker.cat.term import Model
from checker.core.circuit import FALSE, Circuit, Lit
from checker.core.deadline import Deadline
from checker.core.rel import bits
from checker.program.events import EventGraph
from checker.program.execute import execute
from checker.program.ir import Assume, Branch, Const, Cut, Instr, Label, Load, Mark, Test
from checker.program.unroll import AWAIT, unroll
from checker.solve.answer import NO, Answer, unknown
from checker.solve.encode import Problem, encode
from checker.solve.execution import Execution, Uncertified, certify, execution
from checker.solve.search import GiveUp, Search
from checker.solve.solver import Solver

STUCK = "stuck@"


def endless_wait(test: Test, codes: Sequence[tuple[Instr, ...]], model: Model, rounds: int, deadline: Deadline) -> Answer:
    """Whether some process may wait for ever; `codes` are the threads' in loads, stores and fences, with their loops, of which
    `rounds` are looked at. Raises Timeout."""
    made = [
        stopping(unroll(waiting(code), max(1, rounds), t.span, deadline, mark=True))
        for code, t in zip(codes, test.threads, strict=True)
    ]
    if not any(isinstance(instr, Mark) and _names(instr, STUCK) for code in made for instr in code):
        return NO
    everywhere = frozenset(g.address for g in test.globals)
    graph = execute(test, made, everywhere, compiled=model.compiled, coherent=model.coherent, mixed=model.mixed, deadline=deadline)
    checks = replace(model, axioms=tuple([axiom for axiom in model.axioms if axiom.role == "check"]))
    bounds = Bounds(graph, model.terms, model.in_order if model.coherent else frozenset())
    problem = encode(checks, graph, bounds)
    circuit = problem.circuit
    stuck = circuit.either([*_final(graph, circuit)])
    inputs = [v for v in range(2, len(circuit.gates)) if circuit.gates[v] is None]
    clauses = circuit.clauses([stuck, problem.cut, -problem.cut, problem.wild, -problem.wild])
    size = len(circuit.gates) - 1
    with suppress(GiveUp):
        return _asked(Search(clauses, size, inputs, deadline), problem, checks, stuck, inputs)
    with Solver(clauses, size, deadline) as solver:
        return _asked(solver, problem, checks, stuck, inputs)


def _asked(engine: Search | Solver, problem: Problem, model: Model, stuck: Lit, inputs: list[Lit]) -> Answer:
    if stuck != FALSE and engine.satisfiable([stuck, -problem.cut, -problem.wild]):
        found = execution(problem.graph, problem.encoder, model, engine.holding(inputs))
        certify(model, found)
        _waits(found)
        return Answer("yes", execution=found)
    if problem.cut != FALSE and engine.satisfiable([problem.cut]):
        return unknown("a loop may run more often than was looked at, and not only wait")
    return NO


def waiting(code: tuple[Instr, ...]) -> tuple[Instr, ...]:
    """The code in which `smp_cond_load…()` may find its condition false, and then waits."""
    result: list[Instr] = []
    for i, instr in enumerate(code):
        if not (isinstance(instr, Assume) and instr.waits):
            result.append(instr)
            continue
        at = max(k for k, before in enumerate(result) if isinstance(before, Load))
        load, name = result[at], f"cond{i}"
        assert isinstance(load, Load)
        result[at] = replace(load, tags=load.tags | {AWAIT + name})
        go = f"go@{name}"
        result += [Branch(instr.cond, go, ctrl=False, span=instr.span), Cut(instr.span, name, 0), Label(name), Label(go)]
    return tuple(result)


def stopping(code: tuple[Instr, ...]) -> tuple[Instr, ...]:
    """Unrolled code in which a process that waits goes no further, behind a mark of its loop's name."""
    waits = {f"{STUCK}{instr.after}": instr for instr in code if isinstance(instr, Cut) and instr.idle >= 0}
    result = [Branch(Const(1), STUCK + i.after, ctrl=False) if isinstance(i, Cut) and i.idle >= 0 else i for i in code]
    end = "end@"
    for name, cut in waits.items():
        result += [Branch(Const(1), end, ctrl=False), Label(name), Mark(frozenset({"F", name}), span=cut.span)]
    return (*result, Label(end)) if waits else code


def _names(instr: Mark, prefix: str) -> list[str]:
    return [tag for tag in instr.tags if tag.startswith(prefix)]


def _final(graph: EventGraph, circuit: Circuit) -> Iterable[Lit]:
    """For each wait the literal of a process that is in it for ever: all that it reads there is final."""
    _, may, lits = graph.leaves["rf"]
    final: dict[int, list[Lit]] = {}
    for writes in graph.final_write.values():
        for w, lit in writes.items():
            final.setdefault(w, []).append(lit)
    last = {w: circuit.either(found) for w, found in final.items()}
    sources: dict[int, list[int]] = {}
    for w, row in enumerate(may):
        for r in bits(row):
            sources.setdefault(r, []).append(w)
    for mark in graph.events:
        for name in [tag for tag in mark.tags if tag.startswith(STUCK)]:
            reads = [e for e in graph.events if e.tid == mark.tid and AWAIT + name.removeprefix(STUCK) in e.tags]
            for e in reads:
                for w in sources.get(e.eid, ()):
                    circuit.require((-mark.guard, -lits.get((w, e.eid), e.guard), last.get(w, FALSE)))
            yield mark.guard


def _waits(found: Execution) -> None:
    """Raise Uncertified unless some process waits, and each wait reads what no store follows."""
    graph = found.graph
    marks = [(e.tid, tag) for e in found.events() for tag in e.tags if tag.startswith(STUCK)]
    if not marks:
        raise Uncertified("an execution was found in which nobody waits")
    for w, row in enumerate(graph.leaves["rf"][0]):
        for r in bits(row):
            e = graph.events[r]
            awaited = [tag for tag in e.tags if tag.startswith(AWAIT)]
            if any((e.tid, STUCK + tag.removeprefix(AWAIT)) in marks for tag in awaited):
                place = next(iter(e.addr or {}))
                if w not in graph.final_write.get(place, {}) or found.memory.get(place) != next(iter(e.value or {})):
                    raise Uncertified("an execution was found in which a wait may yet end")
