"""A witness in words: who wrote what, and from where each read got its value.

witness(result)    ("P0 stores registered := 1 (line 31)", "P1 reads registered = 1, from P0's line 31", …)
"""

from __future__ import annotations

from collections.abc import Iterator

from checker.core.rel import pairs
from checker.core.value import Symbolic
from checker.program.events import Event
from checker.result import Result
from checker.solve.execution import Execution

MOST = 24
SECTIONS = frozenset({"Srcu-lock", "Srcu-unlock"})


def witness(result: Result) -> tuple[str, ...]:
    """The execution that a result shows, a line for each access; nothing where it shows none."""
    found = result.witness
    if found is None:
        return ()
    state = ", ".join(f"{loc}={value}" for loc, value in result.witness_state)
    lines = list(_lines(found))
    more = [f"… {len(lines) - MOST} more"] if len(lines) > MOST else []
    return (*([f"in the end {state}:"] if state else []), *lines[:MOST], *more)


def _lines(found: Execution) -> Iterator[str]:
    sources = {r: w for w, r in pairs(found.graph.leaves["rf"][0])}
    for event in found.events():
        if event.tid < 0 or event.addr is None or event.value is None or event.kind not in ("R", "W"):
            continue
        if event.tags & SECTIONS:
            continue
        where, value = _shown(event.addr), _shown(event.value)
        if event.kind == "W":
            yield f"P{event.tid} stores {where} := {value} (line {event.span.line})"
        else:
            source = found.graph.events[sources[event.eid]] if event.eid in sources else None
            yield f"P{event.tid} reads {where} = {value} (line {event.span.line}), {_origin(source)}"


def _origin(source: Event | None) -> str:
    if source is None or source.tid < 0:
        return "its first value"
    return f"from P{source.tid}'s line {source.span.line}"


def _shown(value: Symbolic) -> str:
    return str(next(iter(value), "?"))
