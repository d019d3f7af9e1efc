"""What x86 instructions do, in loads, stores, assignments and branches.

Whole registers are signed integers of the register's size: `EAX` of 4 bytes, `rax` of 8, where a write to `eax` clears the upper
half; memory holds signed integers of the size accessed. Operands are read as signed integers of the operation's size. The
flags ZF SF CF OF are registers; only those are computed that something in the thread looks at.

    LOCK ADD [x],EAX       %1 := load x {X}; store x := sext32(%1 + EAX) {X}       one read-modify-write pair
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from checker.core.source import NOWHERE, Span, Unsupported
from checker.core.value import compute
from checker.isa.x86.cell import Instruction, Memory, Number, Operand, Problem, Syntax, Target
from checker.isa.x86.table import LOOKS_AT, Flag, Part
from checker.program.ir import Address, Assign, Branch, Const, Expr, Instr, Label, Load, Mark, Op, Reg, Store

LOCKED = frozenset({"X"})
PLAIN: frozenset[str] = frozenset()
ZERO, ONE = Const(0), Const(1)
END = "%end"
_FENCES = {name: frozenset({"F", name}) for name in ("MFENCE", "LFENCE", "SFENCE")}
_SEXT = {1: "sext8", 2: "sext16", 4: "sext32"}
_ZEXT = {1: "zext8", 2: "zext16", 4: "zext32"}


def op(name: str, *args: Expr) -> Expr:
    """`name` of `args`; of numbers, the result."""
    values = [a.value for a in args if isinstance(a, Const) and isinstance(a.value, int)]
    if len(values) == len(args):
        result = compute(name, values)
        assert isinstance(result, int)
        return Const(result)
    return Op(name, args)


def cut(value: Expr, size: int) -> Expr:
    """The low `size` bytes of `value` as a signed integer."""
    if size == 8 or (isinstance(value, Op) and value.op == _SEXT[size]):
        return value
    return op(_SEXT[size], value)


class Emitter:
    """The code of one thread. `looked_at` are the flags that something in it looks at."""

    def __init__(self, syntax: Syntax, looked_at: frozenset[Flag]) -> None:
        self.word, self.looked_at = syntax.word, looked_at
        self.code: list[Instr] = []
        self.names: set[str] = set()
        self.count = 0
        self.span = NOWHERE

    def instruction(self, i: Instruction, span: Span) -> None:
        self.span = span
        _KINDS[i.row.kind](self, i)

    # ------------------------------------------------------------ operands

    def temp(self) -> str:
        self.count += 1
        return f"%{self.count}"

    def assign(self, name: str, value: Expr) -> None:
        if value != Reg(name):
            self.code.append(Assign(name, value, self.span))

    def held(self, value: Expr) -> Expr:
        """`value`, kept from what the instruction goes on to change."""
        if isinstance(value, Const) or (isinstance(value, Reg) and value.name[0] == "%"):
            return value
        name = self.temp()
        self.code.append(Assign(name, value, self.span))
        return Reg(name)

    def address(self, m: Memory) -> Expr:
        addr: Expr | None = None
        if m.symbol:
            self.names.add(m.symbol)
            addr = Const(Address(m.symbol, m.offset))
        if m.base:
            addr = Reg(m.base) if addr is None else Op("add", (addr, Reg(m.base)))
        if m.scaled:
            scaled = Reg(m.scaled) if m.scale == 1 else op("mul", Reg(m.scaled), Const(m.scale))
            addr = scaled if addr is None else Op("add", (addr, scaled))
        if addr is None:
            raise Problem(Unsupported, "an access to a fixed address", 0, 1 << 20, "name a location: [x]")
        return Op("add", (addr, Const(m.offset))) if m.offset and not m.symbol else addr

    def register(self, part: Part) -> Expr:
        """What a register or a part of one holds, signed."""
        if part.size == self.word:
            return Reg(part.name)
        return op(_SEXT[part.size], op("shr", Reg(part.name), Const(8)) if part.high else Reg(part.name))

    def set(self, part: Part, value: Expr) -> None:
        """Write `value`, signed and of the part's size. 4 bytes of 8 clear the others; 1 or 2 bytes leave them as they are."""
        if part.size < self.word:
            low = value.args[0] if isinstance(value, Op) and value.op == _SEXT[part.size] else value
            value = op(_ZEXT[part.size], low)
        if part.size < 4:
            mask, shift = (1 << 8 * part.size) - 1, 8 if part.high else 0
            kept = op("and", Reg(part.name), Const(~(mask << shift)))
            value = op("or", kept, op("shl", value, Const(shift)) if shift else value)
        self.assign(part.name, value)

    def read(self, o: Operand, size: int, *, tags: frozenset[str] = PLAIN, pair: int = 0, group: int = 0) -> Expr:
        """The value of an operand, signed."""
        match o:
            case Part():
                return self.register(o)
            case Number(value):
                return Const(value)
            case Memory():
                name = self.temp()
                self.code.append(Load(name, self.address(o), tags, self.span, size, pair, group))
                return Reg(name)
        raise AssertionError(f"not an operand with a value: {o}")

    def write(self, o: Operand, value: Expr, size: int, *, tags: frozenset[str] = PLAIN, pair: int = 0, group: int = 0) -> None:
        """Write `value`, signed and of `size` bytes, to an operand."""
        if isinstance(o, Part):
            self.set(o, value)
        else:
            assert isinstance(o, Memory)
            self.code.append(Store(self.address(o), value, tags, self.span, size, pair, group))

    def access(self, i: Instruction) -> Access:
        """How an instruction that reads and writes one place does so. Without lock these are two accesses like any others."""
        if not i.locked and i.row.kind != "exchange":
            return Access(PLAIN, 0, 0)
        self.count += 1
        return Access(LOCKED, self.count, self.count)

    # ------------------------------------------------------------ flags

    def flags(self, rule: str, a: Expr, b: Expr, result: Expr, size: int) -> None:
        """Set what `rule` says of the operands (signed, held) and the result."""
        for flag, value in _RULES[rule](a, b, result, size).items():
            if flag in self.looked_at:
                self.code.append(Assign(flag, value, self.span))

    def condition(self, name: str) -> Expr:
        return _CONDITIONS[name]


