"""Kernel C, as litmus tests and tables of primitives use it: text in, statements out.

`parse_functions` reads the processes of a test, `parse_definitions` the definitions of a `.def` file. Types and casts are
read and dropped: every value is an integer or an address. `for` becomes `While`, `do` a body and a `While`, `x[i]` becomes
`*(x + i)`, and a name nobody declared is a local variable.

    P0(int *x) { int r = *x; }    Function(0, (("x", "int"),), (Assign("r", Deref(Reg("x"))),), …)
"""

from __future__ import annotations

import functools
import re
import threading
from dataclasses import dataclass
from typing import Any

import lark
from lark.exceptions import UnexpectedInput, UnexpectedToken

from checker.core.source import NOWHERE, CheckerError, LimitExceeded, Source, Span, SyntaxProblem, Unsupported
from checker.parse.grammar import MAX_NESTING, parser, run
from checker.program.ir import Assign, Call, Const, Deref, Do, Expr, If, Macro, Op, Reg, Stmt, While, Write

MAX_OPERATORS = 200  # in one statement; what bounds the depth of an expression
MAX_DO_WHILE = 6  # inside each other: the body of each is written twice


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


def parse_definitions(source: Source) -> tuple[Macro, ...]:
    """The definitions of a table of primitives, in the order of the file."""
    return tuple(_parse("table", source, source.text))


def blank(text: str) -> str:
    """Spaces for everything but line ends."""
    return re.sub(r"[^\n]", " ", text)


def blank_comments(source: Source, text: str) -> str:
    """`text` without its `//` and `/* */` comments, every other character where it was."""
    if "/*" not in text and "//" not in text:
        return text
    text = re.sub(r"//[^\n]*|/\*.*?\*/", lambda m: blank(m[0]), text, flags=re.S)
    if (at := text.find("/*")) >= 0:
        line = text.count("\n", 0, at) + 1
        column = at - text.rfind("\n", 0, at)
        raise SyntaxProblem("this comment is never closed", Span(source, line, column, column + 2), hint="close it with '*/'")
    return text


_ONE_AT_A_TIME = threading.Lock()  # a parser's callbacks keep state while it runs


def _parse(start: str, source: Source, text: str) -> list[Any]:
    text = blank_comments(source, text)
    with _ONE_AT_A_TIME:
        grammar, build = _grammar(start)
        build.begin(source)
        result: list[Any] = run(grammar, source, text=text, explain=functools.partial(_explain, source, text))
        return result


@functools.cache
def _grammar(start: str) -> tuple[lark.Lark, _Build]:
    build = _Build()
    return parser("c", build, start=start), build


# ---------------------------------------------------------------- operators

# C's binary operators: how tightly each binds, and what it is called.
_BINARY = {
    "*": (10, "mul"), "/": (10, "div"), "%": (10, "mod"), "+": (9, "add"), "-": (9, "sub"), "<<": (8, "shl"), ">>": (8, "sar"),
    "<": (7, "lt"), "<=": (7, "le"), ">": (7, "gt"), ">=": (7, "ge"), "==": (6, "eq"), "!=": (6, "ne"),
    "&": (5, "and"), "^": (4, "xor"), "|": (3, "or"), "&&": (2, "land"), "||": (1, "lor"),
}  # fmt: skip
_PREFIX = {"!": "lnot", "~": "not"}
_ATOMIC = {"+": "add", "-": "sub", "&": "and", "|": "or", "^": "xor", "&~": "andnot"}
_WORDS = {"NULL": 0, "true": 1, "false": 0}

_CAST = re.compile(r"\([^()]*\)")
_PARAMETER = re.compile(r"\s*(.*?)([A-Za-z_][A-Za-z0-9_]*)\s*((?:\[[^\]]*\]\s*)?)$", re.S)
_TAG = re.compile(r"\s*([A-Za-z][A-Za-z0-9_.-]*)\s*$")


def _bind(chain: list[Any]) -> Expr:
    """A chain operand, operator, operand, … as a tree: by precedence, from the left."""
    operands: list[Expr] = [chain[0]]
    waiting: list[tuple[int, str]] = []
    for at in range(1, len(chain), 2):
        row = _BINARY[chain[at].rstrip()]
        while waiting and waiting[-1][0] >= row[0]:
            right = operands.pop()
            operands[-1] = Op(waiting.pop()[1], (operands[-1], right))
        waiting.append(row)
        operands.append(chain[at + 1])
    while waiting:
        right = operands.pop()
        operands[-1] = Op(waiting.pop()[1], (operands[-1], right))
    return operands[0]


