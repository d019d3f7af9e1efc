"""A process cut to what lies between two of its accesses: what is asked is whether these two can be seen in another order.

Accesses, fences and what is lost ahead of the first one and behind the second are left out, but for reads that something in between
hangs on. Locks and RCU sections stay, so that each that is taken is let go of.

    windowed(parts, Ends(("a.c", 10), "flag", ("a.c", 14), "data"))
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from checker.reach.process import At, Choice, Line, Part, Rounds, every, pruned

_WORD = re.compile(r"[A-Za-z_]\w*")
_SECTION = re.compile(r"(?:(\w+) = )?(\w*(?:lock|down|up)(?:_\w+)?)\((\w*)(?:, .*)?\)")
_LETS_GO = re.compile(r"unlock|^up")
SLACK = 4
"""How many lines a statement and an access in it are apart at the most."""


class Ends(Struct, frozen=True):
    """The line of the first access and what its place is called in the test, and those of the second."""

    first: At
    one: str
    second: At
    other: str


def windowed(parts: tuple[Part, ...], ends: Ends) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """The parts between two accesses, and the locals that these two set; all of them, and none, where one is not found."""
    lines = [part for part in every(parts) if isinstance(part, Line)]
    starts, stops = _where(lines, ends.first, ends.one), _where(lines, ends.second, ends.other)
    if not starts or not stops:
        return parts, ()
    stop = next((n for n in stops if n > starts[0]), stops[-1])
    start = max((n for n in starts if n < stop), default=starts[0])
    start, stop = min(start, stop), max(start, stop)
    inside = set(map(id, lines[start : stop + 1]))
    while True:
        made = pruned(_cut(parts, inside))
        words = _words([part for part in every(made) if isinstance(part, Line)]) | _conditions(made)
        more = {id(line) for line in lines if line.sets in words and not line.idle and id(line) not in inside}
        if not more:
            return pruned(_unlocked(made, inside)), tuple([line.sets for line in (lines[start], lines[stop]) if line.sets])
        inside |= more


def _where(lines: Sequence[Line], at: At, name: str) -> list[int]:
    """The lines that access a place, nearest to a line of the code."""
    word = re.compile(rf"\b{re.escape(name)}\b")
    near = [(abs(line.at[1] - at[1]), n) for n, line in enumerate(lines) if line.at[0] == at[0] and word.search(line.text)]
    best = min((far for far, _ in near), default=SLACK + 1)
    return [n for far, n in near if far == best] if best <= SLACK else []


def _words(lines: Sequence[Line]) -> set[str]:
    """The words that lines use."""
    return {word for line in lines for word in _WORD.findall(line.text) if word != line.sets}


def _conditions(parts: Sequence[Part]) -> set[str]:
    return {word for part in every(parts) if isinstance(part, Choice) for word in _WORD.findall(part.cond)}


def _cut(parts: Sequence[Part], inside: set[int]) -> tuple[Part, ...]:
    return tuple(_kept(parts, inside))


def _kept(parts: Sequence[Part], inside: set[int]) -> Iterator[Part]:
    for part in parts:
        match part:
            case Line():
                if id(part) in inside or part.idle or _SECTION.fullmatch(part.text):
                    yield part
            case Choice(_, then, orelse):
                yield replace(part, then=_cut(then, inside), orelse=_cut(orelse, inside))
            case Rounds(_, body):
                yield replace(part, body=_cut(body, inside))
            case _:
                yield part


def _unlocked(parts: Sequence[Part], inside: set[int]) -> tuple[Part, ...]:
    """Without sections outside of the two accesses that have nothing in them: these may as well be ahead of everything, or last."""
    made = [*parts]
    n = 0
    while n < len(made):
        part = made[n]
        match part:
            case Choice(_, then, orelse):
                made[n] = replace(part, then=_unlocked(then, inside), orelse=_unlocked(orelse, inside))
            case Rounds(_, body):
                made[n] = replace(part, body=_unlocked(body, inside))
            case Line() if id(part) not in inside and (end := _end(made, n)):
                del made[end], made[n]
                continue
        n += 1
    return tuple(made)


def _end(parts: Sequence[Part], n: int) -> int:
    """Where the section ends that begins at a part, if nothing is in it; else 0."""
    begins = _SECTION.fullmatch(parts[n].text) if isinstance(parts[n], Line) else None  # type: ignore[union-attr]
    if begins is None or _LETS_GO.search(begins[2]):
        return 0
    for i in range(n + 1, len(parts)):
        part = parts[i]
        if not isinstance(part, Line):
            return 0
        found = _SECTION.fullmatch(part.text)
        if found is not None and _LETS_GO.search(found[2]) and found[3] == begins[3]:
            return i
        if not part.idle:
            return 0
    return 0
