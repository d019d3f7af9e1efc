"""The assembly of one thread while it grows, for `compile.py`: registers taken and given back, expressions into instructions.

An instruction is found in the machine's table by what it means: `put("d = n + m", d="X1", n="X2", m="#1")` is `ADD X1,X2,#1`. What
no instruction computes is said by others (x - y is x + -y). A register is taken, for a local variable for good, for a temporary
until its last use. One that must hold something from the start (an address, the 0 of a variable that is never set) is one that
nothing was written to before.
"""

from __future__ import annotations

from checker.core.source import NOWHERE, LimitExceeded, Span, Unsupported
from checker.core.value import Free
from checker.isa.table import NONE, Machine
from checker.program.ir import Address, Const, Expr, Load, Op, Reg, Store, Value

SIZE = 8  # bytes of a location
OPPOSITE = {
    "eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "le": "gt", "gt": "le", "ltu": "geu", "geu": "ltu", "leu": "gtu", "gtu": "leu",
}  # fmt: skip
_BINARY = {
    "add": "n + m", "sub": "n - m", "and": "n & m", "andnot": "n & ~m", "or": "n | m", "xor": "n ^ m", "mul": "n * m",
    "shl": "shl(n, m)", "shr": "shr(n, m)", "sar": "sar(n, m)",
}  # fmt: skip
_CALLED = {"div32": "div", "divu": "div", "mod32": "mod", "modu": "mod", "within": "shift"}
"""Operations by the names that people know, where they have others."""


def _two(text: str) -> str:
    """The meaning of an instruction of which the first operand is the destination too."""
    return f"d = flags({text.replace('n', 'd').replace('m', 'n')})"


