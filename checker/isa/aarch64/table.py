"""What there is to know of each AArch64 mnemonic: its family, the shapes of operands it takes, and how it differs from its kin.

A shape is a regular expression over one letter an operand: w and x registers of 32 and 64 bits, i an immediate, m a memory
operand, s a shift or extension, n a name (label, condition, barrier option). `aarch64.py` has one function per family.

    TABLE["LDAR"]   Row("load", LOAD_PLAIN, "Xt, [Xn]", tags={"A"}, plain=True)     LDAR W0,[X1] has the shape "wm"

Source: Arm Architecture Reference Manual for A-profile, part C6.2.
"""

from __future__ import annotations

from itertools import product

from msgspec import Struct


class Row(Struct, frozen=True):
    """One mnemonic. `op` distinguishes within the family; `size` in bytes, 0: that of the data register; `usage` is for people.

    `tags` are sets the event (of an atomic: its read) is in, `written` those of an atomic's write. `plain`: the address is [Xn].
    """

    family: str
    shape: str
    usage: str
    op: str = ""
    size: int = 0
    tags: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()
    flags: bool = False
    signed: bool = False
    plain: bool = False
    exclusive: bool = False


CONDITIONS = {
    "EQ": "NE", "NE": "EQ", "CS": "CC", "CC": "CS", "HS": "CC", "LO": "CS", "MI": "PL", "PL": "MI", "VS": "VC", "VC": "VS",
    "HI": "LS", "LS": "HI", "GE": "LT", "LT": "GE", "GT": "LE", "LE": "GT", "AL": "AL",
}  # fmt: skip
"""Conditions and their opposites."""

EXTENSIONS = {"UXTB": "zext8", "UXTH": "zext16", "UXTW": "zext32", "SXTB": "sext8", "SXTH": "sext16", "SXTW": "sext32"}
EXTENSIONS |= {"UXTX": "", "SXTX": ""}
SHIFTS = {"LSL": "shl", "LSR": "shr", "ASR": "sar", "ROR": "ror"}
DOMAINS = ("ISH", "ISHLD", "ISHST", "SY", "LD", "ST", "OSH", "OSHLD", "OSHST", "NSH", "NSHLD", "NSHST")

_ADD = r"ww[wi]s?|xx[xi]s?|xxws"
_LOGIC = r"ww[wi]s?|xx[xi]s?"
_TWO = r"ww[wi]s?|xx[xi]s?"
_NONE: frozenset[str] = frozenset()


def _alu() -> dict[str, Row]:
    rows = {}
    for name, op in (("ADD", "add"), ("SUB", "sub")):
        rows[name] = Row("alu", _ADD, "Xd, Xn, Xm | #imm", op)
        rows[name + "S"] = Row("alu", _ADD, "Xd, Xn, Xm | #imm", op, flags=True)
    for name, op in (("AND", "and"), ("BIC", "andnot"), ("ORR", "or"), ("EOR", "xor"), ("ORN", "ornot"), ("EON", "xornot")):
        rows[name] = Row("alu", _LOGIC, "Xd, Xn, Xm | #imm", op)
    rows["ANDS"] = Row("alu", _LOGIC, "Xd, Xn, Xm | #imm", "and", flags=True)
    rows["BICS"] = Row("alu", _LOGIC, "Xd, Xn, Xm | #imm", "andnot", flags=True)
    for name, op in SHIFTS.items():
        rows[name] = Row("alu", r"ww[wi]|xx[xi]", "Xd, Xn, Xm | #imm", op)
        rows[name + "V"] = Row("alu", r"www|xxx", "Xd, Xn, Xm", op)
    compare = r"w[wi]s?|x[xi]s?|xws"
    rows["CMP"] = Row("compare", compare, "Xn, Xm | #imm", "sub", flags=True)
    rows["CMN"] = Row("compare", compare, "Xn, Xm | #imm", "add", flags=True)
    rows["TST"] = Row("compare", compare, "Xn, Xm | #imm", "and", flags=True)
    rows["NEG"] = Row("from_zero", r"wws?|xxs?", "Xd, Xm", "sub")
    rows["NEGS"] = Row("from_zero", r"wws?|xxs?", "Xd, Xm", "sub", flags=True)
    rows["MVN"] = Row("from_zero", r"wws?|xxs?", "Xd, Xm", "ornot")
    rows["MUL"] = Row("multiply", r"www|xxx", "Xd, Xn, Xm", "add")
    rows["MNEG"] = Row("multiply", r"www|xxx", "Xd, Xn, Xm", "sub")
    rows["MADD"] = Row("multiply", r"wwww|xxxx", "Xd, Xn, Xm, Xa", "add")
    rows["MSUB"] = Row("multiply", r"wwww|xxxx", "Xd, Xn, Xm, Xa", "sub")
    for name, op in EXTENSIONS.items():
        if op:
            rows[name] = Row("extend", r"ww|xw" if name[0] == "S" else r"ww", "Wd, Wn", op)
    rows["MOV"] = Row("move", r"w[wi]|x[xi]", "Xd, Xn | #imm")
    rows["MOVZ"] = Row("move_wide", r"[wx]is?", "Xd, #imm{, LSL #16 | #32 | #48}", "movz")
    rows["MOVN"] = Row("move_wide", r"[wx]is?", "Xd, #imm{, LSL #16 | #32 | #48}", "movn")
    rows["MOVK"] = Row("move_wide", r"[wx]is?", "Xd, #imm{, LSL #16 | #32 | #48}", "movk")
    return rows


