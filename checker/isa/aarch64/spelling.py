"""How AArch64 instructions are written.

LDR W0,[X1,W2,SXTW #2]      TABLE["LDR"], {"t": Register("X0", 4), "a": Memory(base=X1, by=W2, extend="SXTW", shift=2)}
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from checker.core.source import SyntaxProblem, UnknownName, Unsupported
from checker.isa.aarch64.emit import AArch64Emitter
from checker.isa.aarch64.table import CONDITIONS, DOMAINS, EXTENSIONS, SHIFTS, TABLE
from checker.isa.meaning import meaning
from checker.isa.operand import Memory, Number, Operand, Problem, Register, Shifted, Word, letter, pieces
from checker.isa.table import Machine, Row

_GPR = re.compile(r"(?:([WX])([0-9]|[12][0-9]|30|ZR)|(W?SP))\Z", re.I)
_IMM = re.compile(r"#?\s*(-?)\s*(0x[0-9a-f]{1,16}|[0-9]{1,20})\Z", re.I)
_MOD = re.compile(r"([A-Z]{3,4})(?:\s*#?\s*([0-9]{1,3}))?\Z", re.I)
_WORD = re.compile(r"\.?[A-Za-z_$][A-Za-z0-9_.$]*\Z")
_ADDRESS = "write [X1], [X1,#4], [X1,X2], [X1,W2,SXTW #2], [X1,#4]! or [X1],#4"


class _Mod(Word):
    """A shift or an extension, before it is put to what it is of."""


class AArch64(Machine):
    arch = "AArch64"
    emitter = AArch64Emitter
    rows = TABLE
    registers = frozenset({f"X{n}" for n in range(31)} | {"SP", "XZR"})
    forms = {
        "r": "X?", "w": "W?", "x": "X?", "i": "#imm", "s": "X?, LSL #n", "e": "W?, SXTW #n", "m": "[Xn…]", "a": "[Xn]",
        "l": "label", "c": "cond", "o": " | ".join(DOMAINS),
    }  # fmt: skip
    example = "write 'LDR W0,[X1]'"
    ordering = {"A": 2, "Q": 1, "L": 1}
    fences = ("DMB ISH", "DMB SY", "DMB OSH", "DMB NSH")
    directional = {("R", "R"): "DMB ISHLD", ("R", "W"): "DMB ISHLD", ("W", "W"): "DMB ISHST"}

    def lighter(self, fence: str) -> tuple[str, ...]:
        name, _, option = fence.upper().partition(" ")
        domain, direction = (option, "") if option[-2:] not in ("LD", "ST") else (option[:-2], option[-2:])
        if name not in ("DMB", "DSB"):
            return ()
        halves = () if direction else tuple([f"DMB {domain.replace('SY', '')}{half}" for half in ("LD", "ST")])
        return (f"DMB {option}", *halves) if name == "DSB" else halves

    def register(self, name: str) -> str:
        return name.upper()

    def whole(self, name: str) -> str:
        return f"X{name[1:]}" if f"X{name[1:]}" in self.registers else ""

    def spelled(self, mnemonic: str) -> str:
        return mnemonic.upper()

    def unknown(self, mnemonic: str) -> Problem:
        if mnemonic.startswith("B."):
            return Problem(UnknownName, f"unknown instruction '{mnemonic}'", f"conditions are {', '.join(CONDITIONS)}")
        near = difflib.get_close_matches(mnemonic, TABLE, 3, 0.6)
        some = f"{len(TABLE)} are known, such as LDR, STLR, CAS, LDADD, CSEL, CBNZ, DMB"
        return Problem(UnknownName, f"unknown instruction '{mnemonic}'", f"did you mean {' or '.join(near)}?" if near else some)

    # ------------------------------------------------------------ operands

    def operand(self, word: str, kinds: str) -> Operand:
        if word.startswith("["):
            return self._memory(word)
        if register := _GPR.match(word):
            return _register(register)
        if number := _IMM.match(word):
            return Number(_number(number))
        if (mod := _MOD.match(word)) and mod[1].upper() in (*SHIFTS, *EXTENSIONS):
            return _Mod(f"{mod[1].upper()} {mod[2] or 0}")
        if _WORD.match(word):
            return Word(word)
        raise Problem(
            Unsupported, f"an operand that is not supported: {word!r}", "registers are W0 to X30, WZR and XZR, numbers #1"
        )

    def arranged(self, row: Row, operands: list[Operand]) -> list[Operand]:
        found: list[Operand] = []
        for operand in operands:
            last = found[-1] if found else None
            match operand:
                case Number(value) if isinstance(last, Memory):
                    if letter(last) != "a":
                        raise Problem(Unsupported, "an offset behind and inside", "write '[Xn], #4' or '[Xn, #4]'")
                    found[-1] = last._replace(offset=value, write="post")
                case _Mod(text) if isinstance(last, Register | Number):
                    kind, _, amount = text.partition(" ")
                    found[-1] = Shifted(last, kind, int(amount))
                case _Mod(text):
                    found.append(Word(text))
                case _:
                    found.append(operand)
        return found

    def _memory(self, text: str) -> Memory:
        write = "pre" if text.endswith("!") else ""
        inner = text[1:].removesuffix("!").rstrip()
        if not inner.endswith("]"):
            raise Problem(SyntaxProblem, f"an address without its ']': {text!r}", _ADDRESS)
        match [self.operand(piece, "") for piece, _ in pieces(inner[:-1], 0) if piece]:
            case [Register(base, 8)] if base:
                return Memory(base=Register(base, 8), write=write)
            case [Register(base, 8), Number(value)] if base:
                return Memory(base=Register(base, 8), offset=value, write=write)
            case [Register(base, 8), Register(_, 8) as index] if base and not write:
                return Memory(base=Register(base, 8), by=index)
            case [Register(base, 8), Register() as index, _Mod(mod)] if base and not write:
                kind, _, amount = mod.partition(" ")
                if kind in ("LSL", "SXTX") and index.size == 8:
                    return Memory(base=Register(base, 8), by=index, shift=int(amount))
                if kind in ("SXTW", "UXTW"):  # W2 by any name
                    return Memory(base=Register(base, 8), by=Register(index.name, 4), shift=int(amount), extend=kind)
        raise Problem(Unsupported, f"an address that is not supported: {text!r}", _ADDRESS)

    # ------------------------------------------------------------ what goes together

    def tested(self, operands: Mapping[str, Operand]) -> frozenset[str]:
        c = operands.get("c")
        return meaning(CONDITIONS[c.text.upper()]).flags if isinstance(c, Word) and c.text.upper() in CONDITIONS else frozenset()

    def direct(self, operands: Mapping[str, Operand]) -> list[Register]:
        """Registers that move with an access are written as well."""
        return super().direct(operands) + [o.base for o in operands.values() if isinstance(o, Memory) and o.write and o.base]

    def sizes(self, mnemonic: str, row: Row, operands: Mapping[str, Operand], said: int) -> tuple[int, int]:
        sized = []
        for name, kinds in row.operands:
            o = operands.get(name)
            of = o.operand if isinstance(o, Shifted) else o
            if isinstance(of, Register):
                extended = "e" in kinds and isinstance(o, Shifted) and o.kind in EXTENSIONS and of.size == 4
                sized.append((kinds[0], of.size, extended))
        size = next((size for kind, size, _ in sized if kind == "r"), sized[-1][1] if sized else 8)
        if any(found != {"w": 4, "x": 8}.get(kind, size) and not extended for kind, found, extended in sized):
            raise Problem(Unsupported, f"no such form of {mnemonic}", self.usage(mnemonic, row))
        return size, row.access or size


def _register(found: re.Match[str]) -> Register:
    if found[3]:
        return Register("SP", 4 if found[3][0] in "wW" else 8)
    size = 4 if found[1] in "wW" else 8
    return Register("" if found[2].upper() == "ZR" else f"X{found[2]}", size)


def _number(found: re.Match[str]) -> int:
    value = int(found[2], 16) if found[2][:2] in ("0x", "0X") else int(found[2])
    if value >= 1 << 64:
        raise Problem(SyntaxProblem, f"not an integer of 64 bits: {found[2]}")
    return -value if found[1] else value


AARCH64 = AArch64()
