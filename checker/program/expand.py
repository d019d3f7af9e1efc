"""Statements to instructions: primitives are replaced by what a table says they are.

The table is the whole difference between "the kernel model's view" and "compiled for arm64": `smp_mb()` is `__fence{MB}`
in one and `__fence{DMB.ISH}` in the other, and there is no other compiler. Macros are substituted by name, as herd does;
what remains are the built-ins below.

    r1 = READ_ONCE(*x);     Load("r1", Reg("x"), {"ONCE"})

Events of one statement share a `group`: they are ordered by use, not by their place in the text (CSem.ml builds them so).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from checker.core.source import LimitExceeded, Span, UnknownName, Unsupported
from checker.core.value import Free
from checker.program.ir import (
    Assign,
    Assume,
    Branch,
    Call,
    Choose,
    Const,
    Deref,
    Do,
    Expr,
    If,
    Instr,
    Label,
    Load,
    Macro,
    Mark,
    Op,
    Reg,
    Stmt,
    Store,
    Table,
    Thread,
    While,
    Write,
)

MAX_DEPTH = 60
FREED = Free("freed")
_T = TypeVar("_T")


def expand(thread: Thread, table: Table) -> tuple[Instr, ...]:
    """The instructions of `thread` when its primitives mean what `table` says."""
    expander = _Expander(thread, table)
    expander.statements(thread.body)
    return tuple(expander.code)


def event_set(tag: str) -> str:
    """The set a tag names: 'rcu-lock is Rcu-lock, 'ONCE is ONCE (only the first letter changes; BellName.ml)."""
    return tag[:1].upper() + tag[1:]


def _tags(call: Call, *more: str) -> frozenset[str]:
    return frozenset([event_set(t) for t in call.tags] + list(more))


class _Expander:
    """The code of one thread while it grows."""

    def __init__(self, thread: Thread, table: Table) -> None:
        self.table = table
        self.code: list[Instr] = []
        self.group = 0
        self.pair = 0
        self.temps = 0
        self.labels = 0
        self.depth = 0
        self.here = thread.span  # of the statement at work

    # ------------------------------------------------------------ names

    def temp(self) -> str:
        self.temps += 1
        return f"%{self.temps}"

    def label(self, what: str) -> str:
        self.labels += 1
        return f"{what}{self.labels}"

    # ------------------------------------------------------------ statements

    def statements(self, body: tuple[Stmt, ...]) -> None:
        for statement in body:
            self.group += 1
            self.here = getattr(statement, "span", self.here)
            self.statement(statement)

    def statement(self, s: Stmt) -> None:
        match s:
            case Assign(dst, value, span):
                self.assign(dst, value, span)
            case Write(addr, value, span):
                self.code.append(Store(self.flat(addr), self.flat(value), frozenset(), span, group=self.group))
            case Do(call, span):
                self.effect(call, span)
            case If(cond, then, orelse, span):
                self.conditional(cond, then, orelse, span)
            case While(cond, body, span):
                head, end = self.label("while"), self.label("endwhile")
                self.code.append(Label(head))
                self.code.append(Branch(Op("lnot", (self.flat(cond),)), end, scope=end, span=span))
                self.statements(body)
                self.code.append(Branch(Const(1), head, ctrl=False, span=span))
                self.code.append(Label(end))
            case _:
                self.code.append(s)

    def assign(self, dst: str, value: Expr, span: Span) -> None:
        result = self.flat(value)
        last = self.code[-1] if self.code else None
        if isinstance(result, Reg) and isinstance(last, Load) and last.dst == result.name and last.dst[0] == "%" and not last.pair:
            self.code[-1] = replace(last, dst=dst)
        else:
            self.code.append(Assign(dst, result, span))

    def conditional(self, cond: Expr, then: tuple[Stmt, ...], orelse: tuple[Stmt, ...], span: Span) -> None:
        end = self.label("endif")
        other = self.label("else") if orelse else end
        self.code.append(Branch(Op("lnot", (self.flat(cond),)), other, scope=end, span=span))
        self.statements(then)
        if orelse:
            self.code.append(Branch(Const(1), end, ctrl=False, span=span))
            self.code.append(Label(other))
            self.statements(orelse)
        self.code.append(Label(end))

    def effect(self, call: Expr, span: Span) -> None:
        if not isinstance(call, Call):
            self.flat(call)
            return
        builtin = STATEMENTS.get(call.name)
        if builtin is not None:
            builtin(self, call)
            return
        if call.name in EXPRESSIONS or _atomic(call.name):
            self.flat(call)
            return
        macro = self.macro(call)
        if macro.value is not None:
            value = _located(_substitute(macro.value, self.bound(macro, call)), call.span)
            self.nested(call.span, lambda: self.effect(value, span))
            return
        bound = self.bound(macro, call)
        self.nested(call.span, lambda: self.statements(tuple(_substitute_statement(s, bound, call.span) for s in macro.body)))

    # ------------------------------------------------------------ expressions

    def flat(self, e: Expr) -> Expr:
        """`e` without reads and calls: these are emitted first, into temporaries."""
        match e:
            case Const() | Reg():
                return e
            case Deref(addr, span):
                return self.load(self.flat(addr), frozenset(), span)
            case Op("land" | "lor" as op, (left, right)) if _has_effect(right):
                return self.short_circuit(op, left, right)
            case Op("ite", (cond, yes, no)) if _has_effect(yes) or _has_effect(no):
                return self.choice(cond, yes, no)
            case Op("ref"):
                raise Unsupported(
                    "the address of a local variable", self.here, hint="only atomic_try_cmpxchg() and its kin take one"
                )
            case Op(op, args):
                return Op(op, tuple([self.flat(a) for a in args]))
            case Call():
                return self.call(e)

    def call(self, call: Call) -> Expr:
        builtin = EXPRESSIONS.get(call.name) or _atomic(call.name)
        if builtin is not None:
            return builtin(self, call)
        macro = self.macro(call)
        if macro.value is None:
            raise Unsupported(f"'{call.name}' gives no value", call.span, hint="use it as a statement")
        value = macro.value
        return self.nested(call.span, lambda: self.flat(_located(_substitute(value, self.bound(macro, call)), call.span)))

    def nested(self, span: Span, work: Callable[[], _T]) -> _T:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise LimitExceeded(f"macros nested more than {MAX_DEPTH} deep", span, hint="does a macro call itself?")
        result = work()
        self.depth -= 1
        return result

    def macro(self, call: Call) -> Macro:
        macro = self.table.get(call.name)
        if macro is None:
            near = difflib.get_close_matches(call.name, [*self.table], n=3)
            hint = (
                f"did you mean {' or '.join(near)}?"
                if near
                else "the model's .def table does not define it; --macros names another"
            )
            raise UnknownName(f"unknown primitive '{call.name}'", call.span, hint=hint)
        if len(macro.params) != len(call.args):
            raise UnknownName(
                f"'{call.name}' takes {len(macro.params)} argument{'s' * (len(macro.params) != 1)}, not {len(call.args)}",
                call.span, hint=f"{call.name}({', '.join(macro.params)})",
            )  # fmt: skip
        return macro

    def bound(self, macro: Macro, call: Call) -> dict[str, Expr]:
        """What each parameter stands for. A call given to one that is used more than once is made once, before."""
        bound = dict(zip(macro.params, call.args, strict=True))
        for name, arg in bound.items():
            if isinstance(arg, Call) and _uses(macro, name) > 1:
                once = Reg(self.temp())
                self.assign(once.name, arg, call.span)
                bound[name] = once
        return bound

    def short_circuit(self, op: str, left: Expr, right: Expr) -> Expr:
        result, end = Reg(self.temp()), self.label("endlogic")
        self.code.append(Assign(result.name, Op("ne", (self.flat(left), Const(0)))))
        stop = Op("lnot", (result,)) if op == "land" else result
        self.code.append(Branch(stop, end, scope=end))
        self.code.append(Assign(result.name, Op("ne", (self.flat(right), Const(0)))))
        self.code.append(Label(end))
        return result

    def choice(self, cond: Expr, yes: Expr, no: Expr) -> Expr:
        result, other, end = Reg(self.temp()), self.label("else"), self.label("endif")
        self.code.append(Branch(Op("lnot", (self.flat(cond),)), other, scope=end))
        self.code.append(Assign(result.name, self.flat(yes)))
        self.code.append(Branch(Const(1), end, ctrl=False))
        self.code.append(Label(other))
        self.code.append(Assign(result.name, self.flat(no)))
        self.code.append(Label(end))
        return result

    # ------------------------------------------------------------ what the built-ins emit

    def load(self, addr: Expr, tags: frozenset[str], span: Span, *, pair: int = 0) -> Reg:
        dst = self.temp()
        self.code.append(Load(dst, addr, tags, span, pair=pair, group=self.group))
        return Reg(dst)

    def store(self, addr: Expr, value: Expr, tags: frozenset[str], span: Span, *, pair: int = 0) -> None:
        self.code.append(Store(addr, value, tags, span, pair=pair, group=self.group))

    def new_pair(self) -> int:
        self.pair += 1
        return self.pair

    def location(self, e: Expr, call: Call) -> Expr:
        """The address an lvalue argument stands for: `*p` stands for p."""
        if not isinstance(e, Deref):
            raise Unsupported(
                f"'{call.name}' needs a memory location such as *x", call.span, hint="a local variable has no address"
            )
        return self.flat(e.addr)

    def arity(self, call: Call, count: int) -> None:
        if len(call.args) != count:
            raise UnknownName(f"'{call.name}' takes {count} arguments, not {len(call.args)}", call.span)


def _uses(macro: Macro, name: str) -> int:
    """How often a macro's text mentions a parameter."""

    def count(part: object) -> int:
        match part:
            case Reg(found):
                return int(found == name)
            case Op(_, args) | Call(_, args):
                return sum(map(count, args))
            case Deref(addr):
                return count(addr)
            case Assign(_, value):
                return count(value)
            case Write(addr, value):
                return count(addr) + count(value)
            case Do(call):
                return count(call)
            case If(cond, then, orelse):
                return count(cond) + sum(map(count, (*then, *orelse)))
            case While(cond, body):
                return count(cond) + sum(map(count, body))
        return 0

    return count(macro.value) + sum(map(count, macro.body))


