"""Which functions a barrier pairs with: those that touch what it keeps apart, the other way round.

A barrier in f keeps accesses of p from accesses of q. A function g that comes to q first and to p later, with a write of each of
the two in f or g, can tell: message passing, store buffering, load buffering, S, R and 2+2W are all of them that shape. (OFence,
EuroSys 2023, pairs by the objects around barriers, too.)

    partners(index, barrier)    (Partner(of=("virt/kvm/kvm_main.c", "kvm_vcpu_on_spin"), first=…, second=…), …)
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from checker.kernel.primitives import ACCESSES, READ, RMW, WRITE
from checker.reach.accesses import Access
from checker.reach.index import DEPTH, At, Barrier, Doing, Index, together
from checker.reach.places import Place

WINDOW = 24
"""How many accesses on either side of a barrier it is taken to be about."""
MOST_ROOTS, MOST_CANDIDATES, MOST_TOUCHES = 16, 80, 24
NAMED_DEPTH = 4
"""How deep where a comment names the function."""
NAMED = 100
"""What it counts that a comment names a function: more than all else."""
CLOSE = 4
"""How near a barrier an access stands that it may be there for, whatever else there is."""
FEW = 4
"""How many places a function has around a barrier that is there for its callers' sake, too."""
_KINDS = {READ: "r", WRITE: "w", RMW: "rw"}
_PATTERNS = {
    ("ww", "rr"): (0, "message passing"), ("rr", "ww"): (0, "message passing"), ("wr", "wr"): (1, "store buffering"),
    ("rw", "rw"): (2, "load buffering"), ("ww", "wr"): (4, "R"), ("wr", "ww"): (4, "R"),
    ("ww", "rw"): (3, "S"), ("rw", "ww"): (3, "S"), ("ww", "ww"): (5, "2+2W"),
}  # fmt: skip
"""What is done before and after the barrier, then what the other function does, in its order: a pattern's rank and name."""
_RANKS = {name: 0.7 * rank for rank, name in _PATTERNS.values()}
# What counts how much in a score: so that partners that comments name come first without a look at the comments (tools/named.py).
RARE = 0.6
"""The rarity of a place."""
EXPLICIT = 6
"""A barrier between the two accesses of the other function; a lock there counts 1, a marked access 1."""
UNSURE = 4
"""A place known by its member's name alone, less."""
CALLER = 2
"""The barrier is in a function that is called, less."""
ROUND = 3
"""The two are in the other order but for a loop, less."""


class Partner(Struct, frozen=True):
    """A function `of` that comes to `second` and then to `first`, which the barrier in `root` keeps in this order.

    `here` and `there` are the two accesses, in the order of each function. Where one of the places is not there, the functions
    share one place only, and barriers on both sides: `beside` are the accesses of it. Without a pattern it is a function that a
    comment names."""

    root: At
    of: At
    first: Place | None = None
    second: Place | None = None
    pattern: str = ""
    distance: int = 0
    ordered: bool = False
    """Something orders the two in it, too."""
    named: bool = False
    """A comment at one of the two barriers names the other function."""
    score: float = 0
    here: tuple[Access, ...] = ()
    there: tuple[Access, ...] = ()
    beside: tuple[Access, ...] = ()

    @property
    def places(self) -> tuple[str, ...]:
        return tuple([str(p) for p in (self.first, self.second) if p is not None])

    @property
    def depth(self) -> int:
        """How deep calls have to be followed to come to the accesses."""
        return max((len(a.via) for a in (*self.here, *self.there, *self.beside)), default=0)


class _Side(Struct):
    """What is done to a place on one side of a barrier: "r", "w" or both, how far away at the nearest, and that access."""

    kinds: str
    far: int
    access: Access


class _Apart(Struct, frozen=True):
    """A barrier in a function, with the places before and behind it, and what it keeps in order."""

    root: At
    barrier: Barrier
    before: dict[Place, _Side]
    after: dict[Place, _Side]
    kinds: frozenset[str]

    @property
    def called(self) -> bool:
        """Whether it is another function that has the barrier."""
        return self.root != (self.barrier.path, self.barrier.inside)


