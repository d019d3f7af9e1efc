"""The types of C on a kernel's machine: LP64, `-funsigned-char`, two's complement that wraps (`-fno-strict-overflow`).

A value of an integer type is held as that number, one of 64 unsigned bits as the signed number of its bits; an address is held
as itself whatever the type (herd's convention: litmus tests keep addresses in `int`). `convert` makes the operation that brings
a value from one type to another, and none where nothing can change.

    typed("unsigned long *")                  Pointer(U64)
    convert(Reg("r"), INT, U8)                Op("uint8", (Reg("r"),))
    convert(Reg("r"), U8, INT)                Reg("r")
"""

from __future__ import annotations

import functools
import re
from typing import TypeAlias

from msgspec import Struct

from checker.core.value import compute
from checker.program.ir import Const, Expr, Op


class Integer(Struct, frozen=True):
    bits: int
    signed: bool


class Pointer(Struct, frozen=True):
    """`parts`: to a member of what has a union in it."""

    to: CType
    parts: bool = False


class Tagged(Struct, frozen=True):
    """`struct tag` or `union tag`: what is in it, the file says, or nobody."""

    tag: str


class Array(Struct, frozen=True):
    """`parts`: in something that has a union in it."""

    of: CType
    length: int
    parts: bool = False


class Other(Struct, frozen=True):
    """A type of which nothing is known but its name (spinlock_t), or void."""

    name: str


CType: TypeAlias = Integer | Pointer | Tagged | Array | Other

BOOL = Integer(1, False)
U8, S8 = Integer(8, False), Integer(8, True)
U16, S16 = Integer(16, False), Integer(16, True)
U32, INT = Integer(32, False), Integer(32, True)
U64, LONG = Integer(64, False), Integer(64, True)
WIDE = Integer(128, True)  # of the literal in -9223372036854775808, and of nothing else
VOID = Other("void")

_NAMED: dict[str, CType] = {
    "bool": BOOL, "_Bool": BOOL, "void": VOID,
    "u8": U8, "u16": U16, "u32": U32, "u64": U64, "s8": S8, "s16": S16, "s32": INT, "s64": LONG,
    "size_t": U64, "uintptr_t": U64, "ssize_t": LONG, "intptr_t": LONG, "ptrdiff_t": LONG, "loff_t": LONG, "ktime_t": LONG,
    "gfp_t": U32, "pid_t": INT, "gfn_t": U64, "gpa_t": U64, "hva_t": U64, "pfn_t": U64, "phys_addr_t": U64, "dma_addr_t": U64,
    "atomic_t": INT, "refcount_t": INT, "atomic64_t": LONG, "atomic_long_t": LONG, "local_t": LONG, "local64_t": LONG,
}  # fmt: skip
for _bits, _unsigned, _signed in ((8, U8, S8), (16, U16, S16), (32, U32, INT), (64, U64, LONG)):
    _NAMED |= {f"uint{_bits}_t": _unsigned, f"int{_bits}_t": _signed, f"__u{_bits}": _unsigned, f"__s{_bits}": _signed}

_QUALIFIER = re.compile(r"\b(?:const|volatile|_Atomic|static|register|__rcu|__user|__force|inline|extern|__always_inline)\b")
_BASIC = frozenset({"unsigned", "signed", "short", "long", "int", "char"})


def words_of(text: str) -> list[str]:
    """The words of a type, without stars and qualifiers."""
    return _QUALIFIER.sub(" ", text.replace("*", " ")).split()


@functools.lru_cache(maxsize=1024)
def typed(text: str) -> CType | None:
    """The type that `text` names; None for integers of 128 bits and what is no type."""
    found = _base(words_of(text))
    for _ in range(text.count("*")):
        found = Pointer(found) if found is not None else None
    return found


def _base(words: list[str]) -> CType | None:
    if len(words) == 1 and words[0] in _NAMED:
        return _NAMED[words[0]]
    if words and _BASIC.issuperset(words):
        if "char" in words:
            return S8 if "signed" in words else U8
        bits = 16 if "short" in words else 64 if "long" in words else 32
        return Integer(bits, "unsigned" not in words)
    if len(words) == 2 and words[0] in ("struct", "union"):
        return Tagged(words[1])
    if len(words) == 2 and words[0] == "enum":
        return U32  # what gcc takes where no enumerator is negative; c_layout.py knows those that are
    if len(words) == 1 and not words[0].endswith("int128"):
        return Other(words[0])
    return Other(" ".join(words)) if not words else None


# ---------------------------------------------------------------- conversions (C11 6.3.1)

CONVERSION = {U8: "uint8", S8: "int8", U16: "uint16", S16: "int16", U32: "uint32", INT: "int32"}


def holds(outer: Integer, inner: Integer) -> bool:
    """Is every value of `inner`, as it is held, one of `outer`?"""
    if outer.bits == 64:
        return True
    if inner.signed and not outer.signed:
        return False
    return outer.bits - outer.signed >= inner.bits - inner.signed


def convert(value: Expr, source: CType, target: CType) -> Expr:
    """`value` of type `source` as one of type `target`."""
    if source is target or not isinstance(target, Integer):
        return value
    if isinstance(source, Integer):
        if holds(target, source):
            return value
    elif target.bits >= 32:
        return value  # an address stays what it is in any integer that is not narrower than an int
    op = "ne" if target is BOOL else CONVERSION[target]
    args = (value, Const(0)) if target is BOOL else (value,)
    if isinstance(value, Const) and isinstance(value.value, int):
        return Const(compute(op, [a.value for a in args]))  # type: ignore[arg-type,union-attr]
    return Op(op, args)


def promoted(t: CType) -> CType:
    """The type of an operand in an expression: what is narrower than an int is an int."""
    return INT if isinstance(t, Integer) and t.bits < 32 else t


def common(a: CType, b: CType) -> Integer:
    """The usual arithmetic conversions; a pointer counts as a number of 64 bits."""
    a, b = promoted(a), promoted(b)
    if not isinstance(a, Integer) or not isinstance(b, Integer):
        return LONG
    if a.bits != b.bits:
        return a if a.bits > b.bits else b
    return b if a.signed else a
