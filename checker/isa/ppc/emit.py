"""What is Power's own: the field CR0 of the condition register, and a store conditional that leaves its success there.

    cmpw r1,r2      LT, GT and EQ of CR0, each from both operands
    stwcx. r3,0,r4  Choose c; if not c: Store(r4, r3, exclusive); EQ := not c; the reservation is gone

Registers hold 64 bits, memory what an access of its size has, without a sign.
"""

from __future__ import annotations

from checker.core.source import Unsupported
from checker.core.value import signed
from checker.isa.emit import ZERO, Emitter, op
from checker.isa.operand import Memory, Number, Problem, Register
from checker.program.ir import Const, Expr

_FLAGS = {"LT": "lt", "GT": "gt", "EQ": "eq"}


class PowerEmitter(Emitter):
    flag_names = _FLAGS

    def exact(self, to: Register) -> bool:
        return self.plain or self.i.access == 8

    def compare_unsigned(self, n: Register, m: Register | Number) -> None:
        self.compare(n, m, "u")

    def compare(self, n: Expr | Register, m: Expr | Register | Number, sign: str = "") -> None:
        values = [self.held(self.read(x) if isinstance(x, Register | Number) else x) for x in (n, m)]
        for flag in self.tested:
            self.assign(flag, op(_FLAGS[flag] + sign * (flag != "EQ"), *values))

    def rotated(self, n: Register, k: Number, first: Number, last: Number) -> Expr:
        """The low word of n, rotated to the left and cut to a mask; bits are counted from the left, of a word from 32 on."""
        word = op("zext32", self.read(n))
        twice, by = op("or", word, op("shl", word, Const(32))), k.value & 31
        turned = op("or", op("shl", twice, Const(by)), op("shr", twice, Const(64 - by))) if by else twice
        return op("and", turned, Const(_mask(first, last)))

    def insert(self, d: Register, n: Register, k: Number, first: Number, last: Number) -> None:
        kept = op("and", self.read(d), Const(~_mask(first, last)))
        self.write(d, op("or", kept, self.rotated(n, k, first, last)))

    def conditional(self, s: Register, a: Memory) -> None:
        failed = self.store_exclusive(self.address(a), self.trim(self.read(s), self.i.access))
        for flag in self.tested:
            self.assign(flag, op("lnot", failed) if flag == "EQ" else ZERO)


def _mask(first: Number, last: Number) -> int:
    """Ones from a bit to another, around the end where the other comes before it."""
    if not 0 <= first.value < 32 > last.value >= 0:
        raise Problem(Unsupported, f"a mask from bit {first.value} to {last.value}", "bits are 0 to 31")
    low = (1 << 32 - first.value) - 1
    high = -(1 << 31 - last.value)
    return signed(low & high if first.value <= last.value else low | high)