class Access(NamedTuple):
    """Tags, pair and group of the accesses of one instruction."""

    tags: frozenset[str]
    pair: int
    group: int


def _less(a: Expr, b: Expr) -> Expr:
    return op("ltu", a, b)  # of signed integers of any size: signs extend the order as well


def _negative(a: Expr) -> Expr:
    return op("lt", a, ZERO)


def _add(a: Expr, b: Expr, r: Expr, size: int) -> dict[Flag, Expr]:
    overflow = _negative(op("and", op("xor", a, r), op("xor", b, r)))
    return {"ZF": op("eq", r, ZERO), "SF": _negative(r), "CF": _less(r, a), "OF": overflow}


def _adc(a: Expr, b: Expr, r: Expr, size: int) -> dict[Flag, Expr]:
    carry = op("lor", _less(r, a), op("land", Reg("CF"), op("eq", r, a)))
    return _without(_add(a, b, r, size), "CF") | {"CF": carry}


def _sub(a: Expr, b: Expr, r: Expr, size: int) -> dict[Flag, Expr]:
    overflow = _negative(op("and", op("xor", a, b), op("xor", a, r)))
    return {"ZF": op("eq", a, b), "SF": _negative(r), "CF": _less(a, b), "OF": overflow}


def _sbb(a: Expr, b: Expr, r: Expr, size: int) -> dict[Flag, Expr]:
    borrow = op("lor", _less(a, b), op("land", Reg("CF"), op("eq", a, b)))
    return _without(_sub(a, b, r, size), "CF") | {"ZF": op("eq", r, ZERO), "CF": borrow}


