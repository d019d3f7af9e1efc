"""Sizes of accesses: each location is accessed by one size, within what is declared. Anything else is refused, by name.

Machine code says how many bytes it accesses (`size` of a Load or Store); kernel C only where unions are, else whole locations.

    STR X0,[X1] | LDR W0,[X1]       "accesses of different sizes to x: 8 bytes here, 4 bytes in line 7"
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from checker.core.source import Span, Unsupported
from checker.program.ir import Address, Global, Instr, Load, Store, Test
from checker.program.ranges import Site, Values


class SeveralSizes(Unsupported):
    """Accesses of several sizes to one place, or beyond what is declared: see program/parts.py."""


HINT = "accesses of several sizes to one place are not modelled"
BITS = {f"{prefix}int{bits}_t": bits for bits in (8, 16, 32, 64) for prefix in ("", "u")} | {"int": 32}


def size_of(place: Global) -> int:
    """How many bytes a location has; as many as an int where its type is not said, or not known."""
    return place.bytes or (8 if "*" in place.type else BITS.get(place.type, 32) // 8)


class Access(NamedTuple):
    size: int
    span: Span


def check_sizes(codes: list[tuple[Instr, ...]], addresses: Mapping[Site, Values], test: Test) -> None:
    """Raise SeveralSizes where two accesses differ in size, overlap in part, or go beyond a declared location, and for unions."""
    if test.views:
        raise SeveralSizes(
            f"{test.views[0].address} is in a union", test.views[0].span,
            hint="this model says nothing of accesses to parts of a location; those of machines do (-m aarch64, x86-tso, riscv)",
        )  # fmt: skip
    declared = {g.address: g for g in test.globals}
    seen: dict[Address, Access] = {}
    for (t, i), where in sorted(addresses.items()):
        instr = codes[t][i]
        if not isinstance(instr, Load | Store) or not instr.size:
            continue
        for a in where:
            if not isinstance(a, Address):
                continue
            access = Access(instr.size, instr.span)
            old = seen.setdefault(a, access)
            if old.size != instr.size:
                raise _differ(str(a), access, old)
            _check_declared(a, access, declared, isinstance(instr, Store))
    if any(a.offset for a in seen):
        _check_overlaps(seen)


def _bytes(size: int) -> str:
    return f"{size} byte{'s' * (size > 1)}"


def _differ(what: str, here: Access, there: Access) -> SeveralSizes:
    return SeveralSizes(
        f"accesses of different sizes to {what}: {_bytes(here.size)} here, {_bytes(there.size)} in line {there.span.line}",
        here.span, hint=HINT,
    )  # fmt: skip


def _check_declared(a: Address, access: Access, declared: Mapping[Address, Global], written: bool) -> None:
    place = declared.get(a)
    if place is None:
        whole = f"{a.name}, at offset {a.offset}"
        raise SeveralSizes(
            f"{_bytes(access.size)} of {whole}: no location is declared there", access.span,
            hint=f"declare an array, as in 'int {a.name}[4]'; {HINT}",
        )  # fmt: skip
    bits = BITS.get(place.type, 8 * access.size)
    if bits < 8 * access.size:
        raise SeveralSizes(
            f"an access of {_bytes(access.size)} to {a.name}, which is declared as '{place.type}'", access.span, hint=HINT
        )
    if written and bits > 8 * access.size and not (isinstance(place.value, int) and 0 <= place.value < 1 << 8 * access.size):
        raise SeveralSizes(
            f"a write of {_bytes(access.size)} to {a.name}, a '{place.type}' with more in it than that", access.span, hint=HINT
        )


def _check_overlaps(seen: dict[Address, Access]) -> None:
    places = sorted(seen.items())
    for (a, first), (b, second) in pairwise(places):
        if a.name == b.name and a.offset + first.size > b.offset:
            raise SeveralSizes(
                f"{_bytes(second.size)} of {b.name} at offset {b.offset} overlap the {_bytes(first.size)} at offset {a.offset} "
                f"of line {first.span.line}", second.span, hint=HINT,
            )  # fmt: skip
