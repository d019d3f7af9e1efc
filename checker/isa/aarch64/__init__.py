"""AArch64 assembly: the columns of a litmus test to threads of loads, stores, fences and branches.

`aarch64_cell.py` reads a cell into a row of `aarch64_table.py` and operands; `aarch64_compute.py` and `aarch64_access.py`
say what each family of rows does. Here the threads are put together, with what the initial state tells: values, types, and
which registers are only ever used by their low half.

    P0          ;       Load("X0", Reg("X1"), {"A"}, size=4)
    LDAR W0,[X1];       Assign("X2", first(0, X0))                   a zero that depends on X0
    EOR W2,W0,W0;

Initial values, and what a final state shows, are integers of the type the initial state declares; `int` where it is silent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec.structs import replace

from checker.core.source import Source, Span, Unsupported
from checker.isa.aarch64.access import ACCESSING
from checker.isa.aarch64.cell import Gpr, Instruction, Mem, Problem, read_cell
from checker.isa.aarch64.compute import COMPUTING
from checker.isa.aarch64.emit import Emitter
from checker.isa.asm import Column, Line, check_labels, columns
from checker.parse.code import Code
from checker.parse.question import change, declared_widths, retyped, whole
from checker.parse.state import Entry
from checker.program.ir import Address, Compare, Loc, MemLoc, RegLoc, Test, Thread, Value
from checker.program.sizes import BITS

REGISTERS = frozenset({f"X{n}" for n in range(31)} | {"SP", "XZR"})
INT = -32
FAMILIES = COMPUTING | ACCESSING

Lines = list[tuple[Line, Instruction | None]]
"""The lines of a process, each with what it says; None for a label."""


def aarch64_code(source: Source, text: str) -> Code:
    """The code of an AArch64 test. What its instructions do is said when the initial state is known (`finish`)."""
    read = [(column, _read(source, column)) for column in columns(source, text)]
    return Code(
        tuple([Thread(column.tid, (), (), column.span) for column, _ in read]),
        (),
        tuple([REGISTERS] * len(read)),
        register=str.upper,
        finish=lambda test, entries: _finish(test, entries, read),
    )


def _read(source: Source, column: Column) -> Lines:
    return [(line, None if line.label else _instruction(source, line)) for line in column.lines]


def _instruction(source: Source, line: Line) -> Instruction:
    try:
        return read_cell(line.text)
    except Problem as problem:
        raise problem.kind(problem.message, line.span(source), hint=problem.hint) from None


def _finish(test: Test, entries: tuple[Entry, ...], read: list[tuple[Column, Lines]]) -> Test:
    """The test with its threads' code, and the types by which its final states are shown."""
    _variants(test)
    test = _typed(_bytewise(test, entries), entries)
    initial: dict[int, dict[str, Value]] = {}
    for loc, value in test.registers:
        initial.setdefault(loc.tid, {})[loc.reg] = value
    small = all([isinstance(g.value, int) and 0 <= g.value < 256 for g in test.globals])
    plain = small and not any([stores_wide(i) for _, lines in read for _, i in lines if i])
    threads = [_thread(test.source, column, lines, initial.get(column.tid, {}), plain) for column, lines in read]
    return replace(test, threads=tuple(threads))


def _thread(source: Source, column: Column, lines: Lines, initial: dict[str, Value], plain: bool) -> Thread:
    instructions = [i for _, i in lines if i]
    emit = Emitter(instructions, initial, narrow(instructions, initial), plain=plain)
    for line, i in lines:
        if i is None:
            emit.label(line.text)
            continue
        try:
            emit.begin(line.span(source))
            FAMILIES[i.row.family](emit, i.row, i.operands)
        except Problem as problem:
            raise problem.kind(problem.message, line.span(source), hint=problem.hint) from None
    check_labels(source, column, emit.code)
    return Thread(column.tid, tuple(emit.code), (), column.span)


