"""The AArch64 instructions: a line for each, or for each family of names.

Operands are named as in the manual: d the destination, n and m the sources, t what is moved to or from memory, a the address, s the
source or status of an atomic. Kinds beside those of `operand.py`: w and x a register of 32 or 64 bits whatever the others have
(those of kind r have one width), e an extended register of 32 bits among 64, l a label, c a condition, o the option of a barrier.

Source: Arm Architecture Reference Manual for A-profile, part C6.2; J1.1 (AddWithCarry, ConditionHolds).
"""

from __future__ import annotations

from itertools import product

from checker.isa.table import Row, row

CONDITIONS = {
    "EQ": "Z", "NE": "not Z", "CS": "C", "HS": "C", "CC": "not C", "LO": "not C", "MI": "N", "PL": "not N", "VS": "V",
    "VC": "not V", "HI": "C and not Z", "LS": "not (C and not Z)", "GE": "N == V", "LT": "not N == V",
    "GT": "N == V and not Z", "LE": "not (N == V and not Z)", "AL": "1",
}  # fmt: skip
EXTENSIONS = {"UXTB": "zext8", "UXTH": "zext16", "UXTW": "zext32", "SXTB": "sext8", "SXTH": "sext16", "SXTW": "sext32"}
EXTENSIONS |= {"UXTX": "", "SXTX": ""}
SHIFTS = {"LSL": "shl", "LSR": "shr", "ASR": "sar", "ROR": "ror"}
DOMAINS = ("ISH", "ISHLD", "ISHST", "SY", "LD", "ST", "OSH", "OSHLD", "OSHST", "NSH", "NSHLD", "NSHST")

_BINARY = {"AND": "n & m", "BIC": "n & ~m", "ORR": "n | m", "EOR": "n ^ m", "ORN": "n | ~m", "EON": "n ^ ~m"}
_ATOMIC = {"ADD": "o + s", "CLR": "o & ~s", "EOR": "o ^ s", "SET": "o | s"}
_ATOMIC |= {name: f"{name.lower()}(o, s)" for name in ("SMAX", "SMIN", "UMAX", "UMIN")}
_SIZES = (("", 0, "r"), ("B", 1, "w"), ("H", 2, "w"))
_ORDERS = (("", "", ""), ("A", "A", ""), ("L", "", "L"), ("AL", "A", "L"))


def _compute() -> dict[str, Row]:
    rows = {
        "ADD": row("d:r n:r m:rise", "d = n + m"), "SUB": row("d:r n:r m:rise", "d = n - m"),
        "ADDS": row("d:r n:r m:rise", "d = flags(n + m)"), "SUBS": row("d:r n:r m:rise", "d = flags(n - m)"),
        "ANDS": row("d:r n:r m:ris", "d = flags(n & m)"), "BICS": row("d:r n:r m:ris", "d = flags(n & ~m)"),
        "CMP": row("n:r m:rise", "flags(n - m)"), "CMN": row("n:r m:rise", "flags(n + m)"),
        "TST": row("n:r m:rise", "flags(n & m)"), "NEG": row("d:r m:rs", "d = 0 - m"),
        "NEGS": row("d:r m:rs", "d = flags(0 - m)"), "MVN": row("d:r m:rs", "d = ~m"),
        "MUL": row("d:r n:r m:r", "d = n * m"), "MNEG": row("d:r n:r m:r", "d = 0 - n * m"),
        "MADD": row("d:r n:r m:r a:r", "d = a + n * m"), "MSUB": row("d:r n:r m:r a:r", "d = a - n * m"),
        "MOV": row("d:r n:ri", "d = n"), "MOVZ": row("d:r i:is", "d = half(i)"), "MOVN": row("d:r i:is", "d = ~half(i)"),
        "MOVK": row("d:r i:is", "d = insert(d, i)"),
        "CSEL": row("d:r n:r m:r c:c", "d = pick(c, n, m)"), "CSINC": row("d:r n:r m:r c:c", "d = pick(c, n, m + 1)"),
        "CSINV": row("d:r n:r m:r c:c", "d = pick(c, n, ~m)"), "CSNEG": row("d:r n:r m:r c:c", "d = pick(c, n, 0 - m)"),
        "CSET": row("d:r c:c", "d = pick(c, 1, 0)"), "CSETM": row("d:r c:c", "d = pick(c, -1, 0)"),
        "CINC": row("d:r n:r c:c", "d = pick(c, n + 1, n)"), "CINV": row("d:r n:r c:c", "d = pick(c, ~n, n)"),
        "CNEG": row("d:r n:r c:c", "d = pick(c, 0 - n, n)"),
    }  # fmt: skip
    rows |= {name: row("d:r n:r m:ris", f"d = {meaning}") for name, meaning in _BINARY.items()}
    for name, op in SHIFTS.items():
        rows[name] = row("d:r n:r m:ri", f"d = {op}(n, m)")
        rows[name + "V"] = row("d:r n:r m:r", f"d = {op}(n, m)")
    for name, op in EXTENSIONS.items():
        if op:
            rows[name] = row("d:r n:w" if name[0] == "S" else "d:w n:w", f"d = {op}(n)")
    return rows


