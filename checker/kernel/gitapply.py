"""One diff applied by `git apply`, in an empty folder that holds copies of the files it touches.

No configuration, hook or repository has a say, and nothing outside the folder is named. Where git puts a hunk elsewhere than
its header says, or drops context to make it fit, that is told; a hunk without context is only believed where something
else confirms its place.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from checker.core.source import CheckerError
from checker.kernel.diff import FileDiff, Hunk
from checker.kernel.trees import Tree

LIMIT = 120
_FAILED = re.compile(r"error: patch failed: (.+):(\d+)")
_ERROR = re.compile(r"error: (?:(.+?): )?(.+)")
_PLACED = re.compile(r"Hunk #(\d+) succeeded at \d+ \(offset -?\d+ lines?\)\.")
_REDUCED = re.compile(r"Context reduced to \(\d+/\d+\) to apply fragment at (\d+)")


class NoGit(CheckerError):
    """git is not installed."""

    code = "no-git"


class Unfit(Exception):
    """A diff that does not fit: `path` and the `line` that the hunk names."""

    def __init__(self, message: str, path: str, line: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.path, self.line, self.hint = message, path, line, hint


class Fit(Struct, frozen=True):
    """The files as they are then, None for one that is gone; whether hunks stand where they say and something shows it."""

    files: Mapping[str, bytes | None]
    remarks: tuple[str, ...]
    sure: bool
    bare: bool


def apply_diff(
    tree: Tree, files: Sequence[FileDiff], strip: int, *, back: bool, known: bool | None = None, reduced: bool = False
) -> Fit:
    """The files that a diff makes; `known`: whether the tree's are those it was made from, None where it does not say.

    Raises Unfit.
    """
    remarks = [f"{file.new or file.old} is {file.unread}: not looked at" for file in files if file.unread]
    files = [file for file in files if not file.unread]
    inputs = _inputs(tree, files, back=back)
    bare = {(n, k) for n, file in enumerate(files) for k, hunk in enumerate(file.hunks) if _bare(file, hunk, inputs, back=back)}
    if not files:
        return Fit({}, tuple(remarks), sure=True, bare=False)
    if bare and back and known is False:
        n, k = min(bare)
        path, start = files[n].new, files[n].hunks[k].into
        raise Unfit(f"the hunk at line {start} of {path} has no context, and the patch makes another file of it", path, start)
    made, told = _git(inputs, _text(files), strip, back=back, zero=bool(bare), reduced=reduced)
    placed, less = _told(told, files, back=back)
    remarks += [f"{path}: the hunk at line {line} fits only with less of its context" for path, line in less]
    sure, shown = not less, False
    for n, file in enumerate(files):
        for k, hunk in enumerate(file.hunks):
            wanted = hunk.side("+" if back else "-")
            if (n, k) not in bare:
                sure, shown = sure and (n, k) not in placed, True
                continue
            there = _there(file, hunk, inputs, back=back)
            sure, shown = sure and there, shown or bool(wanted)
            if known is False or (known is None and not (there and wanted)):
                remarks.append(_confirmed(file, hunk, inputs, back=back, known=known))
    return Fit(made, tuple(remarks), sure and shown, bool(bare))


def blob(data: bytes, digest: str) -> bool:
    """Whether `digest` begins the digest that git gives a file of these bytes."""
    head = b"blob %d\0" % len(data)
    kind = hashlib.sha256 if len(digest) > 40 else hashlib.sha1
    return kind(head + data).hexdigest().startswith(digest)


def _inputs(tree: Tree, files: Sequence[FileDiff], *, back: bool) -> dict[str, bytes]:
    """The files of the tree that the diff touches."""
    inputs: dict[str, bytes] = {}
    here: set[str] = set()
    for file in reversed(files) if back else files:
        for hunk in file.hunks:
            if hunk.lost:
                raise Unfit(
                    f"the hunk at line {hunk.start} of {file.old or file.new} is cut short", file.old or file.new, hunk.start
                )
        needed = file.new if back else file.old
        for path in (file.old, file.new):
            if path and path not in inputs and (data := tree.read(path)) is not None:
                inputs[path] = data
        if needed and needed not in inputs and needed not in here:
            raise Unfit(f"the tree has no {needed}", needed)
        here.add(file.old if back else file.new)
    return inputs


def _bare(file: FileDiff, hunk: Hunk, inputs: Mapping[str, bytes], *, back: bool) -> bool:
    """Whether a hunk has no context in a file of which it leaves something."""
    if not hunk.bare or not (file.old and file.new):
        return False
    data = inputs.get(file.new if back else file.old, b"")
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    return hunk.count("+" if back else "-") < lines


def _there(file: FileDiff, hunk: Hunk, inputs: Mapping[str, bytes], *, back: bool) -> bool:
    """Whether what a hunk without context takes away stands at the lines that it names."""
    wanted, start = (hunk.side("+"), hunk.into) if back else (hunk.side("-"), hunk.start)
    lines = inputs.get(file.new if back else file.old, b"").decode("utf-8", "surrogateescape").split("\n")
    return lines[start - 1 : start - 1 + len(wanted)] == wanted if wanted else True


def _confirmed(file: FileDiff, hunk: Hunk, inputs: Mapping[str, bytes], *, back: bool, known: bool | None) -> str:
    """What to say of a hunk without context that is not where it says. Raises Unfit where it could belong elsewhere, too."""
    path = file.new if back else file.old
    start = hunk.into if back else hunk.start
    wanted = hunk.side("+" if back else "-")
    hint = "git diff makes a patch with context"
    if not wanted:
        if known is False:
            message = f"the hunk at line {start} of {path} has no context, and the patch was made from another version of the file"
            raise Unfit(message, path, start, hint)
        return f"{path}: the hunk at line {start} has no context: nothing confirms that it belongs there"
    if back:
        raise Unfit(f"the hunk at line {start} of {path} has no context, and is not there", path, start, hint)
    text = "\n" + inputs.get(path, b"").decode("utf-8", "surrogateescape") + "\n"
    if text.count("\n" + "\n".join(wanted) + "\n") != 1:
        message = f"the hunk at line {start} of {path} has no context, and there are several places where it could belong"
        raise Unfit(message, path, start, hint)
    return f"{path}: the hunk at line {start} has no context, and stands elsewhere in this tree"


def _text(files: Sequence[FileDiff]) -> bytes:
    """The diff as git reads it."""
    out: list[str] = []
    for file in files:
        out += file.head
        for hunk in file.hunks:
            out.append(f"@@ -{hunk.start},{hunk.count(' -')} +{hunk.into},{hunk.count(' +')} @@")
            out += [mark + text for mark, text in hunk.lines]
    return ("\n".join(out) + "\n").encode("utf-8", "surrogateescape")


# ---------------------------------------------------------------- git


def _git(
    inputs: Mapping[str, bytes], text: bytes, strip: int, *, back: bool, zero: bool, reduced: bool
) -> tuple[dict[str, bytes | None], str]:
    """What `git apply` makes of the files, and what it says. Raises Unfit, NoGit."""
    flags = ["-v", "--whitespace=nowarn", f"-p{strip}"]
    flags += ["-R"] * back + ["--unidiff-zero"] * zero + ["-C1"] * reduced
    with tempfile.TemporaryDirectory(prefix="checker-") as name:
        folder = Path(name).resolve()
        for path, data in inputs.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        done = _run(folder, flags, text)
        if done.returncode:
            raise _unfit(done.stderr.decode("utf-8", "surrogateescape"))
        made: dict[str, bytes | None] = dict.fromkeys(inputs)
        for file in folder.rglob("*"):
            if file.is_file() and not file.is_symlink():
                made[file.relative_to(folder).as_posix()] = file.read_bytes()
    return made, done.stderr.decode("utf-8", "surrogateescape")


def _run(folder: Path, flags: list[str], text: bytes) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_ATTR_NOSYSTEM": "1", "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder), "GIT_CEILING_DIRECTORIES": str(folder.parent), "LC_ALL": "C",
    }  # fmt: skip
    try:
        return subprocess.run(
            ["git", "--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "apply", *flags, "-"],
            cwd=folder, input=text, capture_output=True, timeout=LIMIT, check=False, env=environment,
        )  # fmt: skip
    except FileNotFoundError:
        raise NoGit("git is not installed, and it applies the patches", hint="install git (Debian: apt install git)") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CheckerError(f"git apply cannot be run: {error}") from None


def _unfit(said: str) -> Unfit:
    """git's complaint in our words."""
    if found := _FAILED.search(said):
        return Unfit(f"the hunk at line {found[2]} does not fit {found[1]}", found[1], int(found[2]))
    found = _ERROR.search(said)
    path, message = (found[1] or "", found[2]) if found else ("", said.strip().split("\n")[-1])
    return Unfit(f"git apply: {path}{': ' if path else ''}{message}", path)


def _told(said: str, files: Sequence[FileDiff], *, back: bool) -> tuple[set[tuple[int, int]], list[tuple[str, int]]]:
    """The hunks that are off, by file and hunk; and (file, line) of those that fit with less context.

    Backwards git begins with the last file (since 2.30).
    """
    placed: set[tuple[int, int]] = set()
    less: list[tuple[str, int]] = []
    order = iter(reversed(range(len(files))) if back else range(len(files)))
    at = 0
    for line in said.split("\n"):
        if line.startswith("Checking patch "):
            at = next(order)
        elif found := _PLACED.match(line):
            placed.add((at, int(found[1]) - 1))
        elif found := _REDUCED.match(line):
            less.append((files[at].new or files[at].old, int(found[1])))
    return placed, less
