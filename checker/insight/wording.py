"""Events, edges and axioms in words."""

from __future__ import annotations

import os
import re

from checker.cat.term import Axiom
from checker.core.source import printable
from checker.insight.edges import Edge
from checker.program.events import INIT_TID, Event, EventGraph

_SAYS = {
    "rf": "is what the other reads", "co": "is overwritten by the other", "fr": "reads what the other overwrites only later",
    "addr": "an address dependency", "data": "a data dependency", "ctrl": "a control dependency",
    "sm": "is of the same access", "si": "is of the same access", "choice": "one of the ways in which this can go",
}  # fmt: skip


def statement(event: Event) -> str:
    """What a person wrote for an event: its line without comments; of a line with a column for each process, the cell."""
    if event.tid == INIT_TID:
        return "the initial value"
    span = event.span
    line = span.source.line(span.line)
    cell = line[span.column - 1 : span.end - 1] if "|" in line else line
    text = re.sub(r"/\*.*?\*/|//.*", "", cell).strip().removesuffix("{").strip()
    return printable(" ".join(text.split())).removesuffix(";")


def call(event: Event) -> str:
    """The instruction or the call itself: `smp_wmb()`, `MFENCE`."""
    span = event.span
    text = printable(span.source.line(span.line)[span.column - 1 : span.end - 1].strip())
    return f"{text}()" if text.isidentifier() and event.span.source.line(span.line)[span.end - 1 : span.end] == "(" else text


def who(tid: int) -> str:
    """The process that a thread is."""
    return f"P{tid}" if tid != INIT_TID else "before"


def place(axiom: Axiom) -> str:
    """Where the axiom is written: `lkmm.cat:117`."""
    return f"{os.path.basename(axiom.span.source.name)}:{axiom.span.line}"


def because(edge: Edge, graph: EventGraph) -> str:
    """What makes an edge hold, in words."""
    if edge.by:
        said = [f"{call(graph.events[n])} in line {graph.events[n].span.line}" for n in edge.by]
        return ", ".join(dict.fromkeys(said))
    return _SAYS.get(edge.kind, "")
