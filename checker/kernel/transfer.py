"""A change of kernel code, made to the process of a test that stands for that code.

A fence that the patch removes, weakens or moves is removed, weakened or moved in the process; an access that loses its mark
loses it there. Where the test does not tell (a fence moves among things the test only hints at) all ways are tried. What
cannot be carried over is a reason for somebody to look.

    transfer(process, text, match, difference, before, after).variants    [[Edit(812, 823, "smp_wmb()")]]
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checker.kernel.binding import Process
from checker.kernel.changes import Change, Difference
from checker.kernel.matching import Match
from checker.kernel.primitives import ACCESSES, CALL, FENCE, FREE, GRACE, JUMP, ORDERING, READ, RMW, SECTIONS
from checker.kernel.skeleton import Op

MOST = 24
LOOPS = frozenset({"while", "for"})


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Bytes `start` to `end` of the test's text become `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """`variants`: all ways to make the changes `made`; `failed`: those that cannot be made, and why; `foreign`: not its own."""

    variants: tuple[tuple[Edit, ...], ...]
    made: tuple[Change, ...]
    failed: tuple[tuple[Change, str], ...]
    foreign: tuple[Change, ...]


class _Impossible(Exception):
    """A change that the test has no words for."""


def transfer(
    process: Process, text: bytes, match: Match, difference: Difference, before: Sequence[Op], after: Sequence[Op],
    outside: frozenset[str],
) -> Transfer:  # fmt: skip
    """Carry the changes of a function over to the process that matches it."""
    work = _Work(process, text, match, difference, before, after, outside)
    ways: list[list[list[Edit]]] = []
    made, failed, foreign = [], [], []
    for change in difference.changes:
        if not _relevant(change, match):
            reason = work.crossed(change) or work.skipped(change, after)
            if reason:
                failed.append((change, reason))
            continue
        try:
            found = work.ways(change)
        except _Impossible as error:
            failed.append((change, str(error)))
            continue
        if found is None:
            foreign.append(change)
        else:
            made.append(change)
            ways.append(found)
    if math.prod(map(len, ways)) > MOST:
        failed += [(change, "there are too many places where it could stand in the test") for change in made]
        made, ways = [], []
    variants = dict.fromkeys(
        tuple(sorted(edit for edits in combination for edit in edits)) for combination in itertools.product(*ways)
    )
    return Transfer(tuple(variants) if made else (), tuple(made), tuple(failed), tuple(foreign))


def apply(text: bytes, edits: Sequence[Edit]) -> bytes | None:
    """The text with the edits made; None when two of them are in each other's way."""
    out, at = [], 0
    for edit in sorted(edits):
        if edit.start < at:
            return None
        out += [text[at : edit.start], edit.text.encode()]
        at = edit.end
    return b"".join([*out, text[at:]])


def _relevant(change: Change, match: Match) -> bool:
    """Whether a change concerns order at all, or a place that the test has."""
    members = set(match.places.values())
    return any(op is not None and (op.concerns or op.place in members) and op.verb not in (CALL, JUMP)
               for op in (change.before, change.after))  # fmt: skip


