"""The file around the code: names, initial state, columns, filter and question of an assembly test. For `assembly.export`."""

from __future__ import annotations

import re

from msgspec import Struct

from checker.core.source import Unsupported
from checker.core.value import Free
from checker.isa.table import Machine
from checker.isa.writer import Writer
from checker.program.ir import (
    Address,
    And,
    Compare,
    Implies,
    Loc,
    MemLoc,
    Not,
    Or,
    Prop,
    RegLoc,
    Test,
    Truth,
    Value,
)
from checker.solve.proposition import locations

_BUSY = re.compile(r"(?i:[wxbhsdqrv]\d+|[re]?[abcd][xhl]|[re]?(?:si|di|sp|bp)l?|[wx]?zr|lr|pc|nzcv|ip\d?|r\d+[dwb]|p\d+)")
"""What an assembler takes for a register, or herd for a process; what else a machine's own registers are called it knows itself."""


class Exported(Struct, frozen=True):
    """The `text` of the assembly test, and under which name each place of the C test is found there."""

    text: str
    places: dict[Loc, str]


def names_of(test: Test, machine: Machine) -> dict[str, str]:
    """Each global's name in the assembly."""
    globals_ = dict.fromkeys(g.address.name for g in test.globals)
    for thread in test.threads:
        globals_ |= dict.fromkeys(thread.params)
    busy = [name for name in globals_ if _BUSY.fullmatch(name) or machine.register(name) in machine.registers]
    return {name: f"v_{name}" if name in busy else name for name in globals_}


def written(test: Test, threads: list[Writer], names: dict[str, str], machine: type[Writer]) -> Exported:
    places: dict[Loc, str] = {}
    for loc in dict.fromkeys([*test.shown, *locations(test.condition.prop), *(locations(test.filter) if test.filter else ())]):
        match loc:
            case RegLoc(tid, reg):
                code = next(c for c in threads if c.tid == tid)
                places[loc] = f"{tid}:{_plain(code.register(reg))}"
            case MemLoc(address):
                places[loc] = _location(address, names)
    for loc, value in test.registers:
        code = next(c for c in threads if c.tid == loc.tid)
        code.initial[code.register(loc.reg)] = value
    init = [f"int64_t {text};" for text in _memory(test, names)]
    init += [f"{c.tid}:{_plain(reg)}={_value(v, names)};" for c in threads for reg, v in c.initial.items()]
    kept = [f"{c.tid}:{_plain(c.failed)}=0" for c in threads if c.failed]
    if test.filter is not None:
        kept.append(_prop(test.filter, places, names))
    parts = [f"{machine.machine.arch} {test.name}", _comment(test, threads, names), "{", *init, "}", *_columns(threads)]
    if test.shown:
        parts.append(f"locations [{' '.join(f'{places[loc]};' for loc in test.shown)}]")
    if kept:
        parts.append("filter (" + " /\\ ".join(kept) + ")")
    asked = _prop(test.condition.prop, places, names)
    parts.append(f"{test.condition.quantifier} {asked if asked[0] == '(' else f'({asked})'}")
    return Exported("\n".join(part for part in parts if part) + "\n", places)


def _plain(register: str) -> str:
    """A register's name outside of code."""
    return register.lstrip("%")


def _comment(test: Test, threads: list[Writer], names: dict[str, str]) -> str:
    rows = []
    for code in threads:
        local = [f"{name} {_plain(reg)}" for name, reg in code.registers.items() if name not in code.params and name[0] != "%"]
        if local:
            rows.append(f" * P{code.tid}: {', '.join(local)}")
    rows += [f" * {old} is {new}" for old, new in names.items() if old != new]
    return "\n".join([f"(* {test.name}, compiled from C. Which register holds which variable:", *rows, " *)"])


def _memory(test: Test, names: dict[str, str]) -> list[str]:
    """The initial values, arrays put together."""
    arrays: dict[str, list[Value]] = {}
    for g in sorted(test.globals, key=lambda g: g.address.offset):
        arrays.setdefault(g.address.name, []).append(g.value)
    texts = []
    for name, values in arrays.items():
        if len(values) == 1:
            texts.append(f"{names[name]}={_value(values[0], names)}")
        else:
            texts.append(f"{names[name]}[{len(values)}]={{{','.join(_value(v, names) for v in values)}}}")
    return texts


def _location(address: Address, names: dict[str, str]) -> str:
    return f"{names[address.name]}[{address.offset}]" if address.offset else names[address.name]


def _value(value: Value, names: dict[str, str]) -> str:
    match value:
        case Address(name, 0):
            return names[name]
        case Address() | Free():
            raise Unsupported(f"the value {value}")
    return str(value)


def _prop(prop: Prop, places: dict[Loc, str], names: dict[str, str]) -> str:
    def side(x: Loc | Value) -> str:
        return places[x] if isinstance(x, RegLoc | MemLoc) else _value(x, names)

    match prop:
        case Compare(op, left, right):
            return f"{side(left)}{'=' if op == '==' else op}{side(right)}"
        case Not(arg):
            return f"~({_prop(arg, places, names)})"
        case And(args):
            return "(" + " /\\ ".join(_prop(a, places, names) for a in args) + ")" if args else "true"
        case Or(args):
            return "(" + " \\/ ".join(_prop(a, places, names) for a in args) + ")" if args else "false"
        case Implies(left, right):
            return f"({_prop(left, places, names)} => {_prop(right, places, names)})"
        case Truth(value):
            return str(value).lower()


def _columns(threads: list[Writer]) -> list[str]:
    cells = [[f"P{c.tid}", *c.lines] for c in threads]
    height = max(map(len, cells))
    widths = [max(map(len, column)) for column in cells]
    rows = []
    for n in range(height):
        row = [(column[n] if n < len(column) else "").ljust(width) for column, width in zip(cells, widths, strict=True)]
        rows.append(" " + " | ".join(row) + " ;")
    return rows