def _select() -> dict[str, Row]:
    rows = {}
    for name, op in (("CSEL", ""), ("CSINC", "inc"), ("CSINV", "inv"), ("CSNEG", "neg")):
        rows[name] = Row("select", r"wwwn|xxxn", "Xd, Xn, Xm, cond", op)
    for name, op in (("CSET", "inc"), ("CSETM", "inv")):
        rows[name] = Row("set", r"[wx]n", "Xd, cond", op)
    for name, op in (("CINC", "inc"), ("CINV", "inv"), ("CNEG", "neg")):
        rows[name] = Row("select_same", r"wwn|xxn", "Xd, Xn, cond", op)
    return rows


def _memory() -> dict[str, Row]:
    rows = {}
    sizes = (("", 0, "[wx]m"), ("B", 1, "wm"), ("H", 2, "wm"))
    for (suffix, size, shape), stem in product(sizes, ("LDR", "LDUR")):
        rows[stem + suffix] = Row("load", shape, "Xt, [Xn…]", size=size)
    for (suffix, size, shape), stem in product(sizes, ("STR", "STUR")):
        rows[stem + suffix] = Row("store", shape, "Xt, [Xn…]", size=size)
    for (suffix, size), stem in product((("SB", 1), ("SH", 2), ("SW", 4)), ("LDR", "LDUR")):
        shape = "xm" if suffix == "SW" else "[wx]m"
        rows[stem + suffix] = Row("load", shape, "Xt, [Xn…]", size=size, signed=True)
    ordered = {"LDAR": {"A"}, "LDAPR": {"Q"}, "LDXR": {"X"}, "LDAXR": {"X", "A"}}
    for (suffix, size, shape), (stem, tags) in product(sizes, ordered.items()):
        kind = frozenset(tags)
        rows[stem + suffix] = Row("load", shape, "Xt, [Xn]", size=size, tags=kind, plain=True, exclusive="X" in kind)
    for suffix, size, shape in sizes:
        rows["STLR" + suffix] = Row("store", shape, "Xt, [Xn]", size=size, tags=frozenset({"L"}), plain=True)
        for stem, tags in (("STXR", {"X"}), ("STLXR", {"X", "L"})):
            rows[stem + suffix] = Row(
                "store_exclusive", "w" + shape, "Ws, Xt, [Xn]", size=size, tags=frozenset(tags), plain=True, exclusive=True
            )
    for name in ("LDP", "LDNP"):
        rows[name] = Row("load_pair", r"wwm|xxm", "Xt1, Xt2, [Xn…]")
    rows["LDPSW"] = Row("load_pair", r"xxm", "Xt1, Xt2, [Xn…]", size=4, signed=True)
    for name in ("STP", "STNP"):
        rows[name] = Row("store_pair", r"wwm|xxm", "Xt1, Xt2, [Xn…]")
    return rows


ATOMIC = {
    "ADD": "add", "CLR": "andnot", "EOR": "xor", "SET": "or", "SMAX": "smax", "SMIN": "smin", "UMAX": "umax", "UMIN": "umin",
}  # fmt: skip


def _atomics() -> dict[str, Row]:
    rows = {}
    orders = (("", _NONE, _NONE), ("A", {"A"}, _NONE), ("L", _NONE, {"L"}), ("AL", {"A"}, {"L"}))
    for (order, read, written), (suffix, size) in product(orders, (("", 0), ("B", 1), ("H", 2))):
        shape = r"ww m|xxm".replace(" ", "") if not size else "wwm"
        tags, released = frozenset(read), frozenset(written)
        tail = order + suffix
        rows["SWP" + tail] = Row("atomic", shape, "Xs, Xt, [Xn]", "swp", size, tags, released, plain=True)
        rows["CAS" + tail] = Row("compare_and_swap", shape, "Xs, Xt, [Xn]", "", size, tags, released, plain=True)
        for name, op in ATOMIC.items():
            rows["LD" + name + tail] = Row("atomic", shape, "Xs, Xt, [Xn]", op, size, tags, released, plain=True)
            if not read:
                rows["ST" + name + tail] = Row("atomic_no_return", shape[1:] if size else "[wx]m", "Xs, [Xn]", op, size,
                                               _NONE, released, plain=True)  # fmt: skip
    return rows


def _control() -> dict[str, Row]:
    rows = {"B": Row("branch", "n", "label"), "CBZ": Row("branch_zero", "[wx]n", "Xt, label", "eq")}
    rows["CBNZ"] = Row("branch_zero", "[wx]n", "Xt, label", "ne")
    rows["TBZ"] = Row("branch_bit", "[wx]in", "Xt, #bit, label", "eq")
    rows["TBNZ"] = Row("branch_bit", "[wx]in", "Xt, #bit, label", "ne")
    for condition in CONDITIONS:
        rows["B." + condition] = rows["B" + condition] = Row("branch_if", "n", "label", condition)
    rows["DMB"] = Row("fence", "n", "SY | LD | ST | ISH | ISHLD | ISHST | …", "DMB")
    rows["DSB"] = Row("fence", "n", "SY | LD | ST | ISH | ISHLD | ISHST | …", "DSB")
    rows["ISB"] = Row("fence", "n?", "", "ISB")
    rows["NOP"] = Row("nothing", "", "")
    return rows


TABLE: dict[str, Row] = _alu() | _select() | _memory() | _atomics() | _control()
