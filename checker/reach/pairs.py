"""Which functions a barrier pairs with: those that touch what it keeps apart, the other way round.

A barrier in f keeps accesses of p from accesses of q. A function g that comes to q first and to p later, with a write of each of
the two in f or g, can tell: message passing, store buffering, load buffering, S, R and 2+2W are all of them that shape. (OFence,
EuroSys 2023, pairs by the objects around barriers, too.)

    partners(index, barrier)    (Partner(of=("virt/kvm/kvm_main.c", "kvm_vcpu_on_spin"), first=…, second=…), …)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from msgspec import Struct

from checker.kernel.primitives import ACCESSES, FENCE, LOCK, READ, RMW, UNLOCK, WRITE
from checker.reach.accesses import Access
from checker.reach.index import DEPTH, At, Barrier, Index
from checker.reach.places import Place
from checker.reach.records import Op

WINDOW = 24
"""How many accesses on either side of a barrier it is taken to be about."""
MOST_ROOTS, MOST_CANDIDATES = 16, 80
_PATTERNS = {
    ("ww", "rr"): "message passing", ("rr", "ww"): "message passing", ("wr", "wr"): "store buffering",
    ("rw", "rw"): "load buffering", ("ww", "wr"): "R", ("wr", "ww"): "R",
    ("ww", "rw"): "S", ("rw", "ww"): "S", ("ww", "ww"): "2+2W",
}  # fmt: skip
"""What is done before and after the barrier, then what the other function does, in its order: a pattern's name, best first."""


class Partner(Struct, frozen=True):
    """A function `of` that comes to `second` and then to `first`, which the barrier in `root` keeps in this order.

    `here` and `there` are the two accesses, in the order of each function. Without a pattern it is a function that a comment
    names, and that touches no two such places."""

    root: At
    of: At
    first: Place | None
    second: Place | None
    pattern: str
    distance: int
    ordered: bool
    """Something orders the two in it, too."""
    named: bool
    """A comment at one of the two barriers names the other function."""
    score: float
    here: tuple[Access, ...] = ()
    there: tuple[Access, ...] = ()

    @property
    def places(self) -> tuple[str, ...]:
        return tuple([str(p) for p in (self.first, self.second) if p is not None])


class _Side(Struct):
    """What is done to a place on one side of a barrier: "r", "w" or both, how far away at the nearest, and that access."""

    kinds: str
    far: int
    access: Access


def partners(index: Index, barrier: Barrier, most: int = 8, *, comments: bool = True) -> tuple[Partner, ...]:
    """The functions that a barrier may pair with, the likeliest first; what comments say counts unless told."""
    names = _named(index, barrier) if comments else frozenset()
    best: dict[At, Partner] = {}
    for root, n in _roots(index, barrier):
        for one in _of_root(index, barrier, root, n, names):
            if one.of not in best or best[one.of].score < one.score:
                best[one.of] = one
    return tuple(sorted(best.values(), key=lambda one: (-one.score, one.of))[:most])


def _named(index: Index, barrier: Barrier) -> frozenset[At]:
    """The functions that a comment at the barrier names, and those where a comment at a barrier names this one's function."""
    found = {at for name in index.remarks(barrier) for at in index.defined(name)}
    found |= {(other.path, other.inside) for other in index.remarked(barrier.inside)}
    return frozenset(found - {(barrier.path, barrier.inside)})


# ---------------------------------------------------------------- the barrier's side


def _roots(index: Index, barrier: Barrier) -> Iterator[tuple[At, int]]:
    """The functions that come to a barrier, and where among what they do: its own, and where little stands around it there, those
    that call it."""
    todo, seen = [(barrier.path, barrier.inside)], {(barrier.path, barrier.inside)}
    for _ in range(DEPTH + 1):
        callers: list[At] = []
        for at in todo:
            lonely = False
            for n, a in enumerate(index.does(at, DEPTH)):
                if (a.path, a.line, a.name) == (barrier.path, barrier.line, barrier.name) and a.function == barrier.inside:
                    before, after = _sides(index.does(at, DEPTH), n)
                    lonely = lonely or not before or not after or len(before) + len(after) < 4
                    yield at, n
            if lonely:
                callers += [one for one in index.callers(at) if one not in seen and not seen.add(one)]  # type: ignore[func-returns-value]
        todo = callers[: MOST_ROOTS - len(seen) + len(callers)]


def kept_apart(a: Access) -> frozenset[str]:
    """What something that orders keeps in order: "wr", a write before it and a read behind it."""
    every = frozenset({"ww", "wr", "rw", "rr"})
    if a.verb == FENCE:
        return (
            frozenset({"rr"})
            if a.strength in ("smp_rmb", "rmb", "dma_rmb")
            else (frozenset({"ww"}) if a.strength in ("smp_wmb", "wmb", "dma_wmb") else every)
        )
    if a.strength.endswith("release"):
        return frozenset({"ww", "rw"})
    return frozenset({"rr", "rw"}) if a.strength.endswith("acquire") else every


def _sides(done: Sequence[Access], n: int) -> tuple[dict[Place, _Side], dict[Place, _Side]]:
    """The places on both sides of a barrier. What is a barrier and an access stands on one side: a release behind it, an acquire
    and a store with a full barrier before."""
    own, release = done[n].verb in ACCESSES, done[n].strength.endswith("release")
    first = n if own and not release else n - 1
    last = n if own and release else n + 1
    kinds = kept_apart(done[n])
    return (
        _nearest(done, range(first, max(-1, n - WINDOW), -1), n, {k[0] for k in kinds}),
        _nearest(done, range(last, min(len(done), n + WINDOW)), n, {k[1] for k in kinds}),
    )


