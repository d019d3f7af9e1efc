"""Which files of many are worth a record: those with something that orders, and those that touch what such a file keeps apart.

Found by their text alone, without a grammar, for a kernel has tens of thousands of files: first the words called, then the members
named. A file without a barrier is taken in where it names members from both sides of some barrier, rare ones first.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from checker.kernel.primitives import PRIMITIVES
from checker.reach.records import Op, Record

MOST_MORE = 1000
"""How many files without a barrier are taken in."""
WINDOW = 12
COMMON = 300
"""A member that so many files name says nothing."""
_CALL = re.compile(rb"\b[a-z_]\w*(?=\()")
_MEMBER = re.compile(rb"(?:->|\.)([A-Za-z_]\w*)")


@functools.cache
def _explicit() -> frozenset[bytes]:
    return frozenset([name.encode() for name, known in PRIMITIVES.items() if Op(known.verb, known.strength, name).explicit])


def orders(data: bytes) -> bool:
    """Whether a text calls something that orders by itself."""
    return not _explicit().isdisjoint(_CALL.findall(data))


def members(data: bytes, wanted: frozenset[str]) -> bytes:
    """The members among `wanted` that a text names, as msgpack."""
    found = {name.decode("utf-8", "replace") for name in set(_MEMBER.findall(data))}
    return msgspec.msgpack.encode(sorted(found & wanted))


Sides = tuple[frozenset[str], frozenset[str]]


def sides(records: Iterable[Record]) -> set[Sides]:
    """What is named before and behind each barrier."""
    return {one for record in records for one in _sides(record)}


def _sides(record: Record) -> Iterator[Sides]:
    for body in record.functions.values():
        names = [record.places[did.place].name if did.place >= 0 else "" for did in body.did]
        for n, did in enumerate(body.did):
            if record.ops[did.op].explicit:
                before, after = frozenset(names[max(0, n - WINDOW) : n + 1]), frozenset(names[n : n + WINDOW + 1])
                if before - {""} and after - {""}:
                    yield before - {""}, after - {""}


def worth(named: Mapping[str, Sequence[str]], around: Iterable[Sides]) -> tuple[str, ...]:
    """The files, of those that name some members, that name one of each side of some barrier: the rarest first."""
    often = Counter(name for names in named.values() for name in names)
    where: dict[str, list[tuple[int, int]]] = {}
    for n, both in enumerate(around):
        for side, some in enumerate(both):
            for name in some:
                if often[name] <= COMMON:
                    where.setdefault(name, []).append((n, side))
    scores = {}
    for path, names in named.items():
        best: dict[int, list[tuple[float, str]]] = {}
        for name in names:
            for n, side in where.get(name, ()):
                found = best.setdefault(n, [(0.0, ""), (0.0, "")])
                found[side] = max(found[side], (math.log2(1 + COMMON / often[name]), name))
        score = max((one[0] + other[0] for one, other in best.values() if one[0] and other[0] and one[1] != other[1]), default=0.0)
        if score:
            scores[path] = score
    return tuple(sorted(scores, key=lambda path: (-scores[path], path))[:MOST_MORE])
