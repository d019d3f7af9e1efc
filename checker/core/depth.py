"""Room for deep walks: a higher recursion limit while it is needed, and only then.

The limit belongs to the whole process, so threads that walk at the same time share one raise of it: the last to leave puts
the old limit back.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()
_INSIDE: list[int] = []  # the limits asked for by those inside; the first entry is the limit that was there before


@contextmanager
def deep_recursion(limit: int) -> Iterator[None]:
    """At least `limit` nested Python calls are allowed inside."""
    with _LOCK:
        if not _INSIDE:
            _INSIDE.append(sys.getrecursionlimit())
        _INSIDE.append(limit)
        sys.setrecursionlimit(max(_INSIDE))
    try:
        yield
    finally:
        with _LOCK:
            _INSIDE.remove(limit)
            if len(_INSIDE) == 1:
                sys.setrecursionlimit(_INSIDE.pop())
