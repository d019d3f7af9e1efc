"""A reason for people: the statements of each process side by side, and below them the cycle, edge by edge.

      P0                            P1
      a  WRITE_ONCE(*buf, 1)        c  r0 = READ_ONCE(*flag)
         smp_wmb()                     smp_rmb()
      b  WRITE_ONCE(*flag, 1)       d  r1 = READ_ONCE(*buf)

    happens-before (lkmm.cat:117: acyclic) forbids
      c → d  rmb     smp_rmb() in line 26
      d → a  fre     reads before it is overwritten by
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from checker.cat.term import Axiom
from checker.core.source import printable
from checker.insight.edges import Edge, Told
from checker.insight.explanation import Explanation
from checker.program.events import INIT_TID, Event, EventGraph
from checker.report.records import clean
from checker.report.spell import show_condition

_SAYS = {
    "rf": "is what the other reads", "co": "is overwritten by the other", "fr": "reads what the other overwrites only later",
    "addr": "an address dependency", "data": "a data dependency", "ctrl": "a control dependency",
}  # fmt: skip
GAP = 3


def statement(event: Event) -> str:
    """What a person wrote for an event: its line without comments; of a line with a column for each process, the cell."""
    if event.tid == INIT_TID:
        return "the initial value"
    span = event.span
    line = span.source.line(span.line)
    cell = line[span.column - 1 : span.end - 1] if "|" in line else line
    text = re.sub(r"/\*.*?\*/|//.*|\(\*.*?\*\)", "", cell).strip().removesuffix("{").strip()
    return printable(" ".join(text.split())).removesuffix(";")


def call(event: Event) -> str:
    """The instruction or the call itself: `smp_wmb()`, `MFENCE`."""
    span = event.span
    text = printable(span.source.line(span.line)[span.column - 1 : span.end - 1].strip())
    return f"{text}()" if text.isidentifier() and event.span.source.line(span.line)[span.end - 1 : span.end] == "(" else text


def names_of(graph: EventGraph, mask: Iterable[int]) -> dict[int, str]:
    """A letter for each statement that the events are of, in the order of processes and lines."""
    keys: dict[tuple[object, ...], str] = {}
    letters: dict[int, str] = {}
    for n in sorted(mask, key=lambda n: (graph.events[n].tid, graph.events[n].span.line, n)):
        e = graph.events[n]
        key = (e.tid, e.span.line, e.span.column) if e.tid != INIT_TID else (e.tid, n)
        if key not in keys:
            keys[key] = _letter(len(keys))
        letters[n] = keys[key]
    return letters


def _letter(n: int) -> str:
    name = ""
    while True:
        name = chr(ord("a") + n % 26) + name
        n = n // 26 - 1
        if n < 0:
            return name


# ---------------------------------------------------------------- text


@dataclass(frozen=True, slots=True)
class Row:
    """A line of one process: its letter (empty for a fence) and its text."""

    letter: str
    text: str


def text(explanation: Explanation, width: int | None = 80) -> str:
    """The explanation as a text of at most `width` columns, where its statements allow that."""
    result = explanation.result
    lines = [f"{printable(result.test)} under {printable(result.model)}: {result.observation}", f"  {_condition(explanation)}", ""]
    lines += [f"  {explanation.summary}"]
    if explanation.cycles:
        lines += ["", *_grid(explanation, width)]
    for told in explanation.cycles:
        lines += ["", *_cycle(told, explanation)]
    return "\n".join(lines) + "\n"


def _condition(explanation: Explanation) -> str:
    return printable(show_condition(explanation.result.condition))


def _grid(explanation: Explanation, width: int | None) -> list[str]:
    graph = explanation.graph
    letters = letters_of(explanation)
    processes: dict[int, list[Row]] = {}
    seen: set[tuple[int, int]] = set()
    by = {n for told in explanation.cycles for edge in told.edges for n in edge.by}
    for n in sorted({*letters, *by}, key=lambda n: (graph.events[n].span.line, n)):
        e = graph.events[n]
        place = (e.tid, e.span.line) if e.tid != INIT_TID else (e.tid, -n)
        if place not in seen:
            seen.add(place)
            processes.setdefault(e.tid, []).append(Row(letters.get(n, ""), statement(e)))
    wide = max(map(len, letters.values()), default=1)
    columns = {}
    for tid, rows in sorted(processes.items()):
        head = f"P{tid}" if tid != INIT_TID else "before"
        columns[tid] = [head, *[f"{row.letter:<{wide}}  {row.text}" for row in rows]]
    if width is not None and 2 + sum(max(map(len, c)) + GAP for c in columns.values()) > width + GAP:
        return [line for c in columns.values() for line in [f"  {c[0]}", *[f"    {row}" for row in c[1:]]]]
    height = max(len(c) for c in columns.values())
    filled = [[row.ljust(max(map(len, c))) for row in [*c, *[""] * (height - len(c))]] for c in columns.values()]
    return ["  " + (" " * GAP).join(row).rstrip() for row in zip(*filled)]


def letters_of(explanation: Explanation) -> dict[int, str]:
    """The letters of all events that the cycles lead through."""
    ends = [n for told in explanation.cycles for edge in told.edges for n in (edge.a, edge.b)]
    return names_of(explanation.graph, ends)


def _cycle(told: Told, explanation: Explanation) -> list[str]:
    letters = letters_of(explanation)
    axiom = told.reason.axiom
    lines = [f"  {printable(axiom.name)} ({place(axiom)}, {axiom.kind}) forbids"]
    if not told.edges:
        return [*lines, "    this execution as a whole"]
    wide = max(len(edge.relation) for edge in told.edges)
    ends = [f"{letters[edge.a]} → {letters[edge.b]}" for edge in told.edges]
    room = max(map(len, ends))
    for end, edge in zip(ends, told.edges, strict=True):
        lines.append(f"    {end:<{room}}  {edge.relation:<{wide}}  {because(edge, explanation.graph)}".rstrip())
    return lines


def place(axiom: Axiom) -> str:
    """Where the axiom is written: `lkmm.cat:117`."""
    return f"{os.path.basename(axiom.span.source.name)}:{axiom.span.line}"


def because(edge: Edge, graph: EventGraph) -> str:
    """What makes an edge hold, in words."""
    if edge.by:
        said = [f"{call(graph.events[n])} in line {graph.events[n].span.line}" for n in edge.by]
        return ", ".join(dict.fromkeys(said))
    return _SAYS.get(edge.kind, "")


# ---------------------------------------------------------------- for programs


def record(explanation: Explanation) -> dict[str, object]:
    """One object, as JSON has it."""
    result, graph = explanation.result, explanation.graph
    return {
        "file": clean(result.file), "test": clean(result.test), "model": clean(result.model), "observation": result.observation,
        "certified": explanation.certified, "seconds": round(explanation.seconds, 6),
        "check_seconds": round(explanation.check_seconds, 6), "candidates": explanation.candidates,
        "summary": explanation.summary,
        "cycles": [
            {
                "axiom": told.reason.axiom.name, "cat": place(told.reason.axiom),
                "edges": [_edge(edge, graph) for edge in told.edges],
            }
            for told in explanation.cycles
        ],
    }  # fmt: skip


def _edge(edge: Edge, graph: EventGraph) -> dict[str, object]:
    a, b = graph.events[edge.a], graph.events[edge.b]
    lines = [a.span.line, *[graph.events[n].span.line for n in edge.by], b.span.line]
    return {
        "from": _where(a), "to": _where(b), "relation": edge.relation, "lines": list(dict.fromkeys(lines)),
        "because": because(edge, graph),
    }  # fmt: skip


def _where(event: Event) -> str:
    who = f"P{event.tid}" if event.tid != INIT_TID else "before"
    return f"{who}: {statement(event)}"


def dot(explanations: Sequence[Explanation]) -> str:
    """The cycles as graphs in the language of Graphviz: a cluster for each process, an edge for each edge."""
    parts = []
    for explanation in explanations:
        graph, letters = explanation.graph, letters_of(explanation)
        for k, told in enumerate(explanation.cycles, 1):
            events = sorted({n for edge in told.edges for n in (edge.a, edge.b)})
            axiom = told.reason.axiom
            parts.append(f"digraph {_quoted(f'{explanation.result.test} {explanation.result.model} {k}')} {{")
            parts.append(f"  label={_quoted(f'{axiom.name} ({place(axiom)}) forbids')}; node [shape=plaintext];")
            for tid in sorted({graph.events[n].tid for n in events}):
                parts.append(f"  subgraph {_quoted(f'cluster{tid}')} {{ label={_quoted(f'P{tid}' if tid >= 0 else 'before')};")
                for letter, n in {letters[n]: n for n in reversed(events) if graph.events[n].tid == tid}.items():
                    parts.append(f"    {letter} [label={_quoted(f'{letter}: {statement(graph.events[n])}')}];")
                parts.append("  }")
            for edge in told.edges:
                label = ", ".join(part for part in (edge.relation, because(edge, graph) if edge.by else "") if part)
                parts.append(f"  {letters[edge.a]} -> {letters[edge.b]} [label={_quoted(label)}];")
            parts.append("}")
    return "\n".join(parts) + "\n"


def _quoted(text: str) -> str:
    escaped = clean(printable(text)).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
