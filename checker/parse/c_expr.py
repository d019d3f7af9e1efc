"""The callbacks of c.lark for names, lists and expressions; `c.py` adds those for statements.

Each takes the list of what the symbols of its rule made (tokens still have the blanks behind them) and gives a piece of
`ir.Expr`. Two things are kept meanwhile: the names used and declared, and how many operators the statement has.

    prefix([Token("PREFIX", "*"), Reg("x")])    Deref(Reg("x"))
"""

from __future__ import annotations

from typing import Any

import lark

from checker.core.source import CheckerError, LimitExceeded, Source, Span, SyntaxProblem, Unsupported
from checker.parse.c_preprocess import Places
from checker.parse.c_syntax import AddressOf, Cast, Comma, Member, Set, SizeOf, Statements, Step
from checker.parse.c_text import ATOMIC, BINARY, HUGE, LEAST, NAMED, PREFIX, RESERVED, bind, literal, prefix_operators, tags
from checker.program.ir import Call, Const, Deref, Expr, Op, Reg

MAX_OPERATORS = 200  # in one statement; what bounds the depth of an expression


def operation(assign: str) -> str:
    """The operator of `op=`; empty for a plain '='."""
    symbol = assign.rstrip()[:-1]
    return BINARY[symbol][1] if symbol else ""


def end_of(token: lark.Token) -> int:
    return int(token.column or 1) + len(token.rstrip())


