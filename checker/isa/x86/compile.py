"""How C is written in x86-64's instructions, in AT&T's spelling, as herd7 knows them.

    Load("r1", Reg("x"))            movq (x),%rax
    smp_mb()                        mfence
    xchg(x, 1)                      movq $1,%rax   xchgq %rax,(x)

herd7 takes the lock prefix before add, xor and cmpxchg only, and has no xadd and no bts: other atomics are the last round of a
loop around a cmpxchg, with a `filter` for its success. Its cmpxchg has the memory operand first. It has no sub and no setcc.
"""

from __future__ import annotations

from checker.isa.writer import OPPOSITE, SIZE, Writer
from checker.isa.x86.spelling import ATT
from checker.isa.x86.table import CONDITIONS
from checker.program.ir import Address, Const, Expr, Load, Op, Reg, Store

_JUMP = {"eq": "e z", "ne": "ne nz", "lt": "l nge lt", "le": "le ng", "gt": "g nle gt", "ge": "ge nl"}
_KNOWN = ("add", "or", "xor", "and")
_EXPECTED = "%rax"  # what cmpxchg compares with, and where the old value comes back


def _half(register: str) -> str:
    """The lower 32 bits of a register."""
    return f"{register}d" if register[2:].isdecimal() else f"%e{register[2:]}"


class X86(Writer):
    machine = ATT
    name = "x86-64"
    pool = ("%rbx", "%rcx", "%rdx", "%rsi", "%rdi", *[f"%r{n}" for n in range(8, 16)])

    def immediate(self, op: str, number: int) -> str:
        return f"${number}" if -(1 << 31) <= number < 1 << 31 else ""

    def place(self, e: Expr) -> str:
        """The memory operand of an address."""
        match e:
            case Const(Address(name, 0)):
                return f"({self.names[name]})"
            case Const(Address(name, offset)):
                return f"{offset * SIZE}({self.address(name)})"
            case Reg(name) if name in self.params and name not in self.registers:
                return f"({self.names[name]})"
        return f"({self.value(e)})"

    def binary(self, dst: str, op: str, left: Expr, right: Expr) -> bool:
        return op in _KNOWN and super().binary(dst, op, left, right)

    def operation(self, dst: str, op: str, args: tuple[Expr, ...]) -> None:
        match op, args:
            case ("uint8" | "uint16", (arg,)):
                self.binary(dst, "and", arg, Const((1 << int(op[4:])) - 1))
            case ("int8" | "int16", (arg,)):
                sign = 1 << int(op[3:]) - 1
                self.binary(dst, "add", Op("xor", (Op(f"u{op}", (arg,)), Const(sign))), Const(-sign))
            case ("uint32", (arg,)):  # what is written to 32 bits of a register clears the others
                self.assign(dst, arg)
                self.copy(_half(dst), _half(dst))
            case ("int32", (arg,)):  # there is no movslq: modulo 2^32, from -2^31 on
                self.assign(dst, arg)
                self.put("d = flags(d + n)", d=_half(dst), n="$-2147483648")
                self.put("d = flags(d + n)", d=dst, n="$-2147483648")
            case _:
                super().operation(dst, op, args)

    def truth(self, dst: str, cond: Op) -> None:
        """There is no setcc. (On x86 a branch orders nothing.)"""
        if cond.op in OPPOSITE and cond.op not in _JUMP:
            raise self.refuse(f"the operation '{cond.op}'")
        end, result = self.label(f"truth {len(self.labels)}"), self.temporary()
        self.copy(result, "$1")
        self.branch(cond, end)
        self.copy(result, "$0")
        self.lines.append(f"{end}:")
        self.copy(dst, result)

    def branch(self, cond: Expr, target: str) -> None:
        match cond:
            case Op("lor", (left, right)):
                self.branch(left, target)
                self.branch(right, target)
            case Op("land", (left, right)):
                over = self.label(f"over {len(self.labels)}")
                self.branch(Op("lnot", (left,)), over)
                self.branch(right, target)
                self.lines.append(f"{over}:")
            case _:
                super().branch(cond, target)

    def jump(self, op: str, left: Expr, right: Expr, target: str) -> None:
        if op not in _JUMP:
            raise self.refuse(f"the operation '{op}'")
        other = self.operand("cmp", right)
        self.put("flags(d - n)", d=self.value(left), n=other)
        self.put(f"goto(l, {CONDITIONS[_JUMP[op]]})", l=target)

    # ------------------------------------------------------------ memory

    def load(self, load: Load) -> None:
        place = self.place(load.addr)
        self.copy(self.register(load.dst), place)

    def store(self, store: Store) -> None:
        value = self.operand("mov", store.value)
        self.copy(self.place(store.addr), value)

    def fence(self, tags: frozenset[str]) -> None:
        self.put(f"fence('{''.join(sorted(tags - {'F'}))}')")

    def exchange(self, load: Load, store: Store, *, used: bool) -> None:
        place = self.place(load.addr)
        new = self.computed(store.value)
        self.put("d, n = n, d", d=place, n=new)
        if used:
            self.copy(self.register(load.dst), new)

    def fetch(self, load: Load, op: str, value: Expr, *, used: bool) -> None:
        place = self.place(load.addr)
        lock = "lock " if "X" in load.tags else ""  # a per-CPU operation is not locked
        if not used and op in ("add", "xor"):
            self.put("d = flags(d + n)" if op == "add" else "d = flags(d ^ n)", prefix=lock, d=place, n=self.operand(op, value))
            return
        old, new, wrong = self.register(load.dst), self.temporary(), self.temporary()
        self.copy(old, place)
        self.assign(new, Op(op, (Reg(load.dst), value)))
        self.copy(_EXPECTED, old)
        self.put("compare_exchange(d, n)", prefix=lock, d=place, n=new)
        self.copy(wrong, _EXPECTED)
        self.put("d = flags(d ^ n)", d=wrong, n=old)
        self.failed_if(wrong)

    def compare_exchange(self, load: Load, expected: Expr, new: Expr) -> None:
        place, value = self.place(load.addr), self.computed(new)
        self.assign(_EXPECTED, expected)
        self.put("compare_exchange(d, n)", prefix="lock ", d=place, n=value)
        self.copy(self.register(load.dst), _EXPECTED)


WRITER = X86
