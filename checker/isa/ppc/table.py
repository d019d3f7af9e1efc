"""The Power instructions, of 64 bits: fixed point, storage access, branches on CR0, and what synchronises.

Operands: d the destination, n and m the sources, s what is stored, a the address, l a label. Kinds beside those of `operand.py`: j
an address of two registers. A name that ends in a dot compares its result with 0 as well.

Source: Power ISA, book I (branch, fixed point), book II (storage model, storage control); appendix on extended mnemonics.
"""

from __future__ import annotations

from checker.isa.table import Row, row

_BINARY = {
    "add": "n + m", "sub": "n - m", "subf": "m - n", "and": "n & m", "or": "n | m", "xor": "n ^ m", "andc": "n & ~m",
    "orc": "n | ~m", "nor": "~(n | m)", "nand": "~(n & m)", "eqv": "~(n ^ m)", "mulld": "n * m",
    "mullw": "sext32(n) * sext32(m)", "slw": "zext32(shl(n, m & 63))", "srw": "shr(zext32(n), m & 63)",
    "sraw": "sar(sext32(n), m & 63)",
}  # fmt: skip
_UNARY = {
    "mr": "n", "neg": "0 - n", "not": "~n", "extsb": "sext8(n)", "extsh": "sext16(n)", "extsw": "sext32(n)",
}  # fmt: skip
_WITH_NUMBER = {
    "addi": "n + m", "subi": "n - m", "addis": "n + (m << 16)", "ori": "n | m", "oris": "n | (m << 16)", "xori": "n ^ m",
    "mulli": "n * m", "andi.": "n & m", "sldi": "shl(n, m)", "srdi": "shr(n, m)", "sradi": "sar(n, m)",
    "slwi": "zext32(shl(n, m))", "srwi": "shr(zext32(n), m)", "srawi": "sar(sext32(n), m)", "clrldi": "shr(shl(n, m), m)",
}  # fmt: skip
CONDITIONS = {
    "eq": "EQ", "ne": "not EQ", "lt": "LT", "ge": "not LT", "gt": "GT", "le": "not GT", "nl": "not LT", "ng": "not GT",
}  # fmt: skip
_COMPARISONS = {
    "cmpd": "compare(n, m)", "cmpw": "compare(sext32(n), sext32(m))", "cmpld": "compare_unsigned(n, m)",
    "cmplw": "compare(zext32(n), zext32(m))",
}  # fmt: skip
_SIZES = {"b": 1, "h": 2, "w": 4, "d": 8}


def _compute() -> dict[str, Row]:
    rows = {
        "li": row("d:r n:i", "d = n"), "lis": row("d:r n:i", "d = n << 16"), "nop": row("", ""),
        "rlwinm": row("d:r n:r k:i b:i e:i", "d = rotated(n, k, b, e)"), "b": row("l:l", "goto(l)"),
        "rlwimi": row("d:r n:r k:i b:i e:i", "insert(d, n, k, b, e)"),
        "sync": row("", "fence('SYNC')"), "hwsync": row("", "fence('SYNC')"), "lwsync": row("", "fence('LWSYNC')"),
        "isync": row("", "fence('ISYNC')"), "eieio": row("", "fence('EIEIO')"),
    }  # fmt: skip
    for name, meaning in _BINARY.items():
        rows[name] = row("d:r n:r m:r", f"d = {meaning}")
        rows[name + "."] = row("d:r n:r m:r", f"d = {meaning}; compare(d, 0)")
    for name, meaning in _UNARY.items():
        rows[name] = row("d:r n:r", f"d = {meaning}")
        rows[name + "."] = row("d:r n:r", f"d = {meaning}; compare(d, 0)")
    for name, meaning in _WITH_NUMBER.items():
        rows[name] = row("d:r n:r m:i", f"d = {meaning}" + "; compare(d, 0)" * (name[-1] == "."))
    rows |= {name: row("n:r m:r", meaning) for name, meaning in _COMPARISONS.items()}
    rows |= {name + "i": row("n:r m:i", meaning) for name, meaning in _COMPARISONS.items()}
    return rows | {f"b{name}": row("l:l", f"goto(l, {meaning})") for name, meaning in CONDITIONS.items()}


def _memory() -> dict[str, Row]:
    rows = {}
    for letter, size in _SIZES.items():
        z = "z" * (size < 8)
        rows[f"l{letter}{z}"] = row("d:r a:m", "d = a", access=size)
        rows[f"l{letter}{z}x"] = row("d:r a:j", "d = a", access=size)
        rows[f"st{letter}"] = row("s:r a:m", "a = s", access=size)
        rows[f"st{letter}x"] = row("s:r a:j", "a = s", access=size)
        rows[f"l{letter}arx"] = row("d:r a:j", "d = a", access=size, read="X", exclusive=True)
        rows[f"st{letter}cx."] = row("s:r a:j", "conditional(s, a)", access=size, write="X")
    for letter, size in (("h", 2), ("w", 4)):
        rows[f"l{letter}a"] = row("d:r a:m", f"d = sext{8 * size}(a)", access=size)
        rows[f"l{letter}ax"] = row("d:r a:j", f"d = sext{8 * size}(a)", access=size)
    return rows


TABLE: dict[str, Row] = _compute() | _memory()
