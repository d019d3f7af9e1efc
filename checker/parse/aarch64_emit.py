"""What AArch64 instructions do, in loads, stores, assignments and branches: one function per family of the table.

A value of Wn is kept as an integer of 0 to 2^32-1 in Xn. What is known to fit is not cut off again, and flags nobody tests are
not computed, so `ADD W0,W1,#1` is one assignment and `CMP W0,#0` one or none.

Sources: Arm Architecture Reference Manual, C6.2, J1.1 (AddWithCarry, ConditionHolds), B2.3.2 (dependencies); where the manual
leaves a choice, both ways are explored: a store exclusive may fail, a failing CAS may write back what it read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from checker.core.source import NOWHERE, Span, SyntaxProblem, Unsupported
from checker.core.value import Undetermined, compute, signed
from checker.parse.aarch64_cell import Gpr, Imm, Instruction, Mem, Mod, Operand, Problem, Word, condition
from checker.parse.aarch64_table import CONDITIONS, DOMAINS, EXTENSIONS, SHIFTS, Row
from checker.program.ir import (
    MONITOR,
    Address,
    Assign,
    Branch,
    Choose,
    Const,
    Expr,
    Instr,
    Label,
    Load,
    Mark,
    Op,
    Reg,
    Store,
    Value,
)  # fmt: skip

ZERO = Const(0)
ONE = Const(1)
_ZEXT = {1: "zext8", 2: "zext16", 4: "zext32"}
_SEXT = {1: "sext8", 2: "sext16", 4: "sext32"}
_READS = {
    "EQ": "Z", "NE": "Z", "CS": "C", "CC": "C", "HS": "C", "LO": "C", "MI": "N", "PL": "N", "VS": "V", "VC": "V",
    "HI": "CZ", "LS": "CZ", "GE": "NV", "LT": "NV", "GT": "NVZ", "LE": "NVZ", "AL": "",
}  # fmt: skip


def op(name: str, *args: Expr) -> Expr:
    """The expression, or its value where the operands are known."""
    values = []
    for a in args:
        if not isinstance(a, Const):
            return Op(name, args)
        values.append(a.value)
    try:
        value = compute(name, values)
    except Undetermined:
        return Op(name, args)
    return Const(value) if isinstance(value, int | Address) else Op(name, args)


def constant(value: int) -> Expr:
    return Const(signed(value))


_HOLDS: dict[str, Callable[[], Expr]] = {
    "EQ": lambda: Reg("Z"),
    "CS": lambda: Reg("C"),
    "HS": lambda: Reg("C"),
    "MI": lambda: Reg("N"),
    "VS": lambda: Reg("V"),
    "HI": lambda: op("land", Reg("C"), op("lnot", Reg("Z"))),
    "GE": lambda: op("eq", Reg("N"), Reg("V")),
    "GT": lambda: op("land", op("eq", Reg("N"), Reg("V")), op("lnot", Reg("Z"))),
    "AL": lambda: ONE,
}


def holds(name: str) -> Expr:
    """The expression of the flags that a condition is."""
    made = _HOLDS.get(name)
    return made() if made else op("lnot", _HOLDS[CONDITIONS[name]]())


Known = dict[str, Const | None]
"""Registers that were written, with their value where it is known."""


class Emitter:
    """The code of one thread while it grows.

    `initial` are the thread's registers at the start; `narrow` those whose upper half is always clear. `plain`: whatever memory
    holds is a number that fits the smallest access. What is known of registers follows the control flow, so that constants
    stand where they are used.
    """

    def __init__(
        self, instructions: Sequence[Instruction], initial: Mapping[str, Value], narrow: frozenset[str], *, plain: bool
    ) -> None:
        self.code: list[Instr] = []
        self.instructions, self.initial, self.narrow, self.plain = instructions, initial, narrow, plain
        self.tested = _tested(instructions)
        self.jumps = Counter(i.operands[-1] for i in instructions if i.row.family.startswith("branch"))
        self.known: Known | None = {}  # None: control does not come here but by a label
        self.arriving: dict[str, list[Known]] = {}
        self.count = 0
        self.span = NOWHERE

    def instruction(self, i: Instruction, span: Span) -> None:
        self.span = span
        self.count += 1
        _FAMILIES[i.row.family](self, i.row, i.operands)

    def name(self, what: str) -> str:
        """A label or temporary of this instruction."""
        return f"%{what}{self.count}"

    # ------------------------------------------------------------ control flow

    def branch(self, cond: Expr, target: str, *, ctrl: bool = False) -> None:
        self.code.append(Branch(cond, target, "", ctrl, self.span))
        if self.known is not None:
            self.arriving.setdefault(target, []).append(dict(self.known))
        if cond == ONE:
            self.known = None

    def label(self, name: str) -> None:
        self.code.append(Label(name))
        came = self.arriving.get(name, [])
        if len(came) < self.jumps[Word(name)]:  # some branch goes back to here, or is never reached
            self.known = dict.fromkeys([*_written(self.instructions)])
            return
        if self.known is not None:
            came = [*came, self.known]
        first, *rest = came or [{}]
        for other in rest:
            first = {n: self.at(first, n) if self.at(first, n) == self.at(other, n) else None for n in {**first, **other}}
        self.known = dict(first)

    def at(self, known: Known, name: str) -> Const | None:
        return known[name] if name in known else Const(self.initial.get(name, 0))

    # ------------------------------------------------------------ registers and values

    def read(self, register: Gpr) -> Expr:
        """The value of a register: of Wn its low half."""
        if not register.name:
            return ZERO
        known = self.at(self.known or {}, register.name) if self.known is not None else None
        if known is not None:
            return op("zext32", known) if register.bits == 32 else known
        if register.bits == 32 and register.name not in self.narrow:
            return op("zext32", Reg(register.name))
        return Reg(register.name)

    def value(self, operand: Operand, bits: int) -> Expr:
        if isinstance(operand, Imm):
            return constant(operand.value & ((1 << bits) - 1))
        assert isinstance(operand, Gpr)
        return self.read(operand)

    def assign(self, name: str, value: Expr) -> None:
        if name:
            self.code.append(Assign(name, value, self.span))
            if self.known is not None:
                self.known[name] = value if isinstance(value, Const) else None

    def shifted(self, operand: Operand, mod: Mod | None, bits: int) -> Expr:
        """The last operand of an operation, shifted or extended."""
        value = self.value(operand, bits)
        if mod is None:
            return value
        if mod.kind in SHIFTS:
            return shift(SHIFTS[mod.kind], value, Const(mod.amount), bits)
        extended = op(EXTENSIONS[mod.kind], value) if EXTENSIONS[mod.kind] else value
        return trimmed(op("shl", extended, Const(mod.amount)) if mod.amount else extended, bits)

    # ------------------------------------------------------------ memory

    def address(self, mem: Mem) -> Expr:
        """The effective address; `[Xn, …]!` moves the base first."""
        base = self.read(mem.base)
        if mem.by is not None:
            index = self.read(mem.by)
            if mem.extend in ("SXTW", "UXTW"):
                index = op("sext32", self.read(Gpr(mem.by.name, 64))) if mem.extend == "SXTW" else index
            return op("add", base, op("shl", index, Const(mem.amount)) if mem.amount else index)
        if mem.write == "post" or not mem.offset:
            return base
        moved = op("add", base, constant(mem.offset))
        if mem.write == "pre":
            self.assign(mem.base.name, moved)
            return moved if isinstance(moved, Const) else Reg(mem.base.name)
        return moved

    def after(self, mem: Mem) -> None:
        if mem.write == "post":
            self.assign(mem.base.name, op("add", self.read(mem.base), constant(mem.offset)))

    def load(self, dst: Gpr, addr: Expr, row: Row, size: int, *, group: int = 0) -> None:
        """dst := the `size` bytes at addr, extended."""
        exact = self.plain or size == 8
        name = dst.name if dst.name and exact and not row.signed else self.name("r")
        self.code.append(Load(name, addr, row.tags, self.span, size, 0, group, row.exclusive))
        if self.known is not None:
            self.known[name] = None
        if dst.name and name != dst.name:
            self.assign(dst.name, self.extended(Reg(name), size, dst.bits, row.signed))

    def extended(self, value: Expr, size: int, bits: int, is_signed: bool) -> Expr:
        if is_signed:
            return trimmed(op(_SEXT[size], value), bits)
        return value if self.plain or size == 8 else op(_ZEXT[size], value)

    def stored(self, register: Gpr, size: int) -> Expr:
        """The low `size` bytes of a register."""
        value = self.read(register)
        return value if size * 8 >= register.bits or value == ZERO else op(_ZEXT[size], value)

    def size(self, row: Row, data: Operand) -> int:
        assert isinstance(data, Gpr)
        return row.size or data.bits // 8


def _written(instructions: Sequence[Instruction]) -> set[str]:
    """The registers and flags that some instruction may write."""
    found = {"N", "Z", "C", "V"}
    for _, operands in instructions:
        for o in operands:
            if isinstance(o, Gpr):
                found.add(o.name)
            elif isinstance(o, Mem) and o.write:
                found.add(o.base.name)
    return found


def _tested(instructions: Sequence[Instruction]) -> frozenset[str]:
    """The flags that some instruction looks at."""
    found: set[str] = set()
    for row, operands in instructions:
        if row.family == "branch_if":
            found.update(_READS[row.op])
        elif row.family in ("select", "set", "select_same") and isinstance(operands[-1], Word):
            found.update(_READS.get(operands[-1].text.upper(), ""))
    return frozenset(found)


# ---------------------------------------------------------------- arithmetic


def trimmed(value: Expr, bits: int) -> Expr:
    return op("zext32", value) if bits == 32 else value


def widened(value: Expr, bits: int) -> Expr:
    """As a signed number."""
    return op("sext32", value) if bits == 32 else value


def shift(name: str, value: Expr, amount: Expr, bits: int) -> Expr:
    """`value` (of `bits` bits) shifted; amounts count modulo the width."""
    amount = Const(amount.value & (bits - 1)) if isinstance(amount, Const) and isinstance(amount.value, int) else \
        op("and", amount, Const(bits - 1))  # fmt: skip
    if amount == ZERO:
        return value
    if name == "ror":
        back = Const(bits - amount.value) if isinstance(amount, Const) and isinstance(amount.value, int) else \
            op("and", op("sub", Const(bits), amount), Const(bits - 1))  # fmt: skip
        return trimmed(op("or", op("shr", value, amount), op("shl", value, back)), bits)
    if name == "sar":
        return trimmed(op("sar", widened(value, bits), amount), bits)
    return op(name, value, amount) if name == "shr" else trimmed(op(name, value, amount), bits)


def arithmetic(name: str, x: Expr, y: Expr, bits: int) -> Expr:
    """x name y, cut to `bits` bits; both fit."""
    if x == y and isinstance(x, Reg) and name in ("xor", "sub", "andnot"):
        return op("first", ZERO, x)  # 0 whatever x is, and dependent on it
    if name in SHIFTS.values():
        return shift(name, x, y, bits)
    if name.endswith("not") and name != "andnot":
        return trimmed(op(name.removesuffix("not"), x, op("not", y)), bits)
    return op(name, x, y) if name in ("and", "or", "xor", "andnot") else trimmed(op(name, x, y), bits)


def _set_flags(e: Emitter, name: str, x: Expr, y: Expr, result: Expr, bits: int) -> None:
    """N Z C V of `result`, which is x name y."""
    added = name in ("add", "sub")
    for flag in sorted(e.tested):
        match flag:
            case "Z":
                value = op("eq", x, y) if name == "sub" else op("eq", result, ZERO)
            case "N":
                value = op("lt", widened(result, bits), ZERO)
            case "C" if added:
                value = op("geu", x, y) if name == "sub" else op("ltu", result, x)
            case "V" if added:
                other = op("xor", x, y) if name == "sub" else op("xor", y, result)
                value = op("lt", widened(op("and", other, op("xor", x, result)), bits), ZERO)
            case _:
                value = ZERO
        e.assign(flag, value)


def _operate(e: Emitter, row: Row, dst: Gpr, x: Gpr, rest: Sequence[Operand]) -> None:
    bits = max(dst.bits, x.bits)
    mod = rest[1] if len(rest) > 1 else None
    assert mod is None or isinstance(mod, Mod)
    if isinstance(rest[0], Gpr) and rest[0].bits < bits and (mod is None or mod.kind not in EXTENSIONS):
        raise Problem(Unsupported, "a register of 32 bits among 64", "write its extension: X0,X1,W2,SXTW")
    left, right = e.read(x), e.shifted(rest[0], mod, bits)
    result = arithmetic(row.op, left, right, bits)
    if not (row.flags and e.tested):
        e.assign(dst.name, result)
        return
    whole = e.name("v")
    e.assign(whole, result)
    _set_flags(e, row.op, left, right, Reg(whole), bits)
    e.assign(dst.name, Reg(whole))


def _alu(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    dst, x, *rest = operands
    assert isinstance(dst, Gpr) and isinstance(x, Gpr)
    _operate(e, row, dst, x, rest)


def _compare(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    x, *rest = operands
    assert isinstance(x, Gpr)
    _operate(e, row, Gpr("", x.bits), x, rest)


def _from_zero(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    dst, *rest = operands
    assert isinstance(dst, Gpr)
    _operate(e, row, dst, Gpr("", dst.bits), rest)


def _multiply(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    dst, x, y, *z = [o for o in operands if isinstance(o, Gpr)]
    product = op("mul", e.read(x), e.read(y))
    e.assign(dst.name, trimmed(op(row.op, e.read(z[0]) if z else ZERO, product), dst.bits))


def _extend(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    dst, x = operands
    assert isinstance(dst, Gpr) and isinstance(x, Gpr)
    e.assign(dst.name, trimmed(op(row.op, e.read(x)), dst.bits))


def _move(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    dst, x = operands
    assert isinstance(dst, Gpr)
    e.assign(dst.name, e.value(x, dst.bits))


def _move_wide(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    dst, immediate, *mods = operands
    assert isinstance(dst, Gpr) and isinstance(immediate, Imm)
    at = 0
    for mod in mods:
        assert isinstance(mod, Mod)
        if mod.kind != "LSL" or mod.amount % 16 or mod.amount >= dst.bits:
            raise Problem(Unsupported, f"{mod.kind} #{mod.amount} here", "the shift is LSL #0, #16, and of X also #32, #48")
        at = mod.amount
    if not 0 <= immediate.value < 1 << 16:
        raise Problem(Unsupported, f"#{immediate.value} does not fit into 16 bits", "0 to 65535 does")
    field = immediate.value << at
    mask = (1 << dst.bits) - 1
    if row.op == "movk":
        e.assign(dst.name, op("or", op("and", e.read(dst), constant(mask & ~(0xFFFF << at))), constant(field)))
    else:
        e.assign(dst.name, constant(~field & mask if row.op == "movn" else field))


# ---------------------------------------------------------------- selection


def _chosen(e: Emitter, row: Row, dst: Gpr, name: str, x: Expr, y: Expr) -> None:
    """dst := x where the condition holds, else y changed. It depends on what is selected; on the flags more weakly."""
    match row.op:
        case "inc":
            other = trimmed(op("add", y, ONE), dst.bits)
        case "inv":
            other = trimmed(op("not", y), dst.bits)
        case "neg":
            other = trimmed(op("sub", ZERO, y), dst.bits)
        case _:
            other = y
    e.assign(dst.name, op("pick", holds(name), x, other))


def _select(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    dst, x, y, word = operands
    assert isinstance(dst, Gpr) and isinstance(x, Gpr) and isinstance(y, Gpr) and isinstance(word, Word)
    _chosen(e, row, dst, condition(word), e.read(x), e.read(y))


def _set(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    dst, word = operands
    assert isinstance(dst, Gpr) and isinstance(word, Word)
    _chosen(e, row, dst, CONDITIONS[condition(word)], ZERO, ZERO)


def _select_same(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    dst, x, word = operands
    assert isinstance(dst, Gpr) and isinstance(x, Gpr) and isinstance(word, Word)
    _chosen(e, row, dst, CONDITIONS[condition(word)], e.read(x), e.read(x))


# ---------------------------------------------------------------- loads and stores


def _load(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    dst, mem = operands
    assert isinstance(dst, Gpr) and isinstance(mem, Mem)
    _no_overlap(mem, (dst,))
    e.load(dst, e.address(mem), row, e.size(row, dst))
    e.after(mem)


def _store(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    src, mem = operands
    assert isinstance(src, Gpr) and isinstance(mem, Mem)
    _no_overlap(mem, (src,))
    size = e.size(row, src)
    e.code.append(Store(e.address(mem), e.stored(src, size), row.tags, e.span, size))
    e.after(mem)


def _no_overlap(mem: Mem, data: Sequence[Gpr]) -> None:
    if mem.write and any(r.name == mem.base.name for r in data):
        raise Problem(Unsupported, f"{mem.base.name} is both data and the base that moves: the result is unpredictable")


def _pair(e: Emitter, operands: Sequence[Operand], size: int) -> tuple[Gpr, Gpr, Expr, Expr]:
    """The two registers and the two addresses of a pair."""
    first, second, mem = operands
    assert isinstance(first, Gpr) and isinstance(second, Gpr) and isinstance(mem, Mem)
    if mem.by is not None:
        raise Problem(Unsupported, "a pair takes an address without index register", "write [X1] or [X1,#8]")
    _no_overlap(mem, (first, second))
    base = e.address(mem)
    if first.name == mem.base.name:
        e.assign(e.name("a"), base)
        base = Reg(e.name("a"))
    return first, second, base, op("add", base, Const(size))


def _load_pair(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    size = e.size(row, operands[0])
    first, second, low, high = _pair(e, operands, size)
    if first.name and first.name == second.name:
        raise Problem(Unsupported, f"{first.name} is loaded twice: the result is unpredictable")
    name = e.name("r")
    e.code.append(Load(name, low, row.tags, e.span, size, 0, e.count))
    e.code.append(Load(name + "b", high, row.tags, e.span, size, 0, e.count))
    for register, temp in ((first, name), (second, name + "b")):
        e.assign(register.name, e.extended(Reg(temp), size, register.bits, row.signed))
    e.after(operands[2])  # type: ignore[arg-type]


def _store_pair(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    size = e.size(row, operands[0])
    first, second, low, high = _pair(e, operands, size)
    e.code.append(Store(low, e.stored(first, size), row.tags, e.span, size, 0, e.count))
    e.code.append(Store(high, e.stored(second, size), row.tags, e.span, size, 0, e.count))
    e.after(operands[2])  # type: ignore[arg-type]


def _store_exclusive(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    """Status 0 and a write, or status 1 and none. The status carries no dependency (B2.3.2: it is no register read's result)."""
    status, src, mem = operands
    assert isinstance(status, Gpr) and isinstance(src, Gpr) and isinstance(mem, Mem)
    size = e.size(row, src)
    fail, end, coin = e.name("fail"), e.name("end"), e.name("c")
    addr, value = e.address(mem), e.stored(src, size)
    e.code.append(Choose(coin, e.span))
    e.branch(Reg(coin), fail)
    e.code.append(Store(addr, value, row.tags, e.span, size, 0, 0, True))
    e.branch(ONE, end)
    e.label(fail)
    e.label(end)
    e.assign(status.name, Reg(coin))
    e.assign(MONITOR, ZERO)


# ---------------------------------------------------------------- atomic read-modify-writes


def _updated(name: str, old: Expr, new: Expr, size: int) -> Expr:
    """What an atomic instruction leaves in memory."""
    if name == "swp":
        return new
    if name[1:] in ("max", "min"):
        wide = (op(_SEXT[size], old), op(_SEXT[size], new)) if name[0] == "s" and size < 8 else (old, new)
        compare = {"smax": "ge", "smin": "le", "umax": "geu", "umin": "leu"}[name]
        return op("ite", op(compare, *wide), old, new)
    value = op(name, old, new)
    return op(_ZEXT[size], value) if name == "add" and size < 8 else value


def _read_modify_write(e: Emitter, row: Row, source: Gpr, dst: Gpr, mem: Operand) -> None:
    assert isinstance(mem, Mem)
    size = e.size(row, source)
    addr, old = e.address(mem), e.name("r")
    tags = row.tags if dst.name else frozenset({"NoRet"})
    e.code.append(Load(old, addr, tags | {"RMW"}, e.span, size, e.count, e.count))
    read = e.extended(Reg(old), size, 64, False)
    value = _updated(row.op, read, e.stored(source, size), size)
    e.code.append(Store(addr, value, row.written | {"RMW"}, e.span, size, e.count, e.count))
    e.assign(dst.name, read)


def _atomic(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    source, dst, mem = operands
    assert isinstance(source, Gpr) and isinstance(dst, Gpr)
    _read_modify_write(e, row, source, dst, mem)


def _atomic_no_return(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    source, mem = operands
    assert isinstance(source, Gpr)
    _read_modify_write(e, row, source, Gpr("", source.bits), mem)


def _compare_and_swap(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    """CAS Xs, Xt: writes Xt where memory holds Xs. Xs gets what was read: on success it may instead keep its own value, which
    is the same but depends on other reads; on failure what was read may be written back."""
    expected, new, mem = operands
    assert isinstance(expected, Gpr) and isinstance(new, Gpr) and isinstance(mem, Mem)
    size = e.size(row, expected)
    addr, old, group = e.address(mem), e.name("r"), e.count
    fail, end, coin = e.name("fail"), e.name("end"), e.name("c")
    tags = row.tags if expected.name else frozenset({"NoRet"})
    e.code.append(Load(old, addr, tags | {"RMW"}, e.span, size, group, group))
    read = e.extended(Reg(old), size, 64, False)
    wanted = e.stored(expected, size)
    differs = op("ne", read, wanted)

    def write(value: Expr) -> None:
        value = op("pick", differs, value, value)
        e.code.append(Store(addr, value, row.written | {"RMW"}, e.span, size, group, group))

    e.branch(differs, fail)
    write(e.stored(new, size))
    if _read_elsewhere(e, expected):
        e.code.append(Choose(coin, e.span))
        e.branch(Reg(coin), e.name("same"))
        e.assign(expected.name, read)
        e.branch(ONE, end)
        e.label(e.name("same"))
        e.assign(expected.name, op("pick", differs, wanted, wanted))
    else:
        e.assign(expected.name, read)
    e.branch(ONE, end)
    e.label(fail)
    e.assign(expected.name, read)
    e.code.append(Choose(coin, e.span))
    e.branch(Reg(coin), end)
    write(read)
    e.label(end)


def _read_elsewhere(e: Emitter, register: Gpr) -> bool:
    """Is the register named by any other instruction, so that what it depends on matters?"""
    mentions = 0
    for _, operands in e.instructions:
        for o in operands:
            if isinstance(o, Gpr):
                mentions += o.name == register.name
            elif isinstance(o, Mem):
                mentions += o.base.name == register.name or (o.by is not None and o.by.name == register.name)
    return bool(register.name) and mentions > 1


# ---------------------------------------------------------------- control


def _branch(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    e.branch(ONE, operands[-1].text)  # type: ignore[union-attr]


def _branch_if(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    e.branch(holds(row.op), operands[-1].text, ctrl=True)  # type: ignore[union-attr]


def _branch_zero(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    tested, label = operands
    assert isinstance(tested, Gpr) and isinstance(label, Word)
    value = e.read(tested)
    e.branch(value if row.op == "ne" else op("eq", value, ZERO), label.text, ctrl=True)


def _branch_bit(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    tested, bit, label = operands
    assert isinstance(tested, Gpr) and isinstance(bit, Imm) and isinstance(label, Word)
    if not 0 <= bit.value < tested.bits:
        raise Problem(SyntaxProblem, f"there is no bit {bit.value} in a register of {tested.bits}")
    e.branch(op(row.op, op("and", op("shr", e.read(tested), Const(bit.value)), ONE), ZERO), label.text, ctrl=True)


def _fence(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    name = row.op
    if operands:
        assert isinstance(operands[0], Word)
        option = operands[0].text.upper()
        if option not in (DOMAINS if name != "ISB" else ("SY",)):
            raise Problem(Unsupported, f"no such option of {name}: '{operands[0].text}'", f"options are {', '.join(DOMAINS)}")
        name = f"{name}.{option}" if name != "ISB" else name
    e.code.append(Mark(frozenset({name, "F"}), span=e.span))


def _nothing(e: Emitter, row: Row, operands: Sequence[Operand]) -> None:
    pass


_FAMILIES: dict[str, Callable[[Emitter, Row, Sequence[Operand]], None]] = {
    "alu": _alu,
    "compare": _compare,
    "from_zero": _from_zero,
    "multiply": _multiply,
    "extend": _extend,
    "move": _move,
    "move_wide": _move_wide,
    "select": _select,
    "set": _set,
    "select_same": _select_same,
    "load": _load,
    "store": _store,
    "load_pair": _load_pair,
    "store_pair": _store_pair,
    "store_exclusive": _store_exclusive,
    "atomic": _atomic,
    "atomic_no_return": _atomic_no_return,
    "compare_and_swap": _compare_and_swap,
    "branch": _branch,
    "branch_if": _branch_if,
    "branch_zero": _branch_zero,
    "branch_bit": _branch_bit,
    "fence": _fence,
    "nothing": _nothing,
}
