"""What was true when somebody last looked: the verdict of every test, in a file that is reviewed like code.

Tests are found by path (relative to the baseline's folder, with `/`) and, when they moved, by a digest of their text.

    {"format": 1, "tool": "0.1.0", "solver": "Z3 …", "models": {"lkmm": "ab12…"},
     "tests": {"kvm/a.litmus": {"digest": "…", "verdicts": {"lkmm": "Never"}}}}
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Struct, field

from checker.campaign.strict import NotSo, Table, like, read
from checker.core.source import CheckerError, LimitExceeded, Source, Span
from checker.parse.files import read_source, write_whole
from checker.parse.grammar import check_size

FORMAT = 1


class BadBaseline(CheckerError):
    """A baseline file that cannot be relied on."""

    code = "baseline"


class Known(Struct, frozen=True):
    """What a baseline says of one test."""

    digest: str
    verdicts: Mapping[str, str]


class Baseline(Struct, frozen=True):
    """`tests` by path; `models` and their keys, `tool` and `solver` are what the verdicts were obtained with."""

    tests: Mapping[str, Known] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    tool: str = ""
    solver: str = ""


def relative(path: str, baseline: str) -> str:
    """How the baseline in the file `baseline` names the test at `path`."""
    return Path(os.path.relpath(path, os.path.dirname(baseline) or ".")).as_posix()


class _Known(Table, frozen=True):
    digest: str
    verdicts: dict[str, Annotated[str, like(r"^(Never|Sometimes|Always|DEADLOCK)( [^ ]+)*$")]]


class _File(Table, frozen=True):
    format: Literal[1]
    tool: str
    solver: str
    models: dict[str, str]
    tests: dict[str, _Known]


def read_baseline(path: str | Path) -> Baseline:
    """The baseline in a file. Raises CheckerError when it is not there or is damaged."""
    source = read_source(path)
    try:
        check_size(source)  # the JSON reader would follow any nesting, down to the end of the stack
        found = read(json.loads(source.text, object_pairs_hook=_once), _File)
    except json.JSONDecodeError as error:
        raise BadBaseline(f"this is not JSON: {error.msg}", Span(source, error.lineno, error.colno), hint=_ANEW) from None
    except NotSo as error:
        hint = f"{error.hint}, or {_ANEW}" if error.hint else _ANEW
        raise BadBaseline(f"this is not a baseline: {error}", Span(source, 0, 0), hint=hint) from None
    except (ValueError, LimitExceeded) as error:
        raise BadBaseline(f"this is not a baseline: {error}", Span(source, 0, 0), hint=_ANEW) from None
    tests = {name: Known(known.digest, known.verdicts) for name, known in found.tests.items()}
    return Baseline(tests, found.models, found.tool, found.solver)


_ANEW = "remove it and make it anew with --update-baseline"


def _once(found: list[tuple[str, object]]) -> dict[str, object]:
    """An object in which no key stands twice, as a merge of two branches may leave them."""
    made = dict(found)
    if len(made) < len(found):
        twice = next(key for i, (key, _) in enumerate(found) if key in dict(found[:i]))
        raise ValueError(f"{twice!r} stands in it twice")
    return made


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
    try:
        write_whole(Path(path), text.encode("utf-8", "replace"))
    except OSError as error:
        raise BadBaseline(f"it cannot be written: {error.strerror}", Span(Source(str(path), ""), 0, 0)) from None


def lies_below(roots: Iterable[str], name: str, baseline: str) -> bool:
    """Whether the test that the baseline calls `name` is one of `roots`, or stands below one."""
    full = os.path.realpath(_full(name, baseline))
    return any(full == root or full.startswith(root.rstrip(os.sep) + os.sep) for root in map(os.path.realpath, roots))


def is_there(name: str, baseline: str) -> bool:
    """Whether there is a file where the baseline has the test `name`."""
    return os.path.lexists(_full(name, baseline))


def _full(name: str, baseline: str) -> str:
    return os.path.join(os.path.dirname(baseline) or ".", name)


def merged(before: Baseline, now: Baseline, *, gone: Collection[str], kept: Mapping[str, Collection[str]]) -> Baseline:
    """`before`, with what a run over a part of its tests found `now`.

    `kept` are the tests of that run, each with the models whose former verdict stays where there is no new one; `gone` are
    tests to be forgotten; all others stay as they were.
    """
    tests = {name: known for name, known in before.tests.items() if name not in gone and name not in kept}
    for name, models in kept.items():
        old = before.tests.get(name, Known("", {}))
        new = now.tests.get(name, Known(old.digest, {}))
        verdicts = {**{model: said for model, said in old.verdicts.items() if model in models}, **new.verdicts}
        if verdicts:
            tests[name] = Known(new.digest, verdicts)
    return Baseline(tests, {**before.models, **now.models}, now.tool, now.solver)
