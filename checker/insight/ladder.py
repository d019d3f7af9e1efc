"""The kernel's ladder: which operations do what another does, with less order; down to none.

    smp_mb()                  smp_wmb(), smp_rmb(), nothing
    smp_store_release(p, v)   WRITE_ONCE(*p, v)
    xchg(p, v)                xchg_release(p, v), xchg_acquire(p, v), xchg_relaxed(p, v)
    synchronize_srcu(ss)      nothing

What an operation is, the table says (kernel/primitives.py); the names of a family differ by `_acquire`, `_release`, `_relaxed`.
"""

from __future__ import annotations

import re

from msgspec import Struct
from msgspec.structs import replace

from checker.kernel.primitives import FENCE, GRACE, LOCK, READ, RMW, UNLOCK, WRITE, primitive
from checker.program.ir import Call, Deref, Expr, Table

LIGHTER = {"smp_mb": ("smp_wmb", "smp_rmb")}
_ORDER = {"acquire": 1, "release": 1, "full": 2, "mb": 2}
_SUFFIX = re.compile(r"_(?:acquire|release|relaxed)$")


def weaker(call: Call, table: Table) -> tuple[tuple[str, Expr | None], ...]:
    """What may stand in the place of `call`, by name, the weakest last; None is nothing at all. Empty for what orders nothing."""
    found = primitive(call.name)
    if found is None or call.name not in table:
        return ()
    match found.verb:
        case verb if verb == FENCE and found.strength != "barrier":
            lighter = [name for name in LIGHTER.get(found.strength, ()) if name in table]
            return (*[(f"{name}()", Call(name, (), (), call.span)) for name in lighter], ("nothing", None))
        case verb if verb == GRACE:
            return (("nothing", None),)
        case verb if verb in (READ, WRITE, RMW):
            return tuple(_accesses(call, found.verb, found.strength.rpartition(" ")[2], table))
    return ()


def section(call: Call) -> str:
    """lock, unlock or grace for an operation that begins, ends or waits for a section, and always does; else nothing."""
    found = primitive(call.name)
    if found is None or found.verb not in (LOCK, UNLOCK, GRACE) or "try" in found.strength:
        return ""
    return str(found.verb)


def _accesses(call: Call, verb: str, order: str, table: Table) -> list[tuple[str, Expr | None]]:
    """The same access with less order."""
    rank = _ORDER.get(order, 0)
    if not rank:
        return []
    if call.name == "smp_store_mb":
        pointer, value = call.args
        return [("WRITE_ONCE()", Call("WRITE_ONCE", (pointer, value), (), call.span))]
    if verb == READ and call.name == "smp_load_acquire":
        return [("READ_ONCE()", Call("READ_ONCE", (Deref(call.args[0], call.span),), (), call.span))]
    if verb == WRITE and call.name == "smp_store_release":
        target = Deref(call.args[0], call.span)
        return [("WRITE_ONCE()", Call("WRITE_ONCE", (target, call.args[1]), (), call.span))]
    if verb == WRITE and call.name == "rcu_assign_pointer":
        return [("WRITE_ONCE()", Call("WRITE_ONCE", call.args, (), call.span))]
    bare = _SUFFIX.sub("", call.name)
    names = [f"{bare}_release", f"{bare}_acquire", f"{bare}_relaxed", *([bare] if verb != RMW else [])]
    known = [(name, primitive(name)) for name in names if name in table and name != call.name]
    orders = [(name, _ORDER.get(p.strength.rpartition(" ")[2], 0)) for name, p in known if p is not None and p.verb == verb]
    less = sorted([(name, n) for name, n in orders if n < rank], key=lambda x: -x[1])
    return [(f"{name}()", Call(name, call.args, call.tags, call.span)) for name, _ in less]


# ---------------------------------------------------------------- upwards

_POINTED = {"READ_ONCE": ("smp_load_acquire", "acquire"), "WRITE_ONCE": ("smp_store_release", "release")}


class Form(Struct, frozen=True):
    """A stronger form of a call of `of`: its name, and the order it gives (acquire, release, full). `pointer`: its first argument
    is the address of what is the first argument of the other."""

    of: str
    name: str
    order: str
    pointer: bool = False

    def made(self, call: Call) -> Expr:
        """The call in this form."""
        first, *rest = call.args or (None,)
        if self.pointer:
            assert isinstance(first, Deref)
            return replace(call, name=self.name, args=(first.addr, *rest))
        return replace(call, name=self.name)


def stronger(call: Call, table: Table) -> tuple[Form, ...]:
    """The forms of an access that give more order."""
    found = primitive(call.name)
    if call.name in _POINTED and isinstance(call.args[0], Deref):
        name, order = _POINTED[call.name]
        return (Form(call.name, name, order, pointer=True),) if name in table else ()
    if found is None or found.verb not in (READ, WRITE, RMW) or "void" in found.strength:
        return ()
    now = found.strength.rpartition(" ")[2]
    bare = _SUFFIX.sub("", call.name)
    wanted = {"acquire": f"{bare}_acquire", "release": f"{bare}_release", **({"full": bare} if found.verb == RMW else {})}
    known = {order: primitive(name) for order, name in wanted.items() if name in table and name != call.name}
    return tuple(
        [
            Form(call.name, wanted[order], order)
            for order, p in known.items()
            if p is not None
            and p.verb == found.verb
            and p.strength.rpartition(" ")[2] == order
            and _ORDER[order] > _ORDER.get(now, 0)
        ]
    )