def _number(digits: str) -> int:
    """The value of a C integer literal, as a signed number of 64 bits."""
    text = digits.rstrip().rstrip("uUlL")
    if len(text) > 25:
        raise ValueError(digits)
    value = int(text, 16) if text[:2] in ("0x", "0X") else int(text, 8) if len(text) > 1 and text[0] == "0" else int(text)
    if value >= 1 << 64:
        raise ValueError(digits)
    return value - (1 << 64) if value >= 1 << 63 else value


def _end(token: lark.Token) -> int:
    return int(token.column or 1) + len(token.rstrip())


# ---------------------------------------------------------------- callbacks


class _Build:
    """What the rules of c.lark make. `begin` says of which source."""

    source: Source
    used: dict[str, lark.Token]
    declared: set[str]
    weight: int

    def begin(self, source: Source) -> None:
        self.source = source
        self.used = {}
        self.declared = set()
        self.weight = 0

    def at(self, token: lark.Token) -> Span:
        return Span(self.source, token.line or 1, token.column or 1, _end(token))

    def reach(self, first: lark.Token, last: lark.Token) -> Span:
        """From the first token to the end of the last, or to the end of the first one's line."""
        end = _end(last) if last.line == first.line else _end(first)
        return Span(self.source, first.line or 1, first.column or 1, end)

    def heavier(self, by: int, token: lark.Token) -> None:
        self.weight += by
        if self.weight > MAX_OPERATORS:
            raise LimitExceeded(f"more than {MAX_OPERATORS} operators in one statement", self.at(token))

    # lists

    def empty(self, c: list[Any]) -> list[Any]:
        return []

    def first(self, c: list[Any]) -> list[Any]:
        return c

    same_list = first

    def grow(self, c: list[Any]) -> list[Any]:
        c[0].append(c[1])
        return c[0]  # type: ignore[no-any-return]

    def grow_list(self, c: list[Any]) -> list[Any]:
        c[0].append(c[2])
        return c[0]  # type: ignore[no-any-return]

    def grow_chain(self, c: list[Any]) -> list[Any]:
        chain: list[Any] = c[0]
        chain += c[1:]
        return chain

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
        params = _parameters(self, head, inside.rstrip()[:-1])
        _check_depth(self, c[2], head)
        used = {n: self.at(t) for n, t in self.used.items()}
        span = Span(self.source, head.line or 1, head.column or 1, (head.column or 1) + len(name.rstrip()))
        result = Function(tid, params, tuple(c[2]), used, frozenset(self.declared), span)
        self.used, self.declared = {}, set()
        return result

    def _macro(self, head: lark.Token, names: list[lark.Token], value: Expr | None, body: list[Stmt]) -> Macro:
        _check_depth(self, body, head)
        params = tuple(n.rstrip() for n in names)
        for i, name in enumerate(params):
            if name in params[:i]:
                raise SyntaxProblem(f"two parameters are called {name!r}", self.at(names[i]))
        self.weight = 0
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

    def _local(self, token: lark.Token) -> str:
        name = token.rstrip()
        if name not in self.used:
            self.used[name] = token
        return name

    def set_local(self, c: list[Any]) -> Assign:
        name, value = self._local(c[0]), c[2]
        if len(op := c[1].rstrip()) > 1:
            value = Op(_BINARY[op[:-1]][1], (Reg(name), value))
        return Assign(name, value, self.reach(c[0], c[3]))

    def declare(self, c: list[Any]) -> list[Stmt]:
        self.declared.add(c[1].rstrip())
        return []

    def declare_set(self, c: list[Any]) -> Assign:
        name = c[1].rstrip()
        self.declared.add(name)
        if c[2][0] != "=":
            raise SyntaxProblem("a declaration takes a plain '='", self.at(c[2]))
        return Assign(name, c[3], self.reach(c[1], c[4]))

    def declare_many(self, c: list[Any]) -> list[Stmt]:
        return [stmt for stmts in c[1] for stmt in stmts]

    def decl_two(self, c: list[Any]) -> list[Any]:
        return [c[0], c[2]]

    def decl_plain(self, c: list[Any]) -> list[Stmt]:
        self.declared.add(c[0].rstrip())
        return []

    def decl_set(self, c: list[Any]) -> list[Stmt]:
        return [Assign(self._declared(c[0]), c[2], self.at(c[0]))]

    def decl_pointer(self, c: list[Any]) -> list[Stmt]:
        return self.decl_plain(c[1:])

    def decl_pointer_set(self, c: list[Any]) -> list[Stmt]:
        return self.decl_set(c[1:])

    def _declared(self, token: lark.Token) -> str:
        name = token.rstrip()
        self.declared.add(name)
        return name

    def effect(self, c: list[Any]) -> Do:
        value = c[0]
        if isinstance(value, Call | Deref):
            return Do(value, value.span)
        return Do(value, self.at(c[1]) if len(c) > 1 else NOWHERE)

    def _write(self, target: Any, value: Expr, token: lark.Token) -> Stmt:
        if isinstance(target, Reg):
            return Assign(target.name, value, self.at(token))
        if not isinstance(target, Deref):
            raise SyntaxProblem(
                "this cannot be assigned to", self.at(token), hint="assign to a local variable or to '*pointer'"
            )
        return Write(target.addr, value, target.span)

    def assign(self, c: list[Any]) -> Stmt:
        target, value = c[0], c[2]
        if len(op := c[1].rstrip()) > 1:
            value = self._updated(target, _BINARY[op[:-1]][1], value, c[1])
        return self._write(target, value, c[1])

    def _updated(self, target: Any, op: str, value: Expr, token: lark.Token) -> Expr:
        if isinstance(target, Deref) and not _pure(target.addr):
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
        body = _body(c[1])
        return [*body, While(c[3], body, self.at(c[2]))]

    def for_(self, c: list[Any]) -> list[Stmt]:
        start = _body(c[1])
        if any(isinstance(s, If | While) for s in start):
            raise SyntaxProblem("a 'for' begins with an assignment or a declaration", self.at(c[0]))
        return [*start, While(c[2], (*_body(c[6]), *_body(c[4])), self.at(c[0]))]

    def forever(self, c: list[Any]) -> Expr:
        return Const(1)

    # expressions

    def same(self, c: list[Any]) -> Any:
        return c[0]

    def bind(self, c: list[Any]) -> Expr:
        chain = c[0]
        self.heavier(len(chain) >> 1, chain[1])
        if len(chain) == 3:
            return Op(_BINARY[chain[1].rstrip()][1], (chain[0], chain[2]))
        return _bind(chain)

    def choice(self, c: list[Any]) -> Expr:
        self.heavier(1, c[1])
        return Op("ite", (c[0], c[2], c[4]))

    def choice_chain(self, c: list[Any]) -> Expr:
        return self.choice([self.bind(c[:1]), *c[1:]])

    def prefix(self, c: list[Any]) -> Expr:
        token: lark.Token = c[0]
        value: Expr = c[1]
        if token == "*" and type(value) is Reg:
            column = token.column or 1
            return Deref(value, Span(self.source, token.line or 1, column, column + 1 + len(value.name)))
        operators = _CAST.sub("", token)
        if "--" in operators or "++" in operators:
            raise Unsupported(
                "'++' and '--' inside an expression", self.at(token), hint="write them as statements of their own"
            )
        operators = "".join(operators.split())
        self.heavier(len(operators), token)
        for op in reversed(operators):
            value = self._unary(op, value, token)
        return value

    def _unary(self, op: str, value: Expr, token: lark.Token) -> Expr:
        match op:
            case "*":
                return Deref(value, self.at(token))
            case "-":
                return Const(-value.value) if isinstance(value, Const) and isinstance(value.value, int) else Op("neg", (value,))
            case "+":
                return value
            case "&":
                if isinstance(value, Deref):
                    return value.addr
                raise Unsupported(
                    "'&' of a local variable",
                    self.at(token),
                    hint="the address of a global is its parameter's name: P0(int *x) { r = x; }",
                )
        return Op(_PREFIX[op], (value,))

    def name(self, c: list[Any]) -> Expr:
        token = c[0]
        name = token.rstrip()
        if name in _WORDS:
            return Const(_WORDS[name])
        if name not in self.used:
            self.used[name] = token
        return Reg(name)

    def number(self, c: list[Any]) -> Expr:
        try:
            return Const(_number(c[0]))
        except ValueError:
            raise SyntaxProblem("not an integer of 64 bits", self.at(c[0])) from None

    def parens(self, c: list[Any]) -> Any:
        return c[1]

    def index(self, c: list[Any]) -> Expr:
        self.heavier(2, c[1])
        addr = c[0] if c[2] == Const(0) else Op("add", (c[0], c[2]))
        return Deref(addr, self.at(c[1]))

    def call(self, c: list[Any]) -> Expr:
        token: lark.Token = c[0]
        name = token[: token.index("(")].rstrip()
        if name in _KEYWORDS:
            raise Unsupported(f"'{name}' here", self.at(token))
        self.heavier(1, token)
        args = c[1]
        for arg in args:
            if isinstance(arg, lark.Token):
                raise SyntaxProblem(f"{str(arg).strip()!r} is not a value", self.at(arg))
        column = token.column or 1
        return Call(name, tuple(args), (), Span(self.source, token.line or 1, column, column + len(name)))

    def call0(self, c: list[Any]) -> Expr:
        return self.call([c[0], ()])

    def operator(self, c: list[Any]) -> lark.Token:
        return c[0]  # type: ignore[no-any-return]

    def builtin(self, c: list[Any]) -> Expr:
        token: lark.Token = c[0]
        name, _, tags = token.partition("{")
        args = list(c[1])
        if name.rstrip() in ("__atomic_op", "__atomic_op_return", "__atomic_fetch_op"):
            if len(args) != 3 or not isinstance(args[1], lark.Token):
                raise SyntaxProblem(f"{name.rstrip()} takes a pointer, an operator and a value", self.at(token))
            name = f"{name.rstrip()}:{_ATOMIC[''.join(args.pop(1).split())]}"
        call = self.call([lark.Token.new_borrow_pos("CALL", f"{name.rstrip()}(", token), args])
        assert isinstance(call, Call)
        return Call(call.name, call.args, _tags(self, token, tags.partition("}")[0]), call.span)

    def fence(self, c: list[Any]) -> Expr:
        token: lark.Token = c[0]
        tags = _tags(self, token, token.partition("{")[2].partition("}")[0])
        return Call("__fence", (), tags, Span(self.source, token.line or 1, token.column or 1, _end(token)))


