"""Many checks: jobs in, outcomes out, in the order of the jobs, as they become known.

Jobs run in this process while that is the quickest way, then in others too (pool.py). Every process loads a model once. What
crosses between them is small: an outcome carries no execution.

A job carries its text, read once: what is checked, here or on another machine, is what its key and its digest were made of.
A job always has an outcome: input that cannot be accepted is an `error`, a worker that dies or a bug of ours is Unknown.

    for outcome in run([Job(read_text("MP.litmus"), "lkmm")], Setup(), workers=4): print(outcome.observation)
"""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from checker import library
from checker.cat.term import Model
from checker.check import Options, check
from checker.core.deadline import Timeout
from checker.core.source import CheckerError, Unsupported, printable
from checker.library import load_model, test_in
from checker.parse.files import Text
from checker.program.ir import Test
from checker.result import UNKNOWN, Result
from checker.solve import solver

if TYPE_CHECKING:
    from checker.campaign.pool import ExecutorOf

GRACE = 0.5
ALONE = 0.5
"""Seconds that a test may take in this process where there can be others; what takes longer is begun again there."""
WORTH = 1.0
"""Seconds of work left that other processes are started for: the first takes 0.3 s to begin, a small test 0.004."""


class Setup(Struct, frozen=True):
    """What all jobs of a run share: how to check, where models come from; `strict` makes a file's warnings errors."""

    options: Options = field(default_factory=Options)
    bell: str | None = None
    macros: str | None = None
    include: tuple[str, ...] = ()
    strict: bool = False


class Job(Struct, frozen=True):
    """One text under one model (a name, or the path of a .cat)."""

    text: Text
    model: str

    @property
    def path(self) -> str:
        return self.text.path


class Outcome(Struct, frozen=True):
    """What became of a job: a `result`, or the `error` (as shown to people, with its stable `code`) that prevented one.

    `seconds` is wall time, parsing of the test included, loading of the model not. Without result and error,
    `unknown_because` says why there is no verdict. `model_key` tells the files of the model that was asked; `place` is
    the line and column of the error in this file.
    """

    path: str
    model: str
    seconds: float = 0.0
    result: Result | None = None
    error: str = ""
    code: str = ""
    unknown_because: str = ""
    model_key: str = ""
    place: tuple[int, int] = (1, 1)

    @property
    def observation(self) -> str:
        return self.result.observation if self.result is not None else UNKNOWN

    @property
    def as_expected(self) -> bool:
        """Whether there is a verdict and nothing in the file speaks against it."""
        return self.result is not None and not self.result.unmet()

    @property
    def reason(self) -> str:
        """Why the verdict is Unknown; empty when it is known."""
        return self.unknown_because if self.result is None else self.result.unknown_because


Outcomes: TypeAlias = Generator[Outcome, None, None]


def run(jobs: Iterable[Job], setup: Setup, *, workers: int = 1, memory: int = 0, executor: ExecutorOf | None = None) -> Outcomes:
    """The outcomes of `jobs`, in their order. Closing the iterator early ends what is under way.

    At most `workers` processes of at most `memory` MiB each (0: no bound), unless there is an `executor` for all of them.
    """
    todo = deque(jobs)
    if executor is None:
        yield from _alone(todo, setup, workers, memory)
    if todo:
        from checker.campaign.pool import processes, spread

        make = executor or partial(processes, memory=memory)
        yield from spread(partial(decide, setup=setup), todo, min(workers, len(todo)), make, _lost)


def _alone(todo: deque[Job], setup: Setup, workers: int, memory: int) -> Outcomes:
    """Do jobs in this process for as long as others are not worth their start. The rest stays in `todo`."""
    timeout = setup.options.timeout
    cut_short = timeout is None or timeout > ALONE
    short = replace(setup, options=replace(setup.options, timeout=ALONE)) if cut_short else setup
    done, spent = 0, 0.0
    while todo:
        if not memory and (workers == 1 or len(todo) == 1):
            yield decide(todo.popleft(), setup)
            continue
        if spent > ALONE / 2 and spent / done * len(todo) > WORTH:
            return
        begun = time.monotonic()
        with bounded(memory):
            outcome = decide(todo[0], short)
        done, spent = done + 1, spent + time.monotonic() - begun
        undecided = outcome.observation == UNKNOWN if outcome.result is None else outcome.result.unanswered
        if undecided and not outcome.error and (cut_short or memory):
            return
        todo.popleft()
        yield outcome


def _lost(job: Job, why: str) -> Outcome:
    return Outcome(job.path, job.model, unknown_because=why)


@contextmanager
def bounded(memory: int) -> Iterator[None]:
    """This process takes no more than `memory` MiB (0: no bound), where the system can be told so."""
    try:
        import resource

        before = resource.getrlimit(resource.RLIMIT_AS)
        if memory:
            resource.setrlimit(resource.RLIMIT_AS, (memory << 20, before[1]))
    except (ImportError, ValueError, OSError):  # Windows; or a tighter bound is there already
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


# ---------------------------------------------------------------- one job


def decide(job: Job, setup: Setup) -> Outcome:
    """Do one job, here and now. Never raises but for KeyboardInterrupt and the like."""
    start = time.perf_counter()
    asked = ""

    def outcome(result: Result | None = None, *, error: str = "", code: str = "", unknown_because: str = "") -> Outcome:
        return Outcome(job.path, job.model, time.perf_counter() - start, result, error, code, unknown_because, asked)

    try:
        model = model_of(job.model, setup)
        asked = model.key
        start = time.perf_counter()
        with _alarm(setup.options.timeout):
            result = check(test_of(job.text, setup), model, replace(setup.options, strict=setup.strict))
        return outcome(result.without_executions())
    except CheckerError as error:
        here = error.span if error.span is not None and error.span.source.name == job.path else None
        place = (here.line or 1, here.column or 1) if here is not None else (1, 1)
        return replace(outcome(error=located(error, job.path), code=error.code), place=place)
    except Timeout:
        return outcome(unknown_because=f"not decided within {setup.options.timeout:g} s")
    except MemoryError:
        return outcome(unknown_because="out of memory")
    except Exception as error:
        return outcome(unknown_because=f"internal error: {type(error).__name__}: {error}")


def model_of(name: str, setup: Setup) -> Model:
    """The model called `name`, with the files that the setup puts in place of its own. Raises CheckerError."""
    return load_model(name, bell=setup.bell, macros=setup.macros, include=setup.include)


def test_of(text: Text, setup: Setup) -> Test:
    """The test in a text, if its warnings are to be tolerated. Raises CheckerError."""
    test = test_in(text.source())
    if setup.strict and test.warnings:
        message, span = test.warnings[0]
        raise Unsupported(message, span, hint="without --strict this is a warning")
    return test


def located(error: CheckerError, path: str) -> str:
    """The error as shown to people, with the file it came up in."""
    return error.render() if error.span is not None else f"{printable(path)}: {error.render()}"


@contextmanager
def _alarm(timeout: float | None) -> Iterator[None]:
    """Raise Timeout where even the stages that do not look at the clock are late: in the main thread, where signals exist.

    What the exception tore apart is forgotten afterwards.
    """
    if timeout is None or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    rang = False

    def ring(*_: object) -> None:
        nonlocal rang
        rang = True
        raise Timeout

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, timeout * 1.1 + GRACE)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if rang:
            library.forget()
            solver.forget()
