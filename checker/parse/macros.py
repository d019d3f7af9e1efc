"""A `.def` file as a table: what each primitive stands for.

One definition a primitive, `name(params) expression` or `name(params) { statements }`, in terms of the built-ins `__load`,
`__store`, `__fence`, … and of other primitives of the table.

    smp_load_acquire(X) __load{ACQUIRE}(*X)    {"smp_load_acquire": Macro("smp_load_acquire", ("X",), Call("__load", …), ())}
"""

from __future__ import annotations

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
