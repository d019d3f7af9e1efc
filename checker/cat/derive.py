"""Why a relation has a pair in an execution, one operator down: the pairs of its parts that make it so.

    (rf ; po)  at (a, c)      rf at (a, b), po at (b, c), for some b that makes it so
    (rf | co)+ at (a, c)      (rf | co) at (a, b), (rf | co) at (b, c): the steps of a shortest way

A set has an event as a relation has a pair that leads from it to itself. What a difference takes away is for the caller to
refute; base relations, orders, choices and recursive definitions (cat/recursion.py) have no parts here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TypeAlias

from checker.cat.evaluate import Bounds
from checker.cat.term import Term
from checker.core.rel import Rows, bits, path

Member: TypeAlias = tuple[Term, int, int]
Sure: TypeAlias = Callable[[Term, int, int], bool]
"""Whether a member needs no reason, so that a way through it is to be preferred."""


def has(exact: Bounds, term: Term, a: int, b: int) -> bool:
    """Whether a term has the pair, or the event a."""
    value = exact.of(term)[1]
    return bool(value >> a & 1) if term.kind == "set" else bool(value[a] >> b & 1)


def parts(exact: Bounds, term: Term, a: int, b: int, sure: Sure | None = None) -> list[Member]:
    """The members of the parts of `term` that give it (a, b), which it has; of several ways one with most that are sure."""

    def first(ways: Iterable[list[Member]]) -> list[Member]:
        if sure is None:
            return next(iter(ways))
        return min(ways, key=lambda way: (sum(not sure(*m) for m in way), *[abs(m[2] - m[1]) for m in way]))

    args = term.args
    match term.op:
        case "union":
            return first([(t, a, b)] for t in args if has(exact, t, a, b))
        case "inter":
            return [(args[0], a, b), (args[1], a, b)]
        case "diff" | "values":
            return [(args[0], a, b)]
        case "inverse":
            return [(args[0], b, a)]
        case "id":
            return [(args[0], a, a)]
        case "product":
            return [(args[0], a, a), (args[1], b, b)]
        case "domain":
            return first([(args[0], a, m)] for m in bits(_rows(exact, args[0])[a]))
        case "range":
            return first([(args[0], m, a)] for m, row in enumerate(_rows(exact, args[0])) if row >> a & 1)
        case "seq":
            left, right = _rows(exact, args[0]), _rows(exact, args[1])
            return first([(args[0], a, m), (args[1], m, b)] for m in bits(left[a]) if right[m] >> b & 1)
        case "plus":
            return [(args[0], x, y) for x, y in pairwise(path(_rows(exact, args[0]), a, b))]
    return []


def _rows(exact: Bounds, term: Term) -> Rows:
    found: Rows = exact.of(term)[1]
    return found
