"""What a gate lets pass: read from `[tool.checker.gate]` in pyproject.toml, or `[gate]` in checker.toml.

Every key has a default, a key nobody knows is an error, and what does not block is still reported.

    [tool.checker.gate]
    paths = ["litmus"]
    baseline = "litmus/baseline.json"
    require = ["lkmm"]            # every test must say what it expects of these models
    timeout = 30                  # seconds for one test under one model
    block = ["unexpected", "changed", "unknown"]
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from checker.core.source import CheckerError, Source, Span
from checker.parse.files import read_source

KINDS: dict[str, str] = {
    "error": "a test, a patch or a binding cannot be used",
    "unexpected": "the verdict is not what the file expects",
    "changed": "the verdict is not that of the baseline",
    "race-appeared": "a data race that the baseline does not have",
    "race-gone": "a data race of the baseline is gone",
    "missing": "the file says nothing of a model it has to speak of",
    "unknown": "no verdict: a timeout, a loop bound, a lost worker",
    "added": "a test that the baseline does not have",
    "removed": "a test of the baseline is gone",
    "renamed": "a test of the baseline has another path",
    "stale": "verdicts differ from the baseline, and so does a model, the solver or the checker",
    "harmful": "with the patch, a model allows what the test forbids",
    "review": "a changed barrier that no test can be asked about: needs review",
    "drift": "the kernel's code is not what the test says it is",
    "uncovered": "a barrier is lost in a function that no test covers: nothing judged it",
    "unasked": "a barrier changes in a function that no test covers, and no path loses order by it",
    "leans": "with the patch, it holds by what the kernel does, not by what is documented",
    "already": "with the patch, a model allows what it allowed before",
    "repaired": "with the patch, a model forbids what it allowed before",
    "skeleton": "the patch changes the order of a function that tests cover",
    "harmless": "with the patch, every model still forbids what the test forbids",
}
BLOCKING = ("unexpected", "changed", "race-appeared", "missing", "unknown", "removed", "harmful", "review")
WARNING = ("race-gone", "drift", "uncovered")


class BadPolicy(CheckerError):
    """A configuration that cannot be followed."""

    code = "policy"


@dataclass(frozen=True, slots=True)
class Policy:
    """What to check, and what blocks. `models` empty: every model a file names; `memory` is MiB for a worker, 0 no limit."""

    paths: tuple[str, ...] = ()
    baseline: str = ""
    models: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    block: tuple[str, ...] = BLOCKING
    timeout: float = 60.0
    memory: int = 4096
    unroll: int = 2
    depth: int = 3
    arch: tuple[str, ...] = ("arm64", "x86")

    def level(self, kind: str) -> str:
        """error, block, warning or note."""
        if kind == "error":
            return "error"
        if kind in self.block:
            return "block"
        return "warning" if kind in WARNING or kind in BLOCKING else "note"


def load_policy(folder: str | Path, config: str | Path | None = None) -> Policy:
    """The policy in the file `config`, or in the checker.toml or pyproject.toml of `folder`; the default where neither is."""
    candidates = [Path(config)] if config else [Path(folder) / "checker.toml", Path(folder) / "pyproject.toml"]
    for path in candidates:
        if config or path.is_file():
            source = read_source(path)
            table = _table(source, path.name)
            if table is not None:
                return _policy(table, source)
    return Policy()


def _table(source: Source, name: str) -> Mapping[str, object] | None:
    here = Span(source, 0, 0)
    try:
        found: object = tomllib.loads(source.text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadPolicy(f"this is not TOML: {error}", here) from None
    for key in ("tool", "checker", "gate") if name == "pyproject.toml" else ("gate",):
        found = found.get(key) if isinstance(found, Mapping) else None
    if found is not None and not isinstance(found, Mapping):
        raise BadPolicy("the gate's settings are not a table", here, hint="write [tool.checker.gate]")
    return found


def _policy(table: Mapping[str, object], source: Source) -> Policy:
    settings: dict[str, object] = {}
    for key, value in table.items():
        if key not in _READ:
            near = difflib.get_close_matches(key, _READ, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"the settings are {', '.join(_READ)}"
            raise BadPolicy(f"unknown setting {key!r}", _where(source, key), hint=hint)
        try:
            settings[key] = _READ[key](value)
        except ValueError as error:
            raise BadPolicy(f"{key!r} must be {error}", _where(source, key)) from None
    return Policy(**settings)  # type: ignore[arg-type]


def _where(source: Source, key: str) -> Span:
    for number, line in enumerate(source.text.split("\n"), 1):
        if line.lstrip().startswith(key):
            column = line.index(key) + 1
            return Span(source, number, column, column + len(key))
    return Span(source, 0, 0)


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
        raise ValueError("a list of names")
    return tuple(value)


def _kinds(value: object) -> tuple[str, ...]:
    names = _names(value)
    unknown = [name for name in names if name not in KINDS]
    if unknown:
        raise ValueError(f"a list of {', '.join(KINDS)}; {unknown[0]!r} is none of them")
    return names


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a text")
    return value


def _number(least: float, most: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ValueError(f"a number from {least:g} to {most:g}")
        return float(value)

    return read


def _whole(least: int, most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return value

    return read


_READ: dict[str, Callable[[object], object]] = {
    "paths": _names,
    "baseline": _text,
    "models": _names,
    "require": _names,
    "block": _kinds,
    "timeout": _number(0.1, 86_400),
    "memory": _whole(0, 1_000_000),
    "unroll": _whole(1, 1000),
    "depth": _whole(0, 8),
    "arch": _names,
}
