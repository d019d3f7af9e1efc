"""Where to look for partners of one barrier, without going through the calls of every function of the tree first.

What each function names by itself is enough to tell which may come to two places at all; only these are looked at closely (pairs.py).

    near(types, paths).partners(Barrier("virt/kvm/dirty_ring.c", 103, "smp_load_acquire", "kvm_dirty_gfn_harvested"))
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from checker.kernel.primitives import ACCESSES, CALL
from checker.reach.accesses import Access, accesses
from checker.reach.extract import At, of_interest
from checker.reach.pairs import WINDOW, Barrier, Index, Partner, partners
from checker.reach.summary import summaries
from checker.reach.types import Types

DEPTH = 2
"""How deep calls are followed to find out what a function comes to."""
MOST_CLOSE = 24
"""How many functions are looked at closely, for one barrier."""
MOST_USERS = 150
"""A name that more functions use says nothing."""


class Named(Struct, frozen=True, array_like=True):
    """The members and variables that a function touches by itself, the functions it calls, and how much it does."""

    touches: tuple[str, ...]
    calls: tuple[str, ...]
    size: int


class _Kept(Struct, frozen=True):
    named: dict[str, Named]


class Near(Struct):
    """The functions of some files by what they name."""

    types: Types
    named: dict[At, Named] = field(default_factory=dict)
    touching: dict[str, list[At]] = field(default_factory=dict)
    callers: dict[str, list[At]] = field(default_factory=dict)
    done: dict[tuple[At, int], tuple[Access, ...]] = field(default_factory=dict)

    def add(self, path: str) -> None:
        """Take in a file."""
        for name, named in _named(self.types, path).items():
            at = (path, name)
            self.named[at] = named
            for word in named.touches:
                self.touching.setdefault(word, []).append(at)
            for word in named.calls:
                self.callers.setdefault(word, []).append(at)

    def accesses(self, at: At, depth: int = DEPTH) -> tuple[Access, ...]:
        """What a function does, as the index of pairs has it."""
        if (at, depth) not in self.done:
            found = accesses(self.types, *at, depth)[0]
            self.done[at, depth] = tuple([a for a in found if a.verb in ACCESSES or a.orders])
        return self.done[at, depth]

    def roots(self, barrier: Barrier) -> list[tuple[At, int]]:
        """The functions that come to a barrier and to places on both sides of it, and where: itself, or else those that call it."""
        some = [(barrier.path, barrier.inside)]
        for level in range(DEPTH + 1):
            found = []
            for at in some:
                done = self.accesses(at, max(DEPTH, level))
                here = [n for n, a in enumerate(done) if (a.path, a.line) == (barrier.path, barrier.line) and a.name == barrier.name]
                found += [(at, n) for n in here[:2] if _sides(done, n)]
            if found:
                return sorted(found, key=lambda one: len(self.accesses(one[0])))[:4]
            some = [at for _, name in some for at in self.callers.get(name, ()) if self.named[at].size < 2000][:12]
        return []

    def partners(self, barrier: Barrier, most: int = 8) -> tuple[Partner, ...]:
        """The functions that a barrier may pair with, the likeliest first."""
        roots = self.roots(barrier)
        if not roots:
            return ()
        index = Index(self.types)
        index.roots[barrier] = roots
        for at, n in roots:
            index.done[at] = self.accesses(at)
            for other in self._close(index.done[at], n):
                index.done[other] = self.accesses(other)
        for at, done in index.done.items():
            for n, a in enumerate(done):
                if a.verb in ACCESSES and a.place is not None and of_interest(a.place):
                    index.by_place.setdefault(a.place, {}).setdefault(at, []).append(n)
        found = partners(index, barrier, most * 4)
        return tuple(sorted(found, key=lambda one: self._cost(one, index))[:most])

    def _cost(self, one: Partner, index: Index) -> tuple[float, object]:
        size = len(index.done[one.of]) + len(index.done[one.root])
        sure = one.first.sure and one.second.sure
        return one.distance + size / 8 + 10 * (one.of == one.root) + 20 * (not one.ordered) + 10 * (not sure), one.of

    def _close(self, done: Sequence[Access], n: int) -> list[At]:
        """Functions that may come to something on each side of the place `n`."""
        own = 0 if done[n].verb in ACCESSES else 1
        before = self._names(done, range(n - own, max(-1, n - WINDOW), -1), n)
        after = self._names(done, range(n + own, min(len(done), n + WINDOW)), n)
        level = {name: self._levels(name) for name in {*before, *after}}
        best: dict[At, float] = {}
        for p, far in before.items():
            for q, near in after.items():
                if p == q:
                    continue
                common = level[p].keys() & level[q].keys()
                rare = math.log2(1 + len(level[p])) + math.log2(1 + len(level[q]))
                for at in common:
                    cost = far + near + 4 * (level[p][at] + level[q][at]) + self.named[at].size / 10 + 2 * rare
                    best[at] = min(cost, best.get(at, math.inf))
        return sorted(best, key=lambda at: (best[at], at))[:MOST_CLOSE]

    def _names(self, done: Sequence[Access], where: range, n: int) -> dict[str, int]:
        found: dict[str, int] = {}
        for i in where:
            if 0 <= i < len(done):
                a = done[i]
                if a.verb in ACCESSES and a.place is not None and of_interest(a.place):
                    if len(self.touching.get(a.place.name, ())) <= MOST_USERS:
                        found.setdefault(a.place.name, abs(i - n))
        return found

    def _levels(self, name: str) -> dict[At, int]:
        """The functions that touch something of this name, by how many calls away."""
        found = dict.fromkeys(self.touching.get(name, ()), 0)
        some = list(found)
        for depth in range(1, DEPTH + 1):
            some = [up for at in some for up in self.callers.get(at[1], ()) if up not in found]
            for at in some:
                found.setdefault(at, depth)
            if len(found) > 4 * MOST_USERS:
                break
        return found


def _sides(done: Sequence[Access], n: int) -> bool:
    """Whether something is accessed on both sides of the place `n`."""
    own = done[n].verb in ACCESSES
    sides = (range(n if own else n - 1, max(-1, n - WINDOW), -1), range(n if own else n + 1, min(len(done), n + WINDOW)))
    return all(any(a.verb in ACCESSES and a.place is not None and of_interest(a.place) for a in (done[i] for i in s) ) for s in sides) and (
        not own or any(i != n for s in sides for i in s)
    )


def _named(types: Types, path: str) -> dict[str, Named]:
    if types.code.data(path) is None:
        return {}
    key = f"named {' '.join(types.code.arch)} {path} {types.code.digest(path)}"
    if types.code.kept is not None and (found := types.code.kept.get(key, _Kept)) is not None:
        return found.named
    made = {}
    for name, summary in summaries(types, path).items():
        touches: dict[str, None] = {}
        calls: dict[str, None] = {}
        for step in summary.steps:
            if step.verb == CALL and step.name.isidentifier():
                calls[step.name] = None
            for path_ in (step.at, *step.args):
                if path_ is not None:
                    touches.update(dict.fromkeys(one.lstrip("->.") for one in path_.steps if one[:1] in "-."))
                    if not path_.type and path_.root.isidentifier():
                        touches[path_.root] = None
        made[name] = Named(tuple(touches), tuple(calls), len(summary.steps))
    if types.code.kept is not None:
        types.code.kept.put(key, _Kept(made))
    return made


def near(types: Types, paths: Iterable[str]) -> Near:
    """An index of some files."""
    found = Near(types)
    for path in paths:
        found.add(path)
    return found
