"""One problem, many questions, more clauses between them: answered on the spot while the problem is small, else by Z3.

What reads a solution wants the values of all literals that an execution is made of: they are all defined here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from checker.cat.term import Model
from checker.core.circuit import FALSE, TRUE, Lit
from checker.solve.encode import Problem
from checker.solve.execution import Execution, execution
from checker.solve.search import GiveUp, Search
from checker.solve.solver import Solver


class Engine:
    """The clauses of a problem, and of `roots`, that questions are asked of, until the problem's deadline. Close it when done."""

    def __init__(self, problem: Problem, roots: Iterable[Lit]) -> None:
        self.problem, circuit = problem, problem.circuit
        self.deadline = circuit.deadline
        wanted = list({abs(lit) for lit in (*roots, *_everything(problem))} - {TRUE})
        self.clauses: list[Sequence[Lit]] = list(circuit.clauses([*wanted, *[-lit for lit in wanted]]))
        self.variables = len(circuit.gates) - 1
        self.inputs = sorted(circuit.inputs([*wanted, *[lit for clause in self.clauses for lit in clause]]) - circuit.derived)
        self.search: Search | None = None
        self.solver: Solver | None = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        if self.solver is not None:
            self.solver.close()

    def fresh(self) -> Lit:
        """A variable that is in no clause yet."""
        if self.solver is not None:
            return self.solver.fresh()
        self.variables += 1
        self.search = None
        return self.variables

    def add(self, clause: Sequence[Lit]) -> None:
        """Assert one more clause."""
        if self.solver is not None:
            self.solver.add(clause)
        elif TRUE not in clause:
            self.clauses.append([lit for lit in clause if lit != FALSE])
            self.search = None

    def satisfiable(self, assumptions: Iterable[Lit] = ()) -> bool:
        """Whether there is a solution in which the assumptions hold; it stays until the next question. Raises Timeout."""
        asked = list(assumptions)
        if self.solver is None:
            try:
                self.search = self.search or Search(self.clauses, self.variables, self.inputs, self.deadline)
                return self.search.satisfiable(asked)
            except GiveUp:
                self.solver = Solver(self.clauses, self.variables, self.deadline)
        return self.solver.satisfiable(asked)

    def execution(self, model: Model) -> Execution:
        """The execution of the solution just found."""
        gates = self.problem.circuit.gates
        free = [v for v in range(2, len(gates)) if gates[v] is None]
        teller = self.solver or self.search
        assert teller is not None
        return execution(self.problem.graph, self.problem.encoder, model, teller.holding(free))


def _everything(problem: Problem) -> Iterable[Lit]:
    """The literals that an execution is made of."""
    graph = problem.graph
    for leaf in graph.leaves.values():
        yield from leaf[2].values()
    for _, lits in problem.encoder.chosen_terms():
        yield from lits.values()
    for lits_at in graph.final_write.values():
        yield from lits_at.values()
    for value in graph.finals.values():
        yield from value.values()
    for e in graph.events:
        yield e.guard
        yield from (e.value or {}).values()
        yield from (e.addr or {}).values()
