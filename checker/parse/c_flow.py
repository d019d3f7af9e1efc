"""Where the reach of a condition ends, once `break`, `goto` and their kin have made branches of it.

What is control dependent on a condition is what lies on one way out of it and not on all: as far as the place where the ways
meet again, the branch's immediate postdominator. For an `if` without jumps that is its end (herd's rule, and the kernel
model's: tools/memory-model/Documentation/control-dependencies.txt), so that a test with jumps means what it means when it is
written with `if` and `else` alone.

    if (READ_ONCE(*x)) return;      Branch(…, "end", scope="end")     the store is control dependent,
    WRITE_ONCE(*y, 1);              …                                 as in `else WRITE_ONCE(*y, 1);`
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from checker.program.ir import Branch, Const, Label, Stmt

MEETING = "%meeting"
"""The scope of a branch before it is known."""


def scoped(code: list[Stmt], label: Callable[[str], str]) -> list[Stmt]:
    """`code` with a label where the ways out of each branch meet, as its scope; `label` makes a new name."""
    at = {s.name: i for i, s in enumerate(code) if isinstance(s, Label)}
    ways = [_ways(s, i, at) for i, s in enumerate(code)]
    after = _postdominators(ways)
    names: dict[int, str] = {}
    result: list[Stmt] = []
    for s in code:
        if not isinstance(s, Branch) or s.scope != MEETING:
            result.append(s)
            continue
        i = len(result)
        meeting = _nearest(after[i], after, i)
        if meeting is None:
            result.append(replace(s, scope=""))
            continue
        here = code[meeting] if meeting < len(code) else None
        if isinstance(here, Label):
            names[meeting] = here.name
        result.append(replace(s, scope=names.setdefault(meeting, label("meet"))))
    wanted = {i: name for i, name in names.items() if name not in at}
    made: list[Stmt] = []
    for i, s in enumerate(result):
        if i in wanted:
            made.append(Label(wanted[i]))
        made.append(s)
    if len(code) in wanted:
        made.append(Label(wanted[len(code)]))
    return made


def _ways(s: Stmt, i: int, at: dict[str, int]) -> tuple[int, ...]:
    """Where execution may go from statement i."""
    if not isinstance(s, Branch):
        return (i + 1,)
    if isinstance(s.cond, Const) and s.cond.value != 0:
        return (at[s.target],)
    return (i + 1, at[s.target])


def _postdominators(ways: list[tuple[int, ...]]) -> list[int]:
    """For each place, as bits, the places that every way from it to the end goes through, itself among them."""
    n = len(ways)
    everything = (1 << n + 1) - 1
    after = [everything] * n + [1 << n]
    changed = True
    while changed:
        changed = False
        for i in range(n - 1, -1, -1):
            found = everything
            for j in ways[i]:
                found &= after[j]
            found |= 1 << i
            if found != after[i]:
                after[i], changed = found, True
    return after


def _nearest(found: int, after: list[int], here: int) -> int | None:
    """Of the places in `found` but `here`, the one that comes before all others; None where the end is never reached."""
    if found >> len(after) or found == (1 << len(after)) - 1:
        return None
    others = [j for j in range(len(after)) if found >> j & 1 and j != here]
    return next((j for j in others if after[j] & found == found & ~(1 << here)), None)
