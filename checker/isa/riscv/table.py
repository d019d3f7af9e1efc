"""The RISC-V instructions: RV64I, M's multiplication, A, Zacas, Zabha, and the pseudo-instructions that tests use.

Operands: d the destination, n and m the sources, s what is written, a the address, l a label, p and q the predecessors and
successors of a fence. An AMO is one operation, which is a load and a store: its write is in R as well.

Source: The RISC-V Instruction Set Manual, volume I, chapters "RV32I", "RV64I", "A", "Zacas", "Zifencei", and the list of
pseudo-instructions.
"""

from __future__ import annotations

from itertools import product

from checker.isa.table import Row, row

_BINARY = {
    "add": "n + m", "sub": "n - m", "and": "n & m", "or": "n | m", "xor": "n ^ m", "sll": "shl(n, m)", "srl": "shr(n, m)",
    "sra": "sar(n, m)", "slt": "n < m", "sltu": "ltu(n, m)", "mul": "n * m", "addw": "sext32(n + m)", "subw": "sext32(n - m)",
    "mulw": "sext32(n * m)", "sllw": "sext32(shl(n, m & 31))", "srlw": "sext32(shr(zext32(n), m & 31))",
    "sraw": "sar(sext32(n), m & 31)",
}  # fmt: skip
_WITH_NUMBER = {name: f"{name.rstrip('wu')}i{name[len(name.rstrip('wu')) :]}" for name in _BINARY if name[:3] not in ("sub", "mul")}
BRANCHES = {"eq": "n == m", "ne": "n != m", "lt": "n < m", "ge": "n >= m", "ltu": "ltu(n, m)", "geu": "geu(n, m)"}
_TESTS = {"eq": "n == 0", "ne": "n != 0", "lt": "n < 0", "ge": "n >= 0", "gt": "0 < n", "le": "0 >= n"}
_ATOMIC = {"swap": "s", "add": "o + s", "and": "o & s", "or": "o | s", "xor": "o ^ s"}
_ATOMIC |= {"max": "s if wide(o) < wide(s) else o", "min": "o if wide(o) < wide(s) else s"}
_ATOMIC |= {"maxu": "s if ltu(o, low(s)) else o", "minu": "o if ltu(o, low(s)) else s"}
_ORDERS = {"": "", ".aq": "Acq", ".rl": "Rel", ".aq.rl": "AcqRel", ".aqrl": "AcqRel"}
_SIZES = {"b": 1, "h": 2, "w": 4, "d": 8}


def _compute() -> dict[str, Row]:
    rows = {
        "li": row("d:r n:i", "d = n"), "mv": row("d:r n:r", "d = n"), "not": row("d:r n:r", "d = ~n"), "nop": row("", ""),
        "neg": row("d:r n:r", "d = 0 - n"), "sext.b": row("d:r n:r", "d = sext8(n)"), "sext.h": row("d:r n:r", "d = sext16(n)"),
        "sext.w": row("d:r n:r", "d = sext32(n)"), "seqz": row("d:r n:r", "d = n == 0"), "snez": row("d:r n:r", "d = n != 0"),
        "lui": row("d:r n:i", "d = sext32(n << 12)"), "j": row("l:l", "goto(l)"), "fence": row("p:n? q:n?", "between(p, q)"),
        "fence.tso": row("", "fence('Fence.tso')"), "fence.i": row("", "fence('Fence.i')"),
    }  # fmt: skip
    rows |= {name: row("d:r n:r m:r", f"d = {meaning}") for name, meaning in _BINARY.items()}
    rows |= {other: row("d:r n:r m:i", f"d = {_BINARY[name]}") for name, other in _WITH_NUMBER.items()}
    rows |= {f"b{name}": row("n:r m:r l:l", f"goto(l, {meaning})") for name, meaning in BRANCHES.items()}
    rows |= {f"b{name}z": row("n:r l:l", f"goto(l, {meaning})") for name, meaning in _TESTS.items()}
    return rows


def _memory() -> dict[str, Row]:
    rows = {f"l{letter}u": row("d:r a:m", "d = a", access=size) for letter, size in _SIZES.items() if size < 8}
    for (letter, size), (suffix, order) in product(_SIZES.items(), _ORDERS.items()):
        tail, load = f"{letter}{suffix}", "d = a" if size == 8 else f"d = sext{8 * size}(a)"
        if order != "Rel":
            rows[f"l{tail}"] = row("d:r a:m", load, access=size, read=order)
        if order != "Acq":
            rows[f"s{tail}"] = row("s:r a:m", "a = s", access=size, write=order)
        if size >= 4:
            lr, sc = order if order != "Rel" else "", order if order != "Acq" else ""  # which alone promise nothing there
            rows[f"lr.{tail}"] = row("d:r a:a", load, access=size, read=f"X {lr}", exclusive=True)
            rows[f"sc.{tail}"] = row("d:r s:r a:a", "exclusive(d, s, a)", access=size, write=f"X {sc}")
        amo = {"read": f"AMO {order}", "write": f"R AMO {order}", "access": size, "atomic": True}
        rows[f"amocas.{tail}"] = row("d:r s:r a:a", "compare(d, s, a)", **amo)  # type: ignore[arg-type]
        for name, new in _ATOMIC.items():
            rows[f"amo{name}.{tail}"] = row("d:r s:r a:a", f"o = a; a = {new}; d = wide(o)", **amo)  # type: ignore[arg-type]
    return rows


TABLE: dict[str, Row] = _compute() | _memory()