class _Work:
    def __init__(
        self, process: Process, text: bytes, match: Match, difference: Difference, before: Sequence[Op], after: Sequence[Op],
        outside: frozenset[str],
    ) -> None:  # fmt: skip
        self.process, self.text, self.match, self.difference, self.outside = process, text, match, difference, outside
        self.before, self.after = before, after
        self.of = {k: i for i, k in match.pairs.items()}
        self.members = {member: name for name, member in match.places.items()}
        stays = [*difference.kept, *[(c.old, c.new) for c in difference.changes if c.kind == "replace"]]
        self.anchors = sorted((new, self.of[old]) for old, new in stays if old in self.of)

    def ways(self, change: Change) -> list[list[Edit]] | None:
        """Every way to make a change; None when it is not about this process."""
        mine = self.of.get(change.old)
        if change.kind == "add":
            return self._added(change)
        if mine is None:
            return None
        op = self.process.ops[mine]
        match change.kind:
            case "remove":
                if op.verb in ACCESSES:
                    raise _Impossible(f"the access {op.text} has no counterpart any more")
                return [[self._without(op)]]
            case "replace":
                return self._replaced(change, op)
        return self._moved(change, op)

    # ------------------------------------------------------------ the kinds of change

    def _replaced(self, change: Change, op: Op) -> list[list[Edit]]:
        before, after = change.before, change.after
        assert before is not None
        assert after is not None
        deeper = len(after.inside) > len(before.inside)
        if op.verb in ORDERING:
            if deeper or set(before.inside) & LOOPS != set(after.inside) & LOOPS:
                return [[self._without(op)]]  # what is not always executed orders nothing always
            if (before.strength, before.place) == (after.strength, after.place):
                return [[]]
            if op.verb == GRACE:
                raise _Impossible(f"{before.text} becomes {after.text}, another grace period")
            return [[Edit(op.start, op.end, self._call(after))]]
        if before.strength != after.strength:
            if op.verb in SECTIONS:
                raise _Impossible(f"{before.text} becomes {after.text}, another kind of lock")
            return [[Edit(op.start, op.end, self._access(op, after))]]
        if deeper:
            raise _Impossible(f"{after.text} now depends on a condition")
        return [[]]

    def _added(self, change: Change) -> list[list[Edit]] | None:
        after = change.after
        assert after is not None
        if after.verb in ORDERING:
            if after.verb == GRACE and after.strength == "srcu" and after.place not in self.members:
                return None
            if after.strength.endswith("barrier") and after.verb == GRACE:
                return None
            if after.inside and not self._reached(change.new):
                raise _Impossible(f"{after.text} is added under a condition")
            return [[self._before(slot, self._call(after) + ";")] for slot in self._slots(change.new)]
        if after.place in self.members and after.verb in ACCESSES | SECTIONS:
            raise _Impossible(f"{after.text} is new, and the test does not say what it is for")
        return None

    def _moved(self, change: Change, op: Op) -> list[list[Edit]]:
        if op.verb not in ORDERING:
            raise _Impossible(f"{change.op.text} is moved past other code, which the test does not show")
        made: list[list[Edit]] = []
        assert change.before is not None
        assert change.after is not None
        if set(change.before.inside) & LOOPS != set(change.after.inside) & LOOPS or (
            len(change.after.inside) > len(change.before.inside) and not self._reached(change.new)
        ):
            return [[self._without(op)]]
        freed = next((k.text for k in self._passed(change) if k.verb == FREE), "")
        if freed:
            raise _Impossible(f"{change.op.text} is moved past {freed}")
        for slot in self._slots(change.new):
            text = self._call(change.after) + ";"
            if slot[0] is op:  # it stays where it is
                made.append([])
            else:
                made.append([self._without(op), self._before(slot, text)])
        return made

    def _call(self, op: Op) -> str:
        """A fence or grace period in the words of the test."""
        if op.verb == FENCE:
            return f"{op.strength}()"
        if op.strength == "rcu":
            return "synchronize_rcu()"
        if op.strength == "srcu" and op.place in self.members:
            return f"synchronize_srcu({self.members[op.place]})"
        raise _Impossible(f"the tests have no word for {op.text}")

    def _access(self, op: Op, after: Op) -> str:
        """An access of the test with the strength of `after`."""
        written = self.text[op.start : op.end].decode("utf-8", "replace")
        if op.verb == RMW:
            if not op.name or not after.name:
                raise _Impossible(f"{op.text} cannot be put as {after.text}")
            return after.name + written[len(op.name) :]
        if "[" in written:
            raise _Impossible(f"{op.text} cannot be put as {after.text}")
        target = f"*{op.place}"
        if op.verb == READ:
            return {"plain": target, "once": f"READ_ONCE({target})", "acquire": f"smp_load_acquire({op.place})"}[after.strength]
        value = _value(written, op)
        return {
            "plain": f"{target} = {value}",
            "once": f"WRITE_ONCE({target}, {value})",
            "release": f"smp_store_release({op.place}, {value})",
            "mb": f"smp_store_mb({target}, {value})",
        }[after.strength]

    # ------------------------------------------------------------ places in the text

    def _without(self, op: Op) -> Edit:
        """Take the statement of `op` away."""
        start, end = op.outer
        statement = self.text[start:end]
        if not re.match(rb"(?:\w+\s*=\s*)?\w+\s*\(", statement):
            raise _Impossible(f"{op.text} is not a statement of its own in the test")
        return Edit(start, end, "{ }" if self._bare(start) else "")

    def _bare(self, start: int) -> bool:
        """Whether the statement at `start` is the body of an `if` without braces."""
        ahead = self.text[:start].rstrip()
        return ahead.endswith((b")", b"else"))

    def _slots(self, new: int) -> list[tuple[Op, bool]]:
        """Where in the process the operation `new` of the changed code may stand: before an operation, or (True) after it."""
        ops = self.process.ops
        first = max([i for n, i in self.anchors if n < new], default=None)
        last = min([i for n, i in self.anchors if n > new], default=None)
        beside = self._beside(new)
        if beside is not None:
            low, high = beside
            return self._open([(ops[low], True) if low == high else (ops[high], False)])
        beyond = [i for i, op in enumerate(ops) if op.place in self.outside and op.verb in ACCESSES | SECTIONS]
        low = first + 1 if first is not None else max([i + 1 for i in beyond if last is not None and i < last], default=0)
        high = last if last is not None else min([i for i in beyond if first is not None and i > first], default=len(ops))
        slots = [(ops[i], False) for i in range(low, min(high + 1, len(ops)))]
        if high == len(ops) and ops:
            slots.append((ops[-1], True))
        return self._open(slots)

    def _beside(self, new: int) -> tuple[int, int] | None:
        """The operation that the changed code has right before (i, i) or right behind (-1, i) `new`, nothing between."""
        for step in (-1, 1):
            at = new + step
            while 0 <= at < len(self.after) and (self.after[at].verb in ORDERING or self.after[at].strength == "label"):
                at += step
            for n, i in self.anchors:
                if n == at and self.process.ops[i].verb not in ORDERING:
                    return (-1, i) if step == 1 else (i, i)
        return None

    def _open(self, slots: list[tuple[Op, bool]]) -> list[tuple[Op, bool]]:
        """Those of the slots where a statement can stand."""
        slots = [slot for slot in slots if not self.text[slot[0].outer[0] :].startswith((b"if", b"while")) and slot[0].verb != JUMP]
        if not slots:
            raise _Impossible("the test shows nothing beside which it could stand")
        return slots

    def _before(self, slot: tuple[Op, bool], text: str) -> Edit:
        op, behind = slot
        start, end = op.outer
        if behind and not self._bare(start):
            return Edit(end, end, f" {text}")
        if behind:
            return Edit(start, end, f"{{ {self.text[start:end].decode('utf-8', 'replace')} {text} }}")
        if self._bare(start):
            return Edit(start, end, f"{{ {text} {self.text[start:end].decode('utf-8', 'replace')} }}")
        return Edit(start, start, f"{text} ")

    def _reached(self, new: int) -> bool:
        """Whether the added operation is always executed with one that the test has."""
        branches = self.after[new].branches
        return any(self.after[n].branches[: len(branches)] == branches for n, _ in self.anchors)

    def _passed(self, change: Change) -> list[Op]:
        """What a moved operation passes."""
        return [self.before[old] for old, new in self.difference.kept if (old < change.old) != (new < change.new)]

    # ------------------------------------------------------------ other code

    def crossed(self, change: Change) -> str:
        """Why moving other code matters: it passed an operation that the test has."""
        if change.kind != "move" or change.op.verb == JUMP:
            return ""
        for old, new in self.difference.kept:
            if old in self.of and (old < change.old) != (new < change.new):
                return f"{change.op.text} is moved past {self.process.ops[self.of[old]].text}, and the test does not show it"
        return ""

    def skipped(self, change: Change, after: Sequence[Op]) -> str:
        """Why a new goto matters: it passes by a fence that the test has."""
        op = change.after
        if change.kind != "add" or op is None or op.strength != "goto":
            return ""
        label = next((n for n, k in enumerate(after) if k.strength == "label" and k.place == op.place), -1)
        passed = [i for n, i in self.anchors if change.new < n < label and self.process.ops[i].verb in ORDERING]
        if passed and any(n > label for n, _ in self.anchors):
            return f"a new {op.text} passes by {self.process.ops[passed[0]].text}"
        return ""


