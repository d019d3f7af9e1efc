"""Where in the whole tree a function is defined that other files may call, and which functions are put where a pointer is called.

One pass over the text of all .c files of an architecture, kept until one of them changes. Like headers.py it says where to look.

    Defined(tree, "x86", kept).functions("eventfd_signal_mask")    ("fs/eventfd.c",)
    Defined(tree, "x86", kept).operations("vm_init")    (Given("kvm_x86_ops", "vt_op(vm_init)", "arch/x86/kvm/vmx/main.c"), …)
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import zlib
from collections.abc import Iterator

from msgspec import Struct, field

from checker.kernel.kept import Kept
from checker.kernel.trees import FolderTree, Overlay, Tree

BUCKETS = 64
_APART = frozenset({"Documentation", "samples", "scripts", "tools", "usr"})
"""Folders that hold no code of the kernel."""
_BODY = re.compile(rb"\n\{")
_NAMED = re.compile(rb"(?:([A-Za-z_][\w \t*]*?)[ \t*])?(\w+)[ \t]*\(")
_NOTE = re.compile(rb"__(?:printf|scanf|attribute__|section|aligned)[ \t]*\([^()]*(?:\([^()]*\))*[^()]*\)")
_INITIAL = re.compile(rb"\n(?:\w+[ \t]+)*struct[ \t]+(\w+)[ \t]+\w+[^=;{}()\n]*=[ \t]*\{(.*?)\n\}", re.S)
_MEMBER = re.compile(rb"\.(\w+)[ \t]*=[ \t\n]*&?([A-Za-z_]\w*(?:\(\w+\))?)[ \t]*(?=[,}\n])")
_ASSIGNED = re.compile(rb"(?:->|\.)(\w+)[ \t]*=[ \t\n]*([A-Za-z_&(][\w\s?:&!.>()*-]*);")
_BARE = re.compile(rb"[A-Za-z_]\w*\b(?!\s*(?:\(|->|\.))")
_STATIC_CALL = re.compile(rb"\b(?:static_call_update|DEFINE_STATIC_CALL)\s*\(\s*([\w#]+)\s*,([^;]*)\)\s*;")
_NAME = re.compile(rb"[A-Za-z_]\w*")
_VALUES = frozenset({b"NULL", b"true", b"false"})
STATIC_CALLS = "static_call"
"""Under this name `operations` has what static calls are set to, the key as the tag."""


class Given(Struct, frozen=True, array_like=True):
    """A function, or a macro's call, `text` that a file puts into a member of a structure `tag` (empty: not told); `own`: it is a
    function of that file. Without a text it is what some variable holds."""

    tag: str
    text: str
    path: str
    own: bool = False


class _Bucket(Struct, frozen=True):
    functions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    operations: dict[str, tuple[Given, ...]] = field(default_factory=dict)


class Defined(Struct):
    """The index of a tree, in buckets that are read when something in them is asked for. A tree that is no folder has none."""

    tree: Tree
    arch: str
    kept: Kept | None = None
    _buckets: dict[int, _Bucket] = field(default_factory=dict)
    _changed: dict[str, _Bucket] | None = None
    _files: tuple[tuple[str, int, int], ...] = ()
    _stamp: str = ""

    def functions(self, name: str) -> tuple[str, ...]:
        """The files that define a function for others to call."""
        changed = self.changed
        own = [path for path, bucket in changed.items() if name in bucket.functions]
        return (*own, *[path for path in self._bucket(name).functions.get(name, ()) if path not in changed])

    def operations(self, member: str) -> tuple[Given, ...]:
        """What is put into members of this name."""
        changed = self.changed
        own = [given for bucket in changed.values() for given in bucket.operations.get(member, ())]
        return (*own, *[given for given in self._bucket(member).operations.get(member, ()) if given.path not in changed])

    @property
    def changed(self) -> dict[str, _Bucket]:
        """The files that lie on top of the folder."""
        if self._changed is None:
            files = self.tree.files if isinstance(self.tree, Overlay) else {}
            self._changed = {path: _one(path, data) for path, data in files.items() if path.endswith(".c")}
        return self._changed

    def _bucket(self, name: str) -> _Bucket:
        n = zlib.crc32(name.encode("utf-8", "surrogateescape")) % BUCKETS
        if n not in self._buckets:
            tree = self.tree
            while isinstance(tree, Overlay):
                tree = tree.below
            if not isinstance(tree, FolderTree):
                return _Bucket()
            if not self._files:
                self._files = tuple(_files(str(tree.root), self.arch))
                self._stamp = f"defined {self.arch} {_digest(self._files)}"
            found = self.kept.get(f"{self._stamp} {n}", _Bucket) if self.kept is not None else None
            if found is None:
                self._scan(tree)
            else:
                self._buckets[n] = found
        return self._buckets[n]

    def _scan(self, tree: FolderTree) -> None:
        functions: dict[str, list[str]] = {}
        operations: dict[str, dict[Given, None]] = {}
        for path, _, _ in self._files:
            one = _one(path, tree.read(path))
            for name in one.functions:
                functions.setdefault(name, []).append(path)
            for member, several in one.operations.items():
                operations.setdefault(member, {}).update(dict.fromkeys(several))
        self._buckets = {n: _Bucket() for n in range(BUCKETS)}
        for name, paths in functions.items():
            self._buckets[zlib.crc32(name.encode()) % BUCKETS].functions[name] = tuple(paths)
        for member, given in operations.items():
            if not any(one.text for one in given):
                continue
            self._buckets[zlib.crc32(member.encode()) % BUCKETS].operations[member] = tuple(given)
        for n, bucket in self._buckets.items() if self.kept is not None else ():
            self.kept.put(f"{self._stamp} {n}", bucket)  # type: ignore[union-attr]


def _files(root: str, arch: str) -> Iterator[tuple[str, int, int]]:
    """The .c files of a kernel for an architecture, with their sizes and times."""
    todo = [""]
    while todo:
        at = todo.pop()
        with contextlib.suppress(OSError):
            for entry in sorted(os.scandir(f"{root}/{at}"), key=lambda one: one.name):
                path = f"{at}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    if path not in _APART and not (at == "arch/" and entry.name != arch) and entry.name[0] != ".":
                        todo.append(f"{path}/")
                elif entry.name.endswith(".c") and entry.is_file(follow_symlinks=False):
                    stat = entry.stat(follow_symlinks=False)
                    yield path, stat.st_size, stat.st_mtime_ns


def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    return hashlib.blake2b(repr(files).encode("utf-8", "surrogateescape"), digest_size=20).hexdigest()


def _heads(data: bytes) -> Iterator[tuple[bool, bytes]]:
    """The functions of a file, by the brace in the first column and the line in the first column before: whether each is static."""
    for body in _BODY.finditer(data):
        at = data.rfind(b"\n", 0, body.start())
        while at > 0 and data[at + 1] in b" \t\n":
            at = data.rfind(b"\n", 0, at)
        head = data[at + 1 : body.start()]
        found = _NAMED.match(head)
        if found is None and (note := _NOTE.search(head)) is not None:
            found = _NAMED.match(head.replace(note[0], b""))
        if found is not None:
            before = found[1] or data[data.rfind(b"\n", 0, max(at, 0)) + 1 : max(at, 0)]
            yield b"static" in before.split(), found[2]


def _one(path: str, data: bytes | None) -> _Bucket:
    """What one file defines for others, and puts into members."""
    data = b"\n" + (data or b"")
    heads = [(static, name.decode("utf-8", "replace")) for static, name in _heads(data)]
    named = {name for _, name in heads}
    given: dict[str, dict[Given, None]] = {}

    def put(member: bytes, tag: bytes, text: bytes) -> None:
        said = text.decode("utf-8", "replace")
        given.setdefault(member.decode("utf-8", "replace"), {})[
            Given(tag.decode("utf-8", "replace"), said, path, said in named)
        ] = None

    for tag, body in _INITIAL.findall(data):
        for member, text in _MEMBER.findall(body):
            if text[-1:] == b")" or not text.isupper():
                put(member, tag if b"{" not in body else b"", text)
    for member, text in _MEMBER.findall(data):  # of structures within functions, too
        said = text.decode("utf-8", "replace")
        if said in named and not any(one.text == said for one in given.get(member.decode("utf-8", "replace"), ())):
            put(member, b"", text)
    for member, text in _ASSIGNED.findall(data):
        names = [name for name in _BARE.findall(text) if name.decode("utf-8", "replace") in named]
        for name in names:
            put(member, b"", name)
        if not names and _NAME.fullmatch(text) and text not in _VALUES:
            put(member, b"", b"")
    for key, text in _STATIC_CALL.findall(data) if b"STATIC_CALL" in data or b"static_call" in data else ():
        put(STATIC_CALLS.encode(), key, b" ".join(text.replace(b"\\\n", b" ").split()))
    return _Bucket({name: (path,) for static, name in heads if not static}, {m: tuple(several) for m, several in given.items()})
