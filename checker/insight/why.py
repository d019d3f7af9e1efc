"""Why a pair is in a relation, or an event in a set: the derivation, down to what the execution decides.

`Why` nodes follow the operators of the model's terms. What holds in all executions in which the two events take part is not
descended into, unless the derivation is to be told (`whole`). Where there are several ways, one that decides less is taken; a
closure is walked along a shortest path.

Refutations go the other way round: why a pair is not in a relation, whatever else the execution may do.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field

from checker.cat.derive import has, parts
from checker.cat.evaluate import Bounds
from checker.cat.recursion import History, recorded, shown
from checker.cat.term import Term
from checker.core.rel import bits
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
    histories: list[History] = field(default_factory=list)
    """The rounds of the recursive definitions that were descended into."""

    @property
    def exact(self) -> Bounds:
        return self.found.bounds

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
        if self.settled(term, a, b) and not (self.whole and (term.args or term.bodies)):
            return Why(term, a, b, (), self.events(a, b))
        facts: tuple[Fact, ...] = ()
        match term.op:
            case "leaf" | "orders" | "choice":
                return Why(term, a, b, (), (*self.events(a, b), Fact("rel", a, b, True, term)))
            case "diff":
                facts = tuple(self.refuted(term.args[1], a, b))
            case "values":
                facts = self.values(a, b)
            case "fix" | "var":
                return Why(term, a, b, (self.entered(term, a, b),))
        below = parts(self.exact, term, a, b, self.settled)
        if not below:
            raise Unsupported(f"an explanation through '{term.op}'", term.span)
        return Why(term, a, b, tuple([self.pair(*member) for member in below]), facts)

    def has(self, term: Term, a: int, b: int) -> bool:
        return has(self.exact, term, a, b)

    def values(self, *eids: int) -> tuple[Fact, ...]:
        """What events read or write."""
        return tuple([Fact("value", e, e, value=next(iter(self.found.graph.events[e].value or {0: 0}))) for e in eids])

    def entered(self, term: Term, a: int, b: int) -> Why:
        """Why a recursive definition has the pair: by its right side, as it was when the pair came in."""
        history = next((h for h in self.histories if term.name in h.names or term in h.names.values()), None)
        if history is None:
            if not term.monotone:
                raise Unsupported(f"an explanation through '{shown(term)}', which is not monotone", term.span)
            history = recorded(self.exact, term)
            self.histories.append(history)
        component = next(i for i, (name, fix) in enumerate(history.names.items()) if term is fix or term.name == name)
        body = history.bodies[component]
        n = self.exact.n
        with history.before(self.exact, history.entered(component, a if body.kind == "set" else a * n + b, n)):
            return self.pair(body, a, b)

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
                    yield from self.values(a, b)
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
        rows = self.exact.of(term)[1]
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
