"""What the gate knows of a primitive is what the tables say: the same names, the right verb, a strength that tells them apart."""

from __future__ import annotations

import re

import pytest

from checker.core.source import CheckerError
from checker.kernel.changes import difference
from checker.kernel.primitives import (
    CALL,
    DEFER,
    FENCE,
    FREE,
    GRACE,
    LOCK,
    PRIMITIVES,
    READ,
    RMW,
    SILENT,
    TRANSPARENT,
    UNLOCK,
    WHOLE,
    WRITE,
    Primitive,
    primitive,
)
from checker.kernel.skeleton import own_ops
from checker.kernel.syntax import unit
from checker.parse.macros import shipped_table
from checker.program.expand import expand
from checker.program.ir import Call, Deref, Do, Expr, Instr, Load, Macro, Mark, Op, Reg, Store, Thread

KERNEL = shipped_table("lkmm/linux.def")
MACHINES = {name: shipped_table(f"{name}.def") for name in ("x86-tso/linux", "aarch64/linux-lse", "aarch64/linux-llsc")}
WORDS = TRANSPARENT | SILENT | WHOLE


def unmodelled(macro: Macro) -> bool:
    match macro.body:
        case (Do(Call("__unmodelled")),):
            return True
    return False


def instructions(name: str, table: object = KERNEL) -> tuple[Instr, ...]:
    """What a call of `name` comes down to, each argument a pointer, or a location where it has to be one."""
    known, macro = primitive(name), KERNEL[name]
    assert known is not None
    args: list[Expr] = [Reg(param) for param in macro.params]
    if known.form == "lvalue":
        args[known.place] = Deref(args[known.place])
    if "P" in macro.params:  # &old of a try_cmpxchg()
        args[macro.params.index("P")] = Op("ref", (Reg("P"),))
    return expand(Thread(0, (Do(Call(name, tuple(args))),)), table)  # type: ignore[arg-type]


def modelled() -> list[str]:
    """The names that come down to accesses and fences, in the order of the table."""
    deferred = [name for name in KERNEL if re.search("__defer|__flush", KERNEL.places[name].line)]
    return [name for name in KERNEL if name not in WORDS and name not in deferred and not unmodelled(KERNEL[name])]


PIECES = ("__even", "__within_call_srcu")  # words of the tables alone: no kernel code has them


def test_every_name_of_every_table_is_known_to_the_gate() -> None:
    for table in (KERNEL, *MACHINES.values()):
        assert [name for name in table if primitive(name) is None and name not in WORDS and not name.startswith(PIECES)] == []
    assert len(PRIMITIVES) > 590


def test_each_is_what_its_accesses_are() -> None:
    """The verb is read off the definition; here off what the definition expands to, which is another way."""
    for name in modelled():
        known = primitive(name)
        if known is None or "[" in KERNEL.comment(name) or known.verb in (LOCK, UNLOCK, GRACE, FREE, CALL):
            continue
        made = instructions(name)
        pairs = any(isinstance(i, Store) and i.pair for i in made)
        stores = any(isinstance(i, Store) and not i.pair for i in made)
        loads = any(isinstance(i, Load) and not i.pair for i in made)
        marks = any(isinstance(i, Mark) for i in made)
        verb = RMW if pairs else WRITE if stores else READ if loads or not known.place else FENCE
        assert known.verb == (FENCE if marks and not (pairs or stores or loads) and known.place < 0 else verb), name


def test_the_place_is_the_argument_whose_memory_is_accessed() -> None:
    for name in modelled():
        known = primitive(name)
        if known is None or known.place < 0 or "[" in KERNEL.comment(name):
            continue
        accessed = [i.addr for i in instructions(name) if isinstance(i, Load | Store | Mark) and i.addr is not None]
        assert Reg(KERNEL[name].params[known.place]) in accessed, name


ORDERS = {"acquire": "ACQUIRE", "release": "RELEASE", "full": "MB", "void": "NORETURN", "relaxed": "ONCE", "once": "ONCE"}


def test_the_strength_is_the_tag_that_the_kernel_model_has() -> None:
    for name in modelled():
        known = primitive(name)
        if known is None or known.verb not in (READ, WRITE, RMW) or "[" in KERNEL.comment(name):
            continue
        made = [i for i in instructions(name) if isinstance(i, Load | Store)]
        order = known.strength.rpartition(" ")[2]
        if order in ORDERS and made:  # not of a lock, which is asked whether it is taken
            assert any(ORDERS[order] in i.tags for i in made), name
        elif order == "plain":
            assert all(not i.tags for i in made), name


@pytest.mark.parametrize("machine", MACHINES)
def test_a_machine_does_what_the_gate_takes_a_primitive_for(machine: str) -> None:
    """Reads write nothing on any machine, and what gives back an old value has read it."""
    for name in modelled():
        known = primitive(name)
        if known is None or known.verb not in (READ, WRITE, RMW) or name.startswith("this_cpu"):
            continue
        made = instructions(name, MACHINES[machine])
        assert any(isinstance(i, Store) for i in made) == (known.verb != READ), name
        assert any(isinstance(i, Load) and i.pair for i in made) == (known.verb == RMW), name


@pytest.mark.parametrize("wide", ["atomic64_", "atomic_long_"])
def test_the_wider_atomics_are_as_strong_as_atomic_t_is(wide: str) -> None:
    names = [name for name in KERNEL if re.match("atomic_(?!long_)", name)]
    assert len(names) > 80
    assert [n for n in names if primitive(n.replace("atomic_", wide, 1)) != primitive(n)] == []


