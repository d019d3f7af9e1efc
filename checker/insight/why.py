"""Why a pair is in a relation, or an event in a set: the derivation, down to what the execution decides.

`Why` nodes follow the operators of the model's terms. What holds in all executions in which the two events take part is not
descended into, unless the derivation is to be told (`whole`). Where there are several ways, one that decides less is taken; a
closure is walked along a shortest path.

Refutations go the other way round: why a pair is not in a relation, whatever else the execution may do.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from itertools import pairwise

from msgspec import Struct

from checker.cat.evaluate import Bounds
from checker.cat.recursion import names_of
from checker.cat.term import Term
from checker.core.rel import Rows, bits
from checker.core.source import Unsupported
from checker.insight.facts import Fact
from checker.solve.execution import Execution


class Why(Struct, frozen=True):
    """That (a, b) is in `term` (a set at (a, a)), because of `parts`; `facts` are its own, besides those of the parts."""

    term: Term
    a: int
    b: int
    parts: tuple[Why, ...] = ()
    facts: tuple[Fact, ...] = ()

    def all_facts(self) -> set[Fact]:
        """What of the execution it depends on."""
        found: set[Fact] = set()
        todo = [self]
        while todo:
            why = todo.pop()
            found.update(why.facts)
            todo.extend(why.parts)
        return found


class Derivations(Struct, frozen=True):
    """Derivations in one execution; `bounds` are those of all executions of the program. `whole`: down to the leaves."""

    found: Execution
    bounds: Bounds
    whole: bool = False
    level: tuple[Bounds, ...] = ()
    """Inside a recursive definition: the values of its names after 0, 1, … rounds, the last of them those looked at."""

    @property
    def exact(self) -> Bounds:
        return self.level[-1] if self.level else self.found.bounds

    # ------------------------------------------------------------ what holds

    def settled(self, term: Term, a: int, b: int) -> bool:
        """Whether it holds in all executions in which both events execute."""
        if term.free:
            return False
        must = self.bounds.of(term)[0]
        return bool(must >> a & 1) if term.kind == "set" else bool(must[a] >> b & 1)

    def events(self, *eids: int) -> tuple[Fact, ...]:
        return tuple([Fact("event", e, e) for e in dict.fromkeys(eids)])

    def member(self, term: Term, a: int) -> Why:
        """Why `a` is in a set."""
        return self.pair(term, a, a)

    def pair(self, term: Term, a: int, b: int) -> Why:
        """Why (a, b) is in a relation that has it in this execution."""
        if self.settled(term, a, b) and not (self.whole and term.args) and term.op not in ("fix", "var"):
            return Why(term, a, b, (), self.events(a, b))
        match term.op:
            case "leaf" | "orders" | "choice":
                return Why(term, a, b, (), (*self.events(a, b), Fact("rel", a, b, True, term)))
            case "union":
                having = [t for t in term.args if self.has(t, a, b)]
                best = min(having, key=lambda t: not self.settled(t, a, b))
                return Why(term, a, b, (self.pair(best, a, b),))
            case "inter":
                return Why(term, a, b, (self.pair(term.args[0], a, b), self.pair(term.args[1], a, b)))
            case "diff":
                return Why(term, a, b, (self.pair(term.args[0], a, b),), tuple(self.refuted(term.args[1], a, b)))
            case "inverse":
                return Why(term, a, b, (self.pair(term.args[0], b, a),))
            case "id":
                return Why(term, a, b, (self.member(term.args[0], a),))
            case "product":
                return Why(term, a, b, (self.member(term.args[0], a), self.member(term.args[1], b)))
            case "domain":
                row = self.rows(term.args[0])[a]
                end = min(bits(row), key=lambda m: not self.settled(term.args[0], a, m))
                return Why(term, a, a, (self.pair(term.args[0], a, end),))
            case "range":
                having_a = [m for m, row in enumerate(self.rows(term.args[0])) if row >> a & 1]
                start = min(having_a, key=lambda m: not self.settled(term.args[0], m, a))
                return Why(term, a, a, (self.pair(term.args[0], start, a),))
            case "seq":
                m = self.middle(term, a, b)
                return Why(term, a, b, (self.pair(term.args[0], a, m), self.pair(term.args[1], m, b)))
            case "plus":
                path = [a, *self.path(term.args[0], a, b)]
                return Why(term, a, b, tuple([self.pair(term.args[0], x, y) for x, y in pairwise(path)]))
            case "values":
                values = tuple(Fact("value", e, e, value=next(iter(self.found.graph.events[e].value or {0: 0}))) for e in (a, b))
                return Why(term, a, b, (self.pair(term.args[0], a, b),), values)
            case "fix":
                return self.recursive(term, a, b)
            case "var":
                return self.earlier(term, a, b)
        raise Unsupported(f"an explanation through '{term.op}'", term.span)

    def has(self, term: Term, a: int, b: int) -> bool:
        value = self.exact.of(term)[1]
        return bool(value >> a & 1) if term.kind == "set" else bool(value[a] >> b & 1)

    def rows(self, term: Term) -> Rows:
        found: Rows = self.exact.of(term)[1]
        return found

    def middle(self, term: Term, a: int, b: int) -> int:
        """An event between a and b, by the steps that decide least."""
        first, second = term.args
        right = self.rows(second)

        def price(m: int) -> tuple[int, bool, int]:
            return 2 - self.settled(first, a, m) - self.settled(second, m, b), m not in (a, b), abs(m - a)

        return min((m for m in bits(self.rows(first)[a]) if right[m] >> b & 1), key=price)

    def path(self, term: Term, a: int, b: int) -> list[int]:
        """The events of a shortest way from a to b, without a."""
        rows = self.rows(term)
        parent: dict[int, int] = {}
        frontier = [a]
        while b not in parent:
            following = []
            for x in frontier:
                for y in sorted(bits(rows[x]), key=lambda y, x=x: not self.settled(term, x, y)):  # type: ignore[misc]
                    if y not in parent:
                        parent[y] = x
                        following.append(y)
            frontier = following
        way = [b]
        while parent[way[-1]] != a:
            way.append(parent[way[-1]])
        return way[::-1]

    # ------------------------------------------------------------ let rec

    def recursive(self, term: Term, a: int, b: int) -> Why:
        component, variables = names_of(term)
        if not term.monotone:
            raise Unsupported(f"an explanation through '{term.name.partition('#')[0]}', which is not monotone", term.span)
        levels = self.rounds(term, variables)
        return self.at_round(term.bodies[component], a, b, levels)

    def rounds(self, term: Term, variables: list[str]) -> tuple[Bounds, ...]:
        """The exact bounds with the group's names as they are before round 0, 1, …"""
        empty = self.found.bounds.empty
        state: list[int | Rows] = [0 if body.kind == "set" else empty for body in term.bodies]
        make = self.found.bounds.terms.make
        names = [make("var", body.kind, (), v) for v, body in zip(variables, term.bodies, strict=True)]
        levels: list[Bounds] = []
        while True:
            level = copy(self.found.bounds)
            level.values = dict(self.found.bounds.values)
            for name, value in zip(names, state, strict=True):
                level.values[name.index] = (value, value)
            levels.append(level)
            following = [level.of(body)[1] for body in term.bodies]
            if following == state:
                return tuple(levels)
            state = following

    def at_round(self, body: Term, a: int, b: int, levels: tuple[Bounds, ...]) -> Why:
        """Why the pair is in a recursive definition's right side, in the first round in which it is."""
        for n in range(1, len(levels) + 1):
            inside = Derivations(self.found, self.bounds, self.whole, levels[:n])
            if inside.has(body, a, b):
                return inside.pair(body, a, b)
        raise AssertionError("a pair of a recursive definition comes in no round")

    def earlier(self, term: Term, a: int, b: int) -> Why:
        """Why a name of the recursive definition has the pair: by its right side, one round before."""
        fixes = [t for t in self.found.bounds.terms.all if t.op == "fix" and not t.free and term.name in names_of(t)[1]]
        for fix in fixes:
            _, variables = names_of(fix)
            body = fix.bodies[variables.index(term.name)]
            if len(self.level) > 1 or not body.free:
                return self.at_round(body, a, b, self.level[:-1])
        raise AssertionError(f"nothing defines '{term.name}'")

    # ------------------------------------------------------------ what does not hold

    def refuted(self, term: Term, a: int, b: int) -> Iterator[Fact]:
        """Facts by which (a, b) is not in a relation, or a not in a set."""
        most = self.bounds.of(term)[1] if not term.free else self.exact.of(term)[1]
        if not (most >> a & 1 if term.kind == "set" else most[a] >> b & 1):
            return
        gone = [e for e in (a, b) if not self.found.executed >> e & 1]
        if gone:
            yield Fact("event", gone[0], gone[0], False)
            return
        match term.op:
            case "leaf" | "orders" | "choice":
                yield from self.other(term, a, b)
            case "union":
                for t in term.args:
                    yield from self.refuted(t, a, b)
            case "inter":
                lacking = next(t for t in term.args if not self.has(t, a, b))
                yield from self.refuted(lacking, a, b)
            case "diff":
                if self.has(term.args[1], a, b):
                    yield from self.pair(term.args[1], a, b).all_facts()
                else:
                    yield from self.refuted(term.args[0], a, b)
            case "inverse":
                yield from self.refuted(term.args[0], b, a)
            case "id":
                yield from self.refuted(term.args[0], a, a)
            case "product":
                left = not self.has(term.args[0], a, a)
                yield from self.refuted(term.args[0], a, a) if left else self.refuted(term.args[1], b, b)
            case "domain":
                for m in bits(self.bounds.of(term.args[0])[1][a]):
                    yield from self.refuted(term.args[0], a, m)
            case "range":
                for m, row in enumerate(self.bounds.of(term.args[0])[1]):
                    if row >> a & 1:
                        yield from self.refuted(term.args[0], m, a)
            case "seq":
                yield from self.no_step(term, a, b)
            case "plus":
                yield from self.no_way(term.args[0], a, b)
            case "values":
                if not self.has(term.args[0], a, b):
                    yield from self.refuted(term.args[0], a, b)
                else:
                    for e in (a, b):
                        yield Fact("value", e, e, value=next(iter(self.found.graph.events[e].value or {0: 0})))
            case _:
                yield from self.everything()

    def other(self, term: Term, a: int, b: int) -> Iterator[Fact]:
        """Why a base relation lacks a pair: a read has another source, an order goes the other way."""
        rows = self.found.bounds.of(term)[1]
        if term.kind == "rel" and term.name == "rf":
            for w, row in enumerate(rows):
                if row >> b & 1:
                    yield Fact("rel", w, b, True, term)
                    return
        if term.op == "orders" and rows[b] >> a & 1:
            yield Fact("rel", b, a, True, term)
            return
        yield Fact("rel", a, b, False, term)

    def no_step(self, term: Term, a: int, b: int) -> Iterator[Fact]:
        first, second = term.args
        left, right = self.bounds.of(first)[1], self.bounds.of(second)[1]
        for m in bits(left[a]):
            if right[m] >> b & 1:
                if self.found.executed >> m & 1 and self.has(first, a, m):
                    yield from self.refuted(second, m, b)
                else:
                    yield from self.refuted(first, a, m)

    def no_way(self, term: Term, a: int, b: int) -> Iterator[Fact]:
        """No path from a to b: what leads out of where a leads is refuted."""
        rows = self.rows(term)
        inside, todo = 0, [a]
        reached = 1 << a
        while todo:
            x = todo.pop()
            inside |= rows[x]
            for y in bits(rows[x] & ~reached):
                reached |= 1 << y
                todo.append(y)
        may = self.bounds.of(term)[1]
        for x in bits(reached):
            for y in bits(may[x] & ~inside):
                if not reached >> y & 1 or y == b:
                    yield from self.refuted(term, x, y)

    def everything(self) -> Iterator[Fact]:
        """All that this execution decides."""
        graph = self.bounds.graph
        for e in graph.events:
            yield Fact("event", e.eid, e.eid, bool(self.found.executed >> e.eid & 1))
        terms = [t for t in self.bounds.terms.all if t.op in ("leaf", "orders", "choice") and t.kind == "rel"]
        for term in terms:
            must, may = self.bounds.of(term)
            if must is not may:
                for a, row in enumerate(self.found.bounds.of(term)[1]):
                    for b in bits(row):
                        if not must[a] >> b & 1:
                            yield Fact("rel", a, b, True, term)
