"""What a gate keeps of a check: a `Row`, small enough to be cached, journaled and compared; and the store of rows.

A row is found by its key: a digest of the test's text, the model's files, the options, and of this program and its solver,
so that whatever could change a verdict changes the key. A stored row carries a digest of itself: one that does not fit is
thrown away and made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict, replace

from checker import __version__
from checker.campaign.corpus import Outcome
from checker.campaign.strict import NotSo, read
from checker.parse.files import write_whole
from checker.result import UNKNOWN
from checker.solve import solver

FORMAT = 2
MOST = 50_000
_PACKAGE = Path(__file__).resolve().parent.parent


class Row(Struct, frozen=True):
    """One test under one model. `verdict` is Never, Sometimes, Always, DEADLOCK or Unknown; `line` and `column` those of the
    expectation, or of the error.

    `unmet` says how the verdict differs from what the file expects; `expected` is empty where the file expects nothing.
    `reason` says what could not be answered (the condition, a flag), and why.
    """

    path: str
    model: str
    test: str = ""
    verdict: str = UNKNOWN
    race: bool = False
    flags: tuple[str, ...] = ()
    expected: str = ""
    unmet: str = ""
    reason: str = ""
    error: str = ""
    code: str = ""
    line: int = 1
    column: int = 1
    seconds: float = 0.0
    cached: bool = False

    @property
    def undecided(self) -> bool:
        """Whether a question of the test has no answer."""
        return self.verdict == UNKNOWN or bool(self.reason)

    @property
    def said(self) -> str:
        """The verdict as a baseline holds it."""
        flags = [flag.upper() for flag in self.flags if flag != "data-race"]
        return " ".join([self.verdict, *["DATARACE"] * self.race, *flags])


def row(outcome: Outcome) -> Row:
    """The row of an outcome."""
    result, path, model = outcome.result, outcome.path, outcome.model
    if result is None:
        return Row(
            path, model, reason=outcome.unknown_because, error=outcome.error, code=outcome.code, line=outcome.place[0],
            column=outcome.place[1], seconds=round(outcome.seconds, 4),
        )  # fmt: skip
    wanted = result.expected
    said = wanted.span if wanted is not None else result.condition.span
    return Row(
        path, model, result.test,
        verdict=result.observation,
        race="data-race" in result.flags,
        flags=result.flags,
        expected="" if wanted is None else str(wanted),
        unmet=result.contradiction(),
        reason=result.unanswered_text(),
        line=said.line or 1,
        column=said.column or 1,
        seconds=round(outcome.seconds, 4),
    )  # fmt: skip


# ---------------------------------------------------------------- keys


@cache
def tool() -> str:
    """This program's version, and a digest of everything it is made of, the libraries that read for it included."""
    made = hashlib.sha256(" ".join(map(_version, ("lark", "tree-sitter", "tree-sitter-c"))).encode())
    for folder in (_PACKAGE, _PACKAGE.parent / "grammar"):
        for file in sorted(folder.rglob("*")):
            if file.suffix in (".py", ".lark", ".cat", ".bell", ".def") and file.is_file():
                made.update(f"{file.relative_to(folder)}\0{len(data := file.read_bytes())}\0".encode() + data)
    return f"{__version__}+{made.hexdigest()[:12]}"


def _version(library: str) -> str:
    """The version of an installed library; empty where it is not installed."""
    try:
        return f"{library}-{version(library)}"
    except PackageNotFoundError:
        return ""


def digest_of(data: bytes) -> str:
    """How a text is known again."""
    return hashlib.sha256(data).hexdigest()


def key(digest: str, model: str, model_key: str, options: str) -> str:
    """The key of a row: of the digest of a test's text, of the model's files, of the options, and of this program."""
    parts = [str(FORMAT), tool(), solver.version(), model, model_key, options, digest]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


# ---------------------------------------------------------------- rows as text

_NAMES = Row.__struct_fields__


def pack(key: str, row: Row) -> str:
    """A row as one line, sealed."""
    body = json.dumps(asdict(row), sort_keys=True)
    return json.dumps({"key": key, "seal": _seal(key, body), "row": body})


def unpack(line: str) -> tuple[str, Row] | None:
    """The row in a line, with its key; None where the line is not one that `pack` made."""
    try:
        outer = json.loads(line)
        key, body = outer["key"], outer["row"]
        if not isinstance(key, str) or not isinstance(body, str) or outer["seal"] != _seal(key, body):
            return None
        made = json.loads(body)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(made, dict) or set(made) != set(_NAMES):
        return None
    try:
        return key, read(made, Row)
    except NotSo:
        return None


def _seal(key: str, body: str) -> str:
    return hashlib.sha256(f"{key}\0{body}".encode("utf-8", "surrogateescape")).hexdigest()


# ---------------------------------------------------------------- the store


class Store(Struct, frozen=True):
    """Rows in a folder, one file each. A folder that cannot be used costs time, never a verdict."""

    folder: Path

    def get(self, key: str, path: str) -> Row | None:
        """The row under `key`, told of the test at `path`."""
        try:
            text = self._file(key).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return None
        found = unpack(text)
        if found is None or found[0] != key:
            return None
        return replace(found[1], path=path, cached=True, seconds=0.0)

    def put(self, key: str, row: Row) -> None:
        """Keep a row that has a verdict: what is Unknown or an error today may be decided tomorrow."""
        if row.error or row.undecided:
            return
        with contextlib.suppress(OSError):
            self._file(key).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(self._file(key), pack(key, row).encode("utf-8", "surrogateescape"))

    def trim(self) -> None:
        """Drop the oldest rows when there are too many."""
        with contextlib.suppress(OSError):
            files = sorted(self.folder.glob("??/*"), key=lambda f: f.stat().st_mtime)
            for file in files[: max(0, len(files) - MOST)]:
                file.unlink(missing_ok=True)

    def _file(self, key: str) -> Path:
        return self.folder / key[:2] / key[2:]


# ---------------------------------------------------------------- the journal


class Journal(Struct, frozen=True):
    """The rows of one run, as they come, so that a run that was cut short can go on."""

    file: Path

    def rows(self) -> dict[str, Row]:
        """What was written so far, by key. Torn and foreign lines are passed over."""
        try:
            text = self.file.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return {}
        return dict(found for line in text.split("\n") if (found := unpack(line)) is not None)

    @contextlib.contextmanager
    def writing(self, *, afresh: bool) -> Iterator[Writer]:
        """Write on, or from the beginning. A journal that cannot be written is an error: somebody counts on it."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("w" if afresh else "a", encoding="utf-8", errors="surrogateescape") as stream:
            if not afresh:
                stream.write("\n")
            yield Writer(stream)


class Writer:
    """Appends rows to an open journal."""

    def __init__(self, stream: object) -> None:
        self.stream = stream

    def add(self, key: str, row: Row) -> None:
        self.stream.write(pack(key, row) + "\n")  # type: ignore[attr-defined]
        self.stream.flush()  # type: ignore[attr-defined]
