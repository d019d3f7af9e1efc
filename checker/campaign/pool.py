"""Where the jobs of a gate run: processes with a bound on their memory, or the workers of a Dask cluster.

executor_of(memory=2048)                           a pool of processes of at most 2 GiB each
executor_of(address="dask://10.0.0.1:8786")        the workers behind that scheduler (extra [cluster])
"""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from checker.campaign.corpus import ExecutorOf, processes
from checker.core.source import CheckerError

_ADDRESS = re.compile(r"dask://([A-Za-z0-9_.\-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")


class NoExecutor(CheckerError):
    """An executor that cannot be reached or is not installed."""

    code = "executor"


def executor_of(*, memory: int = 0, address: str = "") -> ExecutorOf:
    """What makes the executor: `memory` is MiB for each process, 0 for no bound. Raises NoExecutor."""
    if address:
        return _dask(address)
    return lambda workers: processes(workers, memory)


def _dask(address: str) -> ExecutorOf:
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
