"""Expressions of C to those of ir, each with its type: promotions and conversions become operations where they can change a value.

    u8 b; b + 1                  (Op("add", (Reg("b"), Const(1))), INT), under "int32"
    kvm->ready                   (Deref(Op("add", (Reg("kvm"), Const(1)))), INT)
    (r = READ_ONCE(*x)) != 0     (Block((Assign("r", …),), Op("ne", (Reg("r"), Const(0)))), BOOL)

What C leaves undefined and a value may run into (a division by 0, a shift by more than there are bits) is an error when it does.
"""

from __future__ import annotations

from typing import Any

from checker.core.source import NOWHERE, Span, SyntaxProblem, Unsupported
from checker.core.value import Undetermined, compute
from checker.parse.c_layout import Layouts
from checker.parse.c_prototypes import LOCATED, UNKNOWN, WAITS, Prototype, prototype
from checker.parse.c_syntax import AddressOf, Cast, Comma, Member, Node, Set, SizeOf, Statements, Step
from checker.parse.c_text import HUGE, LEAST
from checker.parse.c_types import (
    BOOL,
    CONVERSION,
    INT,
    LONG,
    U32,
    U64,
    VOID,
    WIDE,
    Array,
    CType,
    Integer,
    Pointer,
    Tagged,
    common,
    convert,
    holds,
    promoted,
)
from checker.program.builtins import ALLOCATORS
from checker.program.ir import Assign, Block, Call, Choose, Const, Deref, Expr, Op, Reg, Stmt, Write

CHOICE = "__VERIFIER_nondet_bool"
"""0 or 1, whichever: the name is that of the software verification competition (SV-COMP)."""
_COMPARISONS = {"eq": "eq", "ne": "ne", "lt": "ltu", "le": "leu", "gt": "gtu", "ge": "geu"}
_TRUTH = frozenset({"WARN_ON", "WARN_ON_ONCE", "likely", "unlikely"})  # include/asm-generic/bug.h, linux/compiler.h: !!(x)
_NEEDS_PLACE = frozenset({"READ_ONCE", "WRITE_ONCE", "rcu_dereference", "rcu_assign_pointer", "RCU_INIT_POINTER", "smp_store_mb"})
_NO_FUNCTION = {
    "BUG_ON": "it would end the execution; set a variable, and ask for it in the condition",
    "BUG": "it would end the execution; set a variable, and ask for it in the condition",
    "container_of": "pass the address of the structure itself",
}  # fmt: skip


def effects(e: Expr) -> bool:
    """Does `e` read memory, or do anything but compute?"""
    if isinstance(e, Op):
        return any(map(effects, e.args))
    return not isinstance(e, Const | Reg)


def folded(op: str, args: tuple[Expr, ...], span: Span = NOWHERE) -> Expr:
    """`op` over `args`: the number itself where all of them are numbers."""
    for a in args:
        if type(a) is not Const or not isinstance(a.value, int):
            return Op(op, args)
    try:
        return Const(compute(op, [a.value for a in args]))  # type: ignore[arg-type,union-attr]
    except Undetermined as error:
        raise Unsupported(f"no value can be given to {error}", span) from None


def moved(addr: Expr, by: int) -> Expr:
    """The address `by` locations further."""
    if by == 0:
        return addr
    if isinstance(addr, Op) and addr.op == "add" and isinstance(addr.args[1], Const) and isinstance(addr.args[1].value, int):
        return moved(addr.args[0], addr.args[1].value + by)
    return Op("add", (addr, Const(by)))


def _is_part(addr: Expr) -> bool:
    return isinstance(addr, Op) and addr.op == "part"


def put(addr: Expr, here: Reg) -> Expr:
    """An address that is kept in `here`, with the remark how much is there."""
    return Op("part", (here, addr.args[1])) if isinstance(addr, Op) and addr.op == "part" else here