def partners(index: Index, barrier: Barrier, most: int = 8, *, comments: bool = True) -> tuple[Partner, ...]:
    """The functions that a barrier may pair with, the likeliest first; what comments say counts unless told."""
    names = _named(index, barrier) if comments else frozenset()
    best: dict[At, Partner] = {}
    near, far = list(_roots(index, barrier, DEPTH)), list(_roots(index, barrier, NAMED_DEPTH)) if names else []
    for apart in (*near, *far):
        some = names if apart in far else frozenset(_candidates(index, apart)) | names
        for one in (*_two_places(index, apart, some, names), *_one_place(index, apart, names)):
            if one.of not in best or best[one.of].score < one.score:
                best[one.of] = one
    for at in names - best.keys():
        best[at] = _named_only(index, [*near, *far], Partner((barrier.path, barrier.inside), at, named=True, score=NAMED))
    return tuple(sorted(best.values(), key=lambda one: (-one.score, one.of))[:most])


def _named(index: Index, barrier: Barrier) -> frozenset[At]:
    """The functions that a comment at the barrier names, and those where a comment at a barrier names this one's function."""
    found = {at for name in index.remarks(barrier) for at in index.defined(name)}
    found |= {(other.path, other.inside) for other in index.remarked(barrier.inside)}
    return frozenset(at for at in found if at != (barrier.path, barrier.inside) and together(barrier.path, at[0]))


def _named_only(index: Index, roots: Sequence[_Apart], one: Partner) -> Partner:
    """A function that a comment names and that makes no pattern, with what it touches of the places at the barrier: the rarest."""
    touches = index.does(one.of, NAMED_DEPTH).touches
    for apart in roots:
        first, second = (
            max((p for p in side if p in touches), key=lambda p: (index.rarity(p), p), default=None)
            for side in (apart.before, apart.after)
        )
        if first or second:
            return replace(one, root=apart.root, first=first, second=second if second != first else None)
    return one


# ---------------------------------------------------------------- the barrier's side


def _roots(index: Index, barrier: Barrier, depth: int) -> Iterator[_Apart]:
    """The functions that come to a barrier: its own, and where little stands around it there, those that call it."""
    todo, seen = [(barrier.path, barrier.inside)], {(barrier.path, barrier.inside)}
    for _ in range(DEPTH + 1):
        callers: dict[At, None] = {}
        for at in todo:
            lonely = False
            steps = index.does(at, depth).steps
            for n, a in enumerate(steps):
                if (a.path, a.line, a.name, a.function) == (barrier.path, barrier.line, barrier.name, barrier.inside):
                    before, after = _sides(steps, n)
                    lonely = lonely or not before or not after or len(before) + len(after) < FEW
                    yield _Apart(at, barrier, before, after, kept_apart(a))
            callers.update(dict.fromkeys(index.callers(at) if lonely else ()))
        todo = [at for at in callers if at not in seen][: MOST_ROOTS - len(seen)]
        seen.update(todo)


def kept_apart(a: Access) -> frozenset[str]:
    """What something that orders keeps in order: "wr", a write before it and a read behind it."""
    if a.strength in ("smp_rmb", "rmb", "dma_rmb") and a.name != "smp_acquire__after_ctrl_dep":
        return frozenset({"rr"})
    if a.strength in ("smp_wmb", "wmb", "dma_wmb"):
        return frozenset({"ww"})
    if a.strength.endswith("release"):
        return frozenset({"ww", "rw"})
    if a.strength.endswith("acquire") or a.strength == "smp_rmb":
        return frozenset({"rr", "rw"})
    return frozenset({"ww", "wr", "rw", "rr"})


def _sides(steps: Sequence[Access], n: int) -> tuple[dict[Place, _Side], dict[Place, _Side]]:
    """The places on both sides of a barrier. What is a barrier and an access stands on one side: a release behind it, an acquire
    and a store with a full barrier before."""
    own, release = steps[n].verb in ACCESSES, steps[n].strength.endswith("release")
    first = n if own and not release else n - 1
    last = n if own and release else n + 1
    kinds = kept_apart(steps[n])
    return (
        _nearest(steps, range(first, max(-1, n - WINDOW), -1), n, {k[0] for k in kinds}),
        _nearest(steps, range(last, min(len(steps), n + WINDOW)), n, {k[1] for k in kinds}),
    )


