"""A patch before a gate that has no tests: pairs of functions before and after, compared by what may come out of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.campaign.gate import Finding, Report, Request
from checker.campaign.patched import with_kernel
from checker.campaign.policy import Policy
from checker.check import Options
from checker.cli import cli
from checker.core.source import LimitExceeded
from checker.insight.judge import CLOSES, OPEN, OPENS, SAME, Difference, Outcomes, asking, compared, matched
from checker.reach.extract import Extract, NotThere, Wanted, extracted
from tests.kernel_trees import tree

HEADER = """
struct thing { int flag; int data; int other; unsigned long bits; spinlock_t lock; void (*fn)(struct thing *); };
"""
CODE = """
#include <linux/thing.h>

void tell(struct thing *t)
{
	int n = 1;

	WRITE_ONCE(t->data, n);
	smp_wmb();
	WRITE_ONCE(t->flag, 1);
}

int look(struct thing *t)
{
	int found = 0;

	if (READ_ONCE(t->flag)) {
		smp_rmb();
		found = READ_ONCE(t->data);
	}
	return found;
}

void alone(struct thing *t)
{
	WRITE_ONCE(t->other, 1);
	smp_mb();
	WRITE_ONCE(t->bits, 1);
}
"""
PATH = "drivers/t/a.c"
ASK = asking(Options(timeout=20))


def gate(folder: Path, old: str, new: str, before: str = CODE) -> list[Finding]:
    """What the gate says of one replacement in a small kernel."""
    return judged(folder, before, before.replace(old, new, 1))


def judged(folder: Path, before: str, after: str) -> list[Finding]:
    assert before != after
    tree(folder / "tree", {"include/linux/thing.h": HEADER, PATH: before})
    (folder / "p.patch").write_text(diff(before, after))
    request = Request((), whole=True)
    return list(with_kernel(Report((), ()), str(folder / "tree"), str(folder / "p.patch"), request, Policy()).findings)


def diff(before: str, after: str) -> str:
    """A patch of the one file that has code."""
    import difflib

    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), f"a/{PATH}", f"b/{PATH}", lineterm="")
    return "\n".join(lines) + "\n"


def only(findings: list[Finding]) -> Finding:
    said = [finding for finding in findings if finding.kind != "skeleton"]
    assert len(said) == 1, findings
    return said[0]


# ---------------------------------------------------------------- what is blocked


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("\tsmp_wmb();\n", "", 9),
        ("smp_wmb();", "smp_rmb();", 9),
        ("smp_wmb();", "barrier();", 9),
        ("\t\tsmp_rmb();\n", "", 18),
        ("smp_rmb();", "smp_wmb();", 18),
    ],
)
def test_a_barrier_that_bears_is_not_lost(old: str, new: str, place: int, tmp_path: Path) -> None:
    found = only(gate(tmp_path, old, new))
    assert (found.kind, found.level, found.kernel) == ("harmful", "block", (PATH, place))
    assert re.search(r"[01]:found\d*=0", found.why) and "a.c:" in found.why
    assert {name for _, name in found.functions} == {"tell", "look"}
    said = "\n".join(found.detail)
    assert re.search(r"stores flag := 1 \(line (9|10)\)", said) and re.search(r"reads data = 0 \(line 1[89]\)", said)
    assert found.opened is not None and found.litmus.startswith("C ")


def test_a_barrier_moved_out_of_the_way_is_blocked(tmp_path: Path) -> None:
    old = "\tsmp_wmb();\n\tWRITE_ONCE(t->flag, 1);\n"
    found = gate(tmp_path, old, "\tWRITE_ONCE(t->flag, 1);\n\tsmp_wmb();\n")
    assert [f.kind for f in found if f.level == "block"] == ["harmful"]


def test_a_release_that_becomes_a_plain_store_is_blocked(tmp_path: Path) -> None:
    code = CODE.replace("\tsmp_wmb();\n\tWRITE_ONCE(t->flag, 1);", "\tsmp_store_release(&t->flag, 1);")
    found = only(gate(tmp_path, "smp_store_release(&t->flag, 1)", "WRITE_ONCE(t->flag, 1)", code))
    assert found.kind == "harmful" and "smp_store_release(&t->flag, 1) becomes WRITE_ONCE(t->flag, 1)" in found.message


def test_a_mark_that_is_lost_is_blocked(tmp_path: Path) -> None:
    for n, (old, new) in enumerate((("WRITE_ONCE(t->flag, 1)", "t->flag = 1"), ("if (READ_ONCE(t->flag))", "if (t->flag)"))):
        (tmp_path / str(n)).mkdir()
        assert only(gate(tmp_path / str(n), old, new)).kind == "harmful"


def test_a_barrier_put_under_a_condition_is_blocked(tmp_path: Path) -> None:
    found = gate(tmp_path, "\tsmp_wmb();", "\tif (jiffies)\n\t\tsmp_wmb();")
    assert [f.kind for f in found if f.level == "block"] == ["harmful"]


def test_a_value_of_zero_tells_too(tmp_path: Path) -> None:
    code = CODE.replace("t->flag, 1", "t->flag, 0").replace("if (READ_ONCE(t->flag))", "if (READ_ONCE(t->flag) == 0)")
    assert only(gate(tmp_path, "\tsmp_wmb();\n", "", code)).kind == "harmful"


# ---------------------------------------------------------------- what passes

HARMLESS = {
    "a comment": ("\tsmp_wmb();", "\t/* not smp_mb() */\n\tsmp_wmb();"),
    "a stronger barrier": ("smp_wmb();", "smp_mb();"),
    "a stronger store": ("WRITE_ONCE(t->flag, 1)", "smp_store_release(&t->flag, 1)"),
    "a renamed local": ("int n = 1;\n\n\tWRITE_ONCE(t->data, n)", "int value = 1;\n\n\tWRITE_ONCE(t->data, value)"),
    "a block": ("\tsmp_wmb();", "\tdo {\n\t\tsmp_wmb();\n\t} while (0);"),
    "a helper": (
        "void tell(struct thing *t)\n{\n\tint n = 1;\n\n\tWRITE_ONCE(t->data, n);\n\tsmp_wmb();",
        "static void first(struct thing *t, int n)\n{\n\tWRITE_ONCE(t->data, n);\n\tsmp_wmb();\n}\n\n"
        "void tell(struct thing *t)\n{\n\tint n = 1;\n\n\tfirst(t, n);",
    ),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_what_takes_nothing_away_passes(what: str, tmp_path: Path) -> None:
    found = gate(tmp_path, *HARMLESS[what])
    assert not [f for f in found if f.level in ("block", "error")], found
    assert {f.kind for f in found} <= {"harmless", "idle", "bears", "unasked", "skeleton"}


def test_what_no_pair_needs_is_said_with_the_pairs(tmp_path: Path) -> None:
    code = CODE.replace("\tsmp_wmb();", "\tsmp_mb();\n\tsmp_wmb();")
    found = only(gate(tmp_path, "\tsmp_wmb();\n", "", code))
    assert (found.kind, found.level) == ("spare", "warning") and "with look() (drivers/t/a.c:" in found.message


def test_a_new_barrier_is_said_to_bear_or_not_to(tmp_path: Path) -> None:
    code = CODE.replace("\tsmp_wmb();\n", "")
    found = only(gate(tmp_path, "WRITE_ONCE(t->data, n);\n", "WRITE_ONCE(t->data, n);\n\tsmp_wmb();\n", code))
    assert (found.kind, found.level) == ("bears", "note") and "look()" in found.message and found.detail
    (tmp_path / "again").mkdir()
    found = only(gate(tmp_path / "again", "\tsmp_wmb();\n", "\tsmp_wmb();\n\tsmp_mb();\n"))
    assert (found.kind, found.level) == ("idle", "note")


# ---------------------------------------------------------------- what nobody knows


def test_what_pairs_with_nothing_is_uncovered(tmp_path: Path) -> None:
    found = only(gate(tmp_path, "\tsmp_mb();\n", ""))
    assert (found.kind, found.level) == ("uncovered", "warning")
    assert "no function was found that it pairs with" in found.message


def test_what_is_lost_between_two_accesses_is_never_green(tmp_path: Path) -> None:
    code = CODE.replace("\tsmp_wmb();", "\tsmp_mb();\n\tt->fn(t);\n\tsmp_wmb();")
    found = only(gate(tmp_path, "\tsmp_wmb();\n", "", code))
    assert found.kind == "uncovered" and "left out" in found.message


def test_what_is_lost_outside_of_two_accesses_is_no_part_of_the_question(tmp_path: Path) -> None:
    code = CODE.replace("\tsmp_wmb();", "\tsmp_mb();\n\tsmp_wmb();").replace("flag, 1);\n}", "flag, 1);\n\tt->fn(t);\n}")
    assert only(gate(tmp_path, "\tsmp_wmb();\n", "", code)).kind == "spare"


def test_what_may_order_and_is_left_out_makes_nothing_green(tmp_path: Path) -> None:
    """Without it the reader may see the two in either order, with the writer's barrier and without."""
    code = CODE.replace("\t\tsmp_rmb();", "\t\tmystery_smp_rmb();")
    found = only(gate(tmp_path, "\tsmp_wmb();\n", "", code))
    assert found.kind == "uncovered" and "may order" in found.message
    code = CODE.replace("\tsmp_wmb();", "\tsmp_mb();\n\tmystery_smp_rmb();\n\tsmp_wmb();")
    (tmp_path / "other").mkdir()
    assert only(gate(tmp_path / "other", "\tsmp_wmb();\n", "", code)).kind == "spare"


