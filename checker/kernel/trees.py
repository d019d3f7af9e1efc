"""Where kernel source comes from: a folder, a commit, or either of them with a patch on top.

FolderTree("/src/linux").read("virt/kvm/kvm_main.c")    b"…"
GitTree("/src/linux", "v6.18").read("virt/kvm/kvm_main.c")
Overlay(tree, {"virt/kvm/kvm_main.c": b"…"})            the same, but for one file

Nothing outside the folder is read, whatever its links say, and nothing in a repository is run.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol

from msgspec import Struct, field

from checker.core.source import CheckerError, Unreadable

MAX_FILE = 4_000_000
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@^~{}+-]*")


class Tree(Protocol):
    """Source by path, with `/`, relative to the top of the kernel."""

    def read(self, path: str) -> bytes | None:
        """The file's bytes; None where there is no such file. Raises Unreadable where there is, and it cannot be read."""

    def names(self, folder: str) -> tuple[str, ...]:
        """The names of the files in `folder`, sorted."""

    def folders(self, folder: str) -> tuple[str, ...]:
        """The names of the folders in `folder`, sorted."""

    def __hash__(self) -> int: ...


def tame(path: str) -> bool:
    """Whether `path` stays below where it starts."""
    return bool(path) and "\0" not in path and not path.startswith("/") and ".." not in PurePosixPath(path).parts


def _too_large(path: str) -> Unreadable:
    return Unreadable(f"{path} is larger than {MAX_FILE:,} bytes")


class FolderTree(Struct, frozen=True, dict=True):
    """The files of a folder."""

    folder: Path

    @cached_property
    def root(self) -> Path:
        return self.folder.resolve()

    @cached_property
    def _inside(self) -> dict[str, bool]:
        """Whether a folder, wherever its links lead, is below the top: what was asked so far."""
        return {}

    def read(self, path: str) -> bytes | None:
        if not tame(path):
            return None
        name = os.path.join(self.root, path)
        try:
            found = os.lstat(name)
            if stat.S_ISLNK(found.st_mode):
                name = os.path.realpath(name, strict=True)
                found = os.stat(name)
            if not stat.S_ISREG(found.st_mode) or not self._below(os.path.dirname(name)):
                return None
            if found.st_size > MAX_FILE:
                raise _too_large(path)
            with open(name, "rb") as stream:
                return stream.read()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise Unreadable(f"{path} cannot be read: {error.strerror}") from None
        except ValueError:
            return None

    def _below(self, folder: str) -> bool:
        if folder not in self._inside:
            self._inside[folder] = Path(folder).resolve(strict=True).is_relative_to(self.root)
        return self._inside[folder]

    def names(self, folder: str) -> tuple[str, ...]:
        return tuple([entry.name for entry in self._entries(folder) if entry.is_file(follow_symlinks=False)])

    def folders(self, folder: str) -> tuple[str, ...]:
        return tuple([entry.name for entry in self._entries(folder) if entry.is_dir(follow_symlinks=False)])

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        if folder and not tame(folder):
            return []
        try:
            real = (self.root / folder).resolve(strict=True)
            if not real.is_relative_to(self.root):
                return []
            return sorted(os.scandir(real), key=lambda entry: entry.name)
        except (OSError, RuntimeError, ValueError):
            return []


class GitTree(Struct, frozen=True, dict=True):
    """The files of one commit."""

    folder: Path
    revision: str

    def read(self, path: str) -> bytes | None:
        if not tame(path):
            return None
        made = git(self.folder, "cat-file", "blob", f"{self.revision}:{path}")
        if made is not None and len(made) > MAX_FILE:
            raise _too_large(path)
        return made

    def names(self, folder: str) -> tuple[str, ...]:
        return self._entries(folder, "100")

    def folders(self, folder: str) -> tuple[str, ...]:
        return self._entries(folder, "040")

    def _entries(self, folder: str, mode: str) -> tuple[str, ...]:
        if folder and not tame(folder):
            return ()
        made = git(self.folder, "ls-tree", "-z", f"{self.revision}:{folder}")
        rows = (made or b"").decode("utf-8", "surrogateescape").split("\0")
        return tuple(sorted(row.partition("\t")[2] for row in rows if row.startswith(mode)))


class Overlay(Struct, frozen=True, eq=False):
    """A tree in which some files are others; None is a file that is gone."""

    below: Tree
    files: Mapping[str, bytes | None] = field(default_factory=dict)

    def read(self, path: str) -> bytes | None:
        return self.files[path] if path in self.files else self.below.read(path)

    def names(self, folder: str) -> tuple[str, ...]:
        own = {path: data for path, data in self.files.items() if str(PurePosixPath(path).parent) == (folder or ".")}
        names = {name for name in self.below.names(folder) if own.get(f"{folder}/{name}" if folder else name, b"") is not None}
        return tuple(sorted(names | {PurePosixPath(path).name for path, data in own.items() if data is not None}))

    def folders(self, folder: str) -> tuple[str, ...]:
        ahead = f"{folder}/" if folder else ""
        new = [p[len(ahead) :].split("/") for p, data in self.files.items() if data is not None and p.startswith(ahead)]
        return tuple(sorted({*self.below.folders(folder), *[parts[0] for parts in new if len(parts) > 1]}))


def folder_tree(path: str) -> FolderTree:
    """The kernel tree in a folder. Raises Unreadable when there is none."""
    if not os.path.isdir(path):
        raise Unreadable(f"there is no folder {path!r}", hint="--kernel names the top of a kernel's source")
    return FolderTree(Path(path))


def revisions(text: str) -> tuple[str, str] | None:
    """The two ends of REV..REV; None when `text` is something else."""
    first, dots, last = text.partition("..")
    return (first, last) if dots and _REVISION.fullmatch(first) and _REVISION.fullmatch(last) else None


def commit(folder: str, revision: str) -> str:
    """The commit a revision names. Raises CheckerError."""
    made = git(Path(folder), "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if not made:
        raise CheckerError(f"there is no commit {revision!r} in {folder}")
    return made.decode().strip()


def renames(folder: str, before: str, after: str) -> tuple[tuple[str, str], ...]:
    """The files that differ between two commits, by their names in either; empty for a file that is added or removed."""
    made = git(Path(folder), "diff-tree", "-r", "-M", "-z", "--name-status", "--no-ext-diff", before, after)
    if made is None:
        raise CheckerError(f"the difference of {before} and {after} cannot be read in {folder}")
    words = iter(made.decode("utf-8", "surrogateescape").split("\0"))
    found = []
    for status in words:
        if status[:1] in ("R", "C"):
            found.append((next(words), next(words)))
        elif status:
            path = next(words)
            found.append(("" if status == "A" else path, "" if status == "D" else path))
    return tuple(found)


def git(folder: Path, *args: str) -> bytes | None:
    """What a git command prints; None when it fails. Commands that read objects only, and run nothing of the repository's."""
    safe = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    settings = (
        "-c",
        "core.fsmonitor=false",
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "diff.external=",
        "-c",
        "protocol.allow=never",
    )
    try:
        made = subprocess.run(
            ["git", "--no-pager", *settings, "-C", str(folder), *args],
            capture_output=True, timeout=120, check=False, stdin=subprocess.DEVNULL, env={**os.environ, **safe},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return made.stdout if made.returncode == 0 else None
