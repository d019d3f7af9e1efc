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

_DEPENDENCIES = "dependencies come as addr, data and ctrl; the shipped model 'aarch64' uses these"
_C11 = "C11 atomics are not modelled; kernel primitives are (--model lkmm)"
REFUSED: dict[str, str] = {
    **dict.fromkeys(
        ("Rreg", "Wreg", "rf-reg", "iico_data", "iico_ctrl", "iico_order", "DATA", "NDATA", "same-instance", "depend"),
        _DEPENDENCIES,
    ),
    **dict.fromkeys(("ACQ", "REL", "ACQ_REL", "SC", "RLX", "CON", "NA"), _C11),
    **dict.fromkeys(("TLBI", "DC.CVAU", "IC.IVAU", "TTD", "FAULT", "T", "TagCheck"), "virtual memory and tags are not modelled"),
}
