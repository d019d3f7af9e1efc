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
Pattern = tuple[tuple[int, int], ...]
"""The parts of an access: how many bytes behind its first, and of how many."""
WHOLE: Pattern = ((0, 0),)


class Parts(Struct, frozen=True):
    """`of`: each location that is accessed in parts, or a member of a union, as its parts, the lowest first. `cells`: what memory
    consists of, each with its size in bytes."""

    of: dict[Address, tuple[Address, ...]]
    cells: dict[Address, int]

    def all_of(self, places: Iterable[Address]) -> frozenset[Address]:
        """The parts of some locations."""
        return frozenset([part for place in places for part in self.of.get(place, (place,))])

    def joined(self, whole: Address, values: Sequence[_V], op: Callable[[str, _V, _V], _V], number: Callable[[int], _V]) -> _V:
        """The number whose parts are `values`, by operators on what the values are."""
        first = self.of[whole][0]
        return joined([part.offset - first.offset for part in self.of[whole]], values, op, number)


def joined(offsets: Sequence[int], values: Sequence[_V], op: Callable[[str, _V, _V], _V], number: Callable[[int], _V]) -> _V:
    """The number whose parts are `values`, each so many bytes above the lowest."""
    whole = values[0]
    for k, value in zip(offsets[1:], values[1:], strict=True):
        whole = op("or", whole, op("shl", value, number(8 * k)))
    return whole


def in_parts(
    test: Test, codes: Sequence[tuple[Instr, ...]], addresses: Mapping[Site, Values]
) -> tuple[Test, list[tuple[Instr, ...]], Parts]:
    """The test with its memory in parts, and the code with each access as one of each part. `addresses` are those of the code as
    it is. What is never accessed by different sizes, nor by what may access a thing that is, stays whole.

    Raises Unsupported for an access beyond what is declared, or that is not aligned."""
    units, viewed = _units(test, codes, addresses), {view.of.name for view in test.views}
    of: dict[Address, tuple[Address, ...]] = {}
    made: list[Global] = []
    for place in test.globals:
        size, at = size_of(place), place.address
        unit = units.get(at.name, size)
        if size <= unit or at.name in viewed:
            made.append(place)
            continue
        if not isinstance(place.value, int):
            raise Unsupported(
                f"{at} holds the address {place.value}, and is accessed in parts of {unit} bytes", place.span,
                hint="an address is read and written whole",
            )  # fmt: skip
        of[at] = tuple([Address(at.name, at.offset + k) for k in range(0, size, unit)])
        value = place.value
        made += [
            replace(place, address=part, value=value >> 8 * unit * k & (1 << 8 * unit) - 1, bytes=unit)
            for k, part in enumerate(of[at])
        ]
    cells = {place.address: size_of(place) for place in made}
    for view in test.views:
        of[view.address] = tuple([Address(view.of.name, view.of.offset + k) for k, _ in _pattern(cells, view.of, view.size) or ()])
    patterns: dict[Site, Pattern] = {}
    for (t, i), where in sorted(addresses.items()):
        instr = codes[t][i]
        if isinstance(instr, Load | Store):
            found = {_checked(cells, a, instr): a for a in sorted(x for x in where if isinstance(x, Address))}
            if len(found) > 1:
                one, other = list(found.values())[:2]
                raise Unsupported(f"an access to {one} or to {other}, which have other parts", instr.span)
            patterns[t, i] = next(iter(found), WHOLE)
    cut = [tuple(_cut(code, {i: pattern for (at, i), pattern in patterns.items() if at == t})) for t, code in enumerate(codes)]
    return replace(test, globals=tuple(made)), cut, Parts(of, cells)


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


def _pattern(cells: Mapping[Address, int], at: Address, size: int) -> Pattern | None:
    """How far behind its first byte each part of an access is, and how large; None where it has others than memory has."""
    found: list[tuple[int, int]] = []
    done = 0
    while done < size:
        step = cells.get(Address(at.name, at.offset + done), 0)
        if not step or done + step > size:
            return None
        found.append((done, step))
        done += step
    return tuple(found)


def _checked(cells: Mapping[Address, int], at: Address, instr: Load | Store) -> Pattern:
    """The parts of an access, which are there."""
    size = instr.size
    if not size:  # in C: of something that is no member of a union
        return WHOLE
    if at.offset % size:
        raise Unsupported(
            f"an access of {size} bytes to {at.name} at offset {at.offset}: it is not aligned",
            instr.span,
            hint="align it to its size",
        )
    found = _pattern(cells, at, size)
    if found is None:
        raise Unsupported(
            f"{size} bytes of {at.name} at offset {at.offset}: so much is not declared there", instr.span,
            hint=f"declare all of it, as in 'uint64_t {at.name}' or 'uint8_t {at.name}[16]'",
        )  # fmt: skip
    return found


def _cut(code: tuple[Instr, ...], patterns: Mapping[int, Pattern]) -> Iterable[Instr]:
    """The code with each access in its parts. The events of an access are a group: nothing orders them."""
    numbers = count(1 + max([i.group for i in code if isinstance(i, Load | Store)], default=0))
    for at, i in enumerate(code):
        if not isinstance(i, Load | Store):
            yield i
            continue
        pattern, access = patterns.get(at, WHOLE), next(numbers)
        parts = [
            replace(i, addr=_add(i.addr, k), access=access, part=n, group=i.group or access, pair=i.pair and PAIRS * i.pair + n)
            for n, (k, _) in enumerate(pattern)
        ]
        if len(parts) == 1:
            yield parts[0]
        elif isinstance(i, Load):
            names = [f"%{i.dst}.{n}" for n in range(len(parts))]
            yield from [replace(part, dst=name) for part, name in zip(parts, names, strict=True)]
            values: list[Expr] = [Reg(name) for name in names]
            yield Assign(i.dst, joined([k for k, _ in pattern], values, lambda op, a, b: Op(op, (a, b)), Const), i.span)
        else:
            yield Assign("%stored", i.value, i.span)
            stored = [_piece(Reg("%stored"), k, size) for k, size in pattern]
            yield from [replace(part, value=value) for part, value in zip(parts, stored, strict=True)]


def _add(address: Expr, offset: int) -> Expr:
    return Op("add", (address, Const(offset))) if offset else address


def _piece(value: Expr, k: int, size: int) -> Expr:
    """The `size` bytes of a value that are `k` above its lowest."""
    above = Op("shr", (value, Const(8 * k))) if k else value
    return Op(f"zext{8 * size}", (above,)) if size < 8 else above


def check_parts(codes: Sequence[tuple[Instr, ...]], addresses: Mapping[Site, Values], parts: Parts) -> None:
    """Raise Unsupported for an access that goes where nothing is declared, now that it is known what parts make of addresses, and
    for one in C to a part of a union whose size its type does not say."""
    viewed = {part.name for view, found in parts.of.items() for part in found if view.name != part.name}
    for (t, i), where in sorted(addresses.items()):
        instr = codes[t][i]
        if not isinstance(instr, Load | Store):
            continue
        for a in sorted(x for x in where if isinstance(x, Address)):
            if instr.size and a not in parts.cells:
                raise Unsupported(f"an access to {a.name} at offset {a.offset}: nothing is declared there", instr.span)
            if not instr.size and a.name in viewed:
                raise Unsupported(
                    f"an access to a part of {a.name} through a pointer to it", instr.span,
                    hint="name the member where it is accessed: in a structure with a union, that says how much is read or written",
                )  # fmt: skip
