"""What was true when somebody last looked: the verdict of every test, in a file that is reviewed like code.

Tests are found by path (relative to the baseline's folder, with `/`) and, when they moved, by a digest of their text.

    {"format": 1, "tool": "0.1.0", "solver": "Z3 …", "models": {"lkmm": "ab12…"},
     "tests": {"kvm/a.litmus": {"digest": "…", "verdicts": {"lkmm": "Never"}}}}
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from checker.core.source import CheckerError, LimitExceeded, Source, Span
from checker.parse.files import read_source
from checker.parse.grammar import check_size

FORMAT = 1


class BadBaseline(CheckerError):
    """A baseline file that cannot be relied on."""

    code = "baseline"


@dataclass(frozen=True, slots=True)
class Known:
    """What a baseline says of one test."""

    digest: str
    verdicts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Baseline:
    """`tests` by path; `models` and their keys, `tool` and `solver` are what the verdicts were obtained with."""

    tests: Mapping[str, Known] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    tool: str = ""
    solver: str = ""


def relative(path: str, baseline: str) -> str:
    """How the baseline in the file `baseline` names the test at `path`."""
    return Path(os.path.relpath(path, os.path.dirname(baseline) or ".")).as_posix()


def read_baseline(path: str | Path) -> Baseline:
    """The baseline in a file. Raises CheckerError when it is not there or is damaged."""
    source = read_source(path)
    try:
        check_size(source)  # the JSON reader would follow any nesting, down to the end of the stack
        return _baseline(json.loads(source.text))
    except (ValueError, LimitExceeded) as error:
        raise BadBaseline(
            f"this is not a baseline: {error}", Span(source, 0, 0), hint="make it anew with --update-baseline"
        ) from None


def _baseline(found: object) -> Baseline:
    top = _table(found, "the file")
    if top.get("format") != FORMAT:
        raise ValueError(f"its format is {top.get('format')!r}, not {FORMAT}")
    tests = {}
    for path, test in _table(top.get("tests"), "'tests'").items():
        known = _table(test, repr(path))
        tests[path] = Known(_text(known.get("digest"), "'digest'"), _texts(known.get("verdicts"), "'verdicts'"))
    return Baseline(
        tests, _texts(top.get("models"), "'models'"), _text(top.get("tool"), "'tool'"), _text(top.get("solver"), "'solver'")
    )


def _table(found: object, name: str) -> Mapping[str, object]:
    if not isinstance(found, dict):
        raise ValueError(f"{name} is not an object")
    return found


def _text(found: object, name: str) -> str:
    if not isinstance(found, str):
        raise ValueError(f"{name} is not a text")
    return found


def _texts(found: object, name: str) -> dict[str, str]:
    return {key: _text(value, name) for key, value in _table(found, name).items()}


def write_baseline(path: str | Path, baseline: Baseline) -> None:
    """Write the file whole, or not at all."""
    made = {
        "format": FORMAT,
        "tool": baseline.tool,
        "solver": baseline.solver,
        "models": dict(sorted(baseline.models.items())),
        "tests": {
            name: {"digest": known.digest, "verdicts": dict(sorted(known.verdicts.items()))}
            for name, known in sorted(baseline.tests.items())
        },
    }
    text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    beside = Path(f"{path}.new")
    try:
        beside.write_text(text, encoding="utf-8", errors="replace")
        os.replace(beside, path)
    except OSError as error:
        raise BadBaseline(f"it cannot be written: {error.strerror}", Span(Source(str(path), ""), 0, 0)) from None


def covers(roots: Iterable[str], name: str, baseline: str) -> bool:
    """Whether a run over `roots` would have come across the test that the baseline calls `name`."""
    full = os.path.normpath(os.path.join(os.path.dirname(baseline) or ".", name))
    return any(full == root or root == "." or full.startswith(root + os.sep) for root in map(os.path.normpath, roots))
