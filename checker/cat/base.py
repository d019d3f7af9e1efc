"""The names a cat file may use without defining them: what the event graph supplies (herd's machModelChecker.ml).

A set that no event of a test is in is simply empty, so the tables hold the names of all architectures at once.
"""

from __future__ import annotations

BASE_RELATIONS = ("po", "addr", "data", "ctrl", "pick-addr", "pick-data", "rmw", "amo", "rf", "loc", "int", "ext", "sm", "si")

_KINDS = ("R", "W", "M", "IW", "FW", "F", "RMW", "B", "BCC")
_LOCKS = ("LK", "LKR", "LKW", "LS", "LF", "UL", "RL", "RU")
_AARCH64 = tuple(
    f"{fence}.{domain}{kind}" if domain + kind else fence
    for fence in ("DMB", "DSB")
    for domain, kind in [
        ("", ""), ("ISH", ""), ("ISH", "LD"), ("ISH", "ST"), ("", "SY"), ("", "LD"), ("", "ST"),
        ("OSH", ""), ("OSH", "LD"), ("OSH", "ST"), ("NSH", ""), ("NSH", "LD"), ("NSH", "ST"),
    ]
)  # fmt: skip
_X86 = ("MFENCE", "LFENCE", "SFENCE")
_RISCV = tuple(f"Fence.{before}.{after}" for before in ("r", "w", "rw") for after in ("r", "w", "rw"))

_ANNOTATIONS = ("A", "Q", "L", "X", "NoRet", "ISB", "CSDB", "Acq", "Rel", "AcqRel", "Sc", "Fence.tso", "Fence.i", "FREE")
_PPC = ("SYNC", "LWSYNC", "ISYNC", "EIEIO", "EX")
_OUR_OWN = ("AMO", "ScRel", "LLSC")  # of tables and front ends

BASE_SETS = ("_", *_KINDS, *_LOCKS, *_ANNOTATIONS, *_OUR_OWN, *_AARCH64, *_X86, *_RISCV, *_PPC)

REGISTER_RELATIONS = ("rf-reg", "iico_data", "iico_ctrl", "iico_order", "same-instance", "same-low-order-bits")
REGISTER_SETS = ("Rreg", "Wreg", "DATA", "ADDR")
"""What a file that says `catdep` may use besides: events of registers (program/registers.py)."""

WITHOUT_MEMBERS = (
    "NExp", "AF", "DB", "SPURIOUS", "T", "TagCheck", "FAULT", "EXC-ENTRY", "EXC-RET", "TLBI", "TLBIIS", "TLBInXS", "DC.CVAU",
    "IC.IVAU", "IC.IALLU", "IC.IALLUIS", "SVC",
)  # fmt: skip
"""Sets that no event of a test can be in, since what makes such events is refused: they are empty whatever the test. (Sets of a
variant, as PTE is of vmsa, are not defined, and where a file asks for the variant it is not there.)"""
OF_NOTHING = ("same-oa", "oa-changes", "at-least-one-writable")
"""Functions of entries of translation tables: of no entry they are no pair."""

_DEPENDENCIES = "it is in a model that says 'catdep', and computes dependencies from events of registers"
_C11 = "C11 atomics are not modelled; kernel primitives are (--model lkmm)"
REFUSED: dict[str, str] = {
    **dict.fromkeys(
        (*REGISTER_RELATIONS, *REGISTER_SETS, "NDATA"),
        _DEPENDENCIES,
    ),
    **dict.fromkeys(("ACQ", "REL", "ACQ_REL", "SC", "RLX", "CON", "NA"), _C11),
}
