"""Power: `table.py` has its instructions, `spelling.py` how they are written, `emit.py` what is its own, `compile.py` how a test in
C is written in them; here is what they cost."""

from checker.isa.ppc.spelling import PPC

MACHINES = (PPC,)

PRICES = (
    ("F", "SYNC", "full", "sync"), ("F", "LWSYNC", "partial", "lwsync"), ("F", "EIEIO", "partial", "eieio"),
    ("F", "ISYNC", "partial", "isync"), ("RMW", "", "atomic", "larx/stcx loop"),
)  # fmt: skip
