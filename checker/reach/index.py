"""An index of what the functions of many files do, by place, by call and by barrier, out of their records (records.py).

Calls are followed when somebody asks, so that a file that changes costs its own record. A call means the function of that name in
the same file, the one that a header has, or the nearest of that name.

    made = Index(records, frozenset(records))
    made.does(("virt/kvm/kvm_main.c", "kvm_vcpu_wake_up"), depth=2).steps    (Access(…), …)
"""

from __future__ import annotations

import math
import os.path
from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct, field

from checker.kernel.primitives import ACCESSES, CALL, LOCK, UNLOCK
from checker.reach.accesses import Access
from checker.reach.places import Place
from checker.reach.records import Body, Op, Record

At: TypeAlias = "tuple[str, str]"
DEPTH = 2
"""How deep calls are followed, from a barrier to those who come to it, and from a function to what it touches."""
MOST_DONE = 2500
"""How many things a function is taken to do, with those it calls."""
MOST_REACHING = 4000
"""How many functions are looked at that come to a place."""
MOST_PLACES = 2000
"""Of so many places it is kept who comes to them."""
MOST_MEANT = 100
"""A name of so many functions is taken to mean none that can be told."""
MOST_KEPT = 1_500_000
"""How many things that functions do are kept, at most, until they are made out anew."""


class Barrier(Struct, frozen=True, order=True):
    """Something that orders, where it stands; `inside` the function it is written in."""

    path: str
    line: int
    name: str
    inside: str


class Doing(Struct, frozen=True):
    """What a function does, in order: where which place is touched, and how many barriers and locks there are before each thing."""

    steps: tuple[Access, ...]
    touches: dict[Place, list[int]]
    explicit: tuple[int, ...]
    locks: tuple[int, ...]


