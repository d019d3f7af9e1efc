"""Two tests that must have related verdicts: names and the order of processes mean nothing, a barrier adds nothing, a stronger
model allows less, and bounds are only a short cut."""

from __future__ import annotations

import re
import sys
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_c import result
from random_kernel_c import HARDWARE, random_text

from checker.cat.evaluate import Bound, Bounds
from checker.cat.term import Term, Terms
from checker.program.events import EventGraph
from checker.result import Result

seeds = st.integers(0, 2**40)
MARKED = tuple(kind for kind in HARDWARE if kind != "plain")
PROCESS = re.compile(r"P\d+\(.*?\n}\n", re.DOTALL)


def states(found: Result) -> set[frozenset[str]]:
    return {frozenset(state.split()) for state in found.states or ()}


def summary(found: Result) -> tuple[set[frozenset[str]], tuple[str, ...], str]:
    return states(found), found.flags, found.observation


def permuted(text: str, order: list[int]) -> str:
    """The test with process i as process order[i]."""
    processes = PROCESS.findall(text)
    start, end = text.index(processes[0]), text.index(processes[-1]) + len(processes[-1])
    moved = [""] * len(processes)
    for i, process in enumerate(processes):
        moved[order[i]] = re.sub(r"^P\d+", f"P{order[i]}", process)
    return text[:start] + "\n".join(moved) + renumbered(text[end:], order)


def renumbered(text: str, order: list[int]) -> str:
    return re.sub(r"\b(\d+):", lambda m: f"{order[int(m[1])]}:", text)


@given(seeds)
@settings(max_examples=60)
def test_the_order_of_processes_means_nothing(seed: int) -> None:
    rnd = Random(seed)
    text = random_text(rnd)
    order = list(range(len(PROCESS.findall(text))))
    rnd.shuffle(order)
    before = result(text)
    expected = {frozenset(renumbered(part, order) for part in state) for state in states(before)}
    assert summary(result(permuted(text, order))) == (expected, before.flags, before.observation), text


@given(seeds)
@settings(max_examples=60)
def test_names_mean_nothing(seed: int) -> None:
    names = {"x": "zz", "y": "a1", "p": "aa", "a": "y", "l": "x", "s": "k", **{f"r{i}": f"u{9 - i}" for i in range(10)}}

    def renamed(text: str) -> str:
        return re.sub(r"\b([xypals]|r\d)\b", lambda m: names[m[1]], text)

    text = random_text(Random(seed))
    before = result(text)
    expected = {frozenset(renamed(part) for part in state) for state in states(before)}
    assert summary(result(renamed(text))) == (expected, before.flags, before.observation), text


@pytest.mark.parametrize("name", ["lkmm", "x86-tso", "aarch64", "aarch64-llsc", "riscv", "riscv-zacas", "ppc"])
@given(seeds)
@settings(max_examples=40)
def test_a_barrier_adds_no_state(name: str, seed: int) -> None:
    rnd = Random(seed)
    text = random_text(rnd) if name == "lkmm" else random_text(rnd, kinds=HARDWARE)
    lines = text.split("\n")
    places = [i for i, line in enumerate(lines) if line.startswith("\t") and not line.startswith(("\tint ", "\t} else"))]
    at = rnd.choice(places)
    more = "\n".join([*lines[:at], "\tsmp_mb();", *lines[at:]])
    assert states(result(more, name)) <= states(result(text, name)), more


@pytest.mark.parametrize("machine", ["x86-tso", "aarch64", "aarch64-llsc", "riscv", "riscv-zacas", "ppc"])
@given(seeds)
@settings(max_examples=40)
def test_sequential_consistency_is_the_strongest_and_the_kernel_model_the_weakest(machine: str, seed: int) -> None:
    """Of what consists of marked accesses: plain ones the kernel model leaves to the compiler."""
    text = random_text(Random(seed), kinds=MARKED)
    strong, real, weak = (states(result(text, name)) for name in ("sc", machine, "lkmm"))
    assert strong <= real, text
    assert real <= weak, text


class Forgetful(Bounds):
    """Bounds that know leaves, sets, and what is chosen or recursive, but of no other relation: nothing must hold, all may."""

    def __init__(self, graph: EventGraph, terms: Terms, in_order: frozenset[int] = frozenset()) -> None:
        super().__init__(graph, terms, in_order)
        self.real = Bounds(graph, terms, in_order)
        self.real.values, self.rounds_of = {}, self.real.rounds_of
        self.all_pairs = (self.everything,) * self.n

    def of(self, term: Term) -> Bound:
        if term.kind == "set" or term.op in ("leaf", "empty", "single", "id", "orders", "choice", "fix"):
            return self.real.of(term)
        return self.empty, self.all_pairs

    def all_of(self, plan: object) -> None:
        """Nothing beforehand."""


@pytest.mark.parametrize("name", ["sc", "x86-tso", "aarch64", "riscv", "ppc", "lkmm"])
@given(seeds)
@settings(max_examples=25)
def test_bounds_are_only_a_short_cut(name: str, seed: int) -> None:
    text = random_text(Random(seed), kinds=("marked", "fences", "rmw", "plain"), most=2, processes=(2,))
    with_bounds = result(text, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["checker.check"], "Bounds", Forgetful)
        without = result(text, name)
    assert summary(without) == summary(with_bounds), text


@pytest.mark.parametrize("name", ["lkmm", "x86-tso", "aarch64", "riscv", "ppc"])
@given(seeds)
@settings(max_examples=40)
def test_both_engines_give_the_same_result(name: str, seed: int) -> None:
    text = random_text(Random(seed)) if name == "lkmm" else random_text(Random(seed), kinds=HARDWARE)
    searched = result(text, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("checker.solve.outcome.SEARCH_CLAUSES", -1)
        solved = result(text, name)
    assert solved.states == searched.states
    assert summary(solved) == summary(searched), text
