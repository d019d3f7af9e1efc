"""Instructions of x86-64 in AT&T's spelling, as herd7 knows them, for `assembly.export`.

    Load("r1", Reg("x"))            movq (x),%rax
    smp_mb()                        mfence
    xchg(x, 1)                      movq $1,%rax   xchgq %rax,(x)

herd7 takes the lock prefix before add, xor and cmpxchg only, and has no xadd and no bts: other atomics are the last round of a
loop around a cmpxchg, with a `filter` for its success. Its cmpxchg has the memory operand first. It has no sub and no setcc.
"""

from __future__ import annotations

from checker.core.value import Free
from checker.isa.code import CALLED, SIZE, Code
from checker.program.ir import Address, Const, Expr, Load, Op, Reg, Store

_JUMP = {"eq": "je", "ne": "jne", "lt": "jl", "le": "jle", "gt": "jg", "ge": "jge"}
_OPPOSITE = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "le": "gt", "gt": "le"}
_EXPECTED = "%rax"  # what cmpxchg compares with, and where the old value comes back
_OPERATION = {"add": "addq", "or": "orq", "xor": "xorq", "and": "and"}


def _half(register: str) -> str:
    """The lower 32 bits of a register."""
    return f"{register}d" if register[2:].isdecimal() else f"%e{register[2:]}"


