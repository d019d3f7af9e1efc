"""Source to read functions from: files by path, what each defines and includes, and which function a call means.

Everything is read once. What a file defines, and the skeletons made of functions, are kept from run to run under digests of all the
text they were made from: a file that changes is read again, and so is all that could have depended on it.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct, field

from checker.core.source import Unreadable
from checker.kernel.conditional import architectures
from checker.kernel.kept import Kept
from checker.kernel.outline import outline
from checker.kernel.syntax import Function, Unit, unit
from checker.kernel.trees import Tree


class Summary(msgspec.Struct, frozen=True):
    """What a file defines, and what it includes (name, whether in quotes)."""

    names: frozenset[str]
    includes: tuple[tuple[str, bool], ...]


class Code(Struct):
    """Source to read functions from. `also` are files in which functions are looked for besides the caller's own surroundings.

    `base` is the same source without a patch that changes the files `touched`; `kept` is what earlier runs made out.
    """

    tree: Tree
    also: tuple[str, ...] = ()
    arch: tuple[str, ...] = ("arm64", "x86")
    kept: Kept | None = None
    base: Code | None = None
    touched: frozenset[str] = frozenset()
    _units: dict[str, Unit | None] = field(default_factory=dict)
    _data: dict[str, bytes | None] = field(default_factory=dict)
    _names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)
    _summaries: dict[str, Summary | None] = field(default_factory=dict)
    _arounds: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _nears: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _folders: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    _surroundings: dict[str, str] = field(default_factory=dict)
    _callees: dict[tuple[str, str], Function | None] = field(default_factory=dict)
    _renamed: dict[str, dict[str, str]] = field(default_factory=dict)
    skeletons: dict[tuple[str, str, int], Any] = field(default_factory=dict)
    """What `skeleton` made of functions, by path, name and depth."""
    consulted: set[tuple[str, str]] = field(default_factory=set)
    """The functions that calls were found to mean, since this was last emptied."""
    unread: dict[str, str] = field(default_factory=dict)
    """Files that are there and cannot be read, and why: they are taken for missing."""

    def data(self, path: str) -> bytes | None:
        if path not in self._data:
            base = self.base if path not in self.touched else None
            try:
                self._data[path] = base.data(path) if base is not None else self.tree.read(path)
            except Unreadable as error:
                self._data[path], self.unread[path] = None, error.message
        return self._data[path]

    def unit(self, path: str) -> Unit | None:
        if path not in self._units:
            data = self.data(path)
            if self.base is not None and data is not None and data == self.base.data(path):
                self._units[path] = self.base.unit(path)
            else:
                self._units[path] = None if data is None else unit(path, data, architectures(path, self.arch))
        return self._units[path]

    def function(self, path: str, name: str) -> Function | None:
        """The function `name` of the file `path`."""
        found = self.unit(path)
        return found.functions.get(name) if found is not None else None

    def renamed(self, path: str) -> dict[str, str]:
        """The static functions of a file that have another name than before the patch, and nothing else in them changed.

        Everywhere in that file: else what was called by the name may be something else now.
        """
        if path not in self._renamed:
            was, now = (code.unit(path) if code is not None and path.endswith(".c") else None for code in (self.base, self))
            self._renamed[path] = dict(was.functions.renamed(now.functions)) if was is not None and now is not None else {}
        return self._renamed[path]

    def still(self, function: Function) -> bool:
        """Whether a function, no macro, is defined here as it was in the tree before the patch."""
        found = self.unit(function.path)
        pieces = found.functions.outline.pieces.get(function.name, ()) if found is not None else ()
        return any(not piece.macro for piece in pieces)

    def callee(self, caller: str, name: str) -> Function | None:
        """The function that a call in the file `caller` means, as far as that can be told without a compiler."""
        if (caller, name) not in self._callees:
            self._callees[caller, name] = next(self._callee(caller, name), None)
        found = self._callees[caller, name]
        if found is not None:
            self.consulted.add((found.path, found.name))
        return found

    def _callee(self, caller: str, name: str) -> Iterator[Function]:
        for path in self._near(caller):
            summary = self.summary(path)
            if summary is not None and name in summary.names and (found := self.function(path, name)) is not None:
                yield found
        for path in self._beside(str(PurePosixPath(caller).parent)).get(name, ()):
            if (found := self.function(path, name)) is not None:
                yield found

    # ------------------------------------------------------------ where a call is looked for

    def around(self, caller: str) -> tuple[str, ...]:
        """The files in which what `caller` calls is looked for, in their order."""
        if caller not in self._arounds:
            folder = str(PurePosixPath(caller).parent)
            self._arounds[caller] = tuple(dict.fromkeys((*self._near(caller), *self._files(folder))))
        return self._arounds[caller]

    def _near(self, caller: str) -> tuple[str, ...]:
        """The file itself, what it includes, and what is always looked at."""
        if caller not in self._nears:
            self._nears[caller] = tuple(dict.fromkeys(self._named(caller)))
        return self._nears[caller]

    def _named(self, caller: str) -> Iterator[str]:
        yield caller
        summary = self.summary(caller)
        folder = str(PurePosixPath(caller).parent)
        arch = re.match(r"arch/[^/]+", caller)
        tops = [f"{arch[0]}/include", "include"] if arch else ["include", *[f"arch/{name}/include" for name in self.arch]]
        for name, quoted in summary.includes if summary is not None else ():
            yield from (posixpath.normpath(f"{top}/{name}") for top in ([folder] if quoted else []) + tops)
        yield from self.also

    def _files(self, folder: str) -> list[str]:
        return [posixpath.normpath(f"{folder}/{name}") for name in self.names(folder) if name.endswith((".c", ".h"))]

    def _beside(self, folder: str) -> dict[str, list[str]]:
        """What the files of a folder define, each name with the files that have it, in their order."""
        if folder not in self._folders:
            found: dict[str, list[str]] = {}
            for path in self._files(folder):
                summary = self.summary(path)
                for name in summary.names if summary is not None else ():
                    found.setdefault(name, []).append(path)
            self._folders[folder] = found
        return self._folders[folder]

    def names(self, folder: str) -> tuple[str, ...]:
        if folder not in self._names:
            changed = any(str(PurePosixPath(path).parent) == folder for path in self.touched)
            self._names[folder] = self.base.names(folder) if self.base is not None and not changed else self.tree.names(folder)
        return self._names[folder]

    def summary(self, path: str) -> Summary | None:
        """What a file defines and includes; None where there is no such file."""
        if path not in self._summaries:
            self._summaries[path] = self._summary(path)
        return self._summaries[path]

    def _summary(self, path: str) -> Summary | None:
        data = self.data(path)
        if data is None:
            return None
        if self.base is not None and path not in self.touched:
            return self.base.summary(path)
        arch = architectures(path, self.arch)
        key = f"summary {' '.join(arch)} {self.digest(path)}"
        if self.kept is not None and (found := self.kept.get(key, Summary)) is not None:
            return found
        made = outline(data, arch, path)
        summary = Summary(frozenset(made.pieces), made.includes)
        if self.kept is not None:
            self.kept.put(key, summary)
        return summary

    # ------------------------------------------------------------ what is the same as before

    def digest(self, path: str) -> str:
        """A digest of a file's text; empty for no file."""
        if path not in self._digests:
            if self.base is not None and path not in self.touched:
                self._digests[path] = self.base.digest(path)
                return self._digests[path]
            data = self.data(path)
            self._digests[path] = "" if data is None else hashlib.blake2b(data, digest_size=20).hexdigest()
        return self._digests[path]

    def surroundings(self, caller: str) -> str:
        """A digest of all text that decides what the calls in the file `caller` mean and do, and of where it was looked for."""
        if caller not in self._surroundings:
            made = hashlib.blake2b(digest_size=20)
            made.update(" ".join(self.arch).encode())
            text = "".join([f"\0{path}\0{self.digest(path)}" for path in self.around(caller)])
            made.update(text.encode("utf-8", "surrogateescape"))
            self._surroundings[caller] = made.hexdigest()
        return self._surroundings[caller]

    def unmoved(self, functions: frozenset[tuple[str, str]]) -> bool:
        """Whether these functions, and what their calls mean, are the same, line for line, as they were before the patch."""
        assert self.base is not None
        for path in self.touched:
            if self.summary(path) != self.base.summary(path):
                return False
        for path, name in functions:
            if path in self.touched:
                was, now = self.base.unit(path), self.unit(path)
                if was is None or now is None or not was.functions.alike(name, now.functions):
                    return False
        return True
