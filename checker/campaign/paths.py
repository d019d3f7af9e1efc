"""What a user named, as jobs: texts under models.

A file stands for itself, a folder for the tests below it, `@list` for what it lists, `-` for standard input.

A list holds one path a line, relative to its own folder; `#` begins a comment. Order is that of the arguments; within a
folder, of the names. Each file is read once, here. What cannot be read is an error beside the texts, not the end of them.

    plan(["litmus/kvm", "@mine"], ["lkmm"])    [Job(Text("litmus/kvm/a.litmus", b"C a…"), "lkmm"), …], []
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct, field

from checker.campaign.corpus import Job
from checker.core.source import CheckerError, Source, Span, Unreadable
from checker.library import SHIPPED
from checker.parse.files import MAX_BYTES, Text, decode, read_bytes
from checker.parse.sections import split

SUFFIX = ".litmus"
DEFAULT = "lkmm"
STDIN, STDIN_NAME = "-", "<stdin>"


def plan(paths: Iterable[str], models: Sequence[str] | None) -> tuple[list[Job], list[CheckerError]]:
    """The jobs, and what was wrong with the rest. Without `models`, a file is checked under those it expects something of."""
    texts, errors = texts_of(paths)
    return [Job(text, model) for text in texts for model in (models or models_named_in(text))], errors


def models_named_in(text: Text) -> list[str]:
    """The models that a text expects something of, the kernel's first; that alone where it names none or cannot be read."""
    archs = sorted({arch for model in SHIPPED.values() for arch in model.archs})
    try:
        named = dict.fromkeys([e.model for e in split(text.source(), archs).expect])
    except CheckerError:
        return [DEFAULT]  # the check itself will say what is wrong
    return sorted(named, key=lambda name: name != DEFAULT) or [DEFAULT]


def texts_of(paths: Iterable[str]) -> tuple[list[Text], list[CheckerError]]:
    """The texts that `paths` stand for, and what was wrong with the rest. What cannot be read as a file is a text too."""
    found = expand_paths(paths)
    return [text_at(path) if path in found.named else text_at(path, regular=True) for path in found.files], found.errors


def text_at(path: str, *, regular: bool = False) -> Text:
    """The file `path` as it is now, or why it cannot be read; `-` is standard input."""
    if path == STDIN:
        return Text(STDIN_NAME, sys.stdin.buffer.read(MAX_BYTES + 1))
    try:
        return Text(path, read_bytes(path, regular=regular))
    except CheckerError as error:
        return Text(path, error)


# ---------------------------------------------------------------- files, folders and lists


class Expanded(Struct):
    """What paths stand for. `named` are the files named on their own; `folders` those looked through, also for lists."""

    files: list[str] = field(default_factory=list)
    errors: list[CheckerError] = field(default_factory=list)
    named: set[str] = field(default_factory=set)
    folders: list[str] = field(default_factory=list)


def expand_paths(paths: Iterable[str], read: Callable[[str], bytes] = read_bytes) -> Expanded:
    """The files that `paths` stand for, and what was wrong with the rest. Lists are read with `read`."""
    made = Expanded()
    for path in paths:
        if not os.path.isdir(path) and not _is_list(path):
            made.named.add(path)
        for found in _expand(path, frozenset(), made, read):
            if isinstance(found, CheckerError):
                made.errors.append(found)
            else:
                made.files.append(found)
    return made


def _is_list(path: str) -> bool:
    return os.path.basename(path).startswith("@")


def _expand(
    path: str, lists: frozenset[Path], made: Expanded, read: Callable[[str], bytes], said: Span | None = None
) -> Iterator[str | CheckerError]:
    if os.path.isdir(path):
        made.folders.append(path)
        yield from _tests_below(path, said)
    elif _is_list(path):
        yield from _listed(path, lists, made, read, said)
    else:
        yield path


def _tests_below(folder: str, said: Span | None) -> Iterator[str | CheckerError]:
    problems: list[OSError] = []
    empty = True
    for where, folders, names in os.walk(folder, onerror=problems.append):
        folders.sort()
        for link in [at for name in folders if os.path.islink(at := os.path.join(where, name))]:
            if not Path(link).resolve().is_relative_to(Path(folder).resolve()):  # what lies below is found anyway
                hint = "name the folder it leads to, if it is meant"
                yield Unreadable("this link to a folder is not followed", Span(Source(link, ""), 0, 0), hint=hint)
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


def _listed(
    path: str, lists: frozenset[Path], made: Expanded, read: Callable[[str], bytes], said: Span | None
) -> Iterator[str | CheckerError]:
    here = Path(path).resolve()
    if here in lists:
        yield Unreadable("this list includes itself", said)
        return
    try:
        source = decode(path, read(path))
    except CheckerError as error:
        yield error
        return
    for number, line in enumerate(source.text.split("\n"), 1):
        name = line.partition("#")[0].strip()
        if name:
            place = Span(source, number, line.index(name) + 1, line.index(name) + len(name) + 1)
            yield from _expand(os.path.join(os.path.dirname(path), name), lists | {here}, made, read, place)
