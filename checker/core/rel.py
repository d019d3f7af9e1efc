"""Sets and relations over the events 0..n-1, as bit rows; and what is known of them before solving.

A set is an int with bit a for event a. A relation is a tuple of n ints: bit b of row a is the pair (a, b). A `Bound` is a
pair (must, may) of either, *relative to execution*: a pair in `must` holds whenever both its events execute, a pair outside
`may` never does. When the two are the same object the value is exact.

    >>> compose((0b010, 0b100, 0), (0b010, 0b100, 0))
    (4, 0, 0)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

Rows: TypeAlias = tuple[int, ...]


def bits(mask: int) -> Iterator[int]:
    """The events in a set, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def mask_of(events: Iterable[int]) -> int:
    """The set of the given events."""
    mask = 0
    for e in events:
        mask |= 1 << e
    return mask


def rows_of(n: int, pairs: Iterable[tuple[int, int]]) -> Rows:
    """The relation over n events with the given pairs."""
    rows = [0] * n
    for a, b in pairs:
        rows[a] |= 1 << b
    return tuple(rows)


def pairs(rows: Rows) -> Iterator[tuple[int, int]]:
    """The pairs of a relation, in ascending order."""
    for a, row in enumerate(rows):
        while row:
            low = row & -row
            yield a, low.bit_length() - 1
            row ^= low


def identity(mask: int, n: int) -> Rows:
    """The diagonal over a set."""
    return tuple([mask & (1 << a) for a in range(n)])


def product(left: int, right: int, n: int) -> Rows:
    """left × right."""
    return tuple([right if left >> a & 1 else 0 for a in range(n)])


def union(r: Rows, s: Rows) -> Rows:
    return tuple([x | y for x, y in zip(r, s)])


def inter(r: Rows, s: Rows) -> Rows:
    return tuple([x & y for x, y in zip(r, s)])


def diff(r: Rows, s: Rows) -> Rows:
    return tuple([x & ~y for x, y in zip(r, s)])


def inverse(r: Rows) -> Rows:
    rows = [0] * len(r)
    for a, row in enumerate(r):
        bit = 1 << a
        while row:
            low = row & -row
            rows[low.bit_length() - 1] |= bit
            row ^= low
    return tuple(rows)


def compose(r: Rows, s: Rows) -> Rows:
    """The pairs (a, c) with (a, b) in r and (b, c) in s for some b."""
    result = []
    for row in r:
        out = 0
        while row:
            low = row & -row
            out |= s[low.bit_length() - 1]
            row ^= low
        result.append(out)
    return tuple(result)


def restrict(left: int, r: Rows, right: int) -> Rows:
    """[left]; r; [right]."""
    return tuple([row & right if left >> a & 1 else 0 for a, row in enumerate(r)])


def domain(r: Rows) -> int:
    mask = 0
    for a, row in enumerate(r):
        if row:
            mask |= 1 << a
    return mask


def codomain(r: Rows) -> int:
    mask = 0
    for row in r:
        mask |= row
    return mask


def closure(r: Rows) -> Rows:
    """r+ (Warshall on bit rows)."""
    rows = list(r)
    for b in range(len(rows)):
        row, bit = rows[b], 1 << b
        if row:
            for a, other in enumerate(rows):
                if other & bit:
                    rows[a] = other | row
    return tuple(rows)


def components(r: Rows) -> list[int]:
    """The strongly connected components that contain a cycle, as sets, in ascending order of their least event."""
    reach = closure(r)
    back = inverse(reach)
    seen, found = 0, []
    for a, row in enumerate(reach):
        if row >> a & 1 and not seen >> a & 1:
            component = row & back[a]
            seen |= component
            found.append(component)
    return found


def cycle(r: Rows) -> list[int]:
    """A shortest cycle of r as its events in order (the last goes back to the first); empty when there is none."""
    on_cycles = [a for component in components(r) for a in bits(component)]
    return min((path(r, a, a)[:-1] for a in on_cycles), key=len, default=[])


def path(r: Rows, first: int, last: int) -> list[int]:
    """The events on a shortest way of at least one step of r from `first` to `last`, both included; there must be one."""
    levels, seen = [1 << first], 0
    while True:
        reached = 0
        for a in bits(levels[-1]):
            reached |= r[a]
        if reached >> last & 1:
            break
        levels.append(reached & ~seen)
        seen |= reached
        assert levels[-1], "there is no such way"
    way = [last]
    for level in reversed(levels):
        way.append(next(a for a in bits(level) if r[a] >> way[-1] & 1))
    return way[::-1]
