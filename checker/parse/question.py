"""The question of a test put into the words of its machine: one spelling for each register, values in the types declared.

respelled(tail, {"rax": "rax", "RAX": "rax"}.get)         0:RAX=1       ──►  0:rax=1
retyped(test, width)   with width([x]) = 32, unsigned     [x]=-1        ──►  [x]=4294967295
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from checker.core.source import Span, Unsupported
from checker.core.value import as_integer
from checker.parse.state import Entry, Tail
from checker.program.ir import Address, And, Compare, Implies, Loc, MemLoc, Not, Or, Prop, RegLoc, Test

Width = Callable[[Loc], int]
"""How many bits a location is seen with, negative when signed, 0: as it is."""

_BASE = re.compile(r"(unsigned|signed)?\s*(_Bool|char|short|int|long long|long)?(?:\s+int)?")
_BITS = {"_Bool": 8, "char": 8, "short": 16, "int": 32, "long": 64, "long long": 64}
_FIXED = re.compile(r"(u?)int(8|16|32|64)_t")
_NO_TYPE = re.compile(r"\b(?:const|volatile|_Atomic)\b")


def width_of(kind: str) -> int:
    """The width of a C type, negative when signed; 0 for a pointer, no type, and one that is not known."""
    if not kind or "*" in kind:
        return 0
    kind = " ".join(_NO_TYPE.sub(" ", kind).split())
    if fixed := _FIXED.fullmatch(kind):
        return int(fixed[2]) * (1 if fixed[1] else -1)
    if kind in ("intptr_t", "uintptr_t"):
        return 64 if kind[0] == "u" else -64
    base = _BASE.fullmatch(kind)
    if not base or not kind:
        return 0
    bits = _BITS[base[2] or "int"]
    return bits if base[1] == "unsigned" or base[2] == "_Bool" else -bits


def change(prop: Prop, f: Callable[[Compare], Compare]) -> Prop:
    """`prop` with f applied to every comparison; the same object where nothing changes."""
    if isinstance(prop, Compare):
        return f(prop)
    if isinstance(prop, And | Or):
        args = tuple([change(a, f) for a in prop.args])
        return prop if all(map(operator.is_, args, prop.args)) else type(prop)(args)
    if isinstance(prop, Not):
        arg = change(prop.arg, f)
        return prop if arg is prop.arg else Not(arg)
    if isinstance(prop, Implies):
        left, right = change(prop.left, f), change(prop.right, f)
        return prop if left is prop.left and right is prop.right else Implies(left, right)
    return prop


# ---------------------------------------------------------------- registers


def respelled(tail: Tail, register: Callable[[str], str]) -> Tail:
    """The question with every register under its thread's name."""
    places = [place for place, _ in (*tail.mentioned, *tail.listed)]
    if all(not isinstance(p, RegLoc) or register(p.reg) == p.reg for p in places):
        return tail

    def place(p: Any) -> Any:
        return RegLoc(p.tid, register(p.reg)) if isinstance(p, RegLoc) else p

    def compare(c: Compare) -> Compare:
        return Compare(c.op, place(c.left), place(c.right), c.span)

    return Tail(
        tuple([place(p) for p in tail.shown]),
        change(tail.filter, compare) if tail.filter else None,
        replace(tail.condition, prop=change(tail.condition.prop, compare)),
        tuple([(place(p), span) for p, span in tail.mentioned]),
        tuple([(place(p), span) for p, span in tail.listed]),
    )


def respelled_entries(entries: tuple[Entry, ...], register: Callable[[str], str]) -> tuple[Entry, ...]:
    """The initial state with every register under its thread's name."""
    return tuple(
        [
            replace(e, loc=RegLoc(e.loc.tid, register(e.loc.reg)))
            if isinstance(e.loc, RegLoc) and register(e.loc.reg) != e.loc.reg
            else e
            for e in entries
        ]
    )


# ---------------------------------------------------------------- types


