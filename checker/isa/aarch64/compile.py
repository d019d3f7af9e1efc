"""Instructions of AArch64, with the atomics of Armv8.1, for `assembly.export`: one method for each instruction of the program.

Load("r1", Reg("x"), {"A"})     LDAR X1,[X0]
xchg(x, 1)                      MOV X3,#1   SWPAL X3,X2,[X0]
"""

from __future__ import annotations

from checker.core.value import Free
from checker.isa.code import CALLED, SIZE, Code
from checker.program.ir import Address, Const, Expr, Load, Op, Reg, Store

_ALU = {"add": "ADD", "sub": "SUB", "and": "AND", "or": "ORR", "xor": "EOR", "shl": "LSL", "shr": "LSR", "sar": "ASR", "mul": "MUL"}
_CONDITION = {
    "eq": "EQ", "ne": "NE", "lt": "LT", "le": "LE", "gt": "GT", "ge": "GE", "ltu": "CC", "leu": "LS", "gtu": "HI", "geu": "CS",
}  # fmt: skip
_OPPOSITE = {
    "eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "le": "gt", "gt": "le", "ltu": "geu", "geu": "ltu", "leu": "gtu", "gtu": "leu",
}  # fmt: skip
_ATOMIC = {"add": "ADD", "or": "SET", "andnot": "CLR", "xor": "EOR"}
_FENCES = ("DMB", "DSB")
_COUNT = 30
_MAX_IMMEDIATE = 4095


