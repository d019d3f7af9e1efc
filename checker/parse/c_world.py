"""What a kernel test's initial state and question mean with the types and names that its code declares.

Members of structures are elements of their global (`kvm.ready` is `kvm[1]`), enumerators and macros are the numbers they stand
for, initial values are converted to the type of what they initialise, and a location of 64 unsigned bits is seen as such.

    { struct kvm k = { .ready = 1 }; }    Entry(k, size=2, values=(0, 1))
    exists (k.ready=1)                    Compare("==", MemLoc(Address("k", 1), "k.ready"), 1)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from msgspec.structs import replace

from checker.core.source import NOWHERE, CheckerError, Span, SyntaxProblem, UnknownName, Unsupported
from checker.parse.c_layout import Layouts
from checker.parse.c_lower import Function
from checker.parse.c_types import INT, LONG, U32, U64, CType, Integer, Other, Pointer, Tagged, convert
from checker.parse.question import change, retyped
from checker.parse.state import Entry, Members, Tail
from checker.program.ir import Address, Compare, Const, Global, Loc, MemLoc, RegLoc, Test, Value, View

Constant = Callable[[str], "int | None"]


class World:
    """The globals of one test: `structures` are those that have members."""

    def __init__(self, functions: tuple[Function, ...], layouts: Layouts, constant: Constant) -> None:
        self.functions, self.layouts, self.constant = functions, layouts, constant
        self.structures: dict[str, CType] = {}
        self.places: dict[str, tuple[tuple[str, CType], ...]] = {}
        self.members: dict[str, Address] = {}
        self.views: dict[str, dict[str, tuple[int, CType]]] = {}
        """Of what is laid out in bytes, its members as they are written: where each is, and its type. In a question each has an
        address of its own."""

    # ------------------------------------------------------------ before the parts are put together

    def prepared(self, entries: tuple[Entry, ...], tail: Tail) -> tuple[tuple[Entry, ...], Tail]:
        """The initial state and the question in terms of elements and numbers."""
        if self.layouts.members:
            self.declare(entries)
            spans = {e.loc.address.name: e.span for e in entries if isinstance(e.loc, MemLoc)}
            declared = {e.loc.address.name for e in entries if isinstance(e.loc, MemLoc) and e.size < 0 and self.structured(e)}
            made = [made for e in entries for made in self.entry(e)]
            for f in self.functions:
                for name in f.pointed:
                    if name in self.structures and name not in declared:
                        declared.add(name)
                        kind = f"struct {self.structures[name].tag}"  # type: ignore[union-attr]
                        made += self.entry(Entry(MemLoc(Address(name)), kind, -1, (), spans.get(name, f.span)))
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
            places = tuple(self.layouts.places(name, t))
            if t.tag in self.layouts.in_bytes:  # type: ignore[union-attr]
                self.views[name] = {text: (at, of) for text, at, of in places}
                self.members.update({text: Address(text) for text, _, _ in places})
                continue
            self.places[name] = tuple([(text, of) for text, _, of in places])
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
        return len(words) == 2 and words[0] in ("struct", "union") and words[1] in self.layouts.members

    def names(self, name: str) -> tuple[str, ...]:
        return tuple([text for text, _ in self.places.get(name, ())])

    def entry(self, e: Entry) -> list[Entry]:
        """An entry of the initial state, with a structure as an array of its locations, or as one entry a member."""
        if not isinstance(e.loc, MemLoc):
            return [e]
        if not self.structured(e):
            found = self.address(e.loc.address, e.span)
            return [replace(e, loc=MemLoc(found)) if found is not e.loc.address else e]
        name = e.loc.address.name
        if e.size >= 0 or e.loc.address.offset:
            raise SyntaxProblem(f"an array of structures ('{name}')", e.span, hint="declare them one by one")
        if name in self.views:
            given = dict(e.members or ())
            for member in given:
                if f"{name}.{member}" not in self.views[name]:
                    raise UnknownName(
                        f"'{name}' has no member '{member}'" if member else f"values without names for '{name}', which has a union",
                        e.span, hint=f"write .{next(iter(self.views[name])).partition('.')[2]} = value",
                    )  # fmt: skip
            at = {text: given.get(text.partition(".")[2]) for text in self.views[name]}
            return [Entry(MemLoc(Address(text)), "", -1, () if v is None else (v,), e.span) for text, v in at.items()]
        places = self.places[name]
        values: tuple[Any, ...] = ()
        if e.members is not None:
            values = self.initialised(name, self.structures[name], e.members, len(places), e.span)
        return [Entry(MemLoc(Address(name, 0, self.names(name))), e.type, len(places), values, e.span)]

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
            near = ", ".join([text for text in self.members if text.partition(".")[0] == name][:8])
            raise UnknownName(f"there is no location '{text}'", span, hint=f"known here: {near}")
        return found

    def value(self, value: Value, span: Span) -> Value:
        if not isinstance(value, Address):
            return value
        number = self.constant(value.name) if not value.offset else None
        found = number if number is not None else self.address(value, span)
        if isinstance(found, Address) and found.name.partition(".")[0] in self.views and found.name not in self.views:
            raise Unsupported(f"a pointer to {found.name}, which is in a union", span)
        return found

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
        if name in self.views:
            return [MemLoc(Address(text)) for text, (_, t) in self.views[name].items() if isinstance(t, Integer | Pointer)]
        return [
            MemLoc(Address(name, i, self.names(name)), text)
            for i, (text, t) in enumerate(self.places[name])
            if not isinstance(t, Other | Tagged)  # a lock has no value to look at
        ]

    # ------------------------------------------------------------ when the test is whole

    def typed(self, test: Test) -> Test:
        """The test with initial values in their types, and the question's numbers in those of what they are compared with."""
        if self.views:
            test = self.viewed(test)
        kinds = [self.kind(g.address, g.type, g.span) for g in test.globals]
        world = tuple([self.fitting(g, t) for g, t in zip(test.globals, kinds, strict=True)])
        types = {f.tid: f.types for f in self.functions}
        registers = tuple([(loc, _fitting(v, types.get(loc.tid, {}).get(loc.reg, LONG))) for loc, v in test.registers])
        if world != test.globals or registers != test.registers:
            test = replace(test, globals=world, registers=registers)
        if not self.views and not any(
            t == U64 or t == U32 for t in (*kinds, *[t for f in self.functions for t in f.types.values()])
        ):
            return test
        of = {g.address: t for g, t in zip(test.globals, kinds, strict=True)}

        def type_of(loc: Loc) -> CType:
            if isinstance(loc, RegLoc):
                return types.get(loc.tid, {}).get(loc.reg, LONG)
            return of.get(loc.address) or self.kind(loc.address, "", NOWHERE)

        def unsigned(c: Compare) -> Compare:
            left, right = c.left, c.right
            if isinstance(left, RegLoc | MemLoc) and type_of(left) == U32 and isinstance(right, int) and -(1 << 31) <= right < 0:
                return Compare(c.op, left, right + (1 << 32), c.span)
            return c

        test = replace(test, condition=replace(test.condition, prop=change(test.condition.prop, unsigned)))
        test = replace(test, filter=change(test.filter, unsigned)) if test.filter else test

        def width(loc: Loc) -> int:
            t = type_of(loc)
            if isinstance(loc, MemLoc) and loc.address in viewed and isinstance(t, Integer) and t.signed:
                return -t.bits  # its parts hold bits
            return 64 if t == U64 else 0

        viewed = {view.address for view in test.views}
        return retyped(test, width, lambda loc, width: True)

    def viewed(self, test: Test) -> Test:
        """The test with what is laid out in bytes as the parts that no member has a part of."""
        views = {text: (name, at, t) for name, of in self.views.items() for text, (at, t) in of.items()}
        made = [g for g in test.globals if g.address.name not in views and g.address.name not in self.views]
        told = {g.address.name: g for g in test.globals if g.address.name in views}
        sizes = {text: self.layouts.bytes(t, told[text].span)[0] for text, (_, _, t) in views.items()}
        for name, of in self.views.items():
            ends = sorted({end for text, (at, _) in of.items() for end in (at, at + sizes[text])})
            for begin, end in pairwise(ends):
                over = [(text, at) for text, (at, _) in of.items() if at <= begin < at + sizes[text]]
                if not over:
                    continue  # padding
                value: Value = 0
                for text, at in over:
                    said = told[text].value
                    if isinstance(said, int):
                        said = _fitting(said, of[text][1]) >> 8 * (begin - at) & (1 << 8 * (end - begin)) - 1  # type: ignore[operator]
                        said = said if end - begin < 8 or said < 1 << 63 else said - (1 << 64)
                    if said != 0 and value not in (0, said):
                        raise SyntaxProblem(f"two initial values for '{text}'", told[text].span, hint="give one member of a union")
                    value = said or value
                kind = next((f"{_pointer(of[text][1])}" for text, at in over if sizes[text] == end - begin), "")
                made.append(Global(Address(name, begin), value, kind, told[over[0][0]].span, end - begin))
        shown = tuple(
            [View(Address(text), Address(name, at), sizes[text], told[text].span) for text, (name, at, _) in views.items()]
        )
        return replace(test, globals=tuple(made), views=shown)

    def fitting(self, g: Global, t: CType) -> Global:
        value = _fitting(g.value, t)
        return g if value == g.value and not self.places else replace(g, value=value, type=self.said(g.address, g.type))

    def kind(self, address: Address, text: str, span: Span) -> CType:
        for text, (_, t) in self.views.get(address.name.partition(".")[0], {}).items():
            if text == address.name:
                return t
        if address.name in self.views:
            return LONG  # a part, which has been given the bits of its value
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


def _pointer(t: CType) -> str:
    """A type's name, for those who ask whether something is a pointer."""
    return "void *" if isinstance(t, Pointer) else ""


def _addresses(entries: tuple[Entry, ...], tail: Tail) -> list[Address]:
    found = [v for e in entries for v in e.values if isinstance(v, Address)]
    return found + [p for p, _ in (*tail.mentioned, *tail.listed) if isinstance(p, Address)]
