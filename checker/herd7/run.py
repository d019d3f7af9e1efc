"""Checks tests as herd7 would be asked to, prints what herd7 prints, and says with which exit code to end.

What is wrong with a test is a warning, and the next test is checked; the exit code stays 0 (1 with `-exit true`), as herd7 has
it. A header that cannot be read, a model or an option that is not there, end the run with 2. Where herd7 would print and there
is no answer here (an Unknown but for a loop that was cut), nothing is printed but a warning.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from msgspec import Struct
from msgspec.structs import replace

from checker.cat.term import Model
from checker.check import Options, check
from checker.core.source import CheckerError, Source, UnknownPrimitive, Unreadable, printable
from checker.herd7.hashes import digest
from checker.herd7.options import Asked, find_in
from checker.library import SHIPPED, load_model, test_in, without
from checker.parse.files import read_source
from checker.parse.macros import MODELS
from checker.parse.sections import Sections, split
from checker.program.ir import And, Condition, Not, Prop, Test
from checker.report.herd import herd
from checker.result import Result

AS_ASKED, FAILED = 0, 1

STANDARD = {
    "aarch64.cat": str(MODELS / "aarch64" / "herd7.cat"),
    "x86tso.cat": "x86-tso",
    "x86tso-mixed.cat": "x86-tso",
    "riscv.cat": "riscv",
    "ppc.cat": "ppc",
    "sc.cat": "sc",
}
"""herd7's own models, and what they are here."""
DEFAULT = {
    "AArch64": "aarch64.cat",
    "X86": "x86tso.cat",
    "X86_64": "x86tso-mixed.cat",
    "RISCV": "riscv.cat",
    "PPC": "ppc.cat",
}
KINDS = {"allowed": "exists", "forbidden": "~exists", "required": "forall", "exists": "exists", "~exists": "~exists",
         "forall": "forall", "allow": "exists", "forbid": "~exists", "require": "forall"}  # fmt: skip


class Stop(Exception):
    """Nothing more is checked; the text says why."""


class Seat(Struct):
    """One run: what was asked for, the streams, and the tests printed so far, by name: their hash and file."""

    asked: Asked
    results: TextIO
    people: TextIO
    seen: dict[str, tuple[str, str]]
    chosen: frozenset[str] | None  # the names of tests to check; None: all
    excluded: frozenset[str]
    kinds: dict[str, str]

    def warn(self, text: str) -> None:
        self.people.write(f"Warning: {text}\n")
        self.people.flush()


def folders(asked: Asked) -> list[str]:
    """Where named files are looked for."""
    return [".", *asked.lists.get("I", ()), *filter(None, [os.environ.get("HERDLIB"), asked.values.get("set-libdir")])]


def find(name: str, asked: Asked) -> Path:
    """The file that an option names. Raises Stop."""
    found = find_in(folders(asked), name)
    if found is None:
        raise Stop(f"Cannot find file {name}")
    return found


def run(asked: Asked, results: TextIO, people: TextIO) -> int:
    """Check the files, or those that standard input lists. Raises Stop."""
    seat = Seat(
        asked,
        results,
        people,
        {},
        _names(asked, "names", "oknames"),
        _names(asked, "excl", "nonames") or frozenset(),
        _kinds(asked),
    )
    model_of = _models(asked)
    files = (asked.files and (found for file in asked.files for found in _listed(file))) or _lines(sys.stdin, ".")
    failed = asked.on("exit")
    for file in files:
        if not _one(seat, file, model_of) and failed:
            return FAILED
    return AS_ASKED


def _listed(path: str) -> Iterator[str]:
    """A file, or the files in a list: `@list` has one path a line, relative to its own folder."""
    if not os.path.basename(path).startswith("@"):
        yield path
        return
    try:
        with open(path, encoding="utf-8") as lines:
            yield from _lines(lines, os.path.dirname(path) or ".")
    except OSError as error:
        raise Stop(f"open_in failed: {path}: {error.strerror}") from None