class Writer:
    """The assembly of thread `tid`. Machines say which registers there are and what their own instructions are used for."""

    machine: Machine
    name: str
    pool: tuple[str, ...]
    zero = ""
    """The register that is always 0."""
    zero_beside_number = True

    def __init__(self, tid: int, params: frozenset[str], names: dict[str, str]) -> None:
        self.tid, self.params, self.names, self.free = tid, params, names, list(self.pool)
        self.lines: list[str] = []
        self.registers: dict[str, str] = {}
        self.addresses: dict[str, str] = {}
        self.initial: dict[str, Value] = {}
        self.scratch: list[str] = []
        self.written: set[str] = set()
        self.labels: dict[str, str] = {}
        self.failed = ""
        self.here: Span = NOWHERE

    def put(
        self, meaning: str, read: frozenset[str] = NONE, write: frozenset[str] = NONE, prefix: str = "", **operands: str
    ) -> None:
        """Write the instruction that means this."""
        self.lines.append(prefix + self.machine.line(meaning, operands, read, write))

    def refuse(self, what: str, hint: str = "") -> Unsupported:
        return Unsupported(f"{what} cannot be written as {self.name} instructions", self.here, hint=hint)

    # ------------------------------------------------------------ registers

    def take(self, *, fresh: bool) -> str:
        """A register nobody uses; a fresh one nobody has used before either: it has its initial value, 0 unless said otherwise."""
        found = next((r for r in self.free if not (fresh and r in self.written)), "")
        if not found:
            raise LimitExceeded(f"P{self.tid} needs more registers than the machine has", self.here)
        self.free.remove(found)
        self.written.add(found)
        return found

    def temporary(self) -> str:
        """A register until the end of the instruction at work."""
        self.scratch.append(self.take(fresh=False))
        return self.scratch[-1]

    def constant(self, value: Value) -> str:
        """A register that has a value from the start."""
        register = self.take(fresh=True)
        self.initial[register] = value
        return register

    def register(self, name: str) -> str:
        """The register of a local variable, or of a temporary of `expand`."""
        if name not in self.registers:
            self.registers[name] = self.take(fresh=not name.startswith("%"))
            if name in self.params:
                self.initial[self.registers[name]] = Address(name)
        return self.registers[name]

    def address(self, name: str) -> str:
        """A register that holds the address of a global from the start."""
        if name not in self.addresses:
            self.addresses[name] = self.constant(Address(name))
        return self.addresses[name]

    def label(self, name: str) -> str:
        return self.labels.setdefault(name, f"L{self.tid}_{len(self.labels)}")

    def failure(self) -> str:
        """The register that is 0 as long as all has succeeded that must."""
        self.failed = self.failed or self.take(fresh=True)
        return self.failed

    def release(self, upto: dict[str, int], at: int) -> None:
        """Give back what instruction `at` was the last to use."""
        self.free[:0] = reversed(self.scratch)
        self.scratch.clear()
        for name, last in upto.items():
            if last == at and name in self.registers:
                self.free.insert(0, self.registers.pop(name))

    # ------------------------------------------------------------ values

    def value(self, e: Expr) -> str:
        """The register that holds the value of an expression, computed where need be."""
        match e:
            case Reg(name):
                return self.register(name)
            case Const(0) if self.zero:
                return self.zero
            case Const(Address(name, 0)):
                return self.address(name)
        return self.computed(e)

    def computed(self, e: Expr) -> str:
        """A register of its own for the value of an expression."""
        dst = self.temporary()
        self.assign(dst, e)
        return dst

    def assign(self, dst: str, value: Expr) -> None:
        match value:
            case Const(int(number)):
                self.number(dst, number)
            case Const(Address(name, offset)) if offset:
                self.binary(dst, "add", Const(Address(name)), Const(offset * SIZE))
            case Const(Free()):
                raise self.refuse("a value without a number")
            case Reg() | Const():
                self.copy(dst, self.value(value))
            case Op(op, args):
                self.operation(dst, op, args)
            case _:
                raise self.refuse("this expression")

    def operation(self, dst: str, op: str, args: tuple[Expr, ...]) -> None:
        """dst := op args, by an instruction for it or by others that come to the same."""
        match op, args:
            case ("mul", (left, Const(int(n)))) if n > 0 and n & (n - 1) == 0:
                self.operation(dst, "shl", (left, Const(n.bit_length() - 1)))
            case ("shl", (Const(int(n)), Const(int(by)))) if 0 <= by < 8 * SIZE:
                self.assign(dst, Const(n << by))
            case (_, (left, right)) if self.binary(dst, op, left, right):
                pass
            case ("not", (arg,)):
                if self.machine.means("d = ~m"):
                    self.put("d = ~m", d=dst, m=self.value(arg))
                else:
                    self.binary(dst, "xor", arg, Const(-1))
            case ("neg", (arg,)):
                if not self.binary(dst, "sub", Const(0), arg):
                    self.binary(dst, "add", Op("not", (arg,)), Const(1))
            case ("sub", (left, Const(int(n)))):
                self.binary(dst, "add", left, Const(-n))
            case ("sub", (left, right)):
                self.binary(dst, "add", left, Op("neg", (right,)))
            case ("andnot", (left, right)):
                self.binary(dst, "and", left, Op("not", (right,)))
            case ("shl", (left, Const(int(n)))) if 0 < n <= 3:
                half = Op("shl", (left, Const(n - 1))) if n > 1 else left
                self.binary(dst, "add", half, half)
            case ("lnot" | "land" | "lor", _):
                self.truth(dst, Op(op, args))
            case _ if op in OPPOSITE:
                self.truth(dst, Op(op, args))
            case ("int8" | "int16" | "int32" | "uint8" | "uint16" | "uint32", (arg,)):
                up = Const(8 * SIZE - int(op.lstrip("uint")))
                self.operation(dst, "shr" if op[0] == "u" else "sar", (Op("shl", (arg, up)), up))
            case ("within", (arg, _)):
                self.assign(dst, arg)
            case _:
                raise self.refuse(f"the operation '{_CALLED.get(op, op)}'")

    def truth(self, dst: str, cond: Op) -> None:
        """0 or 1."""
        match cond:
            case Op("lnot", (Op(inner, (left, right)),)) if inner in OPPOSITE:
                self.comparison(dst, OPPOSITE[inner], left, right)
            case Op("lnot", (arg,)):
                self.comparison(dst, "eq", arg, Const(0))
            case Op("land", (left, right)):
                self.binary(dst, "and", Op("ne", (left, Const(0))), Op("ne", (right, Const(0))))
            case Op("lor", (left, right)):
                self.comparison(dst, "ne", Op("or", (left, right)), Const(0))
            case Op(op, (left, right)):
                self.comparison(dst, op, left, right)

    def branch(self, cond: Expr, target: str) -> None:
        match cond:
            case Const(int(n)):
                if n:
                    self.put("goto(l)", l=target)
            case Op("lnot", (Op("lnot", (inner,)),)):
                self.branch(inner, target)
            case Op("lnot", (Op(op, (left, right)),)) if op in OPPOSITE:
                self.jump(OPPOSITE[op], left, right, target)
            case Op("lnot", (arg,)):
                self.jump("eq", arg, Const(0), target)
            case Op(op, (left, right)) if op in OPPOSITE:
                self.jump(op, left, right, target)
            case _:
                self.jump("ne", cond, Const(0), target)

    def fail_unless(self, cond: Expr) -> None:
        """Make `failure()` something else than 0 unless the condition holds."""
        match cond:
            case Op("eq", (arg, Const(0))):
                wrong = self.value(arg)
            case Op("eq", (left, right)):
                wrong = self.value(Op("xor", (left, right)))
            case _:
                wrong = self.value(Op("lnot", (cond,)))
        self.failed_if(wrong)

    # ------------------------------------------------------------ instructions that all machines have

    def immediate(self, op: str, number: int) -> str:
        """`number` as the last operand of an operation ("mov", "cmp", …), "" where it is none."""
        raise NotImplementedError

    def operand(self, op: str, e: Expr) -> str:
        """The last operand of an operation: a number or a register."""
        number = self.immediate(op, e.value) if isinstance(e, Const) and isinstance(e.value, int) else ""
        return number or self.value(e)

    def number(self, dst: str, number: int) -> None:
        self.copy(dst, self.immediate("mov", number) or self.constant(number))

    def copy(self, dst: str, src: str) -> None:
        self.put("d = n", d=dst, n=src)

    def binary(self, dst: str, op: str, left: Expr, right: Expr) -> bool:
        """dst := left op right; False when there is no instruction for it."""
        text = _BINARY.get(op, "")
        if self.machine.means(f"d = {text}"):
            number = isinstance(right, Const) and isinstance(right.value, int) and self.immediate(op, right.value)
            first = self.computed(left) if number and left == Const(0) and not self.zero_beside_number else self.value(left)
            self.put(f"d = {text}", d=dst, n=first, m=number or self.value(right))
        elif self.machine.means(_two(text)):
            result, second = self.temporary(), self.operand(op, right)
            self.assign(result, left)
            self.put(_two(text), d=result, n=second)
            self.copy(dst, result)
        else:
            return False
        return True

    def failed_if(self, wrong: str) -> None:
        failed = self.failure()
        if self.machine.means("d = n | m"):
            self.put("d = n | m", d=failed, n=failed, m=wrong)
        else:
            self.put(_two("n | m"), d=failed, n=wrong)

    # ------------------------------------------------------------ what machines do each in their way

    def comparison(self, dst: str, op: str, left: Expr, right: Expr) -> None:
        raise NotImplementedError

    def jump(self, op: str, left: Expr, right: Expr, target: str) -> None:
        raise NotImplementedError

    def load(self, load: Load) -> None:
        """As most machines have it: an address is a register, and a number before it."""
        a = self.value(load.addr)
        self.put("d = a", d=self.register(load.dst), a=f"0({a})")

    def store(self, store: Store) -> None:
        value = self.value(store.value)
        self.put("a = s", s=value, a=f"0({self.value(store.addr)})")

    def fence(self, tags: frozenset[str]) -> None:
        raise NotImplementedError

    def exchange(self, load: Load, store: Store, *, used: bool) -> None:
        raise NotImplementedError

    def fetch(self, load: Load, op: str, value: Expr, *, used: bool) -> None:
        """What is read and, with `op value`, written back in one."""
        raise NotImplementedError

    def compare_exchange(self, load: Load, expected: Expr, new: Expr) -> None:
        raise NotImplementedError