def test_another_program_is_not_a_lost_order(tmp_path: Path) -> None:
    found = gate(tmp_path, "WRITE_ONCE(t->flag, 1)", "WRITE_ONCE(t->flag, 2)")
    assert not [f for f in found if f.level in ("block", "error")], found


def test_a_changed_barrier_never_ends_without_a_finding(tmp_path: Path) -> None:
    for n, barrier in enumerate(("smp_wmb", "smp_rmb", "smp_mb")):
        (tmp_path / str(n)).mkdir()
        assert gate(tmp_path / str(n), f"{barrier}();", "")


# ---------------------------------------------------------------- the comparison


def pair(folder: Path, first: str, second: str, places: tuple[str, ...] = ("flag", "data")) -> Extract:
    head = "struct thing *t, int n"
    text = f"#include <linux/thing.h>\nvoid f({head})\n{{\n{first}\n}}\nvoid g({head})\n{{\n{second}\n}}\n"
    types = tree(folder, {"include/linux/thing.h": HEADER, PATH: text})
    return extracted(types, ((PATH, "f"), (PATH, "g")), Wanted(places=places))


PIECES = (
    "WRITE_ONCE(t->flag, 1);", "WRITE_ONCE(t->data, 1);", "n = READ_ONCE(t->flag);", "n = READ_ONCE(t->data);",
    "smp_store_release(&t->flag, 2);", "n = smp_load_acquire(&t->data);", "xchg(&t->data, 3);",
)  # fmt: skip
FENCES = ("", "smp_mb();", "smp_wmb();", "smp_rmb();")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=2, max_size=3), st.lists(st.sampled_from(PIECES), min_size=2, max_size=3),
       st.sampled_from(FENCES), st.sampled_from(FENCES))  # fmt: skip