class X86:
    arch = "X86_64"
    name = "x86-64"
    pool = ("%rbx", "%rcx", "%rdx", "%rsi", "%rdi", *[f"%r{n}" for n in range(8, 16)])

    # ------------------------------------------------------------ values

    def operand(self, code: Code, e: Expr) -> str:
        """A number or the register that holds the value."""
        match e:
            case Const(int(n)) if -(1 << 31) <= n < 1 << 31:
                return f"${n}"
        return self.value(code, e)

    def value(self, code: Code, e: Expr) -> str:
        match e:
            case Reg(name):
                return code.register(name)
            case Const(Address(name, 0)):
                return code.address(name)
        dst = code.temporary()
        self.assign(code, dst, e)
        return dst

    def place(self, code: Code, e: Expr) -> str:
        """The memory operand of an address."""
        match e:
            case Const(Address(name, 0)):
                return f"({code.names[name]})"
            case Const(Address(name, offset)):
                return f"{offset * SIZE}({code.address(name)})"
            case Reg(name) if name in code.params and name not in code.registers:
                return f"({code.names[name]})"
        return f"({self.value(code, e)})"

    def assign(self, code: Code, dst: str, value: Expr) -> None:
        match value:
            case Const(Address(name, offset)) if offset:
                code.emit(f"movq {code.address(name)},{dst}", f"addq ${offset * SIZE},{dst}")
            case Const(Free()):
                raise code.refuse("a value without a number")
            case Const(int(n)) if not -(1 << 31) <= n < 1 << 31:
                code.emit(f"movq {code.constant(n)},{dst}")
            case Reg() | Const():
                code.emit(f"movq {self.operand(code, value)},{dst}")
            case Op(op, args):
                self.operation(code, dst, op, args)
            case _:
                raise code.refuse("this expression")

    def operation(self, code: Code, dst: str, op: str, args: tuple[Expr, ...]) -> None:
        match op, args:
            case ("sub", (left, Const(int(n)))):
                self.operation(code, dst, "add", (left, Const(-n)))
            case ("shl", (Const(int(n)), Const(int(by)))) if 0 <= by < 8 * SIZE:
                self.assign(code, dst, Const(n << by))
            case ("mul", (left, Const(8))):
                four = Op("add", (Op("add", (left, left)), Op("add", (left, left))))
                self.operation(code, dst, "add", (four, four))
            case ("add" | "or" | "xor" | "and", (left, right)):
                result = code.temporary()
                other = self.operand(code, right)
                self.assign(code, result, left)
                code.emit(f"{_OPERATION[op]} {other},{result}", f"movq {result},{dst}")
            case ("uint8" | "uint16", (arg,)):
                self.operation(code, dst, "and", (arg, Const((1 << int(op[4:])) - 1)))
            case ("int8" | "int16", (arg,)):
                sign = 1 << int(op[3:]) - 1
                self.operation(code, dst, "add", (Op("xor", (Op(f"u{op}", (arg,)), Const(sign))), Const(-sign)))
            case ("uint32", (arg,)):  # what is written to 32 bits of a register clears the others
                self.assign(code, dst, arg)
                code.emit(f"movl {_half(dst)},{_half(dst)}")
            case ("int32", (arg,)):  # there is no movslq: modulo 2^32, from -2^31 on
                self.assign(code, dst, arg)
                code.emit(f"addl $-2147483648,{_half(dst)}", f"addq $-2147483648,{dst}")
            case ("not", (arg,)):
                self.operation(code, dst, "xor", (arg, Const(-1)))
            case ("neg", (arg,)):
                self.operation(code, dst, "add", (Op("not", (arg,)), Const(1)))
            case ("sub", (left, right)):
                self.operation(code, dst, "add", (left, Op("neg", (right,))))
            case ("andnot", (left, right)):
                self.operation(code, dst, "and", (left, Op("not", (right,))))
            case ("lnot" | "land" | "lor", _):
                self.truth(code, dst, Op(op, args))
            case (_, (_, _)) if op in _JUMP:
                self.truth(code, dst, Op(op, args))
            case _:
                raise code.refuse(f"the operation '{CALLED.get(op, op)}'")

    def truth(self, code: Code, dst: str, cond: Expr) -> None:
        """0 or 1: there is no setcc. (On x86 a branch orders nothing.)"""
        end = code.label(f"truth {len(code.labels)}")
        result = code.temporary()
        code.emit(f"movq $1,{result}")
        self.branch(code, cond, end)
        code.emit(f"movq $0,{result}", f"{end}:", f"movq {result},{dst}")

    # ------------------------------------------------------------ memory

    def load(self, code: Code, load: Load) -> None:
        place = self.place(code, load.addr)
        code.emit(f"movq {place},{code.register(load.dst)}")

    def store(self, code: Code, store: Store) -> None:
        code.emit(f"movq {self.operand(code, store.value)},{self.place(code, store.addr)}")

    def fence(self, code: Code, tags: frozenset[str]) -> None:
        (name,) = tags - {"F"} or {""}
        if name not in ("MFENCE", "LFENCE", "SFENCE"):
            raise code.refuse("this fence")
        code.emit(name.lower())

    # ------------------------------------------------------------ control

    def branch(self, code: Code, cond: Expr, target: str) -> None:
        match cond:
            case Const(int(n)):
                if n:
                    code.emit(f"jmp {target}")
            case Op("lnot", (Op("lnot", (inner,)),)):
                self.branch(code, inner, target)
            case Op("lnot", (Op(op, (left, right)),)) if op in _OPPOSITE:
                self.branch(code, Op(_OPPOSITE[op], (left, right)), target)
            case Op("lnot", (arg,)):
                self.branch(code, Op("eq", (arg, Const(0))), target)
            case Op("lor", (left, right)):
                self.branch(code, left, target)
                self.branch(code, right, target)
            case Op("land", (left, right)):
                over = code.label(f"over {len(code.labels)}")
                self.branch(code, Op("lnot", (left,)), over)
                self.branch(code, right, target)
                code.emit(f"{over}:")
            case Op(op, (left, right)) if op in _JUMP:
                other = self.operand(code, right)
                code.emit(f"cmpq {other},{self.value(code, left)}", f"{_JUMP[op]} {target}")
            case _:
                code.emit(f"cmpq $0,{self.value(code, cond)}", f"jne {target}")

    def fail_unless(self, code: Code, cond: Expr) -> None:
        match cond:
            case Op("eq", (left, right)):
                wrong = self.value(code, Op("xor", (left, right)))
            case _:
                wrong = self.value(code, Op("lnot", (cond,)))
        code.emit(f"orq {wrong},{code.failure()}")

    # ------------------------------------------------------------ read-modify-write

    def exchange(self, code: Code, load: Load, store: Store, *, used: bool) -> None:
        place = self.place(code, load.addr)
        new = code.temporary()
        self.assign(code, new, store.value)
        code.emit(f"xchgq {new},{place}")
        if used:
            code.emit(f"movq {new},{code.register(load.dst)}")

    def fetch(self, code: Code, load: Load, store: Store, op: str, value: Expr, *, used: bool) -> None:
        match op, value:
            case "sub", Const(int(n)):
                op, value = "add", Const(-n)
            case "sub", _:
                op, value = "add", Op("neg", (value,))
        place = self.place(code, load.addr)
        lock = "lock " if "X" in load.tags else ""  # a per-CPU operation is not locked
        if not used and op in ("add", "xor"):
            code.emit(f"{lock}{_OPERATION[op]} {self.operand(code, value)},{place}")
            return
        old, new, wrong = code.register(load.dst), code.temporary(), code.temporary()
        code.emit(f"movq {place},{old}")
        self.assign(code, new, Op(op, (Reg(load.dst), value)))
        code.emit(f"movq {old},{_EXPECTED}", f"{lock}cmpxchgq {place},{new}")
        code.emit(f"movq {_EXPECTED},{wrong}", f"xorq {old},{wrong}", f"orq {wrong},{code.failure()}")

    def compare_exchange(self, code: Code, load: Load, expected: Expr, store: Store) -> None:
        place, new = self.place(code, load.addr), code.temporary()
        self.assign(code, new, store.value)
        self.assign(code, _EXPECTED, expected)
        code.emit(f"lock cmpxchgq {place},{new}", f"movq {_EXPECTED},{code.register(load.dst)}")
