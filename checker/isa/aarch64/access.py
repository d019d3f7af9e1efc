"""AArch64 instructions that access memory: loads and stores, pairs, exclusives, atomic read-modify-writes.

    STXR W3,W2,[X1]     Choose c; if not c: Store(X1, X2, exclusive); X3 := c; the monitor is disarmed
    LDADDA W2,W0,[X1]   Load(old, X1, {"A"}, pair); Store(X1, old + X2, pair); X0 := old

Where the manual leaves a choice, both ways are explored: a store exclusive may fail, a failing CAS may write back what it read.
Sources: Arm Architecture Reference Manual, C6.2, B2.3.2 (dependencies), B2.12 (exclusives); what a CAS depends on: herd7's
AArch64Sem.ml.
"""

from __future__ import annotations

from collections.abc import Sequence

from checker.core.source import Unsupported
from checker.isa.aarch64.cell import Gpr, Mem, Operand, Problem
from checker.isa.aarch64.emit import ONE, SEXT, ZERO, ZEXT, Emitter, Family, op
from checker.isa.aarch64.table import Row
from checker.program.ir import MONITOR, Choose, Const, Expr, Load, Reg, Store


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
        wide = (op(SEXT[size], old), op(SEXT[size], new)) if name[0] == "s" and size < 8 else (old, new)
        compare = {"smax": "ge", "smin": "le", "umax": "geu", "umin": "leu"}[name]
        return op("ite", op(compare, *wide), old, new)
    value = op(name, old, new)
    return op(ZEXT[size], value) if name == "add" and size < 8 else value


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
        value = op("weak", value, differs)
        e.code.append(Store(addr, value, row.written | {"RMW"}, e.span, size, group, group))

    e.branch(differs, fail)
    write(e.stored(new, size))
    if _read_elsewhere(e, expected):
        e.code.append(Choose(coin, e.span))
        e.branch(Reg(coin), e.name("same"))
        e.assign(expected.name, read)
        e.branch(ONE, end)
        e.label(e.name("same"))
        e.assign(expected.name, op("weak", wanted, differs))
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


ACCESSING: dict[str, Family] = {
    "load": _load, "store": _store, "load_pair": _load_pair, "store_pair": _store_pair, "store_exclusive": _store_exclusive,
    "atomic": _atomic, "atomic_no_return": _atomic_no_return, "compare_and_swap": _compare_and_swap,
}  # fmt: skip
