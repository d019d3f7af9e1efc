"""Repairs: what comes out is impossible, nothing cheaper does it, and the diff is one that git applies."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from checker import library
from checker.check import Options, check
from checker.cli import cli
from checker.core.source import Source
from checker.insight.audit import audit
from checker.insight.repair import Repair, one_line, repair
from checker.library import load_model, load_test
from checker.program import ir
from checker.report.repaired import diff, extra, text
from tests.test_audit import by_hand
from tests.test_explain import SHAPES, a_test, shape

LITMUS = Path(__file__).parent.parent / "litmus"
SCENARIOS = [path for path in sorted(LITMUS.rglob("*.litmus")) if path.parent.name != "locks"]  # these take their time


def repaired(test: ir.Test, *models: str) -> Repair:
    return repair(test, [load_model(name) for name in models or ("lkmm",)], Options())


def verdict(source: str, model: str = "lkmm") -> str:
    return check(library.test_in(Source("T.litmus", source)), load_model(model), Options()).observation


def by_brute_force(test: ir.Test) -> tuple[int, int, int]:
    """The cheapest of all ways to change two accesses a process and to put a barrier between them."""
    lines = test.source.text.split("\n")
    rows = [n for n, line in enumerate(lines) if "_ONCE" in line]
    gaps = [(rows[0], rows[1]), (rows[2], rows[3])]
    best = (9, 9, 9)
    barriers = {"": (0, 0, 0), "smp_wmb();": (0, 1, 0), "smp_rmb();": (0, 1, 0), "smp_mb();": (1, 0, 0)}
    for some in itertools.product([False, True], repeat=4):
        for between in itertools.product(barriers, repeat=2):
            cost = tuple(map(sum, zip(*[barriers[b] for b in between], (0, 0, sum(some)), strict=True)))
            if cost >= best:
                continue
            changed = [ordered(line) if n in rows and some[rows.index(n)] else line for n, line in enumerate(lines)]
            for (_, second), barrier in sorted(zip(gaps, between, strict=True), reverse=True):
                changed.insert(second, f"\t{barrier}")
            if verdict("\n".join(changed)) == "Never":
                best = cost  # type: ignore[assignment]
    return best


def ordered(line: str) -> str:
    return line.replace("READ_ONCE(*", "smp_load_acquire(").replace("WRITE_ONCE(*", "smp_store_release(")


@pytest.mark.parametrize("name", SHAPES)
def test_nothing_cheaper_forbids_the_outcome(name: str) -> None:
    test = shape(name, "", "")
    found = repaired(test)
    assert found.alternatives[0].cost[:3] == by_brute_force(test)
    for one in found.alternatives:
        assert verdict(one.text) == "Never"
        assert one.cost >= found.alternatives[0].cost


def stripped(test: ir.Test) -> tuple[ir.Test, list[str]] | None:
    """A test without its fences, acquires and releases, and what they were; None where it has none that a line can lose."""
    lines, gone = test.source.text.split("\n"), []
    weak = {
        "smp_store_mb()": "WRITE_ONCE()",
        "smp_store_release()": "WRITE_ONCE()",
        "smp_load_acquire()": "READ_ONCE()",
        "rcu_assign_pointer()": "WRITE_ONCE()",
    }
    for choice in audit(test, load_model("lkmm"), Options()).choices:
        line = by_hand(lines[choice.line - 1], choice, weak.get(choice.text, "nothing")) if "smp_" in choice.text else None
        if line is not None and line != lines[choice.line - 1]:
            lines[choice.line - 1] = line
            gone.append(choice.text)
    return (library.test_in(Source(test.source.name, "\n".join(lines))), gone) if gone else None


@pytest.mark.parametrize("path", SCENARIOS[::6], ids=lambda p: p.stem)
def test_what_the_kernel_wrote_is_no_cheaper_than_what_is_found(path: Path) -> None:
    test = load_test(path)
    made = stripped(test) if check(test, load_model("lkmm"), Options()).observation == "Never" else None
    if made is None or check(made[0], load_model("lkmm"), Options()).observation != "Sometimes":
        return
    bare, gone = made
    found = repaired(bare)
    assert found.alternatives, found.reason
    one = ["smp_load_acquire()", "smp_store_release()"]
    written = (
        sum(t.startswith(("smp_mb", "smp_store_mb")) for t in gone),
        sum(t in ("smp_rmb()", "smp_wmb()") for t in gone),
        sum(t in one for t in gone),
    )
    assert found.alternatives[0].cost[:3] <= written


def test_one_repair_serves_all_models_asked_for() -> None:
    found = repaired(shape("SB", "", ""), "lkmm", "x86-tso", "aarch64")
    assert found.alternatives[0].cost[:3] == (2, 0, 0)
    assert [result.observation for result in found.alternatives[0].results] == ["Never"] * 3
    assert repaired(shape("MP", "", ""), "x86-tso").reason.startswith("there is nothing to repair")


def test_changes_say_what_they_pair_with() -> None:
    found = repaired(shape("MP", "", ""))
    assert "smp_store_release(y, 1); // pairs with smp_load_acquire() in P1" in found.alternatives[0].text
    assert "r0 = smp_load_acquire(y); // pairs with smp_store_release() in P0" in found.alternatives[0].text


@pytest.mark.parametrize(
    "first,wanted",
    [
        ("atomic_inc(x);", "smp_mb__after_atomic();"),
        ("idx = srcu_read_lock(ss);\nWRITE_ONCE(*z, 1);\nsrcu_read_unlock(ss, idx);", "smp_mb__after_srcu_read_unlock();"),
    ],
)
def test_the_barrier_that_the_kernel_has_for_a_place_is_taken(first: str, wanted: str) -> None:
    var, reader = ("*z", "READ_ONCE(*z)") if "srcu" in first else ("*x", "atomic_read(x)")
    lines = "".join(f"\t{line}\n" for line in ["int r0;", "int idx;", *first.split("\n"), "r0 = READ_ONCE(*y);"])
    source = (
        f"C T\n\n{{}}\n\nP0(atomic_t *x, int *y, int *z, struct srcu_struct *ss)\n{{\n{lines}}}\n\n"
        f"P1(atomic_t *x, int *y, int *z)\n{{\n\tint r1;\n\tWRITE_ONCE(*y, 1);\n\tsmp_mb();\n\tr1 = {reader};\n}}\n\n"
        "exists (0:r0=0 /\\ 1:r1=0)\n"
    )
    found = repaired(library.test_in(Source("T.litmus", source)))
    assert found.alternatives, var
    assert wanted in found.alternatives[0].text


def test_a_lighter_barrier_gives_way_to_the_full_one() -> None:
    found = repaired(shape("SB", "smp_wmb();", "smp_mb();"))
    assert found.alternatives[0].changes == ((9, "smp_wmb() → smp_mb()", "smp_wmb()"),)
    assert "smp_wmb" not in found.alternatives[0].text


def test_where_turns_taken_do_it_no_barrier_helps() -> None:
    found = repaired(a_test("WRITE_ONCE(*x, 1);", "r0 = READ_ONCE(*x);", "1:r0=1"))
    assert found.alternatives == ()
    assert "no barrier helps" in found.reason


def test_accesses_of_what_is_outside_stay_as_they_are() -> None:
    found = repair(shape("MP", "", ""), [load_model("lkmm")], Options(), frozenset({"y"}))
    assert found.alternatives[0].cost[:3] == (0, 2, 0)
    assert one_line(found) == "smp_wmb() before 'WRITE_ONCE(*y, 1)'; smp_rmb() before 'r1 = READ_ONCE(*x)'"


def test_git_applies_the_diff(tmp_path: Path) -> None:
    path = tmp_path / "T.litmus"
    source = shape("R", "", "").source.text
    path.write_text(source)
    test = library.test_in(Source("T.litmus", source))
    found = repaired(test)
    for n, one in enumerate(found.alternatives):
        path.write_text(source)
        patch = tmp_path / f"{n}.patch"
        patch.write_text(diff(test, one) + "\n")
        subprocess.run(["git", "apply", "--unsafe-paths", patch.name], cwd=tmp_path, check=True)
        assert path.read_text() == one.text
    assert diff(test, found.alternatives[0]) in text(found, test)


def test_the_command_says_what_is_left_to_do_by_its_exit_code(tmp_path: Path) -> None:
    helped, not_helped = tmp_path / "a.litmus", tmp_path / "b.litmus"
    helped.write_text(shape("MP", "", "").source.text)
    not_helped.write_text(a_test("WRITE_ONCE(*x, 1);", "r0 = READ_ONCE(*x);", "1:r0=1").source.text)
    done = CliRunner().invoke(cli, ["repair", "--format", "json", str(helped)])
    assert done.exit_code == 0
    row = json.loads(done.stdout)
    assert row["alternatives"][0]["cost"] == {"full": 0, "directional": 0, "one_way": 2}
    assert verdict(row["alternatives"][0]["text"]) == "Never"
    assert CliRunner().invoke(cli, ["repair", str(not_helped)]).exit_code == 1
    assert CliRunner().invoke(cli, ["repair", str(tmp_path / "none.litmus")]).exit_code == 2


# ---------------------------------------------------------------- read-modify-writes, and who pays

ATOMICS = """C SB

