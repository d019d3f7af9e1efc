"""Audits: what is said of a choice is what a test says in which somebody has changed that line by hand."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from checker import library
from checker.check import Options, check
from checker.cli import cli
from checker.core.source import CheckerError, Source
from checker.insight.audit import IDLE, LOAD_BEARING, TOO_STRONG, UNSURE, Audit, Choice, audit
from checker.library import SHIPPED, load_model, load_test
from checker.library import test_in as a_litmus_test
from checker.program import ir
from checker.report.audited import record, text

LITMUS = Path(__file__).parent.parent / "litmus"
SCENARIOS = [path for path in sorted(LITMUS.rglob("*.litmus"))[::4] if path.parent.name != "locks"]  # these take their time
_MEMBER = r"[\w>.\[\]*&-]+"


def audited(test: ir.Test, model: str = "lkmm") -> Audit:
    return audit(test, load_model(model), Options())


def a_test(p0: str, p1: str, exists: str, p2: str = "") -> ir.Test:
    source = "C T\n\n{}\n\n"
    for n, body in enumerate(filter(None, (p0, p1, p2))):
        lines = "".join(f"\t{line}\n" for line in ["int r0; int r1;", *body.split("\n")])
        source += f"P{n}(int *x, int *y, spinlock_t *l, atomic_t *a)\n{{\n{lines}}}\n\n"
    return library.test_in(Source("T.litmus", f"{source}exists ({exists})\n"))


def by_hand(line: str, choice: Choice, form: str) -> str | None:
    """The line with the choice weakened to `form`, as an editor would; None where more than a line has to change."""
    name = choice.text.removesuffix("()")
    if "unlock" in choice.text or "dependency" in choice.text or "grace period" in choice.text:
        return None
    if form == "nothing":
        return re.sub(rf"{name}\([^;]*\);", "", line)
    new = form.removesuffix("()")
    if name == "smp_store_release":
        return re.sub(rf"smp_store_release\(({_MEMBER}),", r"WRITE_ONCE(*(\1),", line)
    if name == "smp_load_acquire":
        return re.sub(rf"smp_load_acquire\(({_MEMBER})\)", r"READ_ONCE(*(\1))", line)
    return line.replace(f"{name}(", f"{new}(")


def holds(test: ir.Test, model: str, result: Audit) -> bool:
    """Whether what the audit was held against still holds."""
    said = check(test, load_model(model), Options())
    flags = [name for name in said.flags if f"flag {name}" in result.kept]
    return said.observation == result.result.observation and not flags


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda p: p.stem)
@pytest.mark.parametrize("model", [name for name in SHIPPED if name != "sc"])
def test_what_is_said_of_a_choice_is_what_comes_of_changing_its_line(path: Path, model: str) -> None:
    test = load_test(path)
    try:
        found = audited(test, model)
    except CheckerError:
        with pytest.raises(CheckerError):
            check(test, load_model(model), Options())
        return
    lines = test.source.text.split("\n")
    for choice in found.choices:
        doubles = [other for other in found.choices if (other.line, other.text) == (choice.line, choice.text)]
        gone = {
            "smp_store_release": "WRITE_ONCE()",
            "smp_load_acquire": "READ_ONCE()",
            "rcu_assign_pointer": "WRITE_ONCE()",
            "smp_store_mb": "WRITE_ONCE()",
        }
        name = choice.text.removesuffix("()")
        form = choice.weakest or gone.get(name, f"{name}_relaxed" if name.startswith(("cmpxchg", "xchg", "atomic_")) else "nothing")
        line = by_hand(lines[choice.line - 1], choice, form)
        if line is None or line == lines[choice.line - 1] or len(doubles) > 1:
            continue
        changed = library.test_in(Source(test.source.name, "\n".join([*lines[: choice.line - 1], line, *lines[choice.line :]])))
        assert holds(changed, model, found) == (choice.status != LOAD_BEARING), choice


@pytest.mark.parametrize(
    "first,second,sorts",
    [
        ("smp_mb();", "smp_mb();", [TOO_STRONG, TOO_STRONG]),
        ("smp_wmb();", "smp_rmb();", [LOAD_BEARING, LOAD_BEARING]),
        ("smp_wmb();\nsmp_wmb();", "smp_rmb();", [IDLE, IDLE, LOAD_BEARING]),
    ],
)
def test_message_passing_needs_one_barrier_a_side_and_the_lightest(first: str, second: str, sorts: list[str]) -> None:
    test = a_test(
        f"WRITE_ONCE(*x, 1);\n{first}\nWRITE_ONCE(*y, 1);",
        f"r0 = READ_ONCE(*y);\n{second}\nr1 = READ_ONCE(*x);",
        "1:r0=1 /\\ 1:r1=0",
    )
    found = audited(test)
    assert [choice.status for choice in found.choices] == sorts
    if sorts[0] == TOO_STRONG:
        assert [choice.weakest for choice in found.choices] == ["smp_wmb()", "smp_rmb()"]


def test_of_two_barriers_that_do_the_same_either_is_enough() -> None:
    test = a_test(
        "WRITE_ONCE(*x, 1);\nsmp_wmb();\nsmp_wmb();\nWRITE_ONCE(*y, 1);",
        "r0 = smp_load_acquire(y);\nr1 = READ_ONCE(*x);",
        "1:r0=1 /\\ 1:r1=0",
    )
    found = audited(test)
    named = [{found.choices[n].line for n in some} for some in found.minimal]
    lines = [choice.line for choice in found.choices]
    assert sorted(map(sorted, named)) == [[lines[0], lines[2]], [lines[1], lines[2]]]
    assert "either smp_wmb() in line 9, or smp_wmb() in line 10, besides smp_load_acquire() in line 17" in text([found])


def test_every_minimal_set_is_enough_and_lacks_nothing() -> None:
    """By brute force: the lines of all subsets of six barriers."""
    body = "WRITE_ONCE(*x, 1);\nsmp_wmb();\nsmp_mb();\nsmp_store_release(y, 1);"
    other = "r0 = smp_load_acquire(y);\nsmp_rmb();\nsmp_mb();\nr1 = READ_ONCE(*x);"
    test = a_test(body, other, "1:r0=1 /\\ 1:r1=0")
    found = audited(test)
    lines = test.source.text.split("\n")
    assert len(found.choices) == 6
    enough = set()
    for mask in range(64):
        kept = frozenset(n for n in range(6) if mask >> n & 1)
        changed = list(lines)
        for n, choice in enumerate(found.choices):
            if n not in kept:
                gone = {"smp_store_release()": "WRITE_ONCE()", "smp_load_acquire()": "READ_ONCE()"}
                line = by_hand(lines[choice.line - 1], choice, gone.get(choice.text, "nothing"))
                assert line is not None
                changed[choice.line - 1] = line
        if holds(library.test_in(Source("T", "\n".join(changed))), "lkmm", found):
            enough.add(kept)
    assert {some for some in enough if not any(other < some for other in enough)} == set(found.minimal)


def test_a_section_counts_as_one_choice_with_all_its_ends() -> None:
    body = "spin_lock(l);\nr0 = READ_ONCE(*x);\nif (r0) {\n\tspin_unlock(l);\n} else {\n\tWRITE_ONCE(*x, 1);\n\tspin_unlock(l);\n}"
    found = audited(a_test(body, body, "0:r0=0 /\\ 1:r0=0"))
    assert [(choice.text, choice.status) for choice in found.choices if "lock" in choice.text] == [
        ("spin_lock() … unlock", LOAD_BEARING)
    ] * 2


def test_a_dependency_is_a_choice() -> None:
    test = a_test(
        "r0 = READ_ONCE(*x);\nWRITE_ONCE(*y, r0);", "r1 = READ_ONCE(*y);\nif (r1)\n\tWRITE_ONCE(*x, 1);", "0:r0=1 /\\ 1:r1=1"
    )
    assert [(c.text, c.status) for c in audited(test).choices] == [
        ("data dependency of line 9", LOAD_BEARING),
        ("control dependency", LOAD_BEARING),
    ]


def test_a_full_atomic_is_too_strong_where_an_acquire_does() -> None:
    test = a_test("WRITE_ONCE(*x, 1);\nsmp_store_release(y, 1);", "r0 = xchg(y, 2);\nr1 = READ_ONCE(*x);", "1:r0=1 /\\ 1:r1=0")
    choice = audited(test).choices[1]
    assert (choice.text, choice.status, choice.weakest) == ("xchg()", TOO_STRONG, "xchg_acquire()")


def test_a_race_that_appears_is_what_a_choice_holds_off() -> None:
    test = a_test("*x = 1;\nsmp_store_release(y, 1);", "r0 = smp_load_acquire(y);\nif (r0)\n\tr1 = *x;", "1:r0=1 /\\ 1:r1=5")
    found = audited(test)
    assert {choice.opens for choice in found.choices if choice.status == LOAD_BEARING} == {"flag data-race"}
    assert found.kept == "never and flag data-race"


def test_where_nothing_is_forbidden_nothing_is_audited() -> None:
    found = audited(a_test("WRITE_ONCE(*x, 1);\nsmp_mb();", "r0 = READ_ONCE(*x);", "1:r0=1"))
    assert found.choices == ()
    assert "Sometimes, nothing is forbidden" in text([found])


def test_the_command_puts_models_side_by_side_and_says_what_only_one_needs() -> None:
    path = LITMUS / "kvm" / "emulate-block-smp-rmb.litmus"
    done = CliRunner().invoke(cli, ["audit", "--all-models", str(path)])
    assert done.exit_code == 0
    rows = {tuple(line.split()[2:7]) for line in done.stdout.splitlines()}
    assert ("smp_rmb()", "load-bearing", "load-bearing", "load-bearing", "idle") in rows
    few = CliRunner().invoke(cli, ["audit", "-m", "x86-tso", "-m", "aarch64", str(path)])
    assert re.search(r"only aarch64 needs smp_rmb\(\) in line \d+", few.stdout)


def test_json_names_the_choices_by_line_and_the_sets_by_choice() -> None:
    path = LITMUS / "srcu" / "unlock-reclaim.litmus"
    row = json.loads(CliRunner().invoke(cli, ["audit", "--format", "json", str(path)]).stdout)
    assert row["minimal"] == [[0, 2], [1, 2]]
    assert [row["choices"][n]["text"] for n in (0, 1)] == ["control dependency", "smp_mb()"]
    assert row["choices"][2]["weakest"] == "smp_rmb()"
    assert record(audited(load_test(path)))["choices"] == row["choices"]


def test_what_reaches_for_no_address_without_a_choice_is_unknown_and_not_idle() -> None:
    """Without the release P1 may read a pointer that nobody has written yet."""
    source = (
        "C T\n\n{ int x=1; int *p; }\n\n"
        "P0(int *x, int **p, int *flag)\n{\n\tWRITE_ONCE(*p, x);\n\tsmp_store_release(flag, 1);\n}\n\n"
        "P1(int **p, int *flag)\n{\n\tint f; int *r0; int r1;\n\tf = smp_load_acquire(flag);\n"
        "\tif (f) {\n\t\tr0 = READ_ONCE(*p);\n\t\tr1 = READ_ONCE(*r0);\n\t}\n}\n\nexists (1:r1=5)\n"
    )
    found = audited(library.test_in(Source("T.litmus", source)))
    assert [choice.status for choice in found.choices] == [UNSURE, UNSURE]
    assert not found.decided


DEFERRED = (
    "C T\n\n{ }\n\nP0(int *x, struct srcu_struct *ss, struct rcu_head *h)\n{\n\tcall_srcu(ss, h, P1);\n}\n\n"
    "P1(int *x)\n{\n\tWRITE_ONCE(*x, 1);\n}\n\nexists (x=0)\n"
)


def test_executions_without_a_callback_that_was_queued_are_none() -> None:
    found = audited(library.test_in(Source("T.litmus", DEFERRED)))
    assert [(choice.text, choice.status) for choice in found.choices] == [("the grace period of call_srcu()", IDLE)]


def test_what_is_not_decided_is_not_audited_and_the_exit_code_says_so(tmp_path: Path) -> None:
    path = tmp_path / "loop.litmus"
    path.write_text("C loop\n{}\nP0(int *x) { int r0 = 0; while (READ_ONCE(*x) == 0) r0 = r0 + 1; }\nexists (0:r0=7)\n")
    done = CliRunner().invoke(cli, ["audit", str(path)])
    assert done.exit_code == 1
    assert "Unknown, undecided: a loop may run more than 2 times" in done.stdout
    late = CliRunner().invoke(cli, ["audit", "--timeout", "0.0001", str(LITMUS / "kvm" / "emulate-block-smp-rmb.litmus")])
    assert late.exit_code == 1
    assert "nothing is forbidden" not in late.stdout


def test_a_table_for_each_folder_counts_kinds_of_choices_by_model(tmp_path: Path) -> None:
    for folder, name in (("one", "emulate-block-smp-rmb"), ("two", "emulate-block-smp-rmb"), ("two", "mmio-bus-guest-acquire")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.litmus").write_text((LITMUS / "kvm" / f"{name}.litmus").read_text())
    done = CliRunner().invoke(cli, ["audit", "--all-models", "--format", "markdown", str(tmp_path)])
    assert done.exit_code == 0
    one, two = done.stdout.split("### ")[1:]
    for table in (one, two):
        rows = [line.strip("|").split("|") for line in table.split("\n") if line.startswith("|")]
        assert len({len(row) for row in rows}) == 1
        assert [cell.strip().replace("\\", "") for cell in rows[0]][:5] == ["choice", "lkmm", "aarch64", "aarch64-llsc", "x86-tso"]
    assert "| `smp_rmb()` | 1 load-bearing | 1 load-bearing | 1 load-bearing | 1 idle |" in one
    names = ("emulate-block-smp-rmb", "mmio-bus-guest-acquire")
    counted = [audit(load_test(tmp_path / "two" / f"{name}.litmus"), load_model("lkmm"), Options()) for name in names]
    acquires = [c.status for found in counted for c in found.choices if c.text == "smp_load_acquire()"]
    assert f"| `smp_load_acquire()` | {acquires.count(LOAD_BEARING)} load-bearing" in two
    assert "only lkmm needs smp_load_acquire()" in two.replace("\\", "")


def test_what_one_machine_needs_however_it_is_compiled_is_said() -> None:
    test = load_test(LITMUS / "kvm" / "emulate-block-smp-rmb.litmus")
    found = [audit(test, load_model(name), Options()) for name in ("aarch64", "aarch64-llsc", "x86-tso")]
    assert "only aarch64 and aarch64-llsc need smp_rmb() in line" in text(found)


def test_no_choice_is_held_against_a_wait_that_lasts_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether one can is not asked, though the file expects something of it: that takes longer than the rest."""
    code = "P0(int *x) { smp_store_release(x, 1); }\nP1(int *x) { while (!smp_load_acquire(x)) cpu_relax(); }\nexists (x=2)\n"
    texts = [f"C spin\n(*\n * Result: {said}\n *)\n{{}}\n{code}" for said in ("Never PROGRESS", "Never")]
    tests = [a_litmus_test(Source("spin.litmus", text)) for text in texts]
    monkeypatch.setattr(sys.modules["checker.check"], "endless_wait", lambda *_: pytest.fail("asked"))
    found = [audit(test, load_model("lkmm"), Options()) for test in tests]
    assert found[0].choices == found[1].choices
