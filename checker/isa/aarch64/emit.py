"""The code of an AArch64 thread while it grows: registers, control flow, addresses, and arithmetic of 32 and 64 bits.

A value of Wn is kept as an integer of 0 to 2^32-1 in Xn. What is known to fit is not cut off again, what is known is folded, and
flags nobody tests are not computed, so `ADD W0,W1,#1` is one assignment and `CMP W0,#0` one or none. What instructions do with
this is said in `aarch64_compute.py` and `aarch64_access.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from checker.core.source import NOWHERE, Span
from checker.core.value import Undetermined, compute, signed
from checker.isa.aarch64.cell import Gpr, Imm, Instruction, Mem, Mod, Operand, Word
from checker.isa.aarch64.table import CONDITIONS, EXTENSIONS, SHIFTS, Row
from checker.program.ir import (
    Address,
    Assign,
    Branch,
    Const,
    Expr,
    Instr,
    Label,
    Load,
    Op,
    Reg,
    Value,
)  # fmt: skip

ZERO = Const(0)
ONE = Const(1)
ZEXT = {1: "zext8", 2: "zext16", 4: "zext32"}
SEXT = {1: "sext8", 2: "sext16", 4: "sext32"}
_READS = {
    "EQ": "Z", "NE": "Z", "CS": "C", "CC": "C", "HS": "C", "LO": "C", "MI": "N", "PL": "N", "VS": "V", "VC": "V",
    "HI": "CZ", "LS": "CZ", "GE": "NV", "LT": "NV", "GT": "NVZ", "LE": "NVZ", "AL": "",
}  # fmt: skip


def op(name: str, *args: Expr) -> Expr:
    """The expression, or its value where the operands are known."""
    values = []
    for a in args:
        if not isinstance(a, Const):
            return Op(name, args)
        values.append(a.value)
    try:
        value = compute(name, values)
    except Undetermined:
        return Op(name, args)
    return Const(value) if isinstance(value, int | Address) else Op(name, args)


def constant(value: int) -> Expr:
    return Const(signed(value))


_HOLDS: dict[str, Callable[[], Expr]] = {
    "EQ": lambda: Reg("Z"),
    "CS": lambda: Reg("C"),
    "HS": lambda: Reg("C"),
    "MI": lambda: Reg("N"),
    "VS": lambda: Reg("V"),
    "HI": lambda: op("land", Reg("C"), op("lnot", Reg("Z"))),
    "GE": lambda: op("eq", Reg("N"), Reg("V")),
    "GT": lambda: op("land", op("eq", Reg("N"), Reg("V")), op("lnot", Reg("Z"))),
    "AL": lambda: ONE,
}


def holds(name: str) -> Expr:
    """The expression of the flags that a condition is."""
    made = _HOLDS.get(name)
    return made() if made else op("lnot", _HOLDS[CONDITIONS[name]]())


Known = dict[str, Const | None]
"""Registers that were written, with their value where it is known."""


class Emitter:
    """The code of one thread while it grows.

    `initial` are the thread's registers at the start; `narrow` those whose upper half is always clear. `plain`: whatever memory
    holds is a number that fits the smallest access. What is known of registers follows the control flow, so that constants
    stand where they are used.
    """

    def __init__(
        self, instructions: Sequence[Instruction], initial: Mapping[str, Value], narrow: frozenset[str], *, plain: bool
    ) -> None:
        self.code: list[Instr] = []
        self.instructions, self.initial, self.narrow, self.plain = instructions, initial, narrow, plain
        self.tested = _tested(instructions)
        self.jumps = Counter(i.operands[-1] for i in instructions if i.row.family.startswith("branch"))
        self.known: Known | None = {}  # None: control does not come here but by a label
        self.arriving: dict[str, list[Known]] = {}
        self.count = 0
        self.span = NOWHERE

    def begin(self, span: Span) -> None:
        """The next instruction, which stands at `span`."""
        self.span = span
        self.count += 1

    def name(self, what: str) -> str:
        """A label or temporary of this instruction."""
        return f"%{what}{self.count}"

    # ------------------------------------------------------------ control flow

    def branch(self, cond: Expr, target: str, *, ctrl: bool = False) -> None:
        self.code.append(Branch(cond, target, "", ctrl, self.span))
        if self.known is not None:
            self.arriving.setdefault(target, []).append(dict(self.known))
        if cond == ONE:
            self.known = None

    def label(self, name: str) -> None:
        self.code.append(Label(name))
        came = self.arriving.get(name, [])
        if len(came) < self.jumps[Word(name)]:  # some branch goes back to here, or is never reached
            self.known = dict.fromkeys([*_written(self.instructions)])
            return
        if self.known is not None:
            came = [*came, self.known]
        first, *rest = came or [{}]
        for other in rest:
            first = {n: self.at(first, n) if self.at(first, n) == self.at(other, n) else None for n in {**first, **other}}
        self.known = dict(first)

    def at(self, known: Known, name: str) -> Const | None:
        return known[name] if name in known else Const(self.initial.get(name, 0))

    # ------------------------------------------------------------ registers and values

    def read(self, register: Gpr) -> Expr:
        """The value of a register: of Wn its low half."""
        if not register.name:
            return ZERO
        known = self.at(self.known or {}, register.name) if self.known is not None else None
        if known is not None:
            return op("zext32", known) if register.bits == 32 else known
        if register.bits == 32 and register.name not in self.narrow:
            return op("zext32", Reg(register.name))
        return Reg(register.name)

    def value(self, operand: Operand, bits: int) -> Expr:
        if isinstance(operand, Imm):
            return constant(operand.value & ((1 << bits) - 1))
        assert isinstance(operand, Gpr)
        return self.read(operand)

    def assign(self, name: str, value: Expr) -> None:
        if name:
            self.code.append(Assign(name, value, self.span))
            if self.known is not None:
                self.known[name] = value if isinstance(value, Const) else None

    def shifted(self, operand: Operand, mod: Mod | None, bits: int) -> Expr:
        """The last operand of an operation, shifted or extended."""
        value = self.value(operand, bits)
        if mod is None:
            return value
        if mod.kind in SHIFTS:
            return shift(SHIFTS[mod.kind], value, Const(mod.amount), bits)
        extended = op(EXTENSIONS[mod.kind], value) if EXTENSIONS[mod.kind] else value
        return trimmed(op("shl", extended, Const(mod.amount)) if mod.amount else extended, bits)

    # ------------------------------------------------------------ memory

    def address(self, mem: Mem) -> Expr:
        """The effective address; `[Xn, …]!` moves the base first."""
        base = self.read(mem.base)
        if mem.by is not None:
            index = self.read(mem.by)
            if mem.extend in ("SXTW", "UXTW"):
                index = op("sext32", self.read(Gpr(mem.by.name, 64))) if mem.extend == "SXTW" else index
            return op("add", base, op("shl", index, Const(mem.amount)) if mem.amount else index)
        if mem.write == "post" or not mem.offset:
            return base
        moved = op("add", base, constant(mem.offset))
        if mem.write == "pre":
            self.assign(mem.base.name, moved)
            return moved if isinstance(moved, Const) else Reg(mem.base.name)
        return moved

    def after(self, mem: Mem) -> None:
        if mem.write == "post":
            self.assign(mem.base.name, op("add", self.read(mem.base), constant(mem.offset)))

    def load(self, dst: Gpr, addr: Expr, row: Row, size: int, *, group: int = 0) -> None:
        """dst := the `size` bytes at addr, extended."""
        exact = self.plain or size == 8
        name = dst.name if dst.name and exact and not row.signed else self.name("r")
        self.code.append(Load(name, addr, row.tags, self.span, size, 0, group, row.exclusive))
        if self.known is not None:
            self.known[name] = None
        if dst.name and name != dst.name:
            self.assign(dst.name, self.extended(Reg(name), size, dst.bits, row.signed))

    def extended(self, value: Expr, size: int, bits: int, is_signed: bool) -> Expr:
        if is_signed:
            return trimmed(op(SEXT[size], value), bits)
        return value if self.plain or size == 8 else op(ZEXT[size], value)

    def stored(self, register: Gpr, size: int) -> Expr:
        """The low `size` bytes of a register."""
        value = self.read(register)
        return value if size * 8 >= register.bits or value == ZERO else op(ZEXT[size], value)

    def size(self, row: Row, data: Operand) -> int:
        assert isinstance(data, Gpr)
        return row.size or data.bits // 8


def _written(instructions: Sequence[Instruction]) -> set[str]:
    """The registers and flags that some instruction may write."""
    found = {"N", "Z", "C", "V"}
    for _, operands in instructions:
        for o in operands:
            if isinstance(o, Gpr):
                found.add(o.name)
            elif isinstance(o, Mem) and o.write:
                found.add(o.base.name)
    return found


def _tested(instructions: Sequence[Instruction]) -> frozenset[str]:
    """The flags that some instruction looks at."""
    found: set[str] = set()
    for row, operands in instructions:
        if row.family == "branch_if":
            found.update(_READS[row.op])
        elif row.family in ("select", "set", "select_same") and isinstance(operands[-1], Word):
            found.update(_READS.get(operands[-1].text.upper(), ""))
    return frozenset(found)


# ---------------------------------------------------------------- arithmetic


def trimmed(value: Expr, bits: int) -> Expr:
    return op("zext32", value) if bits == 32 else value


def widened(value: Expr, bits: int) -> Expr:
    """As a signed number."""
    return op("sext32", value) if bits == 32 else value


def shift(name: str, value: Expr, amount: Expr, bits: int) -> Expr:
    """`value` (of `bits` bits) shifted; amounts count modulo the width."""
    amount = Const(amount.value & (bits - 1)) if isinstance(amount, Const) and isinstance(amount.value, int) else \
        op("and", amount, Const(bits - 1))  # fmt: skip
    if amount == ZERO:
        return value
    if name == "ror":
        back = Const(bits - amount.value) if isinstance(amount, Const) and isinstance(amount.value, int) else \
            op("and", op("sub", Const(bits), amount), Const(bits - 1))  # fmt: skip
        return trimmed(op("or", op("shr", value, amount), op("shl", value, back)), bits)
    if name == "sar":
        return trimmed(op("sar", widened(value, bits), amount), bits)
    return op(name, value, amount) if name == "shr" else trimmed(op(name, value, amount), bits)


def arithmetic(name: str, x: Expr, y: Expr, bits: int) -> Expr:
    """x name y, cut to `bits` bits; both fit."""
    if x == y and isinstance(x, Reg) and name in ("xor", "sub", "andnot"):
        return op("first", ZERO, x)  # 0 whatever x is, and dependent on it
    if name in SHIFTS.values():
        return shift(name, x, y, bits)
    if name.endswith("not") and name != "andnot":
        return trimmed(op(name.removesuffix("not"), x, op("not", y)), bits)
    return op(name, x, y) if name in ("and", "or", "xor", "andnot") else trimmed(op(name, x, y), bits)


Family: TypeAlias = Callable[[Emitter, Row, Sequence[Operand]], None]
"""What the instructions of one family do."""
