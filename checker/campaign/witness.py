"""A witness in words: who wrote what, and from where each read got its value.

witness(result)    ("P0 stores registered := 1 (line 31)", "P1 reads registered = 1 (line 40), from P0's line 31", …)
steps(witness)     the same, taken apart again
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator

from msgspec import Struct

from checker.core.rel import pairs
from checker.core.value import Symbolic
from checker.insight.edges import Told
from checker.insight.explanation import Explanation
from checker.insight.wording import because, place, statement
from checker.program.events import Event
from checker.result import Result
from checker.solve.answer import NO
from checker.solve.execution import Execution

MOST = 24
SECTIONS = frozenset({"Srcu-lock", "Srcu-unlock"})


class Step(Struct, frozen=True):
    """One access of an execution: which process makes it, in which line of the test, what it does, and where a value is from; or
    one of a cycle, and how it leads to the next."""

    tid: int
    line: int
    what: str
    origin: str = ""

    def __str__(self) -> str:
        return f"{self.what} (line {self.line}){self.origin}"


_STEP = re.compile(r"P([0-9]+) (.*) \(line ([0-9]+)\)(.*)", re.S)
_STATE = re.compile(r"in the end (.*):", re.S)


def steps(lines: Iterable[str]) -> tuple[Step, ...]:
    """The accesses among the lines that `witness` made; others are passed over."""
    return tuple(Step(int(m[1]), int(m[3]), m[2], m[4]) for line in lines if (m := _STEP.fullmatch(line)))


def final_state(lines: Iterable[str]) -> str:
    """The final state among the lines that `witness` made; empty where there is none."""
    return next((m[1] for line in lines if (m := _STATE.fullmatch(line))), "")


class Opened(Struct, frozen=True):
    """A cycle that an axiom of the model forbade in the test as it was: its accesses, each with what led on to the next."""

    axiom: str
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"{self.axiom} forbade a cycle:"


def opened(found: Explanation, changed: Container[int]) -> Opened | None:
    """The cycle that forbade an outcome, of several one that leads through changed lines; None where there is none."""
    cycles = [told for told in found.cycles if told.edges]
    if not cycles:
        return None

    def lines(told: Told) -> list[int]:
        events = told.reason.found.graph.events
        return [events[n].span.line for edge in told.edges for n in (edge.a, edge.b, *edge.by)]

    told = next((told for told in cycles if any(line in changed for line in lines(told))), cycles[0])
    graph = told.reason.found.graph
    made = []
    for edge in told.edges:
        e = graph.events[edge.a]
        held = because(edge, graph) if edge.by or edge.kind not in ("rf", "co", "fr") else ""
        made.append(Step(e.tid, e.span.line, statement(e), f", {edge.relation}{f' by {held}' if held else ''}"))
    return Opened(f"{told.reason.axiom.name} ({place(told.reason.axiom)})", tuple(made))


def witness(result: Result, flag: str = "") -> tuple[str, ...]:
    """The execution that a result shows, or the one it shows for a flag, a line for each access; nothing where it shows none."""
    answer = dict(result.answers.flags).get(flag, NO) if flag else result.witnessing
    found = answer.execution
    if found is None:
        return ()
    state = ", ".join(f"{loc}={value}" for loc, value in answer.state)
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
            yield f"P{event.tid} {Step(event.tid, event.span.line, f'stores {where} := {value}')}"
        else:
            source = found.graph.events[sources[event.eid]] if event.eid in sources else None
            yield f"P{event.tid} {Step(event.tid, event.span.line, f'reads {where} = {value}', f', {_origin(source)}')}"


def _origin(source: Event | None) -> str:
    if source is None or source.tid < 0:
        return "its first value"
    return f"from P{source.tid}'s line {source.span.line}"


def _shown(value: Symbolic) -> str:
    return str(next(iter(value), "?"))
