"""Small tests decided by brute force: every choice of paths, rf and co becomes an execution with exact leaves, the model's
checks are evaluated in it one by one, and what remains must be what `check` says: states, verdict, flags."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest
from circuits import least
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from kernel_c import model, parse, result
from msgspec.structs import replace
from random_kernel_c import HARDWARE, KINDS, random_text

from checker.cat.term import Model
from checker.check import Options, stages
from checker.core.circuit import TRUE, Lit
from checker.program import ir
from checker.solve.encode import Problem
from checker.solve.execution import certify, execution, succeeds
from checker.solve.outcome import show_location
from checker.solve.proposition import final_value, observed, proposition
from checker.solve.solver import Solver

MOST = 300


@dataclass(frozen=True)
class Verdict:
    states: tuple[str, ...]
    flags: tuple[str, ...]
    observation: str


def candidates(problem: Problem) -> Iterator[set[Lit]]:
    """Every choice of paths, rf and co that the circuit allows, MOST + 1 of them at most."""
    circuit = problem.graph.circuit
    names = [v for v, args in enumerate(circuit.gates) if v > TRUE and args is None and v not in circuit.derived]
    with Solver(circuit.clauses(names), len(circuit.gates) - 1, None) as solver:
        for count, table in enumerate(solver.solutions([], names, names)):
            yield least(circuit, {v for v in names if table[v] > 0})
            if count > MOST:
                break


def brute_force(test: ir.Test, under: Model) -> Verdict | None:
    """The verdict of trying everything; None when that is too much."""
    graph, _, problem = stages(test, replace(under, axioms=()), Options())
    prop = proposition(graph, test, test.condition.prop)
    shown = [(show_location(loc), final_value(graph, test, loc)) for loc in observed(test)]
    checks = [axiom for axiom in under.axioms if axiom.role == "check"]
    states: set[str] = set()
    flags: set[str] = set()
    holding: set[bool] = set()
    for count, holds in enumerate(candidates(problem)):
        if count > MOST:
            return None
        found = execution(graph, problem.encoder, under, holds)
        if not all(succeeds(axiom, found.bounds) for axiom in checks):
            continue
        certify(under, found)
        flags |= {a.name for a in under.axioms if a.role == "flag" and succeeds(a, found.bounds)}
        cache: dict[Lit, bool] = {}
        values = [next(v for v, lit in value.items() if graph.circuit.value(lit, holds, cache)) for _, value in shown]
        states.add(" ".join(f"{loc}={v};" for (loc, _), v in zip(shown, values, strict=True)))
        holding.add(graph.circuit.value(prop, holds, cache))
    observation = {frozenset({True}): "Always", frozenset({False}): "Never", frozenset(): "DEADLOCK"}.get(
        frozenset(holding), "Sometimes"
    )
    return Verdict(tuple(sorted(states)), tuple(sorted(flags)), observation)


def agree(text: str, name: str) -> None:
    expected = brute_force(parse(text), model(name))
    assume(expected is not None)
    got = result(text, name)
    assert Verdict(got.states or (), got.flags, got.observation) == expected, text


@given(st.integers(0, 2**40))
@settings(max_examples=150)
def test_the_kernel_model_says_what_brute_force_says(seed: int) -> None:
    agree(random_text(Random(seed)), "lkmm")


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(0, 2**40))
@settings(max_examples=12)
def test_the_kernel_model_says_what_brute_force_says_of_one_kind_of_primitive(kind: str, seed: int) -> None:
    agree(random_text(Random(seed), kinds=(kind, "marked"), processes=(2,)), "lkmm")


@pytest.mark.parametrize("name", ["sc", "x86-tso", "aarch64", "aarch64-llsc"])
@given(st.integers(0, 2**40))
@settings(max_examples=40)
def test_machines_say_what_brute_force_says(name: str, seed: int) -> None:
    agree(random_text(Random(seed), kinds=HARDWARE), name)
