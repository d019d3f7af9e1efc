"""Every execution that a model allows, one after the other: for those who want to see them all."""

from __future__ import annotations

from collections.abc import Iterator

from checker.cat.term import Model
from checker.program.ir import Test
from checker.solve.encode import Problem
from checker.solve.execution import Execution, certify, execution
from checker.solve.outcome import memory_choices, question
from checker.solve.proposition import satisfied, value_in
from checker.solve.solver import Solver


def executions(problem: Problem, model: Model, test: Test) -> Iterator[tuple[Execution, bool]]:
    """The executions that are whole and pass the test's filter, each with whether the proposition holds. Raises Timeout."""
    circuit, gates = problem.circuit, problem.circuit.gates
    prop = question(problem, test)
    choices = memory_choices(problem)
    roots = [prop, -prop, problem.cut, problem.wild, *[lit for choice in choices for lit in (choice, -choice)]]
    inputs = [v for v in range(2, len(gates)) if gates[v] is None]
    clauses = circuit.clauses([*roots, *inputs])
    with Solver(clauses, len(gates) - 1, circuit.deadline) as solver:
        for _ in solver.solutions([-problem.cut, -problem.wild], choices, [*choices, prop], lambda _: False):
            found = execution(problem.graph, problem.encoder, model, solver.holding(inputs))
            certify(model, found)
            yield found, satisfied(test.condition.prop, lambda loc, found=found: value_in(found, test, loc))  # type: ignore[misc]
