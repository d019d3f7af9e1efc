"""Laws of Boolean circuits: folding, clauses, and the constraints that forbid cycles."""

from __future__ import annotations

from itertools import product

from circuits import circuits, least, satisfies, solvable, valuations
from hypothesis import given
from hypothesis import strategies as st

from checker.core.acyclic import forbid_counted_cycles, forbid_cycles
from checker.core.circuit import FALSE, TRUE, Circuit, Lit
from checker.core.rel import components, rows_of


@given(circuits(), st.data())
def test_folding_changes_no_truth_table(made: tuple[Circuit, list[Lit]], data: st.DataObject) -> None:
    circuit, lits = made
    signed = st.builds(lambda lit, sign: lit * sign, st.sampled_from(lits), st.sampled_from((1, -1)))
    args = data.draw(st.lists(signed, max_size=4))
    pair = data.draw(st.tuples(signed, signed))
    both, either, both2, either2 = circuit.both(args), circuit.either(args), circuit.both2(*pair), circuit.either2(*pair)
    for holds in valuations(circuit):
        cache: dict[Lit, bool] = {}
        truth = {lit: circuit.value(lit, holds, cache) for lit in [*args, *pair, both, either, both2, either2]}
        assert truth[both] == all(truth[a] for a in args)
        assert truth[either] == any(truth[a] for a in args)
        assert truth[both2] == (truth[pair[0]] and truth[pair[1]])
        assert truth[either2] == (truth[pair[0]] or truth[pair[1]])
        assert circuit.value(-both, holds, cache) != truth[both]


@given(circuits(), st.data())
def test_equal_gates_are_one_literal(made: tuple[Circuit, list[Lit]], data: st.DataObject) -> None:
    circuit, lits = made
    args = data.draw(st.lists(st.sampled_from([*lits, *[-lit for lit in lits]]), max_size=4))
    shuffled = data.draw(st.permutations(args))
    assert circuit.both(args) == circuit.both([*shuffled, TRUE, *args])
    assert circuit.either(args) == circuit.either([*shuffled, FALSE, *args])
    if len(args) == 2:
        assert circuit.both(args) == circuit.both2(*args)
        assert circuit.either(args) == circuit.either2(*args)


@given(circuits(variables=3, gates=6, derived=2), st.data())
def test_clauses_have_the_solutions_of_the_circuit(made: tuple[Circuit, list[Lit]], data: st.DataObject) -> None:
    """With every choice of the inputs, and any assumptions among the roots."""
    circuit, lits = made
    signed = st.sampled_from([*lits, *[-lit for lit in lits]])
    for clause in data.draw(st.lists(st.lists(signed, min_size=1, max_size=3), max_size=3)):
        circuit.require(clause)
    roots = data.draw(st.lists(signed, max_size=3))
    assumed = data.draw(st.lists(st.sampled_from(roots), max_size=2)) if roots else []
    cnf = circuit.clauses(roots)
    assert not any(lit in (TRUE, FALSE) for clause in cnf for lit in clause)
    names = {v for v, args in enumerate(circuit.gates) if v > TRUE and args is None}
    rules = [(-body, head) for body, head in circuit.rules]
    for inputs in valuations(circuit):
        for derived in product(*[(set(), {d}) for d in sorted(circuit.derived)]):
            holds = inputs.union(*derived)
            wanted = satisfies(circuit, [*circuit.constraints, *rules, *[(lit,) for lit in assumed]], holds)
            fixed = {v if v in holds else -v for v in names} | {TRUE}
            assert solvable(cnf, fixed | set(assumed)) == wanted


@given(circuits(variables=3, gates=4, derived=3))
def test_the_least_solution_of_rules_is_a_solution(made: tuple[Circuit, list[Lit]]) -> None:
    circuit, _ = made
    for inputs in valuations(circuit):
        assert satisfies(circuit, [(-body, head) for body, head in circuit.rules], least(circuit, inputs))


def _edges(nodes: int) -> st.SearchStrategy[dict[tuple[int, int], int]]:
    """Pairs of nodes with the number of the literal of the edge: several edges may share one, as its negation too."""
    return st.dictionaries(st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1)), st.integers(-4, 5), max_size=12)


def _lit(circuit: Circuit, names: list[Lit], code: int) -> Lit:
    if code == 5:
        return TRUE
    return names[code] if code >= 0 else -names[-code - 1]


@given(_edges(5))
def test_cycles_are_forbidden_and_nothing_else_is(pairs: dict[tuple[int, int], int]) -> None:
    circuit = Circuit()
    names = [circuit.name() for _ in range(5)]
    lits = {pair: _lit(circuit, names, code) for pair, code in pairs.items()}
    edges: dict[int, dict[int, Lit]] = {v: {} for v in range(5)}
    for (a, b), lit in lits.items():
        edges[a][b] = lit
    forbid_cycles(circuit, edges)
    for holds in valuations(circuit):
        present = [pair for pair, lit in lits.items() if circuit.value(lit, holds, {})]
        assert satisfies(circuit, circuit.constraints, holds) == (not components(rows_of(5, present)))


@given(_edges(4), _edges(4))
def test_cycles_with_a_counted_edge_are_forbidden_and_no_others(
    counted: dict[tuple[int, int], int], uncounted: dict[tuple[int, int], int]
) -> None:
    circuit = Circuit()
    names = [circuit.name() for _ in range(5)]
    edges: dict[int, dict[int, tuple[Lit, Lit]]] = {v: {} for v in range(4)}
    both: dict[tuple[int, int], tuple[Lit, Lit]] = {}
    for pair in counted.keys() | uncounted.keys():
        both[pair] = tuple(_lit(circuit, names, table[pair]) if pair in table else FALSE for table in (counted, uncounted))  # type: ignore[assignment]
    for (a, b), lits in sorted(both.items()):
        edges[a][b] = lits
    forbid_counted_cycles(circuit, edges)
    for holds in valuations(circuit):
        there = {pair: [circuit.value(lit, holds, {}) for lit in lits] for pair, lits in both.items()}
        parts = components(rows_of(4, [pair for pair, truth in there.items() if any(truth)]))
        bad = any(truth[0] and any(p >> a & p >> b & 1 for p in parts) for (a, b), truth in there.items())
        assert satisfies(circuit, circuit.constraints, holds) != bad
