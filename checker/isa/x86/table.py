"""The x86 instructions by mnemonic: which operands they take, what they compute, which flags they set.

A row says all there is to an instruction but how its operands are read and written (`x86.py`). Operand patterns are in the
order of Intel's manuals, destination first: `r` a register, `m` memory, `i` a number, `l` a label.

    "sub"    operands ("rm", "rmi"), writes the destination: a - b; flags of a subtraction; may be locked

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, "Operation" and "Flags Affected" of each
instruction; volume 1, appendix B for the conditions.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

Flag: TypeAlias = Literal["ZF", "SF", "CF", "OF"]

Kind: TypeAlias = Literal[
    "move", "compute", "exchange", "exchange-add", "compare-exchange", "bit", "extend", "address", "set", "move-if",
    "jump", "jump-if", "fence", "nothing", "return",
]  # fmt: skip


class Row(Struct, frozen=True):
    """One mnemonic. `op` is the operation on (a, b), of which `carry` is the third operand where it takes part.

    `flags` names the rule that sets them, "" for none; `writes` is false for what only sets flags (cmp, test); `lock` says
    that a lock prefix is allowed; `condition` is the one a jump, set or move looks at; `sizes` are source and destination of
    an extension, where the mnemonic says them.
    """

    kind: Kind
    operands: tuple[str, ...] = ()
    op: str = ""
    flags: str = ""
    writes: bool = True
    lock: bool = False
    carry: bool = False
    condition: str = ""
    sizes: tuple[int, int] = (0, 0)
    suffix: bool = True


_BINARY = ("rm", "rmi")
_UNARY = ("rm",)

ROWS: dict[str, Row] = {
    "mov": Row("move", _BINARY),
    "movabs": Row("move", ("r", "i")),
    "add": Row("compute", _BINARY, "add", "add", lock=True),
    "adc": Row("compute", _BINARY, "add", "adc", lock=True, carry=True),
    "sub": Row("compute", _BINARY, "sub", "sub", lock=True),
    "sbb": Row("compute", _BINARY, "sub", "sbb", lock=True, carry=True),
    "and": Row("compute", _BINARY, "and", "logic", lock=True),
    "or": Row("compute", _BINARY, "or", "logic", lock=True),
    "xor": Row("compute", _BINARY, "xor", "xor", lock=True),
    "cmp": Row("compute", _BINARY, "sub", "sub", writes=False),
    "test": Row("compute", _BINARY, "and", "logic", writes=False),
    "inc": Row("compute", _UNARY, "inc", "inc", lock=True),
    "dec": Row("compute", _UNARY, "dec", "dec", lock=True),
    "neg": Row("compute", _UNARY, "neg", "neg", lock=True),
    "not": Row("compute", _UNARY, "not", lock=True),
    "shl": Row("compute", ("rm", "i"), "shl", "shl"),
    "sal": Row("compute", ("rm", "i"), "shl", "shl"),
    "shr": Row("compute", ("rm", "i"), "shr", "shr"),
    "sar": Row("compute", ("rm", "i"), "sar", "sar"),
    "xchg": Row("exchange", ("rm", "rm"), lock=True),
    "xadd": Row("exchange-add", ("rm", "r"), "add", "add", lock=True),
    "cmpxchg": Row("compare-exchange", ("rm", "r"), "sub", "sub", lock=True),
    "bt": Row("bit", ("rm", "ri"), "", "bit", writes=False),
    "bts": Row("bit", ("rm", "ri"), "or", "bit", lock=True),
    "btr": Row("bit", ("rm", "ri"), "andnot", "bit", lock=True),
    "btc": Row("bit", ("rm", "ri"), "xor", "bit", lock=True),
    "movzx": Row("extend", ("r", "rm"), "zext"),
    "movsx": Row("extend", ("r", "rm"), "sext"),
    "movsxd": Row("extend", ("r", "rm"), "sext", sizes=(4, 8)),
    "lea": Row("address", ("r", "m")),
    "jmp": Row("jump", ("l",)),
    "mfence": Row("fence", op="MFENCE", suffix=False),
    "lfence": Row("fence", op="LFENCE", suffix=False),
    "sfence": Row("fence", op="SFENCE", suffix=False),
    "nop": Row("nothing", ("rm?",)),
    "pause": Row("nothing", suffix=False),
    "endbr64": Row("nothing", suffix=False),
    "endbr32": Row("nothing", suffix=False),
    "ret": Row("return"),
}

# Conditions by the flags they look at; each may be turned round. SDM volume 1, table B-1.
_CONDITIONS: dict[str, tuple[str, ...]] = {
    "o": ("o",), "no": ("no",),
    "c": ("b", "c", "nae"), "nc": ("ae", "nb", "nc"),
    "e": ("e", "z"), "ne": ("ne", "nz"),
    "be": ("be", "na"), "a": ("a", "nbe"),
    "s": ("s",), "ns": ("ns",),
    "l": ("l", "nge", "lt"), "ge": ("ge", "nl"),
    "le": ("le", "ng"), "g": ("g", "nle", "gt"),
}  # fmt: skip

LOOKS_AT: dict[str, tuple[Flag, ...]] = {
    "o": ("OF",), "no": ("OF",), "c": ("CF",), "nc": ("CF",), "e": ("ZF",), "ne": ("ZF",), "be": ("CF", "ZF"),
    "a": ("CF", "ZF"), "s": ("SF",), "ns": ("SF",), "l": ("SF", "OF"), "ge": ("SF", "OF"), "le": ("ZF", "SF", "OF"),
    "g": ("ZF", "SF", "OF"),
}  # fmt: skip

for _condition, _names in _CONDITIONS.items():
    for _name in _names:
        ROWS[f"j{_name}"] = Row("jump-if", ("l",), condition=_condition, suffix=False)
        ROWS[f"set{_name}"] = Row("set", ("rm",), condition=_condition, suffix=False)
        ROWS[f"cmov{_name}"] = Row("move-if", ("r", "rm"), condition=_condition)

SUFFIXES = {"b": 1, "w": 2, "l": 4, "q": 8}

# movzbl, movswq, …: the sizes of source and destination in the mnemonic.
for _letter, _bytes in SUFFIXES.items():
    for _wider, _more in SUFFIXES.items():
        if _bytes < _more:
            ROWS[f"movs{_letter}{_wider}"] = Row("extend", ("r", "rm"), "sext", sizes=(_bytes, _more), suffix=False)
            if _bytes < 4:
                ROWS[f"movz{_letter}{_wider}"] = Row("extend", ("r", "rm"), "zext", sizes=(_bytes, _more), suffix=False)


class Part(Struct, frozen=True):
    """A register or a part of one: `name` is the whole register's, `size` in bytes; `high` is the second byte (ah)."""

    name: str
    size: int
    high: bool = False


def _parts(*, wide: bool) -> dict[str, Part]:
    """Every spelling of a register, in small letters. The whole registers are rax… of 8 bytes, or EAX… of 4."""
    parts: dict[str, Part] = {}
    for letter in "abcd":
        whole = f"r{letter}x" if wide else f"E{letter.upper()}X"
        parts |= {f"r{letter}x": Part(whole, 8)} if wide else {}
        parts |= {f"e{letter}x": Part(whole, 4), f"{letter}x": Part(whole, 2), f"{letter}l": Part(whole, 1)}
        parts[f"{letter}h"] = Part(whole, 1, True)
    for name in ("si", "di", "bp", "sp"):
        whole = f"r{name}" if wide else f"E{name.upper()}"
        parts |= {f"r{name}": Part(whole, 8), f"{name}l": Part(whole, 1)} if wide else {}
        parts |= {f"e{name}": Part(whole, 4), name: Part(whole, 2)}
    for n in range(8, 16) if wide else ():
        parts |= {f"r{n}{s}": Part(f"r{n}", size) for s, size in (("", 8), ("d", 4), ("w", 2), ("b", 1))}
    return parts


NARROW, WIDE = _parts(wide=False), _parts(wide=True)
