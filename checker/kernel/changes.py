"""What a patch does to a skeleton: operations removed, added, replaced by others of the same kind, or moved.

changes(before, after)    [Change("replace", fence smp_mb(), fence smp_rmb())]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct

from checker.kernel.primitives import ACCESSES, DEFER, FENCE, FREE, GRACE, ORDERING
from checker.kernel.skeleton import Op

MAX_CELLS = 4_000_000
MOST_OPS = 10_000


class Change(Struct, frozen=True):
    """`kind` is remove, add, replace or move; `old` and `new` are indices into the two skeletons, -1 for none."""

    kind: str
    old: int
    new: int
    before: Op | None
    after: Op | None

    @property
    def op(self) -> Op:
        op = self.before or self.after
        assert op is not None
        return op

    @property
    def place(self) -> tuple[str, int]:
        """Where a reader of the patch finds it: the new line where there is one."""
        op = self.after or self.before
        assert op is not None
        return op.path, op.line

    def __str__(self) -> str:
        match self.kind:
            case "remove":
                return f"{self.op.text} is removed"
            case "add":
                return f"{self.op.text} is added"
            case "move":
                return f"{self.op.text} is moved"
        assert self.before is not None
        assert self.after is not None
        if self.before.sort == self.after.sort:
            how = "now depends on a condition" if len(self.after.inside) > len(self.before.inside) else "stands elsewhere"
            return f"{self.after.text} {how}"
        return f"{self.before.text} becomes {self.after.text}"


class Difference(Struct, frozen=True):
    """The changes, and which operations stayed: pairs of indices, in order."""

    changes: tuple[Change, ...]
    kept: tuple[tuple[int, int], ...]

    def passed(self, change: Change) -> list[int]:
        """What stayed while what is moved came to its other side."""
        return [old for old, new in self.kept if (old < change.old) != (new < change.new)]


def difference(before: Sequence[Op], after: Sequence[Op], known: Callable[[int, int], bool] = lambda i, k: False) -> Difference:
    """How `after` came from `before`. Of equals, those that are `known` to be the same operation are."""
    kept = _common([op.key for op in before], [op.key for op in after], lambda key: key[0] in ORDERING, known)
    gaps: list[tuple[list[int], list[int]]] = []
    a = b = 0
    for i, k in [*kept, (len(before), len(after))]:
        gaps.append((list(range(a, i)), list(range(b, k))))
        a, b = i + 1, k + 1
    made: list[Change] = []
    removed: list[int] = []
    added: list[int] = []
    for old, new in gaps:
        for same in (_same_operation, _same_place, _same_order, _same_freed):
            for i, k in _pairs(old, new, before, after, same):
                old.remove(i)
                new.remove(k)
                made.append(Change("replace", i, k, before[i], after[k]))
        removed += old
        added += new
    for i, k in _pairs(removed, added, before, after, _moved):
        removed.remove(i)
        added.remove(k)
        made.append(Change("move", i, k, before[i], after[k]))
    made += [Change("remove", i, -1, before[i], None) for i in removed]
    made += [Change("add", -1, k, None, after[k]) for k in added]
    made.sort(key=lambda change: (change.new if change.new >= 0 else change.old, change.kind))
    return Difference(tuple(made), tuple(kept))


def _pairs(
    old: list[int], new: list[int], before: Sequence[Op], after: Sequence[Op], same: Callable[[Op, Op], bool]
) -> list[tuple[int, int]]:
    """Greedily, in order."""
    left, found = list(new), []
    for i in old:
        for k in left:
            if same(before[i], after[k]):
                found.append((i, k))
                left.remove(k)
                break
    return found


def _same_operation(a: Op, b: Op) -> bool:
    return (a.sort, a.text) == (b.sort, b.text)


def _same_place(a: Op, b: Op) -> bool:
    return a.verb == b.verb and a.verb in ACCESSES and a.place == b.place


def _same_order(a: Op, b: Op) -> bool:
    return a.verb == b.verb and a.verb in (FENCE, GRACE)


def _same_freed(a: Op, b: Op) -> bool:
    """What is freed now is freed by a callback then, or queued in another way."""
    return a.verb in (FREE, DEFER) and b.verb == DEFER


def _moved(a: Op, b: Op) -> bool:
    if a.verb in ORDERING:
        return a.sort == b.sort
    return (*a.sort, a.name) == (*b.sort, b.name)


Key: TypeAlias = tuple[object, ...]


def _common(
    a: Sequence[Key], b: Sequence[Key], light: Callable[[Key], bool], known: Callable[[int, int], bool]
) -> list[tuple[int, int]]:
    """A longest common subsequence, as pairs of indices; only an exact beginning and end where the middle is too large.

    Where either of two could be said to have moved, it is the `light` one.
    """
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and a[-1 - end] == b[-1 - end]:
        end += 1
    x, y = a[start : len(a) - end], b[start : len(b) - end]
    pairs = [(i, i) for i in range(start)]
    if len(x) * len(y) <= MAX_CELLS:
        pairs += [(i + start, k + start) for i, k in _longest(x, y, light, lambda i, k: known(i + start, k + start))]
    return pairs + [(len(a) - end + i, len(b) - end + i) for i in range(end)]


def _longest(
    x: Sequence[Key], y: Sequence[Key], light: Callable[[Key], bool], known: Callable[[int, int], bool]
) -> list[tuple[int, int]]:
    table = [[0] * (len(y) + 1)]
    weights = [2 * MOST_OPS * (MOST_OPS if light(p) else MOST_OPS + 1) for p in x]
    for i, (p, weight) in enumerate(zip(x, weights, strict=True)):
        row = [0]
        for k, q in enumerate(y):
            row.append(max(table[-1][k + 1], row[k], table[-1][k] + weight + known(i, k) if p == q else 0))
        table.append(row)
    pairs = []
    i, k = len(x), len(y)
    while i and k:
        if x[i - 1] == y[k - 1] and table[i][k] == table[i - 1][k - 1] + weights[i - 1] + known(i - 1, k - 1):
            i, k = i - 1, k - 1
            pairs.append((i, k))
        elif table[i - 1][k] >= table[i][k - 1]:
            i -= 1
        else:
            k -= 1
    return pairs[::-1]
