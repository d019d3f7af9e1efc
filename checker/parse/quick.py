"""The common condition read at once, without the grammar: comparisons of places with numbers, joined by `/\\` and `\\/`.

Nine tests of ten ask `exists (0:EAX=0 /\\ [x]=1)`, and the grammar takes ten times as long for it. What is more than that (a
negation, an implication, an address, a filter, a mistake) is left to the grammar; what is read here is what it would give.

    simple_tail(source, "exists (0:EAX=0)")     the parts of a `Tail`
    simple_tail(source, "exists (0:EAX=x)")     None
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from checker.core.source import Source, Span
from checker.program.ir import Address, And, Compare, Condition, Loc, MemLoc, Or, Prop, RegLoc

Mentions: TypeAlias = tuple[tuple[Loc | Address, Span], ...]
Parts: TypeAlias = tuple[tuple[Loc, ...], None, Condition, Mentions, Mentions]

_NAME = r"[A-Za-z_$][A-Za-z0-9_.$]*"
_PLACE = rf"(?:P?([0-9]{{1,9}})[ \t]*:[ \t]*[%$]?([A-Za-z_][A-Za-z0-9_.$]*)|(?:\[\s*)?({_NAME})(?:\s*\])?)\s*"
_ATOM = re.compile(_PLACE + r"(==|!=|=(?!>))\s*(-?[0-9]{1,18})(?![A-Za-z0-9_.])\s*")
_ITEM = re.compile(_PLACE + r"(?:[;]\s*|(?=\]))")
_OPEN = re.compile(r"\(\s*")
_CLOSE = re.compile(r"\)\s*")
_CONNECTIVE = re.compile(r"(/\\|\\/|&&|\|\|)\s*")
_QUANTIFIER = re.compile(r"\s*(~\s*exists|not\s+exists|exists|forall|final)(?![A-Za-z0-9_])\s*")
_LOCATIONS = re.compile(r"\s*locations\s*\[\s*")
_END = re.compile(r"(?:;\s*)?\Z")
_KEYWORDS = frozenset({"true", "false", "not", "exists", "forall", "final", "locations", "filter", "with"})
_QUANTIFIERS = {"exists": "exists", "forall": "forall", "final": "exists"}


class _NotSimple(Exception):
    pass


def simple_tail(source: Source, text: str) -> Parts | None:
    """What `text` (`source` with all the rest blanked) asks; None where that takes the grammar."""
    reader = _Reader(source, text)
    try:
        return reader.tail()
    except _NotSimple:
        return None


class _Reader:
    def __init__(self, source: Source, text: str) -> None:
        self.source, self.text, self.at = source, text, 0
        self.line, self.start, self.next = 1, 0, text.find("\n")
        self.mentioned: list[tuple[Loc | Address, Span]] = []

    def span(self, at: int, end: int) -> Span:
        """The place of text[at:end]; places are asked for from left to right."""
        while 0 <= self.next < at:
            self.line += 1
            self.start = self.next + 1
            self.next = self.text.find("\n", self.start)
        column = at - self.start + 1
        return Span(self.source, self.line, column, column + end - at)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if not found:
            raise _NotSimple
        self.at = found.end()
        return found

    def tail(self) -> Parts:
        shown: tuple[Loc, ...] = ()
        listed: Mentions = ()
        if locations := _LOCATIONS.match(self.text):
            self.at = locations.end()
            shown = self.items()
            listed, self.mentioned = tuple(self.mentioned), []
        word = self.take(_QUANTIFIER)
        span = self.span(word.start(1), word.end(1))
        prop = self.prop()
        self.take(_END)
        condition = Condition(_QUANTIFIERS.get(word[1], "~exists"), prop, span)
        return shown, None, condition, tuple(self.mentioned), listed

    def items(self) -> tuple[Loc, ...]:
        """The places of `locations [...]`, as far as its bracket."""
        found = []
        while not self.text.startswith("]", self.at):
            found.append(self.place(self.take(_ITEM)))
        self.at += 1
        return tuple(found)

    def place(self, m: re.Match[str]) -> Loc:
        """The register or location in the first three groups of m."""
        tid, register, name = m.group(1, 2, 3)
        loc: Loc
        if register is not None:
            loc, at, end = RegLoc(int(tid), register), m.start(), m.end(2)
        else:
            at, end = m.span(3)
            bracket = self.text[m.start()] == "["
            if name in _KEYWORDS or ("]" in self.text[end : m.end()].partition("=")[0].partition(";")[0]) != bracket:
                raise _NotSimple
            loc = MemLoc(Address(name))
        self.mentioned.append((loc, self.span(at, end)))
        return loc

    def prop(self) -> Prop:
        ors: list[Prop] = []
        ands: list[Prop] = []
        match = _CONNECTIVE.match
        while True:
            ands.append(self.unit())
            found = match(self.text, self.at)
            if found and found[1] in ("/\\", "&&"):
                self.at = found.end()
                continue
            ors.append(_joined(And, ands))
            if not found:
                return _joined(Or, ors)
            self.at = found.end()
            ands = []

    def unit(self) -> Prop:
        if atom := _ATOM.match(self.text, self.at):
            self.at = atom.end()
            loc = self.place(atom)
            op = atom[4]
            return Compare("==" if op == "=" else op, loc, int(atom[5]), self.span(*atom.span(4)))
        self.take(_OPEN)
        prop = self.prop()
        self.take(_CLOSE)
        return prop


def _joined(kind: Callable[[tuple[Prop, ...]], Prop], parts: list[Prop]) -> Prop:
    return parts[0] if len(parts) == 1 else kind(tuple(parts))
