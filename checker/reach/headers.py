"""Which headers declare a name: an index of the folders that any file may include from, by one pass over their text.

It says where to look, not what is there: what is declared is read (declared.py) when somebody asks for it.

    headers(tree, ("include", "arch/x86/include")).structs["kvm_vcpu"]    ("include/linux/kvm_host.h",)
"""

from __future__ import annotations

import hashlib
import os
import re

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
    """An index, and what the files were like that it is of."""

    stamps: dict[str, str]
    made: Headers


def headers(tree: Tree, folders: tuple[str, ...], kept: Kept | None = None) -> Headers:
    """The index of the headers below `folders`; where one was kept, only what changed since is read."""
    stamps = _stamped(tree, folders)
    if kept is None or stamps is None:
        return _scanned(tree, list(stamps if stamps is not None else [p for f in folders for p in _below(tree, f)]))
    key = _key(folders, stamps)
    if (found := kept.get(key, Headers)) is not None:
        return found
    latest = kept.get(f"headers latest {' '.join(folders)}", _Latest)
    made = _scanned(tree, list(stamps)) if latest is None else _brought_up(tree, latest, stamps)
    kept.put(key, made)
    kept.put(f"headers latest {' '.join(folders)}", _Latest(stamps, made))
    kept.put(f"{key} digest", _content(made))
    return made


def stamp(tree: Tree, folders: tuple[str, ...], kept: Kept | None = None) -> str:
    """A digest of the index of the headers below `folders`, without reading it where it is kept."""
    stamps = _stamped(tree, folders) if kept is not None else None
    found = kept.get(f"{_key(folders, stamps)} digest", str) if kept is not None and stamps is not None else None
    return found if found is not None else _content(headers(tree, folders, kept))


def _content(made: Headers) -> str:
    return hashlib.blake2b(msgspec.msgpack.encode(made), digest_size=20).hexdigest()


def _key(folders: tuple[str, ...], stamps: dict[str, str]) -> str:
    return f"headers {' '.join(folders)} {_digest(stamps)}"


def _brought_up(tree: Tree, latest: _Latest, stamps: dict[str, str]) -> Headers:
    """An index in which the files that changed since are read again."""
    was = latest.made
    changed = [path for path, now in stamps.items() if latest.stamps.get(path) != now]
    if len(changed) > len(stamps) // 4:
        return _scanned(tree, list(stamps))
    new = _scanned(tree, changed)
    files = tuple([path for path in stamps if not path.startswith(_SKIPPED)])
    number = {path: n for n, path in enumerate(files)}
    gone = {path for path in was.files if latest.stamps.get(path) != stamps.get(path)}
    old, fresh = ([number.get(p, -1) if p not in less else -1 for p in one.files] for one, less in ((was, gone), (new, set[str]())))

    def joined(one: Where, other: Where) -> Where:
        made = {name: [old[n] for n in where if old[n] >= 0] for name, where in one.items()}
        for name, where in other.items():
            made[name] = sorted([*made.get(name, ()), *[fresh[n] for n in where]])
        return {name: tuple(where) for name, where in made.items() if where}

    kinds = ("structs", "typedefs", "functions", "variables", "macros")
    return Headers(files, *[joined(getattr(was, kind), getattr(new, kind)) for kind in kinds])


def _stamped(tree: Tree, folders: tuple[str, ...]) -> dict[str, str] | None:
    """Every header below the folders, with what changes when it does; None for a tree of which that cannot be told."""
    if isinstance(tree, Overlay):
        below = _stamped(tree.below, folders)
        if below is None:
            return None
        under = tuple(f"{folder}/" for folder in folders)
        own = {at: data for at, data in tree.files.items() if at.endswith(".h") and at.startswith(under)}
        new = {at: hashlib.blake2b(data, digest_size=20).hexdigest() for at, data in own.items() if data is not None}
        return {at: was for at, was in below.items() if at not in own} | new
    if not isinstance(tree, FolderTree):
        return None
    found = {}
    for folder in folders:
        for at, inside, names in os.walk(tree.root / folder):
            inside.sort()
            for name in sorted(names):
                if name.endswith(".h"):
                    stat = os.lstat(os.path.join(at, name))
                    found[os.path.relpath(os.path.join(at, name), tree.root)] = f"{stat.st_size} {stat.st_mtime_ns}"
    return found


def _digest(stamped: dict[str, str]) -> str:
    return hashlib.blake2b(repr(sorted(stamped.items())).encode("utf-8", "surrogateescape"), digest_size=20).hexdigest()


def _below(tree: Tree, folder: str) -> list[str]:
    found = [f"{folder}/{name}" for name in tree.names(folder) if name.endswith(".h")]
    return found + [path for inner in tree.folders(folder) for path in _below(tree, f"{folder}/{inner}")]


def _scanned(tree: Tree, files: list[str]) -> Headers:
    kinds: tuple[dict[str, dict[int, None]], ...] = ({}, {}, {}, {}, {})
    patterns = ((_STRUCT,), (_TYPEDEF, _ENDS), (_FUNCTION, _ALONE), (_VARIABLE, _PER_CPU), (_MACRO,))
    files = [path for path in files if not path.startswith(_SKIPPED)]
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
