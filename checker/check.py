"""The pipeline: a test and a model in, a result out. Every line of `check` is a stage; every stage is a pure function."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from msgspec import Struct
from msgspec.structs import replace

from checker.cat.evaluate import Bounds
from checker.cat.term import Model
from checker.core.circuit import Lit
from checker.core.deadline import Deadline, Timeout, after
from checker.core.depth import deep_recursion
from checker.core.memory import OutOfMemory
from checker.core.source import Span, Unsupported
from checker.program.defer import defer
from checker.program.events import Event, EventGraph
from checker.program.execute import execute
from checker.program.expand import expand
from checker.program.ir import ENDLESS, PROGRESS, Expectation, Instr, Test
from checker.program.registers import ThreadsWithRegisters, carries
from checker.program.unroll import unroll
from checker.result import Result
from checker.solve.answer import Answer, all_unknown, unknown
from checker.solve.beyond import Beyond, loops_of
from checker.solve.dropped import Dropped
from checker.solve.encode import Problem, encode
from checker.solve.outcome import Found, Wanted, matters, solve
from checker.solve.progress import endless_wait
from checker.solve.proposition import observed_memory, remarks

RECURSION = 200_000
STAGES = ("expand", "execute", "evaluate", "encode", "solve")


class Options(Struct, frozen=True):
    """How to check. `unroll`: how often a loop body runs at most; `timeout`: seconds for one test under one model;
    `assume`: what is taken for granted beyond the documentation (see program/defer.py). `strict` makes a remark on the
    question (a value that nothing writes) an error. `solver`: fast, z3 or both (see solve/outcome.py).
    `progress`: whether to ask if a wait can last for ever (None: where the file says of the model whether one can)."""

    states: bool = False
    counts: bool = False
    witness: bool = True
    unroll: int = 2
    timeout: float | None = None
    assume: frozenset[str] = frozenset()
    strict: bool = False
    solver: str = "fast"
    progress: bool | None = None


def check(test: Test, model: Model, options: Options | None = None) -> Result:
    """Decide `test` under `model`. Raises CheckerError for a test the model cannot be asked about."""
    options = options or Options()
    clock = _Clock(options.timeout)
    try:
        with deep_recursion(RECURSION):
            whole, left = deferred(test, model, options)
            found, size, remarks = _decide(whole, model, left, clock)
    except SPENT as error:
        flags = tuple(sorted({a.name for a in model.axioms if a.role == "flag"}))
        found, size, remarks = Found(all_unknown(flags, spent(error, clock.late))), {}, ()
    return conclude(test, model, found, remarks, clock.laps, size)


SPENT = (Timeout, OutOfMemory, MemoryError)
"""What is raised where the time or the memory given to a question is used up."""


def spent(error: BaseException, late: str) -> str:
    """What to say of one of these; `late` of time."""
    return late if isinstance(error, Timeout) else str(error) or "not decided: the machine has no more memory"


def deferred(test: Test, model: Model, options: Options) -> tuple[Test, Options]:
    """The test with its deferred work, and with what is taken for granted, made explicit; and the options that are left."""
    return defer(test, model.primitives or {}, options.assume), replace(options, assume=frozenset())


def stages(
    test: Test, model: Model, options: Options, *, change: Callable[[EventGraph], EventGraph] = lambda graph: graph
) -> tuple[EventGraph, Bounds, Problem]:
    """Everything before the solver: the event graph, the bounds of the model's terms over it, and the problem encoded.

    `change` may put another graph in the place of the program's. Raises Timeout, as does what works on the problem later.
    """
    test, options = deferred(test, model, options)
    return _stages(test, model, options, _Clock(options.timeout), change)


def _stages(
    test: Test, model: Model, options: Options, clock: _Clock, change: Callable[[EventGraph], EventGraph] = lambda graph: graph,
    *, refined: bool = False,
) -> tuple[EventGraph, Bounds, Problem]:  # fmt: skip
    """`refined`: the problem may leave axioms open, for solutions to be held against (see solve/refine.py)."""
    if test.arch not in model.archs:
        raise Unsupported(f"{test.arch} tests cannot be checked under '{model.name}'", hint=f"it takes {', '.join(model.archs)}")
    deadline = clock.deadline
    codes = expanded(test, model, deadline)
    waits = None if options.counts else _rounds(test, model, codes)
    codes = [unroll(code, options.unroll, t.span, deadline, waits=waits) for code, t in zip(codes, test.threads, strict=True)]
    clock.lap("expand")
    observed = observed_memory(test)
    graph = change(
        execute(
            test, codes, observed, compiled=model.compiled, coherent=model.coherent, mixed=model.mixed,
            threads=ThreadsWithRegisters if model.registers else None, deadline=deadline,
        )
    )  # fmt: skip
    clock.lap("execute")
    bounds = Bounds(graph, model.terms, model.in_order if model.coherent else frozenset())
    bounds.all_of(model.plan)
    clock.lap("evaluate")
    problem = encode(model, graph, bounds, refined=refined)
    clock.lap("encode")
    return graph, bounds, problem


def _rounds(test: Test, model: Model, codes: list[tuple[Instr, ...]]) -> int | None:
    """How often a loop that waits has to be followed, beyond what its code asks for; None where there is none, or it matters."""
    if not any(loops_of(code) for code in codes) or (model.registers and any(map(carries, codes))):
        return None
    return Dropped(Beyond(test, codes, (), registers=model.registers)).enough(model)


def expanded(test: Test, model: Model, deadline: Deadline = None) -> list[tuple[Instr, ...]]:
    """The code of each thread in the model's loads, stores and fences, with its loops."""
    if model.registers:
        from checker.isa.front import with_all_reads

        test = with_all_reads(test)
    return [expand(thread, model.primitives or {}, compiled=model.compiled, deadline=deadline) for thread in test.threads]


