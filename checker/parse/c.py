"""Kernel C, as litmus tests and tables of primitives use it: text in, statements out.

`parse_functions` reads the processes of a test, `parse_definitions` the definitions of a `.def` file. Types and casts are
read and dropped: every value is an integer or an address. `for` becomes `While`, `do` a body and a `While`, `x[i]` becomes
`*(x + i)`, and a name nobody declared is a local variable.

    P0(int *x) { int r = *x; }    Function(0, (("x", "int"),), (Assign("r", Deref(Reg("x"))),), …)
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from typing import Any

import lark

from checker.core.source import NOWHERE, LimitExceeded, Source, Span, SyntaxProblem, Unsupported
from checker.parse.c_errors import explain
from checker.parse.c_expr import Expressions, pure
from checker.parse.c_text import BINARY, JUMPS, NO_JUMPS, RESERVED, blank_comments, parameters
from checker.parse.grammar import MAX_NESTING, parser, run
from checker.program.ir import Assign, Call, Const, Deref, Do, Expr, If, Macro, Op, Reg, Stmt, While, Write

MAX_DO_WHILE = 6  # in one process: the body of each is written twice


@dataclass(frozen=True, slots=True)
class Function:
    """Process `tid`: its parameters with the type of what they point to, its code, the names it uses and those it declares."""

    tid: int
    params: tuple[tuple[str, str], ...]
    body: tuple[Stmt, ...]
    used: dict[str, Span]
    declared: frozenset[str]
    span: Span


def parse_functions(source: Source, text: str) -> tuple[Function, ...]:
    """The processes in `text`, which is `source` with everything else blanked."""
    functions = _parse("threads", source, text)
    return tuple(functions)


def parse_definitions(source: Source, text: str) -> tuple[Macro, ...]:
    """The definitions in `text`, a table of primitives: `source`, with lines of other kinds blanked."""
    return tuple(_parse("table", source, text))


_ONE_AT_A_TIME = threading.Lock()  # a parser's callbacks keep state while it runs


def _parse(start: str, source: Source, text: str) -> list[Any]:
    text = blank_comments(source, text)
    with _ONE_AT_A_TIME:
        grammar, build = _grammar(start)
        build.begin(source)
        result: list[Any] = run(grammar, source, text=text, explain=functools.partial(explain, text))
        return result


@functools.cache
def _grammar(start: str) -> tuple[lark.Lark, _Build]:
    build = _Build()
    return parser("c", build, start=start), build


# ---------------------------------------------------------------- callbacks


class _Build(Expressions):
    """What the rules of c.lark make."""

    def grow_stmts(self, c: list[Any]) -> list[Stmt]:
        stmts: list[Stmt] = c[0]
        if type(c[1]) is list:
            stmts += c[1]
        else:
            stmts.append(c[1])
        self.weight = 0
        return stmts

    # processes and definitions

    def function(self, c: list[Any]) -> Function:
        head: lark.Token = c[0]
        name, _, inside = head.partition("(")
        tid = _process(self, head, name)
        params = parameters(inside.rstrip()[:-1], functools.partial(self._inside, head, len(name) + 1))
        _check_depth(self, c[2], head)
        used = {n: self.at(t) for n, t in self.used.items()}
        span = Span(self.source, head.line or 1, head.column or 1, (head.column or 1) + len(name.rstrip()))
        result = Function(tid, params, tuple(c[2]), used, frozenset(self.declared), span)
        self.used, self.declared, self.doubled = {}, set(), 0
        return result

    def _inside(self, token: lark.Token, start: int, offset: int, length: int) -> Span:
        """The place `offset` characters behind `start` in a token, which may have several lines."""
        before = token[: start + offset]
        line = (token.line or 1) + before.count("\n")
        column = len(before) - before.rfind("\n") if "\n" in before else (token.column or 1) + len(before)
        return Span(self.source, line, column, column + length)

    def _macro(self, head: lark.Token, names: list[lark.Token], value: Expr | None, body: list[Stmt]) -> Macro:
        _check_depth(self, body, head)
        params = tuple(n.rstrip() for n in names)
        for i, name in enumerate(params):
            if name in params[:i]:
                raise SyntaxProblem(f"two parameters are called {name!r}", self.at(names[i]))
        self.weight = self.doubled = 0
        name = head.partition("(")[0].rstrip()
        span = Span(self.source, head.line or 1, head.column or 1, (head.column or 1) + len(name))
        return Macro(name, params, value, tuple(body), span)

    def macro_value0(self, c: list[Any]) -> Macro:
        return self._macro(c[0], [], c[2], [])

    def macro_value(self, c: list[Any]) -> Macro:
        return self._macro(c[0], c[1], c[3], [])

    def macro_body0(self, c: list[Any]) -> Macro:
        return self._macro(c[0], [], None, c[2])

    def macro_body(self, c: list[Any]) -> Macro:
        return self._macro(c[0], c[1], None, c[3])

    # statements: each is a statement, or a list of them

    def block(self, c: list[Any]) -> list[Stmt]:
        return c[1]  # type: ignore[no-any-return]

    def nothing(self, c: list[Any]) -> list[Stmt]:
        return []

    def set_local(self, c: list[Any]) -> Assign:
        name, value = self.local(c[0]), c[2]
        if len(op := c[1].rstrip()) > 1:
            value = Op(BINARY[op[:-1]][1], (Reg(name), value))
        return Assign(name, value, self.reach(c[0], c[3]))

    def declare(self, c: list[Any]) -> list[Stmt]:
        self._declared(c[1])
        return []

    def declare_set(self, c: list[Any]) -> Assign:
        name = self._declared(c[1])
        if c[2][0] != "=":
            raise SyntaxProblem("a declaration takes a plain '='", self.at(c[2]))
        return Assign(name, c[3], self.reach(c[1], c[4]))

    def declare_many(self, c: list[Any]) -> list[Stmt]:
        return [stmt for stmts in c[1] for stmt in stmts]

    def decl_two(self, c: list[Any]) -> list[Any]:
        return [c[0], c[2]]

    def decl_plain(self, c: list[Any]) -> list[Stmt]:
        self._declared(c[0])
        return []

    def decl_set(self, c: list[Any]) -> list[Stmt]:
        return [Assign(self._declared(c[0]), c[2], self.at(c[0]))]

    def decl_pointer(self, c: list[Any]) -> list[Stmt]:
        return self.decl_plain(c[1:])

    def decl_pointer_set(self, c: list[Any]) -> list[Stmt]:
        return self.decl_set(c[1:])

    def _declared(self, token: lark.Token) -> str:
        name = token.rstrip()
        if name in RESERVED:
            raise self.reserved(name, token)
        self.declared.add(name)
        return name

    def effect(self, c: list[Any]) -> Do:
        value = c[0]
        if isinstance(value, Call | Deref):
            return Do(value, value.span)
        if isinstance(value, Reg) and value.name in JUMPS:
            raise Unsupported(f"'{value.name}' is not supported", self.at(self.used[value.name]), hint=NO_JUMPS)
        return Do(value, self.at(c[1]) if len(c) > 1 else NOWHERE)

    def _write(self, target: Any, value: Expr, token: lark.Token) -> Stmt:
        if isinstance(target, Reg):
            return Assign(target.name, value, self.at(token))
        if not isinstance(target, Deref):
            raise SyntaxProblem("this cannot be assigned to", self.at(token), hint="assign to a local variable or to '*pointer'")
        return Write(target.addr, value, target.span)

    def assign(self, c: list[Any]) -> Stmt:
        target, value = c[0], c[2]
        if len(op := c[1].rstrip()) > 1:
            value = self._updated(target, BINARY[op[:-1]][1], value, c[1])
        return self._write(target, value, c[1])

    def _updated(self, target: Any, op: str, value: Expr, token: lark.Token) -> Expr:
        if isinstance(target, Deref) and not pure(target.addr):
            raise Unsupported(
                "the address in this assignment would be computed twice",
                self.at(token),
                hint="keep it in a local variable first",
            )
        return Op(op, (target, value))

    def step_after(self, c: list[Any]) -> Stmt:
        op = "add" if c[1][0] == "+" else "sub"
        return self._write(c[0], self._updated(c[0], op, Const(1), c[1]), c[1])

    def step_before(self, c: list[Any]) -> Stmt:
        return self.step_after([c[1], c[0]])

    def if_(self, c: list[Any]) -> If:
        return If(c[1], _body(c[3]), (), self.at(c[0]))

    def if_else(self, c: list[Any]) -> If:
        return If(c[1], _body(c[3]), _body(c[5]), self.at(c[0]))

    def while_(self, c: list[Any]) -> While:
        return While(c[1], _body(c[3]), self.at(c[0]))

    def do_while(self, c: list[Any]) -> list[Stmt]:
        self.doubled += 1
        if self.doubled > MAX_DO_WHILE:
            raise LimitExceeded(f"more than {MAX_DO_WHILE} do-while loops in one process", self.at(c[0]), hint="use while")
        body = _body(c[1])
        return [*body, While(c[3], body, self.at(c[2]))]

    def for_(self, c: list[Any]) -> list[Stmt]:
        start = _body(c[1])
        if any(isinstance(s, If | While) for s in start):
            raise SyntaxProblem("a 'for' begins with an assignment or a declaration", self.at(c[0]))
        return [*start, While(c[2], (*_body(c[6]), *_body(c[4])), self.at(c[0]))]

    def forever(self, c: list[Any]) -> Expr:
        return Const(1)


def _body(stmt: Any) -> tuple[Stmt, ...]:
    return tuple(stmt) if type(stmt) is list else (stmt,)


def _process(build: _Build, head: lark.Token, name: str) -> int:
    digits = name.split()[-1][1:]
    if len(digits) > 4:
        raise LimitExceeded("a process number of more than four digits", build.at(head))
    return int(digits)


def _check_depth(build: _Build, body: list[Stmt], head: lark.Token) -> None:
    """Refuse statements nested deeper than the stages behind can walk."""
    level, depth, loops = list(body), 0, 0
    while level:
        depth += 1
        if depth > MAX_NESTING:
            raise LimitExceeded(f"statements nested more than {MAX_NESTING} deep", build.at(head))
        inner: list[Stmt] = []
        for stmt in level:
            if isinstance(stmt, If):
                inner += stmt.then + stmt.orelse
            elif isinstance(stmt, While):
                loops += 1
                inner += stmt.body
        level = inner
