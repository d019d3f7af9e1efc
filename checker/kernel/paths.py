"""The paths through a function: which operations are executed one after the other, for every way the branches may go.

Branches, loops (once or not at all), switches, gotos, early returns and calls become straight lines of operations, and two
versions of a function are compared line by line. So a fence put under a condition, jumped over or left behind an early return
is a path without that fence, and code that was only rearranged has the paths it had.

    turns(old, new, …)    [Turn((read ready, smp_rmb()), (read ready,), …)]: this path is new, and came from that one
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from checker.core.source import CheckerError
from checker.kernel.changes import Difference, difference
from checker.kernel.primitives import ACCESSES, DEFER, FENCE, GRACE, JUMP, LOCK, SECTIONS, UNLOCK
from checker.kernel.skeleton import Frame, Op

MAX_PATHS = 256
LOOPS = ("while", "for", "do")

Family: TypeAlias = tuple[object, ...]


class TooManyPaths(CheckerError):
    """A function with more paths than anybody wants to ask about."""

    code = "too-many-paths"


class Path(Struct, frozen=True):
    """One way through a function: the operations on it, by index and by themselves, and which reads gave 0 (False) or not."""

    indices: tuple[int, ...]
    ops: tuple[Op, ...]
    signs: frozenset[tuple[int, bool]] = frozenset()

    @property
    def shape(self) -> tuple[object, ...]:
        return tuple(op.key for op in self.ops)


class Turn(Struct, frozen=True):
    """A path that only the new function has, beside the one of the old function that it is nearest to."""

    before: Path
    after: Path
    difference: Difference


def family(op: Op) -> Family:
    """What is told apart on a path: everything that may change places with `op` is of its family."""
    if op.verb == FENCE:
        return (FENCE,)
    if op.verb in (GRACE, DEFER):
        return (GRACE,)
    if op.verb in ACCESSES:
        return ("access", op.place)
    if op.verb in SECTIONS:
        return ("section", op.place, op.strength)
    return (op.verb, op.place or op.strength)


def paths(ops: Sequence[Op], families: Iterable[Family], also: Mapping[int, int] | None = None) -> tuple[Path, ...]:
    """The paths, with nothing on them but the operations of `families` and those in `also`. Raises TooManyPaths.

    `also` gives operations a number, by which they differ from others that do the same.
    """
    known, numbers = frozenset(families), also or {}
    wanted = frozenset(i for i, op in enumerate(ops) if op.verb != JUMP and family(op) in known) | numbers.keys()
    lines = {i: _line(ops[i], numbers.get(i)) for i in wanted}
    made = _Ways(ops, wanted).run()
    return tuple(Path(way.steps, tuple(lines[i] for i in way.steps), way.signs) for way in sorted(made, key=_order))


def turns(old: Sequence[Path], new: Sequence[Path], flat: Difference, gone: frozenset[int]) -> tuple[Turn, ...]:
    """The paths that are new in `new`, each beside the path of `old` that it was; `flat` says which operation is which.

    One that is made of other operations stands beside the nearest. A path of `old` that is no more, and on which an operation
    was that is `gone`, may have become one that there was before, too: it stands beside the nearest of all, or of those with
    what has come in its place.
    """
    bases, ends = {path.shape: path for path in reversed(old)}, {path.shape: path for path in reversed(new)}
    same = set(flat.kept)
    still = frozenset(i for i, _ in same)
    became = {c.old: c.new for c in flat.changes if c.before and c.after and c.before.inside == c.after.inside}
    now = dict(flat.kept) | became
    were = {tuple(now[i] for i in base.indices): base for base in old if now.keys() >= set(base.indices)}
    made: dict[tuple[object, ...], Turn] = {}
    nearest: dict[tuple[object, ...], Turn] = {}
    for path in new:
        if path.shape in bases:
            continue
        if path.indices not in were and path.shape not in nearest:
            found = [_turn(base, path, same) for base in bases.values()]
            nearest[path.shape] = min(found, key=lambda turn: _distance(turn, still))
        base = were[path.indices] if path.indices in were else nearest[path.shape].before
        made[base.shape, path.shape, path.signs] = _turn(base, path, same)
    known = {turn.before.shape for turn in made.values()}
    for base in bases.values():
        if base.shape not in ends and base.shape not in known and gone & set(base.indices):
            come = {became[i] for i in base.indices if i in became}
            found = [_turn(base, path, same) for path in ends.values() if come <= set(path.indices)]
            found = found or [_turn(base, path, same) for path in ends.values()]
            made["lost", base.shape] = min(found, key=lambda turn: _distance(turn, still))
    return tuple(made.values())


def _turn(base: Path, path: Path, same: set[tuple[int, int]]) -> Turn:
    known = difference(base.ops, path.ops, lambda i, k: (base.indices[i], path.indices[k]) in same)
    return Turn(base, path, known)


def _distance(turn: Turn, still: frozenset[int]) -> tuple[int, int]:
    """How far a path is from the one it may have come from.

    What it does besides counts most, and what would have become something else although it is `still` there.
    """
    changes = turn.difference.changes
    besides = [c for c in changes if c.kind == "add" and c.op.verb not in (FENCE, GRACE)]
    other = [c for c in changes if c.kind in ("replace", "move") and turn.before.indices[c.old] in still]
    return 3 * (len(besides) + len(other)) + len(changes), -len(turn.before.ops)


def _line(op: Op, number: int | None) -> Op:
    """An operation on a straight line: of what it stands in, only loops are left, and the number it has."""
    loops = tuple(kind for kind in op.inside if kind in LOOPS)
    return replace(op, inside=loops if number is None else (*loops, str(number)), branches=(), frames=())


class _Way(Struct, frozen=True):
    """The beginning of a path."""

    steps: tuple[int, ...] = ()
    signs: frozenset[tuple[int, bool]] = frozenset()


_Ways_ = frozenset[_Way]
NONE: _Ways_ = frozenset()


def _order(way: _Way) -> tuple[object, ...]:
    return way.steps, sorted(way.signs)


class _Flow(Struct):
    """How a piece of code is left: by its end, by return, break, continue. (What leaves by goto waits at the label.)"""

    ends: _Ways_ = NONE
    returns: _Ways_ = NONE
    breaks: _Ways_ = NONE
    continues: _Ways_ = NONE

    def left(self, other: _Flow) -> None:
        self.returns |= other.returns
        self.breaks |= other.breaks
        self.continues |= other.continues


class _Ways(Struct):
    ops: Sequence[Op]
    wanted: frozenset[int]
    waiting: dict[tuple[tuple[Frame, ...], str], _Ways_] = field(default_factory=dict)

    def run(self) -> _Ways_:
        return self.function(0, len(self.ops), 0, frozenset({_Way()}))

    def function(self, low: int, high: int, depth: int, start: _Ways_) -> _Ways_:
        """A function from its beginning; labels that are jumped back to are passed once more."""
        labels = {self.label(i) for i in range(low, high) if self.ops[i].strength == "label"}
        done: _Ways_ = NONE
        for _ in range(3):
            before = dict(self.waiting)
            flow = self.block(low, high, depth, start)
            done |= flow.ends | flow.returns | flow.breaks | flow.continues
            if all(self.waiting.get(label) == before.get(label) for label in labels):
                break
            start = NONE
        for label in labels:
            self.waiting.pop(label, None)
        return done

    def label(self, i: int) -> tuple[tuple[Frame, ...], str]:
        op = self.ops[i]
        calls = [k for k, frame in enumerate(op.frames) if frame.kind == "call"]
        return (op.frames[: calls[-1] + 1] if calls else ()), op.place

    def block(self, low: int, high: int, depth: int, ways: _Ways_) -> _Flow:
        """The operations from `low` to `high`, all of them `depth` deep or deeper."""
        flow = _Flow()
        i = low
        while i < high:
            if len(ways) > MAX_PATHS:
                raise TooManyPaths(f"{self.ops[i].function}() has more than {MAX_PATHS} paths that would have to be compared")
            op = self.ops[i]
            if len(op.frames) > depth:
                end = i
                while end < high and len(self.ops[end].frames) > depth and self.ops[end].frames[depth].id == op.frames[depth].id:
                    end += 1
                inner = self.framed(i, end, depth, ways)
                flow.left(inner)
                ways, i = inner.ends, end
                continue
            if op.verb == JUMP:
                ways = self.jump(i, high, depth, ways, flow)
            elif i in self.wanted:
                ways = frozenset(replace(way, steps=(*way.steps, i)) for way in ways)
            i += 1
        flow.ends = ways
        return flow

    def jump(self, i: int, high: int, depth: int, ways: _Ways_, flow: _Flow) -> _Ways_:
        match self.ops[i].strength:
            case "return":
                flow.returns |= frozenset(self.unguarded(i, way) for way in ways)
            case "break":
                flow.breaks |= ways
            case "continue":
                flow.continues |= ways
            case "goto":
                here = self.label(i)
                self.waiting[here] = self.waiting.get(here, NONE) | ways
            case "label":
                return ways | self.waiting.get(self.label(i), NONE)
        return NONE

    def unguarded(self, i: int, way: _Way) -> _Way:
        """A return lets go of what guard() holds."""
        held = {self.ops[k].where: k for k in way.steps if self.ops[k].name == "guard" and self.ops[k].verb == LOCK}
        ends = [k for k in self.wanted if k > i and self.ops[k].name == "guard" and self.ops[k].verb == UNLOCK]
        calls = self.label(i)[0]
        steps = tuple(k for k in sorted(ends) if self.ops[k].where in held and self.label(k)[0] == calls)
        return replace(way, steps=(*way.steps, *steps))

    def framed(self, low: int, high: int, depth: int, ways: _Ways_) -> _Flow:
        frame = self.ops[low].frames[depth]
        match frame.kind:
            case "call":
                return _Flow(ends=self.function(low, high, depth + 1, ways))
            case "case":
                return self.block(low, high, depth + 1, ways)
            case "switch":
                return self.switch(low, high, depth + 1, ways)
            case "while" | "for" | "do":
                inner = self.block(low, high, depth + 1, ways)
                skipped = ways if frame.kind != "do" else NONE
                return _Flow(ends=skipped | inner.ends | inner.breaks | inner.continues, returns=inner.returns)
        middle = next((i for i in range(low, high) if self.ops[i].frames[depth].kind != frame.kind), high)
        yes = self.block(low, middle, depth + 1, self.decided(ways, frame))
        no = self.block(middle, high, depth + 1, self.decided(ways, replace(frame, truth=not frame.truth)))
        flow = _Flow(ends=yes.ends | no.ends)
        flow.left(yes)
        flow.left(no)
        return flow

    def decided(self, ways: _Ways_, frame: Frame) -> _Ways_:
        """The ways on which the tested read can have such a value."""
        if frame.tested not in self.wanted:
            return ways
        sign, other = (frame.tested, frame.truth), (frame.tested, not frame.truth)
        return frozenset(
            replace(way, signs=way.signs | {sign}) if frame.tested in way.steps else way for way in ways if other not in way.signs
        )

    def switch(self, low: int, high: int, depth: int, ways: _Ways_) -> _Flow:
        """A switch: it begins at any case, or at none, and goes on through the next ones."""
        starts = [
            i for i in range(low, high) if self.case(i, depth) and (i == low or self.case(i, depth) != self.case(i - 1, depth))
        ]
        flow, ends = _Flow(), ways
        for start in starts:
            inner = self.block(start, high, depth, ways)
            through = _Flow(returns=inner.returns, continues=inner.continues)
            flow.left(through)
            ends |= inner.ends | inner.breaks
        if not starts:
            return self.block(low, high, depth, ways)
        flow.ends = ends
        return flow

    def case(self, i: int, depth: int) -> int:
        frames = self.ops[i].frames
        return frames[depth].id if len(frames) > depth and frames[depth].kind == "case" else 0
