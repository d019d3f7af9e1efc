"""The operands of an instruction, whatever machine it is for, and what is wrong with one.

A letter says of which kind an operand is, for the patterns of `table.py`: r a register, i a number, m memory, a memory at a
register's address and no more, s a register or number shifted or extended, n a name (a label, a condition, a barrier's option).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import NamedTuple, TypeAlias

from checker.core.source import CheckerError


class Register(NamedTuple):
    """A register or a part of one: `name` is the whole register's ("": always 0), `size` in bytes, `high` the second byte."""

    name: str
    size: int
    high: bool = False


class Number(NamedTuple):
    value: int


class Word(NamedTuple):
    text: str


class Shifted(NamedTuple):
    """A register or number with a shift (`LSL #3`) or an extension (`SXTW`, `SXTW #2`)."""

    operand: Register | Number
    kind: str
    amount: int


class Memory(NamedTuple):
    """`symbol + base + (by << shift) + offset`. `extend` is how `by` is widened; `size` in bytes, where it is said;
    `write` is "pre" or "post" where the base moves."""

    symbol: str = ""
    base: Register | None = None
    by: Register | None = None
    shift: int = 0
    offset: int = 0
    size: int = 0
    extend: str = ""
    write: str = ""


Operand: TypeAlias = Register | Number | Word | Shifted | Memory

SPOKEN = {
    "r": "a register", "i": "a number", "m": "memory", "a": "an address", "s": "a shifted register", "n": "a name",
}  # fmt: skip
_LETTERS = {Register: "r", Number: "i", Word: "n", Shifted: "s"}


def letter(operand: Operand) -> str:
    """The kind of an operand; plain addresses are memory too."""
    if isinstance(operand, Memory):
        return "a" if operand.base and operand == Memory(base=operand.base) else "m"
    return _LETTERS[type(operand)]


class Problem(Exception):
    """What is wrong with an instruction; at `start` and for `length` characters of it, or somewhere (-1)."""

    def __init__(self, kind: type[CheckerError], message: str, hint: str = "", start: int = -1, length: int = 0) -> None:
        super().__init__(message)
        self.kind, self.message, self.hint, self.start, self.length = kind, message, hint, start, length

    def at(self, start: int, length: int) -> Problem:
        """The problem at a place, unless it has one already."""
        return self if self.start >= 0 else Problem(self.kind, self.message, self.hint, start, max(1, length))


def nearest(word: str, known: Collection[str]) -> str:
    """A hint for a word that nobody knows."""
    near = difflib.get_close_matches(word, sorted(known), 2, 0.6)
    return f"did you mean {' or '.join(repr(n) for n in near)}?" if near else ""


def pieces(text: str, start: int) -> list[tuple[str, int]]:
    """The operands in `text` from `start` on, cut at commas outside of brackets, without blanks, and where each begins."""
    found, begin, depth = [], start, 0
    for at in range(start, len(text) + 1):
        c = text[at] if at < len(text) else ","
        if c in "[(":
            depth += 1
        elif c in "])":
            depth -= 1
        elif c == "," and (depth <= 0 or at == len(text)):
            piece = text[begin:at]
            found.append((piece.strip(), begin + len(piece) - len(piece.lstrip())))
            begin = at + 1
    return found if found != [("", len(text))] else []
