"""How RISC-V instructions are written.

lw.aq x5,4(a0)      TABLE["lw.aq"], {"d": Register("x5", 8), "a": Memory(base=x10, offset=4)}, an access of 4 bytes
"""

from __future__ import annotations

import re

from checker.core.source import SyntaxProblem, UnknownName
from checker.isa.operand import Memory, Number, Operand, Problem, Register, Word, nearest
from checker.isa.riscv.emit import RiscVEmitter
from checker.isa.riscv.table import TABLE
from checker.isa.table import Machine

_ABI = ["zero", "ra", "sp", "gp", "tp", *[f"t{n}" for n in range(3)], "s0", "s1", *[f"a{n}" for n in range(8)]]
_ABI += [*[f"s{n}" for n in range(2, 12)], *[f"t{n}" for n in range(3, 7)]]
_NAMES = {f"x{n}": f"x{n}" for n in range(32)} | {name: f"x{n}" for n, name in enumerate(_ABI)} | {"fp": "x8"}
_NUMBER = re.compile(r"-?(?:0x[0-9a-f]{1,16}|[0-9]{1,20})\Z", re.I)
_MEMORY = re.compile(r"(-?(?:0x[0-9a-f]{1,16}|[0-9]{1,20}))?\s*\(\s*(\w+)\s*\)\Z", re.I)
_WORD = re.compile(r"[A-Za-z_.$][\w.$]*\Z")


class RiscV(Machine):
    arch = "RISCV"
    emitter = RiscVEmitter
    rows = TABLE
    registers = frozenset(_NAMES.values())
    forms = {"r": "x?", "i": "1", "m": "4(xn)", "a": "(xn)", "l": "label", "n": "rw"}
    example = "write 'lw x5,0(x6)'"

    def register(self, name: str) -> str:
        return _NAMES.get(name.lower(), name)

    def operand(self, word: str, kinds: str) -> Operand:
        if word.lower() in _NAMES:
            return _register(word)
        if _NUMBER.match(word):
            return Number(int(word, 0) if "x" in word.lower() else int(word))
        if memory := _MEMORY.match(word):
            offset = memory[1] or "0"
            return Memory(base=_register(memory[2]), offset=int(offset, 0) if "x" in offset.lower() else int(offset))
        if _WORD.match(word):
            return Word(word)
        raise Problem(SyntaxProblem, f"this is no operand: {word!r}", "an operand is a register, 1, or 4(x6)")


def _register(word: str) -> Register:
    name = _NAMES.get(word.lower())
    if name is None:
        raise Problem(UnknownName, f"there is no register {word!r}", nearest(word.lower(), _NAMES))
    return Register(name if name != "x0" else "", 8)


RISCV = RiscV()