def test_what_opens_one_way_closes_the_other(
    tmp_path_factory: pytest.TempPathFactory, first: list[str], second: list[str], one: str, other: str
) -> None:
    """A fence put in takes outcomes away, or none; and a full one never adds any."""

    def made(fence: str) -> Extract | None:
        folder = tmp_path_factory.mktemp("k")
        try:
            return pair(folder, first[0] + fence + " ".join(first[1:]), " smp_mb(); ".join(second))
        except NotThere:  # one of the places is not touched
            return None

    a, b = made(one), made(other)
    if a is None or b is None:
        return
    there, back = compared(a, b, ("lkmm",), ASK), compared(b, a, ("lkmm",), ASK)
    assert {there.kind, back.kind} in ({SAME}, {OPENS, CLOSES}, {OPENS})
    if other == "smp_mb();":
        assert there.kind in (SAME, CLOSES)
    if one == other:
        assert there.kind == SAME


def test_reads_correspond_by_place_and_order_whatever_they_are_called(tmp_path: Path) -> None:
    a = pair(tmp_path / "a", "WRITE_ONCE(t->data, 1); smp_wmb(); WRITE_ONCE(t->flag, 1);",
             "int x = READ_ONCE(t->flag); smp_rmb(); n = READ_ONCE(t->data);")  # fmt: skip
    b = pair(tmp_path / "b", "WRITE_ONCE(t->data, 1); smp_wmb(); WRITE_ONCE(t->flag, 1);",
             "int y = READ_ONCE(t->flag); smp_rmb(); int z = READ_ONCE(t->data);")  # fmt: skip
    found = matched(a, b)
    assert not found.left and dict(zip(found.first, found.second, strict=True))["1:x"] == "1:y"
    assert compared(a, b, ("lkmm", "aarch64"), ASK) == Difference(SAME)


def test_a_read_that_is_gone_cannot_be_compared_and_is_said(tmp_path: Path) -> None:
    a = pair(tmp_path / "a", "WRITE_ONCE(t->data, 1); WRITE_ONCE(t->flag, 1);", "n = READ_ONCE(t->flag); n = READ_ONCE(t->data);")
    b = pair(tmp_path / "b", "WRITE_ONCE(t->data, 1); WRITE_ONCE(t->flag, 1);",
             "n = READ_ONCE(t->flag); n = READ_ONCE(t->data); n = READ_ONCE(t->data);")  # fmt: skip
    found = compared(a, b, ("lkmm",), ASK)
    assert found.kind == OPEN and found.altered and "P1 reads thing.data once before, 2 times after" in found.why


