"""Which functions a barrier pairs with: those that touch what it keeps apart, the other way round.

A barrier in f keeps accesses of p from accesses of q. A function g that comes to q first and to p later, with a write of each of
the two in f or g, can tell: message passing, store buffering, load buffering, S, R and 2+2W are all of them that shape. (OFence,
EuroSys 2023, pairs by the objects around barriers, too.)

    partners(index, barrier)    (Partner(of=("virt/kvm/kvm_main.c", "kvm_vcpu_on_spin"), first=…, second=…), …)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from checker.kernel.primitives import ACCESSES, FENCE, LOCK, READ, RMW, UNLOCK, WRITE
from checker.reach.accesses import Access, accesses
from checker.reach.extract import of_interest
from checker.reach.places import Place
from checker.reach.summary import summaries
from checker.reach.types import Types

At = tuple[str, str]
WINDOW = 24
"""How many accesses on either side of a barrier it is taken to be about."""
MOST_WINDOW = 60


class Barrier(Struct, frozen=True, order=True):
    """Something that orders, where it stands; `inside` the function it is written in."""

    path: str
    line: int
    name: str
    inside: str


class Partner(Struct, frozen=True):
    """A function `of` that comes to `second` and then to `first`, which the barrier in `root` keeps in this order; the nearer the
    better."""

    root: At
    of: At
    first: Place
    second: Place
    distance: int
    ordered: bool
    """Something orders the two in it, too."""


class Index(Struct):
    """What functions do, by place."""

    types: Types
    done: dict[At, tuple[Access, ...]] = field(default_factory=dict)
    by_place: dict[Place, dict[At, list[int]]] = field(default_factory=dict)
    roots: dict[Barrier, list[tuple[At, int]]] = field(default_factory=dict)
    """The functions that come to a barrier, and where among what they do."""

    def add(self, paths: Iterable[str], depth: int) -> None:
        """Take in all functions of some files, calls followed `depth` deep."""
        for path in paths:
            for name in summaries(self.types, path):
                at = (path, name)
                done = tuple([a for a in accesses(self.types, path, name, depth)[0] if a.verb in ACCESSES or a.orders])
                if not done:
                    continue
                self.done[at] = done
                for n, a in enumerate(done):
                    if a.verb in ACCESSES and a.place is not None and of_interest(a.place):
                        self.by_place.setdefault(a.place, {}).setdefault(at, []).append(n)
                    if explicit(a):
                        self.roots.setdefault(Barrier(a.path, a.line, a.name, a.function), []).append((at, n))


def explicit(a: Access) -> bool:
    """Whether it is a barrier by itself, or an acquire or release."""
    if a.verb == FENCE:
        return a.name != "barrier"
    return a.verb in (READ, WRITE) and a.strength in ("acquire", "release", "mb")


def partners(index: Index, barrier: Barrier, most: int = 8) -> tuple[Partner, ...]:
    """The functions that a barrier may pair with, the likeliest first."""
    found: dict[tuple[At, At, Place, Place], Partner] = {}
    for root, n in index.roots.get(barrier, ()):
        done = index.done[root]
        own = done[n].verb in ACCESSES
        before = _nearest(done, range(n if own else n - 1, max(-1, n - WINDOW), -1), n)
        after = _nearest(done, range(n if own else n + 1, min(len(done), n + WINDOW)), n)
        for p, (a, far) in before.items():
            for q, (b, near) in after.items():
                if p != q:
                    for partner in _across(index, root, (p, a), (q, b), far + near):
                        key = (root, partner.of, p, q)
                        if key not in found or partner.distance < found[key].distance:
                            found[key] = partner
    every = sorted(found.values(), key=lambda one: (not one.ordered, one.distance, one.of, one.first, one.second))
    best: dict[tuple[At, At], Partner] = {}
    for one in every:
        best.setdefault((one.root, one.of), one)
    return tuple(list(best.values())[:most])


def _nearest(done: Sequence[Access], where: range, n: int) -> dict[Place, tuple[bool, int]]:
    """The places on one side of a barrier: whether one is written there, and how far it is."""
    found: dict[Place, tuple[bool, int]] = {}
    for i in where:
        if 0 <= i < len(done):
            a = done[i]
            if a.verb in ACCESSES and a.place is not None and of_interest(a.place):
                written, far = found.get(a.place, (False, abs(i - n)))
                found[a.place] = (written or a.verb in (WRITE, RMW), far)
    return found


def _across(index: Index, root: At, first: tuple[Place, bool], second: tuple[Place, bool], far: int) -> list[Partner]:
    """Functions that come to the second place before the first."""
    (p, wrote_p), (q, wrote_q) = first, second
    found = []
    for at, ps in index.by_place.get(p, {}).items():
        qs = index.by_place.get(q, {}).get(at)
        if qs is None or ps[-1] <= qs[0]:
            continue
        done = index.done[at]
        pairs = [(i, j) for i in qs[:8] for j in ps[-8:] if i < j <= i + MOST_WINDOW]
        for i, j in sorted(pairs, key=lambda one: one[1] - one[0])[:6]:
            writes = (wrote_p or done[j].verb in (WRITE, RMW)) and (wrote_q or done[i].verb in (WRITE, RMW))
            if writes:
                ordered = any(a.verb in (FENCE, LOCK, UNLOCK) or explicit(a) for a in done[i : j + 1])
                found.append(Partner(root, at, p, q, far + j - i, ordered))
                break
    return found
