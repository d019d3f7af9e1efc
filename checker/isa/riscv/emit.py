"""What is RISC-V's own: fences by their sets, store-conditional with a status, loads without sign.

Registers hold 64 bits, memory what an access of its size has, without a sign.
"""

from __future__ import annotations

from msgspec.structs import replace

from checker.core.source import Unsupported
from checker.isa.emit import SEXT, Emitter, op
from checker.isa.operand import Memory, Operand, Problem, Register, Word
from checker.program.ir import Const, Expr, Store

_SETS = ("r", "w", "rw")


class RiscVEmitter(Emitter):
    def exact(self, to: Register) -> bool:
        return self.plain or self.i.access == 8

    def apply(self, name: str, *args: Expr) -> Expr:
        match name, args:
            case "wide", (value,):  # what is as wide as the access, with its sign
                return value if self.i.access == 8 else op(SEXT[self.i.access], value)
            case "shl" | "shr" | "sar", (value, amount):
                return op(name, value, op("and", amount, Const(63)))
        return super().apply(name, *args)

    def exclusive(self, d: Register, s: Register, a: Memory) -> None:
        """The status depends on the write, if there is one."""
        self.write(d, self.store_exclusive(self.address(a), self.trim(self.read(s), self.i.access), self.name("s")))

    def write(self, o: Operand, value: Expr) -> None:
        """An AMO is one operation: what depends on the value it read depends on its write as well."""
        super().write(o, value)
        if isinstance(o, Memory) and self.pair:
            store = self.code[-1]
            assert isinstance(store, Store)
            self.code[-1] = replace(store, result=self.name("r"))

    def low(self, s: Register) -> Expr:
        """What of a register is as wide as the access."""
        return self.trim(self.read(s), self.i.access)

    def compare(self, d: Register, s: Register, a: Memory) -> None:
        """amocas: writes s where memory holds d; d gets what was read."""
        fail = self.name("fail")
        expected, old = self.held(self.low(d)), self.read(a)
        self.branch(op("ne", old, expected), fail)
        self.write(a, self.read(s))
        self.label(fail)
        self.write(d, self.apply("wide", old))

    def between(self, before: Word | None, after: Word | None) -> None:
        sets = [word.text.lower().strip("io") for word in (before, after) if word] or ["rw", "rw"]
        if len(sets) != 2 or not all(word in _SETS for word in sets):
            raise Problem(Unsupported, "a fence of these sets", "write 'fence rw,rw' with r, w or rw")
        self.fence(f"Fence.{sets[0]}.{sets[1]}")
