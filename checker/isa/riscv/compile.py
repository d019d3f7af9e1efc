"""How C is written in RISC-V's instructions, as herd7 knows them: with A, without Zacas.

Load("r1", Reg("x"))            ld x6,0(x5)
atomic_fetch_add(1, x)          li x7,1   amoadd.d.aqrl x6,x7,(x5)
cmpxchg_relaxed(x, 0, 1)        li x8,1   lr.d x6,0(x5)   bne x6,x0,L   sc.d x7,x8,0(x5)   L:   and a `filter` for x7=0
"""

from __future__ import annotations

from checker.isa.riscv.spelling import RISCV
from checker.isa.riscv.table import BRANCHES
from checker.isa.writer import Writer
from checker.program.ir import Const, Expr, Load, Op, Store

_SWAPPED = {"gt": "lt", "le": "ge", "gtu": "ltu", "leu": "geu"}
_ATOMIC = {"add": "o + s", "and": "o & s", "or": "o | s", "xor": "o ^ s"}
_ORDERS = frozenset({"Acq", "Rel", "AcqRel"})


class RiscV(Writer):
    machine = RISCV
    name = "RISC-V"
    pool = tuple([f"x{n}" for n in range(5, 32)])
    zero = "x0"

    def immediate(self, op: str, number: int) -> str:
        low, high = (0, 64) if op in ("shl", "shr", "sar") else (-2048, 2048) if op in ("add", "and", "or", "xor") else (0, 0)
        return str(number) if op == "mov" or low <= number < high else ""

    def operation(self, dst: str, op: str, args: tuple[Expr, ...]) -> None:
        if op in ("int8", "int16", "int32"):
            self.put(f"d = sext{op[3:]}(n)", d=dst, n=self.value(args[0]))
        else:
            super().operation(dst, op, args)

    def comparison(self, dst: str, op: str, left: Expr, right: Expr) -> None:
        """There are slt and sltu; x != 0 is x < 0 or 0 < x."""
        match op:
            case "ne":
                differs = Op("xor", (left, right)) if right != Const(0) else left
                both = Op("lt", (differs, Const(0))), Op("lt", (Const(0), differs))
                self.binary(dst, "or", *both)
            case "eq" | "ge" | "geu":
                opposite = {"eq": "ne", "ge": "lt", "geu": "ltu"}[op]
                self.binary(dst, "xor", Op(opposite, (left, right)), Const(1))
            case "gt" | "le" | "gtu" | "leu":
                self.comparison(dst, _SWAPPED[op], right, left)
            case _:
                self.put("d = n < m" if op == "lt" else "d = ltu(n, m)", d=dst, n=self.value(left), m=self.value(right))

    def jump(self, op: str, left: Expr, right: Expr, target: str) -> None:
        if op in _SWAPPED:
            op, left, right = _SWAPPED[op], right, left
        self.put(f"goto(l, {BRANCHES[op]})", n=self.value(left), m=self.value(right), l=target)

    # ------------------------------------------------------------ memory

    def fence(self, tags: frozenset[str]) -> None:
        (name,) = tags - {"F"}
        _, before, after = name.split(".")
        self.put("between(p, q)", p=before, q=after)

    def exchange(self, load: Load, store: Store, *, used: bool) -> None:
        self._atomic("s", load, store.value)

    def fetch(self, load: Load, op: str, value: Expr, *, used: bool) -> None:
        if op == "andnot":
            op, value = "and", Op("not", (value,))
        if op not in _ATOMIC:
            raise self.refuse(f"an atomic '{op}'")
        self._atomic(_ATOMIC[op], load, value)

    def _atomic(self, new: str, load: Load, value: Expr) -> None:
        s, a, order = self.value(value), self.value(load.addr), load.tags & _ORDERS
        self.put(
            f"o = a; a = {new}; d = wide(o)", order | {"AMO"}, order | {"AMO", "R"}, d=self.register(load.dst), s=s, a=f"({a})"
        )

    def compare_exchange(self, load: Load, expected: Expr, new: Expr) -> None:
        wanted, value, a = self.value(expected), self.value(new), f"0({self.value(load.addr)})"
        old, status, end = self.register(load.dst), self.temporary(), self.label(f"compared {len(self.labels)}")
        self.put("d = a", frozenset({"X"}), d=old, a=a)
        self.put(f"goto(l, {BRANCHES['ne']})", n=old, m=wanted, l=end)
        self.put("exclusive(d, s, a)", write=frozenset({"X", "Rel"} if "ScRel" in load.tags else {"X"}), d=status, s=value, a=a)
        self.failed_if(status)
        self.lines.append(f"{end}:")


WRITER = RiscV
