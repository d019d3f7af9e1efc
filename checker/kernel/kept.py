"""What was made out of source, kept from run to run in one file: values under keys that hold digests of all they were made from.

A value comes back only as what was put in: its key and a digest stand beside it, and it must have the type that is asked for. A
file that is damaged, locked or of another version costs time, never an answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import weakref
from pathlib import Path
from typing import TypeVar

import msgspec

MOST = 1_000_000_000
"""How many bytes the file may have before it is begun anew."""
_Value = TypeVar("_Value")


class Kept:
    """Values in the file `folder`/source.db, of this version of the program."""

    def __init__(self, folder: Path, version: str) -> None:
        self.file, self.version = folder / "source.db", version
        self.base: sqlite3.Connection | None = None
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self.file.exists() and self.file.stat().st_size > MOST:
                self.file.unlink()
        self._open()

    def _open(self) -> None:
        for _ in range(2):
            try:
                base = sqlite3.connect(self.file, timeout=1, isolation_level=None)
                weakref.finalize(self, base.close)
                base.execute("PRAGMA journal_mode=WAL")
                base.execute("PRAGMA synchronous=OFF")
                base.execute("CREATE TABLE IF NOT EXISTS kept (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
            except sqlite3.OperationalError:  # locked, or nowhere to write
                return
            except sqlite3.DatabaseError:  # not such a file, or damaged
                self._drop()
            else:
                self.base = base
                return

    def _drop(self) -> None:
        """Begin anew."""
        self.base = None
        for file in self.file.parent.glob(f"{self.file.name}*"):  # -wal and -shm, too
            with contextlib.suppress(OSError):
                file.unlink()

    def get(self, key: str, kind: type[_Value]) -> _Value | None:
        """The value under a key; None where there is none of that kind."""
        if self.base is None:
            return None
        name = self._key(key)
        try:
            row = self.base.execute("SELECT value FROM kept WHERE key = ?", (name,)).fetchone()
        except sqlite3.DatabaseError:
            self._drop()
            return None
        if row is None or not isinstance(row[0], bytes) or row[0][:20] != _seal(name, row[0][20:]):
            return None
        try:
            return msgspec.msgpack.decode(row[0][20:], type=kind)
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
            return None

    def put(self, key: str, value: object) -> None:
        """Keep a value."""
        if self.base is None:
            return
        name, data = self._key(key), msgspec.msgpack.encode(value)
        try:
            self.base.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (name, _seal(name, data) + data))
        except sqlite3.OperationalError:
            return
        except sqlite3.DatabaseError:
            self._drop()

    def _key(self, key: str) -> bytes:
        return hashlib.blake2b(f"{self.version}\0{key}".encode("utf-8", "surrogateescape"), digest_size=20).digest()


def _seal(key: bytes, data: bytes) -> bytes:
    return hashlib.blake2b(key + data, digest_size=20).digest()
