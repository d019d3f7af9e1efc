"""Large problems: Z3 is given the choices and no axioms; what a candidate it finds breaks is added, and it is asked again.

Writing out that an order is transitive, or that a relation has no cycle, takes clauses without number where hundreds of events
may be on cycles, and few of them matter. So a candidate is evaluated exactly, and each axiom it breaks gives clauses that no
execution may violate (solve/reasons.py): there is an answer when nothing is broken, or no candidate is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from checker.cat.term import Model
from checker.core.circuit import TRUE, Lit
from checker.solve.encode import Problem
from checker.solve.execution import Uncertified, execution
from checker.solve.reasons import Reasons, disorder
from checker.solve.solver import Solver


class Refined(Solver):
    """A solver of which every solution keeps the axioms of `problem.later`, and orders what is to be ordered."""

    def __init__(self, problem: Problem, model: Model, roots: Sequence[Lit], deadline: float | None) -> None:
        self.problem, self.under = problem, model
        self.circuit = circuit = problem.circuit
        must = problem.encoder.bounds.of
        self.orders = [
            (must(term)[0], {(a, b): lit for (a, b), lit in lits.items() if not must(term)[0][a] >> b & 1})
            for term, lits in problem.encoder.chosen_terms()
            if term.op == "orders"
        ]
        self.deciding = sorted(circuit.inputs([lit for _, lits in self.orders for lit in lits.values()]))
        self.defined: set[Lit] = set()
        clauses = circuit.clauses(roots, self.defined)
        self.given = len(circuit.constraints), len(circuit.rules)
        super().__init__(clauses, len(circuit.gates) - 1, deadline)

    def satisfiable(self, assumptions: Iterable[Lit] = ()) -> bool:
        """Whether there is a solution that breaks nothing, in which all `assumptions` hold. Raises Timeout."""
        asked = list(assumptions)
        while super().satisfiable(asked):
            broken = self.disordered() or self.broken()
            if not broken:
                return True
            self.circuit.look()
            self.forbid(broken)
        return False

    def disordered(self) -> list[list[Lit]]:
        """The cycles of coherence orders in the solution just found."""
        cache: dict[Lit, bool] = {}
        holds = self.holding(self.deciding)
        found = []
        for must, lits in self.orders:
            rows = list(must)
            for (a, b), lit in lits.items():
                if self.circuit.value(lit, holds, cache):
                    rows[a] |= 1 << b
            for a, b, c in disorder(tuple(rows)):
                found.append([lits[pair] for pair in ((a, b), (b, c), (c, a)) if pair in lits])
        return found

    def broken(self) -> list[list[Lit]]:
        """Why axioms fail in the solution just found: literals that hold in it and may not hold together."""
        gates, encoder = self.circuit.gates, self.problem.encoder
        holds = self.holding([v for v in range(2, len(gates)) if gates[v] is None])
        reasons = Reasons(encoder, execution(self.problem.graph, encoder, self.under, holds).bounds)
        found = [lits for axiom in self.problem.later for lits in reasons.broken(axiom)]
        cache: dict[Lit, bool] = {}
        known = {lit for lits in found for lit in lits if abs(lit) <= self.variables}  # the others are new
        if not all(self.circuit.value(lit, holds, cache) for lit in known):
            raise Uncertified("an execution was refused for what does not hold in it")
        return found

    def forbid(self, broken: list[list[Lit]]) -> None:
        """Give the solver what rules these out, and what defines the literals in it."""
        circuit = self.circuit
        constraints, rules = self.given
        clauses: list[Sequence[Lit]] = [[-lit for lit in lits if lit != TRUE] for lits in broken]
        clauses.extend(circuit.constraints[constraints:])
        clauses.extend([(-body, head) for body, head in circuit.rules[rules:]])
        self.given = len(circuit.constraints), len(circuit.rules)
        clauses.extend(circuit.definitions([lit for clause in clauses for lit in clause], self.defined))
        self.grow()
        for clause in clauses:
            self.add(clause)

    def fresh(self) -> Lit:
        self.circuit.name()
        self.grow()
        return self.variables

    def grow(self) -> None:
        """Have a constant for each of the circuit's nodes."""
        self.variables = len(self.circuit.gates) - 1
        self.z3.grow(self.variables)