class Values:
    """The expressions of one process; `names` says what each name stands for where one stands."""

    def __init__(self, layouts: Layouts) -> None:
        self.layouts = layouts
        self.names: dict[str, tuple[Expr, CType]] = {}
        self.types: dict[str, CType] = {}
        self.renamed = 0
        self.labels = 0
        self.temporaries = 0
        self.idle = False  # whether what is read now is never evaluated, so that it may be undefined

    def temporary(self) -> str:
        self.temporaries += 1
        return f"%c{self.temporaries}"

    def local(self) -> str:
        """A variable that nobody wrote but everybody would have: what it holds steers like any other (see `expand`)."""
        self.temporaries += 1
        return f"?c{self.temporaries}"

    def label(self, what: str) -> str:
        self.labels += 1
        return f"{what}@{self.labels}"

    # ------------------------------------------------------------ names and numbers

    def name(self, e: Reg) -> tuple[Expr, CType]:
        found = self.names.get(e.name)
        if found is not None:
            return (e, found[1]) if found[0] == e else found
        if e.name in self.layouts.constants:
            return Const(self.layouts.constants[e.name]), INT
        return e, LONG

    def variable(self, name: str, span: Span) -> tuple[str, CType]:
        """The variable that an assignment to `name` sets."""
        found = self.names.get(name)
        if found is None:
            if name in self.layouts.constants:
                raise SyntaxProblem(f"'{name}' is a constant", span)
            return name, LONG
        assert isinstance(found[0], Reg)
        return found[0].name, found[1]

    def constant(self, e: Node, span: Span) -> int:
        """The value of an expression that must be a constant."""
        value, _ = self.value(e)
        if isinstance(value, Const) and isinstance(value.value, int):
            return value.value
        raise SyntaxProblem("this is no constant", span, hint="write a number, an enumerator, or a #define of one")

    # ------------------------------------------------------------ expressions

    def value(self, e: Node) -> tuple[Expr, CType]:
        """`e` in ir, and its type."""
        kind = type(e)
        if kind is Reg:
            return self.name(e)
        if kind is Const:
            return e, INT if -(1 << 31) <= e.value < 1 << 31 else LONG
        if kind is Deref:
            return self.read(e, *self.place(e))
        if kind is Op:
            return self.operation(e)
        if kind is Call:
            return self.call(e)
        return self.rest(e)

    def rest(self, e: Node) -> tuple[Expr, CType]:
        match e:
            case Cast(text, inner, span):
                return self.cast(text, inner, span)
            case Member():
                return self.read(e, *self.place(e))
            case AddressOf(place):
                addr, t = self.place(place)
                return addr, Pointer(t, _is_part(addr))
            case Set(target, op, inner, span):
                return self.set(target, op, inner, span)
            case Step(target, op, after, span):
                return self.step(target, op, after, span)
            case SizeOf(of, span):
                t = self.layouts.type(of, span) if isinstance(of, str) else self.type_of(of)
                return Const(self.layouts.bytes(t, span)[0]), U64
            case Statements():
                return self.statements(e)
            case Comma(first, second):
                value, _ = self.value(first)
                result, t = self.value(second)
                return self.after(value, result), t
        raise AssertionError(e)

    def type_of(self, e: Node) -> CType:
        """The type of an expression that is not evaluated."""
        around, self.idle = self.idle, True
        _, t = self.place(e) if isinstance(e, Deref | Member) else self.value(e)
        self.idle = around
        return promoted(t) if isinstance(e, Op) else t

    def read(self, e: Node, addr: Expr, t: CType) -> tuple[Expr, CType]:
        """What is at a place: an array is the address of its first element."""
        if isinstance(t, Array):
            return addr, Pointer(t.of, t.parts)
        if isinstance(t, Tagged) and t.tag in self.layouts.members:
            span = getattr(e, "span", NOWHERE)
            raise Unsupported("the value of a whole structure", span, hint="take a member of it, or its address with '&'")
        if type(e) is Deref and addr is e.addr:
            return e, t
        return Deref(addr, getattr(e, "span", NOWHERE)), t

    def place(self, e: Node, span: Span = NOWHERE) -> tuple[Expr, CType]:
        """The address of `*p`, `s.m` or `p->m`, and the type of what is there."""
        match e:
            case Deref(addr):
                found, t = self.value(addr)
                if isinstance(t, Pointer):
                    return (self.part(found, t.to) if t.parts else found), LONG if t.to is VOID else t.to
                return found, LONG
            case Member(inner, name, arrow, here):
                return self.member(inner, name, arrow, here)
        span = getattr(e, "span", span)
        raise SyntaxProblem("this cannot be assigned to", span, hint="assign to a local variable or to '*pointer'")

    def member(self, inner: Node, name: str, arrow: bool, span: Span) -> tuple[Expr, CType]:
        if arrow:
            addr, t = self.value(inner)
            if not isinstance(t, Pointer):
                raise SyntaxProblem(f"'->{name}' of what is no pointer to a structure", span, hint="declare it 'struct … *p'")
            t = t.to
        elif isinstance(inner, Reg):
            _, t = self.name(inner)
            hint = f"write {inner.name}->{name}" if isinstance(t, Pointer) else ""
            raise SyntaxProblem(f"'{inner.name}' is no structure", span, hint=hint)
        else:
            addr, t = self.place(inner)
        offset, of = self.layouts.member(t, name, span)
        addr = moved(addr, offset)
        return (self.part(addr, of) if t.tag in self.layouts.in_bytes else addr), of  # type: ignore[union-attr]

    def part(self, addr: Expr, t: CType) -> Expr:
        """The address of a member of what is laid out in bytes, with how many of them it is."""
        if not isinstance(t, Integer | Pointer) or _is_part(addr):
            return addr
        size = self.layouts.bytes(t, NOWHERE)[0]
        return Op("part", (addr, Const(-size if isinstance(t, Integer) and t.signed else size)))

    def cast(self, text: str, inner: Node, span: Span) -> tuple[Expr, CType]:
        if text == HUGE:
            raise Unsupported("a number that is wider than a long", span, hint="with a 'u' behind it, it is an unsigned long")
        if text == LEAST:
            return inner, WIDE
        value, t = self.value(inner)
        target = self.layouts.type(text, span)
        if target is VOID:
            return value, VOID
        if isinstance(t, Pointer) and isinstance(target, Pointer):
            self.check_same_size(t.to, target.to, span)
        return convert(value, t, target), target

    def check_same_size(self, here: CType, there: CType, span: Span) -> None:
        """Raise Unsupported for a pointer that is made one to something narrower or wider: what it points to is accessed whole."""
        while isinstance(here, Tagged) and here.tag in self.layouts.members:
            _, here = next(iter(self.layouts.members[here.tag].values()))  # its first member
        if not isinstance(here, Integer) or not isinstance(there, Integer):
            return
        (size, _), (other, _) = self.layouts.bytes(here, span), self.layouts.bytes(there, span)
        if size != other:
            raise Unsupported(
                f"a location of {size} bytes as one of {other}", span,
                hint="a location is accessed whole; declare each part that is accessed as a location of its own",
            )  # fmt: skip

    # ------------------------------------------------------------ operators

    def operation(self, e: Op) -> tuple[Expr, CType]:
        op, args = e.op, e.args
        if op in ("land", "lor", "ite"):
            return self.sequenced(e)
        if op == "ref":
            return self.reference(e)
        left, a = self.value(args[0])
        if len(args) == 1:
            return self.unary(e, op, left, a)
        right, b = self.value(args[1])
        if type(left) is Block:
            result, t = self.binary(e, op, (left.value, a), (right, b))
            return Block(left.body, result), t
        return self.binary(e, op, (left, a), (right, b))

    def binary(self, e: Op, op: str, left: tuple[Expr, CType], right: tuple[Expr, CType]) -> tuple[Expr, CType]:
        span = _span_in(e)
        if op in _COMPARISONS:
            result, t = self.comparison(op, left, right, span)
        else:
            result, t = self.arithmetic(op, *left, *right, span)
        return (e if _alike(result, e) else result), t

    def unary(self, e: Op, op: str, value: Expr, t: CType) -> tuple[Expr, CType]:
        if op == "lnot":
            return (e, BOOL) if value is e.args[0] and type(value) is not Const else (folded(op, (value,)), BOOL)
        if t is WIDE:
            raise _wide(_span_in(e))
        target = promoted(t)
        result = folded(op, (value,))
        if _alike(result, e):
            result = e
        return (result if op == "not" and target == INT else self.wrapped(result, target)), target

    def wrapped(self, result: Expr, t: CType) -> Expr:
        """What an operation on numbers of 64 bits gave, as one on numbers of type t gives it."""
        return convert(result, LONG, t) if isinstance(t, Integer) and t.bits == 32 else result

    def comparison(self, op: str, left: tuple[Expr, CType], right: tuple[Expr, CType], span: Span = NOWHERE) -> tuple[Expr, CType]:
        (x, a), (y, b) = left, right
        if a is not b:
            t = common(a, b)
            if t is WIDE and U64 in (a, b):
                raise _wide(span)
            if t == U32:
                x, y = convert(x, promoted(a), t), convert(y, promoted(b), t)
        else:
            t = promoted(a)  # type: ignore[assignment]
        if t == U64:
            op = _COMPARISONS[op]
        return folded(op, (x, y), span), BOOL

    def arithmetic(self, op: str, x: Expr, a: CType, y: Expr, b: CType, span: Span) -> tuple[Expr, CType]:
        if a is WIDE or b is WIDE:
            raise _wide(span)
        if isinstance(a, Pointer) or isinstance(b, Pointer):
            return self.on_pointers(op, x, a, y, b, span)
        if op in ("shl", "sar"):
            return self.shift(op, x, promoted(a), y, span)
        t = common(a, b)
        if op in ("div", "mod"):
            x, y = convert(x, promoted(a), t), convert(y, promoted(b), t)
            if self.idle:
                return Op(_division(op, t), (x, y)), t
            if y == Const(0):
                raise Unsupported("a division by zero", span, hint="C gives it no value")
            return folded(_division(op, t), (x, y), span), t
        result = folded(op, (x, y), span)
        if op in ("and", "or", "xor"):
            return (self.wrapped(result, t) if t == U32 and not _unsigned(op, (x, a), (y, b)) else result), t
        return self.wrapped(result, t), t

    def shift(self, op: str, x: Expr, t: CType, y: Expr, span: Span) -> tuple[Expr, CType]:
        bits = t.bits if isinstance(t, Integer) else 64
        if isinstance(y, Const) and isinstance(y.value, int):
            if not 0 <= y.value < bits and self.idle:
                return x, t
            if not 0 <= y.value < bits:
                raise Unsupported(f"a shift by {y.value}", span, hint=f"C defines shifts of {bits} bits by 0 to {bits - 1}")
        else:
            y = Op("within", (y, Const(bits)))
        if op == "sar":
            return folded("shr" if t == U64 else "sar", (x, y), span), t
        return self.wrapped(folded(op, (x, y), span), t), t

    def on_pointers(self, op: str, x: Expr, a: CType, y: Expr, b: CType, span: Span) -> tuple[Expr, CType]:
        """Addresses count in elements of what is pointed to."""
        if isinstance(a, Pointer) and not isinstance(b, Pointer) and op in ("add", "sub"):
            size = self.step_of(a)
            step = y if size == 1 else folded("mul", (y, Const(size)), span)
            if isinstance(step, Const) and isinstance(step.value, int) and (size > 1 or op == "add"):
                return moved(x, step.value if op == "add" else -step.value), a
            return Op(op, (x, step)), a
        if isinstance(b, Pointer) and not isinstance(a, Pointer) and op == "add":
            size = self.step_of(b)
            return Op(op, (x if size == 1 else folded("mul", (x, Const(size)), span), y)), b
        if isinstance(a, Pointer) and isinstance(b, Pointer) and op == "sub":
            size = self.step_of(a)
            return (Op(op, (x, y)) if size == 1 else Op("div", (Op(op, (x, y)), Const(size)))), LONG
        return folded(op, (x, y), span), LONG

    def step_of(self, t: Pointer) -> int:
        """How far apart the elements are that a pointer goes over."""
        return self.layouts.bytes(t.to, NOWHERE)[0] if t.parts else self.layouts.size(t.to)

    def sequenced(self, e: Op) -> tuple[Expr, CType]:
        """`&&`, `||` and `?:`: the first operand comes before the others."""
        first, _ = self.value(e.args[0])
        if type(first) is Block:
            result, t = self.completed(e, first.value)
            return Block(first.body, result), t
        return self.completed(e, first)

    def completed(self, e: Op, first: Expr) -> tuple[Expr, CType]:
        known = bool(first.value) if isinstance(first, Const) and isinstance(first.value, int) else None
        second, a = self.unless(known is (e.op == "lor"), e.args[1])
        if e.op != "ite":
            if known is (e.op == "lor"):
                return Const(int(e.op == "lor")), BOOL
            result = folded(e.op, (first, second))
            return (e if _alike(result, e) else result), BOOL
        third, b = self.unless(known is True, e.args[2])
        if isinstance(a, Integer) and isinstance(b, Integer):
            t: CType = common(a, b)
            second, third = convert(second, promoted(a), t), convert(third, promoted(b), t)
        else:
            t = a if isinstance(a, Pointer) else b
        if known is not None:
            return (second if known else third), t
        result = Op("ite", (first, second, third))
        return (e if _alike(result, e) else result), t

    def unless(self, idle: bool, e: Node) -> tuple[Expr, CType]:
        """The value of an operand, which is not evaluated if `idle`."""
        around, self.idle = self.idle, self.idle or idle
        try:
            return self.value(e)
        finally:
            self.idle = around

    def reference(self, e: Op) -> tuple[Expr, CType]:
        """`&r` of a local variable."""
        found, t = self.name(e.args[0])  # type: ignore[arg-type]
        return (e if found is e.args[0] else Op("ref", (found,))), Pointer(t)

    # ------------------------------------------------------------ assignments that are values

    def after(self, first: Expr, second: Expr) -> Expr:
        """`second`, when `first` is done."""
        from checker.program.ir import Do

        body: tuple[Stmt, ...] = ()
        while isinstance(first, Block):
            body += first.body
            first = first.value
        if effects(first):
            body += (Do(first),)
        return Block(body, second) if body else second

    def set(self, target: Node, op: str, inner: Node, span: Span) -> tuple[Expr, CType]:
        if isinstance(target, Reg):
            name, t = self.variable(target.name, span)
            body, (value, source) = _opened(self.value(inner))
            if op:
                value, source = self.arithmetic(op, Reg(name), t, value, source, span)
            return Block((*body, Assign(name, convert(value, source, t), span)), Reg(name)), t
        addr, t = self.place(target, span)
        body, (value, source) = _opened(self.value(inner))
        where, kept = self.temporary(), self.temporary()
        body += (Assign(where, addr, span),)
        place = put(addr, Reg(where))
        if op:
            value, source = self.arithmetic(op, Deref(place, span), t, value, source, span)
        body += (Assign(kept, convert(value, source, t), span), Write(place, Reg(kept), span))
        return Block(body, Reg(kept)), t

    def step(self, target: Node, op: str, after: bool, span: Span) -> tuple[Expr, CType]:
        if not after:
            return self.set(target, op, Const(1), span)
        old = self.temporary()
        if isinstance(target, Reg):
            name, t = self.variable(target.name, span)
            result = convert(*self.arithmetic(op, Reg(old), t, Const(1), INT, span), t)
            return Block((Assign(old, Reg(name), span), Assign(name, result, span)), Reg(old)), t
        addr, t = self.place(target, span)
        where = self.temporary()
        result, place = convert(*self.arithmetic(op, Reg(old), t, Const(1), INT, span), t), put(addr, Reg(where))
        body = (Assign(where, addr, span), Assign(old, Deref(place, span), span), Write(place, result, span))
        return Block(body, Reg(old)), t

    # ------------------------------------------------------------ calls

    def call(self, e: Call) -> tuple[Expr, CType]:
        if (found := self.called(e)) is not None:
            return found
        name = e.name
        if name in _NO_FUNCTION:
            raise Unsupported(f"'{name}' is not supported", e.span, hint=_NO_FUNCTION[name])
        if name in _TRUTH and len(e.args) == 1:
            value, t = self.value(e.args[0])
            return (value, t) if t is BOOL else (folded("ne", (value, Const(0)), e.span), BOOL)
        if name == CHOICE:
            if e.args:
                raise SyntaxProblem(f"'{CHOICE}' takes no arguments", e.span)
            chosen = self.temporary()
            return Block((Choose(chosen, e.span),), Reg(chosen)), BOOL
        if WAITS.fullmatch(name) and len(e.args) == 2:
            return self.cond_load(e)
        given = [(Const(0), U64) if name in ALLOCATORS and isinstance(arg, SizeOf) else self.argument(arg) for arg in e.args]
        known = prototype(name)
        if known is None:
            args = tuple([value for value, _ in given])
            return (e if all(map(_same, args, e.args)) else Call(name, args, e.tags, e.span)), UNKNOWN
        return self.primitive(e, known, given)

    def argument(self, e: Node) -> tuple[Expr, CType]:
        """The value of an argument of a primitive, which may go to memory through it."""
        value, t = self.value(e)
        return (self.part(value, t.to) if isinstance(t, Pointer) and t.parts else value), t

    def called(self, call: Call) -> tuple[Expr, CType] | None:
        """The value of a function of the file; None where the file has none of that name."""
        return None

    def statements(self, e: Statements) -> tuple[Expr, CType]:
        raise Unsupported("'({ … })' where a constant must be", e.span, hint="write the number")

    def primitive(self, e: Call, known: Prototype, given: list[tuple[Expr, CType]]) -> tuple[Expr, CType]:
        location: CType = known.others or LONG
        if known.args and given:
            location = given[0][1]
            if known.args[0] == "place":
                self.check_place(e, *given[0])
            else:
                location = location.to if isinstance(location, Pointer) else LONG
        args: list[Expr] = []
        for i, (value, t) in enumerate(given):
            how = known.args[i] if i < len(known.args) else ""
            if how == "value":
                value = convert(value, t, location)
            elif not how and known.others is not None and not isinstance(t, Pointer):
                value = convert(value, t, known.others)
            elif known.overflows and location in CONVERSION and (how in ("pointer", "place") or not how):
                value = _narrow(value, CONVERSION[location])
            args.append(value)
        result = location if known.result is LOCATED else known.result
        return (e if all(map(_same, args, e.args)) else Call(e.name, tuple(args), e.tags, e.span)), result

    def check_place(self, e: Call, value: Expr, t: CType) -> None:
        if e.name not in _NEEDS_PLACE or isinstance(value, Deref):
            return
        hint = "a local variable has no address"
        if isinstance(value, Reg) and isinstance(t, Pointer):
            hint = f"did you mean {e.name}(*{value.name}{', …' if len(e.args) > 1 else ''})?"
        raise Unsupported(f"'{e.name}' needs a memory location such as *x", e.span, hint=hint)

    def cond_load(self, e: Call) -> tuple[Expr, CType]:
        """smp_cond_load_relaxed(p, condition on VAL): VAL is what the table's `__cond_load` reads."""
        if "VAL" in self.names:
            raise Unsupported(f"'{e.name}' inside the condition of another", e.span, hint="keep its value in a variable first")
        addr, t = self.argument(e.args[0])
        of = t.to if isinstance(t, Pointer) else LONG
        self.names["VAL"] = (Reg("VAL"), of)
        try:
            cond, _ = self.value(e.args[1])
        finally:
            del self.names["VAL"]
        return Call(e.name, (addr, cond), e.tags, e.span), of


