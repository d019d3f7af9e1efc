"""The accesses of a function by the places they are to, with everything that orders, and those of the functions it calls.

accesses(types, "virt/kvm/kvm_main.c", "kvm_vcpu_wake_up", depth=1)
    Access("write", "once", Place("kvm_vcpu", "ready"), "WRITE_ONCE", 3819, …)
"""

from __future__ import annotations

from msgspec import Struct

from checker.kernel.primitives import ACCESSES, CALL, FENCE, GRACE, LOCK, READ, RMW, UNLOCK
from checker.reach.places import Place, located
from checker.reach.summary import Path, Step, Summary, summaries
from checker.reach.types import Types

MAX_FOLLOWED = 400
_ORDERS = frozenset({FENCE, GRACE, LOCK, UNLOCK})


class Effects(Struct, frozen=True):
    """All that a function, with those it calls, touches, and how many things in it order something. `given`: it goes through a
    parameter that points to no structure."""

    places: frozenset[Place]
    orders: int
    given: bool = False


def effects(types: Types, path: str, name: str, depth: int, known: dict[tuple[str, str, int], Effects]) -> Effects:
    """What a function does, calls followed `depth` deep; `known` is what was found so far."""
    key = (path, name, depth)
    if key in known:
        return known[key]
    known[key] = Effects(frozenset(), 0)  # for one that calls itself
    made = summaries(types, path).get(name)
    places: set[Place] = set()
    orders, given = 0, False
    params = {n for n, kind in made.params if not kind.startswith("struct ")} if made is not None else set()
    for step in made.steps if made is not None else ():
        if step.verb == CALL and depth and step.name.isidentifier():
            found = types.callee(path, step.name)
            if found is not None and found.name != name:
                inner = effects(types, found.path, found.name, depth - 1, known)
                places |= inner.places
                orders += inner.orders
                given = given or inner.given
        elif step.at is not None:
            spot = located(types, path, step.at)[0]
            if spot is not None and step.verb in ACCESSES:
                places.add(spot)
            given = given or step.at.root in params
        orders += step.verb in _ORDERS or (step.verb == RMW and "full" in step.strength) or step.strength == "mb"
    known[key] = Effects(frozenset(places), orders, given)
    return known[key]


class Access(Struct, frozen=True, array_like=True):
    """A step (summary.py) with its place; `via` the calls that lead to it, each (path, name, line of the call)."""

    verb: str
    strength: str
    place: Place | None
    name: str
    line: int
    path: str
    function: str
    arms: tuple[str, ...] = ()
    via: tuple[tuple[str, str, int], ...] = ()

    @property
    def orders(self) -> bool:
        """Whether it orders anything, or is a marked access."""
        return self.verb not in (CALL, *ACCESSES) or (self.verb in ACCESSES and self.strength != "plain")


class _Walk:
    def __init__(self, types: Types, depth: int) -> None:
        self.types, self.depth = types, depth
        self.found: list[Access] = []
        self.followed = 0
        self.cut = False

    def follow(
        self,
        path: str,
        made: Summary,
        given: dict[str, Path],
        home: str,
        arms: tuple[str, ...],
        via: tuple[tuple[str, str, int], ...],
    ) -> None:
        self.cut = self.cut or made.cut
        for step in made.steps:
            at, where = _through(step.at, path, given, home)
            inside = (*arms, *step.arms)
            if step.verb == CALL and step.name.isidentifier() and self._called(path, step, given, home, inside, via):
                continue
            spot, kind = located(self.types, where, at) if at is not None else (None, "")
            if step.verb in ACCESSES and (spot is None or (step.verb == READ and not step.name and _no_value(kind))):
                continue
            self.found.append(Access(step.verb, step.strength, spot, step.name, step.line, path, made.name, inside, via))

    def _called(
        self, path: str, step: Step, given: dict[str, Path], home: str, arms: tuple[str, ...], via: tuple[tuple[str, str, int], ...]
    ) -> bool:
        if len(via) >= self.depth or self.followed >= MAX_FOLLOWED or any(name == step.name for _, name, _ in via):
            self.cut = self.cut or self.followed >= MAX_FOLLOWED
            return False
        found = self.types.callee(path, step.name)
        inner = summaries(self.types, found.path).get(found.name) if found is not None else None
        if found is None or inner is None:
            return False
        self.followed += 1
        passed = [(_through(arg, path, given, home)) for arg in step.args]
        where = next((w for _, w in passed), path)
        args = {name: arg for (name, _), (arg, _) in zip(inner.params, passed, strict=False) if arg is not None}
        self.follow(found.path, inner, args, where, arms, (*via, (path, step.name, step.line)))
        return True


def _through(at: Path | None, path: str, given: dict[str, Path], home: str) -> tuple[Path | None, str]:
    """A path with a parameter that points to no structure, or has no type, replaced by what was given; and whose file's it is."""
    if at is not None and at.root in given and at.type and not at.type.startswith("struct "):
        made = given[at.root]
        for step in at.steps:
            made = made.then(step)
        return made, home
    return at, path


def _no_value(kind: str) -> bool:
    """Whether something of this type is not read where it is named: an array, a function."""
    return kind.endswith(("[]", "()"))


def accesses(types: Types, path: str, name: str, depth: int = 0) -> tuple[tuple[Access, ...], bool]:
    """The accesses of a function in order, calls followed `depth` deep, and whether there are more; none for no such function."""
    made = summaries(types, path).get(name)
    if made is None:
        return (), False
    walk = _Walk(types, depth)
    walk.follow(path, made, {}, path, (), ())
    return tuple(walk.found), walk.cut
