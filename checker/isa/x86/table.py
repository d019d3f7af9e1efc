"""The x86 instructions: a line for each, or for each family of names.

Operands are named d and n in the order of Intel's manuals, destination first; l is the label of a jump. A mnemonic without a
size takes that of its operands, or one of the letters b, w, l, q behind it (`suffix`).

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, "Operation" and "Flags Affected" of each
instruction; volume 1, appendix B for the conditions.
"""

from __future__ import annotations

from functools import partial

from checker.isa.operand import Register
from checker.isa.table import Row, row

CONDITIONS: dict[str, str] = {
    "o": "OF", "no": "not OF", "b c nae": "CF", "ae nb nc": "not CF", "e z": "ZF", "ne nz": "not ZF", "be na": "CF or ZF",
    "a nbe": "not (CF or ZF)", "s": "SF", "ns": "not SF", "l nge lt": "SF != OF", "ge nl": "SF == OF",
    "le ng": "ZF or SF != OF", "g nle gt": "not (ZF or SF != OF)",
}  # fmt: skip
"""Conditions by their names. SDM volume 1, table B-1."""
SUFFIXES = {"b": 1, "w": 2, "l": 4, "q": 8}

_sized = partial(row, suffix=True)
_locked = partial(row, suffix=True, lock=True)

ROWS: dict[str, Row] = {
    "mov": _sized("d:rm n:rmi", "d = n"),
    "movabs": _sized("d:r n:i", "d = n"),
    "add": _locked("d:rm n:rmi", "d = flags(d + n)"),
    "adc": _locked("d:rm n:rmi", "d = flags(adc(d, n, CF))"),
    "sub": _locked("d:rm n:rmi", "d = flags(d - n)"),
    "sbb": _locked("d:rm n:rmi", "d = flags(sbb(d, n, CF))"),
    "and": _locked("d:rm n:rmi", "d = flags(d & n)"),
    "or": _locked("d:rm n:rmi", "d = flags(d | n)"),
    "xor": _locked("d:rm n:rmi", "d = flags(d ^ n)"),
    "cmp": _sized("d:rm n:rmi", "flags(d - n)"),
    "test": _sized("d:rm n:rmi", "flags(d & n)"),
    "inc": _locked("d:rm", "d = flags(inc(d))"),
    "dec": _locked("d:rm", "d = flags(dec(d))"),
    "neg": _locked("d:rm", "d = flags(-d)"),
    "not": _locked("d:rm", "d = ~d"),
    "shl": _sized("d:rm n:i", "shift('shl', d, n)"),
    "sal": _sized("d:rm n:i", "shift('shl', d, n)"),
    "shr": _sized("d:rm n:i", "shift('shr', d, n)"),
    "sar": _sized("d:rm n:i", "shift('sar', d, n)"),
    "xchg": _locked("d:rm n:rm", "d, n = n, d"),
    "xadd": _locked("d:rm n:r", "o = d; s = flags(o + n); n = o; d = s"),
    "cmpxchg": _locked("d:rm n:r", "compare_exchange(d, n)"),
    "bt": _sized("d:rm n:ri", "bit('', d, n)"),
    "bts": _locked("d:rm n:ri", "bit('or', d, n)"),
    "btr": _locked("d:rm n:ri", "bit('andnot', d, n)"),
    "btc": _locked("d:rm n:ri", "bit('xor', d, n)"),
    "movzx": _sized("d:r n:rm", "d = unsigned(n)"),
    "movsx": _sized("d:r n:rm", "d = n"),
    "movsxd": _sized("d:r n:rm", "d = n", sizes=(4, 8)),
    "lea": _sized("d:r n:m", "d = pointed(n)"),
    "jmp": _sized("l:l", "goto(l)"),
    "mfence": row("", "fence('MFENCE')"),
    "lfence": row("", "fence('LFENCE')"),
    "sfence": row("", "fence('SFENCE')"),
    "nop": _sized("d:rm?", ""),
    "pause": row("", ""),
    "endbr64": row("", ""),
    "endbr32": row("", ""),
    "ret": _sized("", "leave()"),
}
for _names, _holds in CONDITIONS.items():
    for _name in _names.split():
        ROWS[f"j{_name}"] = row("l:l", f"goto(l, {_holds})")
        ROWS[f"set{_name}"] = row("d:rm", f"d = {_holds}")
        ROWS[f"cmov{_name}"] = _sized("d:r n:rm", f"d = n if {_holds} else d")
for _letter, _bytes in SUFFIXES.items():  # movzbl, movswq, …: the sizes of source and destination in the mnemonic
    for _wider, _more in SUFFIXES.items():
        if _bytes < _more:
            ROWS[f"movs{_letter}{_wider}"] = row("d:r n:rm", "d = n", sizes=(_bytes, _more))
            if _bytes < 4:
                ROWS[f"movz{_letter}{_wider}"] = row("d:r n:rm", "d = unsigned(n)", sizes=(_bytes, _more))


def _parts(*, wide: bool) -> dict[str, Register]:
    """Every spelling of a register, in small letters. The whole registers are rax… of 8 bytes, or EAX… of 4."""
    parts: dict[str, Register] = {}
    for letter in "abcd":
        whole = f"r{letter}x" if wide else f"E{letter.upper()}X"
        parts |= {f"r{letter}x": Register(whole, 8)} if wide else {}
        parts |= {f"e{letter}x": Register(whole, 4), f"{letter}x": Register(whole, 2), f"{letter}l": Register(whole, 1)}
        parts[f"{letter}h"] = Register(whole, 1, True)
    for name in ("si", "di", "bp", "sp"):
        whole = f"r{name}" if wide else f"E{name.upper()}"
        parts |= {f"r{name}": Register(whole, 8), f"{name}l": Register(whole, 1)} if wide else {}
        parts |= {f"e{name}": Register(whole, 4), name: Register(whole, 2)}
    for n in range(8, 16) if wide else ():
        parts |= {f"r{n}{s}": Register(f"r{n}", size) for s, size in (("", 8), ("d", 4), ("w", 2), ("b", 1))}
    return parts


NARROW, WIDE = _parts(wide=False), _parts(wide=True)
