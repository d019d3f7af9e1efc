"""x86: `table.py` has its instructions, `spelling.py` how they are written, `emit.py` what is its own, `compile.py` how a test in
C is written in them; here is what they cost. Registers have one spelling: EAX… in X86 tests, rax… in X86_64 tests, as herd prints
them. The full fence is a locked add to the stack."""

from checker.isa.x86.spelling import ATT, INTEL

MACHINES = (INTEL, ATT)

PRICES = (
    ("F", "MFENCE", "full", "lock add / mfence"), ("F", "LFENCE", "partial", "lfence"), ("F", "SFENCE", "partial", "sfence"),
    ("RMW", "X", "atomic", "locked instruction"),
)  # fmt: skip
