"""Changes of tests in assembly: an access that orders more, a fence between two; in the terms of the machine's table."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

from checker.cat.term import Model
from checker.core.source import Span
from checker.insight.assembly import Code, Line, Lines, lines_of, one_of
from checker.insight.candidate import COSTS, HERE, Candidate, Language
from checker.program.events import Event
from checker.program.ir import Test


def between(test: Test, a: Event, b: Event, ends: Sequence[Event], model: Model) -> Iterator[Candidate]:
    """What could stand between two accesses of a process, or in the place of one of `ends`."""
    lines = lines_of(test)
    if a.span == b.span:
        return
    machine = lines.machine
    for e in ends:
        line = lines.at(e.tid, e.span)
        kin = lines.kin(line) if line is not None else {}
        (own, text), *others = kin.items() or [((0, 0), "")]
        for strength, other in others:
            more = strength[0] - own[0], strength[1] - own[1]
            if min(more) == 0:  # what is more of both is two changes
                yield Candidate(e.span, COSTS["one way"], f"P{e.tid}: {text} → {other}", instruction=other)
    inner = lines.between(a.tid, a.span, b.span)
    for line in filter(lines.is_fence, inner):
        for fence in machine.fences:
            if line.text.upper() in machine.lighter(fence):
                yield Candidate(line.span, COSTS["full"], f"P{a.tid}: {line.text} → {fence}", instruction=fence)
    light = machine.directional.get((a.kind, b.kind), "")
    for fence, cost in ((light, COSTS["directional"]), (machine.fences[0], COSTS["full"])):
        if fence:
            yield Candidate(a.span, cost, f"P{a.tid}: {fence} behind", barrier=fence)
            if inner:
                yield Candidate(inner[-1].span, cost, f"P{a.tid}: {fence} behind", barrier=fence)


def with_all(test: Test, some: Sequence[Candidate]) -> Test:
    """The test in which each candidate is there if its register is 1."""
    lines = lines_of(test)
    used: dict[int, list[int]] = {}

    def chosen(line: Line) -> Code:
        mine = [n for n, c in enumerate(some) if c.span == line.span]
        used.setdefault(line.tid, []).extend(mine)
        code = line.code
        forms = {n: some[n].instruction for n in mine if some[n].instruction}
        if forms:
            sets = [part for size in range(len(forms), 0, -1) for part in itertools.combinations(forms, size)]
            ways = [([f"%fix{n}" for n in part], lines.like(line, _joined(lines, line, [forms[n] for n in part]))) for part in sets]
            code = one_of(f"fix{mine[0]}", ways, code)
        for n in mine:
            if some[n].barrier:
                code = (*code, *one_of(f"behind{n}", [([f"%fix{n}"], lines.fence(some[n].barrier, HERE))], ()))
        return code

    return lines.varied(chosen, lambda tid: [f"%fix{n}" for n in sorted(used.get(tid, ()))])


def _joined(lines: Lines, line: Line, texts: Sequence[str]) -> str:
    """The instruction that orders what each of several does; of fences any is a full one."""
    kin = lines.kin(line)
    strengths = [strength for strength, text in kin.items() if text in texts]
    if not strengths:
        return texts[0]
    both = max(r for r, _ in strengths), max(w for _, w in strengths)
    return kin.get(both, texts[0])


# ---------------------------------------------------------------- writing it down

_END = re.compile(r"(?<!\block)(?<!\brep)(?<!\block )(?<!\brep );", re.IGNORECASE)
"""What ends a row: `lock;` does not."""


def edited(test: Test, some: Iterable[Candidate]) -> tuple[str, list[int]]:
    """The text with the changes in it, other instructions and new rows; and the numbers of the lines that are changed."""
    text, lines = test.source.text, lines_of(test)
    starts = [0, *[m.end() for m in re.finditer("\n", text)]]
    places: dict[Span, list[Candidate]] = {}
    for c in some:
        places.setdefault(c.span, []).append(c)
    edits: list[tuple[int, int, str]] = []
    for span, mine in places.items():
        start, stop = (starts[span.line - 1] + column - 1 for column in (span.column, span.end))
        forms = [c.instruction for c in mine if c.instruction]
        if forms:
            line = next(line for _, ls in lines.threads for line in ls if isinstance(line, Line) and line.span == span)
            new = _joined(lines, line, forms)
            room = len(text[stop:]) - len(text[stop:].lstrip(" ")) - 1
            edits.append((start, stop + max(0, min(room, len(new) - (stop - start))), new.ljust(stop - start)))
        end = _END.search(text, stop)
        assert end is not None
        row = max([0, *[m.end() for m in _END.finditer(text, 0, start)]])
        for c in mine:
            if c.barrier:
                edits.append((end.end(), end.end(), _row(text[row : end.start()], start - row, c.barrier)))
    made = text
    for start, stop, new in sorted(edits, reverse=True):
        made = made[:start] + new + made[stop:]
    matcher = difflib.SequenceMatcher(None, text.split("\n"), made.split("\n"), autojunk=False)
    return made, [n + 1 for tag, _, _, low, high in matcher.get_opcodes() if tag != "equal" for n in range(low, high)]


def _row(like: str, at: int, instruction: str) -> str:
    """A row like another, with only this instruction in it, in the column that has the place `at`."""
    column = like[:at].count("|")
    cells = [" " * len(cell.lstrip("\n")) for cell in like.split("|")]
    cells[column] = f" {instruction} ".ljust(len(cells[column]))
    return "\n" + "|".join(cells) + ";"


ASSEMBLY = Language(between, with_all, list, edited)
