"""The records of many files: those kept from earlier runs, as far as nothing changed that they depend on, and the rest made anew.

gathered(tree, files(tree, ("virt/kvm",)), kept, "x86")["virt/kvm/kvm_main.c"]    Record(…)
indexed(tree, ("virt/kvm",), kept, "x86").barriers                                (Barrier("virt/kvm/kvm_main.c", 781, …), …)
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from checker.core.source import CheckerError
from checker.kernel.code import Code
from checker.kernel.conditional import architectures
from checker.kernel.kept import Kept
from checker.kernel.trees import Tree
from checker.reach.declared import Declared
from checker.reach.extract import NotThere
from checker.reach.headers import Headers, headers, stamp
from checker.reach.index import DEPTH, Index
from checker.reach.records import Record, record
from checker.reach.select import members, orders, sides, worth
from checker.reach.types import Types

CHUNK = 300_000
"""How many bytes of source a job has, about."""
SCANNED = 400
"""How many files a job has that only looks at their text."""
MANY = 1500
"""From so many files on, only those are taken in that are worth it."""
_SKIPPED = frozenset({"Documentation", "tools", "scripts", "samples", "rust", "usr"})
"""Folders of the top with no code of the kernel."""


class Job(Struct, frozen=True):
    """Files whose records are to be made, for one architecture. `stamp` says which headers there are."""

    tree: Tree
    arch: str
    stamp: str
    kept: tuple[str, str] | None
    paths: tuple[str, ...]
    names: frozenset[str] = frozenset()
    """The members that are looked for in their text."""


Step: TypeAlias = "Callable[[int, int], None]"
"""Hears how many are done, of how many."""
Each: TypeAlias = Callable[[Callable[[Job], "tuple[bytes, ...]"], Sequence[Job]], Iterable["tuple[bytes, ...]"]]
"""Runs a function on jobs, here or elsewhere: results in order, empty where a process was lost."""


def files(tree: Tree, paths: Iterable[str]) -> tuple[str, ...]:
    """The .c and .h files below some paths; all of the kernel's for none. Raises NotThere."""
    found: dict[str, None] = {}
    for path in [str(PurePosixPath(path)) for path in paths]:
        below = tuple(_below(tree, "" if path == "." else path))
        if not below and tree.read(path) is None:
            raise NotThere(f"there is no file {path}, and no folder with code", hint="a path as the kernel's tree has it: virt/kvm")
        found.update(dict.fromkeys(below or (path,)))
    if not found:
        found = dict.fromkeys(at for top in tree.folders("") if top not in _SKIPPED for at in _below(tree, top))
    return tuple(found)


def _below(tree: Tree, folder: str) -> Iterator[str]:
    ahead = f"{folder}/" if folder else ""
    yield from (f"{ahead}{name}" for name in tree.names(folder) if name.endswith((".c", ".h")))
    for inner in tree.folders(folder):
        yield from _below(tree, f"{ahead}{inner}")


def indexed(tree: Tree, paths: Sequence[str], kept: Kept | None, arch: str, each: Each = map, step: Step | None = None) -> Index:
    """The index of the files below some paths; of many those that are worth it (select.py). Raises NotThere."""
    own = files(tree, paths)
    if len(own) <= MANY:
        return Index(gathered(tree, own, kept, arch, each, step), frozenset(own))
    barriers = _picked(tree, own, frozenset(), each, step)
    first = tuple([path for path in own if barriers[path]])
    records = gathered(tree, first, kept, arch, each, step)
    around = sides([records[path] for path in first])
    names = frozenset([name for both in around for side in both for name in side])
    named = _picked(tree, [path for path in own if not barriers[path]], names, each, step)
    more = worth({path: msgspec.msgpack.decode(data, type=list[str]) for path, data in named.items() if data}, around)
    records = gathered(tree, (*first, *more), kept, arch, each, step)
    return Index(records, frozenset((*first, *more)))


def _picked(tree: Tree, paths: Sequence[str], names: frozenset[str], each: Each, step: Step | None) -> dict[str, bytes]:
    """What the text of each file says: whether it orders, or which members it names."""
    jobs = [Job(tree, "", "", None, tuple(paths[n : n + SCANNED]), names) for n in range(0, len(paths), SCANNED)]
    found: dict[str, bytes] = {}
    for job, some in zip(jobs, each(scan, jobs), strict=True):
        found.update(zip(job.paths, some, strict=True))
        if step is not None:
            step(len(found), len(paths))
    return found


def scan(job: Job) -> tuple[bytes, ...]:
    """Of each file whether it has something that orders (b"", or not), or which of some members it names."""
    texts = [_text(job.tree, path) for path in job.paths]
    return tuple([members(text, job.names) if job.names else b"1" if orders(text) else b"" for text in texts])


