"""What a file of patches holds: letters, each with the lines that somebody wrote and where they stand.

A plain diff is one letter. A mail is decoded (base64, quoted-printable, attachments, `format=flowed`), a mailbox is split at
its `From ` lines, and a reply that quotes a whole diff is read without its quotes.

    letters("v4.mbox", data)    (Letter(subject="[PATCH v4 1/4] …", lines=((17, "diff --git …"), …)), …)
"""

from __future__ import annotations

import contextlib
import email
import email.errors
import email.header
import re
from email.message import Message

from msgspec import Struct
from msgspec.structs import replace

from checker.core.source import CheckerError, Source, Span

_FROM = re.compile(
    rb"^From \S+ +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +(?:\w{3} +\d{1,2}|\d{1,2} +\w{3}) [^\n]*\d{4}[^\n]*\r?\n(?=>?[A-Za-z][\w-]*:)",
    re.M,
)
_HEADERS = re.compile(rb"(?:[A-Za-z][\w-]*:[^\n]*\n(?:[ \t]+\S[^\n]*\n)*)+(?=\r?\n|\Z)")
_MAIL = re.compile(rb"^(?:From|Subject|Date|Message-ID):", re.M | re.I)
_START = re.compile(r"diff --(?:git|cc|combined) |@@+ -\d|Index: \S|\*{15}$")
_QUOTE = re.compile(r"((?:[ \t]?[>|])+[ \t]?)(?=diff --(?:git|cc|combined) |--- \S|@@+ -\d)")
_LIKE = re.compile(r"\W{0,40}?(?:@@ -\d+(?:,\d+)? \+\d|diff --(?:git|cc|combined) )")
_ENCODED = frozenset({"quoted-printable", "base64", "x-uuencode", "uuencode", "uue"})
_PATCH_TYPES = ("text/x-patch", "text/x-diff", "application/octet-stream", "application/x-patch", "application/mbox")


class BadPatch(CheckerError):
    """A patch that cannot be read, or does not fit the tree."""

    code = "patch"


class Letter(Struct, frozen=True):
    """One mail, or one plain diff: (line number, text) of what was written, and the source that the numbers are of."""

    source: Source
    lines: tuple[tuple[int, str], ...]
    subject: str = ""
    mail: bool = False
    attached: bool = False
    remarks: tuple[str, ...] = ()

    def span(self, number: int) -> Span:
        """The line `number` of the source."""
        return Span(self.source, number, 1, len(self.source.line(number)) + 1)

    @property
    def diff(self) -> bool:
        """Whether a diff begins in a line of it."""
        return _first(self.lines) >= 0

    @property
    def like(self) -> int:
        """The number of the first line that looks like a part of a diff, whatever stands before it; 0 for none."""
        return next((number for number, line in self.lines if _LIKE.match(line)), 0)


def letters(name: str, data: bytes) -> tuple[Letter, ...]:
    """The letters of a file, in its order. Raises BadPatch for one that cannot be taken for what it is."""
    whole = Source(name, data.decode("utf-8", "surrogateescape"))
    starts = [found.start() for found in _FROM.finditer(data)]
    if not starts:
        return _opened(whole, name, data, 0)
    made = _opened(whole, name, data[: starts[0]], 0) if data[: starts[0]].strip() else ()
    for n, (start, end) in enumerate(zip(starts, [*starts[1:], len(data)], strict=True), 1):
        body = data.index(b"\n", start) + 1
        made += _opened(whole, f"{name} (mail {n})", data[body:end], data.count(b"\n", 0, body))
    return made


def _opened(whole: Source, name: str, data: bytes, before: int) -> tuple[Letter, ...]:
    """The letter in `data`, which follows `before` lines of the source; several where a mail has several patches attached."""
    headers = _HEADERS.match(data)
    if headers is None or not _MAIL.search(headers[0]):
        return (_read(whole, data, before),)
    mail = email.message_from_bytes(data)
    subject = _subject(mail)
    parts = [part for part in mail.walk() if not part.is_multipart()]
    if all(part.get_content_type() == "text/html" for part in parts):
        raise BadPatch("this mail is HTML", Span(whole, before + 1, 1), hint="ask for the patch as plain text")
    if len(parts) == 1 and _encoding(parts[0]) not in _ENCODED:
        return (_read(whole, _recoded(parts[0], data), before, subject, _flowed(parts[0]), mail=True),)
    read = [_part(name, subject, part) for part in parts if _text(part)]
    found = [letter for letter in read if letter.diff] or [letter for letter in read if letter.like]
    patches = tuple({tuple(line for _, line in letter.lines): letter for letter in found}.values())
    if len(patches) > 1 and not all(letter.attached for letter in patches):
        raise BadPatch(
            "the parts of this mail hold different patches", Span(whole, before + 1, 1), hint="save the one that is meant"
        )
    return patches or (Letter(whole, (), subject, mail=True),)


