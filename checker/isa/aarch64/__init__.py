"""AArch64: `table.py` has its instructions, `spelling.py` how they are written, `emit.py` what is its own, `compile.py` how a
test in C is written in them; here is what they cost."""

from checker.isa.aarch64.spelling import AARCH64

MACHINES = (AARCH64,)

PRICES = (
    ("F", "DMB.ISH", "full", "dmb ish"), ("F", "DMB.SY", "full", "dmb sy"), ("F", "DMB.OSH", "full", "dmb osh"),
    ("F", "DSB.SY", "full", "dsb sy"), ("F", "DSB.ISH", "full", "dsb ish"), ("F", "DMB.ISHLD", "partial", "dmb ishld"),
    ("F", "DMB.ISHST", "partial", "dmb ishst"), ("F", "DMB.LD", "partial", "dmb ld"), ("F", "DMB.ST", "partial", "dmb st"),
    ("F", "DMB.OSHLD", "partial", "dmb oshld"), ("F", "DMB.OSHST", "partial", "dmb oshst"), ("F", "DSB.LD", "partial", "dsb ld"),
    ("F", "DSB.ST", "partial", "dsb st"), ("F", "ISB", "partial", "isb"), ("R", "A", "ordered", "ldar"),
    ("R", "Q", "ordered", "ldapr"), ("W", "L", "ordered", "stlr"), ("RMW", "LLSC", "atomic", "ldxr/stxr loop"),
    ("RMW", "A L", "atomic", "lse atomic, acquire and release"), ("RMW", "A", "atomic", "lse atomic, acquire"),
    ("RMW", "L", "atomic", "lse atomic, release"), ("RMW", "NoRet", "atomic", "lse atomic, no result"),
)  # fmt: skip
