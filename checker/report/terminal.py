"""Outcomes as a table for people: a line for each test, a column for each model.

A cell holds the verdict, `race` where a data race was found, and how both compare with what the file expects: `✓`, or `✗`
and the expectation. Rows keep only what they show, so thousands of tests cost little memory. Colours appear on terminals
only, and nothing that a file says (its name least of all) can steer the terminal.

    scenario                lkmm                 aarch64
    vgic-ready-once-plain   Sometimes race ✓     Sometimes ✓
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Callable
from typing import TextIO

import click
from msgspec import Struct, field

from checker.campaign.corpus import Outcome
from checker.core.source import printable
from checker.report.records import clean, show_expectation
from checker.report.signs import coloured, width_of
from checker.report.table import Cell, columns, styled
from checker.report.tally import Tally
from checker.result import DEADLOCK, NEVER, UNKNOWN

MET, UNMET, PLAIN, ERROR = "green", "bold red", "", "bold red"
LEAST_NAME = 24


class Grid(Struct):
    """The table while it fills: rows in the order in which files were first seen; `spell` puts words for signs."""

    rows: dict[str, dict[str, Cell]] = field(default_factory=dict)
    models: dict[str, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    verdicts: dict[str, dict[str, str]] = field(default_factory=dict)
    spell: Callable[[str], str] = str

    def add(self, outcome: Outcome) -> None:
        self.models.setdefault(outcome.model)
        made = cell(outcome)
        self.rows.setdefault(outcome.path, {})[outcome.model] = Cell(self.spell(made.text), made.style)
        if outcome.result is not None and outcome.result.observation not in (UNKNOWN, DEADLOCK):
            self.verdicts.setdefault(outcome.path, {})[outcome.model] = outcome.result.observation
        said = note(outcome)
        if said:
            self.notes.append(f"{shown(_stem(outcome.path))} under {shown(outcome.model)}: {shown(said)}")


def cell(outcome: Outcome) -> Cell:
    """A verdict beside what was expected."""
    if outcome.error:
        return Cell("error", ERROR)
    result = outcome.result
    if result is None:
        return Cell("Unknown ✗", UNMET)
    said = result.observation
    if "data-race" in result.flags:
        said += " race"
    elif said != UNKNOWN and "data-race" in dict(result.unanswered):
        said += " race?"
    if result.expected is None:
        return Cell(said + (" ✗" if result.unmet() else ""), UNMET if result.unmet() else PLAIN)
    if result.unmet():
        return Cell(f"{said} ✗ ({show_expectation(result.expected).replace('DATARACE', 'race')})", UNMET)
    return Cell(f"{said} ✓", MET)


def note(outcome: Outcome) -> str:
    """What a cell has no room for: why it is not as expected, or Unknown; flags that say the test is not well made."""
    result = outcome.result
    if result is None:
        return f"Unknown: {outcome.unknown_because}" if outcome.unknown_because else ""
    said = [result.unmet()] if result.unmet() else []
    if result.contradiction() and result.unanswered:
        said.append(f"unknown: {result.unanswered_text()}")
    said.extend([f"flag {flag}" for flag in result.flags if flag != "data-race"])
    if result.undefined:
        said.append("the model gives some execution no meaning")
    return "; ".join(said)


def differences(grid: Grid) -> list[str]:
    """A sentence for each file whose outcome some models allow and others do not."""
    sentences = []
    for path, verdicts in grid.verdicts.items():
        forbid = [shown(m) for m, verdict in verdicts.items() if verdict == NEVER]
        allow = [shown(m) for m, verdict in verdicts.items() if verdict != NEVER]
        if forbid and allow:
            sentences.append(f"{shown(_stem(path))}: allowed by {listed(allow)}, forbidden by {listed(forbid)}")
    return sentences


def listed(words: list[str]) -> str:
    """a; a and b; a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def render(grid: Grid, width: int | None, *, colour: bool) -> list[str]:
    """The table for `width` columns (None: as wide as it is): models side by side, or below each other where they do not fit."""
    models = [*grid.models]
    heads = _heads(models)
    widths = [max([len(heads[m]), *[len(row[m].text) for row in grid.rows.values() if m in row]]) for m in models]
    room = None if width is None else width - sum(widths) - 2 * len(models)
    if room is None or room >= LEAST_NAME:
        return columns(_side_by_side(grid, heads, room), colour=colour)
    assert width is not None
    return _below_each_other(grid, heads, width, colour=colour)


