"""x86 assembly: the columns of an X86 (Intel's spelling) or X86_64 (AT&T's) litmus test to threads.

`x86_cell.py` reads a line into a row of `x86_table.py` and operands; `x86_emit.py` says what it does. Here the threads are put
together, and registers and values get one spelling: EAX… in X86 tests, rax… in X86_64 tests, as herd prints them.

    P0          ;       Store(x, 1, size=4)
    MOV [x],$1  ;       Mark({"F", "MFENCE"})
    MFENCE      ;       Load("EAX", y, size=4)
    MOV EAX,[y] ;
"""

from __future__ import annotations

import operator
import re
from functools import partial

from msgspec.structs import replace

from checker.core.source import Source, UnknownName, Unsupported
from checker.core.value import signed
from checker.isa.asm import Column, Line, check_labels, columns, nearest
from checker.isa.x86.cell import ATT, INTEL, Instruction, Problem, Syntax, read
from checker.isa.x86.emit import END, Emitter, flags_looked_at
from checker.isa.x86.table import NARROW, WIDE, Part
from checker.parse.code import Code
from checker.parse.question import bytewise, declared_widths, refuse_variants, retyped, whole, width_of
from checker.parse.state import Entry
from checker.program.ir import Global, Label, Loc, MemLoc, RegLoc, Test, Thread, Value

_PREFIX = re.compile(r"([;|:\s](?:lock|rep)\s*);", re.I)
_NAMES = {
    syntax: {spelled: part.name for spelled, part in parts.items() if part.size == syntax.word}
    for syntax, parts in ((INTEL, NARROW), (ATT, WIDE))
}
_REGISTERS = {syntax: frozenset(names.values()) for syntax, names in _NAMES.items()}

Read = list[tuple[Line, Instruction | None]]
"""The lines of a process, each with what it says; None for a label."""


def x86_code(source: Source, text: str) -> Code:
    return _code(source, text, INTEL)


def x86_64_code(source: Source, text: str) -> Code:
    return _code(source, text, ATT)


def _code(source: Source, text: str, syntax: Syntax) -> Code:
    if any(prefix in text for prefix in ("lock", "LOCK", "rep", "REP")):
        text = _PREFIX.sub(r"\1 ", text)  # 'lock ; addl …' is one instruction
    threads = []
    names: dict[str, Line] = {}
    wide: set[RegLoc] = set()
    for column in columns(source, text):
        lines = [(line, None if line.label else _read(source, line, syntax)) for line in column.lines]
        threads.append(_thread(source, column, lines, syntax, names))
        if syntax.word == 8:
            wide |= {RegLoc(column.tid, o.name) for _, i in lines if i for o in i.operands if isinstance(o, Part) and o.size == 8}
    return Code(
        tuple(threads),
        tuple([(name, "", line.span(source)) for name, line in names.items()]),
        (_REGISTERS[syntax],) * len(threads),
        register=partial(_spelled, syntax),
        finish=partial(_finish, syntax, frozenset(wide)),
    )


def _read(source: Source, line: Line, syntax: Syntax) -> Instruction:
    try:
        return read(line.text, syntax)
    except Problem as problem:
        raise _located(problem, source, line) from None


def _located(problem: Problem, source: Source, line: Line) -> Exception:
    length = min(problem.length, max(1, len(line.text) - problem.start))
    return problem.kind(problem.message, line.span(source, problem.start, length), hint=problem.hint)


def _thread(source: Source, column: Column, lines: Read, syntax: Syntax, names: dict[str, Line]) -> Thread:
    emit = Emitter(syntax, flags_looked_at([i for _, i in lines if i]))
    returns = False
    for line, i in lines:
        if i is None:
            emit.code.append(Label(line.text))
            continue
        try:
            emit.instruction(i, line.span(source))
        except Problem as problem:
            raise _located(problem, source, line) from None
        returns |= i.row.kind == "return"
        for name in emit.names:
            names.setdefault(name, line)
    if returns:
        emit.code.append(Label(END))
    check_labels(source, column, emit.code)
    return Thread(column.tid, tuple(emit.code), (), column.span)


def _spelled(syntax: Syntax, name: str) -> str:
    """The name of a whole register, in whatever case it is written."""
    return _NAMES[syntax].get(name.lower(), name)


def _finish(syntax: Syntax, wide: frozenset[RegLoc], test: Test, entries: tuple[Entry, ...]) -> Test:
    """The test with its values as the threads hold them, and the types by which its final states are shown.

    A register of an X86_64 test is an `int` unless it is declared otherwise, or its process uses all of it.
    """
    refuse_variants(test)
    test = _initial(syntax, bytewise(test, entries), entries)
    declared = declared_widths(entries)

    def width(loc: Loc) -> int:
        known = declared.get(whole(loc), 0) if declared else 0
        if known or (syntax.word == 8 and (isinstance(loc, MemLoc) or loc in wide)):
            return known
        return -32

    return retyped(test, width, lambda loc, w: w > 0 or (syntax.word == 8 and isinstance(loc, RegLoc)))


def _initial(syntax: Syntax, test: Test, entries: tuple[Entry, ...]) -> Test:
    """The test with initial values as signed integers, of registers that exist."""
    for loc, _ in test.registers:
        if loc.reg not in _REGISTERS[syntax]:
            parts = NARROW if syntax.word == 4 else WIDE
            hint = f"write {parts[loc.reg.lower()].name}" if loc.reg.lower() in parts else nearest(loc.reg, _REGISTERS[syntax])
            raise UnknownName(
                f"{syntax.arch} has no register {loc.reg!r}", next(e.span for e in entries if e.loc == loc), hint=hint
            )
    registers = tuple([(loc, _wrapped(value, 8 * syntax.word)) for loc, value in test.registers])
    places = tuple([_global(syntax, g) for g in test.globals])
    if registers == test.registers and all(map(operator.is_, places, test.globals)):
        return test
    return replace(test, registers=registers, globals=places)


def _global(syntax: Syntax, g: Global) -> Global:
    """A location with its value as a signed integer of its type."""
    if not isinstance(g.value, int) or (not g.type and -(1 << 31) <= g.value < 1 << 31):
        return g
    bits = abs(width_of(g.type)) or (64 if g.type else 0)
    if bits and signed(g.value, bits) == g.value:
        return g
    if not bits and syntax.word == 8:
        hint = f"declare its type: uint32_t {g.address}={g.value}"
        raise Unsupported(f"the initial value {g.value} of {g.address} is no int", g.span, hint=hint)
    return replace(g, value=_wrapped(g.value, bits or 32))


def _wrapped(value: Value, bits: int) -> Value:
    return signed(value, bits) if isinstance(value, int) else value
