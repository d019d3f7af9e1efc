"""The series the gate was made for, "KVM: Speed up MMIO registrations", on the miniature kernel: each step, and each way back.

The miniature is the merged state. Its ancestors are made here by taking the patches of the series away, the last one first:
4/4 frees the old bus with call_srcu(), 3/4 gives the readers their barriers, 2/4 makes vgic's `ready` release and acquire, and
1/4 replaces a macro.
"""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from checker.campaign.gate import Finding, Report, Request
from checker.campaign.patched import with_kernel
from checker.campaign.paths import expand_paths
from checker.campaign.policy import Policy
from checker.campaign.verdicts import Row

ROOT = Path(__file__).resolve().parent.parent
MERGED = ROOT / "tests" / "kernel"
KVM, HOST = "virt/kvm/kvm_main.c", "include/linux/kvm_host.h"
VMX, VGIC = "arch/x86/kvm/vmx/vmx.c", "arch/arm64/kvm/vgic/vgic-init.c"
State = dict[str, str]
MERGED_STATE: State = {path: (MERGED / path).read_text(encoding="utf-8") for path in (KVM, HOST, VMX, VGIC)}
LOOKUP = "srcu_dereference(vcpu->kvm->buses[idx], &vcpu->kvm->srcu)"


def change(state: State, path: str, old: str, new: str) -> State:
    assert old in state[path], (path, old)
    return {**state, path: state[path].replace(old, new)}


def between(text: str, first: str, last: str) -> str:
    return text[text.index(first) : text.index(last, text.index(first))]


def no_srcu_barrier(state: State) -> State:
    return change(state, KVM, "\tsrcu_barrier(&kvm->srcu);\n", "")


def without_4(state: State) -> State:
    state = change(state, KVM, between(state[KVM], "static void __free_bus(", "int kvm_io_bus_register_dev("), "")
    state = change(
        state,
        KVM,
        "\tcall_srcu(&kvm->srcu, &bus->rcu, __free_bus);\n",
        "\tsynchronize_srcu_expedited(&kvm->srcu);\n\tkfree(bus);\n",
    )
    return no_srcu_barrier(change(state, HOST, "\tstruct rcu_head rcu;\n", ""))


def without_3(state: State) -> State:
    state = change(state, KVM, between(state[KVM], "static struct kvm_io_bus *kvm_get_bus_srcu(", "int kvm_io_bus_write("), "")
    state = change(state, KVM, "kvm_get_bus_srcu(vcpu->kvm, idx)", LOOKUP)
    special = between(state[KVM], "static struct kvm_io_bus *kvm_get_bus_for_destruction(", "static void kvm_destroy_vm(")
    state = change(state, KVM, special, "")
    state = change(state, KVM, "kvm_get_bus_for_destruction(kvm, i)", "kvm_get_bus(kvm, i)")
    state = change(
        state, HOST, "rcu_dereference_protected(kvm->buses[idx], lockdep_is_held(&kvm->slots_lock))",
        "srcu_dereference_check(kvm->buses[idx], &kvm->srcu,\n"
        "\t\t\t\t      lockdep_is_held(&kvm->slots_lock) || !refcount_read(&kvm->users_count))",
    )  # fmt: skip
    return change(state, VMX, "\t\tsmp_rmb();\n", "")


def without_2(state: State) -> State:
    state = change(state, VGIC, "smp_load_acquire(&dist->ready)", "dist->ready")
    return change(state, VGIC, "smp_store_release(&dist->ready, true)", "dist->ready = true")


def without_1(state: State) -> State:
    state = change(state, VGIC, "likely(dist->ready)", "likely(vgic_ready(kvm))")
    return change(state, HOST, "static inline struct kvm_io_bus *kvm_get_bus(", "#define vgic_ready(k) ((k)->arch.vgic.ready)\n\n"
                  "static inline struct kvm_io_bus *kvm_get_bus(")  # fmt: skip


M = MERGED_STATE
AFTER_3 = without_4(M)
AFTER_2 = without_3(AFTER_3)
AFTER_1 = without_2(AFTER_2)
BEFORE = without_1(AFTER_1)
NO_READERS = without_3(M)
Judge = Callable[[State, State], list[Finding]]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    def judged(before: State, after: State) -> list[Finding]:
        tree, patch = tmp_path / "kernel", tmp_path / "patch"
        shutil.copytree(MERGED, tree)
        for path, text in before.items():
            (tree / path).write_text(text, encoding="utf-8")
        pieces = [
            "".join(difflib.unified_diff(text.splitlines(True), after[path].splitlines(True), f"a/{path}", f"b/{path}"))
            for path, text in before.items()
        ]
        patch.write_text("".join(pieces), encoding="utf-8")
        files = expand_paths([str(ROOT / "litmus" / "kvm")]).files
        bound = [file for file in files if "Source: P" in Path(file).read_text(encoding="utf-8")]
        report = Report(tuple(Row(file, "lkmm", verdict="Never", expected="Never") for file in bound), ())
        return list(with_kernel(report, str(tree), str(patch), Request(()), Policy()).findings)

    return judged


