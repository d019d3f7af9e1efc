"""Symbolic values: a finite map from each value something may have to the literal that says it has it.

Litmus values come from few sources, so a register's value is a short `dict` {value: literal}; when the place where it is
computed executes, exactly one literal holds. A known value is `{v: TRUE}`. Operators work on the product of the domains and
fold at once; nothing of this reaches the solver but the literals.

    {0: -l, 1: l}  +  {1: TRUE}  =  {1: -l, 2: l}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from msgspec import Struct

from checker.core.circuit import FALSE, TRUE, Circuit, Lit
from checker.core.source import LimitExceeded, Span

Symbolic: TypeAlias = dict[Any, Lit]  # from Value, which is the business of program/ir.py
DOMAIN_LIMIT = 4096

_BITS = 64
_MASK = (1 << _BITS) - 1


class Free(Struct, frozen=True, order=True):
    """A value nothing determines: reads that, through plain copies, get their value from themselves. Equal only to itself."""

    name: str

    def __str__(self) -> str:
        return self.name


FREED = Free("freed")
"""What memory holds after kfree(). Code may compute with it: that is what use after free is."""
COMPUTED = Free("S")
"""What is computed from FREED."""
UNSOLVED = Free("?")
"""What would be computed from a value that nothing determines. There is no such execution: herd's solver drops it."""


class Undetermined(Exception):
    """An operator was applied to values it has no meaning for (the sum of two addresses)."""


class Undefined(Free, frozen=True, order=True):
    """What has no value, though the text asks for it: its name says what (a division by zero). No register holds it."""


def signed(value: int, width: int = _BITS) -> int:
    """`value` wrapped to a signed integer of `width` bits."""
    value &= (1 << width) - 1
    return value - (1 << width) if value >> (width - 1) else value


def as_integer(value: Any, width: int) -> Any:
    """`value` as an integer of `width` bits, signed when `width` is negative; what is no number stays what it is."""
    if not isinstance(value, int) or not width:
        return value
    return signed(value, -width) if width < 0 else value & ((1 << width) - 1)


def _divide(a: int, b: int, width: int = _BITS) -> int:
    if b == 0:
        raise Undetermined("a division by zero")
    if b == -1 and a == -1 << (width - 1):
        raise Undetermined(f"{a} / -1, which a number of {width} bits cannot hold")
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _remainder(a: int, b: int, width: int = _BITS) -> int:
    return a - b * _divide(a, b, width)


def _within(a: int, b: int) -> int:
    if not 0 <= a < b:
        raise Undetermined(f"a shift of {b} bits by {a}")
    return a


