"""Assembly as litmus tests write it: a row for each step, a column for each process, cut into the lines of each process.

The first row names the processes; every row ends in `;`. A cell holds an instruction, labels before it, or nothing. What a
line says is the business of the machine's own front end.

     P0         | P1             ;        Column(0, lines=(Line("MOV [x],$1", …), Line("MFENCE", …)))
     MOV [x],$1 | L: MOV EAX,[y] ;   ──►  Column(1, lines=(Line("L", label=True, …), Line("MOV EAX,[y]", …)))
     MFENCE     |                ;
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from typing import NamedTuple

from checker.core.source import Source, Span, SyntaxProblem, UnknownName, Unsupported
from checker.program.ir import Branch, Instr, Label

_PROCESS = re.compile(r"P([0-9]{1,6})")
_LABEL = re.compile(r"([A-Za-z_][A-Za-z0-9_./]*)\s*:(?!:)\s*")


class Line(NamedTuple):
    """A label, or an instruction without the blanks around it; and where it stands."""

    text: str
    line: int
    column: int
    label: bool

    def span(self, source: Source, start: int = 0, length: int = -1) -> Span:
        """The place of the line, or of `length` characters from `start`."""
        text = self.text
        if "\n" in text:  # an instruction of several lines: the piece, as far as the end of its line
            before = text[:start]
            line = self.line + before.count("\n")
            column = self.column + start if line == self.line else start - before.rfind("\n")
            text = text[start:].partition("\n")[0]
            return Span(source, line, column, column + max(1, len(text) if length < 0 else min(length, len(text))))
        column = self.column + start
        return Span(source, self.line, column, column + max(1, len(text) - start if length < 0 else length))


class Column(NamedTuple):
    """Process `tid`: where its header stands, and its lines in order."""

    tid: int
    span: Span
    lines: tuple[Line, ...]


def columns(source: Source, code: str) -> tuple[Column, ...]:
    """The processes in `code`, which is `source` with all the rest blanked."""
    *rows, rest = code.split(";")
    if not rows or not code.strip("; \t\r\n"):
        lines = source.text.count("\n", 0, len(source.text.rstrip())) + 1
        raise SyntaxProblem("there is no process", Span(source, lines, 1), hint="write 'P0 | P1 ;', then a row a step")
    if rest.strip():
        last = _cells(rest, _position(code, len(code) - len(rest)))[-1]
        raise SyntaxProblem("a row without its ';'", last.span(source), hint="every row of code ends in ';'")
    line, column = 1, 1
    header: list[Line] = []
    threads: list[list[Line]] = []
    for row in rows:
        cells = _cells(row, (line, column))
        if not header:
            header = [cell for cell in cells if cell.text]
            threads = [[] for _ in header]
        elif len(cells) > len(header):
            extra = cells[len(header)]
            raise SyntaxProblem(
                f"a row of {len(cells)} columns, with {len(header)} processes", extra.span(source), hint="columns end in '|'"
            )
        else:
            for thread, cell in zip(threads, cells, strict=False):
                if cell.text:
                    _append(thread, cell)
        newlines = row.count("\n")
        line += newlines
        column = len(row) - row.rfind("\n") + 1 if newlines else column + len(row) + 1
    return tuple(
        [
            Column(_tid(source, i, cell), cell.span(source), tuple(thread))
            for i, (cell, thread) in enumerate(zip(header, threads, strict=True))
        ]
    )


def _position(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def _cells(row: str, start: tuple[int, int]) -> list[Line]:
    """The cells of a row that begins at line and column `start`, without the blanks around them."""
    line, column = start
    cells = []
    for cell in row.split("|"):
        text = cell.strip()
        before = len(cell) - len(cell.lstrip())
        if "\n" not in cell:
            cells.append(Line(text, line, column + before, False))
            column += len(cell) + 1
            continue
        newlines = cell.count("\n", 0, before)
        at = before - cell.rfind("\n", 0, before) if newlines else column + before
        cells.append(Line(text, line + newlines, at, False))
        line += cell.count("\n")
        column = len(cell) - cell.rfind("\n") + 1
    return cells


def _append(thread: list[Line], cell: Line) -> None:
    """The labels of `cell`, and the instruction behind them."""
    text = cell.text
    if ":" not in text:
        thread.append(cell)
        return
    at = 0
    while label := _LABEL.match(text, at):
        piece = text[at:]
        place = Line(text, cell.line, cell.column, False).span(_ANYWHERE, at, len(piece))
        thread.append(Line(label[1], place.line, place.column, True))
        at = label.end()
    if at < len(text):
        place = cell.span(_ANYWHERE, at)
        thread.append(Line(text[at:], place.line, place.column, False))


_ANYWHERE = Source("", "")


def _tid(source: Source, expected: int, cell: Line) -> int:
    process = _PROCESS.match(cell.text)
    if process and process.end() < len(cell.text):
        rest = cell.text[process.end() :]
        raise Unsupported(f"a process called {process[0]}{rest}", cell.span(source), hint="processes are P0, P1, P2, …")
    if not process or int(process[1]) != expected:
        hint = "the row before the code is 'P0 | P1 ;'" if not process else "processes are P0, P1, P2, …, in this order"
        raise SyntaxProblem(f"expected P{expected} here", cell.span(source), hint=hint)
    return expected


def check_labels(source: Source, column: Column, body: Collection[Instr]) -> None:
    """Every label is there once, and every branch has its label."""
    known: set[str] = set()
    for line in [line for line in column.lines if line.label]:
        if line.text in known:
            raise SyntaxProblem(f"the label {line.text!r} is there twice", line.span(source), hint="rename one of them")
        known.add(line.text)
    branches = [i for i in body if isinstance(i, Branch)]
    defined = {i.name for i in body if isinstance(i, Label)} if branches else set()
    for instr in branches:
        if instr.target not in defined:
            near = difflib.get_close_matches(instr.target, sorted(known), 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else "write 'L0:' before the instruction to go to"
            raise UnknownName(f"P{column.tid} has no label {instr.target!r}", instr.span, hint=hint)
