"""Large problems: axioms held against candidates say what axioms written out say; growing tests stay small; memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_c import model, parse, result
from random_kernel_c import HARDWARE, KINDS, random_text

from checker.check import Options, check, stages
from checker.core import memory
from checker.result import Result
from checker.solve import encode
from tools import families

circuit = import_module("checker.core.circuit")


def said(found: Result) -> tuple[object, ...]:
    return found.observation, found.states, found.flags, found.counts, found.answers.undefined.word


def agree(text: str, name: str) -> None:
    """The same answers with all axioms written out, and with none."""
    written = result(text, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode, "CROWD", -1)
        patch.setattr(encode, "FEW_EVENTS", -1)
        assert said(result(text, name)) == said(written), text


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(0, 2**40))
@settings(max_examples=12)
def test_the_kernel_model_says_the_same_when_candidates_are_held_against_it(kind: str, seed: int) -> None:
    agree(random_text(Random(seed), kinds=(kind, "marked"), processes=(2,)), "lkmm")


@pytest.mark.parametrize("name", ["sc", "x86-tso", "aarch64", "aarch64-llsc"])
@given(st.integers(0, 2**40))
@settings(max_examples=20)
def test_machines_say_the_same_when_candidates_are_held_against_them(name: str, seed: int) -> None:
    agree(random_text(Random(seed), kinds=HARDWARE), name)


@pytest.mark.parametrize("make", [*families.FAMILIES.values(), *families.GROWING.values()])
def test_families_say_the_same_written_out_and_not(make: Callable[[int], str]) -> None:
    agree(make(3), "lkmm")


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        (families.accesses(25), 4_000),
        (families.writes(32), 10_000),
        (families.coherence_ring(32), 2_000),
        (families.section_ring(32, "rcu"), 1_000),
        (families.section_ring(32, "srcu"), 10_000),
        (families.counter(2), 5_000),
    ],
)
def test_what_many_events_need_is_not_written_out(text: str, nodes: int) -> None:
    """Written out, each of these takes ten times the gates or more."""
    found = check(parse(text), model("lkmm"), Options(unroll=4))
    assert found.observation != "Unknown"
    assert found.size["nodes"] < nodes


def test_writes_in_program_order_need_no_literal() -> None:
    """Of n + n writes only the pairs of different threads are open."""
    n = 8
    _, bounds, _ = stages(parse(families.writes(n)), model("lkmm"), Options())
    (order,) = [t for t in bounds.terms.generators if t.op == "orders"]
    must, may = bounds.of(order)
    assert sum((a & ~b).bit_count() for a, b in zip(may, must, strict=True)) == 2 * n * n


def test_out_of_memory_is_unknown_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "limit", lambda: 3 << 20)
    monkeypatch.setattr(circuit, "LOOK", 16)
    found = result(families.writers(12))
    assert found.observation == "Unknown"
    assert "3 MB of memory" in found.answers.positive.because


def test_this_process_uses_memory_and_less_than_it_may() -> None:
    assert 1 << 20 < memory.used() < memory.limit() <= memory.MOST