class Index(Struct):
    """What functions do. `records` are files by path; `barriers` what orders in those that were asked for, `of`: the others are
    headers that have functions they call."""

    records: Mapping[str, Record]
    of: frozenset[str]
    barriers: tuple[Barrier, ...] = ()
    _defined: dict[str, list[str]] = field(default_factory=dict)
    _calls: dict[str, list[At]] = field(default_factory=dict)
    _touch: dict[Place, list[At]] = field(default_factory=dict)
    _remarked: dict[str, list[Barrier]] = field(default_factory=dict)
    _does: dict[tuple[At, int], Doing] = field(default_factory=dict)
    _done: int = 0
    _callers: dict[At, tuple[At, ...]] = field(default_factory=dict)
    _callees: dict[tuple[str, str], At | None] = field(default_factory=dict)
    _reaching: dict[tuple[Place, int], tuple[At, ...]] = field(default_factory=dict)
    _rarity: dict[Place, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        barriers: dict[Barrier, None] = {}
        for path, one in sorted(self.records.items()):
            for name, body in one.functions.items():
                self._defined.setdefault(name, []).append(path)
                at, ops, places = (path, name), set[int](), set[int]()
                for did in body.did:
                    ops.add(did.op)
                    places.add(did.place)
                    places.update(did.args)
                    if one.ops[did.op].explicit:
                        barriers[Barrier(path, did.line, one.ops[did.op].name, name)] = None
                for n in ops:
                    if one.ops[n].verb == CALL:
                        self._calls.setdefault(one.ops[n].name, []).append(at)
                for n in places:
                    if n >= 0:
                        self._touch.setdefault(one.places[n], []).append(at)
        self.barriers = tuple(sorted(one for one in barriers if one.path in self.of))
        for barrier in sorted(barriers):
            for word in self.remarks(barrier):
                self._remarked.setdefault(word, []).append(barrier)

    # ------------------------------------------------------------ names

    def defined(self, name: str) -> tuple[At, ...]:
        """The functions of a name."""
        return tuple([(path, name) for path in self._defined.get(name, ())])

    def callee(self, path: str, name: str) -> At | None:
        """The function that a call in a file means."""
        if (path, name) not in self._callees:
            self._callees[path, name] = self._callee(path, name)
        return self._callees[path, name]

    def _callee(self, path: str, name: str) -> At | None:
        if len(self._defined.get(name, ())) > MOST_MEANT:
            return None
        several = [at for at in self._defined.get(name, ()) if together(path, at)]
        if not several:
            return None
        if path in several:
            return path, name
        header = self.records[path].inlines.get(name)
        if header in several:
            return str(header), name
        folder = os.path.dirname(path)
        return max(several, key=lambda at: (len(os.path.commonpath((folder, at))), at.endswith(".h"), at)), name

    def callers(self, at: At) -> tuple[At, ...]:
        """The functions that call one."""
        if at not in self._callers:
            self._callers[at] = tuple([one for one in self._calls.get(at[1], ()) if self.callee(one[0], at[1]) == at])
        return self._callers[at]

    def remarks(self, barrier: Barrier) -> tuple[str, ...]:
        """The words of the comment at a barrier that may be names of functions."""
        return self.records[barrier.path].remarks.get(barrier.line, ())

    def remarked(self, name: str) -> tuple[Barrier, ...]:
        """The barriers whose comments name a function."""
        return tuple(self._remarked.get(name, ()))

    @property
    def unread(self) -> tuple[tuple[str, str], ...]:
        """The files that could not be read, and why."""
        return tuple([(path, one.problem) for path, one in sorted(self.records.items()) if one.problem])

    # ------------------------------------------------------------ places

    def rarity(self, place: Place) -> float:
        """How much it says that somebody touches a place: the fewer do, the more."""
        if place not in self._rarity:
            self._rarity[place] = math.log2(1 + MOST_REACHING / (1 + len(self._touch.get(place, ()))))
        return self._rarity[place]

    def touching(self, place: Place) -> list[At]:
        """The functions that touch a place by themselves."""
        return self._touch.get(place, [])

    def reaching(self, place: Place, depth: int) -> tuple[At, ...]:
        """The functions that touch a place, or call one that does."""
        if (place, depth) not in self._reaching:
            if len(self._reaching) > MOST_PLACES:
                self._reaching.clear()
            self._reaching[place, depth] = self._reached(place, depth)
        return self._reaching[place, depth]

    def _reached(self, place: Place, depth: int) -> tuple[At, ...]:
        found = dict.fromkeys(self._touch.get(place, ()))
        edge = list(found)
        for _ in range(depth):
            edge = [one for at in edge for one in self.callers(at) if one not in found]
            if len(found) + len(edge) > MOST_REACHING:
                break
            found.update(dict.fromkeys(edge))
        return tuple(found)

    # ------------------------------------------------------------ what functions do

    def body(self, at: At) -> Body | None:
        one = self.records.get(at[0])
        return one.functions.get(at[1]) if one is not None else None

    def does(self, at: At, depth: int) -> Doing:
        """What a function does, calls followed so deep; calls themselves are not in it."""
        if (at, depth) not in self._does:
            found: list[Access] = []
            self._follow(at, depth, (), (), (), found)
            self._done += len(found)
            if self._done > MOST_KEPT:
                self._does.clear()
                self._done = len(found)
            self._does[at, depth] = _doing(tuple(found[:MOST_DONE]))
        return self._does[at, depth]

    def _follow(
        self, at: At, depth: int, given: tuple[Place | None, ...], arms: tuple[str, ...], via: tuple[tuple[str, str, int], ...],
        found: list[Access],
    ) -> None:  # fmt: skip
        """`given` are what the parameters point to."""
        path, name = at
        one, body = self.records[path], self.body(at)
        for did in body.did if body is not None else ():
            if len(found) >= MOST_DONE:
                return
            op, inside = one.ops[did.op], (*arms, *one.arms[did.arms])
            if op.verb == CALL:
                to = self.callee(path, op.name) if len(via) < depth else None
                if to is not None and to != at and all(called != op.name for _, called, _ in via):
                    passed = tuple([_place(one, n, given) for n in did.args])
                    self._follow(to, depth, passed, inside, (*via, (path, op.name, did.line)), found)
                continue
            spot = _place(one, did.place, given)
            if spot is not None or op.verb not in ACCESSES or op.explicit:
                found.append(Access(op.verb, op.strength, spot, op.name, did.line, path, name, inside, via))


def together(path: str, other: str) -> bool:
    """Whether no two architectures are needed to have code of both files."""
    if not (path.startswith("arch/") and other.startswith("arch/")):
        return True
    one, two = path.split("/", 2), other.split("/", 2)
    return one[1] == two[1]


def _doing(steps: tuple[Access, ...]) -> Doing:
    touches: dict[Place, list[int]] = {}
    explicit, locks = [0], [0]
    for n, a in enumerate(steps):
        if a.verb in ACCESSES and a.place is not None:
            touches.setdefault(a.place, []).append(n)
        explicit.append(explicit[-1] + Op(a.verb, a.strength, a.name).explicit)
        locks.append(locks[-1] + (a.verb in (LOCK, UNLOCK)))
    return Doing(steps, touches, tuple(explicit), tuple(locks))


def _place(one: Record, n: int, given: tuple[Place | None, ...]) -> Place | None:
    if n >= 0:
        return one.places[n]
    return given[-2 - n] if n < -1 and -2 - n < len(given) else None
