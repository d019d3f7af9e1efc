"""AArch64: `table.py` has its instructions, `spelling.py` how they are written, `emit.py` what is its own, `compile.py` how a
test in C is written in them."""

from __future__ import annotations

from checker.core.source import Source
from checker.isa.aarch64.emit import AArch64Emitter
from checker.isa.aarch64.spelling import AARCH64
from checker.isa.front import assembly
from checker.parse.code import Code


def aarch64_code(source: Source, text: str) -> Code:
    """The code of an AArch64 test."""
    return assembly(source, text, AARCH64, AArch64Emitter)