def _wide(span: Span) -> Unsupported:
    return Unsupported("a computation in more than 64 bits", span, hint="write (long)-9223372036854775808")


def _alike(made: Expr, e: Op) -> bool:
    """Is an expression what it was before?"""
    return type(made) is Op and made.op == e.op and all(map(_same, made.args, e.args))


def _same(a: object, b: object) -> bool:
    return a is b


def _opened(value: tuple[Expr, CType]) -> tuple[tuple[Stmt, ...], tuple[Expr, CType]]:
    """The statements a value begins with, and what comes then."""
    e, t = value
    return (e.body, (e.value, t)) if isinstance(e, Block) else ((), value)


def _narrow(location: Expr, conversion: str) -> Expr:
    """A location, by its address or as `*p`, that says how narrow it is; an address is none the wiser for it."""
    if isinstance(location, Deref):
        return Deref(Op(conversion, (location.addr,)), location.span)
    return Op(conversion, (location,))


def _unsigned(op: str, *operands: tuple[Expr, CType]) -> bool:
    """Is the result of a bitwise operator not negative as it is held? For '&' one operand will do."""
    found = [
        (isinstance(t, Integer) and holds(U32, t)) or (isinstance(e, Const) and isinstance(e.value, int) and 0 <= e.value < 1 << 32)
        for e, t in operands
    ]
    return any(found) if op == "and" else all(found)


def _division(op: str, t: Integer) -> str:
    if t == U64:
        return op + "u"
    return op + "32" if t == INT else op


def _span_in(e: Any) -> Span:
    """A place inside an expression, where any part of it has one."""
    span = getattr(e, "span", None)
    if span is not None:
        return span  # type: ignore[no-any-return]
    for arg in getattr(e, "args", ()):
        found = _span_in(arg)
        if found is not NOWHERE:
            return found
    return NOWHERE
