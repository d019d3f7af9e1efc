"""One AArch64 instruction as written to its row of the table and its operands.

    LDR W0,[X1,W2,SXTW #2]      TABLE["LDR"], (Gpr("X0", 32), Mem(Gpr("X1", 64), by=Gpr("X2", 32), extend="SXTW", amount=2))

The same few instructions come again and again, so what was read once is kept by its text.
"""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from checker.core.source import CheckerError, SyntaxProblem, UnknownName, Unsupported
from checker.isa.aarch64.table import CONDITIONS, EXTENSIONS, SHIFTS, TABLE, Row


class Gpr(NamedTuple):
    """A register of 32 or 64 bits by the name of the whole; "" is the one that is always 0."""

    name: str
    bits: int


class Imm(NamedTuple):
    value: int


class Mod(NamedTuple):
    """A shift (`LSL #3`) or an extension (`SXTW`, `SXTW #2`)."""

    kind: str
    amount: int


class Word(NamedTuple):
    """A name: a label, a condition, the option of a barrier."""

    text: str


class Mem(NamedTuple):
    """`[base, offset or index]`; `write` is "" or, for `[…]!` and `[…], #k`, when the base moves: "pre", "post"."""

    base: Gpr
    offset: int = 0
    by: Gpr | None = None
    extend: str = ""
    amount: int = 0
    write: str = ""


Operand: TypeAlias = Gpr | Imm | Mod | Word | Mem


class Instruction(NamedTuple):
    row: Row
    operands: tuple[Operand, ...]


class Problem(Exception):
    """Why a cell is no instruction; the error still lacks its place."""

    def __init__(self, kind: type[CheckerError], message: str, hint: str = "") -> None:
        super().__init__(message)
        self.kind, self.message, self.hint = kind, message, hint


_SPLIT = re.compile(r"([A-Z][A-Z0-9.]*)(?:\s+(.*))?\Z", re.I | re.S)
_GPR = re.compile(r"(?:([WX])([0-9]|[12][0-9]|30|ZR)|(W?SP))\Z", re.I)
_IMM = re.compile(r"#?\s*(-?)\s*(0x[0-9a-f]{1,16}|[0-9]{1,20})\Z", re.I)
_MOD = re.compile(r"([A-Z]{3,4})(?:\s*#?\s*([0-9]{1,3}))?\Z", re.I)
_WORD = re.compile(r"\.?[A-Za-z_$][A-Za-z0-9_.$]*\Z")
_COMMA = re.compile(r"\s*,\s*(?![^\[]*\])")


@lru_cache(maxsize=4096)
def read_cell(text: str) -> Instruction:
    """The instruction `text` says. Raises Problem."""
    parts = _SPLIT.match(text)
    if not parts:
        raise Problem(SyntaxProblem, f"this is no instruction: {text!r}")
    mnemonic = parts[1].upper()
    row = TABLE.get(mnemonic)
    if row is None:
        raise _unknown(mnemonic)
    operands = _operands(parts[2] or "")
    shape = "".join([_letter(o) for o in operands])
    if not re.fullmatch(row.shape, shape):
        form = f"{mnemonic} {row.usage}".rstrip()
        raise Problem(Unsupported, f"no such form of {mnemonic}: {text!r}", f"it is written '{form}'")
    if row.plain and operands[-1] != Mem(operands[-1].base):  # type: ignore[union-attr]
        raise Problem(Unsupported, f"{mnemonic} takes an address without offset", f"it is written '{mnemonic} {row.usage}'")
    return Instruction(row, operands)


def _unknown(mnemonic: str) -> Problem:
    if mnemonic.startswith("B."):
        return Problem(UnknownName, f"unknown instruction '{mnemonic}'", f"conditions are {', '.join(CONDITIONS)}")
    near = difflib.get_close_matches(mnemonic, TABLE, 3, 0.6)
    hint = (
        f"did you mean {' or '.join(near)}?" if near else f"{len(TABLE)} are known, such as LDR, STLR, CAS, LDADD, CSEL, CBNZ, DMB"
    )
    return Problem(UnknownName, f"unknown instruction '{mnemonic}'", hint)


