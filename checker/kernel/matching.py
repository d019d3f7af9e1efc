"""A process of a test beside the kernel function it stands for: which operation is which, and do the two agree?

A test shows a part of a function. So every operation of the process that the function could contain (a fence, or an access to
a place that the binding names) must be in the function, in that order, and a fence that the function always executes must
be in the process. What the function does besides does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from checker.kernel.binding import Binding, Process
from checker.kernel.primitives import ACCESSES, DEFER, FENCE, FREE, GRACE, ORDERING, SECTIONS
from checker.kernel.skeleton import Op


class Match(Struct, frozen=True):
    """`pairs`: index in the process → in the skeleton. `places`: the test's names → members. `problems`: where they differ.

    `objects` are those that the members found are parts of.
    """

    pairs: Mapping[int, int]
    places: Mapping[str, str]
    problems: tuple[tuple[str, Op], ...]
    objects: frozenset[str] = frozenset()

    @property
    def agrees(self) -> bool:
        return not self.problems and bool(self.pairs)


def match(process: Process, ops: Sequence[Op], binding: Binding) -> Match:
    """Find the operations of the process in the skeleton `ops`."""
    places = _places(process, ops, binding)
    viewed = [i for i, op in enumerate(process.ops) if _in_view(op, places, ops, binding)]
    pairs = _embed([process.ops[i] for i in viewed], ops, places)
    found = {viewed[i]: k for i, k in pairs.items()}
    problems = [(f"the code has no {said(process.ops[i])} there", process.ops[i]) for i in viewed if i not in found]
    if not viewed:
        problems = [("nothing of the process is in the function", op) for op in process.ops[:1]]
    if not binding.partial:
        problems += [(f"the test has no {said(op)}", op) for op in _unexpected(ops, found)]
    return Match(found, places, tuple(problems), frozenset(name for k in found.values() for name in ops[k].objects))


def said(op: Op) -> str:
    """An operation in words: its text."""
    return op.text


def _places(process: Process, ops: Sequence[Op], binding: Binding) -> dict[str, str]:
    """The test's places that the code has: those the binding names, and those of the same name."""
    known = {op.place for op in ops if op.place and (op.concerns or not op.via)}
    places = {op.place: op.place for op in process.ops if op.place in known}
    places.update(dict(binding.places))
    return {name: member for name, member in places.items() if name not in binding.outside}


def _in_view(op: Op, places: Mapping[str, str], ops: Sequence[Op], binding: Binding) -> bool:
    if op.verb in ORDERING or op.verb == DEFER:
        return True
    if op.verb in SECTIONS and not op.place:
        return any((k.verb, k.strength) == (op.verb, op.strength) for k in ops)
    return op.verb in ACCESSES | SECTIONS | {FREE} and op.place in places


def fits(p: Op, k: Op, places: Mapping[str, str]) -> bool:
    """Whether the operation `k` of the code is what `p` of the test stands for."""
    if (p.verb, p.strength) != (k.verb, k.strength):
        return False
    if p.verb in (GRACE, DEFER):  # a grace period waits for the readers of its own domain
        return places.get(p.place, p.place) == k.place
    return p.verb in ORDERING or places.get(p.place, p.place) == k.place


def _embed(viewed: Sequence[Op], ops: Sequence[Op], places: Mapping[str, str]) -> dict[int, int]:
    """The best way to find `viewed` in `ops` in order: most of them, then least deep in branches and helpers."""
    n = len(ops)
    best: list[list[tuple[int, int]]] = [[(0, 0)] * (n + 1)]
    for p in viewed:
        above, row = best[-1], [(0, 0)]
        for k in range(n):
            score = max(above[k + 1], row[k])
            if fits(p, ops[k], places):
                found, cost = above[k]
                score = max(score, (found + 1, cost - len(ops[k].inside) - len(ops[k].via)))
            row.append(score)
        best.append(row)
    pairs: dict[int, int] = {}
    i, k = len(viewed), n
    while i and k:
        if best[i][k] == best[i][k - 1]:
            k -= 1
        elif best[i][k] == best[i - 1][k]:
            i -= 1
        else:
            i, k = i - 1, k - 1
            pairs[i] = k
    return pairs


def _unexpected(ops: Sequence[Op], found: Mapping[int, int]) -> list[Op]:
    """Fences and grace periods that the code always executes with what was found, and the test does not have."""
    matched = [ops[k] for k in found.values()]
    paired = set(found.values())
    return [
        op for k, op in enumerate(ops)
        if op.verb in ORDERING and not (op.verb == FENCE and op.strength == "barrier") and k not in paired
        and any(other.branches[: len(op.branches)] == op.branches for other in matched)
    ]  # fmt: skip