def _nearest(done: Sequence[Access], where: range, n: int, kinds: set[str]) -> dict[Place, _Side]:
    """The places on one side of a barrier, as far as it orders what is done to them there."""
    found: dict[Place, _Side] = {}
    for i in where:
        a = done[i] if 0 <= i < len(done) else None
        if a is None or a.verb not in ACCESSES or a.place is None or _apart(a.arms, done[n].arms):
            continue
        for kind in _kinds(a):
            if kind in kinds:
                side = found.setdefault(a.place, _Side("", abs(i - n), a))
                side.kinds += kind if kind not in side.kinds else ""
    return found


def _kinds(a: Access) -> str:
    return {READ: "r", WRITE: "w", RMW: "rw"}[a.verb]


def _apart(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether no run comes to both of two branches: then and else of an if, two cases of a switch."""
    for a, b in zip(one, other, strict=False):
        if a != b:
            (kind, _, where), (kind2, _, where2) = a.partition("@"), b.partition("@")
            return {kind, kind2} == {"if", "else"} and where == where2
    return False


# ---------------------------------------------------------------- the other side


def _of_root(index: Index, barrier: Barrier, root: At, n: int, names: frozenset[At]) -> Iterator[Partner]:
    done = index.does(root, DEPTH)
    before, after = _sides(done, n)
    kinds = kept_apart(done[n])
    for at in _candidates(index, before, after, names):
        found = _best(index, (root, done[n]), at, (before, after), kinds)
        if found is not None:
            named = at in names
            yield Partner(
                root, at, found.first, found.second, found.pattern, found.distance, found.ordered, named,
                found.score + 100 * named + _near(barrier.path, at[0]), found.here, found.there,
            )  # fmt: skip


def _near(path: str, other: str) -> float:
    """What it counts that two files are one, or in one folder, or in one part of the kernel."""
    if path == other:
        return 3
    one, two = PurePosixPath(path).parts, PurePosixPath(other).parts
    return 2 if one[:-1] == two[:-1] else 1 if one[0] == two[0] else 0


def _candidates(index: Index, before: dict[Place, _Side], after: dict[Place, _Side], names: frozenset[At]) -> list[At]:
    """The functions that touch a place of either side, those first that touch rare ones."""
    weights: dict[At, list[float]] = {}
    for n, side in enumerate((before, after)):
        for place in side:
            for at in index.reaching(place, DEPTH):
                pair = weights.setdefault(at, [0.0, 0.0])
                pair[n] = max(pair[n], index.rarity(place))
    several = [at for at, (one, other) in weights.items() if one and other]
    several.sort(key=lambda at: (at not in names, -sum(weights[at]), at))
    return several[:MOST_CANDIDATES]


def _best(
    index: Index, root: tuple[At, Access], of: At, sides: tuple[dict[Place, _Side], dict[Place, _Side]], kinds: frozenset[str]
) -> Partner | None:  # fmt: skip
    """The best pattern that a function makes with a barrier."""
    before, after = sides
    done = index.does(of, DEPTH)
    firsts = [(i, a) for i, a in enumerate(done) if a.verb in ACCESSES and a.place in after]
    seconds = [(i, a) for i, a in enumerate(done) if a.verb in ACCESSES and a.place in before]
    best: Partner | None = None
    for i, q in firsts[:40]:
        for j, p in seconds[-40:]:
            if p.place is None or q.place is None or p.place == q.place or not (i < j or _together(p, q)) or _inner(p, q, of):
                continue
            pattern = _pattern(before[p.place].kinds, after[q.place].kinds, q, p, kinds)
            if not pattern or _apart(p.arms, q.arms):
                continue
            between = [Op(a.verb, a.strength, a.name) for a in done[i : j + 1]]
            ordered = any(op.verb in (LOCK, UNLOCK) or op.explicit for op in between)
            far = before[p.place].far + after[q.place].far + abs(j - i)
            score = index.rarity(p.place) + index.rarity(q.place) - math.log2(1 + far) / 2 - (0 if i < j else 3)
            score += 2 * ordered + 2 * any(op.explicit for op in between) + p.orders + q.orders
            score += (p.place.tag == q.place.tag) - 4 * (not p.place.sure) - 4 * (not q.place.sure)
            if best is None or best.score < score:
                here = (before[p.place].access, after[q.place].access)
                best = Partner(root[0], of, p.place, q.place, pattern, far, ordered, False, score, here, (q, p))
    return best


def _together(p: Access, q: Access) -> bool:
    """Whether two accesses are in one loop, so that either may come first."""
    return any(arm.startswith("loop@") for arm, other in zip(p.arms, q.arms, strict=False) if arm == other)


def _inner(p: Access, q: Access, of: At) -> bool:
    """Whether two accesses are in one call of a function, which is the better partner, then."""
    return bool(p.via) and p.via[:1] == q.via[:1]


def _pattern(before: str, after: str, q: Access, p: Access, kinds: frozenset[str]) -> str:
    """The pattern's name; empty where none of what is done makes one."""
    here = {x + y for x in before for y in after} & kinds
    there = {x + y for x in _kinds(q) for y in _kinds(p)}
    return next((name for (one, other), name in _PATTERNS.items() if one in here and other in there), "")
