"""What a front end makes of the code of a litmus test, whatever its language.

`litmus.py` puts it together with the initial state and the condition. Machines have several names for one register, or parts
of it (`al`, `eax` and `rax`); `register` gives the one under which initial states and conditions find it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from msgspec import Struct

from checker.core.source import Span
from checker.parse.state import Entry, Tail
from checker.program.ir import Test, Thread

ROOMS = {"AArch64": "aarch64", "PPC": "ppc", "RISCV": "riscv", "X86": "x86", "X86_64": "x86"}
"""The folder of `checker/isa` that reads the tests of each machine."""


def machine(arch: str) -> Any:
    """The `Machine` (isa/table.py) of a test's header, loaded when a test needs it."""
    return next(m for m in import_module(f"checker.isa.{ROOMS[arch]}").MACHINES if m.arch == arch)


def no_warnings(names: frozenset[str]) -> tuple[tuple[str, Span], ...]:
    return ()


class Code(Struct, frozen=True):
    """Threads in order, globals they name (with a type), and the registers of each.

    `warnings` are remarks, given the names of all globals. `register` is the thread's name of a register as it is spelled
    in a condition, None: the spelling itself. `finish` is asked last: the test as it stands and the entries of the initial
    state, for code that depends on initial values and types. `prepare` is asked first: the initial state and the question, in the
    names and numbers that the code gives them.
    """

    threads: tuple[Thread, ...]
    globals: tuple[tuple[str, str, Span], ...]
    registers: tuple[frozenset[str], ...]
    warnings: Callable[[frozenset[str]], tuple[tuple[str, Span], ...]] = no_warnings
    register: Callable[[str], str] | None = None
    finish: Callable[[Test, tuple[Entry, ...]], Test] | None = None
    prepare: Callable[[tuple[Entry, ...], Tail], tuple[tuple[Entry, ...], Tail]] | None = None
