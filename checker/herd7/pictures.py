"""Executions as herd7 draws them, for dot and neato: events by process, program order down, rf, co, fr and what is asked for.

Which executions are drawn, `-show` says (prop, neg, cond, wit, all, or those with a flag), how many `-nshow`; `-o` says where:
in a folder, as TEST.dot, or with `-o -` on standard output. The text is not herd7's letter by letter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

from msgspec import Struct

from checker.cat.term import Model
from checker.check import Options, stages
from checker.core.rel import Rows, compose, diff, pairs
from checker.herd7.options import Asked
from checker.program.events import Event
from checker.program.ir import Test
from checker.solve.execution import Execution, succeeds
from checker.solve.executions import executions

COLOURS = {"po": "black", "rf": "red", "co": "blue", "fr": "#ffa040"}
GRAPH = ("splines", "overlap", "sep", "margin", "pad")
TEXT = ("fontname", "fontsize")
EDGE = ("penwidth", "arrowsize")


def draw(test: Test, model: Model, options: Options, asked: Asked, base: str, warn: Callable[[str], None], results: TextIO) -> None:
    """Write the pictures of a test where they were asked for, all into one file."""
    graphs = [_graph(found, test, model, asked) for found in islice(_shown(test, model, options, asked), asked.number("nshow"))]
    text = "\n".join(graphs)
    folder = asked.values["o"]
    if folder == "-":
        results.write(f"\nDOTBEGIN {base}\nDOTCOM {_command(asked)}\n{text}\nDOTEND {base}\n")
        return
    file = Path(folder) / f"{base}{asked.values.get('suffix', '')}.dot"
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        warn(f"Cannot create {file}: {error.strerror}")


def _command(asked: Asked) -> str:
    style = dict(asked.style)
    return style.get("dotcom") or ("neato" if style.get("graph") == "columns" else "dot")


def _shown(test: Test, model: Model, options: Options, asked: Asked) -> Iterator[Execution]:
    """The executions to be drawn."""
    kind, quantifier = asked.values["show"], test.condition.quantifier
    wanted = {
        "prop": (True,),
        "neg": (False,),
        "cond": (quantifier != "~exists",),
        "wit": (quantifier != "forall",),
    }.get(kind, (True, False))
    flags = [a for a in model.axioms if a.role == "flag" and a.name == asked.values.get("showflag")]
    for found, holds in executions(stages(test, model, options)[2], model, test):
        if holds in wanted and (kind != "flag" or any(succeeds(a, found.bounds) for a in flags)):
            yield found


class _Picture(Struct, frozen=True):
    """One execution, its events by number with their letters, and the style."""

    found: Execution
    letters: dict[int, str]
    style: dict[str, str]
    attributes: dict[str, str]  # of edges, by label
    hidden: frozenset[str]


def _graph(found: Execution, test: Test, model: Model, asked: Asked) -> str:
    events = [e for e in found.events() if e.kind != "IW"]
    hidden = frozenset(n for key, text in asked.style if key == "unshow" for n in text.split(","))
    style = dict(asked.style)
    edges: dict[str, str] = {}
    for key, text in asked.style:
        words = text.split(",")
        if key == "edgeattr" and len(words) == 3:
            edges[words[0]] = f"{edges.get(words[0], '')}, {words[1]}={_quoted(words[2])}"
    picture = _Picture(found, {e.eid: _letter(i) for i, e in enumerate(events)}, style, edges, hidden)
    title = f"Test {test.name}, Generic({model.title})" if style.get("shortlegend") != "true" else test.name
    lines = ["digraph G {", *[f"{name}={_quoted(style[name])};" for name in GRAPH if style.get(name, "none") != "none"]]
    if style.get("showlegend") != "false":
        lines += [f"label={_quoted(title)};"]
    for tid in range(len(test.threads)):
        lines += _process(tid, [e for e in events if e.tid == tid], picture)
    shown = [n for key, text in asked.style if key == "doshow" for n in text.split(",") if n not in COLOURS]
    for name, rows in _relations(found, model, shown):
        if name not in hidden and not (name == "po" and style.get("showpo") == "false"):
            lines += _edges(name, rows, picture)
    return "\n".join([*lines, "}", ""])


def _letter(n: int) -> str:
    return Event(n, 0, "F", frozenset(), 1, None, None, None).letter  # type: ignore[arg-type]


def _process(tid: int, events: list[Event], picture: _Picture) -> list[str]:
    """The events of a process, in a column or in a box."""
    columns, text = picture.style.get("graph") == "columns", _text(picture)
    lines = []
    for row, e in enumerate(events):
        place = f', pos="{1 + 2 * tid * _scale(picture, "xscale"):g},{-row * _scale(picture, "yscale"):g}!"' if columns else ""
        lines.append(f'eiid{e.eid} [label={_quoted(_label(e, picture))}, shape="none"{text}{place}];')
    if columns:
        place = f'pos="{1 + 2 * tid * _scale(picture, "xscale"):g},{_scale(picture, "yscale") / 2:g}!"'
        return [f'proc{tid}_label_node [shape=none{text}, label="Thread {tid}", {place}];', *lines]
    return [f'subgraph cluster_proc{tid} {{ rank=sink; label="Thread {tid}"; color=magenta; shape=box;', *lines, "}"]


def _scale(picture: _Picture, name: str) -> float:
    return float(picture.style.get(name, "1.0")) * float(picture.style.get("scale", "1.0"))


def _text(picture: _Picture) -> str:
    return "".join([f", {name}={_quoted(picture.style[name])}" for name in TEXT if picture.style.get(name, "none") != "none"])


def _label(e: Event, picture: _Picture) -> str:
    """`a: W[ONCE][x]=1`, with its process where the picture is not squished."""
    tags = "".join([f"[{tag}]" for tag in sorted(map(str, e.tags - {e.kind}))])
    place = "" if e.addr is None else f"[{next(iter(e.addr), '')}]"
    value = "" if e.value is None else f"={next(iter(e.value), '')}"
    label = f"{picture.letters[e.eid]}: {e.kind}{tags}{place}{value}"
    return label if picture.style.get("squished") == "true" else f"{label}\nproc:P{e.tid} line {e.span.line}"


def _relations(found: Execution, model: Model, names: list[str]) -> Iterator[tuple[str, Rows]]:
    """Program order without what follows from it, rf, co and fr likewise, and the relations asked for."""
    leaves = found.graph.leaves
    po, rf = leaves["po"][0], leaves["rf"][0]
    yield "po", diff(po, compose(po, po))
    yield "rf", rf
    co, fr = [found.bounds.of(model.names[name])[1] if name in model.names else None for name in ("co", "fr")]
    if co is not None:
        yield "co", diff(co, compose(co, co))
    if fr is not None and co is not None:
        yield "fr", diff(fr, compose(fr, co))
    for name in names:
        if name in model.names and model.names[name].kind == "rel":
            yield name, found.bounds.of(model.names[name])[1]
        elif name in leaves:
            yield name, leaves[name][0]


def _edges(name: str, rows: Rows, picture: _Picture) -> list[str]:
    more = picture.attributes.get(name, "")
    colour = "" if ", color=" in more else f', color="{COLOURS.get(name, "brown")}", fontcolor="{COLOURS.get(name, "brown")}"'
    style = "".join([f", {key}={_quoted(picture.style[key])}" for key in EDGE if picture.style.get(key, "none") != "none"])
    return [
        f'eiid{a} -> eiid{b} [label="{name}"{colour}{more}{_text(picture)}{style}];'
        for a, b in pairs(rows)
        if a in picture.letters and b in picture.letters
    ]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