def _letter(operand: Operand) -> str:
    match operand:
        case Gpr(bits=bits):
            return "w" if bits == 32 else "x"
        case Imm():
            return "i"
        case Mod():
            return "s"
        case Word():
            return "n"
        case Mem():
            return "m"


def _operands(text: str) -> tuple[Operand, ...]:
    if not text.strip():
        return ()
    pieces = _COMMA.split(text.strip())
    found: list[Operand] = []
    for piece in pieces:
        operand = _operand(piece)
        last = found[-1] if found else None
        if isinstance(operand, Imm) and isinstance(last, Mem):
            if last != Mem(last.base):
                raise Problem(Unsupported, f"an offset behind and inside: {text!r}", "write '[Xn], #4' or '[Xn, #4]'")
            found[-1] = last._replace(offset=operand.value, write="post")
        else:
            found.append(operand)
    return tuple(found)


def _operand(text: str) -> Operand:
    text = text.strip()
    if text.startswith("["):
        return _memory(text)
    if register := _GPR.match(text):
        return _register(register)
    if number := _IMM.match(text):
        return Imm(_number(number))
    if (mod := _MOD.match(text)) and (kind := mod[1].upper()) in (*SHIFTS, *EXTENSIONS):
        return Mod(kind, int(mod[2] or 0))
    if _WORD.match(text):
        return Word(text)
    raise Problem(Unsupported, f"an operand that is not supported: {text!r}", "registers are W0 to X30, WZR and XZR, numbers #1")


def _register(found: re.Match[str]) -> Gpr:
    if found[3]:
        return Gpr("SP", 32 if found[3][0] in "wW" else 64)
    bits = 32 if found[1] in "wW" else 64
    return Gpr("", bits) if found[2].upper() == "ZR" else Gpr(f"X{found[2]}", bits)


def _number(found: re.Match[str]) -> int:
    value = int(found[2], 16) if found[2][:2] in ("0x", "0X") else int(found[2])
    if value >= 1 << 64:
        raise Problem(SyntaxProblem, f"not an integer of 64 bits: {found[2]}")
    return -value if found[1] else value


_USAGE = "write [X1], [X1,#4], [X1,X2], [X1,W2,SXTW #2], [X1,#4]! or [X1],#4"


def _memory(text: str) -> Mem:
    write = "pre" if text.endswith("!") else ""
    inner = text[1:].removesuffix("!").rstrip()
    if not inner.endswith("]"):
        raise Problem(SyntaxProblem, f"an address without its ']': {text!r}", _USAGE)
    parts = [_operand(p) for p in inner[:-1].split(",") if p.strip()]
    match parts:
        case [Gpr(bits=64) as base] if base.name:
            result = Mem(base)
        case [Gpr(bits=64) as base, Imm(value)] if base.name:
            result = Mem(base, value)
        case [Gpr(bits=64) as base, Gpr(bits=64) as index] if base.name and not write:
            result = Mem(base, 0, index)
        case [Gpr(bits=64) as base, Gpr(bits=64) as index, Mod("LSL" | "SXTX" as kind, amount)] if base.name and not write:
            result = Mem(base, 0, index, "" if kind == "LSL" else kind, amount)
        case [Gpr(bits=64) as base, Gpr() as index, Mod("SXTW" | "UXTW" as kind, amount)] if base.name and not write:
            result = Mem(base, 0, Gpr(index.name, 32), kind, amount)  # W2 by any name
        case _:
            raise Problem(Unsupported, f"an address that is not supported: {text!r}", _USAGE)
    return result._replace(write=write) if write else result


def condition(word: Word) -> str:
    """The condition a word names. Raises Problem."""
    name = word.text.upper()
    if name not in CONDITIONS:
        raise Problem(UnknownName, f"unknown condition '{word.text}'", f"conditions are {', '.join(CONDITIONS)}")
    return name
