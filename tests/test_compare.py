"""Models compared: what is said to be possible under one alone is asked of both, by its condition."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from checker import library
from checker.check import Options, check
from checker.cli import cli
from checker.core.source import Source
from checker.insight.compare import asking, compare, exists, weak
from checker.library import load_model, load_test
from checker.program import ir
from tests.test_explain import SHAPES, shape

LITMUS = Path(__file__).parent.parent / "litmus"


def verdict(test: ir.Test, condition: str, model: str) -> str:
    return check(asking(test, condition), load_model(model), Options()).observation


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("fences", [("", ""), ("smp_wmb();", "smp_rmb();"), ("smp_mb();", "smp_mb();")])
@pytest.mark.parametrize("model", ["lkmm", "aarch64", "x86-tso", "sc"])
def test_weak_outcomes_are_those_that_interleavings_lack(name: str, fences: tuple[str, str], model: str) -> None:
    test = shape(name, *fences)
    found = weak(test, load_model(model), load_model("sc"), Options())
    assert not found.undecided
    for outcome in found.outcomes:
        assert verdict(test, outcome.exists, model) == "Sometimes"
        assert verdict(test, outcome.exists, "sc") == "Never"
    own = test.source.text[test.source.text.index("exists") :].strip()
    assert bool(found.outcomes) == (verdict(test, own, model) == "Sometimes")


@pytest.mark.parametrize("path", sorted(LITMUS.rglob("*.litmus"))[::20], ids=lambda p: p.stem)
def test_a_difference_has_a_reason_on_either_side(path: Path) -> None:
    test = load_test(path)
    found = compare(test, (load_model("lkmm"), load_model("sc")), Options())
    assert found.same == (not found.outcomes and found.results[0].flags == found.results[1].flags)
    for outcome in found.outcomes:
        assert outcome.by == "lkmm"
        assert outcome.allowed is not None
        assert outcome.allowed.result.observation == "Sometimes"
        assert outcome.allowed.weakness is not None
        assert outcome.forbidden is not None
        assert outcome.forbidden.result.observation == "Never"
        assert outcome.forbidden.cycles


def test_a_state_is_asked_for_by_a_condition() -> None:
    assert exists("0:r0=1; [x]=2; z[1]=3;") == "exists (0:r0=1 /\\ x=2 /\\ z[1]=3)"


def test_states_that_nobody_looked_for_are_no_difference(tmp_path: Path) -> None:
    path = tmp_path / "loop.litmus"
    path.write_text("C loop\n{}\nP0(int *x) { int r0 = 0; while (READ_ONCE(*x) == 0) r0 = r0 + 1; }\nexists (0:r0=7)\n")
    done = CliRunner().invoke(cli, ["compare", "-m", "lkmm", "-m", "sc", str(path)])
    assert done.exit_code == 1
    assert "loop: undecided" in done.stdout
    looked = CliRunner().invoke(cli, ["weak", str(path)])
    assert looked.exit_code == 1
    assert "but not all are" in looked.stdout


def test_exit_codes_say_whether_models_differ(tmp_path: Path) -> None:
    same, other = tmp_path / "SB.litmus", tmp_path / "MP.litmus"
    same.write_text(shape("SB", "", "").source.text)
    other.write_text(shape("MP", "", "").source.text)
    assert CliRunner().invoke(cli, ["compare", "-m", "lkmm", "-m", "x86-tso", str(same)]).exit_code == 0
    done = CliRunner().invoke(cli, ["compare", "--format", "json", "-m", "lkmm", "-m", "x86-tso", str(other)])
    assert done.exit_code == 1
    row = json.loads(done.stdout)
    assert [o["exists"] for o in row["outcomes"]] == ["exists (1:r0=1 /\\ 1:r1=0)"]
    assert CliRunner().invoke(cli, ["compare", "-m", "lkmm", str(same)]).exit_code == 2


def test_what_the_checker_adds_to_a_program_is_in_no_outcome() -> None:
    source = (
        "C T\n\n{ }\n\nP0(int *x, struct srcu_struct *ss, struct rcu_head *h)\n{\n\tcall_srcu(ss, h, P1);\n}\n\n"
        "P1(int *x)\n{\n\tint r0;\n\tr0 = READ_ONCE(*x);\n}\n\nexists (1:r0=1)\n"
    )
    found = weak(library.test_in(Source("T.litmus", source)), load_model("lkmm"), load_model("sc"), Options())
    assert found.outcomes == ()


SHIPPED = Path(library.__file__).parent / "models" / "lkmm"


@pytest.mark.parametrize("command", ["explain", "audit", "repair"])
def test_a_model_by_path_takes_another_table_and_bell_file(tmp_path: Path, command: str) -> None:
    """In the table `smp_wmb()` is called `publish()`."""
    table = tmp_path / "mine.def"
    table.write_text((SHIPPED / "linux.def").read_text() + "\npublish() { __fence{wmb}; }\n")
    test = tmp_path / "mp.litmus"
    test.write_text(
        "C mp\n{}\nP0(int *x, int *y) { WRITE_ONCE(*x, 1); publish(); WRITE_ONCE(*y, 1); }\n"
        "P1(int *x, int *y) { int r0 = READ_ONCE(*y); smp_rmb(); int r1 = READ_ONCE(*x); }\nexists (1:r0=1 /\\ 1:r1=0)\n"
    )
    model = ["-m", str(SHIPPED / "lkmm.cat"), "--bell", str(SHIPPED / "lkmm.bell"), "-I", str(SHIPPED)]
    made = CliRunner().invoke(cli, [command, *model, "--macros", str(table), str(test)])
    assert made.exit_code == 0, made.output
    assert CliRunner().invoke(cli, [command, *model, "--macros", str(SHIPPED / "linux.def"), str(test)]).exit_code == 2


def test_what_a_path_takes_the_other_model_does_not(tmp_path: Path) -> None:
    table = tmp_path / "weaker.def"
    line = "smp_wmb() { __fence{wmb}; }"
    text = (SHIPPED / "linux.def").read_text()
    assert line in text
    table.write_text(text.replace(line, "smp_wmb() { __fence{barrier}; }"))
    test = tmp_path / "mp.litmus"
    test.write_text(shape("MP", "smp_wmb();", "smp_rmb();").source.text)
    asked = ["compare", "-m", str(SHIPPED / "lkmm.cat"), "-m", "lkmm", "--bell", str(SHIPPED / "lkmm.bell"), "--format", "json"]
    made = CliRunner().invoke(cli, [*asked, "--macros", str(table), str(test)])
    assert made.exit_code == 1, made.output
    assert json.loads(made.stdout)["observations"] == ["Sometimes", "Never"]
    names = ["compare", "-m", "lkmm", "-m", "lkmm", "--format", "json", "--macros", str(table), str(test)]
    assert json.loads(CliRunner().invoke(cli, names).stdout)["observations"] == ["Sometimes", "Sometimes"]
