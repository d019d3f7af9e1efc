"""Bounds to a problem: only what the bounds leave open becomes literals, and only what an axiom asks for.

`literal(term, a, b)` is the one way to get one: outside *may* it is FALSE, inside *must* "both execute", else it is built
from the term's parts. `up` says which side matters. An axiom `acyclic r` needs "in the value ⇒ literal", so any relation
closed under the rules will do and a closure costs one implication a step; a `flag ~empty r` needs the other direction, and
closures are unfolded by squaring. `\\` turns the request round (Plaisted and Greenbaum 1986).

Acyclicity is asked of the strongly connected parts only (core/acyclic.py).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from checker.cat.evaluate import Bounds
from checker.cat.recursion import Rounds, names_of
from checker.cat.term import Axiom, Model, Term
from checker.core.acyclic import forbid_counted_cycles, forbid_cycles
from checker.core.circuit import FALSE, TRUE, Circuit, Lit
from checker.core.rel import bits, components, diff, inverse, pairs
from checker.core.source import Unsupported
from checker.program.events import EventGraph

FEW_EVENTS = 16  # which are never a crowd
CROWD = 15_000  # by the measure of `weight`: beyond it axioms are left for what solutions break
CROWDED_TRIPLES = 200_000  # of one order, beyond which it is left for solutions to show where it is none
NEAR = 50  # steps of a closure that may be taken one inside the other
CROWDED = 8  # events on cycles of one relation beyond which closures inside it are not written out


class Problem(Struct, frozen=True):
    """What the solver is asked: `circuit` with the axioms asserted in it, and the questions as literals.

    `flags` has one literal per flag that can be raised; `cut` holds when a loop bound was hit, `wild` when memory was
    accessed through something that is no address. `encoder` stays for those who look at a solution. `later` are checks that
    nothing in the circuit stands for yet: a solution is to be held against them, as against the orders being orders.
    """

    graph: EventGraph
    circuit: Circuit
    flags: tuple[tuple[str, Lit], ...]
    undefined: Lit
    cut: Lit
    wild: Lit
    encoder: Encoder
    later: tuple[Axiom, ...] = ()


def encode(model: Model, graph: EventGraph, bounds: Bounds, *, refined: bool = False) -> Problem:
    """Assert the model's checks in the graph's circuit and make a literal of each flag. `refined`: of many events, leave open
    what solutions may be held against."""
    crowded = refined and graph.n > FEW_EVENTS and sum(weight(axiom, bounds) for axiom in model.axioms) > CROWD
    encoder = Encoder(graph, bounds, naming=crowded)
    flags: dict[str, list[Lit]] = {}
    undefined: list[Lit] = []
    later = []
    for axiom in model.axioms:
        match axiom.role:
            case "check" if crowded and not axiom.negated:
                later.append(axiom)
                encoder.short_cycles(axiom)
            case "check":
                encoder.check(axiom)
            case "flag":
                lit = encoder.holds(axiom)
                if lit != FALSE:
                    flags.setdefault(axiom.name, []).append(lit)
            case _:  # undefined_unless, assert: what fails makes the execution meaningless
                undefined.append(encoder.holds(replace(axiom, negated=not axiom.negated)))
    encoder.constrain_generators(transitive=not crowded)
    circuit = graph.circuit
    raised = tuple([(name, circuit.either(lits)) for name, lits in sorted(flags.items())])
    cut = circuit.either([lit for lit, _, _ in graph.cut])
    wild = circuit.either([lit for lit, _, _ in graph.wild])
    return Problem(graph, circuit, raised, circuit.either(undefined), cut, wild, encoder, tuple(later))


def weight(axiom: Axiom, bounds: Bounds) -> int:
    """About how many gates and clauses it takes to assert a check: edges by edges to a node, where events are on cycles."""
    if axiom.role != "check" or axiom.negated or axiom.kind == "empty":
        return 0
    may = bounds.of(axiom.term)[1]
    if axiom.kind == "irreflexive":
        return bounds.n**2 if axiom.term.loops and any(row >> a & 1 for a, row in enumerate(may)) else 0
    found = 0
    for component in components(may):
        edges = sum((may[a] & component).bit_count() for a in bits(component))
        found += edges**2 // component.bit_count()
    return found


class Encoder:
    """Literals of terms over one graph. `memo` is keyed by term, pair and, where closures are inside, direction."""

    def __init__(self, graph: EventGraph, bounds: Bounds, *, naming: bool = False) -> None:
        self.graph, self.bounds, self.circuit = graph, bounds, graph.circuit
        self.n = graph.n
        self.guard = [e.guard for e in graph.events]
        self.memo: dict[tuple[int, int, bool], Lit] = {}
        self.inverses: dict[int, tuple[int, ...]] = {}
        self.squares: dict[int, list[dict[tuple[int, int], Lit]]] = {}
        self.order_lits: dict[tuple[int, int, int], Lit] = {}
        self.choices: dict[int, dict[tuple[int, int], Lit]] = {}
        self.ends: dict[str, tuple[list[tuple[Lit, tuple[Term, ...]]], Lit]] = {}
        self.waiting: list[tuple[Lit, Callable[[], list[Lit]]]] = []  # names whose rules are still to be made
        self.walked: set[tuple[int, int, bool]] = set()  # closures that are being walked, and from where
        self.naming = naming  # whether compositions are names that each way implies, where that will do
        self.endless: list[tuple[Lit, Rounds]] = []  # when a recursive definition is not done after all its rounds

    # ------------------------------------------------------------ axioms

    def check(self, axiom: Axiom) -> None:
        """Assert an axiom."""
        term, circuit = axiom.term, self.circuit
        if axiom.negated:
            circuit.require([self.holds(axiom)])
            return
        may = self.bounds.of(term)[1]
        match axiom.kind:
            case "acyclic":
                self.acyclic(term)
            case "irreflexive":
                for a in range(self.n):
                    if may[a] >> a & 1:
                        circuit.require([-self.literal(term, a, a, up=True)])
            case _:
                for lit in self.members(term, up=True):
                    circuit.require([-lit])

    def holds(self, axiom: Axiom) -> Lit:
        """The literal for "this check succeeds": true only if it does."""
        term, kind, negated = axiom.term, axiom.kind, axiom.negated
        up = not negated
        if kind == "acyclic":
            term = self.bounds.terms.plus(term)
        if kind in ("acyclic", "irreflexive"):
            may = self.bounds.of(term)[1]
            found = [self.literal(term, a, a, up=up) for a in range(self.n) if may[a] >> a & 1]
        else:
            found = self.members(term, up=up)
        some = self.circuit.either(found)
        return some if negated else -some

    def members(self, term: Term, *, up: bool) -> list[Lit]:
        """The literals of all members of a set or relation, in order."""
        may = self.bounds.of(term)[1]
        if term.kind == "set":
            return [self.member(term, a, up=up) for a in bits(may)]
        return [self.literal(term, a, b, up=up) for a, row in enumerate(may) for b in bits(row)]

    def acyclic(self, term: Term) -> None:
        """Assert that a relation has no cycle; only its strongly connected parts can have one."""
        may = self.bounds.of(term)[1]
        for component in components(may):
            if component.bit_count() > CROWDED and self.acyclic_by_phases(term):
                return
            edges: dict[int, dict[int, Lit]] = {}
            for a in bits(component):
                row = {b: self.literal(term, a, b, up=True) for b in bits(may[a] & component)}
                edges[a] = {b: lit for b, lit in row.items() if lit != FALSE}
            forbid_cycles(self.circuit, edges)

    def short_cycles(self, axiom: Axiom) -> None:
        """Forbid some cycles of two and three events: back along a pair that is sure, in one step or through what it reads."""
        term = axiom.term
        if axiom.kind != "acyclic" or term.loops:
            return
        must, may = self.bounds.of(term)
        sources = inverse(self.graph.leaves["rf"][1])
        for component in components(may):
            sure = tuple([row & component if component >> a & 1 else 0 for a, row in enumerate(must)])
            for x, y in pairs(diff(sure, self.bounds.compose_must(sure, sure))):
                if may[y] >> x & 1:
                    self.circuit.require([-self.literal(term, y, x, up=True)])
                for z in bits(sources[x] & may[y] & ~must[y]):
                    if may[z] >> x & 1:
                        self.circuit.require([-self.literal(term, z, x, up=True), -self.literal(term, y, z, up=True)])

    def acyclic_by_phases(self, term: Term) -> bool:
        """The same for a chain t0; r1*; t1; … rk*; tk on many events, without writing the closures out.

        An event in phase i stands behind r1*…ri*; a cycle of the chain is a cycle through the phases that comes back to
        phase 0. Cycles inside one ri* are not forbidden. False when the relation is no such chain.
        """
        links, loops = self.phases(term)
        if not loops:
            return False
        n, count = self.n, len(loops) + 1
        rows = [0] * (n * count)
        parts = [(links[i], i, (i + 1) % count) for i in range(count)] + [(loops[i - 1], i, i) for i in range(1, count)]
        for part, source, target in parts:
            for a, row in enumerate(self.bounds.of(part)[1]):
                rows[source * n + a] |= row << (target * n)
        for component in components(tuple(rows)):
            edges: dict[int, dict[int, tuple[Lit, Lit]]] = {v: {} for v in bits(component)}
            for part, source, target in parts:
                for a, b in pairs(self.bounds.of(part)[1]):
                    u, v = source * n + a, target * n + b
                    if component >> u & 1 and component >> v & 1:
                        lit = self.literal(part, a, b, up=True)
                        counted, free = edges[u].get(v, (FALSE, FALSE))
                        if target == 0:
                            counted = self.circuit.either2(counted, lit)
                        else:
                            free = self.circuit.either2(free, lit)
                        if counted != FALSE or free != FALSE:
                            edges[u][v] = (counted, free)
            forbid_counted_cycles(self.circuit, edges)
        return True

    def phases(self, term: Term) -> tuple[list[Term], list[Term]]:
        """A chain of compositions cut at its closures: t0 … tk and r1 … rk of t0; r1*; t1; … rk*; tk."""
        terms = self.bounds.terms
        links, loops, last = [], [], terms.identity
        todo = [term]
        while todo:
            part = todo.pop()
            if part.op == "seq":
                todo.extend((part.args[1], part.args[0]))
            elif part.op == "union" and len(part.args) == 2 and part.args[0] is terms.identity and part.args[1].op == "plus":
                links.append(last)
                loops.append(part.args[1].args[0])
                last = terms.identity
            else:
                last = terms.seq(last, part)
        return [*links, last], loops

    # ------------------------------------------------------------ sets

    def member(self, term: Term, a: int, *, up: bool) -> Lit:
        """The literal for "event a executes and is in this set"."""
        must, may = self.bounds.of(term)
        if not may >> a & 1:
            return FALSE
        if must >> a & 1:
            return self.guard[a]
        key = (term.index, a, up and (term.loops or self.naming))
        lit = self.memo.get(key)
        if lit is None:
            lit = self.memo[key] = self.make_member(term, a, up)
        return lit

    def make_member(self, term: Term, a: int, up: bool) -> Lit:
        circuit = self.circuit
        match term.op:
            case "leaf":
                assert term.name == "FW", term.name
                return circuit.either([lits[a] for lits in self.graph.final_write.values() if a in lits])
            case "union":
                return circuit.either([self.member(t, a, up=up) for t in term.args])
            case "inter":
                return circuit.both2(self.member(term.args[0], a, up=up), self.member(term.args[1], a, up=up))
            case "diff":
                return circuit.both2(self.member(term.args[0], a, up=up), -self.member(term.args[1], a, up=not up))
            case "domain":
                row = self.bounds.of(term.args[0])[1][a]
                return circuit.either([self.literal(term.args[0], a, b, up=up) for b in bits(row)])
            case "range":
                column = self.back(term.args[0])[a]
                return circuit.either([self.literal(term.args[0], b, a, up=up) for b in bits(column)])
            case "fix":
                return self.component(term, up, (term.index, a, up and term.loops))
        raise Unsupported(f"a set made by '{term.op}' inside a 'let rec' that the bounds leave open", term.span)

    def sure(self, term: Term, a: int, b: int) -> list[Lit] | None:
        """The literals of "a and b execute" where no more is needed for the pair, or event a = b, to be in `term`."""
        must, _ = self.bounds.of(term)
        inside = must >> a if term.kind == "set" else must[a] >> b
        return [self.guard[a], self.guard[b]] if inside & 1 else None

    def back(self, term: Term) -> tuple[int, ...]:
        """The inverse of a relation's may."""
        found = self.inverses.get(term.index)
        if found is None:
            found = self.inverses[term.index] = inverse(self.bounds.of(term)[1])
        return found

    # ------------------------------------------------------------ relations

    def literal(self, term: Term, a: int, b: int, *, up: bool) -> Lit:
        """The literal for "a and b execute and (a, b) is in this relation"; see the module's text for `up`."""
        must, may = self.bounds.values.get(term.index) or self.bounds.of(term)
        if not may[a] >> b & 1:
            return FALSE
        if must[a] >> b & 1:
            return self.circuit.both2(self.guard[a], self.guard[b])
        key = (term.index, a * self.n + b, up and (term.loops or self.naming))
        lit = self.memo.get(key)
        if lit is None:
            lit = self.make(term, a, b, up, key)
            self.memo[key] = lit
        return lit

    def make(self, term: Term, a: int, b: int, up: bool, key: tuple[int, int, bool]) -> Lit:
        circuit = self.circuit
        match term.op:
            case "leaf":
                return self.graph.leaves[term.name][2].get((a, b), FALSE)
            case "union":
                return circuit.either([self.literal(t, a, b, up=up) for t in term.args])
            case "inter":
                left = self.literal(term.args[0], a, b, up=up)
                return FALSE if left == FALSE else circuit.both2(left, self.literal(term.args[1], a, b, up=up))
            case "diff":
                left = self.literal(term.args[0], a, b, up=up)
                return FALSE if left == FALSE else circuit.both2(left, -self.literal(term.args[1], a, b, up=not up))
            case "seq":
                return self.sequence(term, a, b, up)
            case "inverse":
                return self.literal(term.args[0], b, a, up=up)
            case "id":
                return self.member(term.args[0], a, up=up)
            case "product":
                left = self.member(term.args[0], a, up=up)
                return FALSE if left == FALSE else circuit.both2(left, self.member(term.args[1], b, up=up))
            case "plus":
                return self.closure(term, a, b, up, key)
            case "fix":
                return self.component(term, up, key)
            case "orders":
                return self.order(term, a, b)
            case "choice":
                return self.chosen(term, a, b)
            case "values":
                return circuit.both2(self.literal(term.args[0], a, b, up=up), self.differ(a, b))
        raise AssertionError(f"unbound {term.op} '{term.name}'")

    def sequence(self, term: Term, a: int, b: int, up: bool) -> Lit:
        first, second = term.args
        circuit = self.circuit
        if first.op == "id":
            left = self.member(first.args[0], a, up=up)
            return FALSE if left == FALSE else circuit.both2(left, self.literal(second, a, b, up=up))
        if second.op == "id":
            right = self.member(second.args[0], b, up=up)
            return FALSE if right == FALSE else circuit.both2(right, self.literal(first, a, b, up=up))
        if up and self.naming:
            return self.named_sequence(term, a, b)
        steps = []
        for m in bits(self.bounds.of(first)[1][a] & self.back(second)[b]):
            left = self.literal(first, a, m, up=up)
            if left != FALSE:
                step = circuit.both2(left, self.literal(second, m, b, up=up))
                if step == TRUE:
                    return TRUE
                steps.append(step)
        return circuit.either(steps)

    def named_sequence(self, term: Term, a: int, b: int) -> Lit:
        """The same as a name that each way implies: half the clauses."""
        first, second = term.args
        named = self.circuit.name()
        for m in bits(self.bounds.of(first)[1][a] & self.back(second)[b]):
            self.circuit.require((-self.literal(first, a, m, up=True), -self.literal(second, m, b, up=True), named))
        return named

    # ------------------------------------------------------------ closures

    def closure(self, term: Term, a: int, b: int, up: bool, key: tuple[int, int, bool]) -> Lit:
        """r+ at (a, b): through the last step, r+(a, m) and r(m, b). On a cycle of may this needs a name, or squaring."""
        reach = self.bounds.of(term)[1]
        looping = bool(reach[b] >> b & 1)
        if looping and not up:
            return self.squared(term, a, b)
        if not looping:
            self.lead_up(term, a, b, up)
            return self.circuit.either(self.steps(term, a, b, up))
        named = self.memo[key] = self.circuit.derive()
        self.later(named, lambda: self.steps(term, a, b, up))
        return named

    def steps(self, term: Term, a: int, b: int, up: bool) -> list[Lit]:
        """The ways to r+ at (a, b): at once, or by a last step."""
        base = term.args[0]
        reach = self.bounds.of(term)[1]
        steps = []
        must = self.bounds.of(base)[1]
        if must[a] >> b & 1:
            steps.append(self.literal(base, a, b, up=up))
        for m in bits(reach[a] & self.back(base)[b]):
            if m == b:
                continue
            last = self.literal(base, m, b, up=up)
            if last != FALSE:
                steps.append(self.circuit.both2(self.literal(term, a, m, up=up), last))
        return steps

    def lead_up(self, term: Term, a: int, b: int, up: bool) -> None:
        """Have the literals of r+ from `a` to all that is far before `b`, nearest first, so that none has to go far itself."""
        reach = self.bounds.of(term)[1]
        between = reach[a] & self.back(term)[b]
        if between.bit_count() > NEAR and (term.index, a, up) not in self.walked:
            self.walked.add((term.index, a, up))
            for m in sorted(bits(between), key=lambda m: -reach[m].bit_count()):
                self.literal(term, a, m, up=up)
            self.walked.discard((term.index, a, up))

    def later(self, named: Lit, ways: Callable[[], list[Lit]]) -> None:
        """Have each of `ways` imply a name: when those that are asked for on the way have been named, one after the other."""
        self.waiting.append((named, ways))
        if len(self.waiting) == 1:
            for head, bodies in self.waiting:
                for body in bodies():
                    self.circuit.imply(body, head)
            self.waiting.clear()

    def squared(self, term: Term, a: int, b: int) -> Lit:
        """r+ at (a, b) exactly: paths of at most 1, 2, 4, … steps."""
        return self.squares_of(term)[-1].get((a, b), FALSE)

    def squares_of(self, term: Term) -> list[dict[tuple[int, int], Lit]]:
        found = self.squares.get(term.index)
        if found is None:
            base, circuit = term.args[0], self.circuit
            may = self.bounds.of(base)[1]
            current = {(a, b): self.literal(base, a, b, up=False) for a, row in enumerate(may) for b in bits(row)}
            found = [current]
            longest = max((c.bit_count() for c in components(may)), default=0) + self.n.bit_length()
            steps = 1
            while steps < min(self.n, 2 * longest + self.n):
                rows: dict[int, list[tuple[int, Lit]]] = {}
                for (m, b), lit in current.items():
                    rows.setdefault(m, []).append((b, lit))
                gathered: dict[tuple[int, int], list[Lit]] = {k: [v] for k, v in current.items()}
                for (a, m), left in current.items():
                    for b, right in rows.get(m, ()):
                        both = circuit.both2(left, right)
                        if both != FALSE:
                            gathered.setdefault((a, b), []).append(both)
                following = {k: circuit.either(v) for k, v in gathered.items()}
                steps *= 2
                if following == current:
                    break
                current = following
                found.append(current)
            self.squares[term.index] = found
        return found

    def component(self, term: Term, up: bool, key: tuple[int, int, bool]) -> Lit:
        """A component of `let rec`, at the pair or event of `key`: a name that its right side implies."""
        _, at, _ = key
        rounds = self.bounds.rounds_of.get(term.index)
        if rounds is not None:
            component, _ = names_of(term)
            endings, endless = self.endings(rounds)
            found = [self.circuit.both2(here, self.at(state[component], at, up)) for here, state in endings]
            return self.circuit.either([*found, endless])
        if not up or not term.monotone:
            raise Unsupported(
                f"'{term.name.partition('#')[0]}' is recursive and is needed exactly", term.span,
                hint="a recursive definition may not stand on the right of a difference, or in a flag",
            )  # fmt: skip
        named = self.memo[key] = self.circuit.derive()
        self.later(named, lambda: [self.at(term.unfolded, at, True)])
        return named

    def endings(self, rounds: Rounds) -> tuple[list[tuple[Lit, tuple[Term, ...]]], Lit]:
        """The rounds in which iteration may end, with the literal for "it ends here" and the terms of the names then.

        It ends with the first round whose values are all included in those of the round before. The last literal is what a
        name holds where there is no end: everything or nothing, as the checks like it, so that they do not hide it.
        """
        found = self.ends.get(rounds.group.name)
        if found is None:
            circuit, ends_in, going = self.circuit, [], TRUE
            for before, after in pairwise(rounds.states):
                more = [self.circuit.either(self.members(self.bounds.terms.diff(b, a), up=False)) for a, b in zip(before, after)]
                ends = circuit.both2(going, -circuit.either(more))
                if ends != FALSE:
                    ends_in.append((ends, after))
                going = circuit.both2(going, circuit.either(more))
            found = self.ends[rounds.group.name] = ends_in, FALSE if going == FALSE else circuit.both2(going, circuit.name())
            if going != FALSE:
                self.endless.append((going, rounds))
        return found

    def at(self, term: Term, place: int, up: bool) -> Lit:
        """The literal of a set at an event, or of a relation at a pair a * n + b."""
        if term.kind == "set":
            return self.member(term, place, up=up)
        return self.literal(term, place // self.n, place % self.n, up=up)

    # ------------------------------------------------------------ coherence orders and choices

    def constrain_generators(self, *, transitive: bool) -> None:
        """Assert what makes orders orders (but for `transitive`) and choices choices, whether or not an axiom looks at them."""
        for term in self.bounds.terms.generators:
            if term.op == "orders":
                self.constrain_orders(term, transitive)
            elif term.index not in self.choices:
                self.choices[term.index] = {}
                self.make_choices(term, self.choices[term.index])

    def order(self, term: Term, a: int, b: int) -> Lit:
        """A total order per location: one free literal per unordered pair."""
        return self.ordered(term, a, b)

    def ordered(self, term: Term, a: int, b: int) -> Lit:
        """a before b, both executed and at one location."""
        low, high = min(a, b), max(a, b)
        lit = self.order_lits.get((term.index, low, high))
        if lit is None:
            lit = self.order_lits[term.index, low, high] = self.circuit.name()
        return self.circuit.both((-lit if a < b else lit, self.guard[a], self.guard[b], self.same_location(a, b)))

    def same_location(self, a: int, b: int) -> Lit:
        must, may, lits = self.graph.leaves["loc"]
        if must[a] >> b & 1:
            return TRUE
        return lits.get((a, b), FALSE) if may[a] >> b & 1 else FALSE

    def constrain_orders(self, term: Term, transitive: bool) -> None:
        circuit = self.circuit
        events_term, within = term.args
        must, may = self.bounds.of(term)
        events = self.bounds.of(events_term)[1]
        at = self.graph.leaves["loc"][1]
        for a, row in enumerate(self.bounds.of(within)[1]):
            if events >> a & 1:
                for b in bits(row & events & at[a] & ~must[a]):
                    circuit.imply(self.literal(within, a, b, up=True), self.literal(term, a, b, up=True))
        back = inverse(may)
        linked = [row | column for row, column in zip(may, back)]
        known = [row | column for row, column in zip(must, inverse(must))]
        for a, b in pairs(diff(must, self.bounds.compose_must(must, must))):  # next to each other; more follows from these
            for c in bits(linked[a] & linked[b] & ~(known[a] & known[b])):
                self.transitive(term, b, c, a)
        free = [row & ~settled for row, settled in zip(linked, known)]
        triples = sum((row & free[b]).bit_count() for row in free for b in bits(row)) // 6
        if not transitive and triples > CROWDED_TRIPLES:
            return
        for a, near in enumerate(free):
            for b in bits(near >> (a + 1) << (a + 1)):
                for c in bits((near & free[b]) >> (b + 1) << (b + 1)):
                    self.transitive(term, a, b, c)
                    self.transitive(term, c, b, a)

    def transitive(self, term: Term, a: int, b: int, c: int) -> None:
        whole = self.literal(term, a, c, up=True)
        if whole != TRUE:
            self.circuit.require((-self.literal(term, a, b, up=True), -self.literal(term, b, c, up=True), whole))

    def chosen(self, term: Term, a: int, b: int) -> Lit:
        lits = self.choices.get(term.index)
        if lits is None:
            lits = self.choices[term.index] = {}
            self.make_choices(term, lits)
        return lits.get((a, b), FALSE)

    def make_choices(self, term: Term, lits: dict[tuple[int, int], Lit]) -> None:
        """For each event (or pair) of the domain, exactly one pair of its member relation."""
        domain = term.args[0]
        circuit = self.circuit
        for place in self.bounds.places(domain):
            member = self.bounds.member(term, place)
            picked = []
            for a, b in pairs(self.bounds.of(member)[1]):
                lit = circuit.name()
                picked.append(lit)
                circuit.imply(lit, self.literal(member, a, b, up=False))
                lits[a, b] = circuit.either2(lits.get((a, b), FALSE), lit)
            there = self.member(domain, place[0], up=True) if len(place) == 1 else self.literal(domain, *place, up=True)
            circuit.exactly_one(there, picked)

    def chosen_terms(self) -> list[tuple[Term, dict[tuple[int, int], Lit]]]:
        """The coherence orders and choices that got literals, with the literal of each of their pairs."""
        found = []
        for term in self.bounds.terms.generators:
            if term.op == "choice":
                found.append((term, self.choices[term.index]))
            else:
                may = self.bounds.of(term)[1]
                found.append((term, {(a, b): self.literal(term, a, b, up=True) for a, b in pairs(may)}))
        return found

    def differ(self, a: int, b: int) -> Lit:
        """Whether two events have different values."""
        left, right = self.graph.events[a].value or {}, self.graph.events[b].value or {}
        return self.circuit.either([self.circuit.both2(x, -right.get(v, FALSE)) for v, x in left.items()])
