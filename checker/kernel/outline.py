"""What a file of C defines, and where: functions and function-like macros by name, found by their braces.

One pass over comments, strings, directives and brackets. It needs no grammar, so that a macro nobody knows spoils nothing, and
it is cheap: bodies are parsed when somebody asks for them.

    outline(data, ("x86",)).pieces["kvm_io_bus_write"]    (Piece(start=…, body=…, end=…, line=5870, …),)
"""

from __future__ import annotations

import re

from msgspec import Struct

from checker.kernel.conditional import Arm, Nest, reading

_TOKEN = re.compile(
    rb'/\*.*?(?:\*/|\Z)|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    rb"|^[ \t]*#(?:[^\n\\/]|\\\r?\n|\\.|/(?!\*)|/\*.*?(?:\*/|\Z))*|[{}();]", re.M | re.S
)  # fmt: skip
_INCLUDE = re.compile(rb'[ \t]*#[ \t]*include[ \t]*(?:<([^>\n]+)>|"([^"\n]+)")')
_DEFINE = re.compile(rb"[ \t]*#[ \t]*define[ \t]+(\w+)\([^)]*\)")
_CALLED = re.compile(rb"([A-Za-z_]\w*)\s*\(")
_NOTE = re.compile(
    rb"__(?:attribute(?:__)?|printf|scanf|(?:cond_|try_)?(?:acquires?|releases?)(?:_shared|_generic)?|must_hold\w*|aligned|section"
    rb"|alloc_size\w*|nonnull|counted_by|guarded_by"
    rb"|no_sanitize\w*|asm__|declspec|diagnose_as|cold_if|returns_nonnull|realloc_size)"
    rb"|_*(?:asm|if|while|for|switch|return|sizeof|typeof|int|void|long|char|bool|unsigned|struct|noinline_for_\w+)"
)  # fmt: skip
_COMMENT = re.compile(rb'("(?:\\.|[^"\\\n])*")|/\*.*?(?:\*/|\Z)|//[^\n]*', re.S)
_QUOTED = re.compile(rb'/\*.*?(?:\*/|\Z)|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)


class Piece(Struct, frozen=True):
    """A definition from byte `start` to `end`; `body` is where its brace, or a macro's text, begins, on line `row` (from 0).

    `under` are the conditions, not known, that it is defined under; `arms` the conditional code in its body.
    """

    name: str
    macro: bool
    start: int
    body: int
    end: int
    line: int
    row: int
    under: tuple[str, ...] = ()
    arms: tuple[Arm, ...] = ()


class Outline(Struct, frozen=True):
    """The definitions of a file, several of one name in their order; what it includes, and whether in quotes."""

    pieces: dict[str, tuple[Piece, ...]]
    includes: tuple[tuple[str, bool], ...]
    data: bytes
    """The file with what is not there blanked."""
    unread: tuple[tuple[int, bytes], ...] = ()
    """Where conditional code begins that may be there and is not read, and what it is."""


def uncommented(data: bytes) -> bytes:
    """The text with comments blanked, line for line."""
    return _COMMENT.sub(lambda m: m[1] if m[1] else re.sub(rb"[^\n]", b" ", m[0]), data)


def outline(data: bytes, arch: tuple[str, ...], path: str = "") -> Outline:
    """The outline of a file, as it is for the architectures `arch`."""
    read = reading(data, arch, path)
    scan = _Scan(read.data, read.arms)
    scan.run()
    pieces: dict[str, list[Piece]] = {}
    for piece in scan.found:
        pieces.setdefault(piece.name, []).append(piece)
    return Outline({name: tuple(several) for name, several in pieces.items()}, tuple(scan.includes), read.data, read.unread)


class _Scan:
    def __init__(self, data: bytes, arms: tuple[Arm, ...]) -> None:
        self.data, self.arms = data, Nest(arms)
        self.found: list[Piece] = []
        self.includes: list[tuple[str, bool]] = []
        self.braces = self.brackets = 0
        self.head = 0
        """Where the declaration at hand begins."""
        self.open: tuple[str, int, int] | None = None
        """The function at hand: its name, where its head and its body begin."""
        self.line, self.counted = 0, 0

    def run(self) -> None:
        data = self.data
        for token in _TOKEN.finditer(data):
            first = data[token.start()]
            if first == 0x7B:  # {
                self._opens(token.start())
            elif first == 0x7D:  # }
                self._closes(token.start())
            elif first == 0x28:  # (
                self.brackets += 1
            elif first == 0x29:  # )
                self.brackets = max(0, self.brackets - 1)
            elif first == 0x3B:  # ;
                if not self.braces:
                    self.head, self.brackets = token.end(), 0
            elif token[0].lstrip(b" \t")[:1] == b"#":
                self._directive(token.start(), token.end())

    def _opens(self, at: int) -> None:
        if not self.braces:
            if self.data[self.head : at].split()[:2] == [b"extern", b'"C"']:
                self.head = at + 1
                return
            name = self._named(self.data[self.head : at])
            self.open = (name, self.head, at) if name else None
            self.brackets = 0
        self.braces += 1

    def _closes(self, at: int) -> None:
        first = at == 0 or self.data[at - 1] == 0x0A
        self.braces = 0 if first else max(0, self.braces - 1)  # in the first column a definition ends, whatever went before
        if self.braces:
            return
        if self.open is not None:
            name, head, body = self.open
            start = head + len(self.data[head:body]) - len(self.data[head:body].lstrip())
            self._piece(name, start, body, at + 1, macro=False)
        self.open, self.head, self.brackets = None, at + 1, 0

    def _named(self, head: bytes) -> str:
        """The name that a function's head declares; empty for something else."""
        head = _QUOTED.sub(lambda m: b'""' if m[0][:1] == b'"' else b" ", head)
        depth, flat = 0, []
        for byte in head:  # what stands in brackets is not looked at
            depth -= byte == 0x29
            if depth <= 0:
                flat.append(byte)
            depth += byte == 0x28
        text = bytes(flat)
        if b"=" in text or b")" not in text:
            return ""
        names = [found[1].decode("utf-8", "replace") for found in _CALLED.finditer(text) if not _NOTE.fullmatch(found[1])]
        return (
            max(enumerate(names), key=lambda one: (not one[1].isupper(), not one[1].startswith("__"), one[0]))[1] if names else ""
        )

    def _directive(self, start: int, end: int) -> None:
        text = self.data[start:end]
        if found := _INCLUDE.match(text):
            self.includes.append(((found[1] or found[2]).decode("utf-8", "replace"), found[2] is not None))
        elif found := _DEFINE.match(text):
            self._piece(found[1].decode("utf-8", "replace"), start, start + found.end(), end, macro=True)
        if not self.braces and not self.brackets:
            self.head = end

    def _piece(self, name: str, start: int, body: int, end: int, *, macro: bool) -> None:
        self.line += (
            self.data.count(b"\n", self.counted, start) if start >= self.counted else -self.data.count(b"\n", start, self.counted)
        )
        self.counted = start
        row = self.line + self.data.count(b"\n", start, body)
        under = tuple(arm.text for arm in self.arms.around(start, end))
        self.found.append(Piece(name, macro, start, body, end, self.line + 1, row, under, self.arms.within(body, end)))
