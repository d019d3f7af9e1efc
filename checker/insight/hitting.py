"""Sets that have something of each of several sets, the cheapest first; more sets may come while they are looked at.

Reiter, "A theory of diagnosis from first principles" (1987): the tree of hitting sets, best first.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any


def hitting(sets: Sequence[frozenset[int]], cost: Callable[[frozenset[int]], Any]) -> Iterator[frozenset[int]]:
    """Each cheapest set that hits all of `sets`, which its reader may add to after each: what has been handed out is then
    extended to hit the last one too, and left alone (with all that contain it) where nothing was added."""
    number = itertools.count()
    start = frozenset[int]()
    todo, seen, done = [(cost(start), next(number), start)], {start}, list[frozenset[int]]()
    while todo:
        _, _, some = heapq.heappop(todo)
        if any(known <= some for known in done):
            continue
        missed = next((known for known in sets if not known & some), None)
        if missed is None:
            before = len(sets)
            yield some
            if len(sets) == before:
                done.append(some)
                continue
            missed = sets[-1]
        for n in missed:
            more = some | {n}
            if more not in seen:
                seen.add(more)
                heapq.heappush(todo, (cost(more), next(number), more))