def _nearest(steps: Sequence[Access], where: range, n: int, kinds: set[str]) -> dict[Place, _Side]:
    """The places on one side of a barrier, as far as it orders what is done to them there."""
    found: dict[Place, _Side] = {}
    for i in where:
        a = steps[i] if 0 <= i < len(steps) else None
        if a is None or a.verb not in ACCESSES or a.place is None or _exclude(a.arms, steps[n].arms):
            continue
        for kind in _KINDS[a.verb]:
            if kind in kinds:
                side = found.setdefault(a.place, _Side("", abs(i - n), a))
                side.kinds += kind if kind not in side.kinds else ""
    return found


def _exclude(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether no run comes to both of two branches: then and else of an if. (A case of a switch may fall through to the next.)"""
    for a, b in zip(one, other, strict=False):
        if a != b:
            (kind, _, where), (kind2, _, where2) = a.partition("@"), b.partition("@")
            return {kind, kind2} == {"if", "else"} and where == where2
    return False


# ---------------------------------------------------------------- the other side: two places


def _two_places(index: Index, apart: _Apart, some: frozenset[At], names: frozenset[At]) -> Iterator[Partner]:
    """Those of some functions that come to two places the other way round."""
    both = _pairs_of_places(index, apart)
    for at in sorted(some):
        found = _best(apart, both, index.does(at, NAMED_DEPTH if at in names else DEPTH), at)
        if found is not None:
            yield _counted(apart, found, at in names)


def _counted(apart: _Apart, found: Partner, named: bool) -> Partner:
    """A partner with what speaks for it besides what it does: that two files are one, in one folder, or in one part of the
    kernel, and that a comment names it."""
    one, two = PurePosixPath(apart.barrier.path).parts, PurePosixPath(found.of[0]).parts
    near = 3 if one == two else 2 if one[:-1] == two[:-1] else 1 if one[0] == two[0] else 0
    return replace(found, score=found.score + near + NAMED * named, named=named)


def _candidates(index: Index, apart: _Apart) -> list[At]:
    """The functions that touch a place of either side, those first that touch rare ones."""
    weights: dict[At, list[float]] = {}
    for n, side in enumerate((apart.before, apart.after)):
        for place in side:
            rarity = index.rarity(place)
            for at in index.reaching(place, DEPTH):
                pair = weights.get(at)
                if pair is None:
                    weights[at] = pair = [0.0, 0.0]
                if pair[n] < rarity:
                    pair[n] = rarity
    several = [at for at, (one, other) in weights.items() if one and other and together(apart.root[0], at[0])]
    several.sort(key=lambda at: (-sum(weights[at]), at))
    return several[:MOST_CANDIDATES]


def _pairs_of_places(index: Index, apart: _Apart) -> list[tuple[float, Place, Place]]:
    """A place before and a place behind a barrier, with what counts of them alone: the best first."""
    found = []
    for p, before in apart.before.items():
        for q, after in apart.after.items():
            base = RARE * (index.rarity(p) + index.rarity(q)) + (p.tag == q.tag) - UNSURE * ((not p.sure) + (not q.sure))
            base -= math.log2(1 + before.far + after.far) + CALLER * apart.called
            if p != q:
                found.append((base, p, q))
    return sorted(found, key=lambda one: (-one[0], one[1], one[2]))


def _best(apart: _Apart, both: Sequence[tuple[float, Place, Place]], does: Doing, of: At) -> Partner | None:
    """The best pattern that a function makes with a barrier."""
    best: Partner | None = None
    for base, p, q in both:
        if best is not None and base + EXPLICIT + 2 <= best.score:  # all that the two accesses themselves can add
            break
        if p in does.touches and q in does.touches:
            for i, j in _nearby(does.touches[q], does.touches[p]):
                one = _made(apart, of, does, (i, j), base)
                if one is not None and (best is None or best.score < one.score):
                    best = one
    return best


def _nearby(qs: list[int], ps: list[int]) -> list[tuple[int, int]]:
    """The pairs of accesses that are nearest to each other, those in order first: each of the first with what is next to it."""
    pairs = []
    for i in qs[:MOST_TOUCHES]:
        at = bisect_left(ps, i)
        pairs += [(i, j) for j in ps[max(0, at - 1) : at + 2]]
    return sorted(pairs, key=lambda one: (one[0] > one[1], abs(one[1] - one[0])))[:6]


def _made(apart: _Apart, of: At, does: Doing, at: tuple[int, int], base: float) -> Partner | None:
    """What two accesses of another function make with a barrier, if they make a pattern."""
    i, j = at
    q, p = does.steps[i], does.steps[j]
    assert p.place is not None and q.place is not None
    before, after = apart.before[p.place], apart.after[q.place]
    inside = bool(p.via) and p.via[:1] == q.via[:1]  # both in one call of a function, which is the better partner
    if inside or (i > j and not _together(p, q)) or _exclude(p.arms, q.arms):
        return None
    pattern = _pattern(before.kinds, after.kinds, q, p, apart.kinds)
    if not pattern:
        return None
    low, high = min(i, j), max(i, j) + 1
    explicit, locks = does.explicit[high] > does.explicit[low], does.locks[high] > does.locks[low]
    score = base + (EXPLICIT if explicit else locks) + p.orders + q.orders - ROUND * (i > j) - _RANKS[pattern]
    far = before.far + after.far + abs(j - i)
    score -= math.log2(1 + abs(j - i))
    here = (before.access, after.access)
    return Partner(
        apart.root, of, p.place, q.place, pattern, far, explicit or locks, score=score, here=here, there=(q, p)
    )  # fmt: skip


def _together(p: Access, q: Access) -> bool:
    """Whether two accesses are in one loop, so that either may come first."""
    return any(arm.startswith("loop@") for arm, other in zip(p.arms, q.arms, strict=False) if arm == other)


def _pattern(before: str, after: str, q: Access, p: Access, kinds: frozenset[str]) -> str:
    """The pattern's name; empty where none of what is done makes one."""
    here = [x + y for x in before for y in after if x + y in kinds]
    there = [x + y for x in _KINDS[q.verb] for y in _KINDS[p.verb]]
    return min((_PATTERNS[both] for one in here for other in there if (both := (one, other)) in _PATTERNS), default=(9, ""))[1]


# ---------------------------------------------------------------- the other side: one place


def _one_place(index: Index, apart: _Apart, names: frozenset[At]) -> Iterator[Partner]:
    """The functions that touch one of the places next to a barrier of their own: what the other is, nobody can tell (what a pointer
    points to, what a lock is for)."""
    for first, side in ((True, apart.before), (False, apart.after)):
        for place, mine in side.items():
            if mine.far > CLOSE:
                continue
            several = [at for at in index.touching(place) if together(apart.root[0], at[0])]
            for at in dict.fromkeys((*sorted(names), *several[:MOST_CANDIDATES])):
                found = _beside(index, apart, at, place, mine, first=first, depth=DEPTH if at in names else 0)
                if found is not None:
                    yield _counted(apart, found, at in names)


def _beside(index: Index, apart: _Apart, of: At, place: Place, mine: _Side, *, first: bool, depth: int) -> Partner | None:
    """What a function does to a place, on the other side of a barrier of its own."""
    does = index.does(of, depth)
    for i in does.touches.get(place, ()):
        for n in range(max(0, i - CLOSE), min(len(does.steps), i + CLOSE + 1)):
            other = does.steps[n]
            itself = (other.path, other.line, other.name) == (apart.barrier.path, apart.barrier.line, apart.barrier.name)
            if itself or does.explicit[n + 1] == does.explicit[n]:
                continue
            theirs = _sides(does.steps, n)[1 if first else 0].get(place)
            if theirs is not None and "w" in theirs.kinds + mine.kinds and theirs.far <= CLOSE:
                score = RARE * index.rarity(place) + EXPLICIT - 1 - math.log2(1 + mine.far + theirs.far) - CALLER * apart.called
                p, q = (place, None) if first else (None, place)
                beside = (mine.access, theirs.access)
                return Partner(
                    apart.root, of, p, q, "one place", mine.far + theirs.far, True, score=score, beside=beside
                )  # fmt: skip
    return None
