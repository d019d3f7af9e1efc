"""Where the paths of a thread part and where they meet: a tree of places, each below the one that decides about it.

An execution comes to a place when it comes to the place above and the literal `lit` holds; so a guard is the guard above and
one literal. Behind an `if`, where all paths have met again, they are at the place above once more. What is above a place
are its dominators: of code that jumps forward only, paths meet below the lowest place that all of them are below.

    if (a) { A; if (b) goto out; B; } C; out: D;       D at the root; A: a; B: a, -b; C: a & -b | -a
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

from msgspec import Struct

from checker.core.circuit import FALSE, TRUE, Circuit, Lit


class Place(Struct, frozen=True, eq=False):
    """A node of the tree. `lits` are those from the root to here; `share` is the part of the root's paths that come here, if
    each branch halves them: paths that have all of a place's share are all of its paths."""

    above: Place | None
    lit: Lit
    guard: Lit
    lits: frozenset[Lit]
    share: int


class Tree:
    """The places of one thread, while it grows. `steps` are its branches (a place, and the two below it that it leads to) and its
    joins (a place, and those that meet there), in the order of the code."""

    def __init__(self, circuit: Circuit, branches: int) -> None:
        self.circuit = circuit
        self.root = Place(None, TRUE, TRUE, frozenset(), 1 << branches)
        self.steps: list[tuple[bool, Place, tuple[Place, ...]]] = []

    def below(self, above: Place, lit: Lit, share: int) -> Place:
        return Place(above, lit, self.circuit.both2(above.guard, lit), above.lits | {lit}, share)

    def part(self, place: Place, taken: Lit) -> tuple[Place | None, Place | None]:
        """Where a branch leads to from `place`: if `taken`, and if not; None where no execution goes."""
        if taken in place.lits or self.circuit.both2(place.guard, -taken) == FALSE:
            return place, None
        if -taken in place.lits or self.circuit.both2(place.guard, taken) == FALSE:
            return None, place
        there, here = [self.below(place, lit, place.share >> 1) for lit in (taken, -taken)]
        self.steps.append((True, place, (there, here)))
        return there, here

    def meet(self, places: Sequence[Place]) -> tuple[Place, list[Lit]]:
        """Where paths at `places` meet, and the literal that tells there of each that an execution comes from it."""
        common = reduce(_lowest, places)
        cases = [self.circuit.both(_between(place, common)) for place in places]
        share = sum([place.share for place in places])
        if share == common.share:
            return common, cases
        joined = self.below(common, self.circuit.either(cases), share)
        self.steps.append((False, joined, tuple(places)))
        return joined, cases

    def implied(self, at: Mapping[Place, int]) -> dict[Place, int]:
        """For each place the mask of what executes with it; `at` says what stands where."""
        later = dict(at)  # with what comes behind a place, whichever way
        for parted, place, others in reversed(self.steps):
            if parted:
                later[place] = later.get(place, 0) | (later.get(others[0], 0) & later.get(others[1], 0))
            else:
                for other in others:
                    later[other] = later.get(other, 0) | later.get(place, 0)
        executed = {self.root: later.get(self.root, 0)}
        for parted, place, others in self.steps:
            for made in others if parted else (place,):
                assert made.above is not None
                executed[made] = later.get(made, 0) | executed[made.above]
                for other, mask in at.items():
                    if other.lits <= made.lits:
                        executed[made] |= mask
        return executed


def exclusive(at: Mapping[Place, int]) -> dict[Place, int]:
    """For each place the mask of what stands where a branch had to go the other way."""
    return {p: sum([mask for q, mask in at.items() if any(-lit in q.lits for lit in p.lits)]) for p in at}


def _between(place: Place, above: Place) -> list[Lit]:
    """The literals from a place up to one above it."""
    lits = []
    while place is not above:
        assert place.above is not None
        lits.append(place.lit)
        place = place.above
    return lits


def _lowest(a: Place, b: Place) -> Place:
    """The lowest place that both are at or below: what is above has the larger share."""
    while a is not b:
        lower = min(a.share, b.share)
        a, b = [place.above if place.share == lower and place.above is not None else place for place in (a, b)]
    return a
