"""RISC-V: `table.py` has its instructions, `spelling.py` how they are written, `emit.py` what is its own, `compile.py` how a test
in C is written in them; here is what they cost."""

from checker.isa.riscv.spelling import RISCV

MACHINES = (RISCV,)

PRICES = (
    ("F", "Fence.rw.rw", "full", "fence rw,rw"), ("F", "Fence.r.rw", "partial", "fence r,rw"),
    ("F", "Fence.rw.w", "partial", "fence rw,w"), ("F", "Fence.r.r", "partial", "fence r,r"),
    ("F", "Fence.w.w", "partial", "fence w,w"), ("RMW", "X", "atomic", "lr/sc loop"), ("RMW", "AcqRel", "atomic", "amo, .aqrl"),
    ("RMW", "Acq", "atomic", "amo, .aq"), ("RMW", "Rel", "atomic", "amo, .rl"), ("RMW", "AMO", "atomic", "amo, relaxed"),
)  # fmt: skip
