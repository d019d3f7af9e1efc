"""A change of kernel code, made to the process of a test that stands for that code.

A fence that the patch removes, weakens or moves is removed, weakened or moved in the process; an access that loses its mark
loses it there; a callback that is queued elsewhere is queued elsewhere. Where the test does not tell (a fence moves among
things the test only hints at) all ways are tried. What cannot be carried over is a reason for somebody to look.

Both versions are straight lines here: one path through the function before, one after (`paths`).

    transfer(line).variants    [[Edit(812, 823, "smp_wmb()")]]
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from checker.kernel.binding import Process
from checker.kernel.changes import Change, Difference
from checker.kernel.matching import Match
from checker.kernel.paths import LOOPS
from checker.kernel.primitives import ACCESSES, CALL, DEFER, FENCE, FREE, GRACE, JUMP, LOCK, ORDERING, SECTIONS, UNLOCK, WRITE
from checker.kernel.skeleton import Op
from checker.kernel.wording import Edit, NoWords, Words

MOST = 24


class Line(Struct, frozen=True):
    """A process, and a path of the code that it matches, before and after the patch.

    `whole` is the function after the patch, and where in it the operations of the path stand; `passed` are the operations of
    `before` that a condition now decides about, and behind which this path goes on as ever.
    """

    process: Process
    processes: Mapping[int, Process]
    text: bytes
    match: Match
    difference: Difference
    before: Sequence[Op]
    after: Sequence[Op]
    outside: frozenset[str]
    whole: tuple[Sequence[Op], tuple[int, ...]]
    passed: frozenset[int] = frozenset()


class Transfer(Struct, frozen=True):
    """`variants`: all ways to make the changes `made`; `failed`: those that cannot be made, and why; `foreign`: not its own.

    `taken`: which registers must be 0 (False) or not for the path to be taken at all.
    """

    variants: tuple[tuple[Edit, ...], ...]
    made: tuple[Change, ...]
    failed: tuple[tuple[Change, str], ...]
    foreign: tuple[Change, ...]
    taken: tuple[tuple[str, bool], ...] = ()


def transfer(line: Line) -> Transfer:
    """Carry the changes of a path over to the process that matches it."""
    work = _Work(line)
    ways: list[list[list[Edit]]] = []
    made, failed, foreign = [], [], []
    let_go = work.let_go()
    unsaid = [*work.left_early(), *[change for change, _ in let_go]]
    for change in line.difference.changes:
        if change in unsaid:
            continue
        if not relevant(change, line.match):
            if reason := work.crossed(change):
                failed.append((change, reason))
            continue
        try:
            found = work.ways(change)
        except NoWords as error:
            failed.append((change, str(error)))
            continue
        if found is None:
            foreign.append(change)
        else:
            made.append(change)
            ways.append(found)
    failed += [*work.still_held(), *let_go]
    if math.prod(map(len, ways)) > MOST and all(change.kind == "add" and change.op.verb == FENCE for change in made):
        foreign += made  # wherever they then stand, fences that are added allow nothing
        made, ways = [], []
    elif math.prod(map(len, ways)) > MOST:
        failed += [(change, "there are too many places where it could stand in the test") for change in made]
        made, ways = [], []
    variants = dict.fromkeys(
        tuple(sorted(edit for edits in combination for edit in edits)) for combination in itertools.product(*ways)
    )
    return Transfer(tuple(variants) if made else (), tuple(made), tuple(failed), tuple(foreign))


def apply(text: bytes, edits: Sequence[Edit]) -> bytes | None:
    """The text with the edits made; None when two of them are in each other's way."""
    out, at = [], 0
    for edit in dict.fromkeys(sorted(edits)):
        if edit.start < at:
            return None
        out += [text[at : edit.start], edit.text.encode()]
        at = edit.end
    return b"".join([*out, text[at:]])


def relevant(change: Change, match: Match) -> bool:
    """Whether a change concerns order at all, or a place that the test has."""
    members = set(match.places.values())
    for op in (change.before, change.after):
        if op is None or op.verb == JUMP:
            continue
        if op.verb == CALL:
            if members & set(op.named):
                return True
        elif op.concerns or op.place in members or overwrites(op, match):
            return True
    return False


def overwrites(op: Op | None, match: Match) -> bool:
    """Whether it writes all of an object that the test has a part of."""
    return op is not None and op.verb == WRITE and not match.objects.isdisjoint((op.place, *op.named))


