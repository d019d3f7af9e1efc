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

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence

from checker.core.source import printable
from checker.insight.edges import Edge, Told
from checker.insight.explanation import Explanation
from checker.insight.raised import Raised
from checker.insight.weak import Gap, Weakness
from checker.insight.wording import because, place, statement, who
from checker.program.events import INIT_TID, Event, EventGraph
from checker.report.records import clean
from checker.report.spell import show_condition
from checker.report.terminal import listed

GAP = 3
DEPENDENCIES = ("addr", "data", "ctrl")


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


def text(explanation: Explanation, width: int | None = 80) -> str:
    """The explanation as a text of at most `width` columns, as far as the statements allow that."""
    result = explanation.result
    told = {one.axiom.name for one in explanation.raised}
    others = "".join([f", flag {printable(flag)}" for flag in result.flags if flag not in told])
    head = f"{printable(result.test)} under {printable(result.model)}: {result.observation}{others}"
    parts = [[head, f"  {printable(show_condition(result.condition))}"]]
    parts += [_folded(explanation.summary, width)] if explanation.summary else []
    if explanation.cycles:
        parts.append(_grid(explanation, width))
        for lines, times in Counter([tuple(_cycle(told, explanation)) for told in explanation.cycles]).items():
            again = [f"    and the same in {times - 1} more round{'s' * (times > 2)} of the loop"] if times > 1 else []
            parts.append([*lines, *again])
    if explanation.weakness is not None:
        parts += _weak(explanation.weakness, width)
    for one in explanation.raised:
        parts += _raised(one, width, explanation.weakness)
    return "\n\n".join(["\n".join(part) for part in parts]) + "\n"


def one_line(explanation: Explanation) -> str:
    """The reason in a line: what forbids the outcome, or what is missing, and what raises flags; empty where nothing is to say."""
    said = []
    if explanation.cycles:
        graphs = [(told, told.reason.found.graph) for told in explanation.cycles]
        holding = [because(edge, graph) for told, graph in graphs for edge in told.edges if edge.by or edge.kind in DEPENDENCIES]
        axioms = dict.fromkeys([told.reason.axiom.name for told in explanation.cycles])
        held = f": {', '.join(dict.fromkeys(holding))}" if holding else ""
        said.append(f"forbidden by {listed(list(axioms))}{held}")
    elif explanation.weakness is not None:
        said += gaps(explanation.weakness)
    elif explanation.refutation is not None:
        said.append(explanation.summary)
    for one in explanation.raised:
        events = [one.weakness.found.graph.events[n] for n in one.events]
        by = listed([f"{statement(e)} in line {e.span.line}" for e in events])
        said.append(f"{printable(one.axiom.name)}: {by}" if by else printable(one.axiom.name))
    return "; ".join(said)


def _folded(said: str, width: int | None) -> list[str]:
    return textwrap.wrap(said, (width or 80) - 2, initial_indent="  ", subsequent_indent="  ")


def _grid(explanation: Explanation, width: int | None) -> list[str]:
    """The statements that the cycles lead through, and the fences between, by process."""
    assert explanation.refutation is not None
    graph, letters = explanation.refutation.graph, letters_of(explanation)
    by = {n for told in explanation.cycles for edge in told.edges for n in edge.by}
    processes: dict[int, dict[tuple[int, int], str]] = {}
    wide = max(map(len, letters.values()), default=1)
    for n in sorted({*letters, *by}, key=lambda n: (graph.events[n].span.line, n)):
        e = graph.events[n]
        place = (e.span.line, e.span.column) if e.tid != INIT_TID else (0, n)
        if e.tid != INIT_TID:
            place = (e.span.line, 0 if n not in letters else 1)
        processes.setdefault(e.tid, {}).setdefault(place, f"{letters.get(n, ''):<{wide}}  {statement(e)}")
    columns = {tid: [who(tid), *_without_doubles(rows)] for tid, rows in sorted(processes.items())}
    return _beside(list(columns.values()), width)


def _without_doubles(rows: dict[tuple[int, int], str]) -> list[str]:
    """One row a line: that with a letter, where there is one."""
    return [row for (line, lettered), row in rows.items() if lettered or (line, 1) not in rows]


def _beside(columns: list[list[str]], width: int | None) -> list[str]:
    """Columns of text side by side, or one below the other where they do not fit."""
    if not _fits(columns, width):
        return [line for column in columns for line in [f"  {column[0]}", *[f"    {row}" for row in column[1:]]]]
    widths = [max(map(len, column)) for column in columns]
    height = max(map(len, columns))
    filled = [
        [row.ljust(w) for row in [*column, *[""] * (height - len(column))]] for column, w in zip(columns, widths, strict=True)
    ]
    return ["  " + (" " * GAP).join(row).rstrip() for row in zip(*filled, strict=True)]


