"""The pipeline: a test and a model in, a result out. Every line of `check` is a stage; every stage is a pure function."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from checker.cat.evaluate import Bounds
from checker.cat.term import Model
from checker.core.depth import deep_recursion
from checker.core.source import Unsupported
from checker.program.defer import defer
from checker.program.events import EventGraph
from checker.program.execute import execute
from checker.program.expand import expand
from checker.program.ir import Expectation, Test
from checker.program.unroll import unroll
from checker.result import ALWAYS, NEVER, SOMETIMES, UNKNOWN, Result
from checker.solve.encode import Problem, encode
from checker.solve.outcome import Found, TooMany, observed_memory, solve
from checker.solve.solver import Timeout

RECURSION = 200_000


@dataclass(frozen=True, slots=True)
class Options:
    """How to check. `unroll`: how often a loop body runs at most; `timeout`: seconds for one test under one model;
    `assume`: what is taken for granted beyond the documentation (see program/defer.py)."""

    states: bool = False
    counts: bool = False
    witness: bool = True
    unroll: int = 2
    timeout: float | None = None
    assume: frozenset[str] = frozenset()


def check(test: Test, model: Model, options: Options | None = None) -> Result:
    """Decide `test` under `model`. Raises CheckerError for a test the model cannot be asked about."""
    options = options or Options()
    clock = _Clock(options.timeout)
    test = defer(test, model.primitives or {}, options.assume)
    try:
        with deep_recursion(RECURSION):
            found, size = _decide(test, model, options, clock)
    except TooMany as error:
        return _unknown(test, model, clock, str(error))
    except Timeout:
        return _unknown(test, model, clock, f"not decided within {options.timeout or 0:g} s")
    return conclude(test, model, found, options, clock.laps, size)


def stages(
    test: Test, model: Model, options: Options, lap: Callable[[str], None] = lambda _: None
) -> tuple[EventGraph, Bounds, Problem]:
    """Everything before the solver: the event graph, the bounds of the model's terms over it, and the problem encoded.

    `lap` is called with the name of each stage when it is done.
    """
    if test.arch not in model.archs:
        raise Unsupported(f"{test.arch} tests cannot be checked under '{model.name}'", hint=f"it takes {', '.join(model.archs)}")
    test = defer(test, model.primitives or {}, options.assume)
    codes = [expand(thread, model.primitives or {}, compiled=model.compiled) for thread in test.threads]
    codes = [unroll(code, options.unroll, t.span) for code, t in zip(codes, test.threads, strict=True)]
    graph = execute(test, codes, observed_memory(test), compiled=model.compiled, coherent=model.coherent)
    lap("execute")
    bounds = Bounds(graph, model.terms)
    bounds.all_of(model.plan)
    lap("evaluate")
    problem = encode(model, graph, bounds)
    lap("encode")
    return graph, bounds, problem


def _decide(test: Test, model: Model, options: Options, clock: _Clock) -> tuple[Found, dict[str, int]]:
    graph, _, problem = stages(test, model, options, clock.lap)
    found = solve(
        problem, model, test, want_states=options.states, want_counts=options.counts, want_witness=options.witness,
        deadline=clock.deadline,
    )  # fmt: skip
    clock.lap("solve")
    return found, {"events": graph.n, "nodes": len(problem.circuit.gates)}


def conclude(test: Test, model: Model, found: Found, options: Options, seconds: dict[str, float], size: dict[str, int]) -> Result:
    """The verdict: what the solver found, put in herd's words and held against the file's expectation."""
    because = ""
    if found.wild:
        because = "memory may be accessed through something that is no address"
    if found.cut:
        because = f"a loop may run more than {options.unroll} times (--unroll)"
    positive, negative = found.positive, found.negative
    observation = SOMETIMES if positive and negative else ALWAYS if positive else NEVER
    ok = {"exists": positive, "~exists": not positive, "forall": not negative}[test.condition.quantifier]
    if because and not (positive and negative):
        observation = UNKNOWN
    return Result(
        test=test.name, file=test.source.name, model=model.name, condition=test.condition, observation=observation,
        ok=None if observation == UNKNOWN else ok, flags=found.flags,
        states=found.states,
        counts=found.counts, undefined=found.undefined, deadlock=not positive and not negative, cut=found.cut,
        witness=found.witness, witness_state=found.witness_state, expected=expectation(test, model),
        unknown_because=because if observation == UNKNOWN else "",
        warnings=tuple([f"{span}: {message}" for message, span in test.warnings]), seconds=seconds, size=size,
    )  # fmt: skip


def _unknown(test: Test, model: Model, clock: _Clock, because: str) -> Result:
    return Result(
        test=test.name, file=test.source.name, model=model.name, condition=test.condition, observation=UNKNOWN, ok=None,
        expected=expectation(test, model), unknown_because=because, seconds=clock.laps,
    )  # fmt: skip


def expectation(test: Test, model: Model) -> Expectation | None:
    """What the file says of this model, under the nearest of its names."""
    said = {e.model: e for e in test.expect}
    return next((said[name] for name in (*model.answers, model.name) if name in said), None)


class _Clock:
    """Wall time by stage, and the deadline."""

    def __init__(self, timeout: float | None) -> None:
        self.laps: dict[str, float] = {}
        self.last = time.perf_counter()
        self.deadline = None if timeout is None else time.monotonic() + timeout

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = now - self.last
        self.last = now
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise Timeout