class Expressions:
    """What the rules of c.lark for lists and expressions make. `begin` says of which source."""

    source: Source
    used: dict[str, lark.Token]
    declared: set[str]
    weight: int
    doubled: int
    places: Places | None
    stopped: int | None

    def __init__(self, *, table: bool = False) -> None:
        self.table = table

    def begin(self, source: Source, places: Places | None) -> None:
        self.source, self.places, self.stopped = source, places, None
        self.used = {}
        self.declared = set()
        self.weight = 0
        self.doubled = 0

    def at(self, token: lark.Token) -> Span:
        column = token.column or 1
        span = Span(self.source, token.line or 1, column, column + len(token.rstrip()))
        return span if self.places is None else self.places.was(span)

    def at_columns(self, token: lark.Token, length: int) -> Span:
        """The first so many columns of a token."""
        column = token.column or 1
        span = Span(self.source, token.line or 1, column, column + length)
        return span if self.places is None else self.places.was(span)

    def moved(self, span: Span) -> Span:
        """The place in the file, where macros were replaced before."""
        return span if self.places is None else self.places.was(span)

    def reach(self, first: lark.Token, last: lark.Token) -> Span:
        """From the first token to the end of the last, or to the end of the first one's line."""
        end = end_of(last) if last.line == first.line else end_of(first)
        return self.moved(Span(self.source, first.line or 1, first.column or 1, end))

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

    # names

    def local(self, token: lark.Token) -> str:
        name = token.rstrip()
        if name not in self.used:
            if name in RESERVED:
                raise self.reserved(name, token)
            self.used[name] = token
        return name

    def reserved(self, name: str, token: lark.Token) -> CheckerError:
        return SyntaxProblem(f"{name!r} is a word of C, not a variable", self.at(token))

    # expressions

    def same(self, c: list[Any]) -> Any:
        return c[0]

    def bind(self, c: list[Any]) -> Expr:
        chain = c[0]
        self.heavier(len(chain) >> 1, chain[1])
        if len(chain) == 3:
            return Op(BINARY[chain[1].rstrip()][1], (chain[0], chain[2]))
        return bind(chain)

    def choice(self, c: list[Any]) -> Expr:
        self.heavier(1, c[1])
        return Op("ite", (c[0], c[2], c[4]))

    def choice_chain(self, c: list[Any]) -> Expr:
        return self.choice([self.bind(c[:1]), *c[1:]])

    def prefix(self, c: list[Any]) -> Expr:
        token: lark.Token = c[0]
        value: Expr = c[1]
        if token == "*" and type(value) is Reg:
            return Deref(value, self.at_columns(token, 1 + len(value.name)))
        operators = prefix_operators(token)
        self.heavier(len(operators), token)
        for op in reversed(operators):
            value = self._unary(op, value, token)
        return value

    def _unary(self, op: str, value: Any, token: lark.Token) -> Any:
        match op:
            case "*":
                return Deref(value, self.at(token))
            case "-" if isinstance(value, Const) and isinstance(value.value, int) and 0 <= value.value < 1 << 31:
                return Const(-value.value)
            case "-" if isinstance(value, Cast) and value.type == HUGE and value.value == Const(-(1 << 63)):
                return Cast(LEAST, value.value, value.span)  # what a long can hold, from what it cannot
            case "+":
                return value
            case "&":
                if isinstance(value, Deref):
                    return value.addr
                if isinstance(value, Reg):
                    return Op("ref", (value,))
                if isinstance(value, Member):
                    return AddressOf(value, self.at(token))
                raise Unsupported("'&' of a value", self.at(token), hint="only a variable or *p has an address")
        if op[0] == "(" and self.table:
            return value
        if op[0] == "(":
            return Cast(op[1:-1], value, self.at(token))
        return Op(PREFIX[op], (value,))

    def member_of(self, c: list[Any]) -> Member:
        token: lark.Token = c[1]
        arrow = token.startswith("->")
        self.heavier(1, token)
        return Member(c[0], token[2 if arrow else 1 :].strip(), arrow, self.at(token))

    # assignments that are values

    def set_inside(self, c: list[Any]) -> Set:
        self.heavier(2, c[1])
        return Set(c[0], operation(c[1]), c[2], self.at(c[1]))

    def comma(self, c: list[Any]) -> Comma:
        self.heavier(1, c[2])
        return Comma(c[1], c[3])

    def step_after(self, c: list[Any]) -> Step:
        self.heavier(2, c[1])
        return Step(c[0], "add" if c[1][0] == "+" else "sub", True, self.at(c[1]))

    def step_before(self, c: list[Any]) -> Step:
        self.heavier(2, c[0])
        return Step(c[1], "add" if c[0][0] == "+" else "sub", False, self.at(c[0]))

    def sizeof(self, c: list[Any]) -> SizeOf:
        return SizeOf(c[1], self.at_columns(c[0], 6))

    def sizeof_type(self, c: list[Any]) -> SizeOf:
        return SizeOf(c[0].partition("(")[2].rstrip()[:-1], self.at_columns(c[0], 6))

    def prefix_sizeof(self, c: list[Any]) -> Any:
        return self.prefix([c[0], self.sizeof(c[1:])])

    def statements(self, c: list[Any]) -> Statements:
        if self.table:
            raise Unsupported("'({ … })' in a table", self.at(c[0]), hint="a definition with a body does it")
        return Statements(tuple(c[1]) if isinstance(c[1], list) else c[1].body, self.at(c[0]))

    def prefix_step(self, c: list[Any]) -> Any:
        return self.prefix([c[0], self.step_before(c[1:])])

    def name(self, c: list[Any]) -> Expr:
        token = c[0]
        name = token.rstrip()
        if name in NAMED:
            return Const(NAMED[name])
        if name not in self.used:
            self.local(token)
        return Reg(name)

    def number(self, c: list[Any]) -> Any:
        digits = c[0].rstrip()
        if digits.isdecimal() and len(digits) < 10 and (digits[0] != "0" or len(digits) == 1):
            return Const(int(digits))
        found = literal(digits)
        if self.table and found is not None:
            return Const(found[0])
        if found is None:
            raise SyntaxProblem("not an integer of 64 bits", self.at(c[0]))
        value, kind = found
        return Cast(kind, Const(value), self.at(c[0])) if kind else Const(value)

    def parens(self, c: list[Any]) -> Any:
        return c[1]

    def index(self, c: list[Any]) -> Expr:
        self.heavier(2, c[1])
        addr = c[0] if c[2] == Const(0) else Op("add", (c[0], c[2]))
        return Deref(addr, self.at(c[1]))

    def call(self, c: list[Any]) -> Expr:
        token: lark.Token = c[0]
        name = token[: token.index("(")].rstrip()
        if name in RESERVED and name != "sizeof":
            raise self.reserved(name, token)
        self.heavier(1, token)
        args = c[1]
        for arg in args:
            if isinstance(arg, lark.Token):
                raise SyntaxProblem(f"{str(arg).strip()!r} is not a value", self.at(arg))
        return Call(name, tuple(args), (), self.at_columns(token, len(name)))

    def call0(self, c: list[Any]) -> Expr:
        return self.call([c[0], ()])

    def operator(self, c: list[Any]) -> lark.Token:
        return c[0]  # type: ignore[no-any-return]

    def builtin(self, c: list[Any]) -> Expr:
        token: lark.Token = c[0]
        name, _, inside = token.partition("{")
        args = list(c[1])
        if name.rstrip() in ("__atomic_op", "__atomic_op_return", "__atomic_fetch_op", "__fetch_op"):
            if len(args) != 3 or not isinstance(args[1], lark.Token):
                raise SyntaxProblem(f"{name.rstrip()} takes a pointer, an operator and a value", self.at(token))
            name = f"{name.rstrip()}:{ATOMIC[''.join(args.pop(1).split())]}"
        call = self.call([lark.Token.new_borrow_pos("CALL", f"{name.rstrip()}(", token), args])
        assert isinstance(call, Call)
        return Call(call.name, call.args, tags(inside.partition("}")[0], call.span), call.span)

    def fence(self, c: list[Any]) -> Expr:
        token: lark.Token = c[0]
        return Call("__fence", (), tags(token.partition("{")[2].partition("}")[0], self.at(token)), self.at(token))