def _fits(columns: list[list[str]], width: int | None) -> bool:
    return width is None or 2 + sum(max(map(len, column)) + GAP for column in columns) - GAP <= width


def letters_of(explanation: Explanation) -> dict[int, str]:
    """The letters of all events that the cycles lead through."""
    assert explanation.refutation is not None
    ends = [n for told in explanation.cycles for edge in told.edges for n in (edge.a, edge.b)]
    return names_of(explanation.refutation.graph, ends)


def _cycle(told: Told, explanation: Explanation) -> list[str]:
    assert explanation.refutation is not None
    axiom = told.reason.axiom
    lines = [f"  {printable(axiom.name)} ({place(axiom)}, {axiom.kind}) forbids"]
    if not told.edges:
        return [*lines, "    this execution as a whole"]
    return [*lines, *_edges(told.edges, letters_of(explanation), explanation.refutation.graph)]


def _edges(edges: Sequence[Edge], letters: dict[int, str], graph: EventGraph) -> list[str]:
    wide = max(len(edge.relation) for edge in edges)
    ends = [f"{letters[edge.a]} → {letters[edge.b]}" for edge in edges]
    room = max(map(len, ends))
    return [
        f"    {end:<{room}}  {edge.relation:<{wide}}  {because(edge, graph)}".rstrip()
        for end, edge in zip(ends, edges, strict=True)
    ]


def _weak(weakness: Weakness, width: int | None) -> list[list[str]]:
    """An execution in time, and what is missing."""
    graph = weakness.found.graph
    letters = names_of(graph, weakness.order)
    parts = [["  it happens, in this order:"], _in_time(weakness, letters, width)]
    if not weakness.cycle:
        return [*parts, _folded("CPUs that take turns do this: no barrier forbids it", width)]
    parts.append(["  CPUs that take turns cannot do this, for it is a cycle:", *_edges(weakness.cycle, letters, graph)])
    return [*parts, _missing_order(weakness, letters, width)]


def _in_time(weakness: Weakness, letters: dict[int, str], width: int | None) -> list[str]:
    """The accesses of an execution in the order in which they happen, a column for each process."""
    graph = weakness.found.graph
    wide = max(map(len, letters.values()), default=1)
    tids = sorted({graph.events[n].tid for n in weakness.order})
    row = {n: f"{letters[n]:<{wide}}  {statement(graph.events[n])}{_value(graph.events[n])}" for n in weakness.order}
    columns = [[who(tid), *[row[n] if graph.events[n].tid == tid else "" for n in weakness.order]] for tid in tids]
    if _fits(columns, width):
        return _beside(columns, width)
    return [f"  {who(graph.events[n].tid):<{len(who(tids[-1]))}}  {row[n]}" for n in weakness.order]


def _missing_order(weakness: Weakness, letters: dict[int, str], width: int | None) -> list[str]:
    if not weakness.gaps:
        said = ["the threads keep their own order, but the writes reach the CPUs in different orders"]
    else:
        said = [_gap(gap, letters, weakness.found.graph) for gap in weakness.gaps]
    return [line for sentence in said for line in _folded(sentence, width)]


def _raised(one: Raised, width: int | None, told: Weakness | None) -> list[list[str]]:
    """What raises a flag: the events, how the execution came about (but where it has just been `told`), and what is missing."""
    weakness, graph = one.weakness, one.weakness.found.graph
    letters = names_of(graph, {*weakness.order, *one.events, *[n for edge in weakness.cycle for n in (edge.a, edge.b)]})
    ends = {n: f"{letters[n]}  {statement(graph.events[n])}" for n in one.events}
    wide = max(map(len, ends.values()), default=0)
    by = [f"    {end:<{wide}}  {who(graph.events[n].tid)}, line {graph.events[n].span.line}" for n, end in ends.items()]
    said = "is raised by" if by else "is raised by what is not there"
    parts = [[f"  {_title(one)} ({place(one.axiom)}) {said}", *by]]
    shown = _in_time(weakness, letters, width) if weakness.order else []
    if told is None or told.order != weakness.order or _in_time(told, letters, width) != shown:
        parts += [["  it happens, in this order:"], shown]
    if len(one.events) != 2 or one.axiom.kind != "empty":
        return parts
    if not weakness.cycle:
        return [*parts, _folded("neither program order nor communication leads from the one to the other", width)]
    first, second = letters[weakness.cycle[0].a], letters[weakness.cycle[-1].b]
    parts.append([f"  from {first} to {second} leads:", *_edges(weakness.cycle, letters, graph)])
    return [*parts, _missing_order(weakness, letters, width)] if weakness.gaps else parts


def _title(one: Raised) -> str:
    return (
        f"flag {printable(one.axiom.name)}" if one.axiom.role == "flag" else f"no meaning without {printable(one.axiom.name)}: this"
    )


