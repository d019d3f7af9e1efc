"""Which words of kernel code order memory, and what each does: data, read by `skeleton`.

A primitive is a verb (fence, read, write, rmw, lock, …), a strength, and where its place is among its arguments. Names that
mean the same to a memory model share verb and strength: `rcu_assign_pointer()` is a release store, `virt_mb()` is `smp_mb()`.

    PRIMITIVES["smp_load_acquire"]    Primitive("read", "acquire", 0, "address")
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Primitive:
    """`place`: the argument that names what is accessed, -1 for none; `form`: it is an "address" or an "lvalue"."""

    verb: str
    strength: str
    place: int = -1
    form: str = "address"


FENCE, READ, WRITE, RMW = "fence", "read", "write", "rmw"
LOCK, UNLOCK, GRACE, DEFER, FREE, CALL, JUMP = "lock", "unlock", "grace", "defer", "free", "call", "jump"

ORDERING = frozenset({FENCE, GRACE})
ACCESSES = frozenset({READ, WRITE, RMW})
SECTIONS = frozenset({LOCK, UNLOCK})
CONCERNS = ORDERING | SECTIONS | {RMW, DEFER, FREE}
"""What a reviewer of barriers wants to know of, whatever it touches; reads and writes count where they are marked."""


def _fences() -> dict[str, Primitive]:
    table = {name: name for name in ("smp_mb", "smp_rmb", "smp_wmb", "barrier", "mb", "rmb", "wmb", "dma_mb", "dma_rmb", "dma_wmb")}
    table |= {f"virt_{kind}": f"smp_{kind}" for kind in ("mb", "rmb", "wmb")}
    table |= {f"__smp_{kind}": f"smp_{kind}" for kind in ("mb", "rmb", "wmb")}
    for where in (
        "before_atomic", "after_atomic", "after_spinlock", "after_unlock_lock", "after_srcu_read_lock", "after_srcu_read_unlock",
    ):  # fmt: skip
        table[f"smp_mb__{where}"] = f"smp_mb__{where}"
    table["smp_acquire__after_ctrl_dep"] = "smp_rmb"
    return {name: Primitive(FENCE, strength) for name, strength in table.items()}


def _accesses() -> dict[str, Primitive]:
    lvalue = {
        "READ_ONCE": (READ, "once"), "WRITE_ONCE": (WRITE, "once"), "smp_store_mb": (WRITE, "mb"),
        "rcu_dereference": (READ, "once"), "rcu_dereference_check": (READ, "once"), "rcu_dereference_raw": (READ, "once"),
        "rcu_dereference_bh": (READ, "once"), "rcu_dereference_sched": (READ, "once"), "rcu_access_pointer": (READ, "once"),
        "srcu_dereference": (READ, "once"), "srcu_dereference_check": (READ, "once"),
        "rcu_dereference_protected": (READ, "plain"), "rcu_assign_pointer": (WRITE, "release"),
        "RCU_INIT_POINTER": (WRITE, "once"), "ACCESS_PRIVATE": (READ, "plain"), "data_race": (READ, "plain"),
    }  # fmt: skip
    address = {
        "smp_load_acquire": (READ, "acquire"), "smp_store_release": (WRITE, "release"), "virt_load_acquire": (READ, "acquire"),
        "virt_store_release": (WRITE, "release"), "smp_cond_load_acquire": (READ, "acquire"),
        "smp_cond_load_relaxed": (READ, "once"), "atomic_read": (READ, "once"), "atomic64_read": (READ, "once"),
        "atomic_long_read": (READ, "once"), "atomic_read_acquire": (READ, "acquire"), "atomic_set": (WRITE, "once"),
        "atomic64_set": (WRITE, "once"), "atomic_set_release": (WRITE, "release"), "refcount_read": (READ, "once"),
    }  # fmt: skip
    made = {name: Primitive(verb, strength, 0, "lvalue") for name, (verb, strength) in lvalue.items()}
    made |= {name: Primitive(verb, strength, 0) for name, (verb, strength) in address.items()}
    made |= {name: Primitive(READ, "once", 1) for name in ("test_bit", "arch_test_bit")}
    made["test_bit_acquire"] = Primitive(READ, "acquire", 1)
    for name in ("set_bit", "clear_bit", "change_bit"):
        made[name] = Primitive(RMW, f"{name} void", 1)
        made[f"test_and_{name}"] = Primitive(RMW, f"{name} full", 1)
    made["clear_bit_unlock"] = Primitive(RMW, "clear_bit release", 1)
    made["test_and_set_bit_lock"] = Primitive(RMW, "set_bit acquire", 1)
    return made


def _sections() -> dict[str, Primitive]:
    made: dict[str, Primitive] = {}
    for family, kind in (("mutex", "mutex"), ("spin", "spin"), ("raw_spin", "spin"), ("read", "read"), ("write", "write")):
        for tail in ("", "_irq", "_bh", "_irqsave", "_nested", "_irqrestore"):
            made[f"{family}_lock{tail}"] = Primitive(LOCK, kind, 0)
            made[f"{family}_unlock{tail}"] = Primitive(UNLOCK, kind, 0)
    for mode in ("read", "write"):
        made[f"down_{mode}"] = made[f"mmap_{mode}_lock"] = Primitive(LOCK, mode, 0)
        made[f"up_{mode}"] = made[f"mmap_{mode}_unlock"] = Primitive(UNLOCK, mode, 0)
    for name in ("mutex_lock_interruptible", "mutex_lock_killable", "mutex_trylock"):
        made[name] = Primitive(LOCK, "mutex", 0)
    made |= {f"rcu_read_lock{tail}": Primitive(LOCK, "rcu") for tail in ("", "_bh", "_sched")}
    made |= {f"rcu_read_unlock{tail}": Primitive(UNLOCK, "rcu") for tail in ("", "_bh", "_sched")}
    for tail, kind in (("", "srcu"), ("_notrace", "srcu"), ("_nmisafe", "srcu"), ("_fast", "srcu fast"), ("_lite", "srcu fast")):
        made[f"srcu_read_lock{tail}"] = Primitive(LOCK, kind, 0)
        made[f"srcu_read_unlock{tail}"] = Primitive(UNLOCK, kind, 0)
    return made


def _reclaim() -> dict[str, Primitive]:
    made = {name: Primitive(GRACE, "rcu") for name in ("synchronize_rcu", "synchronize_rcu_expedited", "synchronize_net")}
    made |= {name: Primitive(GRACE, "srcu", 0) for name in ("synchronize_srcu", "synchronize_srcu_expedited")}
    made |= {"rcu_barrier": Primitive(GRACE, "rcu barrier"), "srcu_barrier": Primitive(GRACE, "srcu barrier", 0)}
    made |= {"call_rcu": Primitive(DEFER, "rcu"), "kfree_rcu": Primitive(DEFER, "rcu"), "call_srcu": Primitive(DEFER, "srcu", 0)}
    frees = ("kfree", "kvfree", "vfree", "kfree_sensitive", "free_page", "cleanup_srcu_struct", "__free_page")
    made |= {name: Primitive(FREE, "free", 0) for name in frees}
    made["kmem_cache_free"] = Primitive(FREE, "free", 1)
    return made


PRIMITIVES: dict[str, Primitive] = _fences() | _accesses() | _sections() | _reclaim()

TRANSPARENT = frozenset(
    {"likely", "unlikely", "WARN_ON", "WARN_ON_ONCE", "BUG_ON", "WARN", "WARN_ONCE", "IS_ERR", "ERR_PTR", "PTR_ERR", "min", "max",
     "READ_ONCE_NOCHECK", "array_index_nospec", "KVM_BUG_ON", "VM_BUG_ON"}
)  # fmt: skip
"""Calls that do nothing but evaluate their arguments."""

SILENT = frozenset(
    {"lockdep_assert_held", "lockdep_is_held", "lockdep_assert", "sizeof", "offsetof", "container_of", "struct_size", "typeof",
     "ARRAY_SIZE", "IS_ENABLED", "EXPORT_SYMBOL_GPL", "EXPORT_SYMBOL", "might_sleep", "cond_resched", "BUILD_BUG_ON",
     "lockdep_assert_held_read", "lockdep_assert_held_write", "lockdep_assert_not_held", "__acquires", "__releases"}
)  # fmt: skip
"""Calls whose arguments are not even evaluated."""

_ATOMIC = re.compile(
    r"(?:raw_|arch_)?atomic(?:64|_long)?_((?:fetch_)?(?:add|sub|inc|dec|and|or|xor|andnot)(?:_return|_and_test|_unless|_not_zero"
    r"|_negative)?(?:_unless_zero)?|xchg|cmpxchg|try_cmpxchg|dec_if_positive|add_unless|inc_not_zero)(_relaxed|_acquire|_release)?"
)
_XCHG = re.compile(r"(?:try_)?(?:cmpxchg|xchg)(?:64|_local)?(_relaxed|_acquire|_release)?")
_REFCOUNT = re.compile(r"(?:refcount|kref)_(?:inc|dec|add|sub|get|put)\w*")
_VOID = re.compile(r"(?:add|sub|inc|dec|and|or|xor|andnot)")


def primitive(name: str) -> Primitive | None:
    """What the function or macro `name` does, if it is one that orders or accesses memory."""
    known = PRIMITIVES.get(name)
    if known is not None:
        return known
    if found := _ATOMIC.fullmatch(name):
        order = (found[2] or "_full").removeprefix("_")
        operation = found[1]
        if _VOID.fullmatch(operation):
            return Primitive(RMW, f"{operation} void", 1 if operation in ("add", "sub", "and", "or", "xor", "andnot") else 0)
        first = 1 if operation.startswith(("add", "sub", "and", "or", "xor", "fetch_")) and "inc" not in operation else 0
        return Primitive(RMW, f"{operation} {order}", 0 if "dec" in operation else first)
    if found := _XCHG.fullmatch(name):
        return Primitive(RMW, f"xchg {(found[1] or '_full').removeprefix('_')}", 0)
    if _REFCOUNT.fullmatch(name):
        return Primitive(RMW, "refcount", 0)
    return None