class AArch64:
    arch = "AArch64"
    name = "AArch64"
    pool = tuple([f"X{n}" for n in range(_COUNT)])

    # ------------------------------------------------------------ values

    def value(self, code: Code, e: Expr) -> str:
        """The register that holds the value of an expression, computed where need be."""
        match e:
            case Reg(name):
                return code.register(name)
            case Const(0):
                return "XZR"
            case Const(Address(name, 0)):
                return code.address(name)
        dst = code.temporary()
        self.assign(code, dst, e)
        return dst

    def held(self, code: Code, e: Expr) -> str:
        """As `value`, for the instructions that take XZR for the stack pointer."""
        if e != Const(0):
            return self.value(code, e)
        dst = code.temporary()
        self.assign(code, dst, e)
        return dst

    def assign(self, code: Code, dst: str, value: Expr) -> None:
        match value:
            case Const(int(number)) if 0 <= number < 1 << 16:
                code.emit(f"MOV {dst},#{number}")
            case Const(int(number)):
                code.emit(f"MOV {dst},{code.constant(number)}")
            case Const(Address(name, offset)) if offset:
                code.emit(f"ADD {dst},{code.address(name)},#{offset * SIZE}")
            case Const(Free()):
                raise code.refuse("a value without a number")
            case Reg() | Const():
                code.emit(f"MOV {dst},{self.value(code, value)}")
            case Op(op, args):
                self.operation(code, dst, op, args)
            case _:
                raise code.refuse("this expression")

    def operation(self, code: Code, dst: str, op: str, args: tuple[Expr, ...]) -> None:
        match op, args:
            case ("add" | "sub", (left, Const(int(n)))) if 0 <= n <= _MAX_IMMEDIATE:
                code.emit(f"{_ALU[op]} {dst},{self.held(code, left)},#{n}")
            case ("shl" | "shr" | "sar", (left, Const(int(n)))) if 0 <= n < 8 * SIZE:
                code.emit(f"{_ALU[op]} {dst},{self.value(code, left)},#{n}")
            case ("mul", (left, Const(int(n)))) if n > 0 and n & (n - 1) == 0:
                self.operation(code, dst, "shl", (left, Const(n.bit_length() - 1)))
            case (_, (left, right)) if op in _ALU:
                code.emit(f"{_ALU[op]} {dst},{self.value(code, left)},{self.value(code, right)}")
            case ("andnot", (left, right)):
                code.emit(f"BIC {dst},{self.value(code, left)},{self.value(code, right)}")
            case (_, (left, right)) if op in _CONDITION:
                self.compare(code, left, right)
                code.emit(f"CSET {dst},{_CONDITION[op]}")
            case ("lnot", (Op(inner, (left, right)),)) if inner in _OPPOSITE:
                self.operation(code, dst, _OPPOSITE[inner], (left, right))
            case ("lnot", (arg,)):
                self.operation(code, dst, "eq", (arg, Const(0)))
            case ("land", (left, right)):
                self.operation(code, dst, "and", (Op("ne", (left, Const(0))), Op("ne", (right, Const(0)))))
            case ("lor", (left, right)):
                self.operation(code, dst, "ne", (Op("or", (left, right)), Const(0)))
            case ("neg", (arg,)):
                self.operation(code, dst, "sub", (Const(0), arg))
            case ("int8" | "int16" | "int32" | "uint8" | "uint16" | "uint32", (arg,)):
                up = Const(8 * SIZE - int(op.lstrip("uint")))
                self.operation(code, dst, "shr" if op[0] == "u" else "sar", (Op("shl", (arg, up)), up))
            case ("within", (arg, _)):
                self.assign(code, dst, arg)
            case ("not", (arg,)):
                code.emit(f"MVN {dst},{self.value(code, arg)}")
            case ("ite", (cond, yes, no)):
                first, second = self.value(code, yes), self.value(code, no)
                self.compare(code, cond, Const(0))
                code.emit(f"CSEL {dst},{first},{second},NE")
            case _:
                raise code.refuse(f"the operation '{CALLED.get(op, op)}'")

    def compare(self, code: Code, left: Expr, right: Expr) -> None:
        value = self.held(code, left)
        match right:
            case Const(int(n)) if 0 <= n <= _MAX_IMMEDIATE:
                code.emit(f"CMP {value},#{n}")
            case _:
                code.emit(f"CMP {value},{self.value(code, right)}")

    # ------------------------------------------------------------ memory

    def load(self, code: Code, load: Load) -> None:
        mnemonic = "LDAR" if "A" in load.tags else "LDAPR" if "Q" in load.tags else "LDR"
        address = self.value(code, load.addr)
        code.emit(f"{mnemonic} {code.register(load.dst)},[{address}]")

    def store(self, code: Code, store: Store) -> None:
        value, address = self.value(code, store.value), self.value(code, store.addr)
        code.emit(f"{'STLR' if 'L' in store.tags else 'STR'} {value},[{address}]")

    def fence(self, code: Code, tags: frozenset[str]) -> None:
        names = [tag for tag in tags if tag.partition(".")[0] in _FENCES]
        if len(names) != 1:
            raise code.refuse("this fence")
        code.emit(names[0].replace(".", " "))

    # ------------------------------------------------------------ control

    def branch(self, code: Code, cond: Expr, target: str) -> None:
        match cond:
            case Const(int(n)):
                if n:
                    code.emit(f"B {target}")
            case Op("lnot", (Op("lnot", (inner,)),)):
                self.branch(code, inner, target)
            case Op("lnot", (Op(op, (left, right)),)) if op in _OPPOSITE:
                self.branch(code, Op(_OPPOSITE[op], (left, right)), target)
            case Op("lnot", (arg,)) | Op("eq", (arg, Const(0))):
                code.emit(f"CBZ {self.value(code, arg)},{target}")
            case Op("ne", (arg, Const(0))):
                code.emit(f"CBNZ {self.value(code, arg)},{target}")
            case Op(op, (left, right)) if op in _CONDITION:
                self.compare(code, left, right)
                code.emit(f"B.{_CONDITION[op]} {target}")
            case _:
                code.emit(f"CBNZ {self.value(code, cond)},{target}")

    def fail_unless(self, code: Code, cond: Expr) -> None:
        match cond:
            case Op("eq", (arg, Const(0))):
                wrong = self.value(code, arg)
            case Op("eq", (left, right)):
                wrong = self.value(code, Op("xor", (left, right)))
            case _:
                wrong = self.value(code, Op("lnot", (cond,)))
        code.emit(f"ORR {code.failure()},{code.failure()},{wrong}")

    # ------------------------------------------------------------ read-modify-write

    def exchange(self, code: Code, load: Load, store: Store, *, used: bool) -> None:
        value, address = self.value(code, store.value), self.value(code, load.addr)
        code.emit(f"SWP{_order(load)} {value},{code.register(load.dst)},[{address}]")

    def fetch(self, code: Code, load: Load, store: Store, op: str, value: Expr, *, used: bool) -> None:
        match op, value:
            case "sub", Const(int(n)):
                op, value = "add", Const(-n)
            case "sub", _:
                op, value = "add", Op("neg", (value,))
            case "and", _:
                op, value = "andnot", Op("not", (value,))
        if op not in _ATOMIC:
            raise code.refuse(f"an atomic '{op}'")
        operand, address = self.value(code, value), self.value(code, load.addr)
        if "NoRet" in load.tags:
            code.emit(f"ST{_ATOMIC[op]} {operand},[{address}]")
        else:
            code.emit(f"LD{_ATOMIC[op]}{_order(load)} {operand},{code.register(load.dst)},[{address}]")

    def compare_exchange(self, code: Code, load: Load, expected: Expr, store: Store) -> None:
        value, address = self.value(code, store.value), self.value(code, load.addr)
        old = code.register(load.dst)
        self.assign(code, old, expected)
        code.emit(f"CAS{_order(load)} {old},{value},[{address}]")


def _order(load: Load) -> str:
    """The tags of a read-modify-write stand on both its events."""
    return ("A" if "A" in load.tags else "") + ("L" if "L" in load.tags else "")
