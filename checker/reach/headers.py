"""Which headers declare a name: an index of the folders that any file may include from, by one pass over their text.

It says where to look, not what is there: what is declared is read (declared.py) when somebody asks for it.

    headers(tree, ("include", "arch/x86/include")).structs["kvm_vcpu"]    ("include/linux/kvm_host.h",)
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from checker.kernel.kept import Kept
from checker.kernel.trees import FolderTree, Overlay, Tree

_STRUCT = re.compile(rb"\n(?:typedef[ \t]+)?(?:struct|union)[ \t]+(\w+)[^;(){}=]*\{")
_ENDS = re.compile(rb"\n\}[^;(){}\n]*?(\w+)(?:[ \t]+__\w+(?:\([^\n]*\))?)*[ \t]*;")
_TYPEDEF = re.compile(rb"\ntypedef\b[^;{}]*?(\w+)(?:\[[^\]]*\]|[ \t]+__\w+)*[ \t]*;")
_FUNCTION = re.compile(rb"\n(?!typedef\b|return\b|else\b)[A-Za-z_][\w \t*]*?[\s*](\w+)\(")
_ALONE = re.compile(rb"\n(\w+)\([\w \t]+[\w*]")  # its type on the line before
_VARIABLE = re.compile(rb"\nextern\b[^;(){}]*?(\w+)(?:\[[^\]]*\])*(?:[ \t]+__\w+)*[ \t]*;")
_PER_CPU = re.compile(rb"\n(?:extern[ \t]+)?DECLARE_(?:EARLY_)?PER_CPU\w*\([^;]*,[ \t]*(\w+)\)")
_MACRO = re.compile(rb"\n[ \t]*#[ \t]*define[ \t]+(\w+)")
_ENUM = re.compile(rb"\n(?:typedef[ \t]+)?enum\b[^;{()]*(\{[^}]*\})")
_ENUMERATOR = re.compile(rb"(?:[{,]|\*/|\n)\s*([A-Za-z_]\w*)\s*(?=[=,}/])")
_SKIPPED = ("include/dt-bindings",)
_KINDS = ("structs", "typedefs", "functions", "variables", "macros")

Where = dict[str, tuple[int, ...]]


class Headers(Struct, frozen=True):
    """The headers, and for each kind of name which of them declare it, by number."""

    files: tuple[str, ...]
    structs: Where
    typedefs: Where
    functions: Where
    variables: Where
    macros: Where

    def of(self, where: Where, name: str) -> tuple[str, ...]:
        return tuple([self.files[n] for n in where.get(name, ())])


class _Latest(Struct, frozen=True):
    """The index of a folder, what its files were like, and a digest of it."""

    stamps: dict[str, str]
    digest: str
    made: Headers


def headers(tree: Tree, folders: tuple[str, ...], kept: Kept | None = None) -> Headers:
    """The index of the headers below `folders`; where one was kept, only what changed since is read."""
    several = [_of(tree, folder, kept) for folder in folders]
    files = tuple([path for one in several for path in one.files])
    starts = [sum(len(one.files) for one in several[:n]) for n in range(len(several))]
    return Headers(
        files, *[_joined([(getattr(one, kind), start) for one, start in zip(several, starts, strict=True)]) for kind in _KINDS]
    )


def stamp(tree: Tree, folders: tuple[str, ...], kept: Kept | None = None) -> str:
    """A digest of the index of the headers below `folders`, without reading it where it is kept."""
    return " ".join([_stamp(tree, folder, kept) for folder in folders])


def _stamp(tree: Tree, folder: str, kept: Kept | None) -> str:
    stamps = _stamped(tree, folder) if kept is not None else None
    found = kept.get(_short(folder, stamps), str) if kept is not None and stamps is not None else None
    return found if found is not None else _content(_of(tree, folder, kept))


def _of(tree: Tree, folder: str, kept: Kept | None) -> Headers:
    """The index of one folder."""
    stamps = _stamped(tree, folder)
    if kept is None or stamps is None:
        return _scanned(tree, list(stamps) if stamps is not None else _below(tree, folder))
    latest = kept.get(f"headers {folder}", _Latest)
    if latest is not None and latest.stamps == stamps:
        return latest.made
    made = _scanned(tree, list(stamps)) if latest is None else _brought_up(tree, latest, stamps)
    if not isinstance(tree, Overlay):
        kept.put(f"headers {folder}", _Latest(stamps, _content(made), made))
    kept.put(_short(folder, stamps), _content(made))
    return made


def _content(made: Headers) -> str:
    return hashlib.blake2b(msgspec.msgpack.encode(made, order="deterministic"), digest_size=20).hexdigest()


def _short(folder: str, stamps: dict[str, str]) -> str:
    text = repr(sorted(stamps.items())).encode("utf-8", "surrogateescape")
    return f"headers digest {folder} {hashlib.blake2b(text, digest_size=20).hexdigest()}"


def _brought_up(tree: Tree, latest: _Latest, stamps: dict[str, str]) -> Headers:
    """An index in which the files that changed since are read again."""
    was = latest.made
    changed = [path for path, now in stamps.items() if latest.stamps.get(path) != now]
    if len(changed) > len(stamps) // 4:
        return _scanned(tree, list(stamps))
    new = _scanned(tree, changed)
    files = _read(stamps)
    number = {path: n for n, path in enumerate(files)}
    old = [number.get(path, -1) if latest.stamps.get(path) == stamps.get(path) else -1 for path in was.files]
    fresh = [number[path] for path in new.files]
    moved = {n for n, now in enumerate(old) if n != now}

    def joined(one: Where, other: Where) -> Where:
        made = dict(one)
        for name, where in one.items():
            if not moved.isdisjoint(where):
                made[name] = tuple([old[n] for n in where if old[n] >= 0])
                if not made[name]:
                    del made[name]
        for name, where in other.items():
            made[name] = tuple(sorted([*made.get(name, ()), *[fresh[n] for n in where]]))
        return made

    return Headers(files, *[joined(getattr(was, kind), getattr(new, kind)) for kind in _KINDS])


def _joined(several: list[tuple[Where, int]]) -> Where:
    """Parts of an index as one; the numbers of each begin at another."""
    made = dict(several[0][0])
    for where, start in several[1:]:
        for name, numbers in where.items():
            made[name] = (*made.get(name, ()), *[n + start for n in numbers])
    return made


def _stamped(tree: Tree, folder: str) -> dict[str, str] | None:
    """Every header below a folder, with what changes when it does; None for a tree of which that cannot be told."""
    if isinstance(tree, Overlay):
        below = _stamped(tree.below, folder)
        if below is None:
            return None
        own = {at: data for at, data in tree.files.items() if at.endswith(".h") and at.startswith(f"{folder}/")}
        new = {at: hashlib.blake2b(data, digest_size=20).hexdigest() for at, data in own.items() if data is not None}
        return {at: was for at, was in below.items() if at not in own} | new
    if not isinstance(tree, FolderTree):
        return None
    found, start = {}, len(f"{tree.root}/")
    for at, inside, names in os.walk(f"{tree.root}/{folder}"):
        inside.sort()
        for name in sorted(names):
            if name.endswith(".h"):
                file = f"{at}/{name}"
                stat = os.lstat(file)
                found[file[start:]] = f"{stat.st_size} {stat.st_mtime_ns}"
    return found


def _read(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple([path for path in paths if not path.startswith(_SKIPPED)])


def _below(tree: Tree, folder: str) -> list[str]:
    found = [f"{folder}/{name}" for name in tree.names(folder) if name.endswith(".h")]
    return found + [path for inner in tree.folders(folder) for path in _below(tree, f"{folder}/{inner}")]


def _scanned(tree: Tree, files: list[str]) -> Headers:
    kinds: tuple[dict[str, dict[int, None]], ...] = ({}, {}, {}, {}, {})
    patterns = ((_STRUCT,), (_TYPEDEF, _ENDS), (_FUNCTION, _ALONE), (_VARIABLE, _PER_CPU), (_MACRO,))
    files = list(_read(files))
    for n, path in enumerate(files):
        data = b"\n" + (
            tree.read(path) or b""
        )  # a pattern that begins with a character is found sooner than one that begins with ^
        for found, some in zip(kinds, patterns, strict=True):
            for pattern in some:
                for name in pattern.findall(data):
                    found.setdefault(name.decode("utf-8", "replace"), {})[n] = None
        for body in _ENUM.findall(data):
            for name in _ENUMERATOR.findall(body):
                kinds[4].setdefault(name.decode("utf-8", "replace"), {})[n] = None
    return Headers(tuple(files), *[{name: tuple(where) for name, where in found.items()} for found in kinds])
