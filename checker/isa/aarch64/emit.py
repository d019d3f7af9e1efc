"""What is AArch64's own: halves of registers, shifted operands, conditions, pairs, exclusives, CAS.

    STXR W3,W2,[X1]     Choose c; if not c: Store(X1, X2, exclusive); X3 := c; the monitor is disarmed
    LDADDA W2,W0,[X1]   Load(old, X1, {"A"}, pair); Store(X1, old + X2, pair); X0 := old

A value of Wn is kept as an integer of 0 to 2^32-1 in Xn. Where the manual leaves a choice, both ways are explored: a store
exclusive may fail, a failing CAS may write back what it read.
Sources: Arm Architecture Reference Manual, C6.2, B2.3.2 (dependencies), B2.12 (exclusives); what a CAS depends on: herd7's
AArch64Sem.ml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from checker.core.source import SyntaxProblem, UnknownName, Unsupported
from checker.core.value import signed
from checker.isa.aarch64.table import CONDITIONS, DOMAINS, EXTENSIONS, SHIFTS
from checker.isa.emit import ONE, SEXT, ZERO, Emitter, op
from checker.isa.meaning import meaning
from checker.isa.operand import Memory, Number, Operand, Problem, Register, Shifted, Word
from checker.isa.table import Instruction
from checker.program.ir import Choose, Const, Expr, Load, Reg, Store, Value

_NO_RETURN = frozenset({"NoRet", "RMW"})


class AArch64Emitter(Emitter):
    flag_names = {"N": "N", "Z": "Z", "C": "C", "V": "V"}

    def __init__(self, instructions: Sequence[Instruction], initial: Mapping[str, Value], *, plain: bool) -> None:
        super().__init__(instructions, initial, plain=plain)
        wide = {name for name, value in initial.items() if not (isinstance(value, int) and 0 <= value < 1 << 32)}
        for i in instructions:
            wide.update(i.whole)
        self.wide = wide
        """The registers whose upper half may be other than 0."""

    # ------------------------------------------------------------ values

    def part(self, r: Register, whole: Expr) -> Expr:
        return op("zext32", whole) if r.size == 4 and (isinstance(whole, Const) or r.name in self.wide) else whole

    def exact(self, to: Register) -> bool:
        return self.plain or self.i.access == 8

    def special(self, o: Operand) -> Expr:
        match o:
            case Shifted(operand, kind, amount) if kind in SHIFTS:
                return self.apply(SHIFTS[kind], self.read(operand), Const(amount))
            case Shifted(operand, kind, amount):
                value = op(EXTENSIONS[kind], self.read(operand)) if EXTENSIONS[kind] else self.read(operand)
                return self.trim(op("shl", value, Const(amount)) if amount else value, self.i.size)
            case Word(text):
                if text.upper() not in CONDITIONS:
                    raise Problem(UnknownName, f"unknown condition '{text}'", f"conditions are {', '.join(CONDITIONS)}")
                holds: Expr = meaning(CONDITIONS[text.upper()]).steps[0](self)
                return holds
        return super().special(o)

    def apply(self, name: str, *args: Expr) -> Expr:
        if name in ("shl", "shr", "sar", "ror"):
            return self._shift(name, *args)
        if name in ("smax", "smin", "umax", "umin"):
            return self._bound(name, *args)
        return super().apply(name, *args)

    def _shift(self, name: str, value: Expr, amount: Expr) -> Expr:
        """Amounts count modulo the width."""
        bits = 8 * self.i.size
        amount = op("and", amount, Const(bits - 1))
        if amount == ZERO:
            return value
        if name == "ror":
            back = op("and", op("sub", Const(bits), amount), Const(bits - 1))
            return op("or", op("shr", value, amount), op("shl", value, back))
        return self.trim(op(name, self.widened(value) if name == "sar" else value, amount), self.i.size)

    def _bound(self, name: str, old: Expr, new: Expr) -> Expr:
        size = self.i.access
        new = self.trim(new, size)
        wide = (op(SEXT[size], old), op(SEXT[size], new)) if name[0] == "s" and size < 8 else (old, new)
        compare = {"smax": "ge", "smin": "le", "umax": "geu", "umin": "leu"}[name]
        return op("ite", op(compare, *wide), old, new)

    def flag(self, which: str, name: str, x: Expr, y: Expr, result: Expr) -> Expr | None:
        return op("geu", x, y) if (which, name) == ("C", "sub") else super().flag(which, name, x, y, result)

    def half(self, o: Number | Shifted) -> Expr:
        """16 bits of a number, in their place."""
        number = o.operand if isinstance(o, Shifted) else o
        at = o.amount if isinstance(o, Shifted) else 0
        assert isinstance(number, Number)
        if isinstance(o, Shifted) and (o.kind != "LSL" or at % 16 or at >= 8 * self.i.size):
            raise Problem(Unsupported, f"{o.kind} #{at} here", "the shift is LSL #0, #16, and of X also #32, #48")
        if not 0 <= number.value < 1 << 16:
            raise Problem(Unsupported, f"#{number.value} does not fit into 16 bits", "0 to 65535 does")
        return Const(signed(number.value << at))

    def insert(self, d: Register, o: Number | Shifted) -> Expr:
        """d with 16 of its bits replaced."""
        mask = ((1 << 8 * d.size) - 1) & ~(0xFFFF << (o.amount if isinstance(o, Shifted) else 0))
        return op("or", op("and", self.read(d), Const(signed(mask))), self.half(o))

    def bit(self, t: Register, i: Number) -> Expr:
        if not 0 <= i.value < 8 * t.size:
            raise Problem(SyntaxProblem, f"there is no bit {i.value} in a register of {8 * t.size}")
        return op("and", op("shr", self.read(t), Const(i.value)), ONE)

    def barrier(self, name: str, option: Word | None) -> None:
        text = option.text.upper() if option else "SY"
        if text not in (DOMAINS if name != "ISB" else ("SY",)):
            raise Problem(Unsupported, f"no such option of {name}: '{text}'", f"options are {', '.join(DOMAINS)}")
        self.fence(f"{name}.{text}" if name != "ISB" else name)

    # ------------------------------------------------------------ memory

    def address(self, m: Memory) -> Expr:
        """The effective address; `[Xn, …]!` moves the base first, `[Xn],#k` last."""
        if not m.write or not m.base:
            return super().address(m)
        if any(isinstance(o, Register) and o.name == m.base.name for o in self.operands.values()):
            raise Problem(Unsupported, f"{m.base.name} is both data and the base that moves: the result is unpredictable")
        base = self.register(m.base)
        moved = op("add", base, Const(m.offset))
        if m.write == "post":
            self.moved = m.base.name, moved
            return base
        self.assign(m.base.name, moved)
        return moved if isinstance(moved, Const) else Reg(m.base.name)

    def index(self, m: Memory) -> Expr:
        assert m.by
        return op("sext32", self.register(Register(m.by.name, 8))) if m.extend == "SXTW" else self.register(m.by)

    def read_tags(self) -> frozenset[str]:
        """An atomic whose result nobody gets is no read for an acquire."""
        if self.i.row.atomic:
            result = self.operands.get("s" if self.i.row.meaning[:4] == "swap" else "t")
            if not (isinstance(result, Register) and result.name):
                return _NO_RETURN
        return self.i.row.tags

    def _pair(self, t: Register, u: Register, a: Memory) -> tuple[Expr, Expr]:
        """The two addresses of a pair."""
        if a.by:
            raise Problem(Unsupported, "a pair takes an address without index register", "write [X1] or [X1,#8]")
        base = self.address(a)
        if a.base and t.name == a.base.name:
            self.assign(self.name("a"), base)
            base = Reg(self.name("a"))
        return base, op("add", base, Const(self.i.access))

    def load_pair(self, t: Register, u: Register, a: Memory) -> None:
        addresses, size = self._pair(t, u, a), self.i.access
        if t.name and t.name == u.name:
            raise Problem(Unsupported, f"{t.name} is loaded twice: the result is unpredictable")
        temps = (self.name("r"), self.name("r") + "b")
        for temp, addr in zip(temps, addresses, strict=True):
            self.code.append(Load(temp, addr, self.i.row.tags, self.span, size, 0, self.count))
        for register, temp in zip((t, u), temps, strict=True):
            self.write(register, op(SEXT[size], Reg(temp)) if size < self.i.size else self.loaded(Reg(temp)))

    def store_pair(self, t: Register, u: Register, a: Memory) -> None:
        for register, addr in zip((t, u), self._pair(t, u, a), strict=True):
            self.code.append(Store(addr, self.read(register), self.i.row.written, self.span, self.i.access, 0, self.count))

    def exclusive(self, s: Register, t: Register, a: Memory) -> None:
        """Status 0 and a write, or status 1 and none (B2.3.2: the status is no register read's result)."""
        self.write(s, self.store_exclusive(self.address(a), self.trim(self.read(t), self.i.access)))

    def swap(self, s: Register, t: Register, a: Memory) -> None:
        """CAS Xs, Xt: writes Xt where memory holds Xs. Xs gets what was read: on success it may instead keep its own value, which
        is the same but depends on other reads; on failure what was read may be written back."""
        fail, end, coin, same = self.name("fail"), self.name("end"), self.name("c"), self.name("same")
        read, addr, size = self.load(self.name("r"), a), self.address(a), self.i.access
        wanted = self.trim(self.read(s), size)
        differs = op("ne", read, wanted)

        def write(value: Expr) -> None:
            value = op("weak", value, differs)
            self.code.append(Store(addr, value, self.i.row.written, self.span, size, self.pair, self.pair))

        self.branch(differs, fail)
        write(self.trim(self.read(t), size))
        if self._read_elsewhere(s):
            self.code.append(Choose(coin, self.span))
            self.branch(Reg(coin), same)
            self.assign(s.name, read)
            self.branch(ONE, end)
            self.label(same)
            self.assign(s.name, op("weak", wanted, differs))
        else:
            self.assign(s.name, read)
        self.branch(ONE, end)
        self.label(fail)
        self.assign(s.name, read)
        self.code.append(Choose(coin, self.span))
        self.branch(Reg(coin), end)
        write(read)
        self.label(end)

    def _read_elsewhere(self, register: Register) -> bool:
        """Is the register named by any other instruction, or are its writes events, so that what it depends on matters?"""
        named = [name for i in self.instructions for name in i.named]
        return bool(register.name) and (not self.folds or named.count(register.name) > 1)
