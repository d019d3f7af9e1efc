"""When a check has to be over: a point in time that goes along with the data, and that each stage looks at while it works.

What makes the circuit, and whoever works on it, finds the deadline there; the rest is given it. Looking costs a tenth of a
microsecond: once a statement, an instruction, a term; where less is done at a time, once in a thousand.
"""

from __future__ import annotations

import time
from typing import TypeAlias

Deadline: TypeAlias = float | None
"""On the clock of `time.monotonic`; None: there is no end."""


class Timeout(Exception):
    """The time given to a test is used up."""


def after(seconds: float | None) -> Deadline:
    """The deadline so many seconds from now."""
    return None if seconds is None else time.monotonic() + seconds


def look(deadline: Deadline) -> None:
    """Raise Timeout when the deadline has come."""
    if deadline is not None and time.monotonic() >= deadline:
        raise Timeout
