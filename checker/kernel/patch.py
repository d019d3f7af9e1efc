"""Patches on a tree: read from a file, a folder or a mailbox, applied by git, or backwards where the tree has them already.

git applies the patches of a series one after the other, in an empty folder that holds the touched files and nothing else.
What git refuses is tried with less context, and then with the lines of the tree for those that lost blanks in the mail;
either is said. A patch that fits both ways is taken the way that its digests and its line numbers speak for.

    applied(tree, read_patch("x.patch", data))    Applied(before=tree, after=Overlay(…), reversed=False, …)
"""

from __future__ import annotations

import os
import re

from msgspec import Struct
from msgspec.structs import replace

from checker.core.source import LimitExceeded, Source, Span, Unreadable
from checker.kernel.diff import Diff, FileDiff, backwards, read_diff
from checker.kernel.gitapply import Fit, Unfit, apply_diff, blob
from checker.kernel.mail import BadPatch, Letter, letters
from checker.kernel.mending import mended
from checker.kernel.trees import GitTree, Overlay, Tree, commit, folder_tree, renames, revisions, tame

MAX_PATCH = 8_000_000
_NUMBER = re.compile(r"\[[^\]]*?(?:\bv(\d{1,3})\b[^\]]*?)?\b(\d{1,3})/(\d{1,3})\]", re.I)
_MAKE = "git diff or git format-patch makes one"
EXACT, REDUCED, MENDED = range(3)


class Patches(Struct, frozen=True):
    """The diffs of a patch or a series in the order in which they apply, and remarks on what was not read."""

    name: str
    diffs: tuple[Diff, ...]
    remarks: tuple[str, ...] = ()


class Applied(Struct, frozen=True):
    """The tree without and with the patch, the files it touches, and remarks on how it was made to fit."""

    before: Tree
    after: Tree
    paths: tuple[tuple[str, str], ...]
    reversed: bool
    remarks: tuple[str, ...]


def opened(kernel: str, *diffs: str) -> Applied:
    """What `diffs` do to the tree in the folder `kernel`: two revisions of it, or patches, and folders of them, in their order."""
    revised = [ends for diff in diffs if not os.path.exists(diff) and (ends := revisions(diff)) is not None]
    if revised and len(diffs) > 1:
        raise BadPatch("commits are compared by themselves, not with patches", hint="give the patches, or REV..REV alone")
    for ends in revised:
        before, after = (commit(kernel, end) for end in ends)
        folder = folder_tree(kernel).folder
        paths = renames(kernel, before, after) if before != after else ()
        return Applied(GitTree(folder, before), GitTree(folder, after), paths, False, ())
    return applied(folder_tree(kernel), _series(", ".join(diffs), [letter for diff in diffs for letter in _from_disk(diff)]))


def _from_disk(diff: str) -> list[Letter]:
    """The patch in a file, or the series in a folder: what ends in .patch, .diff, .eml or .mbox, by name."""
    files = [diff]
    if os.path.isdir(diff):
        files = [os.path.join(diff, n) for n in sorted(os.listdir(diff)) if n.endswith((".patch", ".diff", ".eml", ".mbox"))]
        if not files:
            raise BadPatch(f"there is no patch in the folder {diff!r}", hint="their names end in .patch, .diff, .eml or .mbox")
    read: list[Letter] = []
    for file in files:
        try:
            with open(file, "rb") as stream:
                read += _letters(file, stream.read(MAX_PATCH + 1))
        except OSError as error:
            raise Unreadable(f"the patch {file!r} cannot be read: {error.strerror}") from None
    return read


def read_patch(name: str, data: bytes) -> Patches:
    """The changes in a file: a diff, a mail, a mailbox. Raises BadPatch."""
    return _series(name, _letters(name, data))


def _letters(name: str, data: bytes) -> tuple[Letter, ...]:
    if len(data) > MAX_PATCH:
        raise LimitExceeded(f"the patch is larger than {MAX_PATCH:,} bytes", Span(Source(name, ""), 0, 0))
    return letters(name, data)


