"""How far a long command is, on a terminal: shown once it takes over a second, gone before anything else is printed.

with Progress(sys.stderr, "checking") as bar:
    bar.step(3, 648)        a bar, later
    bar.hush()              what follows is printed on a clean line; the bar comes back with the next step
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

AFTER = 1.0


class Progress:
    """A bar that a timer brings up, where `stream` is a terminal. Safe to call from the thread that works."""

    def __init__(self, stream: TextIO, what: str, *, quiet: bool = False) -> None:
        self.stream, self.what, self.done, self.total = stream, what, 0, 0
        self.lock = threading.RLock()
        self.bar: Bar | None = None
        self.task: TaskID | None = None
        self.over = quiet or not stream.isatty()
        self.timer: threading.Timer | None = None

    def __enter__(self) -> Progress:
        self._later()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()

    def end(self) -> None:
        """Take the bar away for good."""
        with self.lock:
            self.over = True
            self.hush()

    def say(self, what: str) -> None:
        """What is being done now; how much of it there is nobody knows yet."""
        with self.lock:
            self.what, self.done, self.total = what, 0, 0
            self._draw()

    def step(self, done: int, total: int, what: str = "checking") -> None:
        """So many tests are done."""
        with self.lock:
            self.what, self.done, self.total = what, done, total
            self._draw()

    def hush(self) -> None:
        """Clear the line; the bar comes back when there is a reason."""
        with self.lock:
            if self.timer is not None:
                self.timer.cancel()
            if self.bar is not None:
                self.bar.stop()
                self.bar = None
            self._later()

    def _later(self) -> None:
        if not self.over:
            self.timer = threading.Timer(AFTER, self._show)
            self.timer.daemon = True
            self.timer.start()

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        with self.lock:
            if self.over or self.bar is not None:
                return
            self.bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                console=Console(file=self.stream, highlight=False, markup=False, emoji=False), transient=True,
                refresh_per_second=5, redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            self.task = self.bar.add_task(self.what, total=self.total or None, completed=self.done)
            self.bar.start()

    def _draw(self) -> None:
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, description=self.what, total=self.total or None, completed=self.done)
