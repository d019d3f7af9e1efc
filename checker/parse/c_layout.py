"""The structures and enumerations a file declares: where each member is, and what each name is worth.

An address counts locations, not bytes: a member of any scalar type is one location, an array or a structure inside as many as it
has members. So `&k` and the address of its first member are one address, and every member is a location of its own.

    struct kvm { int *buses; int ready; };      member("kvm", "ready")    (1, INT)

What has a union in it, or is inside of such a thing, is laid out in bytes, as LP64 has it: a location there is as much as no member
has a part of.

    struct lock { union { u32 val; struct { u8 locked; u8 pending; u16 tail; }; }; };       member("lock", "tail")    (2, U16)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct, field

from checker.core.source import NOWHERE, LimitExceeded, Span, SyntaxProblem, UnknownName, Unsupported
from checker.parse.c_syntax import Enumeration, Field, Structure, Typedef, Unit
from checker.parse.c_types import INT, U32, VOID, Array, CType, Integer, Pointer, Tagged, typed, words_of
from checker.program.ir import Expr

MAX_MEMBERS = 1024


class Layouts(Struct):
    """What the units of a file say of types. `constants` are its enumerators."""

    members: dict[str, dict[str, tuple[int, CType]]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)
    enums: dict[str, CType] = field(default_factory=dict)
    typedefs: dict[str, CType] = field(default_factory=dict)
    in_bytes: set[str] = field(default_factory=set)
    """What is laid out in bytes."""
    extents: dict[str, tuple[int, int]] = field(default_factory=dict)
    """How large each of these is, and what its address is a multiple of."""

    def type(self, text: str, span: Span) -> CType:
        """The type written as `text`."""
        if self.typedefs and (words := words_of(text))[-1:] and words[-1] in self.typedefs:
            found: CType | None = self.typedefs[words[-1]]
            for _ in range(text.count("*")):
                found = Pointer(found)  # type: ignore[arg-type]
            return found  # type: ignore[return-value]
        found = typed(text)
        if found is None:
            raise Unsupported(f"the type '{' '.join(text.split())}'", span, hint="integers have at most 64 bits")
        if self.enums and "enum" in text and "*" not in text:
            return self.enums.get(text.split()[-1], found)
        return found

    def size(self, t: CType) -> int:
        """How many locations something of this type is."""
        match t:
            case Tagged(tag):
                return self.sizes.get(tag, 1)
            case Array(of, length):
                return self.size(of) * length
        return 1

    def bytes(self, t: CType, span: Span) -> tuple[int, int]:
        """What `sizeof` says of a type, and what its address is a multiple of (LP64)."""
        match t:
            case Integer(bits):
                return (bits + 7) // 8, (bits + 7) // 8
            case Pointer():
                return 8, 8
            case Array(of, length):
                size, align = self.bytes(of, span)
                return size * length, align
            case Tagged(tag) if tag in self.extents:
                return self.extents[tag]
            case Tagged(tag) if tag in self.members:
                at, widest = 0, 1
                for _, member in self.members[tag].values():
                    size, align = self.bytes(member, span)
                    at = -(-at // align) * align + size
                    widest = max(widest, align)
                return -(-at // widest) * widest, widest
        said = f"struct {t.tag}" if isinstance(t, Tagged) else getattr(t, "name", "it")
        hint = "it depends on the kernel's configuration: write a number" if t != VOID else "write a number"
        raise Unsupported(f"nothing says how large '{said}' is", span, hint=hint)

    def member(self, t: CType, name: str, span: Span) -> tuple[int, CType]:
        """Where member `name` of a structure begins, and its type."""
        if not isinstance(t, Tagged):
            raise SyntaxProblem(f"'{name}' of something that is no structure", span)
        if t.tag not in self.members:
            raise UnknownName(
                f"nothing says what is in 'struct {t.tag}'", span,
                hint=f"declare it before the processes: struct {t.tag} {{ int {name}; }};",
            )  # fmt: skip
        members = self.members[t.tag]
        if name not in members:
            raise UnknownName(f"'struct {t.tag}' has no member '{name}'", span, hint=f"it has {', '.join(members)}")
        return members[name]

    # ------------------------------------------------------------ declarations

    def declare(self, unit: Structure | Enumeration | Typedef, constant: Callable[[Expr, Span], int]) -> None:
        """Take in a declaration; `constant` gives the value of a constant expression."""
        if isinstance(unit, Typedef):
            name, t = unit.field.name, self.array(self.type(unit.field.type, unit.field.span), unit.field, constant)
            if self.typedefs.setdefault(name, t) != t:
                raise SyntaxProblem(f"'{name}' is declared twice", unit.field.span)
            return
        if isinstance(unit, Enumeration):
            self.enumerate(unit, constant)
            return
        if unit.tag in self.members:
            raise SyntaxProblem(f"'struct {unit.tag}' is declared twice", unit.span)
        self.structure(unit, constant)

    def structure(self, unit: Structure, constant: Callable[[Expr, Span], int]) -> None:
        tag, in_bytes = unit.tag, unit.tag in self.in_bytes
        members: dict[str, tuple[int, CType]] = {}
        at, size, widest = 0, 0, 1
        for n, f in enumerate(unit.fields):
            t = self.array(self.member_type(f, tag, n, constant), f, constant, parts=in_bytes)
            room = self.size(t)
            if in_bytes:
                room, align = self.bytes(t, f.span)
                at, widest = -(-at // align) * align, max(widest, align)
            inside = {f.name: (0, t)} if f.name else self.members[t.tag]  # type: ignore[union-attr]
            for name, (further, of) in inside.items():
                if name in members:
                    raise SyntaxProblem(f"two members are called '{name}'", f.span)
                members[name] = (at + further, of)
            size = max(size, at + room)
            at = 0 if unit.union else at + room
            if size > MAX_MEMBERS:
                raise LimitExceeded(f"'struct {tag}' has more than {MAX_MEMBERS} {'bytes' if in_bytes else 'locations'}", f.span)
        if not members:
            raise SyntaxProblem(f"'struct {tag}' has no members", unit.span)
        if in_bytes:
            size = -(-size // widest) * widest
            self.extents[tag] = (size, widest)
        self.members[tag], self.sizes[tag] = members, size

    def member_type(self, f: Field, tag: str, n: int, constant: Callable[[Expr, Span], int]) -> CType:
        """The type of member `n` of a structure, or of an element of it."""
        if f.inner:
            inner = f"{tag}.{f.name or n}"
            if tag in self.in_bytes:
                self.in_bytes.add(inner)
            self.structure(Structure(inner, f.inner, f.span, f.union), constant)
            return Tagged(inner)
        t = self.type(f.type, f.span)
        if isinstance(t, Tagged) and t.tag == tag:
            raise SyntaxProblem(f"'struct {tag}' inside itself", f.span, hint="only a pointer to it can be a member")
        return t

    def array(self, t: CType, f: Field, constant: Callable[[Expr, Span], int], *, parts: bool = False) -> CType:
        """The type of a field whose elements are of type t."""
        for size in reversed(f.sizes):
            length = constant(size, f.span)
            if not 0 < length <= MAX_MEMBERS:
                raise SyntaxProblem(f"an array of {length} elements", f.span, hint=f"1 to {MAX_MEMBERS}")
            t = Array(t, length, parts)
        return t

    def enumerate(self, unit: Enumeration, constant: Callable[[Expr, Span], int]) -> None:
        at = 0
        signed = False
        for name, value, span in unit.names:
            if value is not None:
                at = constant(value, span)
            if name in self.constants:
                raise SyntaxProblem(f"'{name}' is declared twice", span)
            if not -(1 << 31) <= at < 1 << 31:
                raise Unsupported(f"the enumerator {name} = {at}", span, hint="an enumerator is an int")
            self.constants[name] = at
            signed = signed or at < 0
            at += 1
        if unit.tag:
            self.enums[unit.tag] = INT if signed else U32

    # ------------------------------------------------------------ every location of a structure

    def places(self, name: str, t: CType, at: int = 0) -> Iterator[tuple[str, int, CType]]:
        """The members of `name` that are no structures or arrays, as they are written, each with where it is and its type."""
        match t:
            case Tagged(tag) if tag in self.members:
                for member, (offset, of) in self.members[tag].items():
                    yield from self.places(f"{name}.{member}", of, at + offset)
            case Array(of, length, parts):
                step = self.bytes(of, NOWHERE)[0] if parts else self.size(of)
                for i in range(length):
                    yield from self.places(f"{name}[{i}]", of, at + i * step)
            case _:
                yield name, at, t


def in_bytes(units: Sequence[Unit]) -> set[str]:
    """The structures that have a union in them, or are inside of one that has, and the unions."""
    of = {unit.tag: unit for unit in units if isinstance(unit, Structure)}
    inside = {tag: set(_inside(unit.fields)) for tag, unit in of.items()}
    found = {tag for tag, unit in of.items() if unit.union or _has_union(unit.fields)}
    while more := {
        tag for tag in of if tag not in found and (inside[tag] & found or any(tag in inside[one] for one in found & of.keys()))
    }:
        found |= more
    return found


def _has_union(fields: tuple[Field, ...]) -> bool:
    return any(f.union or _has_union(f.inner) for f in fields)


def _inside(fields: tuple[Field, ...]) -> Iterator[str]:
    """The tags of what is in a structure as a whole."""
    for f in fields:
        yield from _inside(f.inner)
        if not f.inner and "*" not in f.type and isinstance(t := typed(f.type), Tagged):
            yield t.tag