def declared_widths(entries: tuple[Entry, ...]) -> dict[Loc, int]:
    """The width of each location that is declared with a type; an array's under the name of its first element."""
    found: dict[Loc, int] = {}
    for e in entries:
        if e.type and (width := width_of(e.type)):
            found[whole(e.loc)] = width
    return found


def whole(loc: Loc) -> Loc:
    """The location that has a type: of an element, the array."""
    return loc if isinstance(loc, RegLoc) or not loc.address.offset else MemLoc(Address(loc.address.name))


def retyped(test: Test, width: Width, view: Callable[[Loc, int], bool]) -> Test:
    """The test with the numbers of its question in the types of the locations they are compared with.

    `view(loc, width)`: must the final value be brought to that width, being held in another?
    """
    named: dict[Loc, int] = dict.fromkeys(test.shown, 0)

    def compare(c: Compare) -> Compare:
        left, right = c.left, c.right
        if isinstance(left, RegLoc | MemLoc):
            named[left] = 0
            if isinstance(right, int) and (number := as_integer(right, width(left))) != right:
                return Compare(c.op, left, number, c.span)
        if isinstance(right, RegLoc | MemLoc):
            named[right] = 0
            if isinstance(left, int) and (number := as_integer(left, width(right))) != left:
                return Compare(c.op, number, right, c.span)
        return c

    prop = change(test.condition.prop, compare)
    kept = change(test.filter, compare) if test.filter else None
    widths = tuple([(loc, w) for loc in named if (w := width(loc)) and view(loc, w)])
    if prop is test.condition.prop and kept is test.filter and not widths:
        return test
    return replace(test, condition=replace(test.condition, prop=prop), filter=kept, widths=widths)


# ---------------------------------------------------------------- arrays


def bytewise(test: Test, entries: tuple[Entry, ...]) -> Test:
    """The test with the elements of arrays where machine code finds them: so many bytes behind the first."""
    arrays = {e.loc.address.name: e for e in entries if e.size >= 0 and isinstance(e.loc, MemLoc)}
    if not arrays:
        return test
    step = {name: abs(width_of(e.type) or (-64 if "*" in e.type else -32)) // 8 for name, e in arrays.items()}

    def moved(x: Any) -> Any:
        """A value, with an element's address in bytes."""
        return Address(x.name, x.offset * step.get(x.name, 1)) if isinstance(x, Address) else x

    def place(x: Any) -> Any:
        if not isinstance(x, MemLoc) or x.address.name not in step:
            return moved(x)
        return MemLoc(moved(x.address), f"{x.address.name}[{x.address.offset}]")

    def compare(c: Compare) -> Compare:
        return Compare(c.op, place(c.left), place(c.right), c.span)

    def elements(loc: Loc) -> list[Loc]:
        """What `locations [loc;]` shows: of a whole array every element."""
        if isinstance(loc, RegLoc) or loc.address.name not in arrays or loc.text:
            return [loc]
        return [MemLoc(Address(loc.address.name, i)) for i in range(arrays[loc.address.name].size)]

    return replace(
        test,
        globals=tuple([replace(g, address=moved(g.address), value=moved(g.value)) for g in test.globals]),
        registers=tuple([(loc, moved(value)) for loc, value in test.registers]),
        condition=replace(test.condition, prop=change(test.condition.prop, compare)),
        filter=change(test.filter, compare) if test.filter else None,
        shown=tuple([place(x) for loc in test.shown for x in elements(loc)]),
    )


# ---------------------------------------------------------------- variants


def refuse_variants(test: Test) -> None:
    """Refuse what changes the meaning of the test and is not modelled."""
    for key, value in test.info:
        if key.lower() == "variant" and value.strip():
            lines = test.source.text.split("\n")
            line = next((n for n, text in enumerate(lines, 1) if re.match(r"\s*variant\s*=", text, re.I)), 1)
            raise Unsupported(
                f"the variant '{value}' is not supported", Span(test.source, line, 1, 1 + len(test.source.line(line))),
                hint="tests of plain memory accesses are, without translation, tags, faults or mixed sizes",
            )  # fmt: skip
