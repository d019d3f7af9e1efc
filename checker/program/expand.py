"""Statements to instructions: primitives are replaced by what a table says they are.

The table is the whole difference between "the kernel model's view" and "compiled for arm64": `smp_mb()` is `__fence{MB}`
in one and `__fence{DMB.ISH}` in the other, and there is no other compiler. Macros are substituted by name, as herd does;
what remains are the built-ins below.

    r1 = READ_ONCE(*x);     Load("r1", Reg("x"), {"ONCE"})

Accesses of one full expression share a `group`; each has its `turn` (C11 6.5, annex C): after what its operands are computed
from, and after what a sequence point (`&&`, `||`, `?:`) puts before it. What C leaves open stays open here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from msgspec.structs import replace

from checker.core.deadline import Deadline, look
from checker.core.source import LimitExceeded, Span, UnknownName, UnknownPrimitive, Unsupported
from checker.program.builtins import EXPRESSIONS, NARROW, STATEMENTS, atomic, null
from checker.program.ir import (
    Assign,
    Block,
    Branch,
    Call,
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
    Turn,
    While,
    Write,
    registers,
)
from checker.program.tree import walk

MAX_DEPTH = 60
_NONE: frozenset[int] = frozenset()
_T = TypeVar("_T")


def expand(thread: Thread, table: Table, *, compiled: bool = False, deadline: Deadline = None) -> tuple[Instr, ...]:
    """The instructions of `thread` when its primitives mean what `table` says; `compiled`: as C has them, not as herd does."""
    expander = Expander(thread, table, compiled=compiled, deadline=deadline)
    expander.statements(thread.body)
    return tuple(expander.code)


class Expander:
    """The code of one thread while it grows."""

    def __init__(self, thread: Thread, table: Table, *, compiled: bool, deadline: Deadline) -> None:
        self.table, self.compiled, self.deadline = table, compiled, deadline
        self.code: list[Instr] = []
        self.group = 0
        self.units = 0  # of the full expression at work
        self.since = 0  # the first unit of the operands of the call at work
        self.made: dict[str, frozenset[int]] = {}  # the units whose values a temporary is made of
        self.block: int | None = None  # the first unit of the innermost Block at work
        self.points = _NONE  # the units that come before whatever is evaluated now
        self.pair = 0
        self.paired: dict[int, Turn] = {}
        self.temps = 0
        self.labels = 0
        self.depth = 0
        self.fresh = 0
        self.tid = thread.tid
        self.here = thread.span  # of the statement at work

    # ------------------------------------------------------------ names

    def temp(self) -> str:
        self.temps += 1
        return f"%{self.temps}"

    def local(self) -> str:
        """A variable that nobody wrote but everybody would have: what it holds steers like any other (see `execute`)."""
        self.temps += 1
        return f"?{self.temps}"

    def label(self, what: str) -> str:
        self.labels += 1
        return f"{what}{self.labels}"

    # ------------------------------------------------------------ statements

    def statements(self, body: tuple[Stmt, ...]) -> None:
        """One after the other; those inside an expression in no order with the rest of it unless C gives one."""
        around, first = self.since, self.block
        for statement in body:
            self.here = getattr(statement, "span", self.here)
            if first is None:
                self.group += 1
                self.units = 0
                self.made = {}
            self.since = self.units
            with self.point(first or 0):
                self.statement(statement)
        self.since = around

    def in_turn(self, before: tuple[Stmt, ...], value: Expr, then: tuple[Stmt, ...] = ()) -> Expr:
        """A value that has statements before it, or behind it."""
        around, first, since = self.block, self.units, self.since
        self.block = first
        self.statements(before)
        self.since = self.units
        with self.point(first):
            result = self.flat(value)
        self.statements(then)
        self.block, self.since = around, since
        return result

    def statement(self, s: Stmt) -> None:
        look(self.deadline)
        match s:
            case Assign(dst, value, span):
                self.assign(dst, value, span)
            case Write(addr, value, span):
                self.store(self.flat(addr), self.flat(value), frozenset(), span)
            case Do(call, span):
                self.effect(call, span)
            case If(cond, then, orelse, span):
                self.conditional(cond, then, orelse, span)
            case While(cond, body, span):
                head, end = self.label("while"), self.label("endwhile")
                self.code.append(Label(head))
                self.branch(cond, end, end, span, when=False)
                self.statements(body)
                self.code.append(Branch(Const(1), head, ctrl=False, span=span))
                self.code.append(Label(end))
            case Branch(cond, target, scope, ctrl=True, span=span) if not isinstance(cond, Const):
                self.branch(cond, target, scope, span, when=True)
            case _:
                self.code.append(s)

    def assign(self, dst: str, value: Expr, span: Span) -> None:
        result = self.flat(value)
        last = self.code[-1] if self.code else None
        if isinstance(result, Reg) and isinstance(last, Load) and last.dst == result.name and last.dst[0] == "%" and not last.pair:
            self.code[-1] = replace(last, dst=dst)
            self.made[dst] = self.made.pop(last.dst)
        else:
            if self.made:
                self.made[dst] = _NONE.union(*[self.made.get(name, _NONE) for name in registers(result)])
            self.code.append(Assign(dst, result, span))

    def conditional(self, cond: Expr, then: tuple[Stmt, ...], orelse: tuple[Stmt, ...], span: Span) -> None:
        if isinstance(cond, Call) and cond.name == "__null":  # the compiler's choice, no branch of the program
            self.statements(then if null(self, cond) else orelse)
            return
        end = self.label("endif")
        other = self.label("else") if orelse else end
        self.branch(cond, other, end, span, when=False)
        self.statements(then)
        if orelse:
            self.code.append(Branch(Const(1), end, ctrl=False, span=span))
            self.code.append(Label(other))
            self.statements(orelse)
        self.code.append(Label(end))

    def branch(self, cond: Expr, target: str, scope: str, span: Span, *, when: bool) -> None:
        """Go to `target` if `cond` is true (`when`) or false; `&&`, `||` and `?:` are the branches they are short for."""
        match cond:
            case Op("lnot", (arg,)):
                self.branch(arg, target, scope, span, when=not when)
                return
            case Op("land" | "lor" as op, (left, right)) if _has_effect(right):
                since, decides = self.units, op == "lor"
                past = target if decides == when else self.label("past")
                self.branch(left, past, scope, span, when=decides)
                with self.point(since):
                    self.branch(right, target, scope, span, when=when)
                if past != target:
                    self.code.append(Label(past))
                return
            case Op("ite", (test, yes, no)) if _has_effect(yes) or _has_effect(no):
                since, other, end = self.units, self.label("other"), self.label("past")
                self.branch(test, other, scope, span, when=False)
                with self.point(since):
                    self.branch(yes, target, scope, span, when=when)
                    self.code += (Branch(Const(1), end, ctrl=False, span=span), Label(other))
                    self.branch(no, target, scope, span, when=when)
                self.code.append(Label(end))
                return
            case Call() if not self.built_in(cond):
                self.expanded(cond, lambda value: self.branch(value, target, scope, span, when=when))
                return
        value = self.flat(cond)
        self.code.append(Branch(value if when else Op("lnot", (value,)), target, scope=scope, span=span))

    def built_in(self, call: Call) -> bool:
        return call.name in EXPRESSIONS or atomic(call.name) is not None

    def effect(self, call: Expr, span: Span) -> None:
        if not isinstance(call, Call):
            self.flat(call)
            return
        builtin = STATEMENTS.get(call.name)
        if builtin is not None:
            builtin(self, call)
            return
        if self.built_in(call):
            self.flat(call)
            return
        macro = self.macro(call)
        if macro.value is not None:
            self.expanded(call, lambda value: self.effect(value, span))
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
                around, self.since = self.since, self.units
                result = self.load(self.flat(addr), frozenset(), span)
                self.since = around
                return result
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
            case Block(body, value):
                return self.in_turn(body, value)

    def call(self, call: Call) -> Expr:
        builtin = EXPRESSIONS.get(call.name) or atomic(call.name)
        if builtin is None:
            return self.expanded(call, self.flat)
        around, self.since = self.since, self.units
        result = builtin(self, call)
        self.since = around
        return result

    def expanded(self, call: Call, work: Callable[[Expr], _T]) -> _T:
        """What `work` makes of the expression that the table has for `call`, whose arguments come first."""
        macro = self.macro(call)
        if macro.value is None:
            raise Unsupported(f"'{call.name}' gives no value", call.span, hint="use it as a statement")
        since = self.units
        value = _located(_substitute(macro.value, self.bound(macro, call)), call.span)
        with self.point(since):
            return self.nested(call.span, lambda: work(value))

    def nested(self, span: Span, work: Callable[[], _T]) -> _T:
        self.depth += 1
        look(self.deadline)
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
            raise UnknownPrimitive(f"unknown primitive '{call.name}'", call.span, hint=hint)
        match macro.body:
            case (Do(Call("__unmodelled")),):
                told = macro.span.source.line(macro.span.line).partition("//")[2].rpartition("]")[2].strip()
                raise Unsupported(f"'{call.name}' is a primitive that no test can use", call.span, hint=told)
        if len(macro.params) != len(call.args):
            raise UnknownName(
                f"'{call.name}' takes {len(macro.params)} argument{'s' * (len(macro.params) != 1)}, not {len(call.args)}",
                call.span, hint=f"{call.name}({', '.join(macro.params)})",
            )  # fmt: skip
        return macro

    def bound(self, macro: Macro, call: Call) -> dict[str, Expr]:
        """What each parameter stands for. Compiled code has an argument's value before the call; herd puts its text in place, here
        with a call that would then be there twice made once, before."""
        bound = dict(zip(macro.params, call.args, strict=True))
        for name, arg in bound.items():
            if (self.compiled or _uses(macro, name) > 1) and _is_value(macro, name, arg, self.table):
                once = Reg(self.temp())
                self.assign(once.name, arg, call.span)
                bound[name] = once
        return bound

    def short_circuit(self, op: str, left: Expr, right: Expr) -> Expr:
        """The value of `left && right`, as `t = left != 0; if (t) t = right != 0;` has it."""
        since, result, end = self.units, Reg(self.local()), self.label("endlogic")
        self.code.append(Assign(result.name, Op("ne", (self.flat(left), Const(0))), self.here))
        stop = Op("lnot", (result,)) if op == "land" else result
        self.code.append(Branch(stop, end, scope=end, span=self.here))
        with self.point(since):
            self.code.append(Assign(result.name, Op("ne", (self.flat(right), Const(0))), self.here))
        self.code.append(Label(end))
        return result

    def choice(self, cond: Expr, yes: Expr, no: Expr) -> Expr:
        """The value of `cond ? yes : no`, as `t = cond; if (t) t = yes; else t = no;` has it."""
        since, result, other, end = self.units, Reg(self.local()), self.label("else"), self.label("endif")
        self.code.append(Assign(result.name, self.flat(cond), self.here))
        self.code.append(Branch(Op("lnot", (result,)), other, scope=end, span=self.here))
        with self.point(since):
            self.code.append(Assign(result.name, self.flat(yes), self.here))
            self.code.append(Branch(Const(1), end, ctrl=False, span=self.here))
            self.code.append(Label(other))
            self.code.append(Assign(result.name, self.flat(no), self.here))
        self.code.append(Label(end))
        return result

    # ------------------------------------------------------------ what the built-ins emit

    def turn(self, *operands: Expr) -> Turn:
        """The turn of the access of `operands` that is emitted next."""
        made = Turn(self.units, self.made_of(operands), self.points)
        self.units += 1
        return made

    def made_of(self, operands: Iterable[Expr]) -> frozenset[int]:
        """The units that come before the use of `operands`: for compiled code all that was evaluated for it, for herd those it
        has a value from."""
        if self.since == self.units:
            return _NONE
        if self.compiled:
            return frozenset(range(self.since, self.units))
        return _NONE.union(*[self.made.get(name, _NONE) for e in operands for name in registers(e)])

    @contextmanager
    def point(self, since: int) -> Iterator[None]:
        """A sequence point: what is evaluated now comes after the units from `since` on."""
        around = self.points
        self.points = around.union(range(since, self.units))
        yield
        self.points = around

    def load(self, addr: Expr, tags: frozenset[str], span: Span, *, pair: int = 0) -> Reg:
        dst, turn = self.temp(), self.turn(addr)
        self.made[dst] = frozenset({turn.unit})
        if pair:
            self.paired[pair] = turn
        size = _size(addr)
        self.code.append(Load(dst, _bare(addr), tags, span, size=abs(size), pair=pair, group=self.group, turn=turn))
        if size not in (-1, -2, -4):
            return Reg(dst)
        number = self.temp()
        self.made[number] = self.made[dst]
        self.code.append(Assign(number, Op(f"int{-8 * size}", (Reg(dst),)), span))
        return Reg(number)

    def store(self, addr: Expr, value: Expr, tags: frozenset[str], span: Span, *, pair: int = 0, last: bool = False) -> None:
        """`last`: it comes after all that its operands did, for herd too."""
        turn = self.paired[pair] if pair else self.turn(addr, value)
        if pair:
            others = frozenset({turn.unit})
            operands, points = turn.operands | self.made_of((value,)) - others, turn.points
            if last:
                points = points.union(range(self.since, self.units)) - others
            turn = Turn(turn.unit, operands, points)
        if isinstance(addr, Op) and addr.op in NARROW and not (isinstance(value, Op) and value.op == addr.op):
            value = Op(addr.op, (value,))  # a location that is narrower than what a table computes
        if 0 < (size := abs(_size(addr))) < 8:
            value = Op(f"zext{8 * size}", (value,))  # a member of a union holds the bits that its number is made of
        self.code.append(Store(_bare(addr), value, tags, span, size=size, pair=pair, group=self.group, turn=turn))

    def mark(self, tags: frozenset[str], span: Span, addr: Expr | None = None, dst: str = "", value: Expr | None = None) -> None:
        turn = self.turn(*[e for e in (addr, value) if e is not None])
        if dst:
            self.made[dst] = frozenset({turn.unit})
        self.code.append(Mark(tags, addr, dst, value, span, self.group, turn))

    def new_pair(self) -> int:
        self.pair += 1
        return self.pair

    def location(self, e: Expr, call: Call) -> Expr:
        """The address an lvalue argument stands for: `*p` stands for p."""
        if not isinstance(e, Deref):
            raise Unsupported(
                f"'{called(call)}' needs a memory location such as *x", call.span, hint="a local variable has no address"
            )
        return self.flat(e.addr)

    def called(self, call: Call) -> str:
        return called(call)

    def arity(self, call: Call, count: int) -> None:
        if len(call.args) != count:
            raise UnknownName(f"'{called(call)}' takes {count} arguments, not {len(call.args)}", call.span)


def called(call: Call) -> str:
    """What the author of the test knows a call by: of a built-in that a table uses, the primitive in the test."""
    found = re.match(r"\w+", call.span.source.line(call.span.line)[max(call.span.column - 1, 0) :])
    return found[0] if found and call.name.startswith("__") else call.name


def _bare(addr: Expr) -> Expr:
    """An address without the remarks how narrow the location is, and how large."""
    return _bare(addr.args[0]) if isinstance(addr, Op) and (addr.op in NARROW or addr.op == "part") else addr


def _size(addr: Expr) -> int:
    """How many bytes the remark on an address says that the location has, negative for a signed number; 0 where it says nothing."""
    match addr:
        case Op("part", (_, Const(int() as size))):
            return size
        case Op(op, (inner,)) if op in NARROW:
            return _size(inner)
    return 0


def _text(macro: Macro) -> Iterator[Stmt | Expr]:
    return walk(*([] if macro.value is None else [macro.value]), *macro.body)


def _uses(macro: Macro, name: str) -> int:
    """How often a macro's text mentions a parameter."""
    return sum(part == Reg(name) for part in _text(macro))


