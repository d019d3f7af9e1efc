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
from typing import Any, TypeVar

from msgspec import Struct, field

from checker.kernel.code import Code
from checker.kernel.conditional import architectures
from checker.kernel.kept import Kept
from checker.kernel.outline import outline
from checker.kernel.syntax import Function
from checker.kernel.trees import Tree, folder_tree
from checker.reach.declared import Declared, Macro, Prototype, declared, plain
from checker.reach.defined import Defined
from checker.reach.headers import Headers, Where, headers

MAX_TYPEDEFS = 20
ELSEWHERE = "?"
MAX_BESIDE = 300
"""How many files calls are looked for in besides those that the caller's own file includes."""
_INCLUDED = re.compile(rb'\n[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)')
_Made = TypeVar("_Made")


class Found(Struct, frozen=True):
    """A member of a structure: its tag, the file that has it, the member's type."""

    tag: str
    home: str
    type: str


def source(folder: str, paths: tuple[str, ...], kept: Kept | None, arch: str = "") -> Types:
    """What names mean in a kernel's source, for one architecture: that of the files `paths`, or x86, unless told. Calls are looked
    for in these files too, in the folders below theirs, and in those of the architecture that are called the same (virt/kvm,
    arch/x86/kvm). Raises Unreadable."""
    tree = folder_tree(folder)
    named = [found[1] for path in paths if (found := re.match(r"arch/(\w+)/", path))]
    arch = arch or (named[0] if named else "x86")
    folders = dict.fromkeys(str(PurePosixPath(path).parent) for path in paths)
    beside = [f"arch/{arch}/{PurePosixPath(at).name}" for at in folders if not at.startswith("arch/")]
    inside = [path for at in (*beside, *folders) for path in _below(tree, at)]
    also = tuple(dict.fromkeys((*paths, *inside[:MAX_BESIDE])))
    return Types(Code(tree, also=also, arch=(arch,), kept=kept))


def _below(tree: Tree, folder: str) -> Iterator[str]:
    yield from (f"{folder}/{name}" for name in tree.names(folder) if name.endswith((".c", ".h")))
    for inner in tree.folders(folder):
        yield from _below(tree, f"{folder}/{inner}")