def unfollowed(problem: Problem, test: Test, model: Model, options: Options) -> Lit:
    """That a loop is cut short, for all that is known its further rounds matter, or memory is accessed through no address."""
    cut = problem.cut
    if problem.graph.idle:
        beyond = Beyond(test, expanded(test, model, problem.circuit.deadline), (), registers=model.registers)
        if Dropped(beyond).never_breaks(model.axioms):
            cut = matters(problem, options.unroll)
    return problem.circuit.either2(cut, problem.wild)


def _decide(
    test: Test, model: Model, options: Options, clock: _Clock
) -> tuple[Found, dict[str, int], tuple[tuple[str, Span], ...]]:
    graph, _, problem = _stages(test, model, options, clock, refined=True)

    def beyond(taken: Iterable[Event]) -> Beyond:
        return Beyond(test, expanded(test, model, clock.deadline), taken, registers=model.registers)

    said = remarks(test, graph)
    if options.strict and said:
        raise Unsupported(*said[0], hint="without --strict this is a warning")
    wanted = Wanted(options.states, options.counts, options.witness, options.unroll, options.solver, clock.late, beyond)
    found = solve(problem, model, test, wanted)
    if _asks_progress(test, model, options):
        found = _with_waits(
            found, lambda: endless_wait(test, expanded(test, model), model, options.unroll, clock.deadline), clock.late
        )
    clock.lap("solve")
    return found, {"events": graph.n, "nodes": len(problem.circuit.gates)}, said


def _asks_progress(test: Test, model: Model, options: Options) -> bool:
    said = expectation(test, model)
    return options.progress or (options.progress is None and said is not None and bool({ENDLESS, PROGRESS} & {*said.flags}))


def _with_waits(found: Found, ask: Callable[[], Answer], late: str) -> Found:
    """What was found, and whether a wait can last for ever."""
    try:
        answer = ask()
    except SPENT as error:
        answer = unknown(spent(error, late))
    flags = tuple(sorted([*found.answers.flags, (ENDLESS, answer)], key=lambda flag: flag[0]))
    return replace(found, answers=replace(found.answers, flags=flags))


def conclude(
    test: Test, model: Model, found: Found, remarks: tuple[tuple[str, Span], ...], seconds: dict[str, float], size: dict[str, int]
) -> Result:
    """What was found, held against the file's expectation."""
    return Result(
        test=test.name, file=test.source.name, model=model.name, condition=test.condition, answers=found.answers,
        states=found.states, counts=found.counts, cut=found.cut, unfinished=found.unfinished, expected=expectation(test, model),
        warnings=tuple([f"{span}: {message}" for message, span in (*test.warnings, *remarks)]), seconds=seconds, size=size,
    )  # fmt: skip


def expectation(test: Test, model: Model) -> Expectation | None:
    """What the file says of this model, under the nearest of its names."""
    said = {e.model: e for e in test.expect}
    return next((said[name] for name in (*model.answers, model.name) if name in said), None)


class _Clock:
    """Wall time by stage, and the deadline."""

    def __init__(self, timeout: float | None) -> None:
        self.timeout, self.deadline = timeout, after(timeout)
        self.laps: dict[str, float] = {}
        self.last = time.perf_counter()

    @property
    def late(self) -> str:
        """What it means to miss the deadline in the stage that is at work."""
        stage = next(name for name in STAGES if name not in self.laps)
        return f"not decided within {self.timeout or 0:g} s: stopped in {stage}"

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = now - self.last
        self.last = now
