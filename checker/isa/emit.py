"""The code of one thread while it grows: what the meanings of instructions are made of, and what all machines share.

A value of a part of a register is kept as an integer that fits it: with zeros above (AArch64) or with the sign (`signs`). What is
known to fit is not cut again, what is known is folded, and flags nobody looks at are not computed, so `ADD W0,W1,#1` is one
assignment and `CMP W0,#0` one or none. What is known of registers follows the control flow, so that constants stand where they
are used. A machine says how its registers, addresses and conditions are read, and what its own instructions do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

from checker.core.source import NOWHERE, Span
from checker.core.value import Undetermined, compute, signed
from checker.isa.operand import Memory, Number, Operand, Register, Word
from checker.isa.table import Instruction
from checker.program.ir import (
    MONITOR,
    Address,
    Assign,
    Branch,
    Choose,
    Const,
    Expr,
    Instr,
    Label,
    Load,
    Mark,
    Op,
    Reg,
    Store,
    Value,
    registers,
)

ZERO, ONE = Const(0), Const(1)
ZEXT = {1: "zext8", 2: "zext16", 4: "zext32"}
SEXT = {1: "sext8", 2: "sext16", 4: "sext32"}
_BITS = {"zext8": 8, "zext16": 16, "zext32": 32, "sext8": 8, "sext16": 16, "sext32": 32}
_TRUTHS = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "ltu", "leu", "gtu", "geu", "land", "lor", "lnot"})


def op(name: str, *args: Expr) -> Expr:
    """The expression, or its value where the operands are known."""
    values = []
    for a in args:
        if not isinstance(a, Const):
            if name in _BITS and isinstance(a, Op) and _BITS.get(a.op, 0) >= _BITS[name]:
                return op(name, *a.args)  # what was widened and is cut again
            return Op(name, args)
        values.append(a.value)
    try:
        value = compute(name, values)
    except Undetermined:
        return Op(name, args)
    return Const(value) if isinstance(value, int | Address) else Op(name, args)


Known = dict[str, Const | None]
"""Registers that were written, with their value where it is known."""


class Emitter:
    """The code of one thread while it grows.

    `initial` are the thread's registers at the start. `plain`: whatever memory holds is a number that fits the smallest access.
    """

    signs = False
    folds = True
    """Do known values of registers stand where these are read?"""
    flag_names: Mapping[str, str] = {}

    def __init__(self, instructions: Sequence[Instruction], initial: Mapping[str, Value], *, plain: bool) -> None:
        self.code: list[Instr] = []
        self.instructions, self.initial, self.plain = instructions, initial, plain
        self.tested = sorted(frozenset().union(*[i.flags for i in instructions if i.flags]))
        self.known: Known | None = {}  # None: control does not come here but by a label
        self.arriving: dict[str, list[Known]] = {}
        self.count = self.pair = 0
        self.span: Span = NOWHERE
        self.operands: Mapping[str, Operand] = {}
        self.values: dict[str, Expr] = {}
        self.moved: tuple[str, Expr] | None = None
        """What the instruction ends with: a base that moves behind its access."""

    def instruction(self, i: Instruction, span: Span) -> None:
        """The code of an instruction, which stands at `span`."""
        self.i, self.operands, self.span = i, i.operands, span
        self.count += 1
        self.pair = self.count if i.row.atomic or i.locked else 0
        for step in i.steps:
            step(self)
        if self.values:
            self.values = {}
        if self.moved:
            self.assign(*self.moved)
            self.moved = None

    def read_all(self) -> None:
        """Have registers read wherever an instruction names them, whatever is known of their values."""
        self.folds, self.known = False, None

    def end(self) -> None:
        """What comes behind the last instruction."""

    def name(self, what: str) -> str:
        """A label or temporary of this instruction."""
        return f"%{what}{self.count}"

    # ------------------------------------------------------------ what meanings are made of

    def get(self, name: str) -> Expr:
        """The value of an operand, of a value of the row's own, or of a flag."""
        operand = self.operands.get(name)
        return self.read(operand) if operand is not None else self.values[name] if name in self.values else Reg(name)

    def put(self, name: str, value: Expr) -> None:
        operand = self.operands.get(name)
        if operand is None:
            self.values[name] = self.held(value)
        else:
            self.write(operand, value)

    def move(self, name: str, source: str) -> None:
        """name := source; from memory at once, where nothing is to be cut or widened."""
        to, place = self.operands.get(name), self.operands.get(source)
        if isinstance(to, Register) and isinstance(place, Memory) and to.name and self.exact(to):
            self.fetch(to.name, place)
        else:
            self.put(name, self.get(source))

    def exact(self, to: Register) -> bool:
        """May a load write the register at once?"""
        return to.size == 8

    def apply(self, name: str, *args: Expr) -> Expr:
        """The operator `name` of values that fit; the result need not."""
        if name in ("xor", "sub", "andnot") and args[0] == args[1] and isinstance(args[0], Reg):
            return op("first", ZERO, args[0])  # 0 whatever it is, and dependent on it
        return op(name, *args)

    def flagged(self, name: str, *args: Expr) -> Expr:
        """The result of an operation that sets the flags."""
        result = self.apply(name, *args)
        if not self.tested:
            return result
        result = self.trim(result, self.i.size)
        if isinstance(result, Op):
            self.assign(self.name("v"), result)
            result = Reg(self.name("v"))
        for flag in self.tested:
            value = self.flag(self.flag_names[flag], name, args[0], (*args, ZERO)[1], result)
            if value is not None:
                self.assign(flag, value)
        return result

    def flag(self, which: str, name: str, x: Expr, y: Expr, result: Expr) -> Expr | None:
        """Z, N, C or V of `result`, which is x name y; C is that of a borrow. None: as it was."""
        match which, name:
            case "Z", "sub" | "xor":
                return op("eq", x, y)
            case "Z", _:
                return op("eq", result, ZERO)
            case "N", _:
                return self.negative(result)
            case "C", "add":
                return op("ltu", result, x)
            case "C", "sub":
                return op("ltu", x, y)
            case "V", "add":
                return self.negative(op("and", op("xor", y, result), op("xor", x, result)))
            case "V", "sub":
                return self.negative(op("and", op("xor", x, y), op("xor", x, result)))
        return ZERO

    def negative(self, value: Expr) -> Expr:
        return op("lt", self.widened(value), ZERO)

    # ------------------------------------------------------------ widths

    def fits(self, value: Expr, size: int) -> bool:
        """Is it known to be as a value of `size` bytes is kept?"""
        if isinstance(value, Reg):
            return size >= self.i.size or value.name[0] == "%"
        if isinstance(value, Const):
            n, bits = value.value, 8 * size
            return isinstance(n, int) and (-(1 << bits - 1) <= n < 1 << bits - 1 if self.signs else 0 <= n < 1 << bits)
        assert isinstance(value, Op)
        name, args = value.op, value.args
        if name in ("and", "or", "xor", "andnot"):
            return self.fits(args[0], size) and (self.fits(args[1], size) or (name[0] == "a" and not self.signs))
        if name in _BITS:
            return _BITS[name] <= 8 * size if name[0] == "zs"[self.signs] else self.signs and _BITS[name] < 8 * size
        if name in ("first", "weak", "sar" if self.signs else "shr"):
            return self.fits(args[0], size)
        return name in _TRUTHS

    def trim(self, value: Expr, size: int) -> Expr:
        """The low `size` bytes of a value."""
        if size == 8 or self.fits(value, size):
            return value
        if isinstance(value, Op) and value.op in ("pick", "ite"):
            cond, yes, no = value.args
            return Op(value.op, (cond, self.trim(yes, size), self.trim(no, size)))
        return op((SEXT if self.signs else ZEXT)[size], value)

    def widened(self, value: Expr) -> Expr:
        """A value of the operation's size as a signed number."""
        return value if self.signs or self.i.size == 8 else op(SEXT[self.i.size], value)

    # ------------------------------------------------------------ registers and values

    def read(self, o: Operand) -> Expr:
        """The value of an operand."""
        if isinstance(o, Register):
            return self.register(o)
        if isinstance(o, Number):
            return Const(signed(o.value if self.signs else o.value & ((1 << 8 * self.i.size) - 1)))
        return self.load(self.name("r"), o) if isinstance(o, Memory) else self.special(o)

    def special(self, o: Operand) -> Expr:
        """The value of an operand that only this machine has."""
        raise AssertionError(o)

    def register(self, r: Register) -> Expr:
        """The value of a register, or of a part of it."""
        if not r.name:
            return ZERO
        whole = (self.known is not None and self.at(self.known, r.name)) or Reg(r.name)
        return whole if r.size == 8 else self.part(r, whole)

    def part(self, r: Register, whole: Expr) -> Expr:
        """What `r` is of the value of its whole register."""
        return whole

    def write(self, o: Operand, value: Expr) -> None:
        if isinstance(o, Memory):
            i = self.i
            value = self.trim(value, i.access)
            self.code.append(
                Store(self.address(o), value, self.write_tags(), self.span, i.access, self.pair, self.pair, i.row.exclusive)
            )
        else:
            assert isinstance(o, Register)
            self.assign(o.name, self.trim(value, o.size))

    def assign(self, name: str, value: Expr) -> None:
        if name and not (isinstance(value, Reg) and value.name == name):
            self.code.append(Assign(name, value, self.span))
            if self.known is not None:
                self.known[name] = value if isinstance(value, Const) else None

    def held(self, value: Expr) -> Expr:
        """A value, kept from what the instruction goes on to change."""
        if all(name[0] == "%" for name in registers(value)):
            return value
        name = self.name(f"h{len(self.code)}_")
        self.assign(name, value)
        return Reg(name)

    # ------------------------------------------------------------ memory

    def address(self, m: Memory) -> Expr:
        addr: Expr | None = Const(Address(m.symbol, m.offset)) if m.symbol else None
        if m.base:
            base = self.register(m.base)
            addr = base if addr is None else op("add", addr, base)
        if m.by:
            index = op("shl", self.index(m), Const(m.shift)) if m.shift else self.index(m)
            addr = index if addr is None else op("add", addr, index)
        assert addr is not None
        return op("add", addr, Const(m.offset)) if m.offset and not m.symbol else addr

    def index(self, m: Memory) -> Expr:
        assert m.by
        return self.register(m.by)

    def read_tags(self) -> frozenset[str]:
        """The sets that a read of this instruction is in."""
        return self.i.row.tags

    def write_tags(self) -> frozenset[str]:
        return self.i.row.written

    def fetch(self, name: str, m: Memory) -> None:
        """name := what is read at m."""
        i = self.i
        self.code.append(Load(name, self.address(m), self.read_tags(), self.span, i.access, self.pair, self.pair, i.row.exclusive))
        if self.known is not None:
            self.known[name] = None

    def load(self, name: str, m: Memory) -> Expr:
        """name := what is read at m; and its value as the machine keeps it."""
        self.fetch(name, m)
        return self.loaded(Reg(name))

    def loaded(self, value: Expr) -> Expr:
        """What was read, of the size of the access, as the machine keeps it."""
        return value if self.signs or self.plain or self.i.access == 8 else op(ZEXT[self.i.access], value)

    def store_exclusive(self, addr: Expr, value: Expr, result: str = "") -> Expr:
        """The write succeeds or not; 1 when it does not. That carries no dependency, but success one on the write to `result`."""
        fail, end, coin = self.name("fail"), self.name("end"), self.name("c")
        self.code.append(Choose(coin, self.span))
        if result:
            self.assign(result, Reg(coin))
        self.branch(Reg(coin), fail)
        self.code.append(Store(addr, value, self.i.row.written, self.span, self.i.access, 0, 0, True, result=result))
        self.branch(ONE, end)
        self.label(fail)
        self.label(end)
        self.assign(MONITOR, ZERO)
        return Reg(result or coin)

    # ------------------------------------------------------------ control flow

    def goto(self, label: Operand, cond: Expr | Operand = ONE) -> None:
        assert isinstance(label, Word)
        cond = self.read(cond) if isinstance(cond, Register) else cond
        assert not isinstance(cond, tuple)
        self.branch(cond, label.text, ctrl=cond != ONE)

    def branch(self, cond: Expr, target: str, *, ctrl: bool = False) -> None:
        self.code.append(Branch(cond, target, "", ctrl, self.span))
        if self.known is not None:
            self.arriving.setdefault(target, []).append(dict(self.known))
        if cond == ONE:
            self.known = None

    def label(self, name: str) -> None:
        self.code.append(Label(name))
        if not self.folds:
            return
        came = self.arriving.get(name, [])
        if len(came) < self.jumps[name]:  # some branch goes back to here, or is never reached
            self.known = dict.fromkeys(self.mentioned())
            return
        if self.known is not None:
            came = [*came, self.known]
        first, *rest = came or [{}]
        for other in rest:
            first = {n: self.at(first, n) if self.at(first, n) == self.at(other, n) else None for n in {**first, **other}}
        self.known = dict(first)

    @cached_property
    def jumps(self) -> Counter[str]:
        """How many instructions name each label."""
        return Counter(o.text for i in self.instructions for o in i.operands.values() if isinstance(o, Word))

    def at(self, known: Known, name: str) -> Const | None:
        return known[name] if name in known else Const(self.initial.get(name, 0))

    def mentioned(self) -> set[str]:
        """The registers and flags that some instruction may write."""
        return {*self.flag_names, *[name for i in self.instructions for name in i.named]}

    def fence(self, name: object) -> None:
        self.code.append(Mark(frozenset({"F", str(name)}), span=self.span))