def _has_effect(e: Expr) -> bool:
    match e:
        case Const() | Reg():
            return False
        case Op(_, args):
            return any(map(_has_effect, args))
    return True


# ---------------------------------------------------------------- macro substitution


def _substitute(e: Expr, bound: dict[str, Expr]) -> Expr:
    match e:
        case Reg(name):
            return bound.get(name, e)
        case Op("ref", (Reg(name),)) if isinstance(location := bound.get(name), Deref):
            return location.addr
        case Op(op, args):
            return Op(op, tuple([_substitute(a, bound) for a in args]))
        case Deref(addr, span):
            return Deref(_substitute(addr, bound), span)
        case Call(name, args, tags, span):
            return Call(name, tuple([_substitute(a, bound) for a in args]), tags, span)
    return e


def _located(e: Expr, span: Span) -> Expr:
    """`e`, from a table, as if written at the place of the call in the test: events belong to the test's lines."""
    match e:
        case Op(op, args):
            return Op(op, tuple([_located(a, span) for a in args]))
        case Deref(addr, at):
            return Deref(_located(addr, span), at if at.source is span.source else span)
        case Call(name, args, tags, at):
            return Call(name, tuple([_located(a, span) for a in args]), tags, at if at.source is span.source else span)
    return e


def _substitute_statement(s: Stmt, bound: dict[str, Expr], span: Span) -> Stmt:
    def sub(e: Expr) -> Expr:
        return _located(_substitute(e, bound), span)

    def block(body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        return tuple(_substitute_statement(t, bound, span) for t in body)

    match s:
        case Assign(dst, value):
            target = bound.get(dst, Reg(dst))
            if isinstance(target, Reg):
                return Assign(target.name, sub(value), span)
            if isinstance(target, Deref):
                return Write(target.addr, sub(value), span)
            raise Unsupported("a macro assigns to an argument that is not a variable", span)
        case Write(addr, value):
            return Write(sub(addr), sub(value), span)
        case Do(call):
            return Do(sub(call), span)
        case If(cond, then, orelse):
            return If(sub(cond), block(then), block(orelse), span)
        case While(cond, body):
            return While(sub(cond), block(body), span)
    return s


# ---------------------------------------------------------------- built-ins (herd's, CSem.ml; the semantics of lkmmv2)

Emit = Callable[[_Expander, Call], Expr]
Perform = Callable[[_Expander, Call], None]


def _load(x: _Expander, call: Call) -> Expr:
    x.arity(call, 1)
    return x.load(x.location(call.args[0], call), _tags(call), call.span)


def _store(x: _Expander, call: Call) -> None:
    x.arity(call, 2)
    addr = x.location(call.args[0], call)
    x.store(addr, x.flat(call.args[1]), _tags(call), call.span)


def _fence(x: _Expander, call: Call) -> None:
    x.code.append(Mark(_tags(call, "F"), span=call.span, group=x.group))


def _xchg(x: _Expander, call: Call) -> Expr:
    x.arity(call, 2)
    addr, value = x.flat(call.args[0]), x.flat(call.args[1])
    pair, tags = x.new_pair(), _tags(call, "RMW")
    old = x.load(addr, tags, call.span, pair=pair)
    x.store(addr, value, tags, call.span, pair=pair)
    return old


def _cmpxchg(x: _Expander, call: Call) -> Expr:
    """Reads; writes only when the old value is the expected one. The new value is computed on success alone; that it is
    written depends on the comparison, in the weak way of a CAS instruction (the kernel model takes no notice)."""
    x.arity(call, 3)
    addr, expected = x.flat(call.args[0]), x.flat(call.args[1])
    pair, tags = x.new_pair(), _tags(call, "RMW")
    old = x.load(addr, tags, call.span, pair=pair)
    fail = x.label("fail")
    differs = Op("ne", (old, expected))
    x.code.append(Branch(differs, fail, ctrl=False, span=call.span))
    x.store(addr, Op("weak", (x.flat(call.args[2]), differs)), tags, call.span, pair=pair)
    x.code.append(Label(fail))
    return old


def _try_cmpxchg(x: _Expander, call: Call) -> Expr:
    """`cmpxchg` that gives whether it succeeded, and on failure puts what it read into the local `&expected`."""
    x.arity(call, 3)
    match call.args[1]:
        case Op("ref", (Reg() as expected,)):
            pass
        case _:
            raise Unsupported(f"'{call.name}' needs the address of a local variable", call.span, hint="write &old")
    addr, before = x.flat(call.args[0]), Reg(x.temp())
    x.code.append(Assign(before.name, expected, call.span))
    pair, tags = x.new_pair(), _tags(call, "RMW")
    old = x.load(addr, tags, call.span, pair=pair)
    fail, end = x.label("fail"), x.label("endtry")
    x.code.append(Branch(Op("ne", (old, before)), fail, ctrl=False, span=call.span))
    x.store(addr, x.flat(call.args[2]), tags, call.span, pair=pair)
    x.code.append(Branch(Const(1), end, ctrl=False, span=call.span))
    x.code.append(Label(fail))
    x.code.append(Assign(expected.name, old, call.span))
    x.code.append(Label(end))
    return Op("eq", (old, before))


def _after(x: _Expander, call: Call) -> Expr:
    """`__after{T}(E)`: E, then a fence; `__after{T}(E, C)`: the fence only where E gives C (an LL/SC loop that failed skips it)."""
    if len(call.args) not in (1, 2):
        x.arity(call, 2)
    value = x.flat(call.args[0])
    end = x.label("after")
    if len(call.args) == 2:
        x.code.append(Branch(Op("ne", (value, x.flat(call.args[1]))), end, ctrl=False, span=call.span))
    x.code.append(Mark(_tags(call, "F"), span=call.span))
    x.code.append(Label(end))
    return value


def _free(x: _Expander, call: Call) -> None:
    x.arity(call, 1)
    x.store(x.flat(call.args[0]), Const(FREED), _tags(call), call.span)


def _assume(x: _Expander, call: Call) -> None:
    x.arity(call, 1)
    x.code.append(Assume(x.flat(call.args[0]), call.span))


def _add_unless(x: _Expander, call: Call) -> Expr:
    x.arity(call, 3)
    addr, unless = x.flat(call.args[0]), x.flat(call.args[2])
    pair, tags = x.new_pair(), _tags(call, "RMW")
    old = x.load(addr, tags, call.span, pair=pair)
    fail = x.label("fail")
    x.code.append(Branch(Op("eq", (old, unless)), fail, ctrl=False, span=call.span))
    x.store(addr, Op("add", (old, x.flat(call.args[1]))), tags, call.span, pair=pair)
    x.code.append(Label(fail))
    return Op("ne", (old, unless))


def _atomic(name: str) -> Emit | None:
    """`__atomic_op:add` and its kin: read, compute, write. In herd, and so in the kernel model, what a fetch-and-op gives
    depends on its operand too; machines do not say so, and their tables use `__fetch_op`."""
    kind, colon, op = name.partition(":")
    if not colon or kind not in ("__atomic_op", "__atomic_op_return", "__atomic_fetch_op", "__fetch_op"):
        return None

    def emit(x: _Expander, call: Call) -> Expr:
        x.arity(call, 2)
        value, addr = x.flat(call.args[1]), x.flat(call.args[0])
        pair, tags = x.new_pair(), _tags(call, "RMW")
        old = x.load(addr, tags, call.span, pair=pair)
        new = Op(op, (old, value))
        x.store(addr, new, tags, call.span, pair=pair)
        match kind:
            case "__fetch_op":
                return old
            case "__atomic_fetch_op":
                return Op("first", (old, value))
        return new

    return emit


def _lock(x: _Expander, call: Call) -> None:
    x.arity(call, 1)
    addr = x.flat(call.args[0])
    x.code.append(Mark(frozenset({"LKR"}), addr, span=call.span))
    x.code.append(Mark(frozenset({"LKW"}), addr, span=call.span))


def _unlock(x: _Expander, call: Call) -> None:
    x.arity(call, 1)
    x.code.append(Mark(frozenset({"UL"}), x.flat(call.args[0]), span=call.span, group=x.group))


def _trylock(x: _Expander, call: Call) -> Expr:
    x.arity(call, 1)
    addr, result = x.flat(call.args[0]), Reg(x.temp())
    fail, end = x.label("fail"), x.label("endtry")
    x.code.append(Choose(result.name, call.span))
    x.code.append(Branch(Op("lnot", (result,)), fail, ctrl=False, span=call.span))
    x.code.append(Mark(frozenset({"LKR"}), addr, span=call.span))
    x.code.append(Mark(frozenset({"LKW"}), addr, span=call.span))
    x.code.append(Branch(Const(1), end, ctrl=False, span=call.span))
    x.code.append(Label(fail))
    x.code.append(Mark(frozenset({"LF"}), addr, result.name, Const(0), call.span, x.group))
    x.code.append(Label(end))
    return result


def _islocked(x: _Expander, call: Call) -> Expr:
    x.arity(call, 1)
    addr, result = x.flat(call.args[0]), Reg(x.temp())
    no, end = x.label("unlocked"), x.label("endlocked")
    x.code.append(Choose(result.name, call.span))
    x.code.append(Branch(Op("lnot", (result,)), no, ctrl=False, span=call.span))
    x.code.append(Mark(frozenset({"RL"}), addr, result.name, Const(1), call.span, x.group))
    x.code.append(Branch(Const(1), end, ctrl=False, span=call.span))
    x.code.append(Label(no))
    x.code.append(Mark(frozenset({"RU"}), addr, result.name, Const(0), call.span, x.group))
    x.code.append(Label(end))
    return result


def _srcu(x: _Expander, call: Call) -> Expr:
    """An event with a location: the start or end of a critical section, a grace period. `__srcu{T}(X)` gives the cookie 0,
    and depends on the event; `__srcu{T}(X, V)` takes one, and its event depends on V."""
    if len(call.args) == 2:
        x.code.append(Mark(_tags(call), x.flat(call.args[0]), value=x.flat(call.args[1]), span=call.span, group=x.group))
        return Const(0)
    x.arity(call, 1)
    cookie = x.temp()
    x.code.append(Mark(_tags(call), x.flat(call.args[0]), cookie, Const(0), call.span, x.group))
    return Reg(cookie)


EXPRESSIONS: dict[str, Emit] = {
    "__load": _load,
    "__xchg": _xchg,
    "__cmpxchg": _cmpxchg,
    "__atomic_add_unless": _add_unless,
    "__trylock": _trylock,
    "__islocked": _islocked,
    "__try_cmpxchg": _try_cmpxchg,
    "__after": _after,
    "__srcu": _srcu,
}
STATEMENTS: dict[str, Perform] = {
    "__store": _store,
    "__fence": _fence,
    "__lock": _lock,
    "__unlock": _unlock,
    "__assume": _assume,
    "__free": _free,
}
BUILT_IN = frozenset([*EXPRESSIONS, *STATEMENTS])
