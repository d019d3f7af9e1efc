"""Which words of kernel code order memory, and what each does, as the kernel model's table has it (models/lkmm/linux.def).

A primitive is a verb (fence, read, write, rmw, lock, …), a strength, and where its place is among its arguments. All of it
follows from the definition, by the built-ins it comes down to; where that does not say it, `[verb strength, place]` behind the
definition does. Names that mean the same to the model have the same verb and strength.

    smp_load_acquire(X) __load{ACQUIRE}(*X)       Primitive("read", "acquire", 0, "address")
    virt_mb() { smp_mb(); }                       Primitive("fence", "smp_mb")
    mb() { __fence{MB}; }  // [fence mb]          Primitive("fence", "mb")

The strength of a read or write is plain, once, acquire, release or mb. That of a read-modify-write is its operation and its
order: void (gives nothing, orders nothing), relaxed, acquire, release or full; one that may fail ("cmpxchg", "add_unless", …)
has the order when it succeeds, and none when it fails. That of a lock, a grace period or deferred work is its kind.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from checker.parse.macros import OneALine, shipped_table
from checker.program.ir import Assign, Call, Const, Deref, Do, Expr, If, Macro, Op, Reg, Stmt, While, Write


class Primitive(Struct, frozen=True):
    """`place`: the argument that names what is accessed, -1 for none; `form`: it is an "address" or an "lvalue".

    `of_null`: the strength where a constant NULL is stored.
    """

    verb: str
    strength: str
    place: int = -1
    form: str = "address"
    of_null: str = ""


FENCE, READ, WRITE, RMW = "fence", "read", "write", "rmw"
LOCK, UNLOCK, GRACE, DEFER, FREE, CALL, JUMP = "lock", "unlock", "grace", "defer", "free", "call", "jump"

ORDERING = frozenset({FENCE, GRACE})
ACCESSES = frozenset({READ, WRITE, RMW})
SECTIONS = frozenset({LOCK, UNLOCK})
CONCERNS = ORDERING | SECTIONS | {RMW, DEFER, FREE}
"""What a reviewer of barriers wants to know of, whatever it touches; reads and writes count where they are marked."""

_VERBS = ACCESSES | CONCERNS | {CALL}
_ANNOTATION = re.compile(r"\[([a-z]+)((?: \w+)*)(?:, (?:(\w+)|\((\w+)\)))?\]")


def _table() -> OneALine:
    return shipped_table("lkmm/linux.def")


def _words(kind: str) -> frozenset[str]:
    table = _table()
    return frozenset([name for name in table if table.comment(name).startswith(f"[{kind}]")])


TRANSPARENT = _words("transparent")
"""Calls that do nothing but evaluate their arguments."""

SILENT = _words("silent") | {"sizeof", "offsetof", "typeof"}  # the last three are words of C
"""Calls whose arguments are not even evaluated."""

WHOLE = _words("whole")
"""Calls that write all of the object that the first argument points to."""


class _Primitives(Mapping[str, Primitive]):
    """Every primitive of the table, each classified when it is first asked for."""

    def __getitem__(self, name: str) -> Primitive:
        found = primitive(name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in _table() if primitive(name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


PRIMITIVES: Mapping[str, Primitive] = _Primitives()


@functools.cache
def primitive(name: str) -> Primitive | None:
    """What the function or macro `name` does, if it is one that orders or accesses memory."""
    table = _table()
    bare = name if name in table else re.sub("^(?:raw|arch)_", "", name)  # a layer below, which has the same functions
    if bare not in table or bare in TRANSPARENT | SILENT:
        return None
    found = _said(bare, table) or _classified(table[bare], table)
    if found is None:
        return None
    null = re.search(r"\[null (\w+)\]", table.comment(bare))
    return replace(found, of_null=null[1] if null else "", strength=name if found.verb == CALL else found.strength)


@functools.cache
def spelled(name: str) -> str:
    """The name by which the table has a function or macro of the kernel, or of the layer below; empty where it has none."""
    bare = re.sub("^(?:raw|arch)_", "", name)
    return name if name in _table() else bare if bare in _table() else ""


@functools.cache
def sayable(name: str) -> bool:
    """Whether a test can say the primitive."""
    table, named = _table(), spelled(name)
    return bool(named) and not any(
        isinstance(s, Do) and s.call == Call("__unmodelled", (), s.call.tags, s.call.span)
        for s in table[named].body
        if isinstance(s, Do) and isinstance(s.call, Call)
    )


@functools.cache
def gives(name: str) -> bool:
    """Whether the primitive gives a value."""
    named = spelled(name)
    return bool(named) and _table()[named].value is not None


_ORDERLY = frozenset({"lock", "unlock", "trylock", "barrier", "fence", "mb", "rmb", "wmb", "acquire", "release"})
_ASKING = frozenset({"lockdep", "assert", "held", "is"})


@functools.cache
def says_order(name: str) -> bool:
    """Whether a call that no table has orders something by its name: raw_spin_lock_irqsave_rcu_node()."""
    words = set(name.lower().split("_"))
    return bool(words & _ORDERLY) and not words & _ASKING


def _said(name: str, table: OneALine) -> Primitive | None:
    """What stands in brackets behind a definition; the place is the definition's where the brackets have none."""
    found = _ANNOTATION.match(table.comment(name))
    if found is None or found[1] not in _VERBS:
        return None
    macro, place = table[name], found[3] or found[4]
    if place:
        index, form = macro.params.index(place), "lvalue" if found[4] else "address"
    else:
        index, form = _place(_effects(macro, table))
    return Primitive(found[1], found[2].strip(), index, form)