def _side_by_side(grid: Grid, heads: dict[str, str], room: int | None) -> list[list[Cell]]:
    """A row for each test; its name in `room` columns."""
    by_folder = _by_folder(grid)
    rows = [[Cell(text, "bold") for text in ("scenario", *[heads[model] for model in grid.models])]]
    for folder, paths in by_folder.items():
        if folder and (len(by_folder) > 1 or len(paths) > 1):
            rows.append([Cell(folded(folder, room), "dim")])
        for path in paths:
            cells = [grid.rows[path].get(m, Cell(grid.spell("–"), "dim")) for m in grid.models]
            rows.append([Cell(folded(_stem(path), room)), *cells])
    return rows


def _below_each_other(grid: Grid, heads: dict[str, str], width: int, *, colour: bool) -> list[str]:
    """A line for each verdict, under the name of its test."""
    lines: list[str] = []
    wide = max(map(len, heads.values()))
    for path, row in grid.rows.items():
        lines.append(folded(_stem(path), width))
        lines += columns([["  " + heads[m].ljust(wide), c] for m, c in row.items()], colour=colour)
    return lines


def _heads(models: list[str]) -> dict[str, str]:
    """What stands above each column: of a path its last part, where that tells it from the others."""
    last = [os.path.basename(model) for model in models]
    return {m: shown(name if last.count(name) == 1 else m) for m, name in zip(models, last, strict=True)}


def _by_folder(grid: Grid) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in grid.rows:
        found.setdefault(os.path.dirname(path), []).append(path)
    return found


def _stem(path: str) -> str:
    return os.path.basename(path).removesuffix(".litmus")


def shown(name: str) -> str:
    """A name from outside as it may appear on a terminal."""
    return printable(clean(name))


_BREAK = re.compile(r"[^-_+./]*[-_+./]*")


def folded(name: str, room: int | None) -> str:
    """A name in lines of at most `room` characters, broken after its own hyphens and dots; what follows is indented."""
    if room is None:
        return shown(name)
    lines, line = [], ""
    for piece in _BREAK.findall(shown(name)):
        if line.strip() and len(line) + len(piece) > room:
            lines.append(line)
            line = "  "
        line += piece
        while len(line) > room:
            lines.append(line[:room])
            line = "  " + line[room:]
    return "\n".join([*lines, line])


def legend(grid: Grid) -> str:
    """What the signs mean, as far as they appear."""
    signs = {"✓": "as the file expects", "✗": "not so (what it expects)", "–": "the file says nothing of this model"}
    absent = any(len(row) < len(grid.models) for row in grid.rows.values())
    texts = [c.text for row in grid.rows.values() for c in row.values()] + ([grid.spell("–")] if absent else [])
    words = [word for text in texts for word in (text, text.partition(" (")[0])]
    met = [sign for sign in signs if any(word.endswith(grid.spell(sign)) for word in words)]
    return grid.spell(" · ").join([f"{grid.spell(sign)} {signs[sign]}" for sign in met])


def page(grid: Grid, tally: Tally, width: int | None, *, colour: bool) -> str:
    """Table, legend and sum."""
    lines = [*render(grid, width, colour=colour), ""] if grid.rows else []
    for said in (*grid.notes, *differences(grid)):
        lines += textwrap.wrap(said, width, break_on_hyphens=False) if width else [said]
    if meaning := legend(grid):
        lines.append(styled(meaning, "dim") if colour else meaning)
    return "\n".join([*lines, str(tally)]) + "\n"


def show(grid: Grid, tally: Tally, stream: TextIO) -> None:
    """The page on a stream: as wide as a terminal is; elsewhere nothing is folded or filled up with blanks."""
    click.echo(page(grid, tally, width_of(stream), colour=coloured(stream)), file=stream, nl=False)
