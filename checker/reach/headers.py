"""Which headers declare a name: an index of the folders that any file may include from, by one pass over their text.

It says where to look, not what is there: what is declared is read (declared.py) when somebody asks for it.

    headers(tree, ("include", "arch/x86/include")).structs["kvm_vcpu"]    ("include/linux/kvm_host.h",)
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from msgspec import Struct

from checker.kernel.kept import Kept
from checker.kernel.trees import FolderTree, Tree

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


def headers(tree: Tree, folders: tuple[str, ...], kept: Kept | None = None) -> Headers:
    """The index of the headers below `folders`."""
    stamped = _stamped(tree, folders) if isinstance(tree, FolderTree) else None
    key = f"headers {' '.join(folders)} {_digest(stamped)}" if stamped is not None else ""
    if key and kept is not None and (found := kept.get(key, Headers)) is not None:
        return found
    files = [path for path, _ in stamped] if stamped is not None else [p for f in folders for p in _below(tree, f)]
    made = _scanned(tree, [f for f in files if not f.startswith(_SKIPPED)])
    if key and kept is not None:
        kept.put(key, made)
    return made


def _stamped(tree: FolderTree, folders: tuple[str, ...]) -> list[tuple[str, str]]:
    """Every header below the folders, with what changes when it does."""
    found = []
    for folder in folders:
        for at, inside, names in os.walk(tree.root / folder):
            inside.sort()
            for name in sorted(names):
                if name.endswith(".h"):
                    stat = os.lstat(os.path.join(at, name))
                    found.append((str(Path(at, name).relative_to(tree.root)), f"{stat.st_size} {stat.st_mtime_ns}"))
    return found


def _digest(stamped: list[tuple[str, str]]) -> str:
    return hashlib.blake2b(repr(stamped).encode("utf-8", "surrogateescape"), digest_size=20).hexdigest()


def _below(tree: Tree, folder: str) -> list[str]:
    found = [f"{folder}/{name}" for name in tree.names(folder) if name.endswith(".h")]
    return found + [path for inner in tree.folders(folder) for path in _below(tree, f"{folder}/{inner}")]


def _scanned(tree: Tree, files: list[str]) -> Headers:
    kinds: tuple[dict[str, dict[int, None]], ...] = ({}, {}, {}, {}, {})
    patterns = ((_STRUCT,), (_TYPEDEF, _ENDS), (_FUNCTION, _ALONE), (_VARIABLE, _PER_CPU), (_MACRO,))
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
