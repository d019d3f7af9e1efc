"""`let rec` that is not monotone is what herd7 makes of it: rounds from the empty relation, each name at once in its place,
until a round adds nothing. Said once more with sets of pairs, over random graphs; and refused by name where it has no end."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from circuits import least, satisfies, valuations
from graphs import Maker, Meaning, Pair, random_graph
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_c import parse

from checker.cat.evaluate import Bounds
from checker.cat.term import Model, Term, Terms
from checker.check import Options, check
from checker.core.circuit import Lit
from checker.core.rel import pairs
from checker.core.source import NOWHERE, Unsupported
from checker.library import load_model
from checker.program.events import EventGraph
from checker.result import Result
from checker.solve.encode import Encoder
from checker.solve.execution import execution

MOST = 12
seeds = st.integers(0, 2**40)


def case(seed: int) -> tuple[Random, EventGraph, Terms, tuple[Term, ...]]:
    """A graph, and a group of recursive definitions whose names may stand anywhere."""
    rnd = Random(seed)
    graph, terms = random_graph(rnd), Terms()
    make = Maker(terms, rnd, recursive=False, anywhere=True)
    while True:
        names = tuple(f"{name}#{len(terms.all)}" for name in ("r", "q")[: rnd.randint(1, 2)])
        group = terms.fix(names, tuple(make.relation(rnd.randint(2, 4), names) for _ in names), NOWHERE)
        if not group[0].monotone:
            return rnd, graph, terms, group


def executions(rnd: Random, graph: EventGraph) -> list[set[Lit]]:
    circuit = graph.circuit
    found = [v for v in valuations(circuit) if satisfies(circuit, circuit.constraints, v)]
    return [least(circuit, v) for v in rnd.sample(found, min(MOST, len(found)))]


def iterated(meaning: Meaning, group: tuple[Term, ...]) -> list[set[Pair]] | None:
    """The names' values when the rounds are over; None when they go round for ever."""
    names = group[0].name.partition("@")[2].split("+")
    env: dict[str, set[Pair]] = {name: set() for name in names}
    seen = []
    while env not in seen:
        seen.append(dict(env))
        for name, body in zip(names, group[0].bodies, strict=True):
            env[name] = meaning.relation(body, env)
        if all(env[name] <= seen[-1][name] for name in names):
            return list(env.values())
    return None


@given(seeds)
@settings(max_examples=300)
def test_an_execution_has_the_values_of_the_last_round(seed: int) -> None:
    rnd, graph, terms, group = case(seed)
    model = Model("m", "", (), terms, {})
    encoder = Encoder(graph, Bounds(graph, terms))
    for holds in executions(rnd, graph):
        bounds = execution(graph, encoder, model, holds).bounds
        expected = iterated(Meaning(graph, holds), group)
        if expected is None:
            with pytest.raises(Unsupported, match="does not settle"):
                bounds.of(group[0])
        else:
            assert [set(pairs(bounds.of(term)[1])) for term in group] == expected


@given(seeds)
@settings(max_examples=300)
def test_a_literal_means_the_value_of_the_round_in_which_its_execution_stops(seed: int) -> None:
    rnd, graph, terms, group = case(seed)
    encoder = Encoder(graph, Bounds(graph, terms))
    circuit, n = graph.circuit, graph.n
    try:
        lits = [{(a, b): encoder.literal(term, a, b, up=rnd.random() < 0.5) for a in range(n) for b in range(n)} for term in group]
    except Unsupported:  # refused: it does not settle, or has closures inside
        return
    for holds in executions(rnd, graph):
        cache: dict[Lit, bool] = {}
        expected = iterated(Meaning(graph, holds), group)
        endless = any(circuit.value(lit, holds, cache) for lit, _ in encoder.endless)
        assert expected is not None or endless
        if not endless:
            assert expected == [{pair for pair, lit in found.items() if circuit.value(lit, holds, cache)} for found in lits]


SB = """C SB
{}
P0(int *x, int *y) { int r0; WRITE_ONCE(*x, 1); r0 = READ_ONCE(*y); }
P1(int *x, int *y) { int r0; WRITE_ONCE(*y, 1); r0 = READ_ONCE(*x); }
exists (0:r0=0 /\\ 1:r0=0)
"""
LKMM = Path(__file__).resolve().parent.parent / "checker" / "models" / "lkmm"


def under(folder: Path, cat: str) -> Result:
    (folder / "m.cat").write_text(f'M\ninclude "cos.cat"\nlet fr = rf^-1 ; co\n{cat}\n')
    model = load_model(str(folder / "m.cat"), bell=str(LKMM / "lkmm.bell"), macros=str(LKMM / "linux.def"))
    return check(parse(SB), model, Options(states=True, counts=True))


@pytest.mark.parametrize(
    ("cat", "counts"),  # herd7 7.58's
    [
        ("let rec r = po \\ r\nempty r", (1, 3)),
        ("let rec r = po \\ r\n~empty r", (0, 0)),
        ("let rec r = (po | rf | fr) \\ (r ; r)\nacyclic r", (0, 3)),
        ("let rec a = fr \\ b and b = rf \\ a\nempty a & fr", (0, 1)),
        ("let rec a = po \\ (a ; b) and b = (fr | a) \\ rf\nacyclic b", (0, 3)),
    ],
)
def test_small_models_count_what_herd7_counts(tmp_path: Path, cat: str, counts: tuple[int, int]) -> None:
    assert under(tmp_path, cat).counts == counts


def test_what_goes_on_for_ever_is_refused_with_its_name_and_line(tmp_path: Path) -> None:
    """herd7 never answers."""
    with pytest.raises(Unsupported, match="recursive definition of 'a' does not settle") as caught:
        under(tmp_path, "let rec a = (po \\ b^-1) | (po^-1 & b) and b = a^-1 \\ a\nempty a")
    assert caught.value.span is not None and caught.value.span.line == 4


def test_sections_nest_deeper_than_rounds_without_end_are_followed() -> None:
    body = "rcu_read_lock(); " * 210 + "WRITE_ONCE(*x, 1); " + "rcu_read_unlock(); " * 210
    text = f"C nested\n{{}}\nP0(int *x) {{ {body}}}\nP1(int *x) {{ int r0 = READ_ONCE(*x); }}\nexists (1:r0=1)\n"
    found = check(parse(text), load_model("lkmm"), Options())
    assert (found.observation, found.flags) == ("Sometimes", ())
