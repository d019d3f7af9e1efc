"""The unified diff in a letter: files and hunks, line by line, with what mail did to them mended or refused.

A line of a hunk that lost its leading blank is context; a hunk that counts more lines than it has may have lost blank lines,
which only the tree can tell. Whatever looks like a change and belongs to no hunk is an error with its line: a patch that is
read in part is a patch that passes in silence.

    read_diff(letter).files[0].hunks[0]    Hunk(start=10, lines=((" ", "int x;"), ("-", "\\tsmp_rmb();"), …))
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct, field
from msgspec.structs import replace

from checker.core.source import LimitExceeded
from checker.kernel.mail import BadPatch, Letter

MAX_FILES = 2_000
MAX_LOST = 100
_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(.*)")
_INDEX = re.compile(r"index ([0-9a-f]{4,64})\.\.([0-9a-f]{4,64})(?: (\d{6}))?")
_EXTENDED = re.compile(
    r"old mode |new mode |deleted file mode |new file mode |copy (?:from|to) |rename (?:from|to|old|new) "
    r"|(?:dis)?similarity index |index [0-9a-f]+\.\."
)
_COMMIT = re.compile(r"commit [0-9a-f]{40,64}(?: \(.*\))?")
_RULE = re.compile(r"-{2,}[\w =_.-]*")
_SPECIAL = {"120": "a symbolic link", "160": "a submodule"}


class Hunk(Struct, frozen=True):
    r"""Lines (mark, text) from `start` of the old file on, the mark `\` for "no newline at end of file".

    `counts` are the lines that its header names on either side, `lost` how many blank lines are missing, `number` its own
    line in the letter, `unmarked` the first line without a mark in it.
    """

    start: int
    into: int
    lines: tuple[tuple[str, str], ...]
    lost: int = 0
    number: int = 0
    unmarked: int = 0

    def side(self, marks: str) -> list[str]:
        return [text for mark, text in self.lines if mark in marks]

    def count(self, marks: str) -> int:
        return sum(mark in marks for mark, _ in self.lines)

    @property
    def bare(self) -> bool:
        """Whether it has no context at all."""
        return not self.count(" ")


class FileDiff(Struct, frozen=True):
    """The changes of one file, its names as they are written: `old` or `new` is empty for a file that is added or removed.

    `blobs` are the digests of its `index` line; `unread` says why it is not looked at.
    """

    old: str
    new: str
    head: tuple[str, ...]
    hunks: tuple[Hunk, ...]
    number: int
    blobs: tuple[str, str] = ("", "")
    unread: str = ""
    moved: tuple[str, str] = ("", "")
    """The names of a rename or a copy, which have no prefix."""

    @property
    def verb(self) -> str:
        """Whether the file is renamed or copied, where its name changes."""
        return "copy" if any(line.startswith("copy from ") for line in self.head) else "rename"


class Diff(Struct, frozen=True):
    """What one letter changes; `strip` is how many folders stand before the names in it, for git's `-p`."""

    letter: Letter
    files: tuple[FileDiff, ...]
    strip: int = 1


class _Reader(Struct):
    """Where the reading of a letter is."""

    letter: Letter
    at: int = 0
    files: list[FileDiff] = field(default_factory=list)

    @property
    def line(self) -> str:
        return self.letter.lines[self.at][1]

    @property
    def following(self) -> str:
        return self.letter.lines[self.at + 1][1] if self.at + 1 < len(self.letter.lines) else ""

    @property
    def number(self) -> int:
        lines = self.letter.lines
        return lines[min(self.at, len(lines) - 1)][0] if lines else 1

    @property
    def more(self) -> bool:
        return self.at < len(self.letter.lines)

    def bad(self, message: str, hint: str, number: int = 0) -> BadPatch:
        return BadPatch(message, self.letter.span(number or self.number), hint=hint)


def read_diff(letter: Letter) -> Diff:
    """The changes that a letter makes. Raises BadPatch."""
    reader = _Reader(letter)
    commits = [number for number, line in letter.lines if _COMMIT.fullmatch(line)]
    if len(commits) > 1 and not letter.mail:
        raise reader.bad("these are several commits, the last one first", "git format-patch makes a series", commits[1])
    while reader.more:
        if _begins(reader):
            reader.files.append(_file(reader))
            if len(reader.files) > MAX_FILES:
                raise LimitExceeded(f"the patch changes more than {MAX_FILES:,} files", letter.span(reader.number))
        else:
            _between(reader)
    return Diff(letter, tuple(reader.files))


def _begins(reader: _Reader) -> bool:
    """Whether the changes of a file begin here."""
    return reader.line.startswith("diff --git ") or (reader.line.startswith("--- ") and reader.following.startswith("+++ "))


def _between(reader: _Reader) -> None:
    """Pass over a line that is not part of the diff. Raises BadPatch when it looks like one that ought to be."""
    line = reader.line
    if line.startswith(("diff --cc ", "diff --combined ", "@@@ ")):
        raise reader.bad("this is the diff of a merge", "git diff FIRST-PARENT..MERGE makes one against one parent")
    if line == "***************" or (line.startswith("*** ") and reader.following.startswith("--- ")):
        raise reader.bad("this is a context diff", "diff -u or git diff makes a unified one")
    if line.startswith("@@ -"):
        raise reader.bad("this hunk belongs to no file", "lines that begin with '---' and '+++' name it")
    if reader.files and reader.files[-1].hunks:
        if line in ("-- ", "--"):  # the signature: what follows was written by a program
            _signature(reader)
            return
        if line.startswith("+") or (line.startswith("-") and not _RULE.fullmatch(line)):
            raise reader.bad("this line belongs to no hunk", "the hunk's header counts fewer lines")
    reader.at += 1


def _signature(reader: _Reader) -> None:
    """Pass over what follows a diff's signature, up to where another diff begins."""
    while reader.more and not _begins(reader) and not reader.line.startswith("@@ -"):
        reader.at += 1


# ---------------------------------------------------------------- one file


def _file(reader: _Reader) -> FileDiff:
    number, head = reader.number, []
    if reader.line.startswith("diff --git "):
        head.append(reader.line)
        reader.at += 1
        while reader.more and _EXTENDED.match(reader.line):
            head.append(reader.line)
            reader.at += 1
    words = {line.split(" ")[0] + " " + line.split(" ")[1]: line for line in head}
    unread = _unread(reader, head)
    named = unread != "binary" and reader.more and reader.line.startswith("--- ") and reader.following.startswith("+++ ")
    if named:
        head += [reader.line, reader.following]
        old, new = _name(reader.line[4:]), _name(reader.following[4:])
        reader.at += 2
    else:
        old, new = _same_names(reader, head[0], number)
        old, new = "" if "new file" in words else old, "" if "deleted file" in words else new
    hunks = tuple(_hunks(reader)) if named else ()
    moved = tuple(
        _name(words[key].partition(" ")[2].partition(" ")[2]) if key in words else ""
        for key in (("rename from", "rename to") if "rename from" in words else ("copy from", "copy to"))
    )
    if not hunks and not unread and not (set(words) - {"diff --git"} - {key for key in words if key.startswith("index ")}):
        raise reader.bad(f"there is no change of {new or old} here", "the patch is cut short", number)
    found = next((made for line in head if (made := _INDEX.fullmatch(line))), None)
    blobs = (found[1], found[2]) if found else ("", "")
    return FileDiff(old, new, tuple(head), hunks, number, blobs, unread, (moved[0], moved[1]))


def _unread(reader: _Reader, head: list[str]) -> str:
    """Why a file is not looked at; passes over the data of a binary one."""
    modes = [line.rsplit(" ", 1)[1] for line in head if " mode " in line or (line.startswith("index ") and line.count(" ") == 2)]
    special = next((what for mode in modes if (what := _SPECIAL.get(mode[:3]))), "")
    if reader.more and reader.line.startswith("Binary files "):
        reader.at += 1
        return "binary"
    if reader.more and reader.line == "GIT binary patch":
        while reader.more and not _begins(reader) and reader.line not in ("-- ", "--"):
            reader.at += 1
        return "binary"
    return special


_ESCAPED = dict(zip(b"abtnvfr", b"\a\b\t\n\v\f\r"))


def _name(text: str) -> str:
    """A name as git writes it: in quotes where something in it is escaped (quote.c)."""
    text = text.partition("\t")[0].rstrip()
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        data = re.sub(rb"\\([0-7]{3}|.)", _unescaped, text[1:-1].encode("utf-8", "surrogateescape"))
        text = data.decode("utf-8", "surrogateescape")
    return "" if text == "/dev/null" else text


def _unescaped(found: re.Match[bytes]) -> bytes:
    what = found[1]
    return bytes([int(what, 8) & 255 if len(what) == 3 else _ESCAPED.get(what[0], what[0])])


def _same_names(reader: _Reader, line: str, number: int) -> tuple[str, str]:
    """The names in `diff --git a/x b/x`, which are the same but for the prefix, or those of a rename."""
    text = line.removeprefix("diff --git ")
    for at in range(len(text)):
        if text[at] == " " and _bare(text[:at]) == _bare(text[at + 1 :]):
            return _name(text[:at]), _name(text[at + 1 :])
    first, _, second = text.partition(" ")
    if " " in second or not second:
        raise reader.bad("the names in this line cannot be told apart", "lines that begin with '---' and '+++' name them", number)
    return _name(first), _name(second)


def _bare(name: str) -> str:
    name = name.strip('"')
    return name[2:] if name[1:2] == "/" else name


# ---------------------------------------------------------------- hunks


def _hunks(reader: _Reader) -> Iterator[Hunk]:
    while reader.more and (found := _HUNK.match(reader.line)):
        yield _hunk(reader, found)


def _hunk(reader: _Reader, header: re.Match[str]) -> Hunk:
    """The hunk whose header is the line at hand."""
    number, unmarked = reader.number, 0
    lines: list[tuple[str, str]] = []
    want_old, want_new = (int(header[n]) if header[n] is not None else 1 for n in (2, 4))
    old, new = want_old, want_new
    reader.at += 1
    while reader.more:
        line = reader.line
        if line.startswith("\\"):
            lines.append(("\\", line[1:]))
            reader.at += 1
            continue
        if (old <= 0 and new <= 0) or _over(line, reader.following, old, new):
            break
        if line[:1] not in (" ", "+", "-"):
            unmarked = unmarked or (reader.number if line.strip() else 0)
            line = " " + line.removeprefix("\r")
        lines.append((line[0], line[1:]))
        old -= line[0] in " -"
        new -= line[0] in " +"
        reader.at += 1
    lost = old if old == new else -1
    while lost > 0 and lines and lines[-1][0] == " " and not lines[-1][1].strip():
        lines.pop()  # a blank line behind a hunk that is short is none of its own
        lost += 1
    if reader.more and not lost and reader.line[:1] == " " and reader.line.strip():
        raise reader.bad("this line belongs to no hunk", _wrapped(unmarked) or "the hunk's header counts fewer lines")
    if not 0 <= lost <= MAX_LOST:
        raise reader.bad("this hunk is cut short", _wrapped(unmarked) or "its header counts more lines", number)
    if not any(mark in "+-" for mark, _ in lines):
        raise reader.bad("this hunk changes nothing", "the marks of its lines are lost", number)
    return Hunk(int(header[1]), int(header[3]), tuple(lines), lost, number, unmarked)


def _wrapped(unmarked: int) -> str:
    return f"line {unmarked} has no mark: has a mail program wrapped the one before it?" if unmarked else ""


def _over(line: str, following: str, old: int, new: int) -> bool:
    """Whether a hunk that wants `old` and `new` more lines is over before `line`."""
    if line.startswith(("@@ -", "diff --git ", "Index: ")):
        return True
    if line in ("--", "-- ") and (not following.strip() or re.match(r"\d+\.\d", following)):
        return True
    return line.startswith("--- ") and following.startswith("+++ ") and (old <= 0 or new <= 0 or following[4:6] in ("b/", "/d"))


def backwards(file: FileDiff) -> FileDiff:
    """The changes the other way round."""
    turned = {"+": "-", "-": "+"}
    hunks = tuple(
        replace(h, start=h.into, into=h.start, lines=tuple((turned.get(mark, mark), text) for mark, text in h.lines))
        for h in file.hunks
    )
    return replace(
        file, old=file.new, new=file.old, hunks=hunks, blobs=(file.blobs[1], file.blobs[0]), moved=(file.moved[1], file.moved[0])
    )  # fmt: skip