# ---------------------------------------------------------------- what a definition comes down to


class _Effect(Struct, frozen=True):
    """One built-in in the terms of the macro's parameters: its name and tags, and the parameter it accesses, if it is one.

    `said`: verb and strength, where it is another primitive, with these in brackets behind it.
    """

    name: str
    tags: frozenset[str]
    place: int = -1
    form: str = "address"
    said: tuple[str, str] | None = None


_LOCATED = frozenset({"__load", "__store"})  # these take a location, the others a pointer
_HAVE_NO_PLACE = frozenset({"__fence", "__assume", "__first", "__last", "__after", "__null", "__flush", "__defer"})


def _effects(macro: Macro, table: OneALine) -> list[_Effect]:
    bound = {param: (i, 0) for i, param in enumerate(macro.params)}
    return [*_in_macro(macro, bound, table)]


_Bound = dict[str, tuple[int, int]]  # a parameter of the macro at work: which of the first macro's, and how often dereferenced


def _in_macro(macro: Macro, bound: _Bound, table: OneALine) -> Iterator[_Effect]:
    if macro.value is not None:
        alone = _argument(macro.value, bound)
        if alone is not None:  # nothing but a parameter: what is given is read
            yield _Effect("__load", frozenset(), alone[0], "lvalue")
        yield from _in(macro.value, bound, table)
    yield from _in_all(macro.body, bound, table)


def _in_all(body: tuple[Stmt, ...], bound: _Bound, table: OneALine) -> Iterator[_Effect]:
    for statement in body:
        match statement:
            case Do(call):
                yield from _in(call, bound, table)
            case Write(addr, value):
                yield from _in(value, bound, table)
                yield _effect("__store", frozenset(), Deref(addr), bound)
            case Assign(_, value):
                yield from _in(value, bound, table)
            case If(cond, then, orelse):
                yield from _in(cond, bound, table)
                yield from _in_all((*then, *orelse), bound, table)
            case While(cond, inner):
                yield from _in(cond, bound, table)
                yield from _in_all(inner, bound, table)


def _in(e: Expr, bound: _Bound, table: OneALine) -> Iterator[_Effect]:
    match e:
        case Const() | Reg():
            pass
        case Deref():
            yield _effect("__load", frozenset(), e, bound)
        case Op(_, args):
            for arg in args:
                yield from _in(arg, bound, table)
        case Call(name, args) if name in table:
            given = [_argument(arg, bound) for arg in args]
            for arg, found in zip(args, given, strict=False):
                if found is None:
                    yield from _in(arg, bound, table)
            inner, said = table[name], _said(name, table)
            if said is not None:
                at = given[said.place] if said.place >= 0 else None
                place, form = (at[0], said.form) if at is not None else (-1, "address")
                yield _Effect(name, frozenset(), place, form, (said.verb, said.strength))
                return
            yield from _in_macro(inner, {p: g for p, g in zip(inner.params, given, strict=False) if g is not None}, table)
        case Call("__cond_load", (place, _), tags):  # its condition is about what it reads
            yield _effect("__load", frozenset(tags), place, bound)
        case Call(name, args, tags):
            rest = args if name in _HAVE_NO_PLACE else args[1:]
            for arg in rest:
                yield from _in(arg, bound, table)
            yield _effect(name, frozenset(tags), None if name in _HAVE_NO_PLACE or not args else args[0], bound)


def _argument(e: Expr, bound: _Bound) -> tuple[int, int] | None:
    """Which parameter an expression is, and how often it is dereferenced; -1: its address is taken. None for anything else."""
    match e:
        case Reg(name):
            return bound.get(name)
        case Deref(addr) if (found := _argument(addr, bound)) is not None:
            return found[0], found[1] + 1
        case Op("ref", (arg,)) if (found := _argument(arg, bound)) is not None:
            return found[0], found[1] - 1
        case Op("add", (array, _)):  # an element of an array
            return _argument(array, bound)
    return None