def narrow(instructions: Iterable[Instruction], initial: dict[str, Value]) -> frozenset[str]:
    """The registers whose upper half is always clear: never written as X, and small from the start."""
    wide = {name for name, value in initial.items() if not (isinstance(value, int) and 0 <= value < 1 << 32)}
    for _, operands in instructions:
        for operand in operands:
            if isinstance(operand, Gpr):
                if operand.bits == 64:
                    wide.add(operand.name)
            elif isinstance(operand, Mem) and operand.write:
                wide.add(operand.base.name)
    return REGISTERS - wide


def stores_wide(i: Instruction) -> bool:
    """Does it write 8 bytes to memory (so that a read of fewer may not see a number of its size)?"""
    data = i.operands[0] if i.operands else None
    return i.row.family in _WRITES and not i.row.size and any(isinstance(o, Gpr) and o.bits == 64 for o in (*i.operands[:2], data))


_WRITES = frozenset({"store", "store_exclusive", "store_pair", "atomic", "atomic_no_return", "compare_and_swap"})

# ---------------------------------------------------------------- types


def _bytewise(test: Test, entries: tuple[Entry, ...]) -> Test:
    """The test with the elements of arrays where they are: so many bytes behind the first."""
    size = {e.loc.address.name: BITS.get(e.type, 32) // 8 for e in entries if e.size >= 0 and isinstance(e.loc, MemLoc)}
    if not size:
        return test
    length = {e.loc.address.name: e.size for e in entries if e.size >= 0 and isinstance(e.loc, MemLoc)}

    def element(a: Address) -> Address:
        return Address(a.name, a.offset * size.get(a.name, 1))

    def moved(value: Value) -> Value:
        return element(value) if isinstance(value, Address) else value

    def place(loc: Loc) -> Loc:
        if not isinstance(loc, MemLoc) or loc.address.name not in size:
            return loc
        name, index = loc.address.name, loc.address.offset
        return MemLoc(Address(name, index * size[name]), f"{name}[{index}]")

    def side(x: Loc | Value) -> Loc | Value:
        return place(x) if isinstance(x, RegLoc | MemLoc) else moved(x)

    def compare(c: Compare) -> Compare:
        return Compare(c.op, side(c.left), side(c.right), c.span)

    shown = [
        MemLoc(Address(loc.address.name, i)) if isinstance(loc, MemLoc) and loc.address.name in length else loc
        for loc in test.shown
        for i in _elements(loc, length)
    ]
    return replace(
        test,
        globals=tuple([replace(g, address=element(g.address), value=moved(g.value)) for g in test.globals]),
        registers=tuple([(loc, moved(value)) for loc, value in test.registers]),
        condition=replace(test.condition, prop=change(test.condition.prop, compare)),
        filter=change(test.filter, compare) if test.filter else None,
        shown=tuple([place(loc) for loc in shown]),
    )


def _elements(loc: Loc, length: dict[str, int]) -> Iterable[int]:
    """The elements that `loc` in `locations [...]` shows: of a whole array all."""
    if isinstance(loc, MemLoc) and loc.address.name in length:
        return [loc.address.offset] if loc.text else range(length[loc.address.name])
    return [0]


def _typed(test: Test, entries: tuple[Entry, ...]) -> Test:
    """The test with its question read in the types that the initial state declares."""
    declared = declared_widths(entries)
    return retyped(test, lambda loc: declared.get(whole(loc), INT), lambda loc, width: True)


# ---------------------------------------------------------------- variants


def _variants(test: Test) -> None:
    """Refuse what changes the meaning of the test and is not modelled."""
    for key, value in test.info:
        if key.lower() == "variant" and value.strip():
            line = next((n for n, text in enumerate(test.source.text.split("\n"), 1) if re.match(r"\s*variant\s*=", text, re.I)), 1)
            raise Unsupported(
                f"the variant '{value}' is not supported", Span(test.source, line, 1, 1 + len(test.source.line(line))),
                hint="tests of plain memory accesses are, without translation, tags, faults or mixed sizes",
            )  # fmt: skip