def gathered(
    tree: Tree, paths: Sequence[str], kept: Kept | None, arch: str, each: Each = map, step: Step | None = None
) -> dict[str, Record]:
    """The records of files, and of the headers that have functions they call."""
    found: dict[str, Record] = {}
    store = _Store(tree, kept)
    todo = tuple(dict.fromkeys(paths))
    for _ in range(DEPTH + 1):
        made = {(path, _arch(path, arch)): store.get(path, _arch(path, arch)) for path in todo}
        found.update({path: one for (path, _), one in made.items() if one is not None})
        jobs = tuple(_jobs(store, [key for key, one in made.items() if one is None]))
        done = len(todo) - sum(len(job.paths) for job in jobs)
        for job, some in zip(jobs, each(work, jobs), strict=True):
            for path, data in zip(job.paths, some, strict=True):
                found[path] = msgspec.msgpack.decode(data, type=Record) if data else Record(problem="the process that read it died")
                if not found[path].problem:
                    store.put(path, job.arch, found[path])
            done += len(job.paths)
            if step is not None:
                step(done, len(todo))
        headers_of = dict.fromkeys(at for path in todo for at in found[path].inlines.values())
        todo = tuple([at for at in headers_of if at not in found])
    return found


def _arch(path: str, arch: str) -> str:
    return architectures(path, (arch,))[0]


def _jobs(store: _Store, todo: Sequence[tuple[str, str]]) -> Iterator[Job]:
    """Files of one folder and architecture together."""
    tree, kept = store.tree, store.kept
    where = (str(kept.file.parent), kept.version) if kept is not None else None
    some: list[str] = []
    size, last = 0, ("", "")
    for path, arch in sorted(todo, key=lambda one: (one[1], str(PurePosixPath(one[0]).parent), one[0])):
        here = (arch, str(PurePosixPath(path).parent))
        if some and (size > CHUNK or here[0] != last[0]):
            yield Job(tree, last[0], store.stamp(last[0]), where, tuple(some))
            some, size = [], 0
        some.append(path)
        size, last = size + len(_text(tree, path)), here
    if some:
        yield Job(tree, last[0], store.stamp(last[0]), where, tuple(some))


def _text(tree: Tree, path: str) -> bytes:
    try:
        return tree.read(path) or b""
    except CheckerError:
        return b""


# ---------------------------------------------------------------- one job


class _Reading(Types):
    """What names mean, and which files were asked."""

    seen: set[str] = field(default_factory=set)

    def declared(self, path: str) -> Declared:
        self.seen.add(path)
        return Types.declared(self, path)


def work(job: Job) -> tuple[bytes, ...]:
    """The records of a job's files, as bytes."""
    kept = _kept(*job.kept) if job.kept is not None else None
    types = _Reading(Code(job.tree, arch=(job.arch,), kept=kept), _headers=_headers(job.tree, job.arch, job.stamp, job.kept))
    found = []
    for path in job.paths:
        types.seen.clear()
        made = record(types, path)
        seen = {at: declares(types, at) for at in sorted(types.seen - {path})}
        found.append(msgspec.msgpack.encode(replace(made, seen=seen)))
        types.summaries.clear()
    return tuple(found)


@functools.cache
def _kept(folder: str, version: str) -> Kept:
    return Kept(Path(folder), version)


@functools.lru_cache(maxsize=2)
def _headers(tree: Tree, arch: str, stamp: str, kept: tuple[str, str] | None) -> Headers:
    return headers(tree, _folders(arch), _kept(*kept) if kept is not None else None)


def _folders(arch: str) -> tuple[str, ...]:
    return "include", f"arch/{arch}/include"


def declares(types: Types, path: str) -> str:
    """A digest of what a file declares and includes, whatever else is in it."""
    code = types.code
    key = f"declares {' '.join(architectures(path, code.arch))} {code.digest(path)}"
    if code.kept is not None and (found := code.kept.get(key, str)) is not None:
        return found
    summary = code.summary(path)
    text = msgspec.msgpack.encode((Types.declared(types, path), summary.includes if summary is not None else ()))
    made = hashlib.blake2b(text, digest_size=10).hexdigest()
    if code.kept is not None:
        code.kept.put(key, made)
    return made


# ---------------------------------------------------------------- what is kept


class _Store(Struct):
    """The records that earlier runs made of the files of a tree."""

    tree: Tree
    kept: Kept | None
    _types: dict[str, Types] = field(default_factory=dict)
    _stamps: dict[str, str] = field(default_factory=dict)
    _declares: dict[tuple[str, str], str] = field(default_factory=dict)

    def get(self, path: str, arch: str) -> Record | None:
        found = self.kept.get(self._key(path, arch), Record) if self.kept is not None else None
        return found if found is not None and all(self._same(at, arch, was) for at, was in found.seen.items()) else None

    def put(self, path: str, arch: str, made: Record) -> None:
        if self.kept is not None:
            self.kept.put(self._key(path, arch), made)

    def stamp(self, arch: str) -> str:
        """A digest of which headers declare which names."""
        if arch not in self._stamps:
            self._stamps[arch] = stamp(self.tree, _folders(arch), self.kept)
        return self._stamps[arch]

    def _key(self, path: str, arch: str) -> str:
        return f"record {arch} {path} {self._of(arch).code.digest(path)} {self.stamp(arch)}"

    def _of(self, arch: str) -> Types:
        if arch not in self._types:
            self._types[arch] = Types(Code(self.tree, arch=(arch,), kept=self.kept))
        return self._types[arch]

    def _same(self, path: str, arch: str, was: str) -> bool:
        if (path, arch) not in self._declares:
            self._declares[path, arch] = declares(self._of(arch), path)
        return self._declares[path, arch] == was
