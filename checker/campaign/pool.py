"""One function on many things, in other processes: results in order, and a worker that dies is the loss of one.

At most `WINDOW` calls are under way, so neither the number of things nor of results makes the caller's memory grow. No worker
outlives the process that started it, whatever ended that one.

processes(4, memory=2048)                          a pool of processes of at most 2 GiB each
cluster("dask://10.0.0.1:8786")                    makes an executor of the workers behind that scheduler (extra [cluster])
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import re
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

from checker.core.source import CheckerError

WINDOW = 256
_PRELOAD = ["checker.campaign.orphans", "checker.campaign.corpus"]
_ADDRESS = re.compile(r"dask://([A-Za-z0-9_.\-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")

T = TypeVar("T")
R = TypeVar("R")
ExecutorOf: TypeAlias = Callable[[int], Executor]
"""Makes an executor with (at most) so many workers."""


def processes(workers: int, memory: int = 0) -> Executor:
    """A pool of processes that leave Ctrl-C to their parent, and take at most `memory` MiB each (0: no bound)."""
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload(_PRELOAD)
    return ProcessPoolExecutor(workers, mp_context=context, initializer=begin, initargs=(memory,))


def begin(memory: int) -> None:
    """Leave Ctrl-C to the parent, end with it, and take no more than `memory` MiB, where the system can be told so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()
    gc.set_threshold(50_000, 50, 100)  # as in checker/__main__.py
    if memory:
        with contextlib.suppress(ImportError, ValueError, OSError):  # Windows; or a tighter bound is there already
            import resource

            resource.setrlimit(resource.RLIMIT_AS, (memory << 20, memory << 20))


def _follow() -> None:
    """End this process when its parent has ended: nobody else would, the others' ends of its pipes are still open."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes started here never hear Ctrl-C, not even while they begin; this one hears it afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def spread(
    work: Callable[[T], R], things: Iterable[T], workers: int, make: ExecutorOf, lost: Callable[[T, str], R]
) -> Generator[R, None, None]:
    """`work` of each of the things, in their order; `lost` where there is no telling, with the reason.

    Closing the iterator early ends what is under way.
    """
    others = set(multiprocessing.active_children())
    pool, waiting, rest = make(workers), deque[tuple[T, Future[R]]](), iter(things)
    finished = False
    try:
        while True:
            for thing in rest:
                waiting.append((thing, _submit(pool, work, thing)))
                if len(waiting) >= WINDOW:
                    break
            if not waiting:
                break
            thing, future = waiting.popleft()
            try:
                yield _answer(thing, future, lost)
            except BrokenExecutor:
                pool.shutdown(wait=False, cancel_futures=True)
                yield from _one_by_one(work, [(thing, future), *waiting], make, lost)
                waiting.clear()
                pool = make(workers)
        finished = True
    finally:
        if not finished:
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()
        pool.shutdown(wait=finished, cancel_futures=True)


def _submit(pool: Executor, work: Callable[[T], R], thing: T) -> Future[R]:
    try:
        with _deaf():
            return pool.submit(work, thing)
    except BrokenExecutor as error:  # a worker died since the last answer was looked at
        broken: Future[R] = Future()
        broken.set_exception(error)
        return broken


def _answer(thing: T, future: Future[R], lost: Callable[[T, str], R]) -> R:
    """The result of a call under way. Raises BrokenExecutor when the workers are gone."""
    try:
        return future.result()
    except BrokenExecutor:
        raise
    except Exception as error:
        return lost(thing, f"internal error: {type(error).__name__}: {error}")


def _one_by_one(
    work: Callable[[T], R], under_way: list[tuple[T, Future[R]]], make: ExecutorOf, lost: Callable[[T, str], R]
) -> Iterator[R]:
    """A worker died and took the pool along: repeat what was under way, each thing alone, to find the one that kills."""
    pool = make(1)
    try:
        for thing, future in under_way:
            try:
                yield _answer(thing, future, lost)
            except BrokenExecutor:
                try:
                    yield _answer(thing, _submit(pool, work, thing), lost)
                except BrokenExecutor:
                    yield lost(thing, "the process that checked it died")
                    pool.shutdown(wait=False)
                    pool = make(1)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


# ---------------------------------------------------------------- a cluster


class NoExecutor(CheckerError):
    """An executor that cannot be reached or is not installed."""

    code = "executor"


def cluster(address: str) -> ExecutorOf:
    """The workers behind a scheduler, by its address. Raises NoExecutor."""
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise NoExecutor(f"{address!r} is not the address of an executor", hint="write dask://HOST:PORT")
    try:
        import distributed
    except ImportError:
        raise NoExecutor("Dask is not installed", hint="pip install 'litmus-checker[cluster]'") from None
    connect: Callable[..., Any] = distributed.Client
    where = f"tcp://{found[1]}:{found[2]}"
    try:
        with connect(where, timeout=10, set_as_default=False):
            pass
    except (OSError, TimeoutError, ValueError) as error:
        raise NoExecutor(f"there is no scheduler at {address}: {type(error).__name__}") from None
    return lambda workers: Cluster(connect(where, timeout=10, set_as_default=False))


class Cluster(Executor):
    """The workers of a Dask cluster. A job brings its text: they need not see the caller's files.

    A task whose worker dies is given to another; one that kills several is given up, and its verdict Unknown.
    """

    def __init__(self, client: Any) -> None:
        self.client, self.inner = client, client.get_executor(pure=False)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        made: Future[Any] = self.inner.submit(fn, *args, **kwargs)
        return made

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.inner.shutdown(wait=wait and not cancel_futures)
        self.client.close()
