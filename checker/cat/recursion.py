"""`let rec` over bounds: rounds from the empty relation, each name at once in place, until a round adds nothing (herd's way).

Where all names stand under operators that only grow, this is the least fixpoint. Where one stands on the right of a
difference, the rounds themselves are the definition: iteration ends at the first round whose values are all included in the
round before, and those values count (herd: lib/interpreter.ml). Bounds can follow that only while they are exact; else the
rounds are written out as terms, and the encoder lets each execution stop where it does.

    let rec r = po \\ r        round 1: po; round 2: nothing, which is included in po: r is empty
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from itertools import count
from typing import TYPE_CHECKING

from msgspec import Struct

from checker.cat.term import Term
from checker.core.rel import union
from checker.core.source import Unsupported

if TYPE_CHECKING:
    from checker.cat.evaluate import Bound, Bounds

MAX_ROUNDS = 200
LEAST_ROUNDS = 8


class Rounds(Struct, frozen=True):
    """A `let rec` that is not monotone, written out: `states[k]` holds the terms of its names after k rounds."""

    group: Term
    states: tuple[tuple[Term, ...], ...]


def names_of(term: Term) -> tuple[int, list[str]]:
    """Which component of its group a fix is, and the variables of the group."""
    mine, _, group = term.name.partition("@")
    variables = group.split("+")
    return variables.index(mine), variables


def shown(term: Term) -> str:
    """The name of a recursive definition as the cat file has it."""
    return term.name.partition("#")[0]


def iterated(bounds: Bounds, term: Term, updates: list[tuple[int, Bound]] | None = None) -> list[Bound] | None:
    """The bounds of the group's names when the rounds are over; None where they are not monotone and not exact throughout.

    `updates` is given each value a name takes on the way. Raises Unsupported when the rounds have no end.
    """
    _, variables = names_of(term)
    state: list[Bound] = [(0, 0) if b.kind == "set" else (bounds.empty, bounds.empty) for b in term.bodies]
    opened = {t.index: t for b in term.bodies for t in _open_terms(b, frozenset(variables))}
    slots = [(t.index, variables.index(t.name)) for t in opened.values() if t.op == "var"]
    values = bounds.values
    over = exact = False
    for number in count():
        over = exact = True
        for i, body in enumerate(term.bodies):
            for index in opened:
                values.pop(index, None)
            for index, slot in slots:
                values[index] = state[slot]
            new = bounds.of(body)
            over = over and _within(new, state[i])
            exact = exact and new[0] is new[1]
            state[i] = new
            if updates is not None:
                updates.append((i, new))
        if over or not (exact or term.monotone) or (number == MAX_ROUNDS and not term.monotone):
            break
    for index in opened:
        values.pop(index, None)
    if not (exact or term.monotone):
        return None
    if not over:
        raise endless(term, MAX_ROUNDS)
    return state


class History(Struct, frozen=True):
    """The rounds of a `let rec` that is monotone, as evaluated: `names` are its components by variable, `bodies` their right
    sides, `updates` each value that the one with that number took."""

    names: dict[str, Term]
    bodies: tuple[Term, ...]
    opened: tuple[Term, ...]
    updates: list[tuple[int, Bound]]

    def entered(self, component: int, place: int, n: int) -> int:
        """The number of the update with which `component` got its member at `place` (an event, or a pair as a * n + b)."""
        for number, (i, new) in enumerate(self.updates):
            if i == component and (new[1] >> place if isinstance(new[1], int) else new[1][place // n] >> place % n) & 1:
                return number
        raise AssertionError("a recursive definition has a member that came in with no round")

    @contextmanager
    def before(self, bounds: Bounds, number: int) -> Iterator[None]:
        """Have `bounds` evaluate the right sides as before that update."""
        state: list[Bound] = [(0, 0) if t.kind == "set" else (bounds.empty, bounds.empty) for t in self.names.values()]
        for i, new in self.updates[:number]:
            state[i] = new
        known = dict(zip(self.names, state, strict=True))
        outer = {t.index: bounds.values.pop(t.index) for t in self.opened if t.index in bounds.values}
        bounds.values.update({t.index: known[t.name] for t in self.opened if t.op == "var"})
        yield
        for t in self.opened:
            bounds.values.pop(t.index, None)
        bounds.values.update(outer)


def recorded(bounds: Bounds, term: Term) -> History:
    """The rounds of the group of `term`, which is monotone."""
    _, variables = names_of(term)
    group = term.name.partition("@")[2]
    names = {v: bounds.terms.make("fix", b.kind, (), f"{v}@{group}") for v, b in zip(variables, term.bodies, strict=True)}
    updates: list[tuple[int, Bound]] = []
    iterated(bounds, term, updates)
    opened = {t.index: t for b in term.bodies for t in _open_terms(b, frozenset(variables))}
    return History(names, term.bodies, tuple(opened.values()), updates)


def endless(term: Term, rounds: int) -> Unsupported:
    """The refusal of a definition that goes on for ever (herd7 does, too)."""
    return Unsupported(
        f"the recursive definition of '{shown(term)}' does not settle: after {rounds} rounds it still changes", term.span,
        hint="a name on the right of a difference, or under '~', may make it grow and shrink for ever",
    )  # fmt: skip


def written_out(bounds: Bounds, term: Term) -> Rounds:
    """The right sides after 0, 1, 2, … rounds: as many as there are fences and locks, for which such definitions are made."""
    _, variables = names_of(term)
    terms = bounds.terms
    empty = {"set": terms.empty_set, "rel": terms.empty_rel}
    state = {v: empty[b.kind] for v, b in zip(variables, term.bodies, strict=True)}
    states = [tuple(state.values())]
    busy = sum(1 for e in bounds.graph.events if e.kind == "F")
    for _ in range(min(max(LEAST_ROUNDS, busy + 1), MAX_ROUNDS)):
        for v, body in zip(variables, term.bodies, strict=True):
            state[v] = terms.substitute(body, state)
        states.append(tuple(state.values()))
        if states[-1] == states[-2]:
            break
    for part in states[-1]:
        _must_be_plain(bounds, part, term)
    return Rounds(term, tuple(states))


def _must_be_plain(bounds: Bounds, whole: Term, term: Term) -> None:
    """Refuse rounds in which a closure stays open: a literal of such a term is good in one direction only."""
    seen: set[int] = set()
    todo = [whole]
    while todo:
        part = todo.pop()
        if part.index in seen or not part.loops:
            continue
        seen.add(part.index)
        if part.op in ("plus", "fix"):
            must, may = bounds.of(part)
            if must is not may:
                raise Unsupported(
                    f"the recursive definition of '{shown(term)}' is not monotone and closes over what the execution decides",
                    term.span, hint="without '+', '*' and further recursion inside, or without '\\' and '~', it is supported",
                )  # fmt: skip
        else:
            todo.extend(part.args)


def rounds_bound(bounds: Bounds, rounds: Rounds, component: int) -> Bound:
    """What a name may hold, however many rounds an execution takes."""
    found = [bounds.of(state[component])[1] for state in rounds.states[1:]]
    if rounds.group.bodies[component].kind == "set":
        return 0, reduce(int.__or__, found)
    return bounds.pair(bounds.empty, reduce(union, found))


def _within(new: Bound, old: Bound) -> bool:
    if isinstance(new[1], int):
        return not (new[1] & ~old[1]) and not (new[0] & ~old[0])
    return not any(map(int.__and__, new[1], map(int.__invert__, old[1]))) and not any(
        map(int.__and__, new[0], map(int.__invert__, old[0]))
    )


def _open_terms(term: Term, names: frozenset[str]) -> list[Term]:
    """The subterms of `term` in which a variable of `names` is free."""
    found: dict[int, Term] = {}
    todo = [term]
    while todo:
        t = todo.pop()
        if t.index not in found and t.free & names:
            found[t.index] = t
            todo.extend(t.args)
            todo.extend(t.bodies)
    return list(found.values())
