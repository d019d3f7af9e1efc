"""AArch64 instructions that move no memory: arithmetic, flags, selection, branches, fences.

    CMP W0,#1       the flags that something tests: Assign("Z", eq(X0, 1))
    CSET W2,EQ      Assign("X2", pick(lnot(Z), 0, 1))
    B.NE L          Branch(lnot(Z), "L")

Sources: Arm Architecture Reference Manual, C6.2, J1.1 (AddWithCarry, ConditionHolds).
"""

from __future__ import annotations

from collections.abc import Sequence

from checker.core.source import SyntaxProblem, Unsupported
from checker.isa.aarch64.cell import Gpr, Imm, Mod, Operand, Problem, Word, condition
from checker.isa.aarch64.emit import ONE, ZERO, Emitter, Family, arithmetic, constant, holds, op, trimmed, widened
from checker.isa.aarch64.table import CONDITIONS, DOMAINS, EXTENSIONS, Row
from checker.program.ir import Const, Expr, Mark, Reg


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


COMPUTING: dict[str, Family] = {
    "alu": _alu, "compare": _compare, "from_zero": _from_zero, "multiply": _multiply, "extend": _extend, "move": _move,
    "move_wide": _move_wide, "select": _select, "set": _set, "select_same": _select_same, "branch": _branch,
    "branch_if": _branch_if, "branch_zero": _branch_zero, "branch_bit": _branch_bit, "fence": _fence, "nothing": _nothing,
}  # fmt: skip
