"""Many checks: jobs in, outcomes out, in the order of the jobs, as they become known.

Jobs run in this process or on any `concurrent.futures.Executor`; a process pool unless told otherwise. Every worker loads a
model once. What crosses between processes is small: an outcome carries no execution. At most `WINDOW` jobs are under way,
so neither the number of tests nor of states makes the caller's memory grow.

A job carries its text, read once: what is checked, here or on another machine, is what its key and its digest were made of.
A job always has an outcome: input that cannot be accepted is an `error`, a worker that dies or a bug of ours is Unknown.

    for outcome in run([Job(read_text("MP.litmus"), "lkmm")], Setup(), workers=4): print(outcome.observation)
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeAlias

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

WINDOW = 256
GRACE = 0.5


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


ExecutorOf: TypeAlias = Callable[[int], Executor]
"""Makes an executor with (at most) so many workers."""
Outcomes: TypeAlias = Generator[Outcome, None, None]


def run(jobs: Iterable[Job], setup: Setup, *, workers: int = 1, executor: ExecutorOf | None = None) -> Outcomes:
    """The outcomes of `jobs`, in their order. Closing the iterator early ends what is under way.

    With one worker and no `executor` everything happens in this process.
    """
    if workers <= 1 and executor is None:
        return (decide(job, setup) for job in jobs)
    return _run_on(iter(jobs), setup, workers, executor or processes)


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


# ---------------------------------------------------------------- many jobs elsewhere


def processes(workers: int, memory: int = 0) -> Executor:
    """A pool of processes that leave Ctrl-C to their parent, and take at most `memory` MiB each (0: no bound)."""
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload([__name__])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=begin, initargs=(memory,))


def begin(memory: int) -> None:
    """Leave Ctrl-C to the parent, and take no more than `memory` MiB, where the system can be told so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if memory:
        with contextlib.suppress(ImportError, ValueError, OSError):  # Windows; or a tighter bound is there already
            import resource

            resource.setrlimit(resource.RLIMIT_AS, (memory << 20, memory << 20))


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes started here never hear Ctrl-C, not even while they begin; this one hears it afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run_on(jobs: Iterator[Job], setup: Setup, workers: int, make: ExecutorOf) -> Outcomes:
    others = set(multiprocessing.active_children())
    pool, waiting = make(workers), deque[tuple[Job, Future[Outcome]]]()
    finished = False
    try:
        while True:
            for job in jobs:
                waiting.append((job, _submit(pool, job, setup)))
                if len(waiting) >= WINDOW:
                    break
            if not waiting:
                break
            job, future = waiting.popleft()
            try:
                yield _answer(job, future)
            except BrokenExecutor:
                pool.shutdown(wait=False, cancel_futures=True)
                yield from _one_by_one([(job, future), *waiting], setup, make)
                waiting.clear()
                pool = make(workers)
        finished = True
    finally:
        if not finished:
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()
        pool.shutdown(wait=finished, cancel_futures=True)


def _submit(pool: Executor, job: Job, setup: Setup) -> Future[Outcome]:
    try:
        with _deaf():
            return pool.submit(decide, job, setup)
    except BrokenExecutor as error:  # a worker died since the last answer was looked at
        broken: Future[Outcome] = Future()
        broken.set_exception(error)
        return broken


def _answer(job: Job, future: Future[Outcome]) -> Outcome:
    """The outcome of a job under way. Raises BrokenExecutor when the workers are gone."""
    try:
        return future.result()
    except BrokenExecutor:
        raise
    except Exception as error:
        return Outcome(job.path, job.model, unknown_because=f"internal error: {type(error).__name__}: {error}")


def _one_by_one(jobs: list[tuple[Job, Future[Outcome]]], setup: Setup, make: ExecutorOf) -> Iterator[Outcome]:
    """A worker died and took the pool along: repeat what was under way, each job alone, to find the one that kills."""
    pool = make(1)
    try:
        for job, future in jobs:
            try:
                yield _answer(job, future)
            except BrokenExecutor:
                try:
                    yield _answer(job, _submit(pool, job, setup))
                except BrokenExecutor:
                    yield Outcome(job.path, job.model, unknown_because="the process that checked it died")
                    pool.shutdown(wait=False)
                    pool = make(1)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