def _effect(name: str, tags: frozenset[str], place: Expr | None, bound: _Bound) -> _Effect:
    found = _argument(place, bound) if place is not None else None
    if found is None:
        return _Effect(name, tags)
    index, depth = found
    pointer = depth - (1 if name in _LOCATED else 0)  # how often the pointer to it is dereferenced
    return _Effect(name, tags, index, "address" if pointer == 0 else "lvalue")


# ---------------------------------------------------------------- verbs and strengths

# What a tag, or a built-in without tags, says by itself.
_TAGGED = {
    "rcu-lock": (LOCK, "rcu"), "rcu-unlock": (UNLOCK, "rcu"), "sync-rcu": (GRACE, "rcu"), "sync-srcu": (GRACE, "srcu"),
    "srcu-fast srcu-lock": (LOCK, "srcu fast"), "srcu-fast srcu-unlock": (UNLOCK, "srcu fast"), "srcu-lock": (LOCK, "srcu"),
    "srcu-unlock": (UNLOCK, "srcu"), "srcu-cleanup": (FREE, "free"), "FREE": (FREE, "free"),
}  # fmt: skip
_NAMED = {
    "__lock": (LOCK, "spin"), "__unlock": (UNLOCK, "spin"), "__trylock": (LOCK, "spin try"), "__islocked": (READ, "once"),
    "__defer": (DEFER, "rcu"), "__defer_srcu": (DEFER, "srcu"), "__defer_free": (DEFER, "rcu"),
    "__flush": (GRACE, "rcu barrier"), "__flush_srcu": (GRACE, "srcu barrier"), "__flush_free": (GRACE, "kvfree barrier"),
}  # fmt: skip
_ORDERS = {"ACQUIRE": "acquire", "RELEASE": "release", "ONCE": "once", "MB": "mb"}
_RMW_ORDERS = {"ACQUIRE": "acquire", "RELEASE": "release", "ONCE": "relaxed", "MB": "full", "NORETURN": "void"}
_RMW = re.compile(r"__(xchg|cmpxchg|try_cmpxchg)|__atomic_(add_unless)|__atomic_(op|op_return|fetch_op):(\w+)")


def _classified(macro: Macro, table: OneALine) -> Primitive | None:
    """Verb and strength by what the definition comes down to; None where it orders and accesses nothing."""
    effects = _effects(macro, table)
    place, form = _place(effects)
    for e in effects:
        found = e.said or _TAGGED.get(" ".join(sorted(e.tags))) or _NAMED.get(e.name)
        if found is not None:
            return Primitive(*found, e.place, e.form)
    for e in effects:
        if operation := _operation(e):
            return Primitive(RMW, f"{operation} {_order(e, _RMW_ORDERS, 'relaxed')}", e.place, e.form)
    fences = [e for e in effects if e.name == "__fence"]
    stores = [e for e in effects if e.name == "__store"]
    if stores:
        return Primitive(WRITE, "mb" if fences else _order(stores[-1], _ORDERS, "plain"), place, form)
    loads = [e for e in effects if e.name == "__load"]
    if loads:
        return Primitive(READ, _order(loads[0], _ORDERS, "plain"), place, form)
    return Primitive(FENCE, _first_named(fences[0].tags)) if fences else None


def _place(effects: list[_Effect]) -> tuple[int, str]:
    """The first parameter that is written, else the first that is accessed."""
    found = [e for e in effects if e.place >= 0]
    first = next((e for e in found if e.name != "__load"), found[0] if found else None)
    return (first.place, first.form) if first is not None else (-1, "address")


def _operation(e: _Effect) -> str:
    """The operation of a read-modify-write: xchg, cmpxchg, add_unless, add, add_return, fetch_add; empty for anything else."""
    found = _RMW.fullmatch(e.name)
    if found is None:
        return ""
    if found[4]:
        return {"op": "{}", "op_return": "{}_return", "fetch_op": "fetch_{}"}[found[3]].format(found[4])
    return (found[1] or found[2]).removeprefix("try_")


def _order(e: _Effect, orders: Mapping[str, str], otherwise: str) -> str:
    return next((orders[tag] for tag in sorted(e.tags) if tag in orders), otherwise)


@functools.cache
def _first_named(tags: frozenset[str]) -> str:
    """The first primitive of the table that is this fence and nothing else."""
    table = _table()
    for name in table:
        match table[name]:
            case Macro(value=None, body=(Do(Call("__fence", (), found)),)) if frozenset(found) == tags:
                return name
    raise AssertionError(f"no primitive is the fence {set(tags)}")