class _Work:
    def __init__(self, line: Line) -> None:
        self.line = line
        self.process, self.match, self.difference = line.process, line.match, line.difference
        self.before, self.after = line.before, line.after
        self.of = {k: i for i, k in line.match.pairs.items()}
        members = {member: name for name, member in line.match.places.items()}
        self.members = members
        self.words = Words(line.text, line.process, line.processes, members)
        stays = [*self.difference.kept, *[(c.old, c.new) for c in self.difference.changes if c.kind == "replace"]]
        self.anchors = sorted((new, self.of[old]) for old, new in stays if old in self.of)

    def ways(self, change: Change) -> list[list[Edit]] | None:
        """Every way to make a change; None when it is not about this process."""
        mine = self.of.get(change.old)
        if change.op.verb == CALL or (change.after is not None and change.after.verb == CALL):
            raise NoWords(f"{change.op.text} is given a place of the test, and nothing is known of what it does")
        if overwrites(change.after, self.match):
            raise NoWords(f"{change.op.text} writes all of what the test has a part of")
        if change.kind == "add":
            return self._added(change)
        if mine is None:
            after = change.after
            if after is not None and after.verb == DEFER and change.op.verb == FREE:
                return self._added(replace(change, kind="add", old=-1, before=None))
            return None
        op = self.process.ops[mine]
        match change.kind:
            case "remove":
                if op.verb in ACCESSES | {DEFER, FREE}:
                    raise NoWords(f"{op.text} has no counterpart any more")
                return [[self.words.without(op)]]
            case "replace":
                return self._replaced(change, op)
        return self._moved(change, op)

    # ------------------------------------------------------------ the kinds of change

    def _replaced(self, change: Change, op: Op) -> list[list[Edit]]:
        before, after = change.before, change.after
        assert before is not None
        assert after is not None
        looped = set(before.inside) & set(LOOPS) != set(after.inside) & set(LOOPS)
        if op.verb in ORDERING and looped:
            return [[self.words.without(op)]]  # what is not done in every round orders nothing in every round
        if before.sort == after.sort:
            if looped:
                raise NoWords(f"{after.text} is in another loop now")
            return [[]]
        if op.verb in ORDERING | {DEFER, FREE}:
            if op.verb in (DEFER, FREE):
                _same_callback(before, after)
            text, edits = self.words.call(after, self.line.text[op.start : op.end].decode("utf-8", "replace"))
            return [[Edit(op.start, op.end, text), *edits]]
        if op.verb in SECTIONS:
            raise NoWords(f"{before.text} becomes {after.text}, another kind of lock")
        return [[Edit(op.start, op.end, self.words.access(op, after))]]

    def _added(self, change: Change) -> list[list[Edit]] | None:
        after = change.after
        assert after is not None
        if after.verb in ORDERING | {DEFER}:
            if after.verb == GRACE:
                self._not_inside(after)
            if after.verb in (GRACE, DEFER) and after.place and self.members.get(after.place, after.place) not in self.words.params:
                return None
            if after.verb == DEFER and not after.place:
                return None
            text, edits = self.words.call(after)
            return [[self._before(slot, text + ";"), *edits] for slot in self._slots(change.new)]
        if after.place in self.members and after.verb in ACCESSES | SECTIONS | {FREE}:
            raise NoWords(f"{after.text} is new, and the test does not say what it is for")
        return None

    def _not_inside(self, after: Op) -> None:
        """Who waits for the readers must not be one."""
        kind, name = after.strength.removesuffix(" barrier"), self.members.get(after.place, after.place)
        for op in self.process.ops:
            if op.verb == LOCK and op.strength.removesuffix(" fast") == kind and op.place == name:
                raise NoWords(f"{after.text} is added to what a reader does, and would wait for itself")

    def _moved(self, change: Change, op: Op) -> list[list[Edit]]:
        assert change.before is not None
        assert change.after is not None
        if op.verb not in ORDERING | {DEFER, FREE}:
            raise NoWords(f"{change.op.text} is moved past other code, which the test does not show")
        if set(change.before.inside) != set(change.after.inside):
            return [[self.words.without(op)]]
        for old in self.difference.passed(change):
            passed = self.before[old]
            if passed.verb in (FREE, DEFER) and old not in self.of and not _elsewhere(passed, change.op):
                raise NoWords(f"{change.op.text} is moved past {passed.text}")
        text = self.words.statement(op)
        made: list[list[Edit]] = []
        for slot in self._slots(change.new):
            if slot[0] is op:  # it stays where it is
                made.append([])
            else:
                made.append([self.words.without(op), self._before(slot, text)])
        return made

    # ------------------------------------------------------------ places in the text

    def _slots(self, new: int) -> list[tuple[Op, bool]]:
        """Where in the process the operation `new` of the changed code may stand: before an operation, or (True) after it."""
        ops = self.process.ops
        first = max([i for n, i in self.anchors if n < new], default=None)
        last = min([i for n, i in self.anchors if n > new], default=None)
        beside = self._beside(new)
        if beside is not None:
            low, high = beside
            return self._open([(ops[low], True) if low == high else (ops[high], False)])
        beyond = [i for i, op in enumerate(ops) if op.place in self.line.outside and op.verb in ACCESSES | SECTIONS]
        low = first + 1 if first is not None else max([i + 1 for i in beyond if last is not None and i < last], default=0)
        high = last if last is not None else min([i for i in beyond if first is not None and i > first], default=len(ops))
        slots = [(ops[i], False) for i in range(low, min(high + 1, len(ops)))]
        if high == len(ops) and ops:
            slots.append((ops[-1], True))
        return self._open(slots)

    def _beside(self, new: int) -> tuple[int, int] | None:
        """The operation that the changed code has right before (i, i) or right behind (-1, i) `new`, nothing between."""
        code, indices = self.line.whole
        for step in (-1, 1):
            at = indices[new] + step
            while 0 <= at < len(code) and (code[at].verb in ORDERING or code[at].verb == JUMP):
                at += step
            for n, i in self.anchors:
                if indices[n] == at and self.process.ops[i].verb not in ORDERING:
                    return (-1, i) if step == 1 else (i, i)
        return None

    def _open(self, slots: list[tuple[Op, bool]]) -> list[tuple[Op, bool]]:
        """Those of the slots where a statement can stand."""
        text = self.line.text
        slots = [slot for slot in slots if not text[slot[0].outer[0] :].startswith((b"if", b"while")) and slot[0].verb != JUMP]
        if not slots:
            raise NoWords("the test shows nothing beside which it could stand")
        return slots

    def _before(self, slot: tuple[Op, bool], text: str) -> Edit:
        op, behind = slot
        start, end = op.outer
        there = self.line.text[start:end].decode("utf-8", "replace")
        if behind and not self.words.bare(start):
            return Edit(end, end, f" {text}")
        if behind:
            return Edit(start, end, f"{{ {there} {text} }}")
        if self.words.bare(start):
            return Edit(start, end, f"{{ {text} {there} }}")
        return Edit(start, start, f"{text} ")

    # ------------------------------------------------------------ other code

    def crossed(self, change: Change) -> str:
        """Why moving other code matters: it passed an operation that the test has."""
        if change.kind != "move" or change.op.verb == JUMP:
            return ""
        for old in self.difference.passed(change):
            if old in self.of:
                return f"{change.op.text} is moved past {self.process.ops[self.of[old]].text}, and the test does not show it"
        return ""

    def left_early(self) -> list[Change]:
        """What the process would do behind a new early exit: this path does no more of it, as if it had not got so far yet."""
        gone = {c.old: c for c in self.difference.changes if c.kind == "remove" and c.old in self.of}
        last = max([old for old in self.of if old not in gone], default=-1)
        rest = [c for old, c in gone.items() if old > last]
        if self.line.passed & {c.old for c in rest}:
            return []  # it goes on as before, only without it
        return rest if any(c.op.verb not in ORDERING for c in rest) else []

    def still_held(self) -> list[tuple[Change, str]]:
        """Locks that a path does not give back any more."""
        held = []
        for change in self.difference.changes:
            op = change.before
            if change.kind != "remove" or op is None or op.verb != UNLOCK:
                continue
            balance = {LOCK: 0, UNLOCK: 0}
            for k in self.after:
                if k.verb in SECTIONS and (k.place, k.strength) == (op.place, op.strength):
                    balance[k.verb] += 1
            if balance[LOCK] > balance[UNLOCK]:
                held.append((change, f"a path ends without {op.text}"))
        return held

    def let_go(self) -> list[tuple[Change, str]]:
        """Locks that a path newly gives back, or takes again: what they guard may change in between."""
        ahead = Counter[tuple[str, str]]()
        found = []
        for change in self.difference.changes:  # what was given back further down
            if change.kind == "remove" and change.op.verb == UNLOCK:
                ahead[change.op.place, change.op.strength] += 1
        for change in sorted([c for c in self.difference.changes if c.kind == "add"], key=lambda c: c.new):
            key = change.op.place, change.op.strength
            if change.op.verb == LOCK:
                ahead[key] += 1
                if any(op.verb == UNLOCK and (op.place, op.strength) == key for op in self.after[: change.new]):
                    found.append((change, f"{change.op.text} takes again what was let go of: it may have changed in between"))
            elif change.op.verb == UNLOCK:
                ahead[key] -= 1
                if ahead[key] < 0:
                    found.append((change, f"{change.op.text} is new: what was held may be let go of here"))
        return found


def _elsewhere(passed: Op, moved: Op) -> bool:
    """Whether a srcu_struct is cleaned up that the moved operation is not about."""
    return passed.name == "cleanup_srcu_struct" and passed.place != moved.place


def _same_callback(before: Op, after: Op) -> None:
    """Raises NoWords for another callback, and for a callback that frees something else."""
    if after.verb == DEFER and before.freed and before.freed == after.freed:
        return
    if before.verb == after.verb == DEFER and before.callback == after.callback and before.freed == after.freed:
        return
    raise NoWords(f"{before.text} becomes {after.text}, and it cannot be told that the same is freed")