def _without(flags: dict[Flag, Expr], flag: Flag) -> dict[Flag, Expr]:
    return {name: value for name, value in flags.items() if name != flag}


def _logic(a: Expr, b: Expr, r: Expr, size: int) -> dict[Flag, Expr]:
    return {"ZF": op("eq", r, ZERO), "SF": _negative(r), "CF": ZERO, "OF": ZERO}


def _xor(a: Expr, b: Expr, r: Expr, size: int) -> dict[Flag, Expr]:
    return _logic(a, b, r, size) | {"ZF": op("eq", a, b)}


def _smallest(size: int) -> Const:
    return Const(-(1 << (8 * size - 1)))


def _inc(a: Expr, b: Expr, r: Expr, size: int) -> dict[Flag, Expr]:
    return {"ZF": op("eq", r, ZERO), "SF": _negative(r), "OF": op("eq", r, _smallest(size))}


def _dec(a: Expr, b: Expr, r: Expr, size: int) -> dict[Flag, Expr]:
    return {"ZF": op("eq", r, ZERO), "SF": _negative(r), "OF": op("eq", a, _smallest(size))}


def _neg(a: Expr, b: Expr, r: Expr, size: int) -> dict[Flag, Expr]:
    return {"ZF": op("eq", r, ZERO), "SF": _negative(r), "CF": op("ne", a, ZERO), "OF": op("eq", a, _smallest(size))}


def _bit(a: Expr, b: Expr, r: Expr, size: int) -> dict[Flag, Expr]:
    return {"CF": op("and", op("shr", a, b), ONE)}


def _shift(out: Callable[[Expr, int, int], Expr], overflow: Callable[[Expr, Expr], Expr]) -> Rule:
    """The flags of a shift by a number that is not 0; OF is only defined for 1."""

    def rule(a: Expr, b: Expr, r: Expr, size: int) -> dict[Flag, Expr]:
        assert isinstance(b, Const) and isinstance(b.value, int)
        return {"ZF": op("eq", r, ZERO), "SF": _negative(r), "CF": out(a, b.value, size), "OF": overflow(a, r)}

    return rule


def _bit_of(a: Expr, n: int) -> Expr:
    return op("and", op("shr", a, Const(n)), ONE) if n < 64 else ZERO


Rule: TypeAlias = Callable[[Expr, Expr, Expr, int], dict[Flag, Expr]]
_RULES: dict[str, Rule] = {
    "": lambda a, b, r, size: {},
    "add": _add, "adc": _adc, "sub": _sub, "sbb": _sbb, "logic": _logic, "xor": _xor, "inc": _inc, "dec": _dec, "neg": _neg,
    "bit": _bit,
    "shl": _shift(lambda a, n, size: _bit_of(a, 8 * size - n) if n <= 8 * size else ZERO, lambda a, r: _negative(op("xor", a, r))),
    "shr": _shift(lambda a, n, size: _bit_of(a, n - 1) if n <= 8 * size else ZERO, lambda a, r: _negative(a)),
    "sar": _shift(lambda a, n, size: _bit_of(a, min(n - 1, 63)), lambda a, r: ZERO),
}  # fmt: skip

_ZF, _SF, _CF, _OF = Reg("ZF"), Reg("SF"), Reg("CF"), Reg("OF")
_LESS = Op("ne", (_SF, _OF))
_CONDITIONS: dict[str, Expr] = {
    "o": _OF, "no": Op("lnot", (_OF,)), "c": _CF, "nc": Op("lnot", (_CF,)), "e": _ZF, "ne": Op("lnot", (_ZF,)),
    "be": Op("lor", (_CF, _ZF)), "a": Op("lnot", (Op("lor", (_CF, _ZF)),)), "s": _SF, "ns": Op("lnot", (_SF,)),
    "l": _LESS, "ge": Op("eq", (_SF, _OF)), "le": Op("lor", (_ZF, _LESS)), "g": Op("lnot", (Op("lor", (_ZF, _LESS)),)),
}  # fmt: skip


