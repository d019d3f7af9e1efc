"""What is Power's own: the field CR0 of the condition register, and a store conditional that leaves its success there.

    cmpw r1,r2      LT, GT and EQ of CR0, each from both operands
    stwcx. r3,0,r4  Choose c; if not c: Store(r4, r3, exclusive); EQ := not c; the reservation is gone

Registers hold 64 bits, memory what an access of its size has, without a sign.
"""

from __future__ import annotations

from checker.isa.emit import ZERO, Emitter, op
from checker.isa.operand import Memory, Operand, Register
from checker.program.ir import Const, Expr, Op, Reg

_FLAGS = {"LT": "lt", "GT": "gt", "EQ": "eq"}


class PowerEmitter(Emitter):
    flag_names = _FLAGS

    def exact(self, to: Register) -> bool:
        return self.plain or self.i.access == 8

    def compare_unsigned(self, n: Operand, m: Operand) -> None:
        self.compare(n, m, "u")

    def compare(self, n: Expr | Operand, m: Expr | Operand, sign: str = "") -> None:
        values = [self.held(x if isinstance(x, Reg | Const | Op) else self.read(x)) for x in (n, m)]
        for flag in self.tested:
            self.assign(flag, op(_FLAGS[flag] + sign * (flag != "EQ"), *values))

    def conditional(self, s: Register, a: Memory) -> None:
        failed = self.store_exclusive(self.address(a), self.trim(self.read(s), self.i.access))
        for flag in self.tested:
            self.assign(flag, op("lnot", failed) if flag == "EQ" else ZERO)
