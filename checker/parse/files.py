"""A file from disk as a `Source`, or a reason why it cannot be read as text.

read_source("MP.litmus")    Source("MP.litmus", "C MP\\n{…}…")
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from checker.core.source import CheckerError, Source, Span, Unreadable

MAX_BYTES = 1_000_000

_PACKAGE = Path(__file__).resolve().parent.parent
_T = TypeVar("_T")


def data_folder(name: str) -> Path:
    """The folder `name` of files that ship beside the package: in an installed wheel, or in a checkout."""
    shipped = _PACKAGE / "_data" / name
    return shipped if shipped.is_dir() else _PACKAGE.parent / name


def cache_folder(name: str) -> Path:
    """Where things of the kind `name` are kept from run to run. There may be no such folder, and no way to make it."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("litmus-checker")) / name


def write_whole(file: Path, data: bytes) -> None:
    """Write a file, whole or not at all, its folder too. Raises OSError, with the name of the file."""
    beside = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(data)
        os.replace(beside, file)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise OSError(error.errno, error.strerror, str(file)) from None


def kept(name: str, key: str, make: Callable[[], _T], still: Callable[[], bool] = lambda: True) -> _T:
    """What `make` gives. Later runs unpickle it from the user's cache for as long as `key`, all that it is made of, is the same.
    It is kept if it is `still` that when it is made."""
    here = hashlib.sha256(f"{_PACKAGE}\0{sys.version}".encode()).hexdigest()[:8]
    file = cache_folder("model") / f"{name}-{here}.pickle"
    with contextlib.suppress(Exception):  # whatever is wrong with what was kept, it is made again
        data = file.read_bytes()
        if data[:32] == _seal(key, data[32:]):
            found: _T = pickle.loads(data[32:])
            return found
    made = make()
    data = pickle.dumps(made, pickle.HIGHEST_PROTOCOL)
    if still():
        with contextlib.suppress(OSError):  # that costs time, never a verdict
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(file, _seal(key, data) + data)
    return made


def kept_with_files(name: str, key: str, make: Callable[[], tuple[_T, Sequence[str]]]) -> _T:
    """As `kept`, of what is made of files that only making it finds: `make` gives their paths, too, of missing ones as well.

    What was made while one of them changed is not kept.
    """
    listed = cache_folder("model") / f"{name}.files"

    def known() -> list[str]:
        try:
            return listed.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeError):
            return []

    def made() -> _T:
        found, files = make()
        with contextlib.suppress(OSError):
            write_whole(listed, "\n".join([os.path.abspath(file) for file in files]).encode())
        return found

    files = known()
    if not files:
        return made()
    state = _state(files)
    return kept(name, f"{key}\0{state}", made, lambda: known() == files and _state(files) == state)


def _state(files: Sequence[str]) -> str:
    return "\n".join([f"{file} {_digest_of(file)}" for file in files])


def _digest_of(file: str) -> str:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return "-"


def _seal(key: str, data: bytes) -> bytes:
    return hashlib.sha256(key.encode() + data).digest()


class Text(Struct, frozen=True):
    """A file as it was read, once: `data` is what it held, or why it could not be read."""

    path: str
    data: bytes | CheckerError

    def source(self) -> Source:
        """What it held, as text. Raises CheckerError."""
        if isinstance(self.data, CheckerError):
            raise self.data
        return decode(self.path, self.data)


def read_source(path: str | Path) -> Source:
    """The text of the file `path`: UTF-8, at most a million bytes, no NUL; line ends become newlines."""
    return decode(str(path), read_bytes(path))


def read_bytes(path: str | Path, *, regular: bool = False) -> bytes:
    """What the file `path` holds, up to one byte more than is allowed; `regular`: a pipe or a device is refused unopened."""
    here = Span(Source(str(path), ""), 0, 0)
    try:
        if Path(path).is_dir():
            raise Unreadable("this is a directory", here, hint="give a file, or the files inside it")
        if regular and not stat.S_ISREG(os.stat(path).st_mode):
            raise Unreadable("this is not a regular file", here, hint="a pipe or a device is read where it is named itself")
        with open(path, "rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise Unreadable("there is no such file", here) from None
    except PermissionError:
        raise Unreadable("the file may not be read", here, hint="check its permissions") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Unreadable(f"the file cannot be read: {reason}", here) from None


def decode(name: str, data: bytes) -> Source:
    """The text in `data`, under `name`."""
    here = Span(Source(name, ""), 0, 0)
    if len(data) > MAX_BYTES:
        raise Unreadable(f"the file is larger than {MAX_BYTES:,} bytes", here, hint="a litmus test is a page of text")
    if b"\0" in data:
        raise Unreadable("this is a binary file", here, hint="a litmus test is text")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"line {line} is not UTF-8 text", here, hint="save the file as UTF-8") from None
    return Source(name, text.replace("\r\n", "\n").replace("\r", "\n"))
