"""How C is written in AArch64's instructions, with the atomics of Armv8.1.

Load("r1", Reg("x"), {"A"})     LDAR X1,[X0]
xchg(x, 1)                      MOV X3,#1   SWPAL X3,X2,[X0]
"""

from __future__ import annotations

from checker.isa.aarch64.spelling import AARCH64
from checker.isa.aarch64.table import CONDITIONS
from checker.isa.writer import Writer
from checker.program.ir import Const, Expr, Load, Op, Store

_CONDITION = {
    "eq": "EQ", "ne": "NE", "lt": "LT", "le": "LE", "gt": "GT", "ge": "GE", "ltu": "CC", "leu": "LS", "gtu": "HI", "geu": "CS",
}  # fmt: skip
_ATOMIC = {"add": "o + s", "or": "o | s", "andnot": "o & ~s", "xor": "o ^ s"}
_ORDERS = frozenset({"A", "Q", "L"})


class AArch64(Writer):
    machine = AARCH64
    name = "AArch64"
    pool = tuple([f"X{n}" for n in range(30)])
    zero = "XZR"
    zero_beside_number = False  # there it is the stack pointer

    def immediate(self, op: str, number: int) -> str:
        bound = {"mov": 1 << 16, "add": 4096, "sub": 4096, "cmp": 4096, "shl": 64, "shr": 64, "sar": 64}.get(op, 0)
        return f"#{number}" if 0 <= number < bound else ""

    def operation(self, dst: str, op: str, args: tuple[Expr, ...]) -> None:
        match op, args:
            case "ite", (cond, yes, no):
                first, second = self.value(yes), self.value(no)
                self._compare(cond, Const(0))
                self.put("d = pick(c, n, m)", d=dst, n=first, m=second, c="NE")
            case _:
                super().operation(dst, op, args)

    def comparison(self, dst: str, op: str, left: Expr, right: Expr) -> None:
        self._compare(left, right)
        self.put("d = pick(c, 1, 0)", d=dst, c=_CONDITION[op])

    def _compare(self, left: Expr, right: Expr) -> None:
        first = self.computed(left) if left == Const(0) else self.value(left)
        self.put("flags(n - m)", n=first, m=self.operand("cmp", right))

    def jump(self, op: str, left: Expr, right: Expr, target: str) -> None:
        if right == Const(0) and op in ("eq", "ne"):
            self.put("goto(l, t == 0)" if op == "eq" else "goto(l, t)", t=self.value(left), l=target)
        else:
            self._compare(left, right)
            self.put(f"goto(l, {CONDITIONS[_CONDITION[op]]})", l=target)

    # ------------------------------------------------------------ memory

    def load(self, load: Load) -> None:
        a = self.value(load.addr)
        self.put("t = a", frozenset(sorted(load.tags & _ORDERS)[:1]), t=self.register(load.dst), a=f"[{a}]")

    def store(self, store: Store) -> None:
        value = self.value(store.value)
        self.put("a = t", write=store.tags & _ORDERS, t=value, a=f"[{self.value(store.addr)}]")

    def fence(self, tags: frozenset[str]) -> None:
        names = [tag.split(".") for tag in tags if tag.partition(".")[0] in ("DMB", "DSB")]
        if len(names) != 1:
            raise self.refuse("this fence")
        self.put(f"barrier('{names[0][0]}', o)", o=names[0][1])

    def exchange(self, load: Load, store: Store, *, used: bool) -> None:
        self._atomic("o = a; a = s; t = o", load, store.value)

    def _atomic(self, meaning: str, load: Load, value: Expr) -> None:
        """The tags of a read-modify-write stand on both its events."""
        s, a = self.value(value), self.value(load.addr)
        self.put(meaning, load.tags & {"A"}, load.tags & {"L"}, s=s, t=self.register(load.dst), a=f"[{a}]")

    def fetch(self, load: Load, op: str, value: Expr, *, used: bool) -> None:
        if op == "and":
            op, value = "andnot", Op("not", (value,))
        if op not in _ATOMIC:
            raise self.refuse(f"an atomic '{op}'")
        if "NoRet" in load.tags:
            s = self.value(value)
            self.put(f"o = a; a = {_ATOMIC[op]}", s=s, a=f"[{self.value(load.addr)}]")
        else:
            self._atomic(f"o = a; a = {_ATOMIC[op]}; t = o", load, value)

    def compare_exchange(self, load: Load, expected: Expr, new: Expr) -> None:
        value, a, old = self.value(new), self.value(load.addr), self.register(load.dst)
        self.assign(old, expected)
        self.put("swap(s, t, a)", load.tags & {"A"}, load.tags & {"L"}, s=old, t=value, a=f"[{a}]")


WRITER = AArch64