def _value(written: str, op: Op) -> str:
    """What a store of the test stores."""
    if op.strength == "plain":
        return written.partition("=")[2].strip()
    inner = written[written.index("(") + 1 : written.rindex(")")]
    depth = 0
    for at, c in enumerate(inner):
        depth += (c in "([{") - (c in ")]}")
        if c == "," and not depth:
            return inner[at + 1 :].strip()
    raise _Impossible(f"{op.text} stores nothing")


def weakens(change: Change) -> bool:
    """Whether a change may take order away from code that no test shows."""
    before, after = change.before, change.after
    if change.kind == "add":
        return after is not None and after.verb == "free"
    if change.kind == "remove" or change.kind == "move":
        if before is None or (change.kind == "remove" and before.verb == FREE):
            return False
        return before.concerns and not (before.verb == FENCE and before.strength == "barrier")
    assert before is not None
    assert after is not None
    if len(after.inside) > len(before.inside):
        return before.concerns
    return before.strength != after.strength and not _stronger(before, after)


_RANK = {"plain": 0, "once": 1, "acquire": 2, "release": 2, "mb": 3, "barrier": 0, "smp_rmb": 1, "smp_wmb": 1, "smp_mb": 3}


def _stronger(before: Op, after: Op) -> bool:
    a, b = _RANK.get(before.strength), _RANK.get(after.strength)
    return a is not None and b is not None and b > a


def sites(text: bytes, edits: Sequence[Edit]) -> Iterator[int]:
    """The lines of the test that the edits touch."""
    for edit in edits:
        yield text.count(b"\n", 0, edit.start) + 1
