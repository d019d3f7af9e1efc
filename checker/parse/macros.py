"""A `.def` file as a table: what each primitive stands for.

One definition a primitive, `name(params) expression` or `name(params) { statements }`, in terms of the built-ins `__load`,
`__store`, `__fence`, … and of other primitives of the table.

    smp_load_acquire(X) __load{ACQUIRE}(*X)    {"smp_load_acquire": Macro("smp_load_acquire", ("X",), Call("__load", …), ())}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from checker.core.source import Source, SyntaxProblem
from checker.parse.c import parse_definitions
from checker.parse.grammar import check_size
from checker.program.ir import Macro, Table


def parse_table(source: Source) -> Table:
    """The definitions of a `.def` file by name, in its order; a name defined twice is an error."""
    check_size(source)
    table: dict[str, Macro] = {}
    for macro in parse_definitions(source):
        if earlier := table.get(macro.name):
            raise SyntaxProblem(
                f"{macro.name!r} is defined twice", macro.span, hint=f"it is defined in line {earlier.span.line} already"
            )
        table[macro.name] = macro
    return table


_LINE = re.compile(r"([A-Za-z_]\w*)\(")


class OneALine(Mapping[str, Macro]):
    """A table of one definition a line, as the shipped ones are; a line is parsed when its primitive is first asked for.

    Parsing all of a kernel's primitives takes longer than deciding a test, and a test uses a handful.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.parsed: dict[str, Macro] = {}
        self.lines: dict[str, tuple[int, str]] = {}
        for number, line in enumerate(source.text.split("\n")):
            if found := _LINE.match(line):
                self.lines[found[1]] = (number, line)

    def __getitem__(self, name: str) -> Macro:
        macro = self.parsed.get(name)
        if macro is None:
            number, line = self.lines[name]
            alone = Source(self.source.name, "\n" * number + line)
            (macro,) = parse_definitions(alone)
            self.parsed[name] = macro
        return macro

    def __iter__(self) -> Iterator[str]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __reduce__(self) -> tuple[type[OneALine], tuple[Source]]:
        return OneALine, (self.source,)
