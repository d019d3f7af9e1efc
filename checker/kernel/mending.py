"""Hunks that lost blanks in the mail, with the lines of the tree in their place.

Lines are compared without their blanks, blank lines may be missing, and up to two lines of context at either end may differ.
The old side of a mended hunk is the tree's own text, so that it fits; what it adds is what the patch adds.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from checker.kernel.diff import FileDiff, Hunk
from checker.kernel.gitapply import Unfit
from checker.kernel.trees import Tree

FUZZ = 2
CONTEXT = 3
Line = tuple[str, str]


def mended(tree: Tree, files: Sequence[FileDiff]) -> tuple[tuple[FileDiff, ...], list[str]]:
    """The diff with hunks that fit the tree, names with the prefixes `a/` and `b/`, and remarks. Raises Unfit."""
    made, remarks = [], []
    for file in files:
        if file.unread:
            made.append(file)
            continue
        data = tree.read(file.old) if file.old else b""
        if data is None:
            raise Unfit(f"the tree has no {file.old}", file.old)
        lines = data.decode("utf-8", "surrogateescape").split("\n")
        hunks, shift, floor = [], 0, 0
        fits = [_fit(lines, hunk, file.old) for hunk in file.hunks] if file.old else []
        for n, (hunk, fit) in enumerate(zip(file.hunks, fits)):
            ceiling = fits[n + 1].places[0] if n + 1 < len(fits) else len(lines)
            found, floor = _mended(lines, hunk, fit, shift, range(floor, ceiling), file.old)
            hunks.append(found)
            shift += hunk.count("+") - hunk.count("-")
            if not fit.exact:
                remarks.append(f"{file.new or file.old}: the hunk at line {hunk.start} fits but for blanks or context")
        made.append(replace(file, head=_head(file), hunks=tuple(hunks) if file.old else file.hunks))
    return tuple(made), remarks


def _head(file: FileDiff) -> tuple[str, ...]:
    old, new = file.old or file.new, file.new or file.old
    head = [f"diff --git a/{old} b/{new}"]
    if not file.old:
        head.append("new file mode 100644")
    if not file.new:
        head.append("deleted file mode 100644")
    if old != new:
        head += [f"{file.verb} from {old}", f"{file.verb} to {new}"]
    if file.hunks:
        head += [f"--- a/{old}" if file.old else "--- /dev/null", f"+++ b/{new}" if file.new else "+++ /dev/null"]
    return tuple(head)


class _Fit(Struct, frozen=True):
    """Where the old side of the lines `part` of a hunk stands, and whether it is the hunk as it was written."""

    places: Sequence[int]
    part: Sequence[Line]
    exact: bool


def _fit(lines: list[str], hunk: Hunk, path: str) -> _Fit:
    found = _find(lines, hunk)
    if found is None:
        raise Unfit(f"the hunk at line {hunk.start} does not fit {path}", path, hunk.start)
    places, first, last, exact = found
    part = [line for line in hunk.lines if line[0] != "\\"][first:last]
    if hunk.lost and not _blanks_around(lines, places, sum(mark != "+" for mark, _ in part), hunk.lost):
        raise Unfit(f"the hunk at line {hunk.start} of {path} is cut short", path, hunk.start)
    return _Fit(places, part, exact and not hunk.lost)


def _mended(lines: list[str], hunk: Hunk, fit: _Fit, shift: int, free: range, path: str) -> tuple[Hunk, int]:
    """A hunk of the tree's own lines, those that are `free` of the hunks around it, and the line behind it."""
    places = fit.places
    if fit.exact:
        return hunk, places[-1] + 1
    low, high = max(free.start, places[0] - CONTEXT), min(len(lines) - (lines[-1] == ""), places[-1] + 1 + CONTEXT)
    high = max(places[-1] + 1, min(high, free.stop))  # git wants no line in two hunks
    if low > places[0]:
        raise Unfit(f"the hunk at line {hunk.start} of {path} stands before the one ahead of it", path, hunk.start)
    end = "\r" if lines[places[0]].endswith("\r") else ""
    made: list[Line] = [(" ", text) for text in lines[low : places[0]]]
    at = places[0]
    old = iter(places)
    for mark, text in fit.part:
        if mark == "+":
            made.append((mark, text if text.endswith("\r") else text + end))
            continue
        place = next(old)
        made += [(" ", text) for text in lines[at:place]]
        made.append((mark, lines[place]))
        at = place + 1
    made += [(" ", text) for text in lines[at:high]]
    if high == len(lines):
        if made[-1][0] != " ":
            raise Unfit(f"the hunk at line {hunk.start} changes the end of {path}, which has no end of line", path, hunk.start)
        made.append(("\\", " No newline at end of file"))
    return Hunk(low + 1, max(0, low + 1 + shift), tuple(made), number=hunk.number), high


def _blanks_around(lines: list[str], places: list[int], have: int, lost: int) -> bool:
    """Whether the lines that a hunk has lost are blank lines in and around its `places`."""
    if not places:
        return False
    first, last = places[0], places[-1]
    blank = last - first + 1 - have
    while first > 0 and not lines[first - 1].strip():
        first, blank = first - 1, blank + 1
    while last + 1 < len(lines) and not lines[last + 1].strip():
        last, blank = last + 1, blank + 1
    return blank >= lost


def _find(lines: list[str], hunk: Hunk) -> tuple[list[int], int, int, bool] | None:
    """Where the old side of a hunk stands, line by line; from which to which of its lines; and whether it fits exactly."""
    whole = [line for line in hunk.lines if line[0] != "\\"]
    leading = len(list(itertools.takewhile(lambda line: line[0] == " ", whole)))
    trailing = len(list(itertools.takewhile(lambda line: line[0] == " ", reversed(whole))))
    for blanks in (True, False):  # first as it is, then without blanks and blank lines
        for fuzz in range(FUZZ + 1):
            first, last = min(fuzz, leading), len(whole) - min(fuzz, trailing)
            found = _places(lines, whole[first:last], hunk.start - 1 + first, blanks=blanks)
            if found:
                return found, first, last, blanks and not fuzz
    return None


def _places(lines: list[str], part: Sequence[Line], guess: int, *, blanks: bool) -> list[int] | None:
    wanted = [_key(text, blanks) for mark, text in part if mark in " -"]
    have = [(n, key) for n, line in enumerate(lines) if (key := _key(line, blanks)) or blanks]
    if not blanks:
        wanted = [key for key in wanted if key]
    if not wanted:
        return None
    keys = [key for _, key in have]
    fits = [at for at in range(len(keys) - len(wanted) + 1) if keys[at] == wanted[0] and keys[at : at + len(wanted)] == wanted]
    if not fits:
        return None
    at = min(fits, key=lambda at: abs(have[at][0] - guess))
    found = [n for n, _ in have[at : at + len(wanted)]]
    return found if blanks else _with_blanks(lines, part, found)


def _with_blanks(lines: list[str], part: Sequence[Line], found: list[int]) -> list[int] | None:
    """Places for the blank lines of the old side too: the blank line that follows the one before, where there is one."""
    places: list[int] = []
    left = iter(found)
    for mark, text in part:
        if mark == "+":
            continue
        if _key(text, False):
            places.append(next(left))
            continue
        beside = (places[-1] + 1) if places else found[0] - 1
        if not 0 <= beside < len(lines) or lines[beside].strip():
            return None
        places.append(beside)
    return places


def _key(line: str, blanks: bool) -> str:
    return line if blanks else "".join(line.split())
