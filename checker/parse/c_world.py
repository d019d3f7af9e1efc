"""What a kernel test's initial state and question mean with the types and names that its code declares.

Members of structures are elements of their global (`kvm.ready` is `kvm[1]`), enumerators and macros are the numbers they stand
for, initial values are converted to the type of what they initialise, and a location of 64 unsigned bits is seen as such.

    { struct kvm k = { .ready = 1 }; }    Entry(k, size=2, values=(0, 1))
    exists (k.ready=1)                    Compare("==", MemLoc(Address("k", 1), "k.ready"), 1)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from checker.core.source import CheckerError, Span, SyntaxProblem, UnknownName
from checker.parse.c_layout import Layouts
from checker.parse.c_lower import Function
from checker.parse.c_types import INT, LONG, U32, U64, CType, Integer, Other, Tagged, convert
from checker.parse.question import change, retyped
from checker.parse.state import Entry, Members, Tail
from checker.program.ir import Address, Compare, Const, Global, Loc, MemLoc, RegLoc, Test, Value

Constant = Callable[[str], "int | None"]


class World:
    """The globals of one test: `structures` are those that have members."""

    def __init__(self, functions: tuple[Function, ...], layouts: Layouts, constant: Constant) -> None:
        self.functions, self.layouts, self.constant = functions, layouts, constant
        self.structures: dict[str, CType] = {}
        self.places: dict[str, tuple[tuple[str, CType], ...]] = {}
        self.members: dict[str, Address] = {}

    # ------------------------------------------------------------ before the parts are put together

    def prepared(self, entries: tuple[Entry, ...], tail: Tail) -> tuple[tuple[Entry, ...], Tail]:
        """The initial state and the question in terms of elements and numbers."""
        if self.layouts.members:
            self.declare(entries)
            spans = {e.loc.address.name: e.span for e in entries if isinstance(e.loc, MemLoc)}
            declared = {e.loc.address.name for e in entries if isinstance(e.loc, MemLoc) and e.size < 0 and self.structured(e)}
            made = [self.entry(e) for e in entries]
            for f in self.functions:
                for name in f.pointed:
                    if name in self.structures and name not in declared:
                        declared.add(name)
                        kind = f"struct {self.structures[name].tag}"  # type: ignore[union-attr]
                        at = Address(name, 0, self.names(name))
                        made.append(Entry(MemLoc(at), kind, len(self.places[name]), (), spans.get(name, f.span)))
            entries = tuple(made)
        if not self.layouts.members and not any(map(self.replaced, _addresses(entries, tail))):
            return entries, tail
        entries = tuple([replace(e, values=tuple([self.value(v, e.span) for v in e.values])) for e in entries])
        return entries, self.question(tail)

    def replaced(self, address: Address) -> bool:
        return not address.offset and self.constant(address.name) is not None

    def declare(self, entries: tuple[Entry, ...]) -> None:
        """Take note of every global that is a structure, or an array of them."""
        found: dict[str, CType] = {}
        for f in self.functions:
            found |= {name: t for name, t in f.pointed.items() if isinstance(t, Tagged) and t.tag in self.layouts.members}
        for e in entries:
            if isinstance(e.loc, MemLoc) and self.structured(e):
                found[e.loc.address.name] = self.layouts.type(e.type, e.span)
        for name, t in found.items():
            self.structures[name] = t
            self.places[name] = tuple(self.layouts.places(name, t))
            for i, (text, _) in enumerate(self.places[name]):
                self.members.setdefault(text, Address(name, i, self.names(name)))
            self.inner(name, t, 0, name)

    def inner(self, text: str, t: CType, at: int, name: str) -> None:
        """The names of arrays and structures inside, which are those of their first location."""
        if isinstance(t, Tagged) and t.tag in self.layouts.members:
            for member, (offset, of) in self.layouts.members[t.tag].items():
                self.members.setdefault(f"{text}.{member}", Address(name, at + offset, self.names(name)))
                self.inner(f"{text}.{member}", of, at + offset, name)

    def structured(self, e: Entry) -> bool:
        words = e.type.split()
        return len(words) == 2 and words[0] == "struct" and words[1] in self.layouts.members

    def names(self, name: str) -> tuple[str, ...]:
        return tuple([text for text, _ in self.places.get(name, ())])

    def entry(self, e: Entry) -> Entry:
        """An entry of the initial state, with a structure as an array of its locations."""
        if not isinstance(e.loc, MemLoc):
            return e
        if not self.structured(e):
            found = self.address(e.loc.address, e.span)
            return replace(e, loc=MemLoc(found)) if found is not e.loc.address else e
        name = e.loc.address.name
        if e.size >= 0 or e.loc.address.offset:
            raise SyntaxProblem(f"an array of structures ('{name}')", e.span, hint="declare them one by one")
        places = self.places[name]
        values: tuple[Any, ...] = ()
        if e.members is not None:
            values = self.initialised(name, self.structures[name], e.members, len(places), e.span)
        return Entry(MemLoc(Address(name, 0, self.names(name))), e.type, len(places), values, e.span)

    def initialised(self, name: str, t: CType, given: Members, size: int, span: Span) -> tuple[Any, ...]:
        """The values of a whole structure: in order, or with their names; what is not said is 0."""
        values: list[Any] = [0] * size
        plain = [value for member, value in given if not member]
        if plain and len(plain) < len(given):
            raise SyntaxProblem("values with and without names", span, hint="write '.member = value' for all, or for none")
        if len(plain) > size:
            raise SyntaxProblem(f"{len(plain)} values for the {size} locations of '{name}'", span)
        values[: len(plain)] = plain
        for member, value in given:
            if member:
                if f"{name}.{member}" not in self.members:
                    self.layouts.member(t, member, span)
                at = self.members[f"{name}.{member}"]
                values[at.offset] = value
        return tuple(values)

    # ------------------------------------------------------------ names

    def address(self, address: Address, span: Span) -> Address:
        """The address of `kvm.ready`, given by that name."""
        name, dot, _ = address.name.partition(".")
        if not dot:
            return Address(address.name, address.offset, self.names(name)) if name in self.places else address
        if name not in self.structures:
            return address
        text = address.name + (f"[{address.offset}]" if address.offset else "")
        found = self.members.get(text)
        if found is None and (found := self.members.get(f"{text}[0]")) is None:
            near = ", ".join(text for text, _ in self.places[name][:8])
            raise UnknownName(f"there is no location '{text}'", span, hint=f"known here: {near}")
        return found

    def value(self, value: Value, span: Span) -> Value:
        if not isinstance(value, Address):
            return value
        number = self.constant(value.name) if not value.offset else None
        return number if number is not None else self.address(value, span)

    def question(self, tail: Tail) -> Tail:
        def place(p: Any, span: Span) -> Any:
            if isinstance(p, MemLoc):
                found = self.address(p.address, span)
                text = str(found) if not found.members else found.members[found.offset]
                return p if found is p.address else MemLoc(found, text if "." in p.address.name else "")
            return self.value(p, span) if isinstance(p, Address) else p

        def compare(c: Compare) -> Compare:
            return Compare(c.op, place(c.left, c.span), place(c.right, c.span), c.span)

        def known(mentions: Iterable[tuple[Any, Span]]) -> tuple[tuple[Any, Span], ...]:
            found = [(place(p, span), span) for p, span in mentions]
            return tuple([(p, span) for p, span in found if not isinstance(p, int)])

        return Tail(
            tuple([p for shown in tail.shown for p in self.whole(place(shown, tail.condition.span))]),
            change(tail.filter, compare) if tail.filter else None,
            replace(tail.condition, prop=change(tail.condition.prop, compare)),
            known(tail.mentioned),
            known(tail.listed),
        )

    def whole(self, p: Loc) -> list[Loc]:
        """What `locations [k;]` shows: of a structure every member."""
        if isinstance(p, RegLoc) or p.text or p.address.name not in self.structures:
            return [p]
        name = p.address.name
        return [
            MemLoc(Address(name, i, self.names(name)), text)
            for i, (text, t) in enumerate(self.places[name])
            if not isinstance(t, Other | Tagged)  # a lock has no value to look at
        ]

    # ------------------------------------------------------------ when the test is whole

    def typed(self, test: Test) -> Test:
        """The test with initial values in their types, and the question's numbers in those of what they are compared with."""
        kinds = [self.kind(g.address, g.type, g.span) for g in test.globals]
        world = tuple([self.fitting(g, t) for g, t in zip(test.globals, kinds, strict=True)])
        types = {f.tid: f.types for f in self.functions}
        registers = tuple([(loc, _fitting(v, types.get(loc.tid, {}).get(loc.reg, LONG))) for loc, v in test.registers])
        if world != test.globals or registers != test.registers:
            test = replace(test, globals=world, registers=registers)
        if not any(t == U64 or t == U32 for t in (*kinds, *[t for f in self.functions for t in f.types.values()])):
            return test
        of = {g.address: t for g, t in zip(test.globals, kinds, strict=True)}

        def type_of(loc: Loc) -> CType:
            return types.get(loc.tid, {}).get(loc.reg, LONG) if isinstance(loc, RegLoc) else of.get(loc.address, LONG)

        def unsigned(c: Compare) -> Compare:
            left, right = c.left, c.right
            if isinstance(left, RegLoc | MemLoc) and type_of(left) == U32 and isinstance(right, int) and -(1 << 31) <= right < 0:
                return Compare(c.op, left, right + (1 << 32), c.span)
            return c

        test = replace(test, condition=replace(test.condition, prop=change(test.condition.prop, unsigned)))
        test = replace(test, filter=change(test.filter, unsigned)) if test.filter else test
        return retyped(test, lambda loc: 64 if type_of(loc) == U64 else 0, lambda loc, width: True)

    def fitting(self, g: Global, t: CType) -> Global:
        value = _fitting(g.value, t)
        return g if value == g.value and not self.places else replace(g, value=value, type=self.said(g.address, g.type))

    def kind(self, address: Address, text: str, span: Span) -> CType:
        if address.name in self.places:
            return self.places[address.name][address.offset][1]
        try:
            return self.layouts.type(text, span) if text else LONG
        except CheckerError:
            return LONG

    def said(self, address: Address, text: str) -> str:
        """The type of a member, for those who ask what kind of thing it is."""
        if address.name not in self.places:
            return text
        t = self.places[address.name][address.offset][1]
        return getattr(t, "name", "") or (f"struct {t.tag}" if isinstance(t, Tagged) else "")


def _fitting(value: Value, t: CType) -> Value:
    """A value as one of type t."""
    if not isinstance(value, int) or not isinstance(t, Integer):
        return value
    found = convert(Const(value), INT if -(1 << 31) <= value < 1 << 31 else LONG, t)
    assert isinstance(found, Const)
    return found.value


def _addresses(entries: tuple[Entry, ...], tail: Tail) -> list[Address]:
    found = [v for e in entries for v in e.values if isinstance(v, Address)]
    return found + [p for p, _ in (*tail.mentioned, *tail.listed) if isinstance(p, Address)]
