"""The event structure of a program: all its paths at once.

An event is a node with a guard ("it executes"); sets and program-derived relations are exact or, where the path decides,
literals. What the memory decides (rf, finals) is one free choice per read and location.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from checker.core.circuit import Circuit, Lit
from checker.core.rel import Rows
from checker.core.source import Span
from checker.core.value import Symbolic
from checker.program.equal import Equal
from checker.program.ir import Address, RegLoc
from checker.program.parts import Parts

INIT_TID = -1


class Event(Struct, frozen=True):
    """One event: `kind` is R, W, IW (initial write) or F (anything else); `addr` and `value` are None where it has none."""

    eid: int
    tid: int
    kind: str
    tags: frozenset[str]
    guard: Lit
    addr: Symbolic | None
    value: Symbolic | None
    span: Span
    size: int = 0

    @property
    def letter(self) -> str:
        """a, b, … z, aa, ab, … as herd names events."""
        n, name = self.eid, ""
        while True:
            name = chr(ord("a") + n % 26) + name
            n = n // 26 - 1
            if n < 0:
                return name


Leaf: TypeAlias = tuple[Rows, Rows, dict[tuple[int, int], Lit]]
"""must, may, and the literal of every pair in between (it implies that both events execute)."""


class EventGraph(Struct, frozen=True):
    """What `execute` makes: events 0..n-1 (initial writes first, then by thread in program order).

    `sets` are exact masks by cat name; `leaves` the base relations po, addr, data, ctrl, rmw, amo, loc, int, ext, id, rf;
    `finals` the value of every register a thread wrote, at its end; `writes_at` the writes that may touch a location.
    `final_write[x][w]` is the literal for "w is the last write to x". `cut` lists where a loop bound was reached,
    `wild` accesses through something that is no address, `undefined` what is computed that has no value. `equal`: the groups of
    threads that nothing but their names tells apart; `parts` what memory was cut into.
    """

    events: tuple[Event, ...]
    circuit: Circuit
    sets: dict[str, int]
    leaves: dict[str, Leaf]
    finals: dict[RegLoc, Symbolic]
    final_write: dict[Address, dict[int, Lit]]
    cut: tuple[tuple[Lit, Span, bool], ...]
    wild: tuple[tuple[Lit, Span, str], ...]
    implied: tuple[int, ...]
    """implied[a]: the events that execute whenever a does."""
    threads: int = 0
    undefined: tuple[tuple[Lit, Span, str], ...] = ()
    equal: tuple[Equal, ...] = ()
    parts: Parts | None = None
    idle: tuple[tuple[Lit, int], ...] = ()
    """Those of `cut` at loops that only wait, with how many of their rounds have to be looked at (program/spin.py)."""

    @property
    def n(self) -> int:
        return len(self.events)