def test_a_lock_that_is_gone_opens_interleavings_and_is_a_loss(tmp_path: Path) -> None:
    locked = "spin_lock(&t->lock); WRITE_ONCE(t->data, 1); WRITE_ONCE(t->flag, 1); spin_unlock(&t->lock);"
    reader = "spin_lock(&t->lock); int x = READ_ONCE(t->data); n = READ_ONCE(t->flag); spin_unlock(&t->lock);"
    bare = locked.replace("spin_lock(&t->lock);", "").replace("spin_unlock(&t->lock);", "")
    found = compared(pair(tmp_path / "a", locked, reader), pair(tmp_path / "b", bare, reader), ("lkmm",), ASK)
    assert found.kind == OPENS and not found.weak and not found.altered and found.loses


def test_a_new_data_race_is_a_loss(tmp_path: Path) -> None:
    reader = "n = READ_ONCE(t->flag);"
    a = pair(tmp_path / "a", "WRITE_ONCE(t->flag, 1);", reader, ("flag",))
    b = pair(tmp_path / "b", "t->flag = 1;", reader, ("flag",))
    found = compared(a, b, ("lkmm",), ASK)
    assert (found.kind, found.condition, found.loses) == (OPENS, "", True)
    assert compared(b, a, ("lkmm",), ASK).kind == SAME


@pytest.mark.skipif(shutil.which("herd7") is None, reason="herd7 is not here")
@pytest.mark.parametrize("gone", ["smp_wmb();", "smp_rmb();", ""])
def test_herd_has_the_same_outcomes(gone: str, tmp_path: Path) -> None:
    made = pair(tmp_path, "WRITE_ONCE(t->data, 1); smp_wmb(); WRITE_ONCE(t->flag, 1);".replace(gone, ""),
                "int x = READ_ONCE(t->flag); smp_rmb(); n = READ_ONCE(t->data);".replace(gone, ""))  # fmt: skip
    found = ASK(made.text, "lkmm", ("1:x", "1:n"))
    text = made.text.replace("exists (0=1)", "locations [1:x; 1:n;]\nexists (1:x=1)")
    (tmp_path / "t.litmus").write_text(text)
    said = subprocess.run(["herd7", "-conf", "linux-kernel.cfg", str(tmp_path / "t.litmus")], capture_output=True, text=True)
    if "linux-kernel.cfg" in said.stderr:
        pytest.skip("herd7 has no model of the kernel here")
    states = [dict(re.findall(r"1:(\w+)=(-?\d+);", line)) for line in said.stdout.split("\n") if line.startswith("1:")]
    assert {(one["x"], one["n"]) for one in states} == found.states


# ---------------------------------------------------------------- the command


def test_the_command_needs_no_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path / "tree", {"include/linux/thing.h": HEADER, PATH: CODE})
    (tmp_path / "p.patch").write_text(diff(CODE, CODE.replace("\tsmp_wmb();\n", "", 1)))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    args = ["gate", "--cache", str(tmp_path / "cache"), "--kernel", str(tmp_path / "tree"), "--diff", str(tmp_path / "p.patch")]
    done = CliRunner().invoke(cli, args)
    assert done.exit_code == 1 and done.stdout.startswith("✗ harmful  drivers/t/a.c:9\n"), done.output
    assert done.stdout == CliRunner().invoke(cli, args).stdout
    assert CliRunner().invoke(cli, [*args, str(tmp_path / "empty")]).exit_code == 2  # a folder that is named has to have some


def test_time_that_is_up_while_a_difference_is_shown_is_no_answer_and_no_error(tmp_path: Path) -> None:
    """What no interleaving has is asked last, when there may be no time left."""
    reader = "n = READ_ONCE(t->flag); smp_rmb(); n = READ_ONCE(t->data);"
    writers = ("WRITE_ONCE(t->data, 1); smp_wmb(); WRITE_ONCE(t->flag, 1);", "WRITE_ONCE(t->data, 1); WRITE_ONCE(t->flag, 1);")
    before, after = [pair(tmp_path / str(n), writer, reader) for n, writer in enumerate(writers)]
    assert compared(before, after, ("lkmm",), ASK).kind == OPENS

    def ask(text: str, model: str, observed: Sequence[str]) -> Outcomes:
        if model == "sc":
            raise LimitExceeded("not compared in time")
        return ASK(text, model, observed)

    found = compared(before, after, ("lkmm",), ask)
    assert (found.kind, found.why) == (OPEN, "lkmm: not compared in time")
