"""The RISC-V instructions: RV64I, M's multiplication, A, and the pseudo-instructions that tests use.

Operands: d the destination, n and m the sources, s what is written, a the address, l a label, p and q the predecessors and
successors of a fence.

Source: The RISC-V Instruction Set Manual, volume I, chapters "RV32I", "RV64I", "A", "Zifencei" and the list of pseudo-instructions.
"""

from __future__ import annotations

from checker.isa.table import Row, row

_BINARY = {
    "add": "n + m", "sub": "n - m", "and": "n & m", "or": "n | m", "xor": "n ^ m", "sll": "shl(n, m)", "srl": "shr(n, m)",
    "sra": "sar(n, m)", "slt": "n < m", "sltu": "ltu(n, m)", "mul": "n * m",
}  # fmt: skip
_HALF = ("add", "sub", "sll", "mul")
_BRANCHES = {"eq": "n == m", "ne": "n != m", "lt": "n < m", "ge": "n >= m", "ltu": "ltu(n, m)", "geu": "geu(n, m)"}
_ATOMIC = {"swap": "s", "add": "o + s", "and": "o & s", "or": "o | s", "xor": "o ^ s"}
_ATOMIC |= {"max": "s if o < s else o", "min": "o if o < s else s"}
_ORDERS = {"": "", ".aq": "Acq", ".rl": "Rel", ".aq.rl": "AcqRel", ".aqrl": "AcqRel"}
_SIZES = {"b": 1, "h": 2, "w": 4, "d": 8}

TABLE: dict[str, Row] = {
    "li": row("d:r n:i", "d = n"), "mv": row("d:r n:r", "d = n"), "not": row("d:r n:r", "d = ~n"), "nop": row("", ""),
    "neg": row("d:r n:r", "d = 0 - n"), "sext.w": row("d:r n:r", "d = sext32(n)"), "seqz": row("d:r n:r", "d = n == 0"),
    "snez": row("d:r n:r", "d = n != 0"), "lui": row("d:r n:i", "d = sext32(n << 12)"), "j": row("l:l", "goto(l)"),
    "beqz": row("n:r l:l", "goto(l, n == 0)"), "bnez": row("n:r l:l", "goto(l, n != 0)"),
    "fence": row("p:n? q:n?", "between(p, q)"), "fence.tso": row("", "fence('Fence.tso')"), "fence.i": row("", "fence('Fence.i')"),
}  # fmt: skip
for _name, _text in _BINARY.items():
    TABLE[_name] = row("d:r n:r m:r", f"d = {_text}")
    TABLE[f"{_name}i" if _name[-1] != "u" else "sltiu"] = row("d:r n:r m:i", f"d = {_text}")
    if _name in _HALF:
        TABLE[f"{_name}w"] = row("d:r n:r m:r", f"d = sext32({_text})")
        TABLE[f"{_name}iw"] = row("d:r n:r m:i", f"d = sext32({_text})")
for _name in ("subi", "muli", "subiw", "muliw"):
    del TABLE[_name]
for _name, _text in _BRANCHES.items():
    TABLE[f"b{_name}"] = row("n:r m:r l:l", f"goto(l, {_text})")
for _letter, _size in _SIZES.items():
    if _size < 8:
        TABLE[f"l{_letter}u"] = row("d:r a:m", "d = unsigned(a)", access=_size)
    for _suffix, _order in _ORDERS.items():
        TABLE[f"l{_letter}{_suffix}"] = row("d:r a:m", "d = a", access=_size, read=_order)
        TABLE[f"s{_letter}{_suffix}"] = row("s:r a:m", "a = s", access=_size, write=_order)
        if _size < 4:
            continue
        TABLE[f"lr.{_letter}{_suffix}"] = row("d:r a:a", "d = a", access=_size, read=f"X {_order}", exclusive=True)
        TABLE[f"sc.{_letter}{_suffix}"] = row("d:r s:r a:a", "exclusive(d, s, a)", access=_size, write=f"X {_order}")
        for _name, _text in _ATOMIC.items():
            TABLE[f"amo{_name}.{_letter}{_suffix}"] = row(
                "d:r s:r a:a", f"o = a; a = {_text}; d = o", access=_size, read=f"AMO {_order}", write=f"R AMO {_order}", atomic=True
            )
