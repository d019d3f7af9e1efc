"""What a patch does to a function, carried over to the process of a test: path by path.

carry(process, processes, text, match, before, after, outside, wants)
    Carried(transfers: what each new path makes of the process; stays: whether the process is done as before on some path)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from checker.kernel.binding import Process
from checker.kernel.changes import Change, Difference, difference
from checker.kernel.matching import Match
from checker.kernel.paths import Path, TooManyPaths, Turn, family, paths, turns
from checker.kernel.primitives import CALL, JUMP, LOCK, ORDERING, READ, SECTIONS, UNLOCK
from checker.kernel.skeleton import Op
from checker.kernel.strength import at_least, is_full, lacks, weakens
from checker.kernel.transfer import Line, Transfer, overwrites, relevant, transfer
from checker.kernel.wording import Words


class Carried(Struct, frozen=True):
    """`stays`: some path does all that the process does as it did before; `settled`: changes that no path shows.

    `flat`: all that changed in the function, what it calls included, as it is written.
    """

    transfers: tuple[Transfer, ...] = ()
    stays: bool = True
    settled: tuple[Change, ...] = ()
    flat: tuple[Change, ...] = ()

    @property
    def made(self) -> tuple[Change, ...]:
        return tuple(dict.fromkeys(change for one in self.transfers for change in one.made))

    @property
    def failed(self) -> tuple[tuple[Change, str], ...]:
        return tuple(dict.fromkeys(pair for one in self.transfers for pair in one.failed))

    @property
    def foreign(self) -> tuple[Change, ...]:
        return tuple(dict.fromkeys(change for one in self.transfers for change in one.foreign))


def carry(
    process: Process, processes: Mapping[int, Process], text: bytes, match: Match, before: Sequence[Op], after: Sequence[Op],
    outside: frozenset[str], wants: Mapping[str, int],
) -> Carried:  # fmt: skip
    """Carry a patch over. `wants` are the registers of the process that the question wants to have a certain value."""
    flat = _with_jumps(difference(before, after), before, after)
    if not flat.changes:
        return Carried()
    told = [change for change in flat.changes if relevant(change, match) or _passes(change, flat, match)]
    kinds = {family(before[k]) for k in match.pairs.values()}
    kinds |= {family(op) for change in told for op in (change.before, change.after) if op is not None}
    kinds |= {family(before[old]) for change in told if change.kind == "move" for old in flat.passed(change)}
    kinds |= {family(op) for k in match.pairs.values() for op in _beside(before, k)}
    sides = _sides(before, flat)
    try:
        old, now = (paths(ops, kinds, {side[i]: side[1] for side in sides}) for i, ops in ((1, before), (2, after)))
    except TooManyPaths as error:
        worrying = [c for c in told if weakens(c) or overwrites(c.after, match)] + [c for c in flat.changes if c.op.verb == JUMP]
        return Carried((Transfer((), (), tuple((c, str(error)) for c in worrying[:1]), tuple(told)),), False, (), flat.changes)
    stays = _stays(match, old, now)
    made = []
    for turn in turns(old, now, flat, frozenset(change.old for change in told)):
        line = _line(process, processes, text, match, turn, outside, after, sides)
        taken = _taken(line, turn)
        if not any(reg in wants and (wants[reg] != 0) != truth for reg, truth in taken):
            made.append(replace(transfer(line), taken=taken))
        else:  # on this path the outcome cannot be met, so the test says nothing of it
            made.append(Transfer((), (), (), tuple(c for c in turn.difference.changes if relevant(c, line.match))))
    gone = _gone(match, flat, process)
    if gone:
        made.append(Transfer((), (), gone, ()))
    if unreached := _unreached(told, old, now):
        made.append(Transfer((), (), tuple((c, f"{c.op.text} is on no path that can be told") for c in unreached), ()))
    shown = {op for one in made for change in _all(one) for op in (_where(change.before), _where(change.after)) if op}
    quiet = [c for c in told if c.op.verb != JUMP and not ({_where(c.before), _where(c.after)} & shown)]
    blind = [change for change in _blind(flat, sides) if change in quiet]
    if blind:
        made.append(Transfer((), (), tuple((c, f"{c}, and no path shows what that does") for c in blind), ()))
        quiet = [c for c in quiet if c not in blind]
    return Carried(tuple(made), stays or not made, tuple(quiet), flat.changes)


def lost(before: Sequence[Op], after: Sequence[Op]) -> tuple[Change, ...]:
    """The changes by which some path of a function may lose order, whatever a test shows."""
    flat = _with_jumps(difference(before, after), before, after)
    told = [c for c in flat.changes if any(op is not None and op.concerns for op in (c.before, c.after))]
    sure = [*[c for c in _crossed(flat, before, after) if weakens(c)], *_fewer(flat)]
    if not told and not any(change.op.verb == JUMP for change in flat.changes):
        return tuple(sure)
    kinds = {family(op) for change in told for op in (change.before, change.after) if op is not None}
    kinds |= {family(before[old]) for change in told if change.kind == "move" for old in flat.passed(change)}
    if not told:
        kinds = {family(op) for op in before if op.concerns}
    gone = frozenset(change.old for change in told)
    sides = _sides(before, flat, ("replace", "remove"))
    try:
        old, now = (paths(ops, kinds, {side[i]: side[1] for side in sides}) for i, ops in ((1, before), (2, after)))
        found = [
            change
            for turn in turns(old, now, flat, gone)
            for change in turn.difference.changes
            if not _fenced(change, turn.after.indices, after)
        ]
        found += _unreached(told, old, now)
        shown = {op for change in found for op in (_where(change.before), _where(change.after)) if op}
        found += [change for change in _blind(flat, sides) if _where(change.before) not in shown]
    except TooManyPaths:
        found = told
    less = [c for c in found if weakens(c) and any(o is not None and o.concerns for o in (c.before, c.after))]
    seen = {_where(c.before) for c in less}
    return tuple(dict.fromkeys([*less, *[c for c in sure if _where(c.before) not in seen]]))


def _fewer(flat: Difference) -> list[Change]:
    """What orders and is removed, with nothing new or elsewhere that orders as much: whatever other paths do without it.

    Of locks that are taken and given back, only one without the other.
    """
    more = [c.after for c in flat.changes if c.after is not None and not _depends(c)]
    less = [c for c in flat.changes if c.kind == "remove" and not any(at_least(op, c.op) for op in more)]
    calls = [c for c in less if c.op.verb == CALL and c.op.concerns]
    return [*[c for c in less if c.op.verb in ORDERING and weakens(c)], *halves(less), *calls]


def halves(changes: Sequence[Change]) -> list[Change]:
    """Of what is lost, locks without what gives them back, and the other way round."""
    ends = [c for c in changes if c.kind == "remove" and c.op.verb in SECTIONS]
    count = Counter((c.op.verb, c.op.place) for c in ends)
    return [c for c in ends if count[LOCK, c.op.place] != count[UNLOCK, c.op.place]]


def _fenced(change: Change, indices: Sequence[int], after: Sequence[Op]) -> bool:
    """Whether full fences beside an access give all the order that it loses itself: before a release, behind an acquire."""
    before, now = change.before, change.after
    if before is None or now is None or before.inside != now.inside or not (less := lacks(now, before)):
        return False
    steps = {step for one in less for step in {"release": (-1,), "acquire": (1,)}.get(one, (-1, 1))}
    return all(_full_fence(indices[change.new], step, after) for step in steps)


def _full_fence(k: int, step: int, ops: Sequence[Op]) -> bool:
    """Whether a full fence comes right before or behind an access, but for what its own statement reads."""
    at = k + step
    while 0 <= at < len(ops) and ops[at].outer == ops[k].outer and (ops[at].verb, ops[at].strength) == (READ, "plain"):
        at += step
    return 0 <= at < len(ops) and ops[at].frames == ops[k].frames and is_full(ops[at])


def _crossed(flat: Difference, before: Sequence[Op], after: Sequence[Op]) -> list[Change]:
    """Fences, locks, acquires and releases that stay while other code is moved past them: to that code it is they that move."""
    moved = [c for c in flat.changes if c.kind == "move" and c.op.verb != JUMP and not c.op.concerns]
    passed = {old for change in moved for old in flat.passed(change)}
    return [Change("move", i, k, before[i], after[k]) for i, k in flat.kept if i in passed and orders(before[i])]


def orders(op: Op) -> bool:
    """Whether it orders what stands beside it."""
    strength = op.strength.rpartition(" ")[2]
    return op.verb in ORDERING | SECTIONS or (op.verb == CALL and op.concerns) or strength in ("acquire", "release", "full", "mb")


def _all(one: Transfer) -> list[Change]:
    return [*one.made, *[change for change, _ in one.failed], *one.foreign]


def _where(op: Op | None) -> tuple[object, ...]:
    return (op.path, op.start, op.end, op.via) if op is not None else ()


def _passes(change: Change, flat: Difference, match: Match) -> bool:
    """Whether other code is moved past something that the test has."""
    if change.kind != "move" or change.op.verb == JUMP:
        return False
    return not set(match.pairs.values()).isdisjoint(flat.passed(change))


def _beside(ops: Sequence[Op], k: int) -> list[Op]:
    """What is always done with a fence, next to it: a path with the one and without the other is no path around both."""
    if ops[k].verb not in ORDERING:
        return []
    found = []
    for step in (-1, 1):
        at = k + step
        while 0 <= at < len(ops) and not _together(ops[k], ops[at]):
            at += step
        found += [ops[at]] if 0 <= at < len(ops) else []
    return found


def _sides(before: Sequence[Op], flat: Difference, kinds: Sequence[str] = ("replace",)) -> tuple[tuple[int, int, int], ...]:
    """What is always done with an operation that a condition now decides about: (the operation, its neighbour, and that now).

    So too, where `kinds` has "remove", with one that is gone.

    A path that has the neighbours without the operation is told by them from one that came by neither.
    """
    held = [c for c in flat.changes if c.kind == "replace" and c.before and c.after and c.before.sort == c.after.sort]
    stays = dict(flat.kept) | {c.old: c.new for c in held}
    found = []
    for change in [c for c in flat.changes if c.kind in kinds and (_depends(c) if c.kind == "replace" else c.op.concerns)]:
        for step in (-1, 1):
            at = change.old + step
            while 0 <= at < len(before) and not _jumps(before, change.old, at):
                if at in stays and _together(before[change.old], before[at]):
                    found.append((change.old, at, stays[at]))
                    break
                at += step
    return tuple(sorted(found))


def _jumps(ops: Sequence[Op], k: int, at: int) -> bool:
    """Whether `at` may keep those who come by `k` from coming further: a jump that is not only out of a call."""
    return ops[at].verb == JUMP and not any(frame.kind == "call" for frame in ops[at].frames[len(ops[k].frames) :])


def _depends(change: Change) -> bool:
    """Whether a condition now decides about something that orders."""
    before, after = change.before, change.after
    return before is not None and after is not None and before.concerns and len(after.inside) > len(before.inside)


def _blind(flat: Difference, sides: Sequence[tuple[int, int, int]]) -> list[Change]:
    """What a condition decides about with nothing behind it by which a path without it could be told, and nothing in its place."""
    seen = {k for k, old, _ in sides if old > k}
    more = {change.op.sort for change in flat.changes if change.kind == "add"}
    return [change for change in flat.changes if _depends(change) and change.old not in seen and change.op.sort not in more]


def _with_jumps(flat: Difference, before: Sequence[Op], after: Sequence[Op]) -> Difference:
    """What a new goto jumps over on its way to a new label, which is reached from above as well, depends on a condition now."""
    new = {c.new: c.op for c in flat.changes if c.kind == "add" and c.op.verb == JUMP}
    over: set[int] = set()
    for i, op in new.items():
        ends = [k for k, to in new.items() if k > i and (op.strength, to.strength, to.place) == ("goto", "label", op.place)]
        if not ends:
            continue
        depth = min(len(after[k].frames) for k in ends)
        away = [k for k in range(i + 1, ends[0]) if after[k].verb == JUMP and after[k].strength != "label"]
        if not any(len(after[k].frames) <= depth for k in away):
            over |= set(range(i + 1, ends[0]))
    changed = [
        Change("replace", i, k, before[i], replace(after[k], inside=(*after[k].inside, "goto"))) for i, k in flat.kept if k in over
    ]
    return replace(flat, changes=(*flat.changes, *filter(_depends, changed)))


def _together(fence: Op, op: Op) -> bool:
    depth = len(fence.frames)
    inner = {frame.kind for frame in op.frames[depth:]}
    return op.verb not in (*ORDERING, JUMP) and op.frames[:depth] == fence.frames and inner <= {"call", "do"}


def _unreached(told: Sequence[Change], old: Sequence[Path], now: Sequence[Path]) -> list[Change]:
    """The changes of what is on no path at all: nothing can be told of them."""
    before, after = ({index for path in side for index in path.indices} for side in (old, now))
    return [
        c
        for c in told
        if JUMP not in {op.verb for op in (c.before, c.after) if op is not None}
        and ((c.old >= 0 and c.old not in before) or (c.new >= 0 and c.new not in after))
    ]


def _stays(match: Match, old: Sequence[Path], now: Sequence[Path]) -> bool:
    mine = set(match.pairs.values())
    whole = [path.shape for path in old if mine <= set(path.indices)]
    left = {path.shape for path in now}
    return not whole or any(shape in left for shape in whole)


def _line(
    process: Process, processes: Mapping[int, Process], text: bytes, match: Match, turn: Turn, outside: frozenset[str],
    code: Sequence[Op], sides: Sequence[tuple[int, int, int]],
) -> Line:  # fmt: skip
    at = {index: i for i, index in enumerate(turn.before.indices)}
    pairs = {i: at[k] for i, k in match.pairs.items() if k in at}
    found = replace(match, pairs=pairs)
    passed = frozenset(at[k] for k, old, new in sides if k in at and old > k and new in turn.after.indices)
    whole = (code, turn.after.indices)
    return Line(process, processes, text, found, turn.difference, turn.before.ops, turn.after.ops, outside, whole, passed)


def _taken(line: Line, turn: Turn) -> tuple[tuple[str, bool], ...]:
    """What the reads of the process must have given for a path to be taken: a register, and whether it is not 0."""
    stays = [*line.difference.kept, *[(c.old, c.new) for c in line.difference.changes if c.kind == "replace"]]
    old_of = {turn.after.indices[new]: old for old, new in stays}
    of = {k: i for i, k in line.match.pairs.items()}
    words = Words(line.text, line.process, line.processes, {})
    found = []
    for index, truth in sorted(turn.after.signs):
        mine = of.get(old_of.get(index, -1))
        register = words.register(line.process.ops[mine]) if mine is not None else ""
        found += [(register, truth)] if register else []
    return tuple(found)


def _gone(match: Match, flat: Difference, process: Process) -> tuple[tuple[Change, str], ...]:
    """What the process does and the function does on no path any more."""
    of = {k: i for i, k in match.pairs.items()}
    return tuple(
        (change, f"{process.ops[of[change.old]].text} has no counterpart any more")
        for change in flat.changes
        if change.kind == "remove" and change.old in of and change.op.place and change.op.verb in ("read", "write", "rmw", "defer")
    )
