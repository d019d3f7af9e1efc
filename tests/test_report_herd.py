"""herd7's layout, line by line. The verdicts themselves are the business of the conformance tests."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from random_kernel_c import random_text

from checker.check import Options, check
from checker.core.source import Source
from checker.library import load_model
from checker.parse.litmus import parse_test
from checker.report.herd import herd
from checker.result import Result
from checker.solve.answer import YES

CODE = """C MP

{}

P0(int *x, int *y)
{
	WRITE_ONCE(*x, 1);
	WRITE_ONCE(*y, 1);
}

P1(int *x, int *y)
{
	int r0 = READ_ONCE(*y);
	int r1 = READ_ONCE(*x);
}

"""


def result_of(text: str) -> Result:
    return check(parse_test(Source("t.litmus", text)), load_model("lkmm"), Options(states=True, counts=True))


def shown(question: str, code: str = CODE) -> list[str]:
    return herd(result_of(code + question), 0.123).split("\n")


def test_the_layout_is_that_of_herd7() -> None:
    assert shown("exists (1:r0=1 /\\ 1:r1=0)") == [
        "Test MP Allowed",
        "States 4",
        "1:r0=0; 1:r1=0;",
        "1:r0=0; 1:r1=1;",
        "1:r0=1; 1:r1=0;",
        "1:r0=1; 1:r1=1;",
        "Ok",
        "Witnesses",
        "Positive: 1 Negative: 3",
        "Condition exists (1:r0=1 /\\ 1:r1=0)",
        "Observation MP Sometimes 1 3",
        "Time MP 0.12",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("question", "head", "verdict", "witnesses", "observation"),
    [
        ("exists (1:r0=2)", "Allowed", "No", "Positive: 0 Negative: 4", "Never 0 4"),
        ("exists (x=1)", "Allowed", "Ok", "Positive: 4 Negative: 0", "Always 4 0"),
        ("~exists (1:r0=1 /\\ 1:r1=0)", "Forbidden", "No", "Positive: 3 Negative: 1", "Sometimes 1 3"),
        ("~exists (1:r0=2)", "Forbidden", "Ok", "Positive: 4 Negative: 0", "Never 0 4"),
        ("forall (1:r0=1 \\/ 1:r1=0)", "Required", "No", "Positive: 3 Negative: 1", "Sometimes 3 1"),
        ("forall (x=1)", "Required", "Ok", "Positive: 4 Negative: 0", "Always 4 0"),
    ],
)
def test_head_verdict_and_counts_follow_the_quantifier(
    question: str, head: str, verdict: str, witnesses: str, observation: str
) -> None:
    lines = shown(question)
    assert lines[0] == f"Test MP {head}"
    at = lines.index("Witnesses")
    assert (lines[at - 1], lines[at + 1]) == (verdict, witnesses)
    assert lines[-4] == f"Observation MP {observation}"


def test_locations_are_shown_too_registers_first() -> None:
    lines = shown("locations [y; 1:r1; x]\nexists (1:r0=1)")
    assert lines[2] == "1:r0=0; 1:r1=0; [x]=1; [y]=1;"
    assert shown("locations [x]")[0] == "Test MP Required"


def test_a_data_race_has_a_line_that_scripts_find() -> None:
    lines = shown("exists (1:r0=1 /\\ 1:r1=0)", CODE.replace("WRITE_ONCE(*x, 1)", "*x = 1"))
    at = lines.index("Flag data-race")
    assert lines[at - 1].startswith("Positive:")
    assert lines[at + 1].startswith("Condition")


def test_a_deadlock_has_no_states() -> None:
    lock = "C D\n\n{}\n\nP0(spinlock_t *l)\n{\n\tspin_lock(l);\n\tspin_lock(l);\n}\n\nexists (true)\n"
    assert [line for line in shown("", lock) if not line.startswith("Time")][:5] == [
        "Test D Allowed",
        "States 0",
        "No",
        "Witnesses",
        "Positive: 0 Negative: 0",
    ]
    assert "Observation D Never 0 0" in shown("", lock)


def test_the_layout_is_what_the_kernels_scripts_look_for() -> None:
    text = herd(result_of(CODE + "exists (1:r0=1 /\\ 1:r1=0)"), 1.0)
    assert re.search(r"^Observation \S+ (Never|Sometimes|Always) \d+ \d+$", text, re.M)
    assert text.endswith("Time MP 1.00\n\n")


COPY = "P1(int *x, int *y) { int r2 = READ_ONCE(*y); WRITE_ONCE(*x, r2); }"
READER = "P0(int *x, int *y) { int r1; int r2 = READ_ONCE(*x); %s WRITE_ONCE(*y, r1); }"


@pytest.mark.parametrize(
    ("body", "counts"),  # herd7 7.58's
    [
        ("r1 = r2 & 1; if (r2 == 0) r1 = 0;", "Never 0 4"),
        ("r1 = 1; if (r2 == 0) r1 = 0;", "Sometimes 1 4"),
        ("r1 = 1; if (r2 == 0) r1 = 0; if (r2 == 2) r1 = 2;", "Sometimes 1 5"),
        ("r1 = r2;", "Never 0 3"),
        ("if (r2) { r1 = 1; } else { r1 = 1; }", "Always 4 0"),
    ],
)
def test_executions_that_only_values_tell_apart_are_counted_as_herd7_does(body: str, counts: str) -> None:
    lines = shown("", f"C V\n\n{{}}\n\n{READER % body}\n\n{COPY}\n\nexists (0:r1=1)\n")
    assert f"Observation V {counts}" in lines
    assert lines[lines.index("Witnesses") - 1] == ("No" if counts.startswith("Never") else "Ok")


def test_what_did_not_happen_has_no_values_to_be_counted() -> None:
    code = """C B\n\n{}\n\nP0(int *x, int *y) { WRITE_ONCE(*x, 1); smp_wmb(); WRITE_ONCE(*y, 1); }

P1(int *x, int *y)
{
	int r1;
	int r0 = READ_ONCE(*y);
	if (r0 == 1) {
		r1 = READ_ONCE(*x);
		WRITE_ONCE(*y, 2);
	} else {
		smp_mb();
		r1 = READ_ONCE(*x);
	}
}

"""
    assert "Observation B Sometimes 1 3" in shown("exists (1:r0=1 /\\ 1:r1=0)", code)


def test_a_test_the_model_gives_no_meaning_is_flagged_as_herd7_flags_it() -> None:
    result = result_of(CODE + "exists (1:r0=1)")
    lines = herd(replace(result, answers=replace(result.answers, undefined=YES)), 0.0).split("\n")
    at = lines.index("Undef")
    assert lines[at + 3] == "Flag *undef*"


@given(st.integers(0, 2**40))
@settings(max_examples=60)
def test_the_observation_never_contradicts_the_counts(seed: int) -> None:
    lines = herd(result_of(random_text(Random(seed))), 0.0).split("\n")
    word, positive, negative = next(line for line in lines if line.startswith("Observation ")).split()[2:]
    assert (word in ("Sometimes", "Always")) == (int(positive) > 0)
    assert (word == "Sometimes") == (int(positive) > 0 and int(negative) > 0)
