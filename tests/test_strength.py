"""Which operation may stand for which: the kernel's own words (memory-barriers.txt, atomic_t.txt) for all pairs."""

from __future__ import annotations

from itertools import product

import pytest

from checker.kernel.skeleton import Op, own_ops
from checker.kernel.strength import at_least
from checker.kernel.syntax import unit

FENCES = ["barrier", *[f"{who}{what}" for who in ("smp_", "dma_", "") for what in ("rmb", "wmb", "mb")]]
ORDERS = {"relaxed": 0, "acquire": 1, "release": 2, "": 3}  # as bits: full is both


def op(statement: str) -> Op:
    code = f"void f(int *x, int *y, atomic_t *a, struct p __rcu **p)\n{{\n\t{statement}\n}}\n"
    (function,) = unit("x.c", code.encode(), ("x86",)).functions.values()
    (only,) = own_ops(function)
    return only


def fence_is_as_good(after: str, before: str) -> bool:
    """Mandatory barriers order devices, and what DMA and other CPUs see; DMA barriers what other CPUs see."""
    if "barrier" in (after, before):
        return before == "barrier"
    levels = {"smp": 0, "dma": 1}
    (to, what), (of, was) = ([levels.get(name.rpartition("_")[0], 2), name.rpartition("_")[2]] for name in (after, before))
    return to >= of and what in (was, "mb")


@pytest.mark.parametrize("before", FENCES)
def test_a_fence_may_be_any_that_orders_as_much_for_as_many(before: str) -> None:
    found = {after for after in FENCES if at_least(op(f"{after}();"), op(f"{before}();"))}
    assert found == {after for after in FENCES if fence_is_as_good(after, before)}


def test_an_atomic_may_be_the_same_one_with_more_order() -> None:
    def call(name: str, order: str) -> Op:
        return op(f"{name}{order and '_' + order}(1, a);")

    for after, before in product(ORDERS, ORDERS):
        wanted = ORDERS[after] & ORDERS[before] == ORDERS[before]
        assert at_least(call("atomic_fetch_add", after), call("atomic_fetch_add", before)) == wanted, (after, before)
        assert not at_least(call("atomic_fetch_add", after), call("atomic_fetch_or", before))


@pytest.mark.parametrize(
    ("ranked", "never"),
    [
        (["WRITE_ONCE(*x, 1);", "smp_store_release(x, 1);"], ["WRITE_ONCE(*y, 1);", "READ_ONCE(*x);", "smp_store_release(y, 1);"]),
        (["READ_ONCE(*x);", "smp_load_acquire(x);"], ["READ_ONCE(*y);", "WRITE_ONCE(*x, 1);", "smp_load_acquire(y);"]),
        (["WRITE_ONCE(*x, 1);", "smp_store_mb(*x, 1);"], ["smp_store_mb(*y, 1);"]),
    ],
)
def test_an_access_may_be_one_of_the_same_place_with_more_order(ranked: list[str], never: list[str]) -> None:
    for (i, after), (k, before) in product(enumerate(ranked), enumerate(ranked)):
        assert at_least(op(after), op(before)) == (i >= k), (after, before)
    for after, before in [*product(ranked, never), *product(never, ranked)]:
        assert not at_least(op(after), op(before)), (after, before)


def test_a_barrier_behind_a_store_is_no_release_and_a_release_is_no_barrier() -> None:
    full, release = op("smp_store_mb(*x, 1);"), op("smp_store_release(x, 1);")
    assert not at_least(full, release)
    assert not at_least(release, full)


@pytest.mark.parametrize(
    ("after", "before", "same"),
    [
        ("rcu_dereference_protected(*p, a);", "rcu_dereference_check(*p, b || a);", True),
        ("rcu_dereference_protected(*p, a);", "rcu_dereference_check(*p, a);", True),
        ("rcu_dereference_protected(*p, a);", "rcu_dereference_check(*p, b);", False),
        ("rcu_dereference_protected(*p, a);", "rcu_dereference(*p);", False),
        ("rcu_dereference_protected(*p, a);", "srcu_dereference_check(*p, s, a || b);", True),
        ("READ_ONCE(*p);", "rcu_dereference_check(*p, a);", True),
    ],
)
def test_a_pointer_that_nobody_changes_meanwhile_may_be_read_plainly(after: str, before: str, same: bool) -> None:
    assert at_least(op(after), op(before)) == same
