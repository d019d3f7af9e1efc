"""What is x86's own: parts of registers, its flags, the atomics that a lock prefix makes.

Whole registers are signed integers of the register's size: `EAX` of 4 bytes, `rax` of 8, where a write to `eax` clears the upper
half; memory holds signed integers of the size accessed.

    LOCK ADD [x],EAX       %1 := load x {X}; store x := sext32(%1 + EAX) {X}       one read-modify-write pair
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from checker.core.source import Unsupported
from checker.isa.emit import ONE, SEXT, ZERO, ZEXT, Emitter, op
from checker.isa.operand import Memory, Number, Operand, Problem, Register
from checker.isa.table import Instruction
from checker.program.ir import Const, Expr, Label, Reg, Value

_LOCKED = frozenset({"X"})
_END = "%end"


class X86Emitter(Emitter):
    signs = True
    flag_names = {"ZF": "Z", "SF": "N", "CF": "C", "OF": "V"}
    accumulator = Register("EAX", 4)

    def __init__(self, instructions: Sequence[Instruction], initial: Mapping[str, Value], *, plain: bool) -> None:
        super().__init__(instructions, initial, plain=plain)
        self.known = None
        self.leaves = False

    def label(self, name: str) -> None:
        self.code.append(Label(name))

    def end(self) -> None:
        if self.leaves:
            self.label(_END)

    def leave(self) -> None:
        self.leaves = True
        self.branch(ONE, _END)

    # ------------------------------------------------------------ operands

    def part(self, r: Register, whole: Expr) -> Expr:
        if r.size == self.accumulator.size:
            return whole
        return op(SEXT[r.size], op("shr", whole, Const(8)) if r.high else whole)

    def exact(self, to: Register) -> bool:
        return to.size == self.accumulator.size

    def write(self, o: Operand, value: Expr) -> None:
        """4 bytes of 8 clear the others; 1 or 2 bytes leave them as they are."""
        word = self.accumulator.size
        if not isinstance(o, Register) or o.size == word:
            super().write(o, value)
            return
        value = op(ZEXT[o.size], value)
        if o.size < 4:
            mask, shift = (1 << 8 * o.size) - 1, 8 if o.high else 0
            kept = op("and", self.register(Register(o.name, word)), Const(~(mask << shift)))
            value = op("or", kept, op("shl", value, Const(shift)) if shift else value)
        self.assign(o.name, value)

    def address(self, m: Memory) -> Expr:
        if not (m.symbol or m.base or m.by):
            raise Problem(Unsupported, "an access to a fixed address", "name a location: [x]")
        return super().address(m)

    def read_tags(self) -> frozenset[str]:
        return _LOCKED if self.i.locked else self.i.row.tags

    def write_tags(self) -> frozenset[str]:
        return self.read_tags()

    # ------------------------------------------------------------ operations

    def apply(self, name: str, *args: Expr) -> Expr:
        match name, args:
            case "inc", (a,):
                return op("add", a, ONE)
            case "dec", (a,):
                return op("sub", a, ONE)
            case "adc", (a, b, carry):
                return op("add", op("add", a, b), carry)
            case "sbb", (a, b, carry):
                return op("sub", op("sub", a, b), carry)
            case "unsigned", (a,):
                return op(ZEXT[self.i.access], a)
            case "shr", (a, b) if self.i.size < 8:
                return op("shr", op(ZEXT[self.i.size], a), b)
        return super().apply(name, *args)

    def flag(self, which: str, name: str, x: Expr, y: Expr, result: Expr) -> Expr | None:
        bits = 8 * self.i.size
        smallest = Const(-(1 << bits - 1))
        n = y.value if isinstance(y, Const) and isinstance(y.value, int) else 0
        match which, name:
            case "C", "inc" | "dec":
                return None
            case "V", "inc":
                return op("eq", result, smallest)
            case "V", "dec" | "neg":
                return op("eq", x, smallest)
            case "C", "adc":
                return op("lor", op("ltu", result, x), op("land", Reg("CF"), op("eq", result, x)))
            case "C", "sbb":
                return op("lor", op("ltu", x, y), op("land", Reg("CF"), op("eq", x, y)))
            case "V", "adc" | "sbb":
                name = "add" if name == "adc" else "sub"
            case "C", "neg":
                return op("ne", x, ZERO)
            case "C", "shl":
                return _bit_of(x, bits - n) if n <= bits else ZERO
            case "C", "shr":
                return _bit_of(x, n - 1) if n <= bits else ZERO
            case "C", "sar":
                return _bit_of(x, min(n - 1, 63))
            case "V", "shl":  # defined for shifts by 1 only
                return self.negative(op("xor", x, result))
            case "V", "shr":
                return self.negative(x)
        return super().flag(which, name, x, y, result)

    def shift(self, name: str, a: Operand, b: Number) -> None:
        """The count is taken modulo 32, or 64; by 0 nothing is written."""
        value, count = self.read(a), Const(b.value & (63 if self.i.size == 8 else 31))
        if count != ZERO:
            self.write(a, self.flagged(name, value, count))

    def bit(self, name: str, a: Operand, b: Operand) -> None:
        if isinstance(a, Memory) and isinstance(b, Register):
            hint = "write the number of the bit: btsl $0,(x)"
            raise Problem(Unsupported, "a bit of memory by the number in a register", hint)
        value = self.held(self.read(a))
        n = self.held(op("and", self.read(b), Const(8 * self.i.size - 1)))
        if name:
            self.write(a, op(name, value, op("shl", ONE, n)))
        if "CF" in self.tested:
            self.assign("CF", op("and", op("shr", value, n), ONE))

    def pointed(self, m: Memory) -> Expr:
        return self.address(m) if m.symbol or m.base or m.by else Const(m.offset)

    def compare_exchange(self, a: Operand, b: Operand) -> None:
        """Writes only when the old value is the accumulator's, else the accumulator takes the old value."""
        accumulator = self.accumulator._replace(size=self.i.size)
        fail, end = self.name("fail"), self.name("done")
        expected = self.held(self.read(accumulator))
        old = self.held(self.read(a))
        self.flagged("sub", expected, old)
        self.branch(op("ne", expected, old), fail)
        self.write(a, self.read(b))
        self.branch(ONE, end)
        self.label(fail)
        self.write(accumulator, old)
        self.label(end)


class X86WideEmitter(X86Emitter):
    accumulator = Register("rax", 8)


def _bit_of(a: Expr, n: int) -> Expr:
    return op("and", op("shr", a, Const(n)), ONE) if n < 64 else ZERO
