"""The table for people: fits the width, tells got from expected, is plain text unless a terminal reads it."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.campaign.corpus import Outcome
from checker.program.ir import Condition, Expectation, Truth
from checker.report.printer import Table
from checker.report.signs import spelled
from checker.report.tally import Tally
from checker.report.terminal import Grid, cell, differences, folded, page, show
from checker.result import Result
from checker.solve.answer import NO, YES, Answer, Answers, unknown

CONDITION = Condition("exists", Truth(True))


def outcome(
    path: str = "kvm/a.litmus",
    model: str = "lkmm",
    got: str = "Never",
    expected: str | None = None,
    flags: tuple[tuple[str, Answer], ...] = (),
) -> Outcome:
    wanted = None if expected is None else Expectation(model, expected.split()[0], model == "lkmm" and "DATARACE" in expected)
    answers = Answers(*ANSWERS[got], flags=flags)
    return Outcome(path, model, 0.1, Result("a", path, model, CONDITION, answers, expected=wanted))


WHY = unknown("why")
ANSWERS = {"Never": (NO, YES), "Sometimes": (YES, YES), "Always": (YES, NO), "DEADLOCK": (NO, NO), "Unknown": (WHY, YES)}
RACE, RACE_UNKNOWN = (("data-race", YES),), (("data-race", WHY),)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (outcome(), "Never"),
        (outcome(expected="Never"), "Never ✓"),
        (outcome(expected="Sometimes"), "Never ✗ (Sometimes)"),
        (outcome(got="Sometimes", expected="Sometimes DATARACE", flags=RACE), "Sometimes race ✓"),
        (outcome(got="Sometimes", expected="Sometimes", flags=RACE), "Sometimes race ✗ (Sometimes)"),
        (outcome(got="Sometimes", expected="Sometimes DATARACE"), "Sometimes ✗ (Sometimes race)"),
        (outcome(got="Unknown", expected="Never"), "Unknown ✗ (Never)"),
        (outcome(got="Unknown"), "Unknown ✗"),
        (outcome(got="DEADLOCK", expected="DEADLOCK"), "DEADLOCK ✓"),
        (outcome(got="DEADLOCK", expected="Never"), "DEADLOCK ✗ (Never)"),
        (outcome(got="DEADLOCK"), "DEADLOCK ✗"),
        (outcome(got="Sometimes", expected="Sometimes", flags=RACE_UNKNOWN), "Sometimes race? ✗ (Sometimes)"),
        (outcome(got="Sometimes", expected="Sometimes DATARACE", flags=RACE_UNKNOWN), "Sometimes race? ✗ (Sometimes race)"),
        (outcome(got="Sometimes", flags=RACE_UNKNOWN), "Sometimes race? ✗"),
        (Outcome("a", "lkmm", error="a: error: no"), "error"),
        (Outcome("a", "lkmm", unknown_because="it died"), "Unknown ✗"),
    ],
)
def test_a_cell_tells_got_from_expected(made: Outcome, text: str) -> None:
    assert cell(made).text == text


NAMES = st.text("abc-_.+/ é\x1b\n", min_size=1, max_size=70)


@given(NAMES, st.integers(8, 60))
def test_a_name_is_folded_without_loss_and_fits(name: str, room: int) -> None:
    lines = folded(name, room).split("\n")
    assert all(len(line) <= room for line in lines)
    assert "".join([lines[0], *[line.removeprefix("  ") for line in lines[1:]]]) == folded(name, 10_000)


@given(st.integers(45, 120), st.integers(1, 6), st.booleans())
def test_no_mark_and_no_verdict_is_ever_cut(width: int, models: int, words: bool) -> None:
    spell = spelled if words else str
    grid = Grid(spell=spell)
    for i in range(models):
        got = outcome(f"kvm/{'long-name-' * 4}.litmus", f"model-{i}", "Sometimes", "Never DATARACE", flags=RACE)
        grid.add(got)
    text = printed(grid, width, terminal=False)
    assert text.count(spell(cell(got).text)) == models
    assert "\N{HORIZONTAL ELLIPSIS}" not in text


def test_a_pipe_has_no_width() -> None:
    grid = Grid(verdicts={f"{'x' * 90}.litmus": {"lkmm": "Sometimes", "aarch64": "Never"}})
    for model in ("lkmm", "aarch64"):
        grid.add(outcome(f"kvm/{'long-name-' * 20}.litmus", model, expected="Never"))
    out = io.StringIO()
    show(grid, Tally(), out)
    lines = out.getvalue().split("\n")
    assert any("long-name-" * 20 in line and line.endswith("Never \u2713  Never \u2713") for line in lines)
    assert any(line.endswith("allowed by lkmm, forbidden by aarch64") for line in lines)
    assert not any(line != line.rstrip() for line in lines)


def printed(grid: Grid, width: int, *, terminal: bool) -> str:
    return page(grid, Table(io.StringIO(), io.StringIO()).tally, width, colour=terminal)


def test_the_table_fits_80_columns_and_is_coloured_on_a_terminal_only() -> None:
    grid = Grid()
    for i in range(3):
        for model in ("lkmm", "aarch64", "x86-tso"):
            grid.add(outcome(f"kvm/{'long-name-' * 5}{i}.litmus", model, "Sometimes", "Sometimes DATARACE", flags=RACE))
    plain = printed(grid, 80, terminal=False)
    assert max(map(len, plain.split("\n"))) <= 80
    assert "\x1b" not in plain
    assert "\x1b[32m" in printed(grid, 80, terminal=True)


def test_reasons_stand_below_the_table() -> None:
    grid = Grid()
    grid.add(outcome(got="Unknown"))
    grid.add(outcome("kvm/b.litmus", flags=(("invalid-sleep", YES),)))
    grid.add(outcome("kvm/c.litmus", expected="Never", flags=RACE_UNKNOWN))
    grid.add(outcome("kvm/d.litmus", expected="Sometimes", flags=RACE_UNKNOWN))
    grid.add(outcome("kvm/e.litmus", got="DEADLOCK"))
    text = printed(grid, 80, terminal=False)
    assert "a under lkmm: Unknown: why\n" in text
    assert "b under lkmm: flag invalid-sleep" in text
    assert "c under lkmm: unknown: data-race: why\n" in text
    assert "d under lkmm: expected Sometimes, got Never; unknown: data-race: why\n" in text
    assert "e under lkmm: no execution ends" in text


def test_a_file_whose_models_disagree_gets_a_sentence() -> None:
    grid = Grid(
        verdicts={"a/x.litmus": {"lkmm": "Sometimes", "aarch64": "Never", "x86-tso": "Never"}, "y.litmus": {"lkmm": "Never"}}
    )
    assert differences(grid) == ["x: allowed by lkmm, forbidden by aarch64 and x86-tso"]


def test_every_sign_has_a_word() -> None:
    assert spelled("Never ✓, ✗ a · b – c… 3 µs x→y \N{REPLACEMENT CHARACTER}") == "Never ok, NOT OK a - b - c... 3 us x->y ?"
