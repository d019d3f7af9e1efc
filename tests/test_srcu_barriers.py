"""What the audit says of SRCU's barriers A to E and X is what their authors say in srcutree.c: docs/srcu.md has both."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checker import library
from checker.check import Options, check
from checker.core.source import Source
from checker.insight.audit import IDLE, LOAD_BEARING, TOO_STRONG, Audit, audit
from checker.library import load_model

ROOT = Path(__file__).parent.parent
SRCU = ROOT / "litmus" / "srcu"
MODELS = ("lkmm", "aarch64", "aarch64-llsc")


def scenario(name: str) -> str:
    return (SRCU / f"{name}.litmus").read_text()


def audited(text: str, model: str = "lkmm") -> Audit:
    return audit(library.test_in(Source("srcu.litmus", text)), load_model(model), Options())


def named(text: str, found: Audit) -> list[str]:
    """What the choices are called: by the letter in their line, dependencies by the register they go through."""
    lines = text.split("\n")
    names = []
    for choice in found.choices:
        line = lines[choice.line - 1]
        letter, register = re.search(r"// ([A-Z])$", line), re.search(r"(\w+) = ", line)
        names.append(letter[1] if letter else f"branch on {register[1]}" if register and "control" in choice.text else choice.text)
    return names


def statuses(text: str, found: Audit) -> dict[str, tuple[str, str]]:
    """Status and weakest form of each choice, by its name."""
    return {name: (c.status, c.weakest) for name, c in zip(named(text, found), found.choices, strict=True)}


def ways(text: str, found: Audit) -> set[frozenset[str]]:
    """The minimal sets, by name."""
    names = named(text, found)
    return {frozenset(names[n] for n in some) for some in found.minimal}


@pytest.mark.parametrize("model", MODELS)
def test_a_and_b_are_both_needed_and_full_as_in_store_buffering(model: str) -> None:
    text = scenario("lock-scan")
    assert statuses(text, audited(text, model)) == {"A": (LOAD_BEARING, ""), "B": (LOAD_BEARING, "")}


@pytest.mark.parametrize("model", MODELS)
def test_a_grace_period_without_flip_needs_a_b_and_c_and_of_c_what_its_section_does(model: str) -> None:
    text = scenario("grace-period")
    reads = statuses(text, audited(text, model))
    assert (reads["A"], reads["B"]) == ((LOAD_BEARING, ""), (LOAD_BEARING, ""))
    assert reads["C"] == (TOO_STRONG, "smp_rmb()")  # the section does nothing but read
    both = text.replace("int *y, int *locks", "int *y, int *z, int *locks").replace("\tint left;", "\tint left;\n\tint seen;")
    both = both.replace(
        "\tif (came == left)\n\t\tWRITE_ONCE(*y, 1);",
        "\tif (came == left) {\n\t\tWRITE_ONCE(*y, 1);\n\t\tseen = READ_ONCE(*z);\n\t}",
    )
    both = both.replace("\tfreed = READ_ONCE(*y);", "\tfreed = READ_ONCE(*y);\n\tWRITE_ONCE(*z, 1);")
    late = "(1:old=0 /\\ 1:freed=1) \\/ (1:old=0 /\\ 0:left=1 /\\ 0:came=1 /\\ 0:seen=0)"
    both = both.replace("exists (1:old=0 /\\ 1:freed=1)", f"exists ({late})")
    found = audited(both, model)
    assert found.result.observation == "Never"
    assert statuses(both, found)["C"] == (LOAD_BEARING, "")


@pytest.mark.parametrize("model", MODELS)
def test_a_is_as_good_as_the_branch_behind_it_for_what_is_only_written_after_a_grace_period(model: str) -> None:
    text = scenario("unlock-reclaim")
    found = audited(text, model)
    said = statuses(text, found)
    assert (said["A"][0], said["branch on left"][0], said["C"]) == (IDLE, IDLE, (TOO_STRONG, "smp_rmb()"))
    assert ways(text, found) == {frozenset({"A", "C"}), frozenset({"branch on left", "C"})}


def with_e_and_branch() -> str:
    """srcu_flip() as it is called: behind the branch on the sums, with E before the flip."""
    return scenario("flip-scan-control-dependency").replace("\tif (came)\n\t\tWRITE", "\tsmp_mb(); // E\n\tif (came)\n\t\tWRITE")


@pytest.mark.parametrize("model", MODELS)
def test_e_is_redundant_where_the_branch_stands_and_the_branch_where_e_does(model: str) -> None:
    text = with_e_and_branch()
    found = audited(text, model)
    said = statuses(text, found)
    assert (said["E"], said["branch on came"][0]) == ((IDLE, "nothing"), IDLE)
    assert ways(text, found) == {frozenset({"E", "branch on index"}), frozenset({"branch on came", "branch on index"})}
    bare = scenario("flip-scan")  # as compilers may have it that lose the branch
    assert statuses(bare, audited(bare, model))["E"][0] in (LOAD_BEARING, TOO_STRONG)
    assert check(library.test_in(Source("t", scenario("flip-scan-unordered"))), load_model(model)).observation == "Sometimes"


@pytest.mark.parametrize("model", MODELS)
def test_d_is_no_part_of_the_law_and_orders_the_flip_before_the_next_scan(model: str) -> None:
    law = scenario("grace-period")
    assert "// D" not in law  # and it holds
    assert audited(law, model).result.observation == "Never"
    text = scenario("flip-unlock-missed")
    said = statuses(text, audited(text, model))
    assert (said["D"], said["B"], said["C"]) == ((LOAD_BEARING, ""), (LOAD_BEARING, ""), (IDLE, "nothing"))


@pytest.mark.parametrize("model", MODELS)
def test_d_pairs_with_c_where_an_unlock_follows_the_one_that_was_missed(model: str) -> None:
    nested = scenario("flip-unlock-missed").replace(
        "\tfirst = READ_ONCE(*idx);\n\tcount = READ_ONCE(*locks);", "\tcount = READ_ONCE(*locks);"
    )
    nested = nested.replace("smp_mb(); // C\n\tcount = READ_ONCE(*unlocks);", "count = READ_ONCE(*unlocks);", 1).replace(
        "smp_mb(); // B", "smp_mb(); // C"
    )
    said = statuses(nested, audited(nested, model))
    assert (said["D"], said["C"]) == ((LOAD_BEARING, ""), (LOAD_BEARING, ""))


@pytest.mark.parametrize("model", MODELS)
def test_x_is_a_grace_period_and_no_barrier_does_for_it(model: str) -> None:
    for name in ("fast-lock-scan", "fast-grace-period"):
        text = scenario(name)
        assert {status for status, _ in statuses(text, audited(text, model)).values()} == {LOAD_BEARING}
    weak = library.test_in(Source("t", scenario("fast-grace-period-smp-mb")))
    assert check(weak, load_model(model)).observation == "Sometimes"


@pytest.mark.parametrize(
    "name,needed", [("lock-scan", "AB"), ("flip-unlock-missed", "BD"), ("flip-scan", ""), ("unlock-reclaim", "")]
)
def test_x86_needs_what_stands_between_a_store_and_a_load(name: str, needed: str) -> None:
    text = scenario(name)
    said = statuses(text, audited(text, "x86-tso"))
    assert {letter for letter, (status, _) in said.items() if len(letter) == 1 and status != IDLE} == set(needed)


def test_the_page_names_every_barrier_and_every_scenario_of_srcu() -> None:
    page = (ROOT / "docs" / "srcu.md").read_text()
    for letter in "ABCDEX":
        assert re.search(rf"^\| {letter}\b", page, re.M), letter
    for path in SRCU.glob("*.litmus"):
        assert f"`{path.stem}`" in page, path.stem
