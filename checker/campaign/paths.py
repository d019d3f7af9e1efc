"""What a user named, as jobs: files under models.

A file stands for itself, a folder for the tests below it, `@list` for what it lists.

A list holds one path a line, relative to its own folder; `#` begins a comment. Order is that of the arguments; within a
folder, of the names. What cannot be read is an error beside the paths, not the end of them.

    plan(["litmus/kvm", "@mine"], ["lkmm"])    [Job("litmus/kvm/a.litmus", "lkmm"), …], []
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from checker.campaign.corpus import Job
from checker.core.source import CheckerError, Source, Span, Unreadable
from checker.library import SHIPPED
from checker.parse.files import read_source
from checker.parse.sections import split

SUFFIX = ".litmus"
DEFAULT = "lkmm"


def plan(paths: Iterable[str], models: Sequence[str] | None) -> tuple[list[Job], list[CheckerError]]:
    """The jobs, and what was wrong with the rest. Without `models`, a file is checked under those it expects something of."""
    files, errors = expand_paths(paths)
    return [Job(file, model) for file in files for model in (models or models_named_in(file))], errors


def models_named_in(path: str) -> list[str]:
    """The models that a file expects something of, the kernel's first; that alone where it names none or cannot be read."""
    archs = sorted({arch for model in SHIPPED.values() for arch in model.archs})
    try:
        named = dict.fromkeys([e.model for e in split(read_source(path), archs).expect])
    except CheckerError:
        return [DEFAULT]  # the check itself will say what is wrong
    return sorted(named, key=lambda name: name != DEFAULT) or [DEFAULT]


def expand_paths(paths: Iterable[str]) -> tuple[list[str], list[CheckerError]]:
    """The files that `paths` stand for, and what was wrong with the rest."""
    files: list[str] = []
    errors: list[CheckerError] = []
    for path in paths:
        for found in _expand(path, frozenset()):
            if isinstance(found, CheckerError):
                errors.append(found)
            else:
                files.append(found)
    return files, errors


def _expand(path: str, lists: frozenset[Path], said: Span | None = None) -> Iterator[str | CheckerError]:
    if os.path.isdir(path):
        yield from _tests_below(path, said)
    elif os.path.basename(path).startswith("@"):
        yield from _listed(path, lists, said)
    else:
        yield path


def _tests_below(folder: str, said: Span | None) -> Iterator[str | CheckerError]:
    problems: list[OSError] = []
    empty = True
    for where, folders, names in os.walk(folder, onerror=problems.append):
        folders.sort()
        for name in sorted(names, key=lambda name: name.removesuffix(SUFFIX)):
            if name.endswith(SUFFIX):
                empty = False
                yield os.path.join(where, name)
    for problem in problems:
        place = Span(Source(str(problem.filename), ""), 0, 0)
        yield Unreadable(f"the folder cannot be read: {problem.strerror}", place)
    if empty and not problems:
        hint = f"a test is a file whose name ends in {SUFFIX}"
        yield Unreadable("there is no test in this folder", said or Span(Source(folder, ""), 0, 0), hint=hint)


def _listed(path: str, lists: frozenset[Path], said: Span | None) -> Iterator[str | CheckerError]:
    here = Path(path).resolve()
    if here in lists:
        yield Unreadable("this list includes itself", said or Span(Source(path, ""), 0, 0))
        return
    try:
        source = read_source(path)
    except CheckerError as error:
        yield error
        return
    for number, line in enumerate(source.text.split("\n"), 1):
        name = line.partition("#")[0].strip()
        if name:
            place = Span(source, number, line.index(name) + 1, line.index(name) + len(name) + 1)
            yield from _expand(os.path.join(os.path.dirname(path), name), lists | {here}, place)