_KEYWORDS = frozenset({"if", "while", "for", "switch", "return", "sizeof", "do", "else", "goto"})


def _body(stmt: Any) -> tuple[Stmt, ...]:
    return tuple(stmt) if type(stmt) is list else (stmt,)


def _pure(e: Expr) -> bool:
    match e:
        case Const() | Reg():
            return True
        case Op(args=args):
            return all(_pure(a) for a in args)
    return False


def _tags(build: _Build, token: lark.Token, text: str) -> tuple[str, ...]:
    tags = []
    for part in text.split(","):
        if not (match := _TAG.match(part)):
            raise SyntaxProblem(f"{part.strip()!r} is not a tag", build.at(token), hint="write {ONCE}, or {ONCE, RELEASE}")
        tags.append(match[1])
    return tuple(tags)


def _process(build: _Build, head: lark.Token, name: str) -> int:
    digits = name.split()[-1][1:]
    if len(digits) > 4:
        raise LimitExceeded("a process number of more than four digits", build.at(head))
    return int(digits)


def _parameters(build: _Build, head: lark.Token, inside: str) -> tuple[tuple[str, str], ...]:
    """The names of `int *x, spinlock_t *l`, each with the type of what it points to."""
    if not inside.strip() or inside.strip() == "void":
        return ()
    result: list[tuple[str, str]] = []
    seen: set[str] = set()
    for part in inside.split(","):
        match = _PARAMETER.match(part)
        if not match or not match[1].strip():
            raise SyntaxProblem(f"{part.strip()!r} is not a parameter", build.at(head), hint="write 'int *x'")
        kind, name = " ".join(match[1].split()), match[2]
        if name in seen:
            raise SyntaxProblem(f"two parameters are called {name!r}", build.at(head))
        if match[3]:
            kind += "*"
        if not kind.endswith("*"):
            raise Unsupported(
                f"the parameter {name!r} is not a pointer",
                build.at(head),
                hint=f"write '{kind} *{name}': a parameter is the address of the global of its name",
            )
        seen.add(name)
        result.append((name, kind[:-1].rstrip()))
    return tuple(result)


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