INTEGER: dict[str, Callable[..., int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": _divide,
    "mod": _remainder,
    "div32": lambda a, b: _divide(a, b, 32),
    "mod32": lambda a, b: _remainder(a, b, 32),
    "divu": lambda a, b: _divide(a & _MASK, b & _MASK, _BITS + 1),
    "modu": lambda a, b: _remainder(a & _MASK, b & _MASK, _BITS + 1),
    "within": _within,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "andnot": lambda a, b: a & ~b,
    "shl": lambda a, b: a << (b & 63),
    "shr": lambda a, b: (a & _MASK) >> (b & 63),
    "sar": lambda a, b: a >> (b & 63),
    "lt": lambda a, b: int(a < b),
    "le": lambda a, b: int(a <= b),
    "gt": lambda a, b: int(a > b),
    "ge": lambda a, b: int(a >= b),
    "ltu": lambda a, b: int(a & _MASK < b & _MASK),
    "leu": lambda a, b: int(a & _MASK <= b & _MASK),
    "gtu": lambda a, b: int(a & _MASK > b & _MASK),
    "geu": lambda a, b: int(a & _MASK >= b & _MASK),
    "neg": lambda a: -a,
    "not": lambda a: ~a,
    "sext8": lambda a: signed(a, 8),
    "sext16": lambda a: signed(a, 16),
    "sext32": lambda a: signed(a, 32),
    "zext8": lambda a: a & 0xFF,
    "zext16": lambda a: a & 0xFFFF,
    "zext32": lambda a: a & 0xFFFFFFFF,
    "int8": lambda a: signed(a, 8),
    "int16": lambda a: signed(a, 16),
    "int32": lambda a: signed(a, 32),
    "uint8": lambda a: a & 0xFF,
    "uint16": lambda a: a & 0xFFFF,
    "uint32": lambda a: a & 0xFFFFFFFF,
}


def result_of(op: str, args: Sequence[object]) -> object:
    """`op` on known values; Undefined where it has none. What `&&`, `||` and `?:` do not evaluate does not count."""
    if Undefined in map(type, args):
        match op, args:
            case "land", [0, _]:
                return 0
            case "lor", [a, _] if a != 0 and not isinstance(a, Free):
                return 1
            case "ite" | "pick", [a, b, c] if not isinstance(a, Free):
                return b if a != 0 else c
        return next(a for a in args if isinstance(a, Undefined))
    try:
        return compute(op, args)
    except Undetermined as error:
        return Undefined(str(error))


def compute(op: str, args: Sequence[object]) -> object:
    """`op` on known values. Raises Undetermined where the operator says nothing about them."""
    match op, args:
        case "first" | "weak" | "part", [a, _]:
            return a
        case "same" | "other", [a, b]:  # a question about final values, which nobody computes with
            return int((a == b) == (op == "same"))
        case "eq" | "ne", [a, b] if a == b or not any(map(undetermined, args)):
            return int((a == b) == (op == "eq"))
        case "eq" | "ne" | "land" | "lor" | "lnot", _ if any(map(undetermined, args)):
            return UNSOLVED
        case "ite" | "pick", [a, _, _] if undetermined(a):
            return UNSOLVED
        case "land", [a, b]:
            return int(a != 0 and b != 0)
        case "lor", [a, b]:
            return int(a != 0 or b != 0)
        case "lnot", [a]:
            return int(a == 0)
        case "ite" | "pick", [a, b, c]:
            return b if a != 0 else c
    if all(isinstance(a, int) for a in args):
        return signed(INTEGER[op](*args))
    if op in ("int32", "uint32"):
        return args[0]
    if any(map(undetermined, args)):
        return _on_undetermined(op, args)
    if any(isinstance(a, Free) for a in args):
        try:
            return _on_addresses(op, args)
        except Undetermined:
            return COMPUTED
    return _on_addresses(op, args)


def undetermined(value: object) -> bool:
    """Whether nothing determines `value`, so that nothing can be computed from it."""
    return type(value) is Free and value not in (FREED, COMPUTED)


_SAID = {"int8": "s8", "int16": "s16", "uint8": "u8", "uint16": "u16"}


def _on_undetermined(op: str, args: Sequence[object]) -> object:
    """What herd's solver says of an operator on what nothing determines (lib/symbValue.ml: add, orop, xor)."""
    match op, args:
        case "add" | "or", [a, 0] | [0, a]:
            return a
        case "xor", [a, b] if a == b:
            return 0
    return UNSOLVED


def _on_addresses(op: str, args: Sequence[object]) -> object:
    """What can be said of an operator with an address among its operands."""
    match op, args:
        case "add" | "sub" | "or" | "xor", [a, 0]:
            return a
        case "add" | "or" | "xor", [0, b]:
            return b
        case "xor" | "sub", [a, b] if a == b:
            return 0
        case "and", [_, 0] | [0, _]:
            return 0
        case "mul", [_, 0] | [0, _]:
            return 0
        case "add", [a, int(k)] if hasattr(a, "offset"):
            return _moved(a, k)
        case "add", [int(k), b] if hasattr(b, "offset"):
            return _moved(b, k)
        case "sub", [a, int(k)] if hasattr(a, "offset"):
            return _moved(a, -k)
        case "sub", [a, b] if getattr(a, "name", 0) == getattr(b, "name", 1):
            return a.offset - b.offset  # type: ignore[attr-defined]
    raise Undetermined(f"'{_SAID.get(op, op)}' of {' and '.join(map(str, args))}")


def _moved(address: object, distance: int) -> object:
    return type(address)(address.name, address.offset + distance, address.members)  # type: ignore[attr-defined,call-arg]


def known(value: object) -> Symbolic:
    return {value: TRUE}


def is_value(value: Symbolic, wanted: object) -> Lit:
    """The literal for "this value is `wanted`" (given that it is computed at all)."""
    return value.get(wanted, FALSE)


def nonzero(value: Symbolic) -> Lit:
    """The literal for "this value is not 0" (given that it is computed at all)."""
    return -is_value(value, 0)


def apply(circuit: Circuit, op: str, args: Sequence[Symbolic], span: Span) -> Symbolic:
    """The symbolic value of `op` over symbolic operands."""
    if all(len(a) == 1 for a in args):
        return {result_of(op, [next(iter(a)) for a in args]): TRUE}
    found: dict[object, list[Lit]] = {}
    size = 1
    for a in args:
        size *= len(a)
    if size > DOMAIN_LIMIT:
        raise LimitExceeded(f"an expression has more than {DOMAIN_LIMIT} combinations of operand values", span)
    for values, lit in _combinations(circuit, args):
        found.setdefault(result_of(op, values), []).append(lit)
    return _joined(circuit, found)


def _combinations(circuit: Circuit, args: Sequence[Symbolic]) -> Iterable[tuple[list[object], Lit]]:
    if not args:
        yield [], TRUE
        return
    for value, lit in args[0].items():
        for values, rest in _combinations(circuit, args[1:]):
            both = circuit.both2(lit, rest)
            if both != FALSE:
                yield [value, *values], both


def _joined(circuit: Circuit, found: dict[object, list[Lit]]) -> Symbolic:
    if len(found) == 1:
        return {next(iter(found)): TRUE}
    return {v: circuit.either(lits) if len(lits) > 1 else lits[0] for v, lits in found.items()}


def merge(circuit: Circuit, cases: Sequence[tuple[Lit, Symbolic]]) -> Symbolic:
    """The value that is each case's when its guard holds; exactly one guard holds."""
    found: dict[object, list[Lit]] = {}
    for guard, value in cases:
        for v, lit in value.items():
            found.setdefault(v, []).append(circuit.both2(guard, lit))
    return _joined(circuit, found)
