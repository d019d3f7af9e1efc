"""A reason as a picture: a column for each process, time downwards, an arrow for each edge.

picture(explanations)    '<svg xmlns=…': below each other the cycles that refute an outcome, or the execution that shows it, and
                         what raises flags; the barriers that hold an edge stand between the statements they part
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from msgspec import Struct

from checker.core.source import printable
from checker.insight.edges import Edge
from checker.insight.explanation import Explanation
from checker.insight.weak import Weakness
from checker.insight.wording import because, place, statement, who
from checker.program.events import INIT_TID, Event, EventGraph
from checker.report.explained import gaps, letters_of, names_of
from checker.report.records import clean
from checker.report.spell import show_condition

_COLOURS = {"rf": "#117733", "co": "#4477aa", "fr": "#cc3311", "po": "#222222", "inverse": "#222222"}
_DEPENDS, _INK, _QUIET, _BOX, _MARK = "#aa5500", "#222222", "#777777", "#f4f4f4", "#ffe9c7"
_FONT = 'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="12"'
_CHAR, _SMALL = 7.25, 6.2  # widths of a letter of the two sizes of monospace
_ROW, _HIGH, _GAP, _EDGE, _LANE, _TOP = 46, 26, 66, 16, 18, 30


class _Cell(Struct, frozen=True):
    """What stands in a column at a row: a statement with its letter, or (`quiet`) a barrier. `marked`: this is at fault."""

    tid: int
    row: int
    text: str
    quiet: bool = False
    marked: bool = False


class _Panel(Struct, frozen=True):
    """One drawing: what stands above it and below it, its cells by event, and its edges."""

    head: str
    cells: dict[int, _Cell]
    edges: tuple[Edge, ...]
    graph: EventGraph
    foot: tuple[str, ...] = ()


def picture(explanations: Sequence[Explanation]) -> str:
    """An SVG drawing of what was found, all below each other."""
    parts: list[str] = []
    width, y = 320.0, 12.0
    for explanation in explanations:
        result = explanation.result
        title = f"{result.test} under {result.model}: {result.observation}"
        parts += [_text(_EDGE, y + 16, title, 'font-size="15" font-weight="bold"')]
        parts += [_text(_EDGE, y + 34, show_condition(result.condition), f'fill="{_QUIET}"')]
        width = max(width, 2 * _EDGE + 9 * len(title), 2 * _EDGE + _CHAR * len(show_condition(result.condition)))
        y += 50
        panels = list(_panels(explanation))
        for line in [explanation.summary] if not panels or explanation.cycles else []:
            parts.append(_text(_EDGE, y + 8, line, ""))
            width = max(width, 2 * _EDGE + _CHAR * len(line))
            y += 22
        for panel in panels:
            drawn, wide, high = _drawn(panel, y)
            parts += drawn
            width, y = max(width, wide), y + high + 18
    size = f'width="{width:.0f}" height="{y:.0f}" viewBox="0 0 {width:.0f} {y:.0f}"'
    names = ", ".join([f"{e.result.test} under {e.result.model}" for e in explanations])
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {_FONT} fill="{_INK}">',
        f"<title>{_escaped(names)}</title>", '<rect width="100%" height="100%" fill="white"/>', *_heads(),
    ]  # fmt: skip
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


# ---------------------------------------------------------------- what is drawn


def _panels(explanation: Explanation) -> Iterable[_Panel]:
    if explanation.refutation is not None:
        letters = letters_of(explanation)
        for told in explanation.cycles:
            axiom, graph = told.reason.axiom, told.reason.found.graph
            head = f"{axiom.name} ({place(axiom)}, {axiom.kind}) forbids"
            yield _Panel(head, _by_line(graph, told.edges, letters), told.edges, graph)
    weakness = explanation.weakness
    if weakness is not None:
        foot = tuple(gaps(weakness, names_of(weakness.found.graph, weakness.order)))
        yield _Panel("it happens, in this order", _by_time(weakness, ()), _shown(weakness), weakness.found.graph, foot)
    for one in explanation.raised:
        letters = names_of(one.weakness.found.graph, one.weakness.order)
        foot = tuple(gaps(one.weakness, letters))
        head = f"{one.axiom.name} ({place(one.axiom)}) is raised"
        yield _Panel(head, _by_time(one.weakness, one.events), _shown(one.weakness), one.weakness.found.graph, foot)


def _shown(weakness: Weakness) -> tuple[Edge, ...]:
    """The edges of the cycle, and what each read reads from another process."""
    events, rf = weakness.found.graph.events, weakness.found.graph.leaves["rf"][1]
    there = set(weakness.order)
    read = [(w, r) for w in there for r in there if rf[w] >> r & 1 and events[w].tid != events[r].tid]
    known = {(edge.a, edge.b) for edge in weakness.cycle}
    return (*weakness.cycle, *[Edge(w, r, "rfe", "rf") for w, r in sorted(read) if (w, r) not in known])


def _by_line(graph: EventGraph, edges: Sequence[Edge], letters: dict[int, str]) -> dict[int, _Cell]:
    """The statements of each process in the order of their lines, with the barriers that hold edges."""
    ends = {n for edge in edges for n in (edge.a, edge.b)}
    cells: dict[int, _Cell] = {}
    rows: dict[int, dict[tuple[int, int], int]] = {}
    for n in sorted(ends | {n for edge in edges for n in edge.by}, key=lambda n: (graph.events[n].span.line, n not in ends, n)):
        e = graph.events[n]
        spot = (e.span.line, 0 if e.tid != INIT_TID else n)
        mine = rows.setdefault(e.tid, {})
        if spot in mine and n not in ends:
            continue
        row = mine.setdefault(spot, len(mine))
        cells[n] = _Cell(e.tid, row, f"{letters[n]}  {statement(e)}" if n in ends else statement(e), quiet=n not in ends)
    return cells


def _by_time(weakness: Weakness, at_fault: Sequence[int]) -> dict[int, _Cell]:
    """The accesses of an execution, each in a row of its own."""
    events, letters = weakness.found.graph.events, names_of(weakness.found.graph, weakness.order)
    ends = {n for edge in weakness.cycle for n in (edge.a, edge.b)} - {*weakness.order}
    letters |= dict.fromkeys(ends, "·")
    return {
        n: _Cell(events[n].tid, row, f"{letters[n]}  {_said(events[n])}{_value(events[n])}", marked=n in at_fault)
        for row, n in enumerate([*sorted(ends), *weakness.order])
    }


def _said(e: Event) -> str:
    return statement(e)


def _value(e: Event) -> str:
    return f" → {next(iter(e.value))}" if e.kind == "R" and e.value else ""


# ---------------------------------------------------------------- how it is drawn


def _drawn(panel: _Panel, top: float) -> tuple[list[str], float, float]:
    """The parts of a drawing whose upper edge is at `top`, its width and its height."""
    columns, width = _columns(panel)
    rows = 1 + max([cell.row for cell in panel.cells.values()], default=-1)
    parts = [_text(_EDGE, top + 12, panel.head, 'font-weight="bold"')]
    parts += [_text(c.left, top + _TOP + 6, who(tid), f'fill="{_QUIET}"') for tid, c in columns.items()]
    ys = {n: top + _TOP + 18 + cell.row * _ROW + _HIGH / 2 for n, cell in panel.cells.items()}
    for n, cell in {(cell.tid, cell.row): (n, cell) for n, cell in panel.cells.items()}.values():
        x, y, wide = columns[cell.tid].left, ys[n] - _HIGH / 2, columns[cell.tid].width
        if not cell.quiet:
            fill = _MARK if cell.marked else _BOX
            parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{_HIGH}" rx="4" fill="{fill}"/>')
        parts.append(_text(x + 7, y + 17, cell.text, f'fill="{_QUIET}" font-style="italic"' if cell.quiet else ""))
    arrows = []
    for column in columns.values():
        for k, edge in enumerate(column.inside, 1):
            arrows.append(_loop(edge, column, k, ys[edge.a], ys[edge.b], panel.graph))
    below = top + _TOP + 22 + rows * _ROW
    for edge in panel.edges:
        a, b = columns[panel.cells[edge.a].tid], columns[panel.cells[edge.b].tid]
        if a is b:
            continue
        way = 1 if a.left < b.left else -1
        (x1, x2), y1, y2 = (a.right, b.left) if way > 0 else (a.left, b.right), ys[edge.a] + 4 * way, ys[edge.b] + 4 * way
        if abs([*columns.values()].index(a) - [*columns.values()].index(b)) == 1:
            line = f"M {x1:.1f} {y1:.1f} L {x2:.1f} {y2:.1f}"
            arrows.append(_arrow(edge, line, x1 + (x2 - x1) * 0.3, y1 + (y2 - y1) * 0.3 - 4, "middle", panel.graph))
        else:  # below what stands between
            line = f"M {x1:.1f} {y1:.1f} h {14 * way} V {below:.1f} H {x2 - 14 * way:.1f} V {y2:.1f} H {x2:.1f}"
            arrows.append(_arrow(edge, line, (x1 + x2) / 2, below + 4, "middle", panel.graph))
            below += 16
    parts += [line for line, _ in arrows] + [label for _, label in arrows]
    parts += [_text(_EDGE, below + 18 * n, line, "") for n, line in enumerate(panel.foot)]
    texts = [_CHAR * len(line) for line in (panel.head, *panel.foot)]
    return parts, max(width, _EDGE + max(texts)) + _EDGE, below - top + 18 * len(panel.foot)


class _Column(Struct, frozen=True):
    """Where a process stands, and its own edges, which run on one side of it: the `outer` one on the right, or the left one."""

    left: float
    width: float
    inside: tuple[Edge, ...]
    outer: bool

    @property
    def right(self) -> float:
        return self.left + self.width


def _columns(panel: _Panel) -> tuple[dict[int, _Column], float]:
    """The columns by process, and how wide they are together. The edges of the last one run on its right."""
    made: dict[int, _Column] = {}
    x = float(_EDGE)
    tids = sorted({cell.tid for cell in panel.cells.values()})
    for n, tid in enumerate(tids):
        own = [e for e in panel.edges if panel.cells[e.a].tid == panel.cells[e.b].tid == tid]
        own.sort(key=lambda e: abs(panel.cells[e.a].row - panel.cells[e.b].row))
        lane = max([_SMALL * len(e.relation) + 8 for e in own], default=0.0) + _LANE * len(own)
        wide = max([_CHAR * len(c.text) + 14 for c in panel.cells.values() if c.tid == tid] + [_CHAR * len(who(tid))])
        outer = n > 0 and tid == tids[-1]
        left = x + (0 if outer else lane) + (_GAP if n else 0)
        made[tid] = _Column(left, wide, tuple(own), outer)
        x = left + wide + (lane if outer else 0)
    return made, x


def _loop(edge: Edge, column: _Column, k: int, y1: float, y2: float, graph: EventGraph) -> tuple[str, str]:
    """The k-th edge that stays in a column: an arc beside it."""
    near = column.right if column.outer else column.left
    far = near + (_LANE if column.outer else -_LANE) * k
    y1, y2 = (y1 + 4, y2 - 4) if y1 < y2 else (y1 - 4, y2 + 4)
    line = f"M {near:.1f} {y1:.1f} C {far:.1f} {y1:.1f} {far:.1f} {y2:.1f} {near:.1f} {y2:.1f}"
    beside = (near + 3 * far) / 4
    return _arrow(edge, line, beside + (4 if column.outer else -4), (y1 + y2) / 2 + 4, "start" if column.outer else "end", graph)


def _arrow(edge: Edge, line: str, x: float, y: float, anchor: str, graph: EventGraph) -> tuple[str, str]:
    """An arrow, and the name of its edge."""
    colour = _COLOURS.get(edge.kind, _DEPENDS)
    style = "" if edge.kind in ("rf", "co", "fr") else ' stroke-width="1.6"'
    title = f"<title>{_escaped(f'{edge.relation} {because(edge, graph)}'.strip())}</title>"
    halo = 'stroke="white" stroke-width="4" paint-order="stroke" font-size="10.5"'
    return (
        f'<path d="{line}" fill="none" stroke="{colour}"{style} marker-end="url(#{colour[1:]})">{title}</path>',
        _text(x, y, edge.relation, f'text-anchor="{anchor}" fill="{colour}" {halo}'),
    )


def _heads() -> list[str]:
    """The heads of arrows, in each colour."""
    shape = 'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"'
    colours = dict.fromkeys([*_COLOURS.values(), _DEPENDS])
    return [
        "<defs>",
        *[f'<marker id="{c[1:]}" {shape}><path d="M 0 0 L 8 4 L 0 8 z" fill="{c}"/></marker>' for c in colours],
        "</defs>",
    ]


def _text(x: float, y: float, text: str, how: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" xml:space="preserve"{" " if how else ""}{how}>{_escaped(text)}</text>'


def _escaped(text: str) -> str:
    return escape(printable(clean(text)))
