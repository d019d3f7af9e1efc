"""Kernel C, as litmus tests and tables of primitives use it: text in, statements out.

`parse_code` reads the processes of a test, `parse_definitions` the definitions of a `.def` file. What the rules make is
C as it was written (`c_syntax.py`); `c_lower.py` gives it types and turns it into statements of ir: `for` becomes `While` (or
is written out), `do` a body and a `While`, `x[i]` becomes `*(x + i)`. A name nobody declared is a local variable.

    P0(int *x) { int r = *x; }    Function(0, (("x", "int"),), (Assign("r", Deref(Reg("x"))),), …)
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from typing import Any

import lark
from lark.exceptions import UnexpectedInput

from checker.core.depth import deep_recursion
from checker.core.source import NOWHERE, CheckerError, LimitExceeded, Source, Span, SyntaxProblem, Unsupported, several
from checker.parse.c_errors import explain, without_statement
from checker.parse.c_expr import Expressions, operation
from checker.parse.c_layout import Layouts
from checker.parse.c_lower import Function as Function
from checker.parse.c_lower import Lowering, inner, lower
from checker.parse.c_preprocess import Define, Places, expanded, preprocessed
from checker.parse.c_syntax import (
    Case,
    Declare,
    DoWhile,
    Enumeration,
    Field,
    For,
    Helper,
    Here,
    Jump,
    Member,
    Process,
    Scope,
    Step,
    Structure,
    Switch,
    Typedef,
    Unit,
    Update,
)
from checker.parse.c_text import RESERVED, blank_comments, parameters
from checker.parse.grammar import MAX_NESTING, parser, run
from checker.program.ir import Assign, Call, Const, Deref, Do, Expr, If, Macro, Op, Reg, Stmt, While, Write

MAX_DO_WHILE = 6  # in one process: the body of each may be written twice
MAX_PROBLEMS = 10
RECURSION = 20_000


def parse_code(source: Source, text: str) -> tuple[tuple[Function, ...], Layouts, dict[str, Define]]:
    """The processes in `text`, the types and constants it declares, and its macros. All that is wrong is said at once."""
    problems: list[CheckerError] = []
    text, places, macros = preprocessed(source, blank_comments(source, text))
    units = units_of(source, text, places, problems)
    try:
        with deep_recursion(RECURSION):
            functions, layouts = lower(units, problems)
    except LimitExceeded as error:
        problems.append(error)
    if problems:
        raise several(problems[:MAX_PROBLEMS])
    return functions, layouts, macros


def constant_of(source: Source, name: str, layouts: Layouts, macros: dict[str, Define]) -> int | None:
    """The number that an enumerator or a macro of the file stands for; None where `name` is neither."""
    if name in layouts.constants:
        return layouts.constants[name]
    macro = macros.get(name)
    if macro is None or macro.params is not None:
        return None
    try:
        text = expanded(source, name, macros)
        (unit,) = _parse("threads", source, f"enum {{ N = {text} }};", None)
        return Lowering(layouts, {}, []).constant(unit.names[0][1], unit.names[0][2])
    except CheckerError:
        return None


def units_of(source: Source, text: str, places: Places | None, problems: list[CheckerError]) -> list[Unit]:
    """The units of `text`; a statement that does not parse is noted and left out."""
    for _ in range(MAX_PROBLEMS):
        build = _grammar("threads")[1]
        try:
            return _parse("threads", source, text, places)
        except LimitExceeded as error:
            problems.append(error)
            return []
        except CheckerError as error:
            problems.append(error)
            rest = without_statement(text, build.stopped) if build.stopped is not None else None
            if rest is None:
                return []
            text = rest
    return []


def parse_definitions(source: Source, text: str) -> tuple[Macro, ...]:
    """The definitions in `text`, a table of primitives: `source`, with lines of other kinds blanked."""
    return tuple(_parse("table", source, blank_comments(source, text), None))


_ONE_AT_A_TIME = threading.Lock()  # a parser's callbacks keep state while it runs


def _parse(start: str, source: Source, text: str, places: Places | None) -> list[Any]:
    with _ONE_AT_A_TIME:
        grammar, build = _grammar(start)
        build.begin(source, places)
        result: list[Any] = run(grammar, source, text=text, explain=functools.partial(build.explain, text))
        return result


@functools.cache
def _grammar(start: str) -> tuple[lark.Lark, _Build]:
    build = _Build(table=start == "table")
    return parser("c", build, start=start), build


# ---------------------------------------------------------------- callbacks


class _Build(Expressions):
    """What the rules of c.lark make. In a table there are no types: casts are dropped."""

    def explain(self, text: str, source: Source, error: UnexpectedInput) -> CheckerError | None:
        """What is wrong where the parser stopped, which is kept for those who go on behind."""
        at = error.pos_in_stream
        self.stopped = at if isinstance(at, int) and at < len(text) else None
        found = explain(text, source, error)
        if found is None or self.places is None or found.span is None:
            return found
        return type(found)(found.message, self.places.was(found.span), hint=found.hint)

    def grow_stmts(self, c: list[Any]) -> list[Stmt]:
        stmts: list[Stmt] = c[0]
        if type(c[1]) is list:
            stmts += c[1]
        else:
            stmts.append(c[1])
        self.weight = 0
        return stmts

    # processes and definitions

    def grow_units(self, c: list[Any]) -> list[Unit]:
        made = c[1] or []
        c[0].extend(made if isinstance(made, list) else [made])
        return c[0]  # type: ignore[no-any-return]

    def function(self, c: list[Any]) -> Process:
        head: lark.Token = c[0]
        name, _, inside = head.partition("(")
        tid = _process(self, head, name)
        params = parameters(inside.rstrip()[:-1], functools.partial(self._inside, head, len(name) + 1))
        body = (*c[2], *c[3])
        _check_depth(self, body, head)
        used = {n: self.at(t) for n, t in self.used.items()}
        span = self.at_columns(head, len(name.rstrip()))
        result = Process(tid, params, body, used, frozenset(self.declared), span)
        self.used, self.declared, self.doubled = {}, set(), 0
        return result

    def helper(self, c: list[Any]) -> Helper:
        head: lark.Token = c[0]
        before, _, inside = head.partition("(")
        name = before.split()[-1].lstrip("*")
        kind = before.rstrip()[: -len(name)]
        span = self.at_columns(head, len(before.rstrip()))
        if name in RESERVED or not kind.strip():
            raise SyntaxProblem(f"'{name}' cannot be the name of a function", span)
        at = functools.partial(self._inside, head, len(before) + 1)
        params = parameters(inside.rstrip()[:-1], at, of_process=False)
        body = (*c[2], *c[3])
        _check_depth(self, body, head)
        used = {n: self.at(t) for n, t in self.used.items()}
        result = Helper(name, kind, params, body, used, frozenset(self.declared), span)
        self.used, self.declared, self.doubled = {}, set(), 0
        return result

    # structures and enumerations

    def structure(self, c: list[Any], span: Span | None = None) -> Structure:
        words = c[0].split()
        span = span or self.at(c[0])
        return Structure(words[1], tuple(c[2]), span, words[0] == "union")

    def typedef(self, c: list[Any]) -> Typedef:
        f: Field = c[2]
        return self._typedef(Field(f.name, f"{c[1]} {f.type}", f.sizes, (), f.span))

    def typedef_structure(self, c: list[Any]) -> list[Unit]:
        """`typedef struct tag { … } name;` is the structure, which has a tag of its own where none is given, and the name."""
        f: Field = c[5]
        words = c[1].split()
        tag = words[1] if len(words) > 1 else f"({f.name})"
        return [
            self.structure([f"{words[0]} {tag}", None, c[3]], f.span),
            self._typedef(Field(f.name, f"{words[0]} {tag} {f.type}", f.sizes, (), f.span)),
        ]

    def typedef_enumeration(self, c: list[Any]) -> list[Unit]:
        f: Field = c[5]
        words = c[1].split()
        tag = words[1] if len(words) > 1 else f"({f.name})"
        made = self.enumeration([f"enum {tag}", None, c[3]])
        return [made, self._typedef(Field(f.name, f"enum {tag} {f.type}", f.sizes, (), f.span))]

    def _typedef(self, f: Field) -> Typedef:
        if not f.name.endswith("_t"):
            raise Unsupported(
                f"the type name '{f.name}'", f.span, hint=f"names of types end in '_t' here, as in the kernel: {f.name}_t"
            )
        return Typedef(f)

    def grow_fields(self, c: list[Any]) -> list[Field]:
        fields: list[Field] = c[0]
        fields += c[1]
        return fields

    def field(self, c: list[Any]) -> list[Field]:
        return [Field(f.name, f"{c[0]} {f.type}", f.sizes, (), f.span) for f in c[1]]

    def inner_field(self, c: list[Any]) -> list[Field]:
        for f in c[4]:
            if f.type:
                raise Unsupported(f"the pointer '{f.name}' to a structure declared in place", f.span, hint="give that a name")
        return [Field(f.name, "", f.sizes, tuple(c[2]), f.span, c[0].startswith("union")) for f in c[4]]

    def anonymous_field(self, c: list[Any]) -> list[Field]:
        return [Field("", "", (), tuple(c[2]), self.at(c[0]), c[0].startswith("union"))]

    def member(self, c: list[Any]) -> Field:
        name = c[0].rstrip()
        if name in RESERVED:
            raise self.reserved(name, c[0])
        return Field(name, "", (), (), self.at(c[0]))

    def member_pointer(self, c: list[Any]) -> Field:
        f = self.member(c[1:])
        return Field(f.name, c[0], (), (), f.span)

    def member_array(self, c: list[Any]) -> Field:
        f: Field = c[0]
        return Field(f.name, f.type, (*f.sizes, c[2]), (), f.span)

    def enumerator_set(self, c: list[Any]) -> list[Any]:
        return [c[0], c[2]]

    def enumeration(self, c: list[Any]) -> Enumeration:
        words = c[0].split()
        names = tuple([(e[0].rstrip(), e[1] if len(e) > 1 else None, self.at(e[0])) for e in c[2]])
        return Enumeration(words[1] if len(words) > 1 else "", names)

    def _inside(self, token: lark.Token, start: int, offset: int, length: int) -> Span:
        """The place `offset` characters behind `start` in a token, which may have several lines."""
        before = token[: start + offset]
        line = (token.line or 1) + before.count("\n")
        column = len(before) - before.rfind("\n") if "\n" in before else (token.column or 1) + len(before)
        return self.moved(Span(self.source, line, column, column + length))

    def _macro(self, head: lark.Token, names: list[lark.Token], value: Expr | None, body: list[Stmt]) -> Macro:
        _check_depth(self, body, head)
        params = tuple(n.rstrip() for n in names)
        for i, name in enumerate(params):
            if name in params[:i]:
                raise SyntaxProblem(f"two parameters are called {name!r}", self.at(names[i]))
        self.weight = self.doubled = 0
        name = head.partition("(")[0].rstrip()
        return Macro(name, params, value, tuple(body), self.at_columns(head, len(name)))

    def macro_value0(self, c: list[Any]) -> Macro:
        return self._macro(c[0], [], c[2], [])

    def macro_value(self, c: list[Any]) -> Macro:
        return self._macro(c[0], c[1], c[3], [])

    def macro_body0(self, c: list[Any]) -> Macro:
        return self._macro(c[0], [], None, c[2])

    def macro_body(self, c: list[Any]) -> Macro:
        return self._macro(c[0], c[1], None, c[3])

    # statements: each is a statement, or a list of them

    def block(self, c: list[Any]) -> Any:
        body: list[Any] = c[1] + c[2]
        if not self.table and any([type(s) is Declare for s in body]):
            return Scope(tuple(body))
        return body

    def ending(self, c: list[Any]) -> list[Any]:
        return c[:1]

    def nothing(self, c: list[Any]) -> list[Stmt]:
        return []

    def set_local(self, c: list[Any]) -> Any:
        name, value = self.local(c[0]), c[2]
        if op := operation(c[1]):
            return self._update(Reg(name), op, value, c[0], self.reach(c[0], c[3]))
        return Assign(name, value, self.reach(c[0], c[3]))

    def declare(self, c: list[Any]) -> list[Any]:
        return self._declared(c[0], c[1], None, c[2])

    def declare_set(self, c: list[Any]) -> list[Any]:
        if c[2][0] != "=":
            raise SyntaxProblem("a declaration takes a plain '='", self.at(c[2]))
        return self._declared(c[0], c[1], c[3], c[4])

    def declare_many(self, c: list[Any]) -> list[Any]:
        return [s for stars, name, value in c[1] for s in self._declared(_base(c[0], c[1][0]) + stars, name, value, name)]

    def decl_two(self, c: list[Any]) -> list[Any]:
        return [c[0], c[2]]

    def decl_plain(self, c: list[Any]) -> tuple[str, lark.Token, Any]:
        return "", c[0], None

    def decl_set(self, c: list[Any]) -> tuple[str, lark.Token, Any]:
        if c[1][0] != "=":
            raise SyntaxProblem("a declaration takes a plain '='", self.at(c[1]))
        return "", c[0], c[2]

    def decl_pointer(self, c: list[Any]) -> tuple[str, lark.Token, Any]:
        return c[0], c[1], None

    def decl_pointer_set(self, c: list[Any]) -> tuple[str, lark.Token, Any]:
        return c[0], *self.decl_set(c[1:])[1:]

    def _declared(self, kind: str, token: lark.Token, value: Any, last: lark.Token) -> list[Any]:
        name = token.rstrip()
        if name in RESERVED:
            raise self.reserved(name, token)
        self.declared.add(name)
        if self.table:
            return [Assign(name, value, self.reach(token, last))] if value is not None else []
        return [Declare(name, kind, value, self.at(token), self.reach(token, last))]

    def effect(self, c: list[Any]) -> Any:
        value = c[0]
        if isinstance(value, Call | Deref):
            return Do(value, value.span)
        if isinstance(value, Step):
            return self._update(value.target, value.op, Const(1), None, value.span)
        return Do(value, self.at(c[1]) if len(c) > 1 else NOWHERE)

    def assign(self, c: list[Any]) -> Any:
        target, value = c[0], c[2]
        if op := operation(c[1]):
            return self._update(target, op, value, c[1], self.at(c[1]))
        if isinstance(target, Reg):
            return Assign(target.name, value, self.at(c[1]))
        if isinstance(target, Deref):
            return Write(target.addr, value, target.span)
        return self._update(target, "", value, c[1], self.at(c[1]))

    def _update(self, target: Any, op: str, value: Any, token: lark.Token | None, reach: Span) -> Any:
        span = self.at(token) if token is not None else reach
        if not isinstance(target, Reg | Deref | Member):
            raise SyntaxProblem("this cannot be assigned to", span, hint="assign to a local variable or to '*pointer'")
        if not self.table:
            return Update(target, op, value, span, reach)
        if isinstance(target, Reg):
            return Assign(target.name, Op(op, (target, value)), reach)
        raise Unsupported("'op=' in a table", span, hint="write the read and the write out")

    def if_(self, c: list[Any]) -> If:
        return If(c[1], _body(c[3]), (), self.at(c[0]))

    def if_else(self, c: list[Any]) -> If:
        return If(c[1], _body(c[3]), _body(c[5]), self.at(c[0]))

    def while_(self, c: list[Any]) -> While:
        return While(c[1], _body(c[3]), self.at(c[0]))

    def do_while(self, c: list[Any]) -> DoWhile:
        self.doubled += 1
        if self.doubled > MAX_DO_WHILE:
            raise LimitExceeded(f"more than {MAX_DO_WHILE} do-while loops in one process", self.at(c[0]), hint="use while")
        return DoWhile(c[3], _body(c[1]), self.at(c[2]))

    def for_(self, c: list[Any]) -> For:
        start = _body(c[1])
        if any(not isinstance(s, Assign | Declare | Update | Do | Write) for s in start):
            raise SyntaxProblem("a 'for' begins with an assignment or a declaration", self.at(c[0]))
        return For(start, c[2], tuple(_body(c[4])), _body(c[6]), self.at(c[0]))

    def grow_steps(self, c: list[Any]) -> list[Any]:
        return [*_body(c[0]), c[2]]

    def switch(self, c: list[Any]) -> Switch:
        return Switch(c[1], _body(c[3]), self.at(c[0]))

    def labelled(self, c: list[Any]) -> list[Any]:
        return [c[0], *_body(c[1])]

    def label(self, c: list[Any]) -> Here:
        if (name := c[0].rstrip()) in RESERVED:
            raise self.reserved(name, c[0])
        return Here(name, self.at(c[0]))

    def case(self, c: list[Any]) -> Case:
        return Case(c[1], self.at(c[0]))

    def default(self, c: list[Any]) -> Case:
        return Case(None, self.at(c[0]))

    def jump(self, c: list[Any]) -> Jump:
        text = c[0].rstrip().rstrip(";").rstrip()
        words = text.split()
        return Jump(words[0], words[1] if len(words) > 1 else "", None, self.at_columns(c[0], len(text)))

    def return_value(self, c: list[Any]) -> Jump:
        return Jump("return", "", c[1], self.at(c[0]))

    def forever(self, c: list[Any]) -> Expr:
        return Const(1)


def _body(stmt: Any) -> tuple[Any, ...]:
    return tuple(stmt) if type(stmt) is list else (stmt,)


def _base(kind: str, first: tuple[str, lark.Token, Any]) -> str:
    """The type of what follows the first declarator: the stars are the first one's."""
    return kind.replace("*", " ")


def _process(build: _Build, head: lark.Token, name: str) -> int:
    digits = name.split()[-1][1:]
    if len(digits) > 4:
        raise LimitExceeded("a process number of more than four digits", build.at(head))
    return int(digits)


def _check_depth(build: _Build, body: Sequence[Any], head: lark.Token) -> None:
    """Refuse statements nested deeper than the stages behind can walk, and in a table what only a process has."""
    level, depth = list(body), 0
    while level:
        depth += 1
        if depth > MAX_NESTING:
            raise LimitExceeded(f"statements nested more than {MAX_NESTING} deep", build.at(head))
        below: list[Any] = []
        for stmt in level:
            if build.table and isinstance(stmt, DoWhile | For | Switch | Case | Here | Jump):
                raise Unsupported("a definition has no jumps, and 'while' for a loop", stmt.span)
            if type(stmt) not in _SIMPLE:
                below += inner(stmt)
        level = below


_SIMPLE = frozenset({Assign, Write, Do, Declare, Update})
