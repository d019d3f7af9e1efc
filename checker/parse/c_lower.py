"""C as it was written, to statements of ir: every name has a type and a variable, every jump a label.

`Lowering` does the statements of one process, `c_values.Values` their expressions. A block-scope name that hides another is a
variable of its own, `r@1`; so are the parameters and variables of a helper function, which is written out where it is called.
A loop that counts from one constant to another is written out; other loops stay loops. `break`, `continue`, `goto`, `return` and
`switch` become branches, and with them the `if`s and loops around them.

    switch (r) { case 1: a(); break; default: b(); }    if (r == 1) goto case; goto default; case: a(); goto end; …
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from checker.core.source import NOWHERE, CheckerError, LimitExceeded, Span, SyntaxProblem, UnknownName, Unsupported
from checker.parse.c_flow import MEETING, scoped
from checker.parse.c_layout import Layouts, in_bytes
from checker.parse.c_syntax import (
    Case,
    Declare,
    DoWhile,
    Enumeration,
    For,
    Helper,
    Here,
    Jump,
    Node,
    Process,
    Scope,
    Set,
    Statements,
    Step,
    Structure,
    Switch,
    Typedef,
    Unit,
    Update,
)
from checker.parse.c_types import CType, Integer, Pointer, Tagged, convert, promoted
from checker.parse.c_values import Values, effects, folded, put
from checker.program.ir import (
    Assign,
    Block,
    Branch,
    Call,
    Choose,
    Const,
    Cut,
    Deref,
    Do,
    Expr,
    If,
    Label,
    Op,
    Reg,
    Stmt,
    While,
    Write,
)

MAX_TRIPS = 64
MAX_STATEMENTS = 4000
LOST = "__lost"
"""A statement in the place of code that is left out, and that may matter."""
MAX_CALLS = 16  # of helper functions, one inside the other


class Function(Struct, frozen=True):
    """Process `tid`: its parameters with the type of what they point to, its code, the names it uses and those it declares.

    `types` are those of its local variables, `structures` the types of its parameters that point to one.
    """

    tid: int
    params: tuple[tuple[str, str], ...]
    body: tuple[Stmt, ...]
    used: dict[str, Span]
    declared: frozenset[str]
    span: Span
    types: dict[str, CType]
    pointed: dict[str, CType]


def lower(units: Sequence[Unit], problems: list[CheckerError]) -> tuple[tuple[Function, ...], Layouts]:
    """The processes among `units`, and what the others declare. What is wrong is added to `problems`."""
    layouts = Layouts(in_bytes=in_bytes(units))
    helpers: dict[str, Helper] = {}
    for unit in units:
        try:
            if isinstance(unit, Structure | Enumeration | Typedef):
                layouts.declare(unit, lambda e, span: Lowering(layouts, helpers, problems).constant(e, span))
            elif isinstance(unit, Helper):
                if unit.name in helpers:
                    raise SyntaxProblem(f"'{unit.name}' is defined twice", unit.span)
                helpers[unit.name] = unit
        except CheckerError as error:
            problems.append(error)
    return tuple([Lowering(layouts, helpers, problems).process(u) for u in units if isinstance(u, Process)]), layouts


class Lowering(Values):
    """The statements of one process while they are made."""

    def __init__(self, layouts: Layouts, helpers: dict[str, Helper], problems: list[CheckerError]) -> None:
        super().__init__(layouts)
        self.helpers, self.problems = helpers, problems
        self.out: list[Stmt] = []
        self.here: dict[str, None] = {}  # the names declared in the innermost scope
        self.breaks: list[str] = []
        self.continues: list[str] = []
        self.cases: list[list[tuple[Case, str]]] = []
        self.targets: dict[str, str] = {}
        self.wanted: dict[str, Span] = {}
        self.placed: set[str] = set()
        self.active: list[str] = []  # the helpers being written out
        self.returns: tuple[str, CType | None, str] = ("", None, "")
        self.returned = False
        self.branches = 0
        self.count = 0

    def process(self, p: Process) -> Function:
        pointed: dict[str, CType] = {}
        for name, kind in p.params:
            try:
                pointed[name] = self.layouts.type(kind, p.span)
            except CheckerError as error:
                self.problems.append(error)
                pointed[name] = Integer(64, True)
            self.names[name] = (Reg(name), Pointer(pointed[name]))
        self.here = dict.fromkeys(pointed)
        self.returns = ("", None, "end")
        self.sequence(p.body)
        self.check_labels()
        if self.returned:
            self.out.append(Label("end"))
        body = scoped(self.out, self.label) if self.branches else self.out
        return Function(p.tid, p.params, tuple(body), p.used, p.declared, p.span, self.types, pointed)

    # ------------------------------------------------------------ sequences and scopes

    def sequence(self, body: Sequence[Node]) -> None:
        """Add what `body` becomes. A statement that is wrong is left out, and said."""
        for s in body:
            self.count += 1
            try:
                if self.count > MAX_STATEMENTS:
                    here = getattr(s, "span", None)
                    raise LimitExceeded(f"more than {MAX_STATEMENTS:,} statements, loops and functions written out", here)
                _STATEMENTS[type(s)](self, s)
            except LimitExceeded:
                raise
            except CheckerError as error:
                if error.span is None or error.span is NOWHERE:
                    error.span = getattr(s, "span", None)
                self.problems.append(error)

    def scope(self, body: Sequence[Node]) -> None:
        """Add `body` as a block."""
        with self.block():
            self.sequence(body)

    @contextmanager
    def block(self) -> Iterator[None]:
        """A block: what it declares is gone behind it."""
        names, here = self.names, self.here
        self.names, self.here = dict(names), {}
        try:
            yield
        finally:
            self.names, self.here = names, here

    def apart(self, body: Sequence[Node]) -> list[Stmt]:
        """What `body` becomes as a block, not yet added."""
        before, self.out = self.out, []
        try:
            self.scope(body)
            return self.out
        finally:
            self.out = before

    def branch(self, cond: Expr, target: str, span: Span) -> None:
        self.branches += 1
        always = isinstance(cond, Const)
        self.out.append(Branch(cond, target, ctrl=False, span=span) if always else Branch(cond, target, scope=MEETING, span=span))

    def go(self, target: str, span: Span) -> None:
        self.branch(Const(1), target, span)

    # ------------------------------------------------------------ plain statements

    def assign(self, s: Assign) -> None:
        target, kind = self.variable(s.dst, s.span)
        value, source = self.hoisted(self.value(s.value))
        value = convert(value, source, kind)
        self.out.append(s if value is s.value and target == s.dst else Assign(target, value, s.span))

    def write(self, s: Write) -> None:
        addr, kind = self.place(Deref(s.addr, s.span))
        value, source = self.hoisted(self.value(s.value))
        self.store(addr, kind, value, source, s if addr is s.addr else None, s.span)

    def store(self, addr: Expr, kind: CType, value: Expr, source: CType, same: Write | None, span: Span) -> None:
        if isinstance(kind, Tagged) and kind.tag in self.layouts.members:
            raise Unsupported("the assignment of a whole structure", span, hint="assign its members one by one")
        value = convert(value, source, kind)
        self.out.append(same if same is not None and value is same.value else Write(addr, value, span))

    def do(self, s: Do) -> None:
        call = s.call
        if type(call) is Call and call.name == "cpu_relax" and not call.args:
            call = Call("barrier", (), (), call.span)  # arch/*/include/asm/vdso/processor.h: nothing but a compiler barrier
        if type(call) is Call and call.name == LOST:
            self.lost(call)
            return
        if type(call) is Call and call.name in self.helpers:
            self.inlined(call, used=False)
            return
        if isinstance(call, Statements):
            self.scope(call.body)
            return
        value, _ = self.hoisted(self.value(call))
        if value is s.call:
            self.out.append(s)
        elif effects(value):
            self.out.append(Do(value, s.span))

    def lost(self, call: Call) -> None:
        """Code that is left out: it does nothing, or what nobody knows, and then nothing more can be said of the execution."""
        if call.args:
            raise SyntaxProblem(f"'{LOST}' takes no arguments", call.span, hint="say what it is in a comment")
        chosen, after = self.temporary(), self.label("found")
        self.branches += 1
        cut = Branch(Op("lnot", (Reg(chosen),)), after, ctrl=False, span=call.span)
        self.out += [Choose(chosen, call.span), cut, Cut(call.span, after, lost=True), Label(after)]

    def declare(self, s: Declare) -> None:
        kind = self.layouts.type(s.type, s.span)
        if isinstance(kind, Tagged) or s.type.strip() == "void":
            raise Unsupported(
                f"the local variable '{s.name}' of type '{' '.join(s.type.split())}'", s.span,
                hint="structures are globals: declare it in the initial state, and give its address to the process",
            )  # fmt: skip
        if s.name in self.here:
            raise SyntaxProblem(f"'{s.name}' is declared twice in one block", s.span, hint="give one of the two another name")
        name = s.name
        if s.name in self.names or self.active:
            self.renamed += 1
            name = f"{s.name}@{self.renamed}"
        self.here[s.name] = None
        self.names[s.name] = (Reg(name), kind)
        self.types.setdefault(name, kind)
        if s.value is not None:
            value, source = self.hoisted(self.value(s.value))
            self.out.append(Assign(name, convert(value, source, kind), s.reach))

    def update(self, s: Update) -> None:
        """`target op= value`: the target is found once, read and written."""
        if isinstance(s.target, Reg) and s.op:
            target, kind = self.variable(s.target.name, s.span)
            value, source = self.hoisted(self.value(s.value))
            result = self.arithmetic(s.op, Reg(target), kind, value, source, s.span)
            self.out.append(Assign(target, convert(*result, kind), s.reach))
            return
        addr, kind = self.place(s.target, s.span)
        span = getattr(s.target, "span", s.span)
        value, source = self.hoisted(self.value(s.value))
        if s.op:
            if effects(addr):
                once = self.temporary()
                self.out.append(Assign(once, addr, span))
                addr = put(addr, Reg(once))
            value, source = self.arithmetic(s.op, Deref(addr, span), kind, value, source, s.span)
        self.store(addr, kind, value, source, None, span)

    def hoisted(self, value: tuple[Expr, CType]) -> tuple[Expr, CType]:
        """The value, after the statements it begins with."""
        e, kind = value
        while isinstance(e, Block):
            self.out.extend(e.body)
            self.branches += any(isinstance(x, Label) for x in e.body)
            e = e.value
        return e, kind

    # ------------------------------------------------------------ if, and loops

    def if_(self, s: If) -> None:
        cond, _ = self.hoisted(self.value(s.cond))
        before = self.branches
        then, orelse = self.apart(s.then), self.apart(s.orelse)
        if self.branches == before:
            self.out.append(If(cond, tuple(then), tuple(orelse), s.span))
            return
        end = self.label("endif")
        other = self.label("else") if orelse else end
        self.branch(self.negated(cond), other, s.span)
        self.out += then
        if orelse:
            self.go(end, s.span)
            self.out += [Label(other), *orelse]
        self.out.append(Label(end))

    def negated(self, cond: Expr) -> Expr:
        return Const(int(cond.value == 0)) if isinstance(cond, Const) else Op("lnot", (cond,))

    def while_(self, s: While) -> None:
        self.loop(s.cond, s.body, (), s.span)

    def loop(self, condition: Node, inside: Sequence[Node], step: Sequence[Node], span: Span) -> None:
        before = self.branches
        cond, _ = self.value(condition)
        again, end = self.label("continue"), self.label("endloop")
        self.breaks.append(end)
        self.continues.append(again)
        first = self.branches
        body = self.apart(inside)
        self.breaks.pop()
        self.continues.pop()
        jumped = self.branches > first
        last = self.apart(step)
        if self.branches == before:
            self.out.append(While(cond, (*body, *last), span))
            return
        head = self.label("loop")
        self.out.append(Label(head))
        if not (isinstance(cond, Const) and cond.value):
            self.branch(self.negated(cond), end, span)
        self.out += [*body, *([Label(again)] if jumped else []), *last]
        self.go(head, span)
        self.out.append(Label(end))

    def do_while(self, s: DoWhile) -> None:
        before, labels = self.branches, self.labels
        again, end = self.label("continue"), self.label("endloop")
        self.breaks.append(end)
        self.continues.append(again)
        body = self.apart(s.body)
        self.breaks.pop()
        self.continues.pop()
        cond, _ = self.value(s.cond)
        once = isinstance(cond, Const) and cond.value == 0
        if self.branches == before and (once or self.labels == labels + 2):
            self.out += body
            if not once:
                self.out.append(While(cond, tuple(body), s.span))
            return
        head = self.label("loop")
        self.out += [Label(head), *body, Label(again)]
        if not once:
            self.branch(Op("ne", (cond, Const(0))) if isinstance(cond, Const) else cond, head, s.span)
        self.branches += 1
        self.out.append(Label(end))

    def for_(self, s: For) -> None:
        with self.block():
            trips = self.counted(s)
            self.sequence(s.start)
            if trips is None:
                self.loop(s.cond, s.body, s.step, s.span)
            else:
                self.written_out(s, trips)

    def written_out(self, s: For, trips: int) -> None:
        """The body and the step, as often as the loop runs."""
        end = self.label("endloop")
        self.breaks.append(end)
        before = self.branches
        for _ in range(trips):
            again = self.label("continue")
            self.continues.append(again)
            first = self.branches
            self.out += self.apart(s.body)
            self.continues.pop()
            if self.branches > first:
                self.out.append(Label(again))
            self.sequence(s.step)
        self.breaks.pop()
        if self.branches > before:
            self.out.append(Label(end))

    def counted(self, s: For) -> int | None:
        """How often a loop over constants runs; None where that is not known, or too often."""
        match s.start, s.cond, s.step:
            case (
                [Declare(name, _, first) | Assign(name, first)],
                Op("lt" | "le" | "gt" | "ge" | "ne" as test, (Reg(tested), last)),
                [Update(Reg(stepped), "add" | "sub" as op, by)],
            ) if name == tested == stepped and not _assigns(s.body, name):
                pass
            case _:
                return None
        kind = self.layouts.type(s.start[0].type, s.span) if isinstance(s.start[0], Declare) else self.variable(name, s.span)[1]
        try:
            value, _, step = [self.constant(e, s.span) for e in (first, last, by)]
        except CheckerError:
            return None
        if not isinstance(kind, Integer) or convert(Const(value), Integer(64, True), kind) != Const(value):
            return None
        trips = 0
        while True:
            going, _ = self.comparison(test, (Const(value), kind), self.value(last))
            if going == Const(0):
                return trips
            trips += 1
            value = value + step if op == "add" else value - step
            if trips > MAX_TRIPS or convert(Const(value), Integer(64, True), kind) != Const(value) or abs(value) > 1 << 31:
                return None

    # ------------------------------------------------------------ jumps

    def jump(self, s: Jump) -> None:
        match s.kind:
            case "break" | "continue":
                inside = self.breaks if s.kind == "break" else self.continues
                if not inside:
                    where = "a loop or a switch" if s.kind == "break" else "a loop"
                    raise SyntaxProblem(f"'{s.kind}' outside of {where}", s.span)
                self.go(inside[-1], s.span)
            case "goto":
                self.wanted.setdefault(s.label, s.span)
                self.go(self.target(s.label), s.span)
            case _:
                self.return_(s)

    def return_(self, s: Jump) -> None:
        variable, kind, end = self.returns
        if s.value is not None:
            value, source = self.hoisted(self.value(s.value))
            if kind is not None:
                self.out.append(Assign(variable, convert(value, source, kind), s.span))
            elif effects(value):
                self.out.append(Do(value, s.span))
        self.returned = True
        self.go(end, s.span)

    def target(self, name: str) -> str:
        if name not in self.targets:
            self.targets[name] = self.label(name)
        return self.targets[name]

    def label_here(self, s: Here) -> None:
        if s.name in self.placed:
            raise SyntaxProblem(f"the label '{s.name}' is there twice", s.span)
        self.placed.add(s.name)
        self.branches += 1
        self.out.append(Label(self.target(s.name)))

    def check_labels(self) -> None:
        for name, span in self.wanted.items():
            if name not in self.placed:
                self.problems.append(UnknownName(f"there is no label '{name}'", span, hint=f"write '{name}:' before a statement"))
                self.out.append(Label(self.target(name)))

    def switch(self, s: Switch) -> None:
        value, kind = self.once(*self.hoisted(self.value(s.value)))
        end = self.label("endswitch")
        self.breaks.append(end)
        self.cases.append([])
        body = self.apart(s.body)
        self.breaks.pop()
        cases = self.cases.pop()
        default = end
        seen: set[object] = set()
        for case, name in cases:
            if case.value is None:
                if default != end:
                    self.problems.append(SyntaxProblem("a switch has one 'default'", case.span))
                default = name
                continue
            number = convert(Const(self.constant(case.value, case.span)), Integer(64, True), promoted(kind))
            if number in seen:
                self.problems.append(SyntaxProblem("this case is there twice", case.span))
            seen.add(number)
            self.branch(folded("eq", (value, number), case.span), name, case.span)
        self.go(default, s.span)
        self.out += [*body, Label(end)]

    def once(self, e: Expr, kind: CType) -> tuple[Expr, CType]:
        """The value, computed once where it is more than registers."""
        if not effects(e):
            return e, kind
        name = self.local()
        self.out.append(Assign(name, e))
        return Reg(name), kind

    def case(self, s: Case) -> None:
        if not self.cases:
            raise SyntaxProblem("this is outside of a switch", s.span)
        name = self.label("case")
        self.cases[-1].append((s, name))
        self.branches += 1
        self.out.append(Label(name))

    # ------------------------------------------------------------ helper functions

    def inlined(self, call: Call, *, used: bool) -> tuple[Expr, CType]:
        """Add the body of the helper that `call` names, its parameters bound; its value."""
        helper = self.helpers[call.name]
        if helper.name in self.active or len(self.active) >= MAX_CALLS:
            raise Unsupported(f"'{helper.name}' calls itself", call.span, hint="write a loop")
        if len(call.args) != len(helper.params):
            count = len(helper.params)
            raise UnknownName(f"'{helper.name}' takes {count} argument{'s' * (count != 1)}, not {len(call.args)}", call.span)
        kind = self.layouts.type(helper.type, helper.span)
        nothing = isinstance(kind, Tagged) or helper.type.split()[-1:] == ["void"]
        if used and nothing:
            raise Unsupported(f"'{helper.name}' gives no value", call.span, hint="use it as a statement")
        names: dict[str, tuple[Expr, CType]] = {}
        for (name, text), arg in zip(helper.params, call.args, strict=True):
            names[name] = self.parameter(name, self.layouts.type(text, helper.span), arg, helper)
        for name, span in helper.used.items():
            if name in names or name in self.layouts.constants or name in helper.declared or name == "VAL":
                continue
            raise UnknownName(f"undeclared variable '{name}'", span, hint=f"give it to {helper.name}() as an argument")
        kept = (self.names, self.here, self.breaks, self.continues, self.cases, self.targets, self.wanted, self.placed)
        returns, returned = self.returns, self.returned
        self.names, self.here, self.breaks, self.continues, self.cases = names, dict.fromkeys(names), [], [], []
        self.targets, self.wanted, self.placed = {}, {}, set()
        variable = "" if nothing else self.local()
        self.returns, self.returned = (variable, None if nothing else kind, self.label("return")), False
        self.active.append(helper.name)
        try:
            self.body_of(helper, call, nothing=nothing)
        finally:
            self.active.pop()
            self.names, self.here, self.breaks, self.continues, self.cases, self.targets, self.wanted, self.placed = kept
            self.returns, self.returned = returns, returned
        return (Const(0) if nothing else Reg(variable)), kind

    def body_of(self, helper: Helper, call: Call, *, nothing: bool) -> None:
        body = helper.body
        last = body[-1] if body and isinstance(body[-1], Jump) and body[-1].kind == "return" else None
        self.sequence(body if last is None else body[:-1])
        variable, kind, end = self.returns
        if last is not None and last.value is not None:
            value, source = self.hoisted(self.value(last.value))
            if kind is not None:
                self.out.append(Assign(variable, convert(value, source, kind), call.span))
            elif effects(value):
                self.out.append(Do(value, last.span))
        self.check_labels()
        if self.returned:
            self.out.append(Label(end))

    def parameter(self, name: str, kind: CType, arg: Node, helper: Helper) -> tuple[Expr, CType]:
        """What a parameter of a helper stands for: the argument itself where nothing can change it, else a variable."""
        value, source = self.hoisted(self.value(arg))
        value = convert(value, source, kind)
        if isinstance(value, Const | Reg) and not _assigns(helper.body, name):
            return value, kind
        self.renamed += 1
        variable = f"{name}@{self.renamed}"
        self.out.append(Assign(variable, value))
        self.types[variable] = kind
        return Reg(variable), kind

    def called(self, call: Call) -> tuple[Expr, CType] | None:
        """A call of a helper, as a value."""
        return self.inside(lambda: self.inlined(call, used=True)) if call.name in self.helpers else None

    def statements(self, e: Statements) -> tuple[Expr, CType]:
        """`({ … })`: what is done inside, and the value of the expression at its end."""
        last = e.body[-1] if e.body else None
        if not isinstance(last, Do):
            raise Unsupported("'({ … })' without a value", e.span, hint="end it with an expression, as in '({ int r = *x; r; })'")

        def done() -> tuple[Expr, CType]:
            with self.block():
                self.sequence(e.body[:-1])
                value, kind = self.hoisted(self.value(last.call))
                if isinstance(value, Const):
                    return value, kind
                result = self.local()
                self.out.append(Assign(result, value, e.span))
                return Reg(result), kind

        return self.inside(done)

    def inside(self, work: Callable[[], tuple[Expr, CType]]) -> tuple[Expr, CType]:
        """The value that `work` gives, with the statements it adds before it."""
        before, self.out = self.out, []
        branches = self.branches
        try:
            value, kind = work()
            body = scoped(self.out, self.label) if self.branches > branches else self.out
        finally:
            self.out = before
        return Block(tuple(body), value), kind


def inner(s: Node) -> Sequence[Node]:
    match s:
        case If(_, then, orelse):
            return (*then, *orelse)
        case While(_, body) | Scope(body) | DoWhile(_, body) | Switch(_, body):
            return body
        case For(start, _, step, body):
            return (*start, *step, *body)
    return ()


def _assigns(body: Any, name: str) -> bool:
    """Does anything in `body` (statements, or parts of them) assign to variable `name`, take its address or hold a label?"""
    if isinstance(body, tuple | list):
        return any(_assigns(part, name) for part in body)
    match body:
        case Assign(dst) if dst == name:
            return True
        case Update(Reg(target)) | Set(Reg(target)) | Step(Reg(target)) | Op("ref", (Reg(target),)) if target == name:
            return True
        case Here():
            return True
        case Span() | str() | int() | bool() | None:
            return False
    return any(_assigns(getattr(body, slot), name) for slot in getattr(body, "__slots__", ()))


_STATEMENTS: dict[type, Any] = {
    Assign: Lowering.assign, Write: Lowering.write, Do: Lowering.do, Declare: Lowering.declare, Update: Lowering.update,
    If: Lowering.if_, While: Lowering.while_, DoWhile: Lowering.do_while, For: Lowering.for_, Switch: Lowering.switch,
    Case: Lowering.case, Here: Lowering.label_here, Jump: Lowering.jump, Scope: lambda self, s: self.scope(s.body),
}  # fmt: skip
