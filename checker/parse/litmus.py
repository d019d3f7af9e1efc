"""A litmus file as a `Test`. The first word of the file decides the front end of its code.

Header, initial state and condition are read the same way for every architecture (`sections.py`, `state.py`); `c.py` reads
the code of a kernel test. Here the parts meet: which globals there are, and whether every name is one that somebody knows.

    parse_test(Source("MP.litmus", "C MP\\n{}\\nP0(int *x) { … }\\nexists (0:r1=1)"))    Test("MP", "C", …)
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable
from typing import TypeAlias

from msgspec.structs import replace

from checker.core.source import LimitExceeded, Source, Span, SyntaxProblem, UnknownName, several
from checker.parse.c import Function, constant_of, parse_code
from checker.parse.c_names import wrong_names
from checker.parse.c_world import World
from checker.parse.code import ROOMS, Code, machine
from checker.parse.grammar import check_size
from checker.parse.question import respelled, respelled_entries
from checker.parse.sections import Sections, split
from checker.parse.state import Entry, parse_init, parse_tail
from checker.program.ir import Address, Global, Loc, MemLoc, RegLoc, Test, Thread, Value

MAX_LOCATIONS = 100_000


def parse_test(source: Source) -> Test:
    """The test in `source`, for whichever architecture its first line names."""
    check_size(source)
    sections = split(source, _FRONT_ENDS)
    return assemble(source, sections, _FRONT_ENDS[sections.arch](source, sections.code))


def c_code(source: Source, text: str) -> Code:
    """The code of a kernel test."""
    functions, layouts, macros = parse_code(source, text)
    functions = _in_order(source, functions)
    if not functions:
        lines = source.text.count("\n", 0, len(source.text.rstrip())) + 1
        raise SyntaxProblem("there is no process", Span(source, lines, 1), hint="write 'P0(int *x) { … }'")

    def warnings(names: frozenset[str]) -> tuple[tuple[str, Span], ...]:
        return tuple(
            (f"{name} is a global, but P{f.tid} has no parameter {name}: here it is a local variable", span)
            for f in functions
            for name, span in f.used.items()
            if name in names and name not in f.declared and all(name != p for p, _ in f.params)
        )

    world = World(functions, layouts, lambda name: constant_of(source, name, layouts, macros))
    return Code(
        tuple(Thread(f.tid, f.body, tuple(name for name, _ in f.params), f.span) for f in functions),
        tuple((name, kind, f.span) for f in functions for name, kind in f.params),
        tuple(f.declared | f.used.keys() | {name for name, _ in f.params} for f in functions),
        warnings,
        finish=lambda test, _: world.typed(_with_known_names(test, functions)),
        prepare=world.prepared if layouts.members or layouts.constants or macros else None,
    )


def _with_known_names(test: Test, functions: tuple[Function, ...]) -> Test:
    problems = [error for f in functions for error in wrong_names(test, f.tid, f.declared | {name for name, _ in f.params}, f.used)]
    if problems:
        raise several(problems)
    return test


def _in_order(source: Source, functions: tuple[Function, ...]) -> tuple[Function, ...]:
    functions = tuple(sorted(functions, key=lambda f: f.tid))
    for expected, f in enumerate(functions):
        if f.tid != expected:
            problem = f"P{f.tid} is there twice" if f.tid < expected else f"there is a P{f.tid} but no P{expected}"
            raise SyntaxProblem(problem, f.span, hint="processes are P0, P1, P2, …")
    return functions


def _assembly(arch: str) -> Callable[[Source, str], Code]:
    """A front end that is loaded when a test needs it."""

    def read(source: Source, text: str) -> Code:
        code: Code = importlib.import_module("checker.isa.front").assembly(source, text, machine(arch))
        return code

    return read


_FRONT_ENDS: dict[str, Callable[[Source, str], Code]] = {"C": c_code, **{arch: _assembly(arch) for arch in ROOMS}}


# ---------------------------------------------------------------- putting the parts together


def assemble(source: Source, sections: Sections, code: Code) -> Test:
    """The test made of its parsed code and of the parts that every architecture shares."""
    entries = parse_init(source, sections.init)
    tail = parse_tail(source, sections.tail, sections.tail_span)
    if code.prepare:
        entries, tail = code.prepare(entries, tail)
    if code.register:
        entries, tail = respelled_entries(entries, code.register), respelled(tail, code.register)
    world = _globals(entries, code)
    names = frozenset(address.name for address in world)
    registers = _registers(entries, len(code.threads))
    _check_mentions(tail.mentioned, code, world, registers)
    listed = tuple((place, span) for place, span in tail.listed if not _unmentioned(place, code, registers))
    _check_mentions(listed, code, world, registers)
    unset = tuple(
        (f"P{r.tid} never mentions {r.reg}: it stays 0", span)
        for r, span in tail.listed
        if isinstance(r, RegLoc) and _unmentioned(r, code, registers)
    )
    test = Test(
        name=sections.name,
        arch=sections.arch,
        threads=code.threads,
        globals=tuple(world.values()),
        registers=tuple(registers.items()),
        condition=tail.condition,
        shown=tail.shown,
        filter=tail.filter,
        expect=sections.expect,
        info=sections.info,
        warnings=code.warnings(names) + unset,
        source=source,
    )
    return code.finish(test, entries) if code.finish else test


def _globals(entries: tuple[Entry, ...], code: Code) -> dict[Address, Global]:
    """Every location that exists: declared ones first, then those the code names, then those only pointed to."""
    world = _declared(entries, {name: kind for name, kind, _ in reversed(code.globals)})
    for name, kind, span in code.globals:
        if (address := Address(name)) not in world:
            world[address] = Global(address, 0, kind, span)
    for entry in entries:
        for value in entry.values:
            if isinstance(value, Address) and value not in world:
                if value.offset:
                    raise UnknownName(
                        _no_location(value, world), entry.span, hint=f"declare 'int {value.name}[{value.offset + 1}]'"
                    )
                world[value] = Global(value, 0, "", entry.span)
    return world


def _declared(entries: tuple[Entry, ...], types: dict[str, str]) -> dict[Address, Global]:
    """The locations of the initial state; `types` are what the code says of them."""
    world: dict[Address, Global] = {}
    valued: set[Address] = set()
    for entry in entries:
        if isinstance(entry.loc, RegLoc):
            continue
        if len(world) + entry.size > MAX_LOCATIONS:
            raise LimitExceeded(f"more than {MAX_LOCATIONS:,} locations", entry.span)
        for i in range(max(1, entry.size)):
            first = entry.loc.address
            address = replace(first, offset=first.offset + i) if i else first
            old = world.get(address)
            if entry.values and address in valued:
                raise SyntaxProblem(f"{address} has an initial value already", entry.span)
            value = entry.values[i] if entry.values else (old.value if old else 0)
            if entry.values:
                valued.add(address)
            kind = entry.type or (old.type if old else types.get(address.name, ""))
            world[address] = Global(address, value, kind, entry.span)
    return world


def _registers(entries: Iterable[Entry], threads: int) -> dict[RegLoc, Value]:
    registers: dict[RegLoc, Value] = {}
    for entry in entries:
        if not isinstance(entry.loc, RegLoc):
            continue
        _check_process(entry.loc, threads, entry.span)
        if entry.loc in registers and entry.values:
            raise SyntaxProblem(f"{entry.loc} has an initial value already", entry.span)
        registers.setdefault(entry.loc, entry.values[0] if entry.values else 0)
    return registers


def _check_process(loc: RegLoc, threads: int, span: Span) -> None:
    if loc.tid >= threads:
        raise UnknownName(
            f"there is no process {loc.tid}",
            span,
            hint=f"the test has P0 to P{threads - 1}" if threads > 1 else "the test has P0",
        )


Mention: TypeAlias = tuple[Loc | Address, Span]


def _unmentioned(place: Loc | Address, code: Code, registers: dict[RegLoc, Value]) -> bool:
    """Is it a register that neither its process nor the initial state mentions?"""
    if not isinstance(place, RegLoc) or place in registers or place.tid >= len(code.registers):
        return False
    return place.reg not in code.registers[place.tid]


def _check_mentions(
    mentions: tuple[Mention, ...], code: Code, world: dict[Address, Global], registers: dict[RegLoc, Value]
) -> None:
    """Every place in the condition is one that the test has."""
    for place, span in mentions:
        match place:
            case RegLoc(tid=tid, reg=reg):
                _check_process(place, len(code.threads), span)
                if _unmentioned(place, code, registers):
                    raise UnknownName(f"P{tid} has no register {reg!r}", span, hint=_near(reg, code.registers[tid]))
            case MemLoc(address=address) | (Address() as address):
                if address not in world:
                    raise UnknownName(_no_location(address, world), span, hint=_near(address.name, {a.name for a in world}))


def _no_location(address: Address, world: dict[Address, Global]) -> str:
    if address.offset and any(a.name == address.name for a in world):
        return f"{address.name!r} has no element {address.offset}"
    return f"there is no location {str(address)!r}"


def _near(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = difflib.get_close_matches(name, known, 3, 0.5) or known[:8]
    return "known here: " + ", ".join(near) if near else ""
