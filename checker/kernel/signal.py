"""How others are told that a process is done: the two ways in which a test is asked.

    Signal: P0 = registered

says that P0's last store, to `registered`, stands for what tells the guest. It is told either by a plain flag, which the
kernel's own code sets behind the call, still under its lock (`WRITE_ONCE()`: nothing but the code before it can order it), or
by what the return of an ioctl gives: user space goes on, and publishes with a release of its own (`smp_store_release()`).
Which of the two a test has written down does not matter: a patch is held against both.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from checker.core.source import Source, Span, SyntaxProblem
from checker.kernel.binding import Process

_LINE = re.compile(r"^[ \t]*(?:\(\*|\*|//)?[ \t]*Signal:[ \t]*(\S.*?)[ \t]*(?:\*\))?[ \t]*$", re.M)
_SIGNAL = re.compile(r"P([0-9]{1,4})[ \t]*=[ \t]*([A-Za-z_]\w*)")
PLAIN, RETURN = "told by a plain flag", "told by what an ioctl's return gives"


def other_signal(source: Source, processes: dict[int, Process]) -> tuple[Source, str, str] | None:
    """The test with the other signal; how it tells, and how the test as written does. None for a test that names no signal.

    Raises SyntaxProblem for a line that cannot be read.
    """
    found = _LINE.search(source.text)
    if found is None:
        return None
    named = _SIGNAL.fullmatch(found[1])
    process = processes.get(int(named[1])) if named else None
    stores = [op for op in process.ops if named and op.place == named[2] and op.verb == "write"] if process else []
    if named is None or not stores or stores[-1].strength not in ("once", "release"):
        line = source.text.count("\n", 0, found.start(1)) + 1
        column = found.start(1) - source.text.rfind("\n", 0, found.start(1))
        hint = "write 'Signal: P0 = flag', for a WRITE_ONCE() or smp_store_release() of P0"
        raise SyntaxProblem("this signal is no store of the test", Span(source, line, column, column + len(found[1])), hint=hint)
    op, data = stores[-1], source.text.encode()
    written = data[op.start : op.end].decode()
    value = written[written.index(",") + 1 : -1].strip()
    once = op.strength == "once"
    text = f"smp_store_release({op.place}, {value})" if once else f"WRITE_ONCE(*{op.place}, {value})"
    made = data[: op.start].decode() + text + data[op.end :].decode()
    return replace(source, text=made), RETURN if once else PLAIN, PLAIN if once else RETURN