def test_an_atomic_read_that_loses_its_acquire_is_another_one() -> None:
    assert primitive("atomic64_read_acquire") == Primitive(READ, "acquire", 0)
    assert primitive("atomic64_read") == Primitive(READ, "once", 0)
    assert primitive("atomic_long_set_release") == Primitive(WRITE, "release", 0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("atomic64_read_acquire(&p->a)", "atomic64_read(&p->a)"),
        ("atomic_long_set_release(&p->a, 1)", "atomic_long_set(&p->a, 1)"),
        ("atomic_dec_and_test(&p->a)", "atomic_dec(&p->a)"),
        ("refcount_dec_and_test(&p->a)", "refcount_dec(&p->a)"),
        ("test_and_set_bit_lock(0, &p->a)", "test_bit(0, &p->a)"),
        ("spin_lock(&p->a)", "spin_trylock(&p->a)"),
        ("write_seqcount_begin(&p->a)", "raw_write_seqcount_latch(&p->a)"),
        ("mb()", "dma_mb()"),
        ("srcu_read_lock(&p->a)", "srcu_read_lock_fast(&p->a)"),
        ("rcu_assign_pointer(p->a, q)", "rcu_assign_pointer(p->a, NULL)"),
    ],
)
def test_a_patch_that_puts_a_weaker_primitive_in_place_changes_the_skeleton(before: str, after: str) -> None:
    ops = [
        own_ops(unit("f.c", f"void f(struct s *p) {{ {call}; }}".encode(), ("arm64", "x86")).functions["f"])
        for call in (before, after)
    ]
    assert difference(*ops).changes
    assert any(change.op.concerns for change in difference(*ops).changes)


def test_orders_of_read_modify_writes_are_told_apart() -> None:
    names = [
        "atomic_add",
        "atomic_add_return",
        "atomic_add_return_relaxed",
        "atomic_add_return_acquire",
        "atomic_add_return_release",
    ]
    found = [primitive(name) for name in [*names, "atomic_add_unless", "atomic_cmpxchg", "refcount_inc"]]
    assert len({p.strength for p in found if p is not None}) == len(found)
    assert primitive("atomic_add_unless") == Primitive(RMW, "add_unless full", 0)  # not the argument that is added


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (("smp_mb", "virt_mb", "__smp_mb"), Primitive(FENCE, "smp_mb")),
        (("smp_rmb", "virt_rmb", "smp_acquire__after_ctrl_dep"), Primitive(FENCE, "smp_rmb")),
        (("mb",), Primitive(FENCE, "mb")),
        (("dma_wmb",), Primitive(FENCE, "dma_wmb")),
        (("test_bit", "arch_test_bit"), Primitive(READ, "once", 1)),
        (("spin_lock", "raw_spin_lock_irqsave", "spin_lock_nested", "raw_spin_lock_nested"), Primitive(LOCK, "spin", 0)),
        (("mutex_lock", "mutex_lock_interruptible", "mutex_lock_nested"), Primitive(LOCK, "mutex", 0)),
        (("spin_trylock", "raw_spin_trylock"), Primitive(LOCK, "spin try", 0)),
        (("down_read", "mmap_read_lock", "read_lock_bh", "percpu_down_read"), Primitive(LOCK, "read", 0)),
        (("rcu_read_lock", "rcu_read_lock_bh"), Primitive(LOCK, "rcu")),
        (("srcu_read_lock", "srcu_read_lock_notrace"), Primitive(LOCK, "srcu", 0)),
        (("srcu_read_lock_nmisafe",), Primitive(LOCK, "srcu nmisafe", 0)),
        (("srcu_read_unlock_fast",), Primitive(UNLOCK, "srcu fast", 0)),
        (("synchronize_rcu", "synchronize_net"), Primitive(GRACE, "rcu")),
        (("srcu_barrier",), Primitive(GRACE, "srcu barrier", 0)),
        (("call_rcu", "call_rcu_hurry"), Primitive(DEFER, "rcu")),
        (("call_srcu",), Primitive(DEFER, "srcu", 0)),
        (("kfree", "vfree", "cleanup_srcu_struct"), Primitive(FREE, "free", 0)),
        (("kmem_cache_free",), Primitive(FREE, "free", 1)),
        (("rcu_assign_pointer",), Primitive(WRITE, "release", 0, "lvalue", "once")),
        (("rcu_dereference_protected",), Primitive(READ, "plain", 0, "lvalue")),
        (("complete",), Primitive(CALL, "complete", 0)),
        (("smp_store_mb",), Primitive(WRITE, "mb", 0, "lvalue")),
    ],
)
def test_what_the_gate_takes_them_for(names: tuple[str, ...], meant: Primitive) -> None:
    assert {name: primitive(name) for name in names} == dict.fromkeys(names, meant)


@pytest.mark.parametrize("name", ["kvm_get_bus", "atomics", "READ", "smp_mb__after_lunch", "WARN_ON", "might_sleep", "sizeof"])
def test_other_words_are_no_primitives(name: str) -> None:
    assert primitive(name) is None


def test_what_no_test_can_say_is_refused_with_what_to_write_instead() -> None:
    refused = [name for name in KERNEL if unmodelled(KERNEL[name])]
    assert {"kref_put", "set_current_state", "complete", "list_add_rcu", "write_seqlock"} <= {*refused}
    for name in refused:
        args = tuple(Reg(param) for param in KERNEL[name].params)
        for table in (KERNEL, *MACHINES.values()):
            with pytest.raises(CheckerError, match=f"'{name}' is a primitive that no test can use") as caught:
                expand(Thread(0, (Do(Call(name, args)),)), table)
            assert re.search(r"\.[ch]: \w", caught.value.hint), name


def test_waiting_for_a_condition_is_the_read_that_saw_it() -> None:
    assert primitive("smp_cond_load_acquire") == primitive("smp_load_acquire")
    assert primitive("smp_cond_load_relaxed") == Primitive(READ, "once", 0, "address")
