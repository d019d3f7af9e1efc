"""An event structure while it is made: what `execute` fills in, thread by thread, and `memory` and `graph` complete.

A `Draft` belongs to one call of `execute` and is thrown away with it; what stays is the `EventGraph`.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct, field

from checker.core.circuit import FALSE, Circuit, Lit
from checker.core.source import Span
from checker.core.value import Symbolic
from checker.program.branches import Place, Tree
from checker.program.events import Event
from checker.program.ir import Address, Instr, RegLoc, Test, Turn, Value
from checker.program.parts import Parts
from checker.program.ranges import Ranges, Site

Deps: TypeAlias = dict[int, Lit]
"""Events something depends on; each with the condition under which it does (TRUE: whenever the event executes)."""
DEPENDENCIES = ("addr", "data", "ctrl", "pick-addr", "pick-data")


class Access(Struct):
    """A load that became an event, and the store it chooses to read from."""

    eid: int
    site: Site
    choice: dict[Site, Lit] = field(default_factory=dict)


class Draft(Struct):
    """The events so far and what is known about them. `store_at` finds the event of a store (absent: it is on no path);
    `trees` are the branches of the threads; `places` says of each event where among the branches it is, `before` which may come
    before it on some path; `group_of` which full expression or instruction it is of, `accesses` the events that one access was cut
    into, `turns` when it has its turn there; `together` holds the pairs of one group in which the second uses what the first
    read, or writes what it is a pair with. `compiled`: where C leaves an order open there is one all the same; `coherent`: the
    model has reads and writes of one location in order."""

    test: Test
    codes: list[tuple[Instr, ...]]
    envs: list[dict[str, Value]]
    memory: dict[Address, Value]
    ranges: Ranges
    observed: frozenset[Address]
    compiled: bool = False
    coherent: bool = True
    parts: Parts | None = None
    circuit: Circuit = field(default_factory=Circuit)
    events: list[Event] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    before: list[int] = field(default_factory=list)
    loads: list[Access] = field(default_factory=list)
    store_at: dict[Site, int] = field(default_factory=dict)
    group_of: list[tuple[int, int]] = field(default_factory=list)
    accesses: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    turns: dict[int, Turn] = field(default_factory=dict)
    deps: dict[str, dict[tuple[int, int], Lit]] = field(default_factory=lambda: {name: {} for name in DEPENDENCIES})
    ports: dict[str, int] = field(default_factory=dict)  # sets of events that what is done with them decides
    together: set[tuple[int, int]] = field(default_factory=set)
    rmw: dict[tuple[int, int], Lit] = field(default_factory=dict)
    open_pairs: dict[tuple[int, int], int] = field(default_factory=dict)
    finals: dict[RegLoc, Symbolic] = field(default_factory=dict)
    cut: list[tuple[Lit, Span, bool]] = field(default_factory=list)
    idle: list[tuple[Lit, int]] = field(default_factory=list)
    unfinished: list[Lit] = field(default_factory=list)  # of `cut`, where a process goes on as if it had not been
    wild: list[tuple[Lit, Span, str]] = field(default_factory=list)
    undefined: list[tuple[Lit, Span, str]] = field(default_factory=list)
    assumed: list[tuple[Lit, Lit]] = field(default_factory=list)
    by_address: dict[Address, list[Site]] = field(default_factory=dict)

    def event(
        self,
        tid: int,
        kind: str,
        tags: frozenset[str],
        place: Place,
        addr: Symbolic | None,
        value: Symbolic | None,
        span: Span,
        before: int = 0,
        size: int = 0,
    ) -> int:
        """Add an event; its eid."""
        eid = len(self.events)
        self.events.append(Event(eid, tid, kind, tags, place.guard, addr, value, span, size))
        self.places.append(place)
        self.before.append(before)
        self.group_of.append((tid, 0))
        return eid


def add(circuit: Circuit, into: Deps, more: Deps) -> None:
    """Add dependencies to others."""
    for eid, lit in more.items():
        into[eid] = circuit.either2(into.get(eid, FALSE), lit)
