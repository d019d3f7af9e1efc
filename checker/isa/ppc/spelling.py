"""How Power instructions are written.

lwz r5,4(r1)        TABLE["lwz"], {"d": Register("r5", 8), "a": Memory(base=r1, offset=4)}, an access of 4 bytes
lwarx r5,0,r1       TABLE["lwarx"], {"d": Register("r5", 8), "a": Memory(base=r1)}
"""

from __future__ import annotations

import re

from checker.core.source import SyntaxProblem, Unsupported
from checker.isa.operand import Memory, Number, Operand, Problem, Register, Word
from checker.isa.ppc.emit import PowerEmitter
from checker.isa.ppc.table import TABLE
from checker.isa.table import Machine, Row

_NUMBER = re.compile(r"-?(?:0x[0-9a-f]{1,16}|[0-9]{1,20})\Z", re.I)
_MEMORY = re.compile(r"(-?(?:0x[0-9a-f]{1,16}|[0-9]{1,20}))?\s*\(\s*r([0-9]|[12][0-9]|3[01])\s*\)\Z", re.I)
_WORD = re.compile(r"[A-Za-z_.$][\w.$]*\Z")


class Power(Machine):
    arch = "PPC"
    emitter = PowerEmitter
    rows = TABLE
    registers = frozenset({f"r{n}" for n in range(32)})
    words = re.compile(r"()([A-Za-z][A-Za-z0-9.]*[+-]?)\s*")
    forms = {"r": "r?", "i": "1", "m": "4(rn)", "j": "rn,rm", "l": "label"}
    example = "write 'lwz r5,0(r1)'"

    def register(self, name: str) -> str:
        return name.lower()

    def spelled(self, mnemonic: str) -> str:
        return mnemonic.lower().rstrip("+-")

    def operand(self, word: str, kinds: str) -> Operand:
        if word.lower() in self.registers:
            return Register(word.lower(), 8)
        if _NUMBER.match(word):
            return Number(_number(word))
        if memory := _MEMORY.match(word):
            return Memory(base=Register(f"r{memory[2]}", 8), offset=_number(memory[1] or "0"))
        if _WORD.match(word):
            return Word(word)
        raise Problem(SyntaxProblem, f"this is no operand: {word!r}", "an operand is a register r0 to r31, 1, or 4(r1)")

    def arranged(self, row: Row, operands: list[Operand]) -> list[Operand]:
        """Two registers as one address, of which the first is 0 where it is r0; CR0, which may be named, left out."""
        match operands:
            case [*others, Register() | Number() as first, Register() as second] if row.operands and row.operands[-1][1] == "j":
                if first in (Number(0), Register("r0", 8)):
                    return [*others, Memory(base=second)]
                if isinstance(first, Register):
                    return [*others, Memory(base=second, by=first)]
            case [Word(field), *others] if row.meaning.startswith("compare"):
                if field.lower() != "cr0":
                    raise Problem(Unsupported, f"the condition field {field}", "only CR0 is modelled")
                return others
            case [target, Register("r0") as zero, Number() as number] if row is TABLE["addi"] or row is TABLE["addis"]:
                return [target, zero._replace(name=""), number]  # the number itself
        return operands


def _number(text: str) -> int:
    return int(text, 0) if "x" in text.lower() else int(text)


PPC = Power()
