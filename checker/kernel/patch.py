"""Patches: read with unidiff, applied to a tree as `patch` would, or backwards where the tree has them already.

Mail archives lose leading blanks: inside a hunk a line without a mark is taken for context, and lines are compared without
their blanks where they do not fit exactly. Up to two lines of context at either end may differ, and a hunk may have moved.

    applied(tree, read_patch("x.patch", data))    Applied(before=tree, after=Overlay(…), reversed=False, …)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checker.core.source import CheckerError, LimitExceeded, Source, Span
from checker.kernel.trees import Overlay, Tree, tame

MAX_PATCH = 8_000_000
MAX_FILES = 2_000
FUZZ = 2
MAX_LOST = 100
_LOST = re.compile(r"lost (\d{1,3})")
_SEPARATORS = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")  # what Python takes for ends of lines
_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")


class BadPatch(CheckerError):
    """A patch that cannot be read, or does not fit the tree."""

    code = "patch"


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines (mark, text) beginning at `start` of the old file; `lost` is how many blank lines of them are missing."""

    start: int
    lines: tuple[tuple[str, str], ...]
    lost: int = 0

    def side(self, marks: str) -> list[str]:
        return [text for mark, text in self.lines if mark in marks]


@dataclass(frozen=True, slots=True)
class FilePatch:
    """One file's changes; `old` or `new` is empty for a file that is added or removed."""

    old: str
    new: str
    hunks: tuple[Hunk, ...]
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Applied:
    """The tree without and with the patch, the files it touches, and remarks on how it was made to fit."""

    before: Tree
    after: Tree
    paths: tuple[tuple[str, str], ...]
    reversed: bool
    remarks: tuple[str, ...]


def read_patch(name: str, data: bytes) -> tuple[FilePatch, ...]:
    """The files that a patch changes. Raises BadPatch."""
    here = Span(Source(name, ""), 0, 0)
    if len(data) > MAX_PATCH:
        raise LimitExceeded(f"the patch is larger than {MAX_PATCH:,} bytes", here)
    text = _mended(name, data.decode("utf-8", "surrogateescape"))
    try:
        from unidiff.errors import UnidiffParseError
        from unidiff.patch import PatchSet
    except ImportError:
        raise BadPatch("unidiff is not installed", here, hint="pip install 'litmus-checker[gate]'") from None
    try:
        found = PatchSet(text)
    except (UnidiffParseError, ValueError, IndexError, AttributeError, TypeError, RecursionError) as error:
        raise BadPatch(f"this is not a unified diff: {error}", here, hint="git diff or git format-patch makes one") from None
    if len(found) > MAX_FILES:
        raise LimitExceeded(f"the patch changes more than {MAX_FILES:,} files", here)
    if not found:
        raise BadPatch("there is no change in this patch", here, hint="git diff or git format-patch makes one")
    return tuple(_file(one, here) for one in found)


def _file(found: object, here: Span) -> FilePatch:
    old, new = _name(str(found.source_file)), _name(str(found.target_file))  # type: ignore[attr-defined]
    for path in (old, new):
        if path and not tame(path):
            raise BadPatch(f"the patch names {path!r}, outside of the tree", here)
    hunks = []
    for hunk in found:  # type: ignore[attr-defined]
        lines = [(str(line.line_type), str(line.value).rstrip("\r\n")) for line in hunk if line.line_type in " +-"]
        if lines and sum(mark != "+" for mark, _ in lines) > int(hunk.source_length):
            lines.pop()  # the blank line behind a hunk
        lost = _LOST.fullmatch(str(hunk.section_header or "").strip())
        marked = tuple((mark or " ", text) for mark, text in lines)
        hunks.append(Hunk(int(hunk.source_start), marked, int(lost[1]) if lost else 0))
    return FilePatch(old, new, tuple(hunks), bool(getattr(found, "is_binary_file", False)))


def _name(text: str) -> str:
    text = text.partition("\t")[0].strip().strip('"')
    if text == "/dev/null":
        return ""
    return text[2:] if text.startswith(("a/", "b/")) else text


