"""Random circuits for the laws, with the means to look at all their valuations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from hypothesis import strategies as st

from checker.core.circuit import FALSE, TRUE, Circuit, Lit

Clause = Sequence[Lit]


@st.composite
def circuits(draw: st.DrawFn, *, variables: int = 4, gates: int = 8, derived: int = 0) -> tuple[Circuit, list[Lit]]:
    """A circuit with free variables, groups of exclusive ones, gates over them and, if wanted, rules that derive variables.

    The literals returned are those made, in order; derived variables occur in rules and, as bodies of gates, not negated.
    """
    circuit = Circuit()
    lits = [TRUE, *[circuit.name() for _ in range(draw(st.integers(1, variables)))]]
    if draw(st.booleans()):
        lits.extend(circuit.choice(draw(st.integers(1, 4))))

    def some(pool: list[Lit]) -> list[Lit]:
        return [sign * lit for sign, lit in draw(st.lists(st.tuples(st.sampled_from((1, -1)), st.sampled_from(pool)), max_size=4))]

    for _ in range(draw(st.integers(0, gates))):
        match draw(st.sampled_from(("both", "either", "both2", "either2"))):
            case "both":
                lits.append(circuit.both(some(lits)))
            case "either":
                lits.append(circuit.either(some(lits)))
            case name:
                a, b = (draw(st.sampled_from((1, -1))) * draw(st.sampled_from(lits)) for _ in range(2))
                lits.append(circuit.both2(a, b) if name == "both2" else circuit.either2(a, b))
    heads = [circuit.derive() for _ in range(derived)]
    for head in heads:
        for _ in range(draw(st.integers(0, 3))):
            body = draw(st.sampled_from((1, -1))) * draw(st.sampled_from(lits))
            circuit.imply(circuit.both2(body, draw(st.sampled_from((TRUE, *heads)))), head)
    return circuit, lits + heads


def valuations(circuit: Circuit) -> Iterator[set[Lit]]:
    """All choices of the variables that are free (not derived) and respect the exclusive groups."""
    single = [v for v, args in enumerate(circuit.gates) if v > TRUE and args is None]
    single = [v for v in single if v not in circuit.derived and v not in circuit.exclusive]
    sides: list[list[set[Lit]]] = [[set(), {v}] for v in single]
    sides.extend([{v} for v in group] for group in circuit.one_of)
    for parts in product(*sides):
        yield set().union(*parts)


def least(circuit: Circuit, holds: set[Lit]) -> set[Lit]:
    """A valuation with the derived variables that its rules make true."""
    holds = set(holds)
    while True:
        more = {head for body, head in circuit.rules if circuit.value(body, holds, {})} - holds
        if not more:
            return holds
        holds |= more


def satisfies(circuit: Circuit, clauses: Iterable[Clause], holds: set[Lit]) -> bool:
    """Whether clauses over literals of the circuit hold."""
    cache: dict[Lit, bool] = {}
    return all(any(circuit.value(lit, holds, cache) for lit in clause) for clause in clauses)


def solvable(cnf: Sequence[Clause], true: Iterable[Lit]) -> bool:
    """Whether the clauses have a solution in which the literals `true` hold, by splitting on one variable after the other."""
    known = set(true)
    if FALSE in known or any(-lit in known for lit in known):
        return False
    while True:
        open_clauses, unit = [], 0
        for clause in cnf:
            if any(lit in known for lit in clause):
                continue
            rest = [lit for lit in clause if -lit not in known]
            if not rest:
                return False
            open_clauses.append(rest)
            if len(rest) == 1:
                unit = rest[0]
        if not open_clauses:
            return True
        if not unit:
            lit = open_clauses[0][0]
            return solvable(open_clauses, known | {lit}) or solvable(open_clauses, known | {-lit})
        known.add(unit)
        cnf = open_clauses
