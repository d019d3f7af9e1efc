"""Assembly as a test: the columns of a litmus file to threads, with what the initial state tells of values and types.

    P0          ;       Store(x, 1, size=4)
    MOV [x],$1  ;       Mark({"F", "MFENCE"})
    MFENCE      ;       Load("EAX", y, size=4)
    MOV EAX,[y] ;

A machine says how a line is read (`table.py`) and what it means (`emit.py`). What its instructions do is said when the initial
state is known: constants stand where they are used.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable

from msgspec.structs import replace

from checker.core.source import Source, UnknownName, Unsupported
from checker.core.value import signed
from checker.isa.asm import Column, Line, check_labels, columns
from checker.isa.emit import Emitter
from checker.isa.operand import Memory, Problem, nearest
from checker.isa.table import Instruction, Machine
from checker.parse.code import ROOMS, Code
from checker.parse.code import machine as machine_of
from checker.parse.question import bytewise, declared_widths, refuse_variants, retyped, whole, width_of
from checker.parse.sections import split
from checker.parse.state import Entry
from checker.program.ir import Global, Loc, MemLoc, RegLoc, Test, Thread, Value

INT = -32
Lines = list[tuple[Line, Instruction | None]]
"""The lines of a process, each with what it says; None for a label."""


def assembly(source: Source, text: str, machine: Machine) -> Code:
    """The code of a test for `machine`."""
    read = [(column, _read(source, column, machine)) for column in columns(source, machine.text(text))]
    names: dict[str, Line] = {}
    for _, lines in read:
        for line, i in lines:
            if i:
                for name in i.symbols:
                    names.setdefault(name, line)
    return Code(
        tuple([Thread(column.tid, (), (), column.span) for column, _ in read]),
        tuple([(name, "", line.span(source)) for name, line in names.items()]),
        tuple([machine.registers] * len(read)),
        register=machine.register,
        finish=lambda test, entries: _finish(test, entries, read, machine),
    )


def _read(source: Source, column: Column, machine: Machine) -> Lines:
    lines: Lines = []
    for line in column.lines:
        try:
            lines.append((line, None if line.label else machine.read(line.text)))
        except Problem as problem:
            raise located(problem, source, line) from None
    return lines


def located(problem: Problem, source: Source, line: Line) -> Exception:
    if problem.start < 0:
        return problem.kind(problem.message, line.span(source), hint=problem.hint)
    length = min(problem.length, max(1, len(line.text) - problem.start))
    return problem.kind(problem.message, line.span(source, problem.start, length), hint=problem.hint)


def _finish(test: Test, entries: tuple[Entry, ...], read: list[tuple[Column, Lines]], machine: Machine) -> Test:
    """The test with its threads' code, and the types by which its final states are shown."""
    refuse_variants(test)
    emitter = machine.emitter
    for loc, _ in test.registers:
        if loc.reg not in machine.registers:
            hint = nearest(loc.reg, machine.registers)
            whole_name = machine.whole(loc.reg)
            span = next(e.span for e in entries if e.loc == loc)
            message = f"{machine.arch} has no register {loc.reg!r}"
            raise UnknownName(message, span, hint=f"write {whole_name}" if whole_name else hint)
    test = bytewise(test, entries)
    if emitter.signs:
        test = _signed(test, machine.word)
    return _typed(replace(test, threads=_threads(test, read, emitter)), entries, read, machine)


def with_all_reads(test: Test) -> Test:
    """The test with every register read that an instruction names, where its code has known values instead: for models that are
    about events of registers. A test that is no longer what its text says stays as it is."""
    spoken: Machine = machine_of(test.arch)
    code = split(test.source, ROOMS).code
    read = [(column, _read(test.source, column, spoken)) for column in columns(test.source, spoken.text(code))]
    if _threads(test, read, spoken.emitter) != test.threads:
        return test
    return replace(test, threads=_threads(test, read, spoken.emitter, folded=False))


def _threads(test: Test, read: list[tuple[Column, Lines]], emitter: type[Emitter], *, folded: bool = True) -> tuple[Thread, ...]:
    """The threads, from the registers and the memory that the test begins with."""
    initial: dict[int, dict[str, Value]] = {}
    for loc, value in test.registers:
        initial.setdefault(loc.tid, {})[loc.reg] = value
    plain = not emitter.signs and all([isinstance(g.value, int) and 0 <= g.value < 256 for g in test.globals])
    plain = plain and not any([_writes_all(i) for _, lines in read for _, i in lines if i])
    made = []
    for column, lines in read:
        emit = emitter([i for _, i in lines if i], initial.get(column.tid, {}), plain=plain)
        if not folded:
            emit.read_all()
        made.append(_thread(test.source, column, lines, emit))
    return tuple(made)


def _thread(source: Source, column: Column, lines: Lines, emit: Emitter) -> Thread:
    for line, i in lines:
        if i is None:
            emit.label(line.text)
            continue
        try:
            emit.instruction(i, line.span(source))
        except Problem as problem:
            raise located(problem, source, line) from None
    emit.end()
    check_labels(source, column, emit.code)
    return Thread(column.tid, tuple(emit.code), (), column.span)


def _writes_all(i: Instruction) -> bool:
    """May it write 8 bytes to memory (so that a read of fewer may not see a number of its size)?"""
    return i.access == 8 and i.row.meaning not in ("t = a", "d = a") and any(isinstance(o, Memory) for o in i.operands.values())


def _signed(test: Test, word: int) -> Test:
    """The test with initial values as signed integers, of the registers' and locations' sizes."""
    registers = tuple([(loc, _wrapped(value, 8 * word)) for loc, value in test.registers])
    places = tuple([_place(g, word) for g in test.globals])
    if registers == test.registers and all(map(operator.is_, places, test.globals)):
        return test
    return replace(test, registers=registers, globals=places)


def _place(g: Global, word: int) -> Global:
    if not isinstance(g.value, int) or (not g.type and -(1 << 31) <= g.value < 1 << 31):
        return g
    bits = abs(width_of(g.type)) or (64 if g.type else 0)
    if bits and signed(g.value, bits) == g.value:
        return g
    if not bits and word == 8:
        hint = f"declare its type: uint32_t {g.address}={g.value}"
        raise Unsupported(f"the initial value {g.value} of {g.address} is no int", g.span, hint=hint)
    return replace(g, value=_wrapped(g.value, bits or 32))


def _wrapped(value: Value, bits: int) -> Value:
    return signed(value, bits) if isinstance(value, int) else value


def _typed(test: Test, entries: tuple[Entry, ...], read: Iterable[tuple[Column, Lines]], machine: Machine) -> Test:
    """The test with its question read in the types that the initial state declares; what has none is an int, but for registers
    that are used as a whole where the machine says so."""
    declared = declared_widths(entries)
    used = {RegLoc(column.tid, name) for column, lines in read if machine.shown_whole for _, i in lines if i for name in i.whole}

    def width(loc: Loc) -> int:
        undeclared = machine.shown_whole and (isinstance(loc, MemLoc) or loc in used)
        return declared.get(whole(loc), 0 if undeclared else INT)

    return retyped(test, width, machine.viewed)