def _mended(name: str, text: str) -> str:
    """The patch as git would have written it: line ends, and the blanks that a mail archive took from the lines of its hunks.

    A hunk that ends before its time has lost blank lines. A change outside of any hunk is damage that cannot be mended.
    """
    out: list[str] = []
    head, old, new = -1, 0, 0
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        line = _SEPARATORS.sub(" ", line)
        following = lines[number] if number < len(lines) else ""
        ends = head >= 0 and (old > 0 or new > 0) and _ends(line, following, old, new)
        if head >= 0 and (ends or (old <= 0 and new <= 0)):
            if not ends and not line.startswith("\\") and line[:1] in ("+", "-", " ") and not _ends(line, following, 0, 0):
                here = Span(Source(name, text), number, 1)
                raise BadPatch("this line belongs to no hunk", here, hint="the hunk's header counts fewer lines")
            if ends:
                out[head] = _recounted(name, out[head], out[head + 1 :], head)
            if not line.startswith("\\"):
                head = -1
        if found := _HUNK.match(line) if head < 0 else None:
            head, old, new = len(out), int(found[2] or 1), int(found[4] or 1)
        elif head >= 0 and not line.startswith("\\"):
            if line[:1] not in (" ", "+", "-"):
                line = " " + line
            old -= line[0] in " -"
            new -= line[0] in " +"
        elif line[:1] in ("+", "-") and not line.startswith(("+++ ", "--- ")):
            line = f"# {line}"
        out.append(line)
    if head >= 0 and (old > 0 or new > 0):
        out[head] = _recounted(name, out[head], out[head + 1 :], head)
    return "\n".join(out) + "\n"


def _ends(line: str, following: str, old: int, new: int) -> bool:
    """Whether a hunk that wants `old` and `new` more lines is over before `line`."""
    if line.startswith(("@@ -", "diff --git ", "Index: ")) or line in ("--", "-- "):
        return True
    return line.startswith("--- ") and following.startswith("+++ ") and (old <= 0 or new <= 0 or following[4:6] in ("b/", "/d"))


def _recounted(name: str, header: str, lines: list[str], number: int) -> str:
    """The header of a hunk with the numbers of lines it has, and how many it has lost."""
    found = _HUNK.match(header)
    assert found is not None
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    old, new = sum(line[:1] in (" ", "-") for line in lines), sum(line[:1] in (" ", "+") for line in lines)
    lost = int(found[2] or 1) - old
    if lost != int(found[4] or 1) - new or not 0 <= lost <= MAX_LOST:
        here = Span(Source(name, "\n" * number + header), number + 1, 1)
        raise BadPatch("this hunk is cut short", here, hint="its header counts more lines")
    return f"@@ -{found[1]},{old} +{found[3]},{new} @@ lost {lost}"


# ---------------------------------------------------------------- applying


def applied(tree: Tree, name: str, files: tuple[FilePatch, ...]) -> Applied:
    """The tree before and after the patch. A tree that has the patch already is taken for the one after it."""
    here = Span(Source(name, ""), 0, 0)
    try:
        made, remarks = _apply(tree, files)
        return Applied(tree, Overlay(tree, made), _paths(files), False, tuple(remarks))
    except BadPatch as error:
        try:
            made, remarks = _apply(tree, tuple(_backwards(file) for file in files))
        except BadPatch:
            raise BadPatch(error.message, here, hint="is this the tree that the patch is for?") from None
        remarks = ["the tree has this patch already: it is compared with the tree without it", *remarks]
        return Applied(Overlay(tree, made), tree, _paths(files), True, tuple(remarks))


