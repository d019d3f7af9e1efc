"""How C is written in Power's instructions, of 64 bits.

Load("r1", Reg("x"))            ld r4,0(r3)
atomic_fetch_add_relaxed(1, x)  ldarx r4,r0,r3   addi r5,r4,1   stdcx. r5,r0,r3   beq L   li r6,1   L:   and a `filter` for r6=0
"""

from __future__ import annotations

from checker.isa.ppc.spelling import PPC
from checker.isa.ppc.table import CONDITIONS
from checker.isa.writer import SIZE, Writer
from checker.program.ir import Const, Expr, Load, Op, Reg, Store

_BITS = 8 * SIZE
_RESERVED = frozenset({"X"})


class Power(Writer):
    machine = PPC
    name = "Power"
    pool = tuple([f"r{n}" for n in (*range(3, 13), *range(14, 32))])

    def immediate(self, op: str, number: int) -> str:
        signed = op in ("mov", "add", "mul", "cmp")
        low, high = (-(1 << 15), 1 << 15) if signed else (0, {"or": 1 << 16, "xor": 1 << 16}.get(op, 0))
        return str(number) if low <= number < high else ""

    def operation(self, dst: str, op: str, args: tuple[Expr, ...]) -> None:
        match op, args:
            case "shl", (Reg() | Op() as left, Const(int(n))) if 0 <= n < 15:
                self.binary(dst, "mul", left, Const(1 << n))
            case "int32", (arg,):
                self.put("d = sext32(n)", d=dst, n=self.value(arg))
            case "uint8" | "uint16" | "uint32", (arg,):
                self.put("d = shr(shl(n, m), m)", d=dst, n=self.value(arg), m=str(_BITS - int(op[4:])))
            case "shl" | "shr" | "sar", (Reg() | Op() as left, Const(int(n))):
                self.put(f"d = {op}(n, m)", d=dst, n=self.value(left), m=str(n))
            case _:
                super().operation(dst, op, args)

    def comparison(self, dst: str, op: str, left: Expr, right: Expr) -> None:
        """The sign of what is made of the two, with no branch, which would order stores."""
        differ, less = Op("xor", (left, right)), Op("sub", (left, right))
        match op:
            case "ne":
                sign = Op("or", (differ, Op("neg", (differ,))))
            case "lt":
                sign = Op("or", (Op("and", (differ, left)), Op("andnot", (less, differ))))
            case "ltu":
                sign = Op("or", (Op("andnot", (right, left)), Op("andnot", (less, differ))))
            case "gt" | "gtu":
                self.comparison(dst, op.replace("gt", "lt"), right, left)
                return
            case _:  # eq, ge, le
                opposite = {"eq": "ne", "ge": "lt", "geu": "ltu", "le": "gt", "leu": "gtu"}[op]
                self.binary(dst, "xor", Op(opposite, (left, right)), Const(1))
                return
        self.operation(dst, "shr", (sign, Const(_BITS - 1)))

    def jump(self, op: str, left: Expr, right: Expr, target: str) -> None:
        compare = "compare_unsigned(n, m)" if op[-1] == "u" else "compare(n, m)"
        other = self.value(right) if op[-1] == "u" else self.operand("cmp", right)
        self.put(compare, n=self.value(left), m=other)
        self.put(f"goto(l, {CONDITIONS[op.rstrip('u')]})", l=target)

    # ------------------------------------------------------------ memory

    def fence(self, tags: frozenset[str]) -> None:
        (name,) = tags - {"F"}
        self.put(f"fence('{name}')")

    def exchange(self, load: Load, store: Store, *, used: bool) -> None:
        new, a = self.value(store.value), f"r0,{self.value(load.addr)}"
        self.put("d = a", _RESERVED, d=self.register(load.dst), a=a)
        self._conditional(new, a)

    def fetch(self, load: Load, op: str, value: Expr, *, used: bool) -> None:
        operand: Expr = value if isinstance(value, Const | Reg) else Reg(self._held(value))
        a = f"r0,{self.value(load.addr)}"
        self.put("d = a", _RESERVED, d=self.register(load.dst), a=a)
        self._conditional(self.computed(Op(op, (Reg(load.dst), operand))), a)

    def compare_exchange(self, load: Load, expected: Expr, new: Expr) -> None:
        wanted, value, a = self.operand("cmp", expected), self.value(new), f"r0,{self.value(load.addr)}"
        old, end = self.register(load.dst), self.label(f"compared {len(self.labels)}")
        self.put("d = a", _RESERVED, d=old, a=a)
        self.put("compare(n, m)", n=old, m=wanted)
        self.put(f"goto(l, {CONDITIONS['ne']})", l=end)
        self._conditional(value, a)
        self.lines.append(f"{end}:")

    def _conditional(self, value: str, a: str) -> None:
        failed, end = self.failure(), self.label(f"stored {len(self.labels)}")
        self.put("conditional(s, a)", write=_RESERVED, s=value, a=a)
        self.put(f"goto(l, {CONDITIONS['eq']})", l=end)
        self.number(failed, 1)
        self.lines.append(f"{end}:")

    def _held(self, value: Expr) -> str:
        """The name of a temporary with a value."""
        name = f"%held{len(self.lines)}"
        self.registers[name] = self.value(value)
        return name


WRITER = Power
