"""A `.def` file as a table: what each primitive stands for.

One definition a primitive, `name(params) expression` or `name(params) { statements }`, in terms of the built-ins `__load`,
`__store`, `__fence`, … and of other primitives of the table. A line `include "file.def"` adds the definitions of another file,
those of the including one going first; `name* = other*` gives every name that begins with `other` a second one.

    smp_load_acquire(X) __load{ACQUIRE}(*X)    {"smp_load_acquire": Macro("smp_load_acquire", ("X",), Call("__load", …), ())}
"""

from __future__ import annotations

import functools
import pickle
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from checker.core.source import Source, Span, SyntaxProblem, UnknownName
from checker.parse.c import parse_definitions
from checker.parse.files import read_source
from checker.parse.grammar import check_size
from checker.program.ir import Macro, Table

MODELS = Path(__file__).resolve().parents[1] / "models"
LIBRARY = MODELS / "lib"

_INCLUDE = re.compile(r'^include[ \t]+"([^"\n]*)"[ \t]*(?://.*)?$', re.MULTILINE)
_ALIAS = re.compile(r"^(\w+)\*[ \t]*=[ \t]*(\w+)\*[ \t]*(?://.*)?$", re.MULTILINE)
_LINE = re.compile(r"([A-Za-z_]\w*)\(([\w, ]*)\)(.*)")


def parse_table(*sources: Source) -> Table:
    """The definitions of `.def` files by name, in their order, the first of two files winning; twice in one is an error."""
    table: dict[str, Macro] = {}
    for source in sources:
        table = {**table, **{name: macro for name, macro in _definitions(source).items() if name not in table}}
    for name, old in _second_names(sources, table):
        table.setdefault(name, replace(table[old], name=name))
    return table


def _definitions(source: Source) -> dict[str, Macro]:
    check_size(source)
    text = _ALIAS.sub("", _INCLUDE.sub("", source.text))
    found: dict[str, Macro] = {}
    for macro in parse_definitions(source, text):
        if earlier := found.get(macro.name):
            raise SyntaxProblem(
                f"{macro.name!r} is defined twice", macro.span, hint=f"it is defined in line {earlier.span.line} already"
            )
        found[macro.name] = macro
    return found


def _second_names(sources: Iterable[Source], names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The names that the `new* = old*` lines give, each with the one it stands for."""
    known = [*names]
    for source in sources:
        for new, old in _ALIAS.findall(source.text):
            made = [(new + name[len(old) :], name) for name in known if name.startswith(old) and not name.startswith(new)]
            known += [name for name, _ in made]
            yield from made


def read_table(path: Path, folders: Sequence[Path] = ()) -> tuple[Source, ...]:
    """The text of a table and of those it includes, which stand beside it, in one of `folders` or in the shipped library."""
    places = [path.parent, *folders, LIBRARY]
    sources = [read_source(path)]
    for source in sources:  # which grows
        for found in _INCLUDE.finditer(source.text):
            name = found[1]
            line = source.text.count("\n", 0, found.start()) + 1
            span = Span(source, line, found.start(1) - found.start() + 1, found.end(1) - found.start() + 1)
            file = next((p / name for p in places if (p / name).is_file()), None)
            if Path(name).name != name or file is None:
                raise UnknownName(f'included table "{name}" is not found', span, hint="looked in " + ", ".join(map(str, places)))
            if file.resolve() not in [Path(s.name).resolve() for s in sources]:
                sources.append(read_source(file))
    return tuple(sources)


class _Place(Struct, frozen=True):
    """Where a definition is: its source, its line from 0, and the name it has there."""

    source: Source
    number: int
    line: str
    name: str


class OneALine(Mapping[str, Macro]):
    """A table of one definition a line, as the shipped ones are; a line is parsed when its primitive is first asked for.

    Parsing all of a kernel's primitives takes longer than deciding a test, and a test uses a handful.
    """

    def __init__(self, *sources: Source) -> None:
        self.sources = sources
        self.parsed: dict[str, Macro] = {}
        self.packed: dict[str, bytes] = {}
        self.places: dict[str, _Place] = {}
        for source in sources:
            for number, line in enumerate(source.text.split("\n")):
                if found := _LINE.match(line):
                    self.places.setdefault(found[1], _Place(source, number, line, found[1]))
        for name, old in _second_names(sources, self.places):
            self.places.setdefault(name, self.places[old])

    def __getitem__(self, name: str) -> Macro:
        macro = self.parsed.get(name)
        if macro is None:
            self.parsed[name] = macro = pickle.loads(self.packed[name]) if name in self.packed else self._read(name)
        return macro

    def _read(self, name: str) -> Macro:
        place = self.places[name]
        alone = Source(place.source.name, "\n" * place.number + place.line)
        (macro,) = parse_definitions(alone, alone.text)
        return replace(macro, name=name)

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def __getstate__(self) -> dict[str, object]:
        """Kept from run to run, each line is parsed already, and unpacked when its primitive is first asked for."""
        return {**vars(self), "parsed": {}, "packed": {name: pickle.dumps(self[name], pickle.HIGHEST_PROTOCOL) for name in self}}

    def comment(self, name: str) -> str:
        """What stands behind the definition of `name`."""
        return self.places[name].line.partition("//")[2].strip()

    def unused(self, name: str) -> frozenset[int]:
        """The parameters of `name` that its definition does not look at, such as the condition of rcu_dereference_check()."""
        place = self.places.get(name)
        found = _LINE.match(place.line) if place is not None else None
        if found is None:
            return frozenset()
        words = set(re.findall(r"\w+", found[3].partition("//")[0]))
        return frozenset([i for i, param in enumerate(found[2].split(",")) if param.strip() not in words])


@functools.cache
def deferrals() -> Table:
    """What is deferred work, for tables that do not know of it: the same in every model (program/defer.py)."""
    generic = shipped_table("lib/linux-generic.def")
    return {name: generic[name] for name in generic if re.search(r"\{ __(?:defer|flush)", generic.places[name].line)}


@functools.cache
def shipped_table(name: str) -> OneALine:
    """A table that comes with the checker, by its path below models/."""
    return OneALine(*read_table(MODELS / name))