def _series(name: str, found: list[Letter] | tuple[Letter, ...]) -> Patches:
    """The letters that change something, in the order that their subjects say. Raises BadPatch where that is not certain."""
    remarks = [remark for letter in found for remark in letter.remarks]
    holding = [letter for letter in found if letter.diff]
    if not holding:
        like = next((letter for letter in found if letter.like), None)
        if like is not None:
            raise BadPatch("this looks like a diff, but not at the beginning of its line", like.span(like.like), hint=_MAKE)
        raise BadPatch("there is no change in this patch", Span(Source(name, ""), 0, 0), hint=_MAKE)
    patches = [letter for letter in holding if not letter.subject.lower().startswith("re:")] or holding
    for letter in holding:
        if letter not in patches:
            remarks.append(f"{letter.source.name}:{letter.lines[0][0]}: the diff in the reply {letter.subject!r} is not read")
    for letter in found:
        if letter not in holding and letter.like and not letter.subject.lower().startswith("re:"):
            where = f"{letter.source.name}:{letter.like}"
            remarks.append(f"{where}: this looks like a diff, and is not read: it does not begin its line")
    numbers = [_NUMBER.search(letter.subject) for letter in patches]
    if len(patches) > 1 and all(numbers):
        patches = _ordered(patches, [(int(n[1] or 1), int(n[3]), int(n[2])) for n in numbers if n], remarks)
    diffs = tuple(diff for diff in map(read_diff, patches) if diff.files)
    if not diffs:
        raise BadPatch("there is no change in this patch", Span(Source(name, ""), 0, 0), hint=_MAKE)
    return Patches(name, diffs, tuple(remarks))


def _ordered(patches: list[Letter], numbers: list[tuple[int, int, int]], remarks: list[str]) -> list[Letter]:
    """Patches by their numbers: (version, how many, which)."""
    version, many, _ = numbers[0]
    for letter, number in zip(patches, numbers, strict=True):
        if number[:2] != (version, many):
            message = f"{letter.subject!r} is of another series than {patches[0].subject!r}"
            raise BadPatch(message, letter.span(letter.lines[0][0]), hint="give the patches of one version")
    which = [number for _, _, number in numbers]
    if len(set(which)) < len(which):
        twice = next(letter for n, letter in enumerate(patches) if which[n] in which[:n])
        raise BadPatch(f"{twice.subject!r} is there twice", twice.span(twice.lines[0][0]), hint="give each patch once")
    missing = sorted(set(range(1, many + 1)) - set(which))
    if missing:
        remarks.append(f"of the series {patches[0].subject!r}, {', '.join(f'{n}/{many}' for n in missing)} is not there")
    return [patches[n] for n in sorted(range(len(patches)), key=which.__getitem__)]


# ---------------------------------------------------------------- applying


class _Attempt(Struct, frozen=True):
    """A series made to fit in one direction. `sure`: each hunk stands where it says, and there is something that shows it."""

    made: dict[str, bytes | None]
    remarks: tuple[str, ...]
    sure: bool
    bare: bool
    known: bool | None
    """What the digests say: True, all files are those that the patches were made from."""


def applied(tree: Tree, patches: Patches) -> Applied:
    """The tree before and after the patches. A tree that has them already is taken for the one after them."""
    patches = replace(patches, diffs=_rooted(tree, patches.diffs))
    paths = _paths(patches.diffs)
    failure: BadPatch | None = None
    for level in (EXACT, REDUCED, MENDED):
        forward = _attempt(tree, patches, level, back=False)
        back = _attempt(tree, patches, level, back=True)
        failure = failure or (forward if isinstance(forward, BadPatch) else None)
        if isinstance(forward, _Attempt) and (isinstance(back, BadPatch) or not _has(forward, back, level)):
            if forward.bare and isinstance(back, _Attempt) and back.sure and forward.sure and forward.known is None:
                message = "this patch has no context, and fits the tree both as it is and backwards"
                raise BadPatch(message, Span(Source(patches.name, ""), 0, 0), hint="git diff makes one with context")
            return Applied(tree, Overlay(tree, forward.made), paths, False, (*patches.remarks, *forward.remarks))
        if isinstance(back, _Attempt):
            remarks = ("the tree has this patch already: it is compared with the tree without it", *patches.remarks, *back.remarks)
            return Applied(Overlay(tree, back.made), tree, paths, True, remarks)
    assert failure is not None
    raise failure


def _has(forward: _Attempt, back: _Attempt, level: int) -> bool:
    """Whether a tree that a patch fits both ways has it already."""
    if forward.known or back.known:
        return bool(back.known) and not forward.known
    return level == EXACT and back.sure and not forward.sure


def _attempt(tree: Tree, patches: Patches, level: int, *, back: bool) -> _Attempt | BadPatch:
    """The patches one after the other, backwards the last one first; what does not fit is returned."""
    made: dict[str, bytes | None] = {}
    remarks: list[str] = []
    sure, known, bare = True, True, False
    doubt = False
    for diff in reversed(patches.diffs) if back else patches.diffs:
        now = Overlay(tree, made)
        told, some = _digests(now, diff, back=back)
        known, doubt = known and told, doubt or not some
        try:
            fit = _fitted(now, diff, level, back=back, known=told if some else None)
        except Unfit as error:
            return _misfit(error, diff)
        made.update(fit.files)
        remarks += fit.remarks
        sure, bare = sure and fit.sure, bare or fit.bare
    return _Attempt(made, tuple(dict.fromkeys(remarks)), sure, bare, None if doubt else known)


