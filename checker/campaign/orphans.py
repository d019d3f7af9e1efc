"""Imported by the process that starts workers: a worker that is begun when its parent has ended already, by Ctrl-C, ends quietly.

What the parent shared with it is gone by then, and Python would tell so by a traceback, behind the parent's last word.
"""

from __future__ import annotations

import sys
from types import TracebackType


def _told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    last = trace
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    shared = last is not None and last.tb_frame.f_globals.get("__name__") == "multiprocessing.synchronize"
    if not (shared and isinstance(error, FileNotFoundError)):
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _told
