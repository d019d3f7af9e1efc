"""Laws of terms over event graphs: bounds hold in every execution, exact leaves give exact values, literals mean the value.

Terms and graphs are random, `\\`, closures and `let rec` included; some tens of executions of each small graph are looked at.
"""

from __future__ import annotations

from random import Random

from circuits import least, satisfies, valuations
from graphs import Maker, Meaning, random_graph
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from checker.cat.evaluate import Bounds
from checker.cat.term import Model, Term, Terms
from checker.core.circuit import Lit
from checker.core.rel import pairs
from checker.core.source import Unsupported
from checker.program.events import EventGraph
from checker.solve.encode import Encoder
from checker.solve.execution import execution

MOST = 20
seeds = st.integers(0, 2**40)


def case(seed: int, *, recursive: bool = True) -> tuple[Random, EventGraph, Terms, Term]:
    """Everything a law is tried on, from one number."""
    rnd = Random(seed)
    graph, terms = random_graph(rnd), Terms()
    return rnd, graph, terms, Maker(terms, rnd, recursive).relation(rnd.choice((1, 2, 3, 3, 4, 4)))


def executions(rnd: Random, graph: EventGraph) -> list[set[Lit]]:
    """Choices of inputs the graph allows, each with the derived variables that its rules make true."""
    circuit = graph.circuit
    found = [v for v in valuations(circuit) if satisfies(circuit, circuit.constraints, v)]
    return [least(circuit, v) for v in rnd.sample(found, min(MOST, len(found)))]


@given(seeds)
@settings(max_examples=1000)
def test_what_must_hold_holds_and_what_holds_may(seed: int) -> None:
    rnd, graph, terms, term = case(seed)
    must, may = Bounds(graph, terms).of(term)
    low, high = set(pairs(must)), set(pairs(may))
    assert low <= high
    for holds in executions(rnd, graph):
        meaning = Meaning(graph, holds)
        value = meaning.relation(term, {})
        assert {(a, b) for a, b in low if {a, b} <= meaning.executed} <= value <= high


@given(seeds)
@settings(max_examples=600)
def test_exact_leaves_give_exact_values(seed: int) -> None:
    rnd, graph, terms, term = case(seed)
    model = Model("m", "", (), terms, {})
    encoder = Encoder(graph, Bounds(graph, terms))
    for holds in executions(rnd, graph):
        must, may = execution(graph, encoder, model, holds).bounds.of(term)
        assert must is may
        assert set(pairs(may)) == Meaning(graph, holds).relation(term, {})


@given(seeds)
@settings(max_examples=2000)
def test_a_literal_means_the_value_in_its_direction(seed: int) -> None:
    """`up`: the value implies the literal, whatever closed set of rules' heads holds; else the literal implies the value.

    Where the heads are those that the rules make true, literal and value are the same."""
    rnd, graph, terms, term = case(seed)
    encoder = Encoder(graph, Bounds(graph, terms))
    circuit, n = graph.circuit, graph.n
    asked = [(a, b, up) for a in range(n) for b in range(n) for up in rnd.choice([(True,), (False,), (True, False)])]
    rnd.shuffle(asked)
    lits: dict[tuple[int, int, bool], Lit] = {}
    for a, b, up in asked:
        try:
            lits[a, b, up] = encoder.literal(term, a, b, up=up)
        except Unsupported:  # an exact `let rec` is refused, never wrong
            assume(lits)
    derived = sorted(circuit.derived)
    for holds in executions(rnd, graph):
        value = Meaning(graph, holds).relation(term, {})
        excess = set(rnd.sample(derived, rnd.randint(0, len(derived))))
        more = least(circuit, holds | excess)
        cache: dict[Lit, bool] = {}
        loose: dict[Lit, bool] = {}
        for (a, b, up), lit in lits.items():
            assert circuit.value(lit, holds, cache) == ((a, b) in value), (term, a, b, up)
            if up:
                assert circuit.value(lit, more, loose) or (a, b) not in value, (term, a, b, up)
            else:
                assert not circuit.value(lit, more, loose) or (a, b) in value, (term, a, b, up)


@given(seeds)
def test_without_recursion_every_literal_can_be_had(seed: int) -> None:
    rnd, graph, terms, term = case(seed, recursive=False)
    encoder = Encoder(graph, Bounds(graph, terms))
    for a in range(graph.n):
        for b in range(graph.n):
            encoder.literal(term, a, b, up=rnd.random() < 0.5)
    assert term.loops or not graph.circuit.derived


@given(seeds)
def test_sets_with_undecided_members_have_literals(seed: int) -> None:
    rnd, graph, terms, _ = case(seed)
    last = terms.make("leaf", "set", name="FW")
    encoder = Encoder(graph, Bounds(graph, terms))
    lits = [encoder.member(last, a, up=True) for a in range(graph.n)]
    for holds in executions(rnd, graph):
        meaning = Meaning(graph, holds)
        assert {a for a, lit in enumerate(lits) if meaning.true(lit)} == meaning.set(last, {})
