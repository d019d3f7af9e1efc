"""Accesses of several sizes to one place: each is as many events as it has parts of the smallest size that the test uses.

What is read and written by different sizes is cut into units of the smallest of them, and an access into one event a unit, as
herd7 does with `-variant mixed` (herd/eventsMonad.ml, Mixed; there all of memory): rf and co are by unit, the events of one access
have no order among them, and `sm` relates them, for a model to say that an access is single-copy atomic.

    STR X0,[X1] | LDR W0,[X1,#4]       x in two units, x and x+4: W[x], W[x+4] | R[x+4]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from checker.core.source import Unsupported
from checker.program.ir import Address, Assign, Const, Expr, Global, Instr, Load, Op, Reg, Store, Test
from checker.program.ranges import Site, Values
from checker.program.sizes import size_of

_V = TypeVar("_V")
MOST = 16  # bytes of an access
PAIRS = 16  # the parts of an access, at most: what numbers of pairs are multiplied by


class Parts(Struct, frozen=True):
    """`units`: how many bytes each thing in memory is cut into, by its name. `of`: each location that is larger, as its units, the
    lowest first."""

    units: dict[str, int]
    of: dict[Address, tuple[Address, ...]]

    def all_of(self, places: Iterable[Address]) -> frozenset[Address]:
        """The units of some locations."""
        return frozenset([part for place in places for part in self.of.get(place, (place,))])

    def joined(self, whole: Address, values: Sequence[_V], op: Callable[[str, _V, _V], _V], number: Callable[[int], _V]) -> _V:
        """The number whose units are `values`, the lowest first, by operators on what the values are."""
        return joined(values, self.units[whole.name], op, number)


def joined(values: Sequence[_V], unit: int, op: Callable[[str, _V, _V], _V], number: Callable[[int], _V]) -> _V:
    """The number whose units of `unit` bytes are `values`, the lowest first."""
    whole = values[0]
    for k, value in enumerate(values[1:], 1):
        whole = op("or", whole, op("shl", value, number(8 * unit * k)))
    return whole


def in_parts(
    test: Test, codes: Sequence[tuple[Instr, ...]], addresses: Mapping[Site, Values]
) -> tuple[Test, list[tuple[Instr, ...]], Parts]:
    """The test with its memory in units, and the code with each access as one of each unit. `addresses` are those of the code as
    it is. What is never accessed by different sizes, nor by what may access a thing that is, stays whole."""
    units = _units(test, codes, addresses)
    cut: dict[Address, tuple[Address, ...]] = {}
    cells: list[Global] = []
    for place in test.globals:
        size, at = size_of(place), place.address
        unit = units.get(at.name, size)
        if size <= unit:
            cells.append(place)
            continue
        if not isinstance(place.value, int):
            raise Unsupported(
                f"{at} holds the address {place.value}, and is accessed in parts of {unit} bytes", place.span,
                hint="an address is read and written whole",
            )  # fmt: skip
        cut[at] = tuple([Address(at.name, at.offset + k) for k in range(0, size, unit)])
        for k, part in enumerate(cut[at]):
            cells.append(replace(place, address=part, value=place.value >> 8 * unit * k & (1 << 8 * unit) - 1))
    sites = {site: units[a.name] for site, where in addresses.items() for a in where if isinstance(a, Address) and a.name in units}
    made = [tuple(_cut(code, {i: unit for (of, i), unit in sites.items() if of == t})) for t, code in enumerate(codes)]
    return replace(test, globals=tuple(cells)), made, Parts(units, cut)


def _units(test: Test, codes: Sequence[tuple[Instr, ...]], addresses: Mapping[Site, Values]) -> dict[str, int]:
    """The smallest size, in bytes, of what one access may be to: of its accesses and of its locations."""
    sizes: dict[str, int] = {}
    for place in test.globals:
        sizes[place.address.name] = min(size_of(place), sizes.get(place.address.name, MOST))
    together: list[tuple[set[str], int]] = []
    for (t, i), where in addresses.items():
        instr = codes[t][i]
        if isinstance(instr, Load | Store) and instr.size:
            together.append(({a.name for a in where if isinstance(a, Address)}, instr.size))
    settled = False
    while not settled:
        settled = True
        for names, size in together:
            least = min([size, *[sizes.get(name, size) for name in names]])
            for name in names:
                settled = settled and sizes.get(name) == least
                sizes[name] = least
    return sizes


def _cut(code: tuple[Instr, ...], units: Mapping[int, int]) -> Iterable[Instr]:
    """The code with each access in units, of the sizes given by place. The events of an access are a group: nothing orders them."""
    numbers = count(1 + max([i.group for i in code if isinstance(i, Load | Store)], default=0))
    for at, i in enumerate(code):
        if not isinstance(i, Load | Store):
            yield i
            continue
        unit, access = units.get(at, i.size or 1), next(numbers)
        parts = [
            replace(
                i, addr=_add(i.addr, k * unit), access=access, part=k, group=i.group or access, pair=i.pair and PAIRS * i.pair + k
            )
            for k in range(max(1, i.size // unit))
        ]
        if len(parts) == 1:
            yield parts[0]
        elif isinstance(i, Load):
            names = [f"%{i.dst}.{k}" for k in range(len(parts))]
            yield from [replace(part, dst=name) for part, name in zip(parts, names, strict=True)]
            values: list[Expr] = [Reg(name) for name in names]
            yield Assign(i.dst, joined(values, unit, lambda op, a, b: Op(op, (a, b)), Const), i.span)
        else:
            yield Assign("%stored", i.value, i.span)
            yield from [replace(part, value=_piece(Reg("%stored"), k, unit)) for k, part in enumerate(parts)]


def _add(address: Expr, offset: int) -> Expr:
    return Op("add", (address, Const(offset))) if offset else address


def _piece(value: Expr, k: int, unit: int) -> Expr:
    """Unit `k` of a value, the lowest first."""
    return Op(f"zext{8 * unit}", (Op("shr", (value, Const(8 * unit * k))) if k else value,))


def check_parts(
    codes: Sequence[tuple[Instr, ...]], addresses: Mapping[Site, Values], declared: Sequence[Global], units: Mapping[str, int]
) -> None:
    """Raise Unsupported for an access beyond what is declared, and for one that is not aligned."""
    cells = {place.address for place in declared}
    for (t, i), where in sorted(addresses.items()):
        instr = codes[t][i]
        if not isinstance(instr, Load | Store):
            continue
        for a in sorted(x for x in where if isinstance(x, Address)):
            begin = a.offset - instr.part * units.get(a.name, instr.size)
            if begin % instr.size:
                raise Unsupported(
                    f"an access of {instr.size} bytes to {a.name} at offset {begin}: it is not aligned", instr.span,
                    hint="align it to its size",
                )  # fmt: skip
            if a not in cells:
                raise Unsupported(
                    f"{instr.size} bytes of {a.name} at offset {begin}: so much is not declared there", instr.span,
                    hint=f"declare all of it, as in 'uint64_t {a.name}' or 'uint8_t {a.name}[16]'",
                )  # fmt: skip