def _lines(lines: TextIO, folder: str) -> Iterator[str]:
    for line in lines:
        name = line.rstrip("\n")
        if name and not name.startswith("#"):
            yield from _listed(name if folder == "." else os.path.join(folder, name))


# ---------------------------------------------------------------- one test


def _one(seat: Seat, file: str, model_of: Callable[[str], Model]) -> bool:
    """Check one file and print; False where it could not be checked."""
    try:
        if not Path(file).is_file():
            reason = "Is a directory" if Path(file).is_dir() else "No such file or directory"
            seat.warn(f'File "{file}": open_in failed: {file}: {reason}')
            return False
        source = read_source(file)
        sections = _sections(source)
        if not _wanted(seat, sections.name):
            return True
        return _answered(seat, file, source, sections, model_of)
    except (Stop, OSError):
        raise
    except CheckerError as error:
        seat.warn(_as_herd7(file, error))
    except Exception as error:  # a bug of ours is no verdict
        seat.warn(f'File "{file}": internal error: {type(error).__name__}: {error}')
    return False


def _sections(source: Source) -> Sections:
    try:
        return split(source, sorted({arch for model in SHIPPED.values() for arch in model.archs}))
    except CheckerError as error:
        if isinstance(error, Unreadable):
            raise
        raise Stop(f"{error.render()}") from None


def _answered(seat: Seat, file: str, source: Source, sections: Sections, model_of: Callable[[str], Model]) -> bool:
    asked = seat.asked
    begun = time.perf_counter()
    hashed = digest(source, sections)
    before = seat.seen.get(sections.name)
    if before is not None and before[0] == hashed:
        return True
    if before is not None:
        seat.warn(f'File "{file}": Different hashes for test {sections.name} (previous file {before[1]}) (User error)')
        return False
    test = _as_asked(test_in(source), seat)
    model = model_of(test.arch)
    unroll, timeout = asked.number("unroll"), asked.values.get("timeout")
    options = Options(
        states=True, counts=True, witness=False, unroll=2 if unroll is None else unroll, progress=False,
        timeout=float(timeout) if timeout else None,
    )  # fmt: skip
    result = check(test, model, options)
    seat.seen[sections.name] = (hashed, file)
    if result.counts is None or result.states is None:
        reason = result.unanswered_text() or "not all states are known"
        seat.warn(f'File "{file}": no answer: {reason}')
        return False
    if "badexecs" in asked.values and not asked.on("badexecs") and _bad(result, asked):
        return True
    seat.results.write(herd(_as_shown(result, asked), time.perf_counter() - begun, hashed, _mapping(sections)))
    seat.results.flush()
    if asked.values.get("show", "none") != "none" and asked.values.get("o"):
        from checker.herd7.pictures import draw

        draw(test, model, options, asked, Path(file).stem, seat.warn, seat.results)
    if result.cut:
        seat.warn(f'File "{file}": unrolling limit exceeded, legal outcomes may be missing.')
    return True


def _mapping(sections: Sections) -> dict[str, str]:
    """How registers are shown: `Mapping=0:X2=r0,1:X1=r1`, as what translates tests writes it."""
    said = next((value for key, value in sections.info if key.lower() == "mapping"), "")
    found = [re.fullmatch(r"\s*([0-9]+):(\w+)=(\w+)\s*", item) for item in said.split(",")]
    return {f"{item[1]}:{item[2]}": f"{item[1]}:{item[3]}" for item in found if item}


def _wanted(seat: Seat, name: str) -> bool:
    return (seat.chosen is None or name in seat.chosen) and name not in seat.excluded


def _bad(result: Result, asked: Asked) -> bool:
    return result.undefined or asked.values.get("badflag") in result.flags


def _as_asked(test: Test, seat: Seat) -> Test:
    """The test with the question that was asked: another quantifier, no filter, or only the executions that decide."""
    asked, condition = seat.asked, test.condition
    if (kind := seat.kinds.get(test.name)) is not None:
        condition = Condition(kind, condition.prop, condition.span)
    kept = None if asked.values.get("checkfilter") == "false" else test.filter
    if asked.values.get("speedcheck", "false") != "false":
        decides: Prop = Not(condition.prop) if condition.quantifier == "forall" else condition.prop
        kept = decides if kept is None else And((kept, decides))
    return replace(test, condition=condition, filter=kept)


