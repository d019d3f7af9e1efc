"""Our own graphs are well formed: what every candidate execution must satisfy, said in cat, over every scenario.

The model has no axioms but those that place locks and the one that no read takes what its process writes later (dependencies
carried on through memory would go backwards otherwise); a flag is raised when some candidate execution is ill formed.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_c import parse
from msgspec.structs import replace
from random_kernel_c import random_text

from checker.cat.term import Model
from checker.check import Options, check
from checker.library import load_model, load_test
from checker.program import ir
from checker.result import UNKNOWN

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = sorted((ROOT / "litmus").rglob("*.litmus"))
LAWS = {
    "rf-within-a-location": "rf \\ loc",
    "rf-from-writes-to-reads": "rf \\ (W * R)",
    "rf-functional": "(rf ; rf^-1) \\ id",
    "rf-total": "R \\ range(rf)",
    "co-within-a-location": "co \\ loc",
    "co-of-writes": "co \\ (W * W)",
    "co-irreflexive": "co & id",
    "co-transitive": "(co ; co) \\ co",
    "co-total": "((W * W) & loc) \\ (co | co^-1 | id)",
    "co-initial-first": "co & (_ * IW)",
    "fr-is-rf-and-co": "(fr \\ (rf^-1 ; co)) | ((rf^-1 ; co) \\ fr)",
    "last-writes-last": "co & (FW * W)",
    "po-within-a-process": "po \\ int",
    "po-irreflexive": "po & id",
    "po-transitive": "(po ; po) \\ po",
    "int-and-ext": "int & ext",
    "int-or-ext": "((_ * _) \\ (IW * IW)) \\ (int | ext)",
    "loc-symmetric": "loc^-1 \\ loc",
    "loc-transitive": "(loc ; loc) \\ loc",
    "rmw-in-order": "rmw \\ (po & loc)",
    "rmw-of-accesses": "rmw \\ (R * W)",
    "rmw-functional": "(rmw^-1 ; rmw) \\ id",
    "dependencies-in-order": "(addr | data | ctrl) \\ po",
    "data-to-writes": "data \\ (_ * W)",
    "address-to-accesses": "addr \\ (_ * M)",
}


@cache
def wellformed() -> Model:
    folder = ROOT / "checker" / "models" / "lkmm"
    flags = [f"flag ~empty {law} as {name}" for name, law in LAWS.items()]
    with TemporaryDirectory() as made:
        path = Path(made) / "wellformed.cat"
        path.write_text("\n".join(['"well formed"', 'include "lock.cat"', "acyclic po-loc | rf as in-order", *flags]) + "\n")
        return load_model(str(path), bell=str(folder / "lkmm.bell"), macros=str(folder / "linux.def"), include=[str(folder)])


def raised(test: ir.Test, *, compiled: bool = False) -> list[str]:
    found = check(test, replace(wellformed(), compiled=compiled), Options(witness=False, timeout=60))
    assert found.observation != UNKNOWN or found.cut, found.unknown_because
    return [flag for flag in found.flags if flag in LAWS]


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_candidate_of_a_scenario_is_well_formed(path: Path) -> None:
    test = load_test(path)
    if test.arch != "C":
        pytest.skip("not kernel C")
    assert raised(test) == []


@given(seed=st.integers(0, 2**40))
@settings(max_examples=60)
def test_every_candidate_of_a_random_test_is_well_formed(seed: int) -> None:
    text = random_text(Random(seed))
    assert raised(parse(text)) == [], text


@given(st.lists(st.sampled_from(["READ_ONCE(*x)", "xchg(y, 1)", "smp_load_acquire(y)", "*z"]), min_size=2, max_size=4))
@settings(max_examples=40)
def test_every_order_of_operands_is_well_formed(operands: list[str]) -> None:
    text = f"C operands\n{{ }}\nP0(int *x, int *y, int *z)\n{{\n\tint r = {' + '.join(operands)};\n}}\nexists (0:r=1)\n"
    assert raised(parse(text), compiled=True) == [], text
