"""Random event graphs and terms over them, and what a term means, said once more with sets of pairs."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from checker.cat.term import Term, Terms
from checker.core.circuit import FALSE, TRUE, Circuit, Lit
from checker.core.source import NOWHERE
from checker.core.value import known
from checker.program.events import Event, EventGraph, Leaf
from checker.program.ir import Address

Pair = tuple[int, int]
RELATIONS = ("A", "B", "C")
SETS = ("S", "T")


def random_graph(rnd: Random, *, most: int = 4) -> EventGraph:
    """Events that always execute or depend on a choice, sets, relations with undecided pairs, and a last write."""
    circuit = Circuit()
    n = rnd.randint(1, most)
    paths = [circuit.name() for _ in range(2)]
    nested = circuit.both2(*paths)
    guards = [rnd.choice([TRUE, TRUE, TRUE, paths[0], -paths[0], nested]) for _ in range(n)]
    events = tuple(
        Event(i, 0, rnd.choice("RWF"), frozenset(), guard, None, known(rnd.randint(0, 1)), NOWHERE)
        for i, guard in enumerate(guards)
    )
    implied = tuple(
        sum(1 << b for b in range(n) if guards[b] in (TRUE, guards[a]) or (guards[a], guards[b]) == (nested, paths[0]))
        for a in range(n)
    )
    free = [circuit.name() for _ in range(3)]
    leaves = {name: _leaf(rnd, circuit, guards, free) for name in RELATIONS}
    leaves["id"] = (identity := tuple(1 << a for a in range(n)), identity, {})
    sets = {name: rnd.randrange(1 << n) for name in SETS} | {"M": (1 << n) - 1}
    last: dict[int, Lit] = {}
    if rnd.random() < 0.5:
        candidates = rnd.sample(range(n), rnd.randint(1, min(n, 3)))
        last = dict(zip(candidates, circuit.choice(len(candidates)), strict=True))
        for w, lit in last.items():
            circuit.imply(lit, guards[w])
    return EventGraph(events, circuit, sets, leaves, {}, {Address("x"): last} if last else {}, (), (), implied, 1)


def _leaf(rnd: Random, circuit: Circuit, guards: list[Lit], free: list[Lit]) -> Leaf:
    n = len(guards)
    must, may, lits = [0] * n, [0] * n, {}
    density, undecided = rnd.choice((0.2, 0.4, 0.7)), rnd.choice((0.0, 0.5, 0.8))
    for a, b in [(a, b) for a in range(n) for b in range(n) if rnd.random() < density]:
        both = circuit.both2(guards[a], guards[b])
        lit = circuit.both2(both, rnd.choice([*free, -free[0]]) if rnd.random() < undecided else TRUE)
        if lit == FALSE:
            continue
        may[a] |= 1 << b
        if lit == both:
            must[a] |= 1 << b
        else:
            lits[a, b] = lit
    if must == may:
        return (rows := tuple(must)), rows, {}
    return tuple(must), tuple(may), lits


@dataclass
class Maker:
    """Makes random terms."""

    terms: Terms
    rnd: Random
    recursive: bool = True
    anywhere: bool = False

    def relation(self, depth: int, variables: tuple[str, ...] = (), *, negative: bool = False) -> Term:
        """A relation; `variables` of a `let rec` around it may be used where they do no harm, or `anywhere`."""
        terms, rnd = self.terms, self.rnd
        usable = () if negative and not self.anywhere else variables
        leaf = ["leaf"] * 3 + ["var"] * (2 * len(usable))
        ops = ["union", "inter", "diff", "seq", "seq", "inverse", "plus", "id", "id", "id", "product", "optional"]
        if self.recursive and not variables:
            ops += ["fix", "fix2"]
        op = rnd.choice(leaf if depth == 0 else leaf[:1] + ops + leaf[3:])

        def rel() -> Term:
            return self.relation(depth - 1, variables, negative=negative)

        match op:
            case "leaf":
                return terms.make("leaf", "rel", name=rnd.choice((*RELATIONS, "id")))
            case "var":
                return terms.make("var", "rel", name=rnd.choice(usable))
            case "union":
                return terms.union((rel(), rel()))
            case "inter":
                return terms.inter(rel(), rel())
            case "diff":
                return terms.diff(rel(), self.relation(depth - 1, variables, negative=True))
            case "seq":
                return terms.seq(rel(), rel())
            case "inverse":
                return terms.inverse(rel())
            case "plus":
                return terms.plus(rel())
            case "optional":
                return terms.optional(rel())
            case "id":
                return terms.make("id", "rel", (self.set(depth - 1, variables, negative=negative),))
            case "product":
                sides = [self.set(depth - 1, variables, negative=negative) for _ in range(2)]
                return terms.make("product", "rel", tuple(sides))
            case "fix":
                names: tuple[str, ...] = ("r",)
            case _:
                names = ("r", "q")
        number = len(terms.all)  # every group has names of its own, as in elaborate.py
        names = tuple(f"{name}#{number}" for name in names)
        bodies = tuple(terms.union((self.relation(0), self.relation(depth, names))) for _ in names)
        return rnd.choice(terms.fix(names, bodies, NOWHERE))

    def set(self, depth: int, variables: tuple[str, ...] = (), *, negative: bool = False) -> Term:
        terms, rnd = self.terms, self.rnd
        ops = ["leaf"] if depth <= 0 else ["leaf", "union", "inter", "diff", "diff", "domain", "domain", "range", "range"]

        def part(*, flipped: bool = False) -> Term:
            return self.set(depth - 1, variables, negative=negative or flipped)

        match op := rnd.choice(ops):
            case "leaf":
                return terms.make("leaf", "set", name=rnd.choice((*SETS, "_", "FW")))
            case "union":
                return terms.union((part(), part()))
            case "inter":
                return terms.inter(part(), part())
            case "diff":
                return terms.diff(part(), part(flipped=True))
        return terms.make(op, "set", (self.relation(depth - 1, variables, negative=negative),))


@dataclass
class Meaning:
    """The value of terms in one execution, as sets of events and sets of pairs: slow, and nothing shared with the evaluator."""

    graph: EventGraph
    holds: set[Lit]

    def __post_init__(self) -> None:
        self.cache: dict[Lit, bool] = {}
        self.executed = {e.eid for e in self.graph.events if self.true(e.guard)}

    def true(self, lit: Lit) -> bool:
        return self.graph.circuit.value(lit, self.holds, self.cache)

    def set(self, t: Term, env: dict[str, set[Pair]]) -> set[int]:
        match t.op:
            case "empty":
                return set()
            case "leaf" if t.name == "_":
                return self.executed
            case "leaf" if t.name == "FW":
                return {w for lits in self.graph.final_write.values() for w, lit in lits.items() if self.true(lit)}
            case "leaf":
                return {a for a in self.executed if self.graph.sets[t.name] >> a & 1}
            case "union":
                return set().union(*[self.set(a, env) for a in t.args])
            case "inter":
                return self.set(t.args[0], env) & self.set(t.args[1], env)
            case "diff":
                return self.set(t.args[0], env) - self.set(t.args[1], env)
            case "domain":
                return {a for a, _ in self.relation(t.args[0], env)}
            case "range":
                return {b for _, b in self.relation(t.args[0], env)}
        raise AssertionError(t.op)

    def relation(self, t: Term, env: dict[str, set[Pair]]) -> set[Pair]:
        match t.op:
            case "empty":
                return set()
            case "leaf":
                must, _, lits = self.graph.leaves[t.name]
                n = self.graph.n
                there = [(a, b) for a in self.executed for b in self.executed if must[a] >> b & 1]
                return {*there, *[(a, b) for a in range(n) for b in range(n) if (a, b) in lits and self.true(lits[a, b])]}
            case "var":
                return env[t.name]
            case "union":
                return set().union(*[self.relation(a, env) for a in t.args])
            case "inter":
                return self.relation(t.args[0], env) & self.relation(t.args[1], env)
            case "diff":
                return self.relation(t.args[0], env) - self.relation(t.args[1], env)
            case "inverse":
                return {(b, a) for a, b in self.relation(t.args[0], env)}
            case "id":
                return {(a, a) for a in self.set(t.args[0], env)}
            case "product":
                return {(a, b) for a in self.set(t.args[0], env) for b in self.set(t.args[1], env)}
            case "seq":
                return joined(self.relation(t.args[0], env), self.relation(t.args[1], env))
            case "plus":
                r = self.relation(t.args[0], env)
                while (more := r | joined(r, r)) != r:
                    r = more
                return r
            case "fix":
                mine, _, group = t.name.partition("@")
                return self.fixpoint(group.split("+"), t.bodies)[mine]
        raise AssertionError(t.op)

    def fixpoint(self, names: list[str], bodies: tuple[Term, ...]) -> dict[str, set[Pair]]:
        env: dict[str, set[Pair]] = {name: set() for name in names}
        while True:
            following = {name: self.relation(body, env) for name, body in zip(names, bodies, strict=True)}
            if following == env:
                return env
            env = following


def joined(r: set[Pair], s: set[Pair]) -> set[Pair]:
    return {(a, d) for a, b in r for c, d in s if b == c}