def flags_looked_at(instructions: Sequence[Instruction]) -> frozenset[Flag]:
    """The flags that some of the instructions look at."""
    found: set[Flag] = set()
    for i in instructions:
        if i.row.condition:
            found.update(LOOKS_AT[i.row.condition])
        if i.row.carry:
            found.add("CF")
    return frozenset(found)


# ---------------------------------------------------------------- what each kind does


def _move(e: Emitter, i: Instruction) -> None:
    target, source = i.operands
    if isinstance(source, Memory) and isinstance(target, Part) and target.size == e.word:
        e.code.append(Load(target.name, e.address(source), PLAIN, e.span, i.size))
        return
    e.write(target, e.read(source, i.size), i.size)


_RESULTS: dict[str, Callable[[Expr, Expr], Expr]] = {
    "inc": lambda a, b: op("add", a, ONE),
    "dec": lambda a, b: op("sub", a, ONE),
    "neg": lambda a, b: op("neg", a),
    "not": lambda a, b: op("not", a),
}


def _result(e: Emitter, i: Instruction, a: Expr, b: Expr) -> Expr:
    name, size = i.row.op, i.size
    if name in _RESULTS:
        return cut(_RESULTS[name](a, b), size)
    if i.row.carry:
        return cut(op(name, op(name, a, b), Reg("CF")), size)
    if name == "shr" and size < 8:
        return cut(op("shr", op(_ZEXT[size], a), b), size)
    result = op(name, a, b)
    return cut(result, size) if name in ("add", "sub", "shl") else result


def _compute(e: Emitter, i: Instruction) -> None:
    target = i.operands[0]
    tags, pair, group = e.access(i) if i.row.writes else (PLAIN, 0, 0)
    a = e.read(target, i.size, tags=tags, pair=pair, group=group)
    b = e.read(i.operands[1], i.size) if len(i.operands) > 1 else ZERO
    if i.row.op in ("shl", "shr", "sar"):
        assert isinstance(b, Const) and isinstance(b.value, int)
        b = Const(b.value & (63 if i.size == 8 else 31))
        if b == ZERO:
            return
    flags = i.row.flags if e.looked_at else ""
    if flags:
        a, b = e.held(a), e.held(b)
    result = _result(e, i, a, b)
    if flags:
        result = e.held(result)
    if i.row.writes:
        e.write(target, result, i.size, tags=tags, pair=pair, group=group)
    if flags:
        e.flags(flags, a, b, result, i.size)


def _exchange(e: Emitter, i: Instruction) -> None:
    left, right = i.operands
    if isinstance(right, Memory):
        left, right = right, left
    tags, pair, group = e.access(i)
    old, new = e.read(left, i.size, tags=tags, pair=pair, group=group), e.read(right, i.size)
    if not isinstance(left, Memory):
        old, new = e.held(old), e.held(new)
    e.write(left, new, i.size, tags=tags, pair=pair, group=group)
    e.write(right, old, i.size)


def _exchange_add(e: Emitter, i: Instruction) -> None:
    left, right = i.operands
    tags, pair, group = e.access(i)
    a, b = e.held(e.read(left, i.size, tags=tags, pair=pair, group=group)), e.held(e.read(right, i.size))
    result = e.held(_result(e, i, a, b))
    if isinstance(left, Memory):
        e.write(left, result, i.size, tags=tags, pair=pair, group=group)
    e.write(right, a, i.size)
    if not isinstance(left, Memory):  # xadd of a register with itself: the sum is written last
        e.write(left, result, i.size)
    e.flags(i.row.flags, a, b, result, i.size)


