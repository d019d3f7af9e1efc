"""x86: `table.py` has its instructions, `spelling.py` how they are written, `emit.py` what is its own, `compile.py` how a test in
C is written in them. Registers have one spelling: EAX… in X86 tests, rax… in X86_64 tests, as herd prints them."""

from __future__ import annotations

import re

from checker.core.source import Source
from checker.isa.front import assembly
from checker.isa.x86.emit import X86Emitter, X86WideEmitter
from checker.isa.x86.spelling import ATT, INTEL
from checker.parse.code import Code

_PREFIX = re.compile(r"([;|:\s](?:lock|rep)\s*);", re.I)


def x86_code(source: Source, text: str) -> Code:
    """The code of an X86 test, in Intel's spelling."""
    return assembly(source, _prefixed(text), INTEL, X86Emitter)


def x86_64_code(source: Source, text: str) -> Code:
    """The code of an X86_64 test, in AT&T's spelling."""
    return assembly(source, _prefixed(text), ATT, X86WideEmitter)


def _prefixed(text: str) -> str:
    """'lock ; addl …' is one instruction."""
    return _PREFIX.sub(r"\1 ", text) if any(prefix in text for prefix in ("lock", "LOCK", "rep", "REP")) else text
