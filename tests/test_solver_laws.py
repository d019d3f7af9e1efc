"""Laws of the two engines: Search and Z3 say what trying all valuations says, and list the same solutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from circuits import circuits, least, satisfies, valuations
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.core.circuit import FALSE, TRUE, Circuit, Lit
from checker.solve.search import Search
from checker.solve.settled import Settled
from checker.solve.solver import Solver


@st.composite
def problems(draw: st.DrawFn) -> tuple[Circuit, list[Lit], list[Lit]]:
    """A circuit with constraints, the literals made in it, and assumptions. Constraints use derived variables negated only,
    as what rules derive is only ever forbidden."""
    circuit, lits = draw(circuits(variables=5, gates=8, derived=draw(st.sampled_from((0, 2)))))
    plain = [lit for lit in lits if lit not in circuit.derived]
    signed = st.sampled_from([*plain, *[-lit for lit in plain]])
    for clause in draw(st.lists(st.lists(signed, min_size=1, max_size=3), max_size=4)):
        circuit.require([*clause, *[-d for d in sorted(circuit.derived)[: draw(st.integers(0, 1))]]])
    for d in sorted(circuit.derived):
        if draw(st.booleans()):
            circuit.require([-d, draw(signed)])
    return circuit, plain, draw(st.lists(signed, max_size=2))


def solutions(circuit: Circuit, assumed: Sequence[Lit]) -> list[set[Lit]]:
    """All of them, each with the least derived variables: if these violate a constraint, more would too."""
    wanted = [*circuit.constraints, *[(lit,) for lit in assumed]]
    return [v for v in (least(circuit, v) for v in valuations(circuit)) if satisfies(circuit, wanted, v)]


def search(circuit: Circuit, clauses: Sequence[Sequence[Lit]]) -> Search:
    inputs = [v for v, args in enumerate(circuit.gates) if v > TRUE and args is None and v not in circuit.derived]
    return Search(clauses, len(circuit.gates) - 1, inputs, None)


@given(problems())
@settings(max_examples=300)
def test_both_engines_find_a_solution_when_there_is_one(problem: tuple[Circuit, list[Lit], list[Lit]]) -> None:
    circuit, _, assumed = problem
    clauses = circuit.clauses([*assumed, *[-lit for lit in assumed]])
    with Solver(clauses, len(circuit.gates) - 1, None) as solver:
        for asked in ([], assumed, [*assumed, TRUE], [-lit for lit in assumed], [FALSE]):
            expected = bool(solutions(circuit, asked))
            assert search(circuit, clauses).satisfiable(asked) == expected
            assert solver.satisfiable(asked) == expected


@given(problems())
@settings(max_examples=200)
def test_what_holds_in_a_solution_is_a_solution(problem: tuple[Circuit, list[Lit], list[Lit]]) -> None:
    circuit, _, assumed = problem
    clauses = circuit.clauses(assumed)
    names = [v for v, args in enumerate(circuit.gates) if v > TRUE and args is None]
    with Solver(clauses, len(circuit.gates) - 1, None) as solver:
        for engine in (search(circuit, clauses), solver):
            if engine.satisfiable(assumed):
                holds = least(circuit, engine.holding(names) - circuit.derived)
                assert satisfies(circuit, [*circuit.constraints, *[(lit,) for lit in assumed]], holds)


@given(problems(), st.data())
@settings(max_examples=300)
def test_both_engines_list_the_projected_solutions(problem: tuple[Circuit, list[Lit], list[Lit]], data: st.DataObject) -> None:
    circuit, lits, assumed = problem
    projected = [lit for lit in data.draw(st.lists(st.sampled_from(lits), max_size=3, unique=True)) if lit != TRUE]
    expected = set()
    for holds in solutions(circuit, assumed):
        cache: dict[Lit, bool] = {}
        expected.add(tuple(circuit.value(lit, holds, cache) for lit in projected))
    clauses = circuit.clauses([*assumed, *projected, *[-lit for lit in projected]])
    with Solver(clauses, len(circuit.gates) - 1, None) as solver:
        for engine in (search(circuit, clauses), solver):
            found = [
                tuple(table[lit] > 0 for lit in projected)
                for table in engine.solutions(assumed, projected, projected, lambda _: False)
            ]
            assert sorted(found) == sorted(expected)


@given(problems())
@settings(max_examples=300)
def test_blocks_of_solutions_hold_solutions_only_and_all_of_them(problem: tuple[Circuit, list[Lit], list[Lit]]) -> None:
    circuit, _, assumed = problem
    names = [v for v, args in enumerate(circuit.gates) if v > TRUE and args is None]
    names = [v for v in names if v not in circuit.derived and v not in circuit.exclusive]
    expected = {tuple(v in holds for v in names) for holds in solutions(circuit, assumed)}
    settled = Settled(circuit, assumed)
    clauses = circuit.clauses([*assumed, *names, *[-v for v in names]])
    found: set[tuple[bool, ...]] = set()
    engine = search(circuit, clauses)
    for table in engine.solutions(assumed, names, names, settled.holds):
        for choice in product(*[(table[v] > 0,) if table[v] else (False, True) for v in names]):
            assert choice not in found
            found.add(choice)
    assert found == expected


@given(problems(), st.data())
@settings(max_examples=200)
def test_what_is_settled_holds_however_the_rest_turns_out(
    problem: tuple[Circuit, list[Lit], list[Lit]], data: st.DataObject
) -> None:
    circuit, _, assumed = problem
    names = [v for v, args in enumerate(circuit.gates) if v > TRUE and args is None and v not in circuit.derived]
    table = [0] * (2 * len(circuit.gates) + 2)
    table[TRUE], table[FALSE] = 1, -1
    for v in names:
        table[v] = data.draw(st.sampled_from((-1, 0, 0, 1)))
        table[-v] = -table[v]
    given_values: Mapping[int, int] = {v: table[v] for v in names if table[v]}
    if Settled(circuit, assumed).holds(table):
        good = solutions(circuit, assumed)
        for inputs in valuations(circuit):
            if all((v in inputs) == (value > 0) for v, value in given_values.items()):
                assert least(circuit, inputs) in good
