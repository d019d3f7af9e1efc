"""Upstream's fixes of missing order since 2022, each as the edit that undoes it: facts about the tree, nothing of its code.

The edit is made once, in one function. A fix of two sides stands here as two, each undone by itself.
"""

from __future__ import annotations

from msgspec import Struct

_PLAIN = "barrier()"
_ACQUIRE, _READ = r"\bsmp_load_acquire\(&?([^()]*(?:\([^()]*\))?[^()]*)\)", r"READ_ONCE(\1)"
_RELEASE, _WRITE = r"\bsmp_store_release\(&([^,]*),", r"WRITE_ONCE(\1,"


class Fix(Struct, frozen=True):
    """What was mended, where, and how `pattern` in the function's body becomes what it was."""

    path: str
    function: str
    what: str
    pattern: str
    undone: str


def _fence(path: str, function: str, what: str, name: str) -> Fix:
    return Fix(path, function, what, rf"\b{name}\(\)", _PLAIN)


def _acquire(path: str, function: str, what: str) -> Fix:
    return Fix(path, function, what, _ACQUIRE, _READ)


def _release(path: str, function: str, what: str) -> Fix:
    return Fix(path, function, what, _RELEASE, _WRITE)


FIXES = (
    _fence("drivers/vhost/vhost.c", "vhost_get_avail_idx", "the index before the ring's entry (2024)", "smp_rmb"),
    _fence("virt/kvm/kvm_main.c", "kvm_get_bus_srcu", "SRCU readers before the bus (2025)", "smp_mb__after_srcu_read_lock"),
    _acquire("virt/kvm/dirty_ring.c", "kvm_dirty_gfn_harvested", "the state of an entry before the entry (2022)"),
    _release("virt/kvm/dirty_ring.c", "kvm_dirty_gfn_set_invalid", "an entry before its state (2022)"),
    _fence("virt/kvm/pfncache.c", "mmu_notifier_retry_cache", "the count before the sequence number (2022)", "smp_rmb"),
    _acquire("arch/x86/kvm/svm/svm.c", "svm_complete_interrupt_delivery", "the vCPU's mode, read once and in order (2022)"),
    _fence("arch/x86/kvm/svm/svm.c", "svm_deliver_interrupt", "the interrupt before the mode (2022)", "smp_mb__after_atomic"),
    _fence("arch/x86/kvm/mmu/mmu.c", "account_shadowed", "the count of shadow pages before write protection (2024)", "smp_mb"),
    _fence("arch/x86/kvm/mmu/mmu.c", "kvm_mmu_track_write", "the guest's write before the count (2024)", "smp_mb"),
    _fence(
        "arch/x86/kvm/x86.c", "kvm_arch_async_page_present_queued", "the request before the flag (2025)", "smp_mb__after_atomic"
    ),
    _acquire("arch/arm64/kvm/vgic/vgic-init.c", "kvm_vgic_map_resources", "ready before what it stands for (2023)"),
    _release("arch/arm64/kvm/vgic/vgic-init.c", "kvm_vgic_map_resources", "what ready stands for before ready (2023)"),
    _release("arch/arm64/kvm/hyp/nvhe/ffa.c", "do_ffa_version", "the version before the flag (2025)"),
    _acquire("arch/arm64/kvm/hyp/nvhe/ffa.c", "kvm_host_ffa_handler", "the flag before the version (2025)"),
    _acquire("io_uring/io_uring.c", "SYSCALL_DEFINE6", "enabled before who submits (2026)"),
    _acquire("io_uring/msg_ring.c", "__io_msg_ring_data", "enabled before the target's task (2026)"),
    _release("io_uring/register.c", "io_register_enable_rings", "the task before enabled (2026)"),
    _release("io_uring/uring_cmd.c", "__io_uring_cmd_done", "the result before completed (2022)"),
    _release("io_uring/rw.c", "io_complete_rw_iopoll", "the result before completed"),
    _acquire("io_uring/poll.c", "io_poll_remove_entry", "the wait queue before it is freed (2022)"),
    _release("io_uring/poll.c", "io_poll_remove_waitq", "the removal before the wait queue is freed (2022)"),
    _acquire("io_uring/waitid.c", "io_waitid_remove_wq", "the wait queue before it is freed (2025)"),
    _release("io_uring/waitid.c", "io_waitid_wait", "the removal before the wait queue is freed (2025)"),
    _acquire("io_uring/msg_ring.c", "io_msg_send_fd", "enabled before the target's task (2026)"),
    _fence("io_uring/wait.c", "io_cqring_min_timer_wakeup", "the waiter before the work list (2024)", "smp_mb"),
    _fence("io_uring/cancel.c", "io_uring_try_cancel_requests", "the waiter before the work list (2023)", "smp_mb"),
    _fence("io_uring/sqpoll.c", "io_sq_thread", "the wakeup flag before the ring's tail (2022)", "smp_mb__after_atomic"),
)
