"""Kernel patches before the gate: single changes of barriers in a miniature kernel, each with what must come of it.

Expect: harmful                                  what is found; nothing: there is no finding
Shown: virt/kvm/kvm_main.c:106 bus-free-call-srcu under lkmm    where, and by which test: parts of what a finding says, by " … "
Why: RCU does not wait for SRCU readers          for people
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checker.campaign.gate import Finding, Report, Request
from checker.campaign.patched import with_kernel
from checker.campaign.policy import Policy

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "tests" / "kernel"
PATCHES = sorted((ROOT / "tests" / "patches").glob("*.patch"))
KINDS = ("harmful", "review", "harmless", "uncovered", "skeleton", "drift")


@pytest.fixture(scope="module")
def scenarios() -> Report:
    """The scenarios, all as expected; only their paths matter here."""
    from checker.campaign.paths import expand_paths
    from checker.campaign.verdicts import Row

    files = expand_paths([str(ROOT / "litmus" / "kvm")]).files
    bound = [file for file in files if "Source: P" in Path(file).read_text(encoding="utf-8")]
    return Report(tuple(Row(file, "lkmm", verdict="Never", expected="Never") for file in bound), ())


def judged(scenarios: Report, diff: str | None) -> list[Finding]:
    return list(with_kernel(scenarios, str(TREE), diff, Request(()), Policy()).findings)


def expected(patch: Path) -> tuple[str, str, list[str]]:
    """The kind, and of the finding that says so the place and parts of its words."""
    text = patch.read_text(encoding="utf-8")
    found = re.match(r"Expect: (.+)\n(?:Shown: (\S+) (.+)\n)?Why: .+\n---\n", text)
    assert found, text
    assert (found[1] == "nothing") == (found[2] is None)
    return found[1], found[2] or "", (found[3] or "").split(" … ")


def test_the_scenarios_are_what_the_miniature_kernel_does(scenarios: Report) -> None:
    assert judged(scenarios, None) == []


def test_there_are_many_patches_of_each_sort() -> None:
    kinds = [expected(patch)[0] for patch in PATCHES]
    assert len(kinds) >= 40
    assert kinds.count("harmful") >= 15
    assert kinds.count("harmless") + kinds.count("nothing") >= 10


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_patch_is_judged_as_it_should_be(scenarios: Report, patch: Path) -> None:
    kind, place, words = expected(patch)
    findings = judged(scenarios, str(patch))
    found = {finding.kind for finding in findings}
    said = "\n".join(f"{f.kind} {f.path} {f.kernel} {f.model}: {f.message} {f.detail}" for f in findings)
    report = Report((), tuple(findings))
    assert "error" not in found, said
    if kind != "nothing":
        there = [f for f in findings if f.kind == kind and f.kernel and f"{f.kernel[0]}:{f.kernel[1]}" == place]
        assert any(all(part in f"{f.test} under {f.model}: {f.message}" for part in words) for f in there), said
    match kind:
        case "harmful":
            assert "harmful" in found, said
            assert report.code == 1
            assert all(f.detail and f.kernel for f in findings if f.kind == "harmful"), said
        case "review":
            assert "review" in found, said
            assert "harmful" not in found, said
            assert report.code == 1
        case "harmless":
            assert report.code == 0, said
            assert "harmless" in found, said
        case "uncovered":
            assert report.code == 0, said
            assert found == {"uncovered"}, said
        case "nothing":
            assert findings == [], said


@pytest.mark.parametrize(
    "name,test,repair",
    [
        ("bus-lookup-no-barrier", "mmio-bus-exit-after-lock-mb", "smp_rmb() before 'idx = srcu_read_lock(srcu)'"),
        ("shadowed-no-mb", "indirect-shadow-pages-as-written", "smp_mb() before 'found = READ_ONCE(*gpte)'"),
        ("bus-unregister-frees-first", "bus-free-synchronize", ""),
    ],
)
def test_a_finding_says_what_would_repair_it_where_a_barrier_does(scenarios: Report, name: str, test: str, repair: str) -> None:
    found = judged(scenarios, str(ROOT / "tests" / "patches" / f"{name}.patch"))
    said = {finding.repair for finding in found if finding.kind == "harmful" and finding.test == test}
    assert repair in said
    assert all(said) == bool(repair)


def test_a_harmful_finding_has_the_cycle_that_the_model_forbade_with_the_line_that_changed(scenarios: Report) -> None:
    found = judged(scenarios, str(ROOT / "tests" / "patches" / "vgic-ready-read-once.patch"))
    (one,) = [finding for finding in found if finding.kind == "harmful" and finding.test == "vgic-ready-release-acquire"]
    assert one.opened is not None
    assert one.opened.axiom.startswith("happens-before (lkmm.cat:")
    relations = [step.origin.split()[1] for step in one.opened.steps]
    assert sorted(relations) == ["acq-po", "fre", "po-rel", "rfe"]
    changed = next(step for step in one.opened.steps if step.origin.startswith(", acq-po"))
    assert "smp_load_acquire(ready)" in changed.what
    assert all(finding.opened is None for finding in found if finding.kind == "harmless")
