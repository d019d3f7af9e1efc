"""Which of two operations gives at least as much order: a partial order, as `smp_rmb()` and `smp_wmb()` show.

at_least(op("smp_mb()"), op("smp_rmb()"))     True
at_least(op("smp_wmb()"), op("smp_rmb()"))    False, and neither is it the other way round
"""

from __future__ import annotations

from checker.kernel.changes import Change
from checker.kernel.primitives import DEFER, FENCE, FREE, GRACE, READ, RMW, WRITE
from checker.kernel.skeleton import Op

_FULL = frozenset({"read-read", "read-write", "write-read", "write-write"})
_FENCES: dict[str, frozenset[str]] = {
    "barrier": frozenset(),
    "smp_rmb": frozenset({"read-read"}),
    "smp_wmb": frozenset({"write-write"}),
    "smp_mb": _FULL,
    "dma_rmb": frozenset({"read-read", "dma"}),
    "dma_wmb": frozenset({"write-write", "dma"}),
    "dma_mb": _FULL | {"dma"},
    "rmb": frozenset({"read-read", "dma", "device"}),
    "wmb": frozenset({"write-write", "dma", "device"}),
    "mb": _FULL | {"dma", "device"},
}
"""What a fence orders. One that leans on what stands before it (smp_mb__after_atomic()) is as good as smp_mb() at the most."""
_ORDERS: dict[str, frozenset[str]] = {
    "plain": frozenset(),
    "once": frozenset({"once"}),
    "acquire": frozenset({"once", "acquire"}),
    "release": frozenset({"once", "release"}),
    "mb": frozenset({"once", "full"}),
    "void": frozenset({"once"}),
    "relaxed": frozenset({"once"}),
    "full": frozenset({"once", "acquire", "release", "full"}),
}


def at_least(after: Op, before: Op) -> bool:
    """Whether `after` orders all that `before` does. False where that cannot be told."""
    if after.verb != before.verb:
        return False
    if after.sort == before.sort:
        return True
    if after.verb == FENCE:
        known = _FENCES.get(after.strength)
        return known is not None and known >= _FENCES.get(before.strength, _FULL)
    if after.place != before.place:
        return False
    if after.verb in (READ, WRITE):
        return _stronger(after.strength, before.strength) or _under_the_same_lock(after, before)
    if after.verb == RMW:
        what, _, how = after.strength.rpartition(" ")
        was, _, order = before.strength.rpartition(" ")
        return what == was and _stronger(how, order)
    return False


def lacks(after: Op, before: Op) -> frozenset[str]:
    """What an access does not order any more ("acquire", "release", "full") that did the same to the same place before."""
    (what, _, how), (was, _, order) = (op.strength.rpartition(" ") for op in (after, before))
    if (after.verb, after.place, what) != (before.verb, before.place, was) or after.verb not in (READ, WRITE, RMW):
        return frozenset()
    left = _ORDERS.get(order, frozenset()) - _ORDERS.get(how, frozenset())
    return frozenset() if "once" in left else left


def is_full(op: Op) -> bool:
    """Whether it is a fence that orders everything, whatever it stands beside."""
    return op.verb == FENCE and _FENCES.get(op.strength, frozenset()) >= _FULL


def _stronger(after: str, before: str) -> bool:
    known, wanted = _ORDERS.get(after), _ORDERS.get(before)
    return known is not None and wanted is not None and known >= wanted


def _under_the_same_lock(after: Op, before: Op) -> bool:
    """`rcu_dereference_check(p, c || d)` becomes `rcu_dereference_protected(p, c)`: nobody changes p while c holds."""
    if after.name != "rcu_dereference_protected" or "dereference_check" not in before.name:
        return False
    condition = after.text.partition(",")[2].strip().removesuffix(")").strip()
    offered = before.text.partition(",")[2].strip().removesuffix(")")
    return condition in [part.strip() for part in offered.replace(",", "||").split("||")]


def weakens(change: Change) -> bool:
    """Whether a change may take order, or a lifetime, away from code that no test shows."""
    before, after = change.before, change.after
    if before is None:
        return after is not None and after.verb in (FREE, DEFER)
    if change.kind == "remove" and before.verb == FREE:
        return False
    if change.kind in ("remove", "move"):
        return before.concerns and not (before.verb == FENCE and before.strength == "barrier")
    assert after is not None
    if before.inside != after.inside:
        return before.concerns
    if before.verb in (DEFER, GRACE, FREE) and before.sort != after.sort:
        return True
    return not at_least(after, before)