def _paths(files: tuple[FilePatch, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((file.old, file.new) for file in files)


def _backwards(file: FilePatch) -> FilePatch:
    turned = {"+": "-", "-": "+", " ": " "}
    hunks = tuple(Hunk(h.start, tuple((turned[mark], text) for mark, text in h.lines), h.lost) for h in file.hunks)
    return FilePatch(file.new, file.old, hunks, file.binary)


def _apply(tree: Tree, files: tuple[FilePatch, ...]) -> tuple[dict[str, bytes | None], list[str]]:
    made: dict[str, bytes | None] = {}
    remarks: list[str] = []
    for file in files:
        if file.binary:
            remarks.append(f"{file.new or file.old} is binary: not looked at")
            continue
        data = made.get(file.old, tree.read(file.old)) if file.old else b""
        if data is None:
            raise BadPatch(f"the tree has no {file.old}")
        text = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
        lines = _changed(text.split("\n"), file, remarks)
        if file.old and file.old != file.new:
            made[file.old] = None
        if file.new:
            made[file.new] = "\n".join(lines).encode("utf-8", "surrogateescape")
    return made, remarks


def _changed(lines: list[str], file: FilePatch, remarks: list[str]) -> list[str]:
    out = list(lines) if file.old else []
    shift = 0
    for hunk in file.hunks:
        guess = hunk.start - 1 + shift if hunk.start else 0
        found = _find(out, hunk, guess)
        if found is None:
            raise BadPatch(f"the hunk at line {hunk.start} does not fit {file.old or file.new}")
        places, first, last, exact = found
        if hunk.lost and not _blanks_around(out, places, sum(mark != "+" for mark, _ in hunk.lines[first:last]), hunk.lost):
            raise BadPatch(f"the hunk at line {hunk.start} of {file.old or file.new} is cut short")
        if not exact:
            remarks.append(f"{file.new or file.old}: the hunk at line {hunk.start} fits but for blanks or context")
        _edit(out, hunk.lines[first:last], places, max(0, guess))
        shift += sum((mark == "+") - (mark == "-") for mark, _ in hunk.lines)
    return out


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


def _edit(out: list[str], lines: tuple[tuple[str, str], ...], places: list[int], start: int) -> None:
    """Make the changes of `lines`, whose old side stands at `places` of `out`."""
    old = iter(places)
    gone: set[int] = set()
    fresh: dict[int, list[str]] = {}
    at = places[0] if places else min(start, len(out))
    for mark, text in lines:
        if mark == "+":
            fresh.setdefault(at, []).append(text)
        else:
            place = next(old)
            at = place + 1
            if mark == "-":
                gone.add(place)
    for place in sorted(gone | fresh.keys(), reverse=True):
        out[place : place + (place in gone)] = fresh.get(place, [])


def _find(lines: list[str], hunk: Hunk, guess: int) -> tuple[list[int], int, int, bool] | None:
    """Where the old side of a hunk stands, line by line; from which to which of its lines; and whether it fits exactly."""
    leading = next((n for n, (mark, _) in enumerate(hunk.lines) if mark != " "), len(hunk.lines))
    trailing = next((n for n, (mark, _) in enumerate(reversed(hunk.lines)) if mark != " "), len(hunk.lines))
    for blanks in (True, False):  # first as it is, then without blanks and blank lines
        for fuzz in range(FUZZ + 1):
            first, last = min(fuzz, leading), len(hunk.lines) - min(fuzz, trailing)
            found = _places(lines, hunk.lines[first:last], guess + first, blanks=blanks)
            if found is not None:
                return found, first, last, blanks and not fuzz
    return None


def _places(lines: list[str], part: tuple[tuple[str, str], ...], guess: int, *, blanks: bool) -> list[int] | None:
    wanted = [_key(text, blanks) for mark, text in part if mark in " -"]
    have = [(n, key) for n, line in enumerate(lines) if (key := _key(line, blanks)) or blanks]
    if not blanks:
        wanted = [key for key in wanted if key]
    if not wanted:
        return None if any(mark in " -" for mark, _ in part) else []
    keys = [key for _, key in have]
    fits = [at for at in range(len(keys) - len(wanted) + 1) if keys[at] == wanted[0] and keys[at : at + len(wanted)] == wanted]
    if not fits:
        return None
    at = min(fits, key=lambda at: abs(have[at][0] - guess))
    found = [n for n, _ in have[at : at + len(wanted)]]
    return found if blanks else _with_blanks(lines, part, found)


def _with_blanks(lines: list[str], part: tuple[tuple[str, str], ...], found: list[int]) -> list[int] | None:
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
