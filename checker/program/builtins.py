"""The built-ins that tables are written in, as herd has them (CSem.ml, the semantics of lkmmv2), and a few of our own.

Each takes the expander at work and the call, and appends the instructions the call stands for; those that give a value return
the expression for it. `lkmm/linux.def` and `aarch64/linux-lse.def` tell what each is for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from checker.core.source import Unsupported
from checker.core.value import FREED
from checker.program.ir import Allocate, Assign, Assume, Branch, Call, Choose, Const, Do, Expr, Label, Op, Reg

if TYPE_CHECKING:
    from checker.program.expand import Expander


def event_set(tag: str) -> str:
    """The set a tag names: 'rcu-lock is Rcu-lock, 'ONCE is ONCE (only the first letter changes; BellName.ml)."""
    return tag[:1].upper() + tag[1:]


def _tags(call: Call, *more: str) -> frozenset[str]:
    return frozenset([event_set(t) for t in call.tags] + list(more))


NARROW = frozenset({"int8", "int16", "int32", "uint8", "uint16", "uint32"})


def _narrowed(location: Expr, value: Expr) -> Expr:
    """`value` as it fits into a location, whose address says so where it is narrower than a register (c_values.py)."""
    return Op(location.op, (value,)) if isinstance(location, Op) and location.op in NARROW else value


Emit: TypeAlias = "Callable[[Expander, Call], Expr]"
Perform: TypeAlias = "Callable[[Expander, Call], None]"


def _load(x: Expander, call: Call) -> Expr:
    x.arity(call, 1)
    return x.load(x.location(call.args[0], call), _tags(call), call.span)


def _cond_load(x: Expander, call: Call) -> Expr:
    """`__cond_load{T}(*X, C)`: reads until C holds, in which VAL is what was read; of all the rounds, the last is looked at."""
    x.arity(call, 2)
    since = x.units
    value = x.load(x.location(call.args[0], call), _tags(call), call.span)
    x.code.append(Assign("VAL", value, call.span))
    with x.point(since):
        x.code.append(Assume(x.flat(call.args[1]), call.span, waits=True))
    return value


def _store(x: Expander, call: Call) -> None:
    x.arity(call, 2)
    addr = x.location(call.args[0], call)
    x.store(addr, x.flat(call.args[1]), _tags(call), call.span)


def _fence(x: Expander, call: Call) -> None:
    x.mark(_tags(call, "F"), call.span)


def _xchg(x: Expander, call: Call) -> Expr:
    x.arity(call, 2)
    addr, value = x.flat(call.args[0]), x.flat(call.args[1])
    pair, tags = x.new_pair(), _tags(call, "RMW")
    old = x.load(addr, tags, call.span, pair=pair)
    x.store(addr, value, tags, call.span, pair=pair, last=True)
    return old


def _cmpxchg(x: Expander, call: Call) -> Expr:
    """Reads; writes only when the old value is the expected one. That it is written depends on the comparison, in the weak way
    of a CAS instruction (the kernel model takes no notice). For herd the new value is computed on success alone."""
    x.arity(call, 3)
    addr, expected = x.flat(call.args[0]), x.flat(call.args[1])
    new = x.flat(call.args[2]) if x.compiled else call.args[2]
    pair, tags = x.new_pair(), _tags(call, "RMW")
    old = x.load(addr, tags, call.span, pair=pair)
    fail = x.label("fail")
    differs = Op("ne", (old, expected))
    x.code.append(Branch(differs, fail, ctrl=False, span=call.span))
    x.store(addr, Op("weak", (x.flat(new), differs)), tags, call.span, pair=pair, last=True)
    x.code.append(Label(fail))
    return old


def _try_cmpxchg(x: Expander, call: Call) -> Expr:
    """`cmpxchg` that gives whether it succeeded, and on failure puts what it read into the local `&expected`."""
    x.arity(call, 3)
    match call.args[1]:
        case Op("ref", (Reg() as expected,)):
            pass
        case _:
            raise Unsupported(f"'{x.called(call)}' needs the address of a local variable", call.span, hint="write &old")
    addr, before = x.flat(call.args[0]), Reg(x.temp())
    x.code.append(Assign(before.name, expected, call.span))
    new = x.flat(call.args[2]) if x.compiled else call.args[2]
    pair, tags = x.new_pair(), _tags(call, "RMW")
    old = x.load(addr, tags, call.span, pair=pair)
    fail, end = x.label("fail"), x.label("endtry")
    x.code.append(Branch(Op("ne", (old, before)), fail, ctrl=False, span=call.span))
    x.store(addr, x.flat(new), tags, call.span, pair=pair)
    x.code.append(Branch(Const(1), end, ctrl=False, span=call.span))
    x.code.append(Label(fail))
    x.code.append(Assign(expected.name, old, call.span))
    x.code.append(Label(end))
    return Op("eq", (old, before))


def _after(x: Expander, call: Call) -> Expr:
    """`__after{T}(E)`: E, then a fence; `__after{T}(E, C)`: the fence only where E gives C (an LL/SC loop that failed skips it)."""
    if len(call.args) not in (1, 2):
        x.arity(call, 2)
    since = x.units
    value = x.flat(call.args[0])
    end = x.label("after")
    if len(call.args) == 2:
        x.code.append(Branch(Op("ne", (value, x.flat(call.args[1]))), end, ctrl=False, span=call.span))
    with x.point(since):
        x.mark(_tags(call, "F"), call.span)
    x.code.append(Label(end))
    return value


def _before(x: Expander, call: Call) -> Expr:
    """`__before{T}(E)`: a fence, then E."""
    x.arity(call, 1)
    return x.in_turn((Do(Call("__fence", (), call.tags, call.span), call.span),), call.args[0])


def _ctrl(x: Expander, call: Call) -> Expr:
    """`__ctrl(E)`: E, and a branch that looks at it, so that all that follows is control dependent on it."""
    x.arity(call, 1)
    value, end = x.flat(call.args[0]), x.label("ctrl")
    x.code.append(Branch(Op("first", (Const(0), value)), end, ctrl=True, span=call.span))
    x.code.append(Label(end))
    return value


def _first(x: Expander, call: Call) -> Expr:
    """`__first(V, A, ..)`: V, and then A is done, and so on; the value is that of V."""
    first, *others = call.args
    return x.in_turn((), first, tuple([Do(other, x.here) for other in others]))


def _last(x: Expander, call: Call) -> Expr:
    """`__last(A, .., V)`: A is done, and so on, and then V; the value is that of V."""
    *others, last = call.args
    return x.in_turn(tuple([Do(other, x.here) for other in others]), last)


def null(x: Expander, call: Call) -> bool:
    """`__null(V)`: whether V is a 0 that a compiler sees: a constant, or a local that was set to one with no branch since."""
    x.arity(call, 1)
    value = call.args[0]
    if isinstance(value, Reg):
        for instr in reversed(x.code):
            if isinstance(instr, Label):
                return False
            if getattr(instr, "dst", None) == value.name:
                value = instr.value if isinstance(instr, Assign) else value
                break
    return value == Const(0)


def _fresh(x: Expander, call: Call) -> Expr:
    """kmalloc() and kzalloc(): the address of an object nobody else knows, which holds 0."""
    x.arity(call, 2)
    x.fresh += 1
    result = x.temp()
    x.code.append(Allocate(result, f"P{x.tid} {call.name} {x.fresh}", call.span))
    return Reg(result)


def _free(x: Expander, call: Call) -> None:
    x.arity(call, 1)
    x.store(x.flat(call.args[0]), Const(FREED), _tags(call), call.span)


def _assume(x: Expander, call: Call) -> None:
    x.arity(call, 1)
    x.code.append(Assume(x.flat(call.args[0]), call.span))


def _add_unless(x: Expander, call: Call) -> Expr:
    """Whether it added: 0 or 1 by the way it went, and depending on what it read (as for herd, which computes nothing there)."""
    x.arity(call, 3)
    addr, unless = x.flat(call.args[0]), x.flat(call.args[2])
    more = x.flat(call.args[1]) if x.compiled else call.args[1]
    pair, tags = x.new_pair(), _tags(call, "RMW")
    old, result = x.load(addr, tags, call.span, pair=pair), Reg(x.temp())
    fail, found = x.label("fail"), Op("eq", (old, unless))
    x.assign(result.name, Op("first", (Const(0), found)), call.span)
    x.code.append(Branch(found, fail, ctrl=False, span=call.span))
    x.store(addr, Op("add", (old, x.flat(more))), tags, call.span, pair=pair)
    x.assign(result.name, Op("first", (Const(1), found)), call.span)
    x.code.append(Label(fail))
    return result


def atomic(name: str) -> Emit | None:
    """`__atomic_op:add` and its kin: read, compute, write. In herd, and so in the kernel model, what a fetch-and-op gives
    depends on its operand too; machines do not say so, and their tables use `__fetch_op`."""
    kind, colon, op = name.partition(":")
    if not colon or kind not in ("__atomic_op", "__atomic_op_return", "__atomic_fetch_op", "__fetch_op"):
        return None

    def emit(x: Expander, call: Call) -> Expr:
        x.arity(call, 2)
        value, addr = x.flat(call.args[1]), x.flat(call.args[0])
        pair, tags = x.new_pair(), _tags(call, "RMW")
        old = x.load(addr, tags, call.span, pair=pair)
        new = _narrowed(addr, Op(op, (old, value)))
        x.store(addr, new, tags, call.span, pair=pair)
        match kind:
            case "__fetch_op":
                return old
            case "__atomic_fetch_op":
                return Op("first", (old, value))
        return new

    return emit


def _lock(x: Expander, call: Call) -> None:
    x.arity(call, 1)
    _taken(x, x.flat(call.args[0]), call)


def _taken(x: Expander, addr: Expr, call: Call) -> None:
    """A lock is taken: its read, then its write."""
    since = x.units
    x.mark(frozenset({"LKR"}), call.span, addr)
    with x.point(since):
        x.mark(frozenset({"LKW"}), call.span, addr)


def _unlock(x: Expander, call: Call) -> None:
    x.arity(call, 1)
    x.mark(frozenset({"UL"}), call.span, x.flat(call.args[0]))


def _trylock(x: Expander, call: Call) -> Expr:
    x.arity(call, 1)
    addr, result = x.flat(call.args[0]), Reg(x.temp())
    fail, end = x.label("fail"), x.label("endtry")
    x.code.append(Choose(result.name, call.span))
    x.code.append(Branch(Op("lnot", (result,)), fail, ctrl=False, span=call.span))
    _taken(x, addr, call)
    x.code.append(Branch(Const(1), end, ctrl=False, span=call.span))
    x.code.append(Label(fail))
    x.mark(frozenset({"LF"}), call.span, addr, result.name, Const(0))
    x.code.append(Label(end))
    return result


def _islocked(x: Expander, call: Call) -> Expr:
    x.arity(call, 1)
    addr, result = x.flat(call.args[0]), Reg(x.temp())
    no, end = x.label("unlocked"), x.label("endlocked")
    x.code.append(Choose(result.name, call.span))
    x.code.append(Branch(Op("lnot", (result,)), no, ctrl=False, span=call.span))
    x.mark(frozenset({"RL"}), call.span, addr, result.name, Const(1))
    x.code.append(Branch(Const(1), end, ctrl=False, span=call.span))
    x.code.append(Label(no))
    x.mark(frozenset({"RU"}), call.span, addr, result.name, Const(0))
    x.code.append(Label(end))
    return result


def _srcu(x: Expander, call: Call) -> Expr:
    """An event with a location: the start or end of a critical section, a grace period. `__srcu{T}(X)` gives the cookie 0,
    and depends on the event; `__srcu{T}(X, V)` takes one, and its event depends on V."""
    if len(call.args) == 2:
        x.mark(_tags(call), call.span, x.flat(call.args[0]), value=x.flat(call.args[1]))
        return Const(0)
    x.arity(call, 1)
    cookie = x.temp()
    x.mark(_tags(call), call.span, x.flat(call.args[0]), cookie, Const(0))
    return Reg(cookie)


EXPRESSIONS: dict[str, Emit] = {
    "__load": _load,
    "__cond_load": _cond_load,
    "__xchg": _xchg,
    "__cmpxchg": _cmpxchg,
    "__atomic_add_unless": _add_unless,
    "__trylock": _trylock,
    "__islocked": _islocked,
    "__try_cmpxchg": _try_cmpxchg,
    "__after": _after,
    "__before": _before,
    "__ctrl": _ctrl,
    "__first": _first,
    "__last": _last,
    "__srcu": _srcu,
}
ALLOCATORS = frozenset({"kmalloc", "kzalloc"})
EXPRESSIONS |= dict.fromkeys(ALLOCATORS, _fresh)
STATEMENTS: dict[str, Perform] = {
    "__store": _store,
    "__fence": _fence,
    "__lock": _lock,
    "__unlock": _unlock,
    "__assume": _assume,
    "__free": _free,
}