# ---------------------------------------------------------------- messages


def _explain(source: Source, text: str, error: UnexpectedInput) -> CheckerError | None:
    """What is wrong at the place where the parser stopped, where more can be said than what it expected."""
    at = error.pos_in_stream
    if not isinstance(at, int):
        at = len(text)
    rest = text[at : at + 80]
    span = Span(source, max(1, error.line), max(1, error.column))
    for start, message, hint in _UNSUPPORTED:
        if match := re.match(start, rest):
            return Unsupported(message, Span(source, span.line, span.column, span.column + len(match[0])), hint=hint)
    wanted = set(error.expected) if isinstance(error, UnexpectedToken) else set(getattr(error, "allowed", None) or ())
    if "SEMI" in wanted and at > 0:
        return SyntaxProblem("missing ';'", _behind(source, text, at), hint="every statement ends with ';'")
    return None


def _behind(source: Source, text: str, at: int) -> Span:
    """The place right behind the last thing before `at`."""
    end = len(text[:at].rstrip())
    line = text.count("\n", 0, end) + 1
    column = end - text.rfind("\n", 0, end)
    return Span(source, line, column, column + 1)


_UNSUPPORTED = (
    (r"->", "members of structures are not supported", "give each member a global of its own"),
    (r"\.", "members of structures are not supported", "give each member a global of its own"),
    (r"(?:goto|switch|break|continue|return)\b", "jumps are not supported", "use if, else, while, do and for"),
    (r"#", "the preprocessor is not supported", "write the code out"),
    (r"asm\b|__asm__\b", "assembly inside C is not supported", "use a primitive of the table"),
)