{{}}

P0(atomic_t *x, int *y)
{{
\tint r0;
\tint r1;

\tr0 = {0}(1, x);
\tr1 = READ_ONCE(*y);
}}

P1(atomic_t *x, {1} *y)
{{
\tint r0;
\tint r1;

\t{2};
\tr1 = atomic_read(x);
}}

exists (0:r1=0 /\\ 1:r1=0)
"""


def atomics(first: str, *, both: bool = False) -> ir.Test:
    kind, second = ("atomic_t", f"r0 = {first}(1, y)") if both else ("int", "WRITE_ONCE(*y, 1)")
    code = ATOMICS.format(first, kind, second)
    if both:
        code = code.replace("READ_ONCE(*y)", "atomic_read(y)").replace("P0(atomic_t *x, int", "P0(atomic_t *x, atomic_t")
    return library.test_in(Source("sb.litmus", code))


@pytest.mark.parametrize("first", ["atomic_fetch_add_relaxed", "atomic_fetch_add_acquire", "atomic_fetch_add_release"])
def test_an_acquire_and_a_release_of_one_call_are_written_as_its_full_form(first: str) -> None:
    test = atomics(first)
    found = repair(test, [load_model("lkmm")], Options())
    assert len(found.alternatives) > 1
    for one in found.alternatives:
        assert one.cost[:3] == (2, 0, 0)
        assert check(library.test_in(Source("sb.litmus", one.text)), load_model("lkmm"), Options()).observation == "Never"
    assert len({one.text for one in found.alternatives}) == len(found.alternatives)
    assert any("atomic_fetch_add(1, x)" in one.text for one in found.alternatives)


def test_x86_pays_for_full_barriers_and_not_for_read_modify_writes() -> None:
    test = atomics("atomic_fetch_add_relaxed", both=True)
    first = repair(test, [load_model("lkmm")], Options(), paying="x86-tso").alternatives[0]
    assert "smp_mb" not in first.text
    assert first.text.count("atomic_fetch_add(1") == 2
    assert extra(test, first)["x86-tso"] == {}
    assert "   x86-tso: nothing more\n" in text(repair(test, [load_model("lkmm")], Options(), paying="x86-tso"), test)


def test_what_machines_execute_more_is_what_checker_cost_counts() -> None:
    test = atomics("atomic_fetch_add_relaxed")
    for one in repair(test, [load_model("lkmm")], Options()).alternatives:
        barriers = one.text.count("smp_mb")
        barriers -= one.text.count("// pairs with smp_mb")
        assert extra(test, one)["aarch64"].get("dmb ish", 0) == barriers


def test_who_pays_is_an_option_of_the_command(tmp_path: Path) -> None:
    path = tmp_path / "sb.litmus"
    path.write_text(atomics("atomic_fetch_add_relaxed", both=True).source.text)
    done = CliRunner().invoke(cli, ["repair", "-m", "lkmm", "--cost", "x86-tso", "--format", "json", str(path)])
    first = json.loads(done.stdout)["alternatives"][0]
    assert first["machines"]["x86-tso"] == {}


def test_where_barriers_do_not_help_plain_accesses_are_pointed_at() -> None:
    found = repaired(a_test("*x = 1;\nWRITE_ONCE(*y, 1);", "r0 = READ_ONCE(*y);\nr1 = *x;", "1:r0=1 /\\ 1:r1=0"))
    racy = repaired(a_test("*x = 1;\n*y = 1;", "r0 = *y;\nr1 = *x;", "1:r0=1 /\\ 1:r1=0"))
    assert found.alternatives
    assert not racy.alternatives
    assert racy.reason.endswith("; accesses that are plain and might be marked stand in lines 8, 9, 15, 16")