def _compare_exchange(e: Emitter, i: Instruction) -> None:
    """Writes only when the old value is the accumulator's, else the accumulator takes the old value."""
    target, source = i.operands
    accumulator = Part("rax" if e.word == 8 else "EAX", i.size)
    tags, pair, group = e.access(i)
    expected = e.held(e.read(accumulator, i.size))
    old = e.held(e.read(target, i.size, tags=tags, pair=pair, group=group))
    label = len(e.code)
    fail, end = f"%fail{label}", f"%done{label}"
    e.code.append(Branch(op("ne", expected, old), fail, ctrl=False, span=e.span))
    e.write(target, e.read(source, i.size), i.size, tags=tags, pair=pair, group=group)
    e.code.append(Branch(ONE, end, ctrl=False, span=e.span))
    e.code.append(Label(fail))
    e.write(accumulator, old, i.size)
    e.code.append(Label(end))
    e.flags(i.row.flags, expected, old, _result(e, i, expected, old), i.size)


def _bit_test(e: Emitter, i: Instruction) -> None:
    target, index = i.operands
    if isinstance(target, Memory) and isinstance(index, Part):
        raise Problem(
            Unsupported, "a bit of memory by the number in a register", 0, 1 << 20, "write the number of the bit: btsl $0,(x)"
        )  # fmt: skip
    tags, pair, group = e.access(i) if i.row.writes else (PLAIN, 0, 0)
    a = e.held(e.read(target, i.size, tags=tags, pair=pair, group=group))
    n = e.held(op("and", e.read(index, i.size), Const(8 * i.size - 1)))
    if i.row.writes:
        result = cut(op(i.row.op, a, op("shl", ONE, n)), i.size)
        e.write(target, result, i.size, tags=tags, pair=pair, group=group)
    e.flags(i.row.flags, a, n, ZERO, i.size)


def _extend(e: Emitter, i: Instruction) -> None:
    target, source = i.operands
    value = e.read(source, i.source)
    if i.row.op == "zext":
        value = op(_ZEXT[i.source], value)
    e.write(target, value, i.size)


def _address(e: Emitter, i: Instruction) -> None:
    target, source = i.operands
    assert isinstance(source, Memory)
    known = source.symbol or source.base or source.scaled
    addr = e.address(source) if known else Const(source.offset)
    e.write(target, addr if i.size == e.word else cut(addr, i.size), i.size)


def _set(e: Emitter, i: Instruction) -> None:
    e.write(i.operands[0], e.condition(i.row.condition), 1)


def _move_if(e: Emitter, i: Instruction) -> None:
    """The source is read whatever the condition is; 4 bytes of 8 clear the others even then."""
    target, source = i.operands
    new = e.read(source, i.size)
    e.write(target, op("ite", e.condition(i.row.condition), new, e.read(target, i.size)), i.size)


def _jump(e: Emitter, i: Instruction) -> None:
    target = i.operands[0]
    assert isinstance(target, Target)
    if i.row.condition:
        e.code.append(Branch(e.condition(i.row.condition), target.label, span=e.span))
    else:
        e.code.append(Branch(ONE, target.label, ctrl=False, span=e.span))


def _fence(e: Emitter, i: Instruction) -> None:
    e.code.append(Mark(_FENCES[i.row.op], span=e.span))


def _nothing(e: Emitter, i: Instruction) -> None:
    pass


def _return(e: Emitter, i: Instruction) -> None:
    e.code.append(Branch(ONE, END, ctrl=False, span=e.span))


_KINDS: dict[str, Callable[[Emitter, Instruction], None]] = {
    "move": _move, "compute": _compute, "exchange": _exchange, "exchange-add": _exchange_add,
    "compare-exchange": _compare_exchange, "bit": _bit_test, "extend": _extend, "address": _address, "set": _set,
    "move-if": _move_if, "jump": _jump, "jump-if": _jump, "fence": _fence, "nothing": _nothing, "return": _return,
}  # fmt: skip