def _read(whole: Source, data: bytes, before: int, subject: str = "", flowed: str = "", *, mail: bool = False) -> Letter:
    """A letter from its text."""
    return _unquoted(_unfolded(Letter(whole, _numbered(data, before), subject, mail), flowed))


def _numbered(data: bytes, before: int) -> tuple[tuple[int, str], ...]:
    """The lines of `data`. Where all of them end in CR LF, a DOS machine or a mail server wrote them."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    if all(line.endswith("\r") for line in lines):
        lines = [line[:-1] for line in lines]
    return tuple(enumerate(lines, before + 1))


def _part(name: str, subject: str, part: Message) -> Letter:
    payload = part.get_payload(decode=True)
    data = _recoded(part, payload if isinstance(payload, bytes) else b"")
    source = Source(f"{name}, decoded", data.decode("utf-8", "surrogateescape").replace("\r\n", "\n"))
    return replace(_read(source, data, 0, subject, _flowed(part), mail=True), attached=bool(part.get_filename()))


def _text(part: Message) -> bool:
    kind = part.get_content_type()
    return (kind.startswith("text/") and kind != "text/html") or kind in _PATCH_TYPES or bool(
        re.search(r"\.(?:patch|diff|eml|mbox)$", part.get_filename() or "")
    )  # fmt: skip


def _encoding(part: Message) -> str:
    return str(part.get("Content-Transfer-Encoding", "")).strip().lower()


def _flowed(part: Message) -> str:
    """For `format=flowed`: "flowed", or "delsp" where the blank at the end of a line goes too."""
    if str(part.get_param("format", "")).lower() != "flowed":
        return ""
    return "delsp" if str(part.get_param("delsp", "")).lower() == "yes" else "flowed"


def _recoded(part: Message, data: bytes) -> bytes:
    """The text in UTF-8, as git keeps source; untouched where the mail's charset is not what it says."""
    charset = str(part.get_content_charset() or "")
    if charset in ("", "utf-8", "us-ascii"):
        return data
    try:
        return data.decode(charset).encode()
    except (LookupError, UnicodeError):
        return data


def _subject(mail: Message) -> str:
    raw = str(mail.get("Subject", ""))
    with contextlib.suppress(email.errors.HeaderParseError, LookupError, ValueError):  # then it stays encoded
        raw = str(email.header.make_header(email.header.decode_header(raw)))
    return " ".join(raw.split())


def _first(lines: tuple[tuple[int, str], ...]) -> int:
    """Where a diff begins in `lines`; -1 for nowhere."""
    for at, (_, line) in enumerate(lines):
        following = lines[at + 1][1] if at + 1 < len(lines) else ""
        if _START.match(line) or (line.startswith(("--- ", "*** ")) and following.startswith(("+++ ", "--- "))):
            return at
    return -1


def _unfolded(letter: Letter, flowed: str) -> Letter:
    """A `format=flowed` letter with its lines whole again (RFC 3676)."""
    if not flowed:
        return letter
    made: list[tuple[int, str]] = []
    soft = False
    for number, line in letter.lines:
        text = line[1:] if line.startswith(" ") else line
        if soft and made:
            made[-1] = (made[-1][0], made[-1][1][: -1 if flowed == "delsp" else None] + text)
        else:
            made.append((number, text))
        soft = line.endswith(" ") and line != "-- " and bool(line.strip())
    return replace(letter, lines=tuple(made))


def _unquoted(letter: Letter) -> Letter:
    """A letter whose only diff is a quoted one, without the quotes. Raises BadPatch where somebody wrote in between."""
    quoted = next((at for at, (_, line) in enumerate(letter.lines) if _QUOTE.match(line)), -1)
    if quoted < 0:
        return letter
    if letter.diff:
        where = letter.lines[quoted][0]
        return replace(letter, remarks=(f"{letter.source.name}:{where}: the quoted diff is not read, the one beside it is",))
    found = _QUOTE.match(letter.lines[quoted][1])
    assert found is not None
    quote = found[1]
    last = max(at for at, (_, line) in enumerate(letter.lines) if line.startswith(quote.rstrip()))
    made = []
    for number, line in letter.lines[quoted : last + 1]:
        if line.startswith(quote):
            made.append((number, line[len(quote) :]))
        elif line.rstrip() == quote.rstrip():
            made.append((number, ""))
        elif line.strip():
            raise BadPatch(
                "the patch around this line is quoted, and the line is not", letter.span(number),
                hint="take the patch from the mail that this one replies to",
            )  # fmt: skip
    return replace(letter, lines=tuple(made))
