"""What the names in a file of the kernel mean: structures, types, functions, variables and macros, wherever they are declared.

Looked for in the file, in the headers it names in quotes (those they name, too), and then in the headers that any file may
include. Where several of these declare a name, the one of the file's architecture comes first.

    types.member("virt/kvm/kvm_main.c", "struct kvm_vcpu", "mode")    Found("kvm_vcpu", "include/linux/kvm_host.h", "int")
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import TypeVar

from msgspec import Struct, field

from checker.kernel.code import Code
from checker.kernel.conditional import architectures
from checker.kernel.outline import outline
from checker.reach.declared import Declared, Macro, Prototype, declared, number, plain
from checker.reach.headers import Headers, Where, headers

MAX_TYPEDEFS = 20
MAX_MACROS = 12
_Made = TypeVar("_Made")
_INTEGER = re.compile(r"(?:\(\s*)*\(?\s*(?:\([a-z_ 0-9]+\)\s*)?(-?(?:0[xX][0-9a-fA-F]+|[0-9]+)[uUlL]*)\s*\)*")
_BIT = re.compile(r"(?:BIT|BIT_ULL|_BITUL|_BITULL)\s*\((\w+)\)")
_SHIFT = re.compile(r"\(*\s*1[uUlL]*\s*<<\s*\(?(\w+)\s*\)*")


class Found(Struct, frozen=True):
    """A member of a structure: its tag, the file that has it, the member's type."""

    tag: str
    home: str
    type: str


class Types(Struct):
    """What names mean in the files of `code`."""

    code: Code
    _headers: Headers | None = None
    _declared: dict[str, Declared] = field(default_factory=dict)
    _around: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _found: dict[tuple[str, str, str], object] = field(default_factory=dict)

    @property
    def headers(self) -> Headers:
        if self._headers is None:
            folders = ("include", *[f"arch/{name}/include" for name in self.code.arch])
            self._headers = headers(self.code.tree, folders, self.code.kept)
        return self._headers

    def declared(self, path: str) -> Declared:
        """What a file declares; nothing where there is no such file."""
        if path not in self._declared:
            self._declared[path] = self._read(path)
        return self._declared[path]

    def _read(self, path: str) -> Declared:
        data = self.code.data(path)
        if data is None:
            return Declared()
        arch = architectures(path, self.code.arch)
        key = f"declared {' '.join(arch)} {self.code.digest(path)}"
        if self.code.kept is not None and (found := self.code.kept.get(key, Declared)) is not None:
            return found
        made = declared(outline(data, arch, path))
        if self.code.kept is not None:
            self.code.kept.put(key, made)
        return made

    # ------------------------------------------------------------ where to look

    def around(self, path: str) -> tuple[str, ...]:
        """The file and the headers that it names in quotes, with those that these name."""
        if path not in self._around:
            found, todo = {path: None}, [path]
            while todo:
                one = todo.pop(0)
                for header in self._quoted(one, path):
                    if header not in found:
                        found[header] = None
                        todo.append(header)
            self._around[path] = tuple(found)
        return self._around[path]

    def _quoted(self, one: str, top: str) -> Iterator[str]:
        summary = self.code.summary(one)
        folders = dict.fromkeys((str(PurePosixPath(one).parent), *map(str, PurePosixPath(top).parents)))
        for name, quoted in summary.includes if summary is not None else ():
            for folder in folders if quoted else ():
                at = posixpath.normpath(f"{folder}/{name}")
                if self.code.data(at) is not None:
                    yield at
                    break

    def _everywhere(self, path: str, where: Where, name: str) -> Iterator[str]:
        """The files that may declare a name for the file `path`, the nearest first."""
        near = self.around(path)
        yield from near
        arch = re.match(r"arch/[^/]+/", path)
        ahead = arch[0] if arch else "include/"
        others = [one for one in self.headers.of(where, name) if one not in near]
        yield from sorted(
            others, key=lambda one: (not one.startswith(ahead), not one.startswith("include/linux/"), one.startswith("arch/"))
        )

    def _first(self, kind: str, path: str, where: str, name: str, get: Callable[[Declared], _Made | None]) -> _Made | None:
        key = (kind, path, name)
        if key not in self._found:
            files = self._everywhere(path, getattr(self.headers, where), name)
            self._found[key] = next((made for one in files if (made := get(self.declared(one))) is not None), None)
        return self._found[key]  # type: ignore[return-value]

    # ------------------------------------------------------------ what names mean

    def bare(self, path: str, kind: str) -> str:
        """A type with the names that are typedefs replaced by what they stand for."""
        for _ in range(MAX_TYPEDEFS):
            base = kind.rstrip("*[]()")
            if not base or base.startswith("struct "):
                return kind
            meant = self._first("typedef", path, "typedefs", base, lambda d, base=base: d.typedefs.get(base))  # type: ignore[misc]
            if meant is None or meant == base:
                return kind
            kind = meant + kind[len(base) :]
        return kind

    def member(self, path: str, kind: str, name: str) -> Found | None:
        """The member of a structure type, as the file `path` means it."""
        kind = self.bare(path, kind)
        if not kind.startswith("struct ") or not plain(kind):
            return None
        tag = kind.removeprefix("struct ")
        key = ("member", path, f"{tag}.{name}")
        if key not in self._found:
            self._found[key] = self._member(path, tag, name)
        return self._found[key]  # type: ignore[return-value]

    def _member(self, path: str, tag: str, name: str) -> Found | None:
        named = tag.partition(".")[0]
        where = self.headers.structs if named in self.headers.structs else self.headers.typedefs
        for one in self._everywhere(path, where, named):
            found = self.declared(one).structs.get(tag, {}).get(name)
            if found is not None:
                return Found(tag, one, found)
        return None

    def structure(self, path: str, tag: str) -> tuple[str, dict[str, str]] | None:
        """The file that declares a structure, and its members."""
        for one in self._everywhere(path, self.headers.structs, tag.partition(".")[0]):
            if found := self.declared(one).structs.get(tag):
                return one, found
        return None

    def function(self, path: str, name: str) -> Prototype | None:
        return self._first("function", path, "functions", name, lambda d: d.functions.get(name))

    def variable(self, path: str, name: str) -> tuple[str, str] | None:
        """The file that declares a variable outside of functions, and its type."""
        key = ("variable", path, name)
        if key not in self._found:
            found = None
            for one in self._everywhere(path, self.headers.variables, name):
                if name in (known := self.declared(one).variables):
                    found = one, known[name]
                    break
            self._found[key] = found
        return self._found[key]  # type: ignore[return-value]

    def macro(self, path: str, name: str) -> Macro | None:
        return self._first("macro", path, "macros", name, lambda d: d.macros.get(name))

    def constant(self, path: str, name: str, depth: int = 0) -> int | None:
        """The value of an enumerator, or of a macro that is a number, a bit, or another such macro."""
        known = self._first("enumerator", path, "macros", name, lambda d: d.enumerators.get(name))
        if known is not None or depth > MAX_MACROS:
            return known
        macro = self.macro(path, name)
        if macro is None or macro.params is not None:
            return None
        if whole := _INTEGER.fullmatch(macro.text):
            return number(whole[1])
        if shifted := _BIT.fullmatch(macro.text) or _SHIFT.fullmatch(macro.text):
            by = int(shifted[1]) if shifted[1].isdigit() else self.constant(path, shifted[1], depth + 1)
            return 1 << by if by is not None and 0 <= by < 63 else None
        alone = macro.text.strip("() ")
        return self.constant(path, alone, depth + 1) if alone.isidentifier() and alone != name else None