def _memory() -> dict[str, Row]:
    rows = {}
    for (suffix, size, kind), u in product(_SIZES, "RU"):
        rows[f"LD{'U' * (u == 'U')}R{suffix}"] = row(f"t:{kind} a:m", "t = a", access=size)
        rows[f"ST{'U' * (u == 'U')}R{suffix}"] = row(f"t:{kind} a:m", "a = t", access=size)
    for (suffix, size, kind), stem in product((("SB", 1, "r"), ("SH", 2, "r"), ("SW", 4, "x")), ("LDR", "LDUR")):
        rows[stem + suffix] = row(f"t:{kind} a:m", f"t = sext{8 * size}(a)", access=size)
    for suffix, size, kind in _SIZES:
        data = f"t:{kind} a:a"
        rows[f"LDAR{suffix}"] = row(data, "t = a", read="A", access=size)
        rows[f"LDAPR{suffix}"] = row(data, "t = a", read="Q", access=size)
        rows[f"LDXR{suffix}"] = row(data, "t = a", read="X", access=size, exclusive=True)
        rows[f"LDAXR{suffix}"] = row(data, "t = a", read="X A", access=size, exclusive=True)
        rows[f"STLR{suffix}"] = row(data, "a = t", write="L", access=size)
        rows[f"STXR{suffix}"] = row(f"s:w {data}", "exclusive(s, t, a)", write="X", access=size)
        rows[f"STLXR{suffix}"] = row(f"s:w {data}", "exclusive(s, t, a)", write="X L", access=size)
        for order, read, write in _ORDERS:
            tail, both = order + suffix, {"read": f"{read} RMW", "write": f"{write} RMW", "access": size, "atomic": True}
            data = f"s:{kind} t:{kind} a:a"
            rows["SWP" + tail] = row(data, "o = a; a = s; t = o", **both)  # type: ignore[arg-type]
            rows["CAS" + tail] = row(data, "swap(s, t, a)", **both)  # type: ignore[arg-type]
            for name, meaning in _ATOMIC.items():
                rows[f"LD{name}{tail}"] = row(data, f"o = a; a = {meaning}; t = o", **both)  # type: ignore[arg-type]
                if not read:
                    rows[f"ST{name}{tail}"] = row(f"s:{kind} a:a", f"o = a; a = {meaning}", **both)  # type: ignore[arg-type]
    for n in ("", "N"):
        rows[f"LD{n}P"] = row("t:r u:r a:m", "load_pair(t, u, a)")
        rows[f"ST{n}P"] = row("t:r u:r a:m", "store_pair(t, u, a)")
    rows["LDPSW"] = row("t:x u:x a:m", "load_pair(t, u, a)", access=4)
    return rows


def _control() -> dict[str, Row]:
    rows = {
        "B": row("l:l", "goto(l)"), "CBZ": row("t:r l:l", "goto(l, t == 0)"), "CBNZ": row("t:r l:l", "goto(l, t)"),
        "TBZ": row("t:r i:i l:l", "goto(l, bit(t, i) == 0)"), "TBNZ": row("t:r i:i l:l", "goto(l, bit(t, i) != 0)"),
        "DMB": row("o:o", "barrier('DMB', o)"), "DSB": row("o:o", "barrier('DSB', o)"), "ISB": row("o:o?", "barrier('ISB', o)"),
        "NOP": row("", ""),
    }  # fmt: skip
    for condition, meaning in CONDITIONS.items():
        rows["B." + condition] = rows["B" + condition] = row("l:l", f"goto(l, {meaning})")
    return rows


TABLE: dict[str, Row] = _compute() | _memory() | _control()