def said(findings: list[Finding], kind: str) -> dict[str, list[Finding]]:
    """The findings of a kind, by test."""
    made: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.kind == kind:
            made.setdefault(finding.test, []).append(finding)
    return made


PASSES = {
    "1 of 4": (BEFORE, AFTER_1),
    "2 of 4": (AFTER_1, AFTER_2),
    "3 of 4": (AFTER_2, AFTER_3),
    "4 of 4": (AFTER_3, M),
    "the series": (BEFORE, M),
}


@pytest.mark.parametrize("step", PASSES)
def test_the_series_passes_as_a_whole_and_patch_by_patch(judge: Judge, step: str) -> None:
    findings = judge(*PASSES[step])
    assert Report((), tuple(findings)).code == 0, [f for f in findings if f.level in ("block", "error")]


@pytest.mark.parametrize(
    ("step", "test"), [("4 of 4", "mmio-bus-exit-synchronize-after-lock-mb"), ("the series", "mmio-bus-exit-synchronize")]
)
def test_it_is_said_that_a_plain_flag_leans_on_what_call_srcu_happens_to_do(judge: Judge, step: str, test: str) -> None:
    leans = said(judge(*PASSES[step]), "leans")
    assert list(leans) == [test]
    (finding,) = leans[test]
    assert finding.model == "lkmm"
    assert "call_srcu() happens to execute full barriers" in finding.message
    assert "told by a plain flag" in finding.message


def test_the_second_patch_adds_order(judge: Judge) -> None:
    harmless = [f.message for found in said(judge(AFTER_1, AFTER_2), "harmless").values() for f in found]
    assert any("dist->ready becomes smp_load_acquire(&dist->ready): it adds order" in message for message in harmless)
    assert any("dist->ready = true becomes smp_store_release(&dist->ready, true): it adds order" in m for m in harmless)


NO_RMB = change(M, VMX, "\t\tsmp_rmb();\n", "")
TOO_LATE = "runs when its srcu_struct is gone"
BLOCKED = {
    "v1, which has no barriers for readers": (BEFORE, no_srcu_barrier(NO_READERS), "mmio-bus-exit-synchronize", KVM, "call_srcu"),
    "v3, which has no srcu_barrier()": (BEFORE, no_srcu_barrier(M), "vm-destroy-writer-waits", KVM, TOO_LATE),
    "4 of 4 of v3": (AFTER_3, no_srcu_barrier(M), "vm-destroy-writer-waits", KVM, TOO_LATE),
    "4 of 4 without 3 of 4": (AFTER_2, NO_READERS, "mmio-bus-exit-synchronize", KVM, "call_srcu"),
    "the revert of 3 of 4": (M, NO_READERS, "mmio-bus-exit-after-lock-mb", KVM, "smp_mb__after_srcu_read_lock() is removed"),
    "the revert of its half in vmx.c": (M, NO_RMB, "emulate-block-smp-rmb", VMX, "smp_rmb() is removed"),
    "the revert of 2 of 4": (M, without_2(M), "vgic-ready-release-acquire", VGIC, "becomes dist->ready"),
    "the revert of srcu_barrier()": (M, no_srcu_barrier(M), "vm-destroy-srcu-barrier", KVM, "srcu_barrier(&kvm->srcu) is removed"),
}  # fmt: skip


@pytest.mark.parametrize("step", BLOCKED)
def test_what_is_less_than_the_series_is_blocked_and_the_right_test_says_why(judge: Judge, step: str) -> None:
    before, after, test, path, why = BLOCKED[step]
    harmful = said(judge(before, after), "harmful")
    assert test in harmful, {name: [f.message for f in found] for name, found in harmful.items()}
    assert any(f.kernel is not None and f.kernel[0] == path and why in f.message for f in harmful[test])
    assert all(f.detail for f in harmful[test]), "an execution is shown"


@pytest.mark.parametrize("step", ["v1, which has no barriers for readers", "4 of 4 without 3 of 4"])
def test_readers_without_a_barrier_are_wrong_whichever_way_the_guest_is_told(judge: Judge, step: str) -> None:
    before, after, test, _, _ = BLOCKED[step]
    messages = " ".join(f.message for f in said(judge(before, after), "harmful")[test])
    assert "told by a plain flag" in messages
    assert "told by what an ioctl's return gives" in messages


def test_the_revert_of_the_last_patch_needs_somebody_to_look(judge: Judge) -> None:
    findings = judge(M, AFTER_3)
    assert said(findings, "harmful") == {}
    reviews = [f.message for found in said(findings, "review").values() for f in found]
    assert any("call_srcu(srcu, &old_bus_rcu, P2) has no counterpart any more" in message for message in reviews)
    assert Report((), tuple(findings)).code == 1


def test_every_scenario_of_the_registration_says_which_store_tells_the_guest() -> None:
    told = 0
    for path in (ROOT / "litmus" / "kvm").glob("*.litmus"):
        text = path.read_text(encoding="utf-8")
        stores = "smp_store_release(registered, 1)" in text or "WRITE_ONCE(*registered, 1)" in text
        if stores and "Source: P0 = virt/kvm/kvm_main.c:kvm_io_bus_register_dev" in text:
            assert "Signal: P0 = registered\n" in text, path.name
            told += 1
    assert told >= 20
