"""What `checker cost` counts: on the way through a process, as its model compiles it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from checker import load_model
from checker.cli_cost import cost as command
from checker.core.source import Source, UnknownName
from checker.cost import CATEGORIES, Item, Price, Range, cost
from checker.parse.litmus import parse_test
from checker.report.prices import compare

MODELS = ("lkmm", "aarch64", "aarch64-llsc", "x86-tso", "riscv", "ppc")
LITMUS = Path(__file__).resolve().parent.parent / "litmus"
PARAMS = "int *x, int *y, spinlock_t *l, struct srcu_struct *ss"


def prices(body: str, model: str) -> dict[str, Range]:
    """What one process with this body pays: name → range."""
    text = f"C t\n\n{{}}\n\nP0({PARAMS})\n{{\n\tint r0;\n\tint r1;\n\n{body}\n}}\n\nexists (x=0)\n"
    (price,) = cost(parse_test(Source("t.litmus", text)), load_model(model))
    return {item.name: count for item, count in price.counts}


@pytest.mark.parametrize(
    ("body", "model", "name"),
    [
        ("smp_mb();", "x86-tso", "lock add / mfence"),
        ("smp_mb();", "aarch64", "dmb ish"),
        ("smp_rmb();", "aarch64", "dmb ishld"),
        ("smp_wmb();", "aarch64", "dmb ishst"),
        ("smp_store_release(x, 1);", "aarch64", "stlr"),
        ("r0 = smp_load_acquire(x);", "aarch64", "ldar"),
        ("r0 = cmpxchg(x, 0, 1);", "aarch64", "lse atomic, acquire and release"),
        ("r0 = cmpxchg(x, 0, 1);", "x86-tso", "locked instruction"),
        ("set_bit(0, x);", "aarch64", "lse atomic, no result"),
        ("set_bit(0, x);", "aarch64-llsc", "ldxr/stxr loop"),
        ("set_bit(0, x);", "x86-tso", "locked instruction"),
        ("smp_mb();", "lkmm", "smp_mb"),
        ("smp_rmb();", "lkmm", "smp_rmb"),
    ],
)
def test_a_primitive_is_counted_as_what_it_is_compiled_to(body: str, model: str, name: str) -> None:
    assert prices(body, model) == {name: Range(1, 1)}


@pytest.mark.parametrize("body", ["smp_rmb();", "smp_wmb();", "barrier();", "smp_mb__before_atomic();"])
def test_what_only_restrains_the_compiler_costs_nothing_on_x86(body: str) -> None:
    assert prices(body, "x86-tso") == {}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("wait", ["synchronize_srcu(ss);", "synchronize_srcu_expedited(ss);", "synchronize_rcu();"])
def test_a_grace_period_is_counted_by_name_under_every_model(wait: str, model: str) -> None:
    assert prices(wait, model) == {wait.partition("(")[0]: Range(1, 1)}


@pytest.mark.parametrize("model", MODELS)
def test_a_section_is_counted_once_and_its_fences_with_the_machine(model: str) -> None:
    found = prices("r0 = srcu_read_lock(ss);\nsrcu_read_unlock(ss, r0);", model)
    assert sum(count.low for name, count in found.items() if "section" in name or name == "srcu_read_lock") == 1


def test_a_branch_gives_a_range() -> None:
    assert prices("r0 = READ_ONCE(*x);\nif (r0) {\n\tsmp_rmb();\n}", "aarch64")["dmb ishld"] == Range(0, 1)
    both = prices("r0 = READ_ONCE(*x);\nif (r0) {\n\tsmp_mb();\n} else {\n\tsmp_mb();\n\tsmp_mb();\n}", "aarch64")
    assert both["dmb ish"] == Range(1, 2)


def test_a_compare_and_swap_that_fails_skips_the_fence_of_its_loop() -> None:
    assert prices("r0 = cmpxchg(x, 0, 1);", "aarch64-llsc")["dmb ish"] == Range(0, 1)


def test_a_primitive_nobody_knows_is_an_error() -> None:
    with pytest.raises(UnknownName):
        prices("smp_mbb();", "aarch64")


STEPS = st.sampled_from(["smp_mb();", "smp_rmb();", "smp_wmb();", "set_bit(0, x);", "synchronize_srcu(ss);", "WRITE_ONCE(*y, 1);"])


@given(st.lists(STEPS, max_size=4), st.lists(STEPS, max_size=4), st.sampled_from(MODELS))
def test_what_stands_in_a_row_adds_up(first: list[str], second: list[str], model: str) -> None:
    a, b, both = (prices("\n".join(steps), model) for steps in (first, second, first + second))
    assert {name: a.get(name, Range(0, 0)).low + b.get(name, Range(0, 0)).low for name in {*a, *b}} == {
        name: count.low for name, count in both.items()
    }


@given(st.lists(STEPS, max_size=4), st.lists(STEPS, max_size=4), st.sampled_from(MODELS))
def test_a_choice_costs_from_the_cheaper_to_the_dearer(first: list[str], second: list[str], model: str) -> None:
    a, b = (prices("\n".join(steps), model) for steps in (first, second))
    branch = "if (r1) {\n" + "\n".join(first) + "\nr1 = 0;\n} else {\n" + "\n".join(second) + "\nr1 = 1;\n}"
    for name, count in prices(branch, model).items():
        one, other = a.get(name, Range(0, 0)), b.get(name, Range(0, 0))
        assert count == Range(min(one.low, other.low), max(one.high, other.high))


def test_every_scenario_has_a_price_under_every_model() -> None:
    done = CliRunner().invoke(command, [str(LITMUS), "--format", "json"])
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.output.splitlines()]
    assert {row["model"] for row in rows} == {*MODELS}
    assert all(item["category"] in CATEGORIES and 0 <= item["low"] <= item["high"] for row in rows for item in row["costs"])


def test_variants_stand_side_by_side() -> None:
    waits, fence = (Item("waits", "synchronize_srcu"), Range(1, 1)), (Item("full", "dmb ish"), Range(0, 1))
    table = compare([Price("old", "old", "aarch64", 0, (waits,)), Price("new", "new", "aarch64", 0, (fence,))])
    assert table.split("\n") == [
        "aarch64                     old  new",
        "P0 waits  synchronize_srcu  1    ·",
        "P0 full   dmb ish           ·    0–1",
    ]


def test_the_command_says_what_is_wrong_and_counts_the_rest(tmp_path: Path) -> None:
    bad = tmp_path / "bad.litmus"
    bad.write_text("C bad\n{}\nP0(int *x)\n{\n\tsmp_mbb();\n}\nexists (x=0)\n")
    good = str(LITMUS / "kvm" / "vgic-ready-mb-acquire.litmus")
    done = CliRunner().invoke(command, [str(bad), good, "-m", "aarch64"])
    assert done.exit_code == 2
    assert "smp_mbb" in done.stderr
    assert "ldar" in done.stdout
    assert "Traceback" not in done.output


@pytest.mark.parametrize("model", MODELS)
def test_a_callback_is_counted_where_it_is_queued_and_its_work_where_it_runs(model: str) -> None:
    text = """C t

{}

P0(int *x, struct srcu_struct *ss)
{
	call_srcu(ss, &head, P1);
}

P1(int *x)
{
	kfree(x);
}

exists (x=0)
"""
    queue, callback = cost(parse_test(Source("t.litmus", text)), load_model(model))
    assert queue.of("waits") == Range(0, 0)
    assert dict(queue.counts)[Item("defers", "call_srcu")] == Range(1, 1)
    assert dict(callback.counts)[Item("frees", "kfree")] == Range(1, 1)
