"""RISC-V: `table.py` has its instructions, `spelling.py` how they are written, `emit.py` what is its own."""

from __future__ import annotations

from checker.core.source import Source
from checker.isa.front import assembly
from checker.isa.riscv.emit import RiscVEmitter
from checker.isa.riscv.spelling import RISCV
from checker.parse.code import Code


def riscv_code(source: Source, text: str) -> Code:
    """The code of a RISC-V test."""
    return assembly(source, text, RISCV, RiscVEmitter)
