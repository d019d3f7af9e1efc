"""A kernel before and after a patch: the partners of what changes in it, and the same pair of functions extracted from both.

sides(patch.before, patch.after, touched, kept)    (Side(…), Side(…))
twice(before, after, partner)                      (Extract(…), Extract(…))
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from msgspec import Struct, field

from checker.kernel.code import Code
from checker.kernel.kept import Kept
from checker.kernel.primitives import ACCESSES
from checker.kernel.trees import Tree
from checker.reach.accesses import Access
from checker.reach.extract import At, Extract, Wanted, extracted
from checker.reach.gather import files, gathered
from checker.reach.index import DEPTH, Barrier, Index
from checker.reach.pairs import NAMED_DEPTH, Partner, partners
from checker.reach.types import Types

MOST_FILES = 600
"""How many files are looked at for partners: those around the files that a patch touches."""
SLACK = 3
"""How many lines an operation and the statement it is in are apart at the most."""


class Side(Struct):
    """A tree: what names mean in it, by architecture, and what its functions do."""

    tree: Tree
    index: Index
    paths: tuple[str, ...]
    kept: Kept | None
    base: Side | None = None
    touched: frozenset[str] = frozenset()
    _types: dict[str, Types] = field(default_factory=dict)

    def types(self, arch: str) -> Types:
        """What names mean for an architecture."""
        if arch not in self._types:
            others = [path for path in self.paths if not path.startswith("arch/") or path.startswith(f"arch/{arch}/")]
            base = self.base.types(arch) if self.base is not None else None
            code = Code(self.tree, tuple(others), (arch,), self.kept, base.code if base is not None else None, self.touched)
            headers = any(re.match(r"(?:arch/\w+/)?include/", path) for path in self.touched)
            self._types[arch] = Types(code, _headers=base.headers if base is not None and not headers else None)
        return self._types[arch]

    def barrier(self, path: str, function: str, name: str, line: int) -> Barrier | None:
        """What orders in a function, by its name and about where it stands."""
        near = [a for a in self.index.does((path, function), 0).steps if a.name == name] if self._known(path) else []
        best = min(near, key=lambda a: abs(a.line - line), default=None)
        if best is None or abs(best.line - line) > SLACK:
            return None
        return Barrier(path, best.line, name, function)

    def beside(self, access: Barrier) -> list[Barrier]:
        """What orders in the same function, the nearest to an access first."""
        some = [one for one in self.index.barriers if (one.path, one.inside) == (access.path, access.inside)]
        return sorted(some, key=lambda one: abs(one.line - access.line))

    def _known(self, path: str) -> bool:
        return path in self.index.records

    def partners(self, barrier: Barrier, most: int) -> tuple[Partner, ...]:
        """The functions that it may pair with, of one architecture, and by what they do."""
        found = partners(self.index, barrier, 3 * most)
        return tuple([one for one in found if one.here and len(_architectures(one.root, one.of)) < 2][:most])

    def arch(self, *functions: At) -> str:
        return next(iter(_architectures(*functions)), "x86")


def _architectures(*functions: At) -> set[str]:
    return {found[1] for path, _ in functions if (found := re.match(r"arch/(\w+)/", path))}


def sides(
    before: Tree, after: Tree, touched: Sequence[tuple[str, str]], kept: Kept | None, arches: Sequence[str]
) -> tuple[Side, Side]:
    """Both trees, as far as it takes to pair what changes in the files `touched` (old and new name), for some architectures."""
    named = [found[1] for pair in touched for path in pair if (found := re.match(r"arch/(\w+)/", path))]
    own = all(path.startswith("arch/") for pair in touched for path in pair if path)
    arches = tuple(dict.fromkeys(named if own else (*named, *arches)))
    arch = named[0] if named else "x86" if "x86" in arches else arches[0]
    old, new = (list(dict.fromkeys(pair[n] for pair in touched if pair[n].endswith((".c", ".h")))) for n in (0, 1))
    scope = around(before, old or new, arches)
    records = gathered(before, tuple(dict.fromkeys((*scope, *old))), kept, arch)
    first = Side(before, Index(records, frozenset(scope)), scope, kept)
    changed = frozenset(path for pair in touched for path in pair if path)
    left = [path for path in scope if path not in changed]
    if any(path.endswith(".h") for path in changed):
        again = gathered(after, (*new, *left), kept, arch)
    else:
        again = {path: one for path, one in records.items() if path not in changed} | gathered(after, tuple(new), kept, arch)
    second = Side(after, Index(again, frozenset((*new, *left))), (*new, *left), kept, first, changed)
    return first, second


def around(tree: Tree, paths: Iterable[str], arches: Sequence[str]) -> tuple[str, ...]:
    """The files around some: in their part of the kernel, that of the architectures which is called the same, and, of a header that
    others include, in the folders that have its name."""
    folders: dict[str, None] = {}
    for path in paths:
        parts = PurePosixPath(path).parts[:-1]
        if "include" in parts[:3]:
            stem = PurePosixPath(path).stem.split("_")
            folders.update(dict.fromkeys(at for n in range(len(stem), 0, -1) for at in _called(tree, "_".join(stem[:n]), arches)))
        elif parts:
            top = _part(tree, parts)
            folders.update(dict.fromkeys((top, *_called(tree, PurePosixPath(top).name, arches))))
    found = dict.fromkeys(paths)
    for folder in folders:
        below = files(tree, (folder,))
        if len(found) + len(below) <= MOST_FILES:
            found.update(dict.fromkeys(below))
    return tuple(found)


def _part(tree: Tree, parts: tuple[str, ...]) -> str:
    """The part of the kernel that a folder is in: the largest folder around it, or itself, that is not too large."""
    for n in range(3 if parts[0] == "arch" else 2 if len(parts) > 1 else 1, len(parts)):
        folder = "/".join(parts[:n])
        if len(files(tree, (folder,))) <= MOST_FILES // 2:
            return folder
    return "/".join(parts)


def _called(tree: Tree, name: str, arches: Sequence[str]) -> list[str]:
    """The folders of the kernel of a name: below the top, and below those of the architectures."""
    tops = [top for top in tree.folders("") if top not in ("Documentation", "tools", "include", "samples")]
    within = [*tops, *[f"arch/{arch}" for arch in arches]]
    return [f"{top}/{name}" for top in within if top != "arch" and name in tree.folders(top)] + ([name] if name in tops else [])


# ---------------------------------------------------------------- extracts


def twice(before: Side, after: Side, partner: Partner, *, old: bool) -> tuple[Extract, Extract]:
    """The extract of a pair from both trees; the partner was found in the first (`old`), or in the second. Raises NotThere where
    one of the functions is in one tree only, LimitExceeded where one is too long."""
    mine, yours = (before, after) if old else (after, before)
    ours = (partner.here, partner.there)
    theirs = tuple([_same(mine, yours, at, w) for at, w in zip((partner.root, partner.of), ours, strict=True)])
    whole = any(one is None for window in theirs for one in window)
    made = []
    for side, windows in ((before, ours if old else theirs), (after, theirs if old else ours)):
        made.append(_extract(side, partner, () if whole else windows))  # type: ignore[arg-type]
    return made[0], made[1]


def _extract(side: Side, partner: Partner, windows: tuple[tuple[Access, Access], ...]) -> Extract:
    depth = max([1, *[len(a.via) for window in windows for a in window]])
    wanted = Wanted(partner.places, depth=depth, windows=windows)
    return extracted(side.types(side.arch(partner.root, partner.of)), (partner.root, partner.of), wanted)


def _same(mine: Side, yours: Side, at: At, window: tuple[Access, ...]) -> tuple[Access | None, ...]:
    """The accesses of a function that are the same in the other tree: as many of the place stand before each."""
    return tuple([_other(mine.index, yours.index, at, one) for one in window])


def _other(mine: Index, yours: Index, at: At, one: Access) -> Access | None:
    if at[0] not in yours.records:
        return None
    depth = DEPTH if len(one.via) <= DEPTH else NAMED_DEPTH
    for alike in ((lambda a: (a.verb, a.place)), (lambda a: a.place)):
        here = [a for a in mine.does(at, depth).steps if a.verb in ACCESSES and alike(a) == alike(one)]
        there = [a for a in yours.does(at, depth).steps if a.verb in ACCESSES and alike(a) == alike(one)]
        if len(here) == len(there) and one in here:
            return there[here.index(one)]
    return None
