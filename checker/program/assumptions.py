"""What is contract and what is implementation: the one place that says so, for srcu_read_lock() and call_srcu().

The kernel's model (lkmm) knows the contract, what documentation promises; the machines' models run the implementation, what
today's code compiles to. `--assume NAME` lets the kernel's model take the implementation for granted, too:

    int idx = srcu_read_lock(ss);     a load that orders nothing        a full barrier behind it (and before the unlock)
    call_srcu(ss, head, f);           f runs after a grace period       full barriers behind and before it as well

The machines' half stands in their tables (models/*/linux*.def): the fences of srcu_read_lock(), srcu_read_unlock(), and
__within_call_srcu().
"""

from __future__ import annotations

from msgspec import Struct

from checker.core.source import UnknownName
from checker.program.ir import Assign, Call, Do, Op, Stmt
from checker.program.tree import rebuilt

_LOCKS = ("srcu_read_lock", "srcu_read_lock_notrace", "srcu_read_lock_nmisafe", "srcu_down_read")
_UNLOCKS = ("srcu_read_unlock", "srcu_read_unlock_notrace", "srcu_read_unlock_nmisafe", "srcu_up_read")


class Assumption(Struct, frozen=True):
    """One primitive's contract, its implementation, and where each is written.

    `leaned_on`: whether code may lean on it with a note. Where there is a word that claims the implementation's barrier
    (smp_mb__after_srcu_read_lock()), who leans on it without that word is wrong; where there is none, nobody can do better.
    """

    contract: str
    implementation: str
    source: str
    leaned_on: bool
    note: str


ASSUMPTIONS: dict[str, Assumption] = {
    "srcu_read_lock-implementation": Assumption(
        "srcu_read_lock() and srcu_read_unlock() order nothing by themselves; smp_mb__after_srcu_read_lock() and "
        "smp_mb__after_srcu_read_unlock() make full barriers of them",
        "__srcu_read_lock() ends with smp_mb() /* B */, __srcu_read_unlock() begins with smp_mb() /* C */",
        "include/linux/srcu.h; kernel/rcu/srcutree.c",
        leaned_on=False,
        note="this holds only because srcu_read_lock() happens to execute a full barrier, which nothing documents",
    ),
    "call_srcu-implementation": Assumption(
        "the callback runs after a grace period, and between the call and the callback there is a full barrier; none is "
        "promised between what is before the call and what is after its return",
        "srcu_gp_start_if_needed() enters and leaves a reader of the same srcu_struct: smp_mb() twice before call_srcu() returns",
        "the comment above __call_srcu() and the code of srcu_gp_start_if_needed(), kernel/rcu/srcutree.c",
        leaned_on=True,
        note="this holds only because call_srcu() happens to execute full barriers before it returns, which nothing documents",
    ),
}


def known(assume: frozenset[str]) -> None:
    """Raises UnknownName for an assumption that there is not."""
    unknown = sorted(assume - {*ASSUMPTIONS})
    if unknown:
        raise UnknownName(f"unknown assumption '{unknown[0]}'", hint=f"there is {', '.join(ASSUMPTIONS)}")


def assumed(body: tuple[Stmt, ...], assume: frozenset[str]) -> tuple[Stmt, ...]:
    """`body` with the full barriers of srcu_read_lock() and srcu_read_unlock() in it, if they are taken for granted."""
    if "srcu_read_lock-implementation" not in assume:
        return body
    made: list[Stmt] = []
    for s in body:
        match s:
            case Assign(_, Call(name) | Op(_, (Call(name),))) | Do(Call(name)) if name in _LOCKS:
                made += [s, _fence(s)]
            case Do(Call(name)) if name in _UNLOCKS:
                made += [_fence(s), s]
            case _:
                made.append(rebuilt(s, lambda e: e, lambda inner: assumed(inner, assume)))
    return tuple(made)


def _fence(s: Assign | Do) -> Do:
    return Do(Call("smp_mb", (), (), s.span), s.span)
