"""Loops to straight code: every backward branch is followed at most `bound` times, then the path comes to a `Cut`.

    head: … if c goto head          head#0: … if c goto head#1
                              ──►   head#1: … if c goto head#2
                                    head#2: … if c goto Cut

A loop is the code between a label and the last branch back to it; inner loops are unrolled first. What can only lead to a
Cut is replaced by it, so the last copy costs nothing.
"""

from __future__ import annotations

from msgspec.structs import replace

from checker.core.deadline import Deadline, look
from checker.core.source import LimitExceeded, Span
from checker.program.ir import Allocate, Branch, Const, Cut, Instr, Label, Load
from checker.program.spin import rounds_kept

INSTRUCTION_LIMIT = 20_000


AWAIT = "await@"
"""The reads of a loop that waits have, where that is asked for, a tag of this and the label behind the loop."""


def unroll(
    code: tuple[Instr, ...], bound: int, where: Span, deadline: Deadline = None, *, mark: bool = False, waits: int | None = None
) -> tuple[Instr, ...]:
    """`code` without backward branches, each loop body repeated `bound` times; that of a loop that waits (spin.py) no more than
    `waits` times beyond those it has to be: then it ends. `mark`: reads in loops that wait are tagged."""
    body = list(code)
    while loop := _innermost(body):
        look(deadline)
        first, last = loop
        body[first : last + 1] = _copies(body, first, last, bound, mark=mark, waits=waits)
        if len(body) > INSTRUCTION_LIMIT:
            raise LimitExceeded(
                f"unrolling makes more than {INSTRUCTION_LIMIT:,} instructions", where, hint="a smaller --unroll would do"
            )
        body = _doomed_cut(body)
    return tuple(body)


def _innermost(body: list[Instr]) -> tuple[int, int] | None:
    """The shortest stretch from a label to its last backward branch that holds no other loop's end; None without loops."""
    at = {instr.name: i for i, instr in enumerate(body) if isinstance(instr, Label)}
    ends: dict[int, int] = {}
    for i, instr in enumerate(body):
        if isinstance(instr, Branch) and at[instr.target] <= i:
            ends[at[instr.target]] = i
    return min(ends.items(), key=lambda span: (span[1] - span[0], span[0]), default=None)


def _copies(body: list[Instr], first: int, last: int, bound: int, *, mark: bool, waits: int | None) -> list[Instr]:
    """bound + 1 copies of body[first..last]; the branch back of copy i goes to copy i + 1, of the last one to a Cut."""
    head = body[first]
    assert isinstance(head, Label)
    region = body[first : last + 1]
    local = {instr.name for instr in region if isinstance(instr, Label)}
    cut, after = f"{head.name}#cut", f"{head.name}#after"
    idle = idle_after(body, first, last)
    if waits is not None and idle >= 0:
        bound = min(bound, idle + waits)
    if mark and idle >= 0:
        region = [replace(i, tags=i.tags | {AWAIT + after}) if isinstance(i, Load) else i for i in region]
    result: list[Instr] = []
    for i in range(bound + 1):
        for instr in region:
            match instr:
                case Label(name):
                    result.append(Label(_copy_name(name, i)))
                case Branch(target=target, scope=scope):
                    if target == head.name:
                        goal = _copy_name(target, i + 1) if i < bound else cut
                    else:
                        goal = _copy_name(target, i) if target in local else target
                    result.append(replace(instr, target=goal, scope=_copy_name(scope, i) if scope in local else scope))
                case Cut(after=goal):
                    result.append(replace(instr, after=_copy_name(goal, i) if goal else ""))
                case _:
                    result.append(_fresh(instr, i))
        if i < bound:  # falling out of copy i leaves the loop
            result.append(Branch(Const(1), after, ctrl=False))
    end = region[-1]
    span = end.span if isinstance(end, Branch) else where_unknown(end)
    behind = after if mark or waits is None or idle < 0 else ""
    return [*result, Branch(Const(1), after, ctrl=False), Label(cut), Cut(span, behind, idle), Label(after)]


def idle_after(body: list[Instr], first: int, last: int) -> int:
    """What a Cut at the end of this loop says: how many rounds are as good as any number, or -1."""
    kept = rounds_kept(body, first, last)
    return -1 if kept is None else kept


def where_unknown(instr: Instr) -> Span:
    raise AssertionError(f"a loop ends in a branch, not in {instr}")


def _copy_name(name: str, i: int) -> str:
    return f"{name}#{i}" if i else name


_PAIR_STRIDE = 1_000_000


def _fresh(instr: Instr, i: int) -> Instr:
    """`instr` with its pair and group numbers, and what it allocates, made distinct from the other copies'."""
    if isinstance(instr, Allocate):
        return replace(instr, object=_copy_name(instr.object, i))
    changes: dict[str, object] = {
        name: getattr(instr, name) + i * _PAIR_STRIDE for name in ("pair", "group") if i and getattr(instr, name, 0)
    }
    if i and isinstance(instr, Load) and any(tag.startswith(AWAIT) for tag in instr.tags):
        changes["tags"] = frozenset([_copy_name(tag, i) if tag.startswith(AWAIT) else tag for tag in instr.tags])
    return replace(instr, **changes) if changes else instr


def _doomed_cut(body: list[Instr]) -> list[Instr]:
    """`body` with every stretch that can only end in a Cut replaced by one."""
    doomed_label: dict[str, bool] = {}
    at_end: dict[str, Cut] = {}
    result: list[Instr] = []
    doomed, cut = False, Cut()
    for instr in reversed(body):
        match instr:
            case Cut():
                doomed, cut = True, instr
            case Label(name):
                doomed_label[name] = doomed
                at_end[name] = cut
            case Branch(cond=cond, target=target):
                taken = doomed_label.get(target, False)
                always = isinstance(cond, Const) and cond.value != 0
                if taken and (doomed or always):
                    doomed, cut = True, at_end[target]
                    result.append(cut)
                    continue
                doomed = False
        if doomed and not isinstance(instr, Label | Cut):
            continue
        result.append(instr)
    result.reverse()
    return _without_repeats(result)


def _without_repeats(body: list[Instr]) -> list[Instr]:
    return [x for i, x in enumerate(body) if not (isinstance(x, Cut) and i and isinstance(body[i - 1], Cut))]