def gaps(weakness: Weakness, letters: dict[int, str] | None = None) -> list[str]:
    """What is missing, one sentence a gap, the accesses by their letters, or by their processes."""
    graph = weakness.found.graph
    return [_gap(gap, letters or {n: who(graph.events[n].tid) for n in (gap.a, gap.b)}, graph) for gap in weakness.gaps]


def _gap(gap: Gap, letters: dict[int, str], graph: EventGraph) -> str:
    a, b = graph.events[gap.a], graph.events[gap.b]
    first, second = f"{letters[gap.a]} (line {a.span.line})", f"{letters[gap.b]} (line {b.span.line})"
    said = f"{first} comes before {second}, but not for all CPUs" if gap.kept else f"nothing orders {first} before {second}"
    where = {"": "between them", "behind": "right behind the first", "before": "right before the second"}[gap.where]
    return f"{said}: {gap.would} {where} would" if gap.would else said


def _value(event: Event) -> str:
    """What a read read: ` = 1`."""
    return f"  reads {next(iter(event.value))}" if event.kind == "R" and event.value else ""


# ---------------------------------------------------------------- for programs


def record(explanation: Explanation) -> dict[str, object]:
    """One object, as JSON has it."""
    result, weakness, refutation = explanation.result, explanation.weakness, explanation.refutation
    return {
        "file": clean(result.file), "test": clean(result.test), "model": clean(result.model), "observation": result.observation,
        "certified": refutation is not None or weakness is not None, "seconds": round(explanation.seconds, 6),
        "check_seconds": round(explanation.check_seconds, 6),
        "candidates": refutation.candidates if refutation is not None else None, "summary": explanation.summary,
        "cycles": [
            {
                "axiom": told.reason.axiom.name, "cat": place(told.reason.axiom),
                "edges": [_edge(edge, told.reason.found.graph) for edge in told.edges],
            }
            for told in explanation.cycles
        ],
        "execution": None if weakness is None else [_where(weakness.found.graph.events[n]) for n in weakness.order],
        "cycle": None if weakness is None else [_edge(edge, weakness.found.graph) for edge in weakness.cycle],
        "gaps": None if weakness is None else [_missing(gap, weakness.found.graph) for gap in weakness.gaps],
        "flags": [_flag(one) for one in explanation.raised],
    }  # fmt: skip


def _flag(one: Raised) -> dict[str, object]:
    weakness, graph = one.weakness, one.weakness.found.graph
    events = [graph.events[n] for n in one.events]
    return {
        "flag": clean(one.axiom.name), "cat": place(one.axiom), "events": [_where(e) for e in events],
        "lines": [e.span.line for e in events], "execution": [_where(graph.events[n]) for n in weakness.order],
        "way": [_edge(edge, graph) for edge in weakness.cycle], "gaps": [_missing(gap, graph) for gap in weakness.gaps],
    }  # fmt: skip


def _edge(edge: Edge, graph: EventGraph) -> dict[str, object]:
    a, b = graph.events[edge.a], graph.events[edge.b]
    lines = [a.span.line, *[graph.events[n].span.line for n in edge.by], b.span.line]
    return {
        "from": _where(a), "to": _where(b), "relation": edge.relation, "lines": list(dict.fromkeys(lines)),
        "because": because(edge, graph),
    }  # fmt: skip


def _missing(gap: Gap, graph: EventGraph) -> dict[str, object]:
    a, b = graph.events[gap.a], graph.events[gap.b]
    return {
        "from": _where(a), "to": _where(b), "lines": [a.span.line, b.span.line], "kept": gap.kept, "barrier": gap.would or None,
        "where": (gap.where or "between") if gap.would else None,
    }  # fmt: skip


def _where(event: Event) -> str:
    return f"{who(event.tid)}: {statement(event)}"


def dot(explanations: Sequence[Explanation]) -> str:
    """The cycles as graphs in the language of Graphviz: a cluster for each process, an edge for each edge."""
    parts = []
    for explanation in explanations:
        if explanation.refutation is None:
            continue
        graph, letters = explanation.refutation.graph, letters_of(explanation)
        for k, told in enumerate(explanation.cycles, 1):
            events = sorted({n for edge in told.edges for n in (edge.a, edge.b)})
            axiom = told.reason.axiom
            parts.append(f"digraph {_quoted(f'{explanation.result.test} {explanation.result.model} {k}')} {{")
            parts.append(f"  label={_quoted(f'{axiom.name} ({place(axiom)}) forbids')}; node [shape=plaintext];")
            for tid in sorted({graph.events[n].tid for n in events}):
                parts.append(f"  subgraph {_quoted(f'cluster{tid}')} {{ label={_quoted(who(tid))};")
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