class Types(Struct):
    """What names mean in the files of `code`."""

    code: Code
    summaries: dict[str, Any] = field(default_factory=dict)
    """What summary.py made of the functions of files."""
    _headers: Headers | None = None
    _declared: dict[str, Declared] = field(default_factory=dict)
    _around: dict[str, tuple[str, ...]] = field(default_factory=dict)
    found: dict[tuple[str, str, str], object] = field(default_factory=dict)
    """What was looked up, by the kind of question, the file it was asked in, and what was asked."""
    _defined: Defined | None = None

    @property
    def headers(self) -> Headers:
        if self._headers is None:
            folders = ("include", *[f"arch/{name}/include" for name in self.code.arch])
            self._headers = headers(self.code.tree, folders, self.code.kept)
        return self._headers

    @property
    def defined(self) -> Defined:
        if self._defined is None:
            self._defined = Defined(self.code.tree, self.code.arch[0] if self.code.arch else "x86", self.code.kept)
        return self._defined

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
        if key not in self.found:
            files = self._everywhere(path, getattr(self.headers, where), name)
            self.found[key] = next((made for one in files if (made := get(self.declared(one))) is not None), None)
        return self.found[key]  # type: ignore[return-value]

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
        if key not in self.found:
            self.found[key] = self._member(path, tag, name)
        return self.found[key]  # type: ignore[return-value]

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

    def callee(self, caller: str, name: str) -> Function | None:
        """The function that a call in the file `caller` means: one near it, or one in a header that any file may include."""
        key = ("callee", caller, name)
        if key not in self.found:
            found = self.code.callee(caller, name)
            if found is None:
                files = [*self.headers.of(self.headers.functions, name), *self.headers.of(self.headers.macros, name)]
                found = next((made for one in files if (made := self.code.function(one, name)) is not None), None)
            self.found[key] = found
        return self.found[key]  # type: ignore[return-value]

    def where(self, caller: str, name: str) -> tuple[str, str] | None:
        """The file that has the function that a call means, wherever in the tree it is, and its name there. Of one far away, which
        some header has to declare, nobody looked whether it is there."""
        key = ("where", caller, name)
        if key not in self.found:
            near = self.callee(caller, name)
            self.found[key] = (near.path, near.name) if near is not None else self._far(caller, name)
        return self.found[key]  # type: ignore[return-value]

    def _far(self, caller: str, name: str) -> tuple[str, str] | None:
        some = self.defined.functions(name) if self.function(caller, name) is not None else ()
        folders = caller.split("/")
        nearest = max(some, key=lambda one: len(posixpath.commonprefix([one.split("/"), folders])), default=None)
        return (nearest, name) if nearest is not None else None

    def reads(self, path: str) -> frozenset[str]:
        """The file and the headers that it includes, with those that these include; several where it is not known which one is
        meant, ELSEWHERE with them where one is in none of the places that are looked at."""
        key = ("reads", path, "")
        if key not in self.found:
            done, todo = {path}, [path]
            while todo:
                at = todo.pop()
                new = [one for one in self._included(at, path) if one not in done] if at != ELSEWHERE else []
                done.update(new)
                todo += new
            self.found[key] = frozenset(done)
        return self.found[key]  # type: ignore[return-value]

    def _included(self, path: str, top: str) -> tuple[str, ...]:
        """What one file includes; in quotes it may be in the folders above, and in those above the file `top`, too."""
        key = ("included", path, str(PurePosixPath(top).parent) if not path.startswith("include/") else "")
        if key not in self.found:
            made: dict[str, None] = {}
            for quote, found in _INCLUDED.findall(b"\n" + (self.code.data(path) or b"")):
                name = found.decode("utf-8", "replace")
                at = dict.fromkeys((PurePosixPath(path).parent, *PurePosixPath(top).parents)) if quote == b'"' else ()
                found_here = [one for folder in at if self.code.data(one := posixpath.normpath(f"{folder}/{name}")) is not None]
                several = (*found_here, *self._headers_called.get(name, ()))
                made.update(dict.fromkeys(several or (() if name.startswith(("generated/", "asm/")) else (ELSEWHERE,))))
            self.found[key] = tuple(made)
        return self.found[key]  # type: ignore[return-value]

    @property
    def _headers_called(self) -> dict[str, list[str]]:
        """The headers that any file may include, by the name that it includes them by."""
        key = ("headers", "", "")
        if key not in self.found:
            named: dict[str, list[str]] = {}
            for one in self.headers.files:
                name = re.sub(r"^(?:arch/\w+/)?include/(?:uapi/)?", "", one)
                named.setdefault(name, []).append(one)
                if name.startswith("asm-generic/"):
                    named.setdefault(name.replace("-generic", "", 1), []).append(one)
            self.found[key] = named
        return self.found[key]  # type: ignore[return-value]

    def function(self, path: str, name: str) -> Prototype | None:
        return self._first("function", path, "functions", name, lambda d: d.functions.get(name))

    def variable(self, path: str, name: str) -> tuple[str, str] | None:
        """The file that declares a variable outside of functions, and its type."""
        key = ("variable", path, name)
        if key not in self.found:
            found = None
            for one in self._everywhere(path, self.headers.variables, name):
                if name in (known := self.declared(one).variables):
                    found = one, known[name]
                    break
            self.found[key] = found
        return self.found[key]  # type: ignore[return-value]

    def macro(self, path: str, name: str) -> Macro | None:
        return self._first("macro", path, "macros", name, lambda d: d.macros.get(name))

    def enumerator(self, path: str, name: str) -> int | None:
        return self._first("enumerator", path, "macros", name, lambda d: d.enumerators.get(name))