def _as_shown(result: Result, asked: Asked) -> Result:
    """What herd7 has of a result: at `-speedcheck fast` the first execution that decides."""
    assert result.counts is not None and result.states is not None
    if asked.values.get("speedcheck") != "fast":
        return result
    return replace(result, states=result.states[:1], counts=(min(1, result.counts[0]), min(1, result.counts[1])))


def _as_herd7(file: str, error: CheckerError) -> str:
    """The error as herd7 words it where scripts look for that; otherwise what is wrong, where, and what would work."""
    if isinstance(error, UnknownPrimitive):
        return f'File "{file}": Unknown macro {error.message.split(chr(39))[1]} (User error)'
    place = ""
    if error.span is not None and error.span.line and error.span.source.name == file:
        place = f", line {error.span.line}, characters {error.span.column - 1}-{max(error.span.end, error.span.column + 1) - 1}"
    hint = f"; {error.hint}" if error.hint else ""
    return f'File "{file}"{place}: {printable(error.message + hint)} (User error)'


# ---------------------------------------------------------------- the model


def _models(asked: Asked) -> Callable[[str], Model]:
    """The model for tests of an architecture: the one named, or that architecture's. Raises Stop for one that cannot be read."""
    variants = asked.each("variant")
    made: dict[str, Model] = {}

    def load(name: str) -> Model:
        path = find_in(folders(asked)[: 1 + len(asked.lists.get("I", ()))], name)
        shipped = STANDARD.get(name)
        if path is None and (shipped is None or not (shipped in SHIPPED or Path(shipped).is_file())):
            path = find(name, asked)
        bell, macros = [None if (given := asked.values.get(key)) is None else str(find(given, asked)) for key in ("bell", "macros")]
        try:
            model = load_model(
                shipped or "" if path is None else str(path),
                bell=bell, macros=macros, include=folders(asked), variants=sorted(variants), plain=True,
            )  # fmt: skip
        except CheckerError as error:
            raise Stop(error.render()) from None
        skipped = asked.each("skipcheck") | asked.each("skipchecks")
        return without(model, skipped) if skipped else model

    def model_of(arch: str) -> Model:
        name = asked.values.get("model") or DEFAULT.get(arch)
        if name is None or (arch == "C" and not asked.values.get("macros")):
            raise Stop("C tests need a model and macros: give -conf linux-kernel.cfg, in the folder tools/memory-model")
        if arch == "C" and "lkmmv2" not in variants:
            raise Stop("C tests are checked as '-variant lkmmv2' has them, and in no other way: the .cfg of Linux 6.15 says so")
        if name not in made:
            made[name] = load(name)
        return made[name]

    if (named := asked.values.get("model")) is not None:
        made[named] = load(named)
    return model_of


# ---------------------------------------------------------------- files of names


def _names(asked: Asked, files: str, words: str) -> frozenset[str] | None:
    """The first word of each line of the files that an option names, and the names given; None where there are none."""
    if files not in asked.lists and words not in asked.lists:
        return None
    found = {line.split(" ")[0] for file in asked.lists.get(files, ()) for line in _text(file).split("\n") if line}
    return frozenset(found) | asked.each(words)


def _kinds(asked: Asked) -> dict[str, str]:
    """The quantifier that the files named by -kinds give tests."""
    found: dict[str, str] = {}
    for file in asked.lists.get("kinds", ()):
        for number, line in enumerate(_text(file).split("\n"), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            if len(words) != 2 or words[1].lower() not in KINDS:
                raise Stop(f'File "{file}", line {number}: expected a name and Allowed, Forbidden or Required')
            found[words[0]] = KINDS[words[1].lower()]
    return found


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise Stop(f"open_in failed: {file}: {error.strerror}") from None
