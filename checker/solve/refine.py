"""Large problems: Z3 is given the choices and no axioms; what a candidate it finds breaks is added, and it is asked again.

Writing out that an order is transitive, or that a relation has no cycle, takes clauses without number where hundreds of events
may be on cycles, and few of them matter. So a candidate is evaluated exactly, and each axiom it breaks gives clauses that no
execution may violate (solve/reasons.py): there is an answer when nothing is broken, or no candidate is left.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from checker.cat.term import Model
from checker.core.circuit import TRUE, Lit
from checker.core.deadline import Timeout
from checker.solve.encode import Problem
from checker.solve.execution import Uncertified, execution
from checker.solve.reasons import Reasons, disorder
from checker.solve.solver import Solver


class Refined(Solver):
    """A solver of which every solution keeps the axioms of `problem.later`, and orders what is to be ordered."""

    def __init__(self, problem: Problem, model: Model, roots: Sequence[Lit], deadline: float | None) -> None:
        self.problem, self.under = problem, model
        self.circuit = problem.circuit
        self.emitted: set[Lit] = set()
        clauses = self.circuit.clauses(roots, self.emitted)
        self.constraints = len(self.circuit.constraints)
        self.rounds = 0
        self.orders = []
        for term, lits in problem.encoder.ordered_terms():
            must = problem.encoder.bounds.of(term)[0]
            self.orders.append((must, {(a, b): lit for (a, b), lit in lits.items() if not must[a] >> b & 1}))
        self.deciding = sorted(self.circuit.inputs([lit for _, lits in self.orders for lit in lits.values()]))
        super().__init__(clauses, len(self.circuit.gates) - 1, deadline)

    def satisfiable(self, assumptions: Iterable[Lit] = ()) -> bool:
        asked = list(assumptions)
        while super().satisfiable(asked):
            broken = self.broken()
            if not broken:
                return True
            if self.deadline is not None and time.monotonic() > self.deadline:
                raise Timeout
            self.forbid(broken)
        return False

    def broken(self) -> list[list[Lit]]:
        """What is wrong with the solution just found: literals that hold in it and must not hold together."""
        self.rounds += 1
        found = self.disordered()
        if not found:
            gates, encoder = self.circuit.gates, self.problem.encoder
            holds = self.holding([v for v in range(2, len(gates)) if gates[v] is None])
            candidate = execution(self.problem.graph, encoder, self.under, holds)
            reasons = Reasons(encoder, candidate.bounds)
            cache: dict[Lit, bool] = {}
            for axiom in self.problem.later:
                more = reasons.broken(axiom)
                found.extend(more)
            old = [lit for lits in found for lit in lits if abs(lit) <= self.variables]
            if not all(self.circuit.value(lit, holds, cache) for lit in old):
                raise Uncertified("an execution was refused for what does not hold in it")
        return found

    def disordered(self) -> list[list[Lit]]:
        """The cycles of coherence orders in the solution just found."""
        cache: dict[Lit, bool] = {}
        holds = self.holding(self.deciding)
        found = []
        for rows, lits in self.orders:
            order = list(rows)
            for (a, b), lit in lits.items():
                if self.circuit.value(lit, holds, cache):
                    order[a] |= 1 << b
            cycles = disorder(tuple(order))
            found.extend([[lits.get(p, TRUE) for p in ((a, b), (b, c), (c, a))] for a, b, c in cycles])
        return found

    def forbid(self, broken: list[list[Lit]]) -> None:
        clauses: list[Sequence[Lit]] = [[-lit for lit in lits if lit != TRUE] for lits in broken]
        clauses.extend(self.circuit.constraints[self.constraints :])
        self.constraints = len(self.circuit.constraints)
        clauses.extend(self.circuit.definitions([lit for clause in clauses for lit in clause], self.emitted))
        self.variables = len(self.circuit.gates) - 1
        self.z3.grow(self.variables)
        for clause in clauses:
            self.add(clause)

    def fresh(self) -> Lit:
        self.circuit.name()
        self.variables = len(self.circuit.gates) - 1
        self.z3.grow(self.variables)
        return self.variables
