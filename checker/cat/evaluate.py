"""Terms to bounds: what of every set and relation is known before solving.

One walk over the terms. Leaves come from the event graph; where they are exact, so is the result, which is why the same
walk certifies a witness (all leaves exact) and bounds an encoding (rf and co unknown). A bound is a pair (must, may);
when both are one object the value is exact.

    must(r; s): through a b that executes whenever a does, or whenever c does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from checker.cat.recursion import Rounds, iterated, names_of, rounds_bound, written_out
from checker.cat.term import Term, Terms
from checker.core.circuit import FALSE, TRUE
from checker.core.deadline import look
from checker.core.rel import (
    Rows,
    bits,
    closure,
    codomain,
    compose,
    diff,
    domain,
    identity,
    inter,
    inverse,
    pairs,
    product,
    restrict,
    rows_of,
    union,
)
from checker.core.source import Unsupported
from checker.program.events import EventGraph, Leaf

Bound: TypeAlias = tuple[Any, Any]
"""(must, may): two sets (int) or two relations (Rows); the same object twice when exact."""


class Bounds:
    """The bounds of a model's terms over one event graph, computed on demand. Subclassed by nobody; see `Exact` for leaves.

    `in_order` are the coherence orders that agree with program order (see cat/term.py); `values[term.index]` is a term's bound.
    """

    def __init__(self, graph: EventGraph, terms: Terms, in_order: frozenset[int] = frozenset()) -> None:
        self.graph, self.terms, self.in_order = graph, terms, in_order
        self.rounds_of: dict[int, Rounds] = {}  # a fix that is not monotone and stays open -> its rounds written out
        self.n = n = graph.n
        self.values: dict[int, Bound] = {}
        self.everything = (1 << n) - 1
        self.empty: Rows = (0,) * n
        self.always = all(e.guard == TRUE for e in graph.events)
        self.implying = inverse(graph.implied)  # implying[b]: the events whose execution implies b's
        self.memory = graph.sets["M"]

    # ------------------------------------------------------------ leaves

    def leaf(self, term: Term) -> Bound:
        graph, name = self.graph, term.name
        if term.kind == "set":
            if name == "_":
                return self.everything, self.everything
            if name == "FW":
                return self.final_writes()
            mask = graph.sets.get(name, 0)
            return mask, mask
        must, may, _ = graph.leaves.get(name) or _none(self.empty)
        return (may, may) if must is may or must == may else (must, may)

    def final_writes(self) -> Bound:
        must = may = 0
        for lits in self.graph.final_write.values():
            for w, lit in lits.items():
                if lit != FALSE:
                    may |= 1 << w
                if lit == self.graph.events[w].guard:
                    must |= 1 << w
        return (may, may) if must == may else (must, may)

    # ------------------------------------------------------------ the walk

    def of(self, term: Term) -> Bound:
        """The bound of `term`."""
        found = self.values.get(term.index)
        if found is None:
            look(self.graph.circuit.deadline)
            found = self.values[term.index] = _RULES[term.op](self, term)
        return found

    def all_of(self, plan: Sequence[Term]) -> None:
        """Evaluate the terms of a plan, in which parts come before wholes (see `plan`)."""
        values, deadline = self.values, self.graph.circuit.deadline
        for term in plan:
            if term.index not in values:
                look(deadline)
                values[term.index] = _RULES[term.op](self, term)

    def nothing(self, term: Term) -> Bound:
        return (0, 0) if term.kind == "set" else (self.empty, self.empty)

    def diagonal(self, term: Term) -> Bound:
        must, may = self.of(term.args[0])
        if not may:
            return self.empty, self.empty
        return self.pair(identity(must, self.n), identity(may, self.n) if may is not must else None)

    def product(self, term: Term) -> Bound:
        (a, b), (c, d) = self.of(term.args[0]), self.of(term.args[1])
        if not b or not d:
            return self.empty, self.empty
        exact = a is b and c is d
        return self.pair(product(a, c, self.n), None if exact else product(b, d, self.n))

    def inverse(self, term: Term) -> Bound:
        must, may = arg = self.of(term.args[0])
        if may is self.empty:
            return arg
        return self.pair(inverse(must), None if must is may else inverse(may))

    def single(self, term: Term) -> Bound:
        place = [int(number) for number in term.name[1:].split(",")]
        if term.kind == "set":
            return 1 << place[0], 1 << place[0]
        return self.pair(rows_of(self.n, [(place[0], place[1])]), None)

    def unbound(self, term: Term) -> Bound:
        raise AssertionError(f"unbound variable '{term.name}'")

    def pair(self, must: Rows, may: Rows | None) -> Bound:
        """A bound, shared when exact; the empty relation is always the same object."""
        if may is None:
            may = must
        if not any(may):
            return self.empty, self.empty
        return (may, may) if must == may else (must, may)

    def union(self, term: Term) -> Bound:
        values = self.values
        parts = [values.get(a.index) or self.of(a) for a in term.args]
        if term.kind == "set":
            least = most = 0
            for a, b in parts:
                least |= a
                most |= b
            return (most, most) if least == most else (least, most)
        parts = [p for p in parts if p[1] is not self.empty]
        if not parts:
            return self.empty, self.empty
        must, may = parts[0]
        for a, b in parts[1:]:
            exact = must is may and a is b
            must = union(must, a)
            may = must if exact else union(may, b)
        return (may, may) if must is may else self.pair(must, may)

    def combine(self, term: Term) -> Bound:
        op = term.op
        left = self.of(term.args[0])
        if left[1] is self.empty:  # the other side need not be looked at, and often is not otherwise
            return left
        right = self.of(term.args[1])
        (a, b), (c, d) = left, right
        if term.kind == "set":
            must, may = (a & c, b & d) if op == "inter" else (a & ~d, b & ~c)
            return (may, may) if must == may else (must, may)
        if d is self.empty:
            return right if op == "inter" else left
        exact = a is b and c is d
        if op == "inter":
            return self.pair(inter(a, c), None if exact else inter(b, d))
        return self.pair(diff(a, d), None if exact else diff(b, c))

    def seq(self, term: Term) -> Bound:
        first, second = term.args
        if first.op == "id":
            (sa, sb), (ra, rb) = self.of(first.args[0]), self.of(second)
            if not sb or rb is self.empty:
                return self.empty, self.empty
            exact = sa is sb and ra is rb
            full = self.everything
            return self.pair(restrict(sa, ra, full), None if exact else restrict(sb, rb, full))
        if second.op == "id":
            (ra, rb), (sa, sb) = self.of(first), self.of(second.args[0])
            if not sb or rb is self.empty:
                return self.empty, self.empty
            exact = sa is sb and ra is rb
            full = self.everything
            return self.pair(restrict(full, ra, sa), None if exact else restrict(full, rb, sb))
        left = self.of(first)
        if left[1] is self.empty:
            return left
        return self.composed(left, self.of(second))

    def composed(self, left: Bound, right: Bound) -> Bound:
        (a, b), (c, d) = left, right
        if b is self.empty or d is self.empty:
            return self.empty, self.empty
        may = compose(b, d)
        if self.always:
            return self.pair(may if a is b and c is d else compose(a, c), may)
        return self.pair(self.compose_must(a, c), may)

    def compose_must(self, r: Rows, s: Rows) -> Rows:
        """The pairs (a, c) with (a, b) in r and (b, c) in s for some b that executes with a or with c."""
        implied, implying = self.graph.implied, self.implying
        rows = []
        for a, row in enumerate(r):
            out = 0
            for b in bits(row):
                out |= s[b] if implied[a] >> b & 1 else s[b] & implying[b]
            rows.append(out)
        return tuple(rows)

    def projection(self, term: Term) -> Bound:
        must, may = self.of(term.args[0])
        forward = term.op == "domain"
        most = domain(may) if forward else codomain(may)
        if must is may and self.always:
            return most, most
        rows = must if forward else inverse(must)
        least = 0
        for a, row in enumerate(rows):
            if row & self.graph.implied[a]:
                least |= 1 << a
        return (most, most) if least == most else (least, most)

    def plus(self, term: Term) -> Bound:
        must, may = arg = self.of(term.args[0])
        if may is self.empty:
            return arg
        if must is may and self.always:
            return self.pair(closure(must), None)
        return self.pair(self.closure_must(must), closure(may))

    def closure_must(self, r: Rows) -> Rows:
        if self.always:
            return closure(r)
        while True:
            more = union(r, self.compose_must(r, r))
            if more == r:
                return r
            r = more

    # ------------------------------------------------------------ let rec

    def fix(self, term: Term) -> Bound:
        """A component of a `let rec` (see cat/recursion.py); the others of its group are known with it."""
        component, variables = names_of(term)
        group = term.name.partition("@")[2]
        state = iterated(self, term)
        if state is None:
            rounds = written_out(self, term)
            state = [rounds_bound(self, rounds, i) for i in range(len(variables))]
            for variable, body in zip(variables, term.bodies, strict=True):
                self.rounds_of[self.terms.make("fix", body.kind, (), f"{variable}@{group}").index] = rounds
        for variable, body, bound in zip(variables, term.bodies, state, strict=True):
            self.values[self.terms.make("fix", body.kind, (), f"{variable}@{group}").index] = bound
        return state[component]

    # ------------------------------------------------------------ orders and choices

    def orders(self, term: Term) -> Bound:
        """A total order per location on the events of a set: undecided pairs are those that nothing orders yet."""
        events, within = self.of(term.args[0]), self.of(term.args[1])
        if events[0] != events[1]:
            raise Unsupported("coherence orders of a set that depends on the execution", term.span)
        at = self.graph.leaves["loc"]
        least = self.closure_must(within[0]) if within[0] is not self.empty else self.empty
        if term.index in self.in_order:
            po = restrict(events[0], inter(self.graph.leaves["po"][0], at[0]), events[0])
            more = self.closure_must(union(within[0], po)) if any(po) else least
            if not any(inter(more, inverse(more))):  # else there is no such execution, which is for the axiom to say
                least = more
        back = inverse(least)
        may = []
        must = []
        for a in range(self.n):
            bit = 1 << a
            if not events[1] & bit:
                may.append(0)
                must.append(0)
                continue
            row = at[1][a] & events[1] & ~bit
            may.append(row & ~back[a])
            must.append(row & least[a] & at[0][a] & (events[0] if events[0] & bit else 0))
        return self.pair(tuple(must), tuple(may))

    def choice(self, term: Term) -> Bound:
        """One pair of the member relation for each event (or pair) of the domain."""
        result: Rows = self.empty
        for place in self.places(term.args[0]):
            result = union(result, self.of(self.member(term, place))[1])
        return self.pair(self.empty, result)

    def places(self, domain: Term) -> list[tuple[int, ...]]:
        """What may be in a set or relation: (a,) for an event, (a, b) for a pair."""
        may = self.of(domain)[1]
        return [(a,) for a in bits(may)] if domain.kind == "set" else list(pairs(may))

    def member(self, term: Term, place: tuple[int, ...]) -> Term:
        """The member relation of a choice at an event or pair."""
        kind = "set" if len(place) == 1 else "rel"
        single = self.terms.make("single", kind, name="@" + ",".join(map(str, place)))
        return self.terms.substitute(term.args[1], {term.name: single})

    def different_values(self, term: Term) -> Bound:
        arg = self.of(term.args[0])
        if arg[1] is self.empty:
            return arg
        events = self.graph.events
        must, may = [0] * self.n, [0] * self.n
        for a, row in enumerate(arg[1]):
            for b in bits(row):
                left, right = events[a].value or {}, events[b].value or {}
                if len(left) == 1 and len(right) == 1:
                    if next(iter(left)) != next(iter(right)):
                        may[a] |= 1 << b
                        must[a] |= arg[0][a] & 1 << b
                elif left and right:
                    may[a] |= 1 << b
        return self.pair(tuple(must), tuple(may))


_RULES: dict[str, Callable[[Bounds, Term], Bound]] = {
    "leaf": Bounds.leaf,
    "empty": Bounds.nothing,
    "union": Bounds.union,
    "inter": Bounds.combine,
    "diff": Bounds.combine,
    "seq": Bounds.seq,
    "id": Bounds.diagonal,
    "product": Bounds.product,
    "inverse": Bounds.inverse,
    "domain": Bounds.projection,
    "range": Bounds.projection,
    "plus": Bounds.plus,
    "fix": Bounds.fix,
    "orders": Bounds.orders,
    "choice": Bounds.choice,
    "values": Bounds.different_values,
    "single": Bounds.single,
    "var": Bounds.unbound,
}


def plan(terms: Iterable[Term]) -> tuple[Term, ...]:
    """The closed terms that `terms` are made of, parts before wholes: what `Bounds.all_of` evaluates in one sweep."""
    order: dict[int, Term] = {}

    def visit(term: Term) -> None:
        if term.index in order or term.free:
            return
        for arg in term.args:
            visit(arg)
        order[term.index] = term

    for term in terms:
        visit(term)
    return tuple(order.values())


def _none(empty: Rows) -> Leaf:
    return empty, empty, {}