def _names_place(macro: Macro, name: str, table: Table) -> bool:
    """Whether a parameter stands for a location (`READ_ONCE(X)`), not for a value."""
    for part in _text(macro):
        match part:
            case Op("ref", args) if Reg(name) in args:
                return True
            case Assign(dst) if dst == name:
                return True
            case Call("__load" | "__store", (first, *_)) if first == Reg(name):
                return True
            case Call(called, args) if called in table and Reg(name) in args:
                given = zip(table[called].params, args, strict=False)
                if any(arg == Reg(name) and _names_place(table[called], param, table) for param, arg in given):
                    return True
    return False


def _is_value(macro: Macro, name: str, arg: Expr, table: Table) -> bool:
    """Whether an argument with an effect is asked for its value: not for the location it names."""
    if not _has_effect(arg) or _is_condition(macro, name):
        return False
    return not (isinstance(arg, Deref) and _names_place(macro, name, table))


def _is_condition(macro: Macro, name: str) -> bool:
    """Whether a parameter is the condition that `__cond_load` waits for, which is about what it reads."""
    return any(isinstance(part, Call) and part.name == "__cond_load" and part.args[1:] == (Reg(name),) for part in _text(macro))


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
    return e  # a Block is of the test, and knows nothing of a table's parameters


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
