"""`__VERIFIER_nondet_bool()` is 0 or 1, whichever; where `__lost()` stands nothing is certain to be impossible."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker import library
from checker.check import Options, check
from checker.core.source import CheckerError, Source
from checker.insight import compare
from checker.isa.aarch64.compile import AArch64
from checker.isa.compile import export
from checker.isa.x86.compile import X86
from checker.library import load_model
from checker.result import Result

CHOICE = "__VERIFIER_nondet_bool()"
PIECES = (
    "WRITE_ONCE(*x, 1);",
    "WRITE_ONCE(*y, 2);",
    "r0 = READ_ONCE(*y);",
    "smp_mb();",
    "if (CHOICE) WRITE_ONCE(*y, 1);",
    "if (CHOICE && r0) WRITE_ONCE(*x, 2); else smp_wmb();",
    "WRITE_ONCE(*x, 3 + CHOICE);",
    "r0 = CHOICE ? READ_ONCE(*x) : 7;",
    "if (READ_ONCE(*x) || CHOICE) { r0 = READ_ONCE(*y); }",
    "if (CHOICE) goto out;",
    "do { smp_rmb(); } while (0 && CHOICE);",
)
OTHER = "P1(int *x, int *y)\n{\n\tint r1 = READ_ONCE(*y);\n\tsmp_rmb();\n\tint r2 = READ_ONCE(*x);\n\tWRITE_ONCE(*y, 5);\n}\n"


def result(
    body: str, other: str = OTHER, question: str = "exists (0:r0=1)", model: str = "lkmm", *, solver: str = "fast"
) -> Result:
    first = f"P0(int *x, int *y)\n{{\n\tint r0 = 0;\n{body}\nout:;\n}}\n"
    text = f"C t\n\n{{}}\n\n{first}\n{other}\nlocations [x; y; 1:r1; 1:r2]\n{question}\n"
    return check(library.test_in(Source("t.litmus", text)), load_model(model), Options(states=True, solver=solver))


def states(body: str, model: str = "lkmm") -> set[str]:
    found = result(body, model=model)
    assert found.states is not None and not found.unfinished
    return set(found.states)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4), st.sampled_from(["lkmm", "aarch64", "sc"]))
def test_a_choice_has_exactly_the_states_of_both_its_values(pieces: list[str], model: str) -> None:
    body = "\n".join(pieces)
    count = body.count("CHOICE")
    if count > 3:
        return
    every: set[str] = set()
    for values in range(1 << count):
        written = body
        for n in range(count):
            written = written.replace("CHOICE", str(values >> n & 1), 1)
        every |= states(written, model)
    assert states(body.replace("CHOICE", CHOICE), model) == every


def test_two_choices_in_a_loop_are_two() -> None:
    body = f"for (int i = 0; i < 2; i++) {{ r0 = r0 * 2 + {CHOICE}; }}"
    assert {state.split(";")[0] for state in states(body)} == {"0:r0=0", "0:r0=1", "0:r0=2", "0:r0=3"}


def test_a_branch_on_a_choice_orders_nothing() -> None:
    other = OTHER.replace("smp_rmb();", f"if (r1 == 0 || {CHOICE}) ;")
    assert (
        result("WRITE_ONCE(*x, 1); smp_wmb(); WRITE_ONCE(*y, 1);", other, "exists (1:r1=1 /\\ 1:r2=0)").observation == "Sometimes"
    )


def test_a_choice_takes_no_arguments() -> None:
    with pytest.raises(CheckerError, match="takes no arguments"):
        result("r0 = __VERIFIER_nondet_bool(1);")


def test_a_choice_is_no_instruction() -> None:
    text = f"C t\n\n{{}}\n\nP0(int *x)\n{{\n\tif ({CHOICE})\n\t\tWRITE_ONCE(*x, 1);\n}}\n\nexists (x=1)\n"
    for model, machine in (("aarch64", AArch64), ("x86-tso", X86)):
        with pytest.raises(CheckerError, match=f"'{CHOICE[:-2]}' goes either way, which is no instruction"):
            export(library.test_in(Source("t.litmus", text)), load_model(model), machine)


# ---------------------------------------------------------------- code that is left out

ORDERED = "WRITE_ONCE(*x, 1);\nsmp_wmb();\nWRITE_ONCE(*y, 1);"
BAD = "exists (1:r1=1 /\\ 1:r2=0)"


@pytest.mark.parametrize("model", ["lkmm", "aarch64", "x86-tso", "sc"])
@pytest.mark.parametrize("solver", ["fast", "z3"])
def test_what_is_left_out_makes_nothing_impossible(model: str, solver: str) -> None:
    assert result(ORDERED, question=BAD, model=model, solver=solver).observation == "Never"
    left = result(f"__lost();\n{ORDERED}", question=BAD, model=model, solver=solver)
    assert left.observation == "Unknown" and "line 8 says that code is left out" in left.unknown_because


def test_what_is_possible_without_the_code_that_is_left_out_is_possible() -> None:
    assert result(f"__lost();\n{ORDERED}", question="exists (1:r1=1 /\\ 1:r2=1)").observation == "Sometimes"


def test_code_that_is_left_out_where_nothing_comes_does_not_matter() -> None:
    assert result(f"if (r0) __lost();\n{ORDERED}", question=BAD).observation == "Never"


def test_no_outcome_is_called_weak_where_code_is_left_out() -> None:
    first = "P0(int *x, int *y)\n{\n\t__lost();\n\tWRITE_ONCE(*x, 1);\n\tWRITE_ONCE(*y, 1);\n}\n"
    text = f"C t\n\n{{}}\n\n{first}\n{OTHER}\nexists (x=1)\n"
    found = compare.weak(library.test_in(Source("t.litmus", text)), load_model("lkmm"), load_model("sc"), Options())
    assert not found.outcomes and "left out" in found.undecided


def test_in_a_loop_it_is_left_out_in_every_round() -> None:
    body = f"for (int i = 0; i < 2; i++) {{ __lost(); r0 = i; }}\n{ORDERED}"
    assert result(body, question="exists (0:r0=0)").observation == "Unknown"