def _fitted(tree: Tree, diff: Diff, level: int, *, back: bool, known: bool | None) -> Fit:
    """One patch, as strictly as it goes."""
    try:
        return apply_diff(tree, diff.files, diff.strip, back=back, known=known)
    except Unfit as error:
        if level == EXACT:
            raise
        first = error
    try:
        fit = apply_diff(tree, diff.files, diff.strip, back=back, known=known, reduced=True)
        said = any("less of its context" in remark for remark in fit.remarks)
        more = () if said else (f"{diff.files[0].new or diff.files[0].old}: a hunk for the beginning or the end stands elsewhere",)
        return replace(fit, remarks=(*fit.remarks, *more), sure=False)
    except Unfit:
        if level == REDUCED:
            raise first from None
    files = tuple(backwards(file) for file in reversed(diff.files)) if back else diff.files
    fresh, remarks = mended(tree, files)
    fit = apply_diff(tree, fresh, 1, back=False, known=known)
    return replace(fit, remarks=(*remarks, *fit.remarks), sure=False)


def _misfit(error: Unfit, diff: Diff) -> BadPatch:
    """Where in the patch the hunk stands that does not fit."""
    where, message = diff.files[0].number, error.message
    hint = "is this the tree that the patch is for?"
    for file in diff.files:
        if error.path and error.path in (file.old, file.new):
            hunk = next((h for h in file.hunks if error.line in (h.start, h.into)), None)
            where = hunk.number if hunk is not None and error.line else file.number
            if hunk is not None and hunk.unmarked:
                hint = f"line {hunk.unmarked} has no mark: has a mail program wrapped the one before it?"
    return BadPatch(message, diff.letter.span(where), hint=error.hint or hint)


def _digests(tree: Tree, diff: Diff, *, back: bool) -> tuple[bool, bool]:
    """Whether the files are those that the patch was made from, by the digests of its `index` lines; whether there are any."""
    told = []
    for file in diff.files:
        path, digest = (file.new, file.blobs[1]) if back else (file.old, file.blobs[0])
        if not digest.strip("0"):
            continue
        data = tree.read(path)
        told.append(data is not None and blob(data, digest))
    return all(told), bool(told)


def _rooted(tree: Tree, diffs: tuple[Diff, ...]) -> tuple[Diff, ...]:
    """The diffs with the names that files have in the tree."""
    made = []
    known: set[str] = set()
    for diff in diffs:
        names = {name for file in diff.files for name in (file.old, file.new) if name}
        strip = 1 if all(re.match(r"[a-z0-9]/.", name) for name in names) or not _there(tree, known, diff.files) else 0
        files = tuple(
            replace(file, old=file.moved[0] or _stripped(file.old, strip), new=file.moved[1] or _stripped(file.new, strip))
            for file in diff.files
        )
        for file in files:
            for path in (file.old, file.new):
                if path and (not tame(path) or ".git" in path.split("/")):
                    message = f"the patch names {path!r}, outside of the tree"
                    raise BadPatch(message, diff.letter.span(file.number), hint="paths are relative to the top of the tree")
        known |= {name for file in files for name in (file.old, file.new)}
        made.append(replace(diff, files=files, strip=strip))
    return tuple(made)


def _there(tree: Tree, known: set[str], files: tuple[FileDiff, ...]) -> bool:
    """Whether the names of the files are names in the tree as they are."""
    return any(name in known or tree.read(name) is not None for file in files for name in (file.old, file.new) if name)


def _stripped(name: str, strip: int) -> str:
    return (name.partition("/")[2] or name) if strip else name


def _paths(diffs: tuple[Diff, ...]) -> tuple[tuple[str, str], ...]:
    """What the series as a whole does to the names of files: (before, after), empty for none."""
    origin: dict[str, str] = {}
    gone: dict[str, str] = {}
    for file in (file for diff in diffs for file in diff.files):
        if not file.old:
            origin[file.new] = gone.pop(file.new, "")
        elif not file.new:
            gone[file.old] = origin.pop(file.old, file.old)
        elif file.old == file.new or file.verb == "copy":
            origin.setdefault(file.new, origin.get(file.old, file.old))
        else:
            origin[file.new] = origin.pop(file.old, file.old)
    made = [(old, new) for new, old in origin.items() if old or new]
    return (*made, *[(old, "") for old in gone.values() if old])
