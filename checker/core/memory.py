"""How much memory a check may take: out of memory is an answer, and the machine goes on.

Linux tells the resident size, other Unix its peak, Windows the working set. Where nothing tells, nothing is limited.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from pathlib import Path

MOST = 4 << 30


class OutOfMemory(Exception):
    """The memory given to a check is used up; the text says how much it was."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"not decided within {limit >> 20:,} MB of memory")


@cache
def limit() -> int:
    """The bytes a process may use: half of the machine's memory, and 4 GB at most."""
    return min(MOST, (_physical() or 2 * MOST) // 2)


def used() -> int:
    """The bytes this process uses; 0 where that cannot be told."""
    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if sys.platform == "win32":
        return _windows("psapi", "GetProcessMemoryInfo", (ctypes.c_size_t * 10)(80), 2)
    import resource  # of Unix

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def look() -> None:
    """Raise OutOfMemory when this process uses more than it may."""
    if used() > limit():
        raise OutOfMemory(limit())


def _physical() -> int:
    if sys.platform == "win32":
        return _windows("kernel32", "GlobalMemoryStatusEx", (ctypes.c_uint64 * 8)(64), 1)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _windows(library: str, function: str, table: ctypes.Array[ctypes.c_size_t], field: int) -> int:
    """A field of the structure that a function of Windows fills in (its first holds its size)."""
    libraries = ctypes.windll  # type: ignore[attr-defined]
    call = getattr(getattr(libraries, library), function)
    if library == "psapi":
        process = ctypes.c_void_p(libraries.kernel32.GetCurrentProcess())
        return int(table[field]) if call(process, ctypes.byref(table), ctypes.sizeof(table)) else 0
    return int(table[field]) if call(ctypes.byref(table)) else 0
