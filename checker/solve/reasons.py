"""Why a candidate breaks an axiom: literals that are true in it and with which every execution breaks the axiom.

The candidate is evaluated exactly; then the pair at fault is taken apart, from the axiom down: a union by the part that has
the pair, a composition by a way through it, a closure by a shortest path, a recursive definition by the round in which the
pair came in. Terms without closures are one literal. (The reasons of CAAT: Haas, Meyer, Ponce de León, OOPSLA 2022.)
"""

from __future__ import annotations

from checker.cat.derive import parts
from checker.cat.evaluate import Bounds
from checker.cat.recursion import History, names_of, recorded
from checker.cat.term import Axiom, Term
from checker.core.circuit import Lit
from checker.core.rel import Rows, bits, components, inverse, path
from checker.solve.encode import Encoder

FEW, MOST = 20, 400  # violations of one axiom that are told at once, with closures and without


class Reasons:
    """Reasons in one candidate, whose bounds are `exact`. `todo` holds the members of recursive definitions still to explain,
    by the update with which they came in (see cat/recursion.py)."""

    def __init__(self, encoder: Encoder, exact: Bounds) -> None:
        self.encoder, self.exact = encoder, exact
        self.todo: dict[tuple[str, int], list[tuple[Term, int]]] = {}
        self.histories: dict[str, History] = {}

    def broken(self, axiom: Axiom) -> list[list[Lit]]:
        """Reasons for which a check fails; empty when it does not."""
        term, value = axiom.term, self.exact.of(axiom.term)[1]
        if axiom.kind == "acyclic":
            return [self.cycle(term, nodes) for nodes in cycles(value)[: FEW if term.loops else MOST]]
        n = self.encoder.n
        if axiom.kind == "irreflexive":
            places = [a * n + a for a, row in enumerate(value) if row >> a & 1]
        elif term.kind == "set":
            places = list(bits(value))
        else:
            places = [a * n + b for a, row in enumerate(value) for b in bits(row)]
        return [self.all_of([(term, place)]) for place in places[: FEW if term.loops else MOST]]

    def cycle(self, term: Term, nodes: list[int]) -> list[Lit]:
        return self.all_of([(term, a * self.encoder.n + b) for a, b in zip(nodes, [*nodes[1:], nodes[0]], strict=True)])

    def all_of(self, members: list[tuple[Term, int]]) -> list[Lit]:
        """Why all of `members` are what they are: sets at an event, relations at a pair a * n + b."""
        found: dict[Lit, None] = {}
        for term, place in members:
            found.update(dict.fromkeys(self.why(term, place)))
        seen: set[tuple[int, int]] = set()
        while self.todo:
            found.update(dict.fromkeys(self.entered(seen)))
        return list(found)

    def entered(self, seen: set[tuple[int, int]]) -> list[Lit]:
        """Why recursive definitions have the members in `todo`, of those that came in last, by what they had before."""
        last = max(self.todo)
        (group, number), members = last, self.todo.pop(last)
        history, found = self.histories[group], []
        with history.before(self.exact, number):
            for term, place in members:
                if (term.index, place) not in seen:
                    seen.add((term.index, place))
                    found.extend(self.why(history.bodies[names_of(term)[0]], place, history))
        return found

    def later(self, term: Term, place: int) -> list[Lit]:
        """A member of a recursive definition is explained when those that came in after it are."""
        component, variables = names_of(term)
        group = "+".join(variables)
        history = self.histories.get(group)
        if history is None:
            history = self.histories[group] = recorded(self.exact, term)
        number = history.entered(component, place, self.encoder.n)
        self.todo.setdefault((group, number), []).append((term, place))
        return []

    def why(self, term: Term, place: int, history: History | None = None) -> list[Lit]:
        """Literals for a member; what recursive definitions contribute is left in `todo`."""
        encoder = self.encoder
        if not term.loops:
            return [encoder.at(term, place, up=True)]
        n = encoder.n
        a, b = (place, place) if term.kind == "set" else divmod(place, n)
        if not term.free and (lits := encoder.sure(term, a, b)) is not None:
            return lits
        match term.op:
            case "var":
                assert history is not None
                return self.later(history.names[term.name], place)
            case "fix" if term.monotone:
                return self.later(term, place)
        found = [] if term.op == "values" else parts(self.exact, term, a, b)
        if not found:
            return [encoder.at(term, place, up=True)]
        lits = [-encoder.at(term.args[1], place, up=False)] if term.op == "diff" else []
        return lits + [lit for t, x, y in found for lit in self.why(t, x if t.kind == "set" else x * n + y, history)]


def cycles(rows: Rows) -> list[list[int]]:
    """Short cycles of a relation, through each event that is on one; none when there is no cycle."""
    found: dict[frozenset[int], list[int]] = {}
    for component in components(rows):
        inner = [row & component if component >> a & 1 else 0 for a, row in enumerate(rows)]
        for a in bits(component):
            way = path(tuple(inner), a, a)[:-1]
            found.setdefault(frozenset(way), way)
    return sorted(found.values(), key=len)


def disorder(rows: Rows) -> list[tuple[int, int, int]]:
    """Cycles of three events in relations that are total on some sets, and empty between them."""
    found: list[tuple[int, int, int]] = []
    back = inverse(rows)
    for component in components(rows):
        for a in bits(component):
            for b in bits(rows[a] & component):
                between = rows[b] & back[a]
                if between:
                    c = next(bits(between))
                    if a < b and a < c:
                        found.append((a, b, c))
    return found[: 4 * MOST]
