"""The cat/bell front end: a model's text becomes the nodes of checker/cat/syntax.py.

In: a `Source`. Out: a `syntax.File`, or a CheckerError with the place. grammar/cat.lark says what is written where; here
are the callbacks that build the nodes, the precedences of the binary operators, and what is refused. Comments are blanked
out first (lines and columns stay), operators are folded with a stack, and depth is measured with a stack, so no input,
however deep, exhausts Python's own.

    parse_cat(Source("sc.cat", "acyclic po | rf | co | fr as sc")).body[0].name == "sc"
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextvars import ContextVar
from functools import cache
from typing import Any, TypeAlias

import lark
from lark import Token, Transformer, v_args
from msgspec.structs import replace

from checker.cat import syntax
from checker.cat.syntax import Binding, Cond, Exp, File, Ins, Pattern
from checker.core.source import LimitExceeded, Source, Span, SyntaxProblem, Unsupported
from checker.parse.grammar import check_size, parser, run, span_of

MAX_DEPTH = 150

# Loosest first; all are right-associative but the difference.
_PRECEDENCE = {"|": 1, "++": 2, ";": 3, "\\": 4, "&": 5}
_LEFT_ASSOCIATIVE = {"\\"}

_OPENING = re.compile(r'"[^"]*"|//[^\n]*|#[^\n]*|\(\*')
_NESTING = re.compile(r"\(\*|\*\)")
_VISIBLE = re.compile(r"[^\n]")

# The fields of each kind of node that may hold further nodes.
_PARTS: dict[type, tuple[str, ...]] = {
    kind: tuple(
        name for name, of in kind.__annotations__.items() if of not in ("str", "bool", "Span", "Pattern", "tuple[str, ...]")
    )
    for kind in vars(syntax).values()
    if isinstance(kind, type) and kind.__module__ == syntax.__name__
}

# The text being parsed: the callbacks are made once, with the tables, and serve every text.
_SOURCE: ContextVar[Source] = ContextVar("_SOURCE")


def parse_cat(source: Source) -> File:
    """The instructions of a cat or bell file, in order."""
    text = blank_comments(source)
    check_size(Source(source.name, text))
    previous = _SOURCE.set(source)
    try:
        file = run(_grammar(), source, text=text)
    finally:
        _SOURCE.reset(previous)
    assert isinstance(file, File)
    _check_depth(file.body)
    return file


def blank_comments(source: Source) -> str:
    """The text with `(* nested *)`, `// line` and `# line` comments turned into spaces, every other character in its place."""
    text, parts, done = source.text, [], 0
    while found := _OPENING.search(text, done):
        start, end = found.span()
        parts.append(text[done:start])
        match found[0][0]:
            case '"':
                parts.append(found[0])
            case "(":
                end = _comment_end(source, start)
                parts.append(_VISIBLE.sub(" ", text[start:end]))
            case _:
                parts.append(" " * (end - start))
        done = end
    return "".join([*parts, text[done:]])


def _comment_end(source: Source, start: int) -> int:
    """The offset just after the `*)` that closes the `(*` at `start`."""
    depth = 0
    for found in _NESTING.finditer(source.text, start):
        depth += 1 if found[0] == "(*" else -1
        if depth == 0:
            return found.end()
    line = source.text.count("\n", 0, start) + 1
    column = start - source.text.rfind("\n", 0, start)
    raise SyntaxProblem("this comment never ends", Span(source, line, column, column + 2), hint="close it with '*)'")


def _check_depth(body: tuple[Ins, ...]) -> None:
    """Refuse what the stages behind, which recurse over expressions, could not walk."""
    todo: list[tuple[Any, int]] = [(ins, 1) for ins in body]
    while todo:
        node, depth = todo.pop()
        if isinstance(node, tuple):
            todo.extend((part, depth) for part in node)
        elif names := _PARTS.get(type(node)):
            if depth > MAX_DEPTH:
                raise LimitExceeded(
                    f"nested more than {MAX_DEPTH} deep, counting operators",
                    node.span,
                    hint="name a part of it with 'let'",
                )
            todo.extend((getattr(node, name), depth + 1) for name in names)


@cache
def _grammar() -> lark.Lark:
    return parser("cat", _Build(), lexer="basic")


# ---------------------------------------------------------------- places

Part: TypeAlias = "Token | Exp | Cond | Binding"
Parameter: TypeAlias = "tuple[Pattern, Token]"
"""A pattern and the token it begins with."""


def _place(part: Part) -> Span:
    return span_of(_SOURCE.get(), part) if isinstance(part, Token) else part.span


def _over(first: Part, last: Part) -> Span:
    """From `first` to `last`; only `first` when `last` begins on a later line."""
    a, b = _place(first), _place(last)
    return Span(a.source, a.line, a.column, b.end) if a.line == b.line else a


def _present(parts: tuple[Any, ...]) -> Iterator[Any]:
    """The parts that were written: Lark hands None for an optional one that was not."""
    return (part for part in parts if part is not None)


def _quoted(token: Token) -> str:
    return str(token)[1:-1]


# ---------------------------------------------------------------- what each rule builds


@v_args(inline=True)
class _Expressions(Transformer[Token, File]):
    """Callbacks of grammar/cat.lark that build expressions and conditions, under the names of its rules."""

    def name(self, name: Token) -> Exp:
        return syntax.Name(str(name), _place(name))

    def tag(self, tag: Token) -> Exp:
        return syntax.Tag(str(tag)[1:], _place(tag))

    def empty(self, zero: Token) -> Exp:
        return syntax.Empty(_place(zero))

    def universe(self, underscore: Token) -> Exp:
        return syntax.Universe(_place(underscore))

    def apply(self, function: Exp, arg: Exp) -> Exp:
        return syntax.Apply(function, arg, _over(function, arg))

    def items(self, *args: Exp | None) -> tuple[Exp, ...]:
        return tuple(_present(args))

    def set_of(self, opening: Token, args: tuple[Exp, ...], closing: Token) -> Exp:
        return syntax.SetOf(args, _over(opening, closing))

    def identity(self, opening: Token, exp: Exp, closing: Token) -> Exp:
        return syntax.Unary("[]", exp, _over(opening, closing))

    def unit(self, opening: Token, closing: Token) -> Exp:
        return syntax.Tuple((), _over(opening, closing))

    def grouped(self, opening: Token, inner: Exp | Cond, closing: Token) -> Exp | Cond:
        return replace(inner, span=_over(opening, closing))

    def listed(self, *args: Exp) -> Exp:
        return syntax.Tuple(args, _over(args[0], args[-1]))

    def unary(self, arg: Exp, op: Token) -> Exp:
        return syntax.Unary("^-1" if op.type == "CONVERSE" else str(op), arg, _over(arg, op))

    def complement(self, op: Token, arg: Exp) -> Exp:
        return syntax.Unary("~", arg, _over(op, arg))

    def product(self, left: Exp, right: Exp) -> Exp:
        return syntax.Binary("*", left, right, _over(left, right))

    def chain(self, first: Exp, *rest: Any) -> Exp:
        """Operands and operators in turn, folded by precedence."""
        operands, operators = [first], list[str]()

        def fold() -> None:
            right, left = operands.pop(), operands.pop()
            operands.append(syntax.Binary(operators.pop(), left, right, _over(left, right)))

        for op, operand in zip(map(str, rest[::2]), rest[1::2], strict=True):
            tightness = _PRECEDENCE[op] + (op not in _LEFT_ASSOCIATIVE)
            while operators and _PRECEDENCE[operators[-1]] >= tightness:
                fold()
            operators.append(op)
            operands.append(operand)
        while operators:
            fold()
        return operands[0]

    def unclear(self, left: Exp, op: Token, right: Exp | None = None) -> Exp:
        match left, op.type:
            case syntax.Binary(), "STAR":
                hint = "write (A * B) * C or A * (B * C)"
            case syntax.Binary(), _:
                hint = f"write A * (r{op}) or (A * B){op}"
            case _, "STAR":
                hint = "write (~A) * B, ~(A * B) or ~(r*)"
            case _:
                hint = f"write ~(r{op}) or (~r){op}"
        raise SyntaxProblem(f"{str(op)!r} needs parentheses here", _place(op), hint=hint)

    def unclear_right(self, left: Exp, right: Exp) -> Exp:
        raise SyntaxProblem("'~' needs parentheses here", _place(right), hint="write A * (~B)")

    def let_in(self, let: Token, rec: Token | None, bindings: tuple[Binding, ...], body: Exp) -> Exp:
        return syntax.Let(bindings, body, rec is not None, _over(let, body))

    def function(self, fun: Token, parameter: Parameter, body: Exp) -> Exp:
        return syntax.Fun(parameter[0], body, span=_over(fun, body))

    def try_with(self, start: Token, body: Exp, otherwise: Exp) -> Exp:
        return syntax.Try(body, otherwise, _over(start, otherwise))

    def if_exp(self, start: Token, cond: Cond, then: Exp, orelse: Exp) -> Exp:
        return syntax.IfExp(cond, then, orelse, _over(start, orelse))

    def tag_clause(self, tag: Token, value: Any) -> tuple[str, Any]:
        return str(tag)[1:], value

    def tag_default(self, value: Any) -> tuple[str, Any]:
        return "", value

    def tag_clauses(self, *clauses: tuple[str, Any] | None) -> tuple[tuple[tuple[str, Any], ...], Any]:
        """The clauses with a tag, and the value of `_` or None."""
        found = list(_present(clauses))
        default = found.pop()[1] if found[-1][0] == "" else None
        return tuple(found), default

    def match_tag(self, start: Token, arg: Exp, clauses: tuple[Any, Any], end: Token) -> Exp:
        return syntax.MatchTag(arg, *clauses, _over(start, end))

    def empty_case(self, value: Exp) -> tuple[Exp]:
        return (value,)

    def element_case(self, element: Token, rest: Token, step: Exp) -> tuple[str, str, Exp]:
        return str(element), str(rest), step

    def split_case(self, before: Token, bar: Token, element: Token, rest: Token, step: Exp) -> Exp:
        raise Unsupported("a match that splits a set in three", _over(before, rest), hint="write 'element ++ rest -> ...'")

    def match_set(self, start: Token, arg: Exp, one: tuple[Any, ...], other: tuple[Any, ...], end: Token) -> Exp:
        (empty,), (element, rest, step) = sorted((one, other), key=len)
        return syntax.MatchSet(arg, empty, element, rest, step, _over(start, end))

    def comparison(self, left: Exp, op: Token, right: Exp) -> Cond:
        return syntax.Test(str(op), left, right, _over(left, right))

    def variant(self, word: Token | None, name: Token) -> Cond:
        return syntax.Variant(_quoted(name), _over(word or name, name))

    def negation(self, op: Token, arg: Cond) -> Cond:
        return syntax.Junction("not", (arg,), _over(op, arg))

    def junction(self, left: Cond, op: Token, right: Cond) -> Cond:
        return syntax.Junction(str(op), (left, right), _over(left, right))


@v_args(inline=True)
class _Bindings(_Expressions):
    """Callbacks for patterns and bindings."""

    def parameter(self, name: Token) -> Parameter:
        return str(name), name

    def parameters(self, opening: Token, *names: Token | None) -> Parameter:
        pattern = tuple(str(n) for n in _present(names))
        return pattern[0] if len(pattern) == 1 else pattern, opening

    def binding(self, parameter: Parameter, value: Exp) -> Binding:
        pattern, start = parameter
        return Binding(pattern, value, _over(start, value))

    def tuple_binding(self, *parts: Any) -> Binding:
        *names, value = parts
        return Binding(tuple(map(str, names)), value, _over(names[0], value))

    def function_binding(self, name: Token, parameter: Parameter, body: Exp) -> Binding:
        span = _over(name, body)
        return Binding(str(name), syntax.Fun(parameter[0], body, str(name), span), span)

    def bindings(self, *bindings: Binding) -> tuple[Binding, ...]:
        return bindings


@v_args(inline=True)
class _Build(_Bindings):
    """Callbacks for instructions and the file."""

    def start(self, title: str | None, catdep: Token | None, *body: Ins) -> File:
        return File(title or "", catdep is not None, body, _SOURCE.get())

    def title(self, *words: Token) -> str:
        return _quoted(words[-1]) if words[-1].type == "STRING" else str(words[-1])

    def body(self, *instructions: Ins) -> tuple[Ins, ...]:
        return instructions

    def let_ins(self, let: Token, bindings: tuple[Binding, ...]) -> Ins:
        return syntax.LetIns(bindings, span=_over(let, bindings[-1]))

    def let_rec_ins(self, let: Token, rec: Token, bindings: tuple[Binding, ...]) -> Ins:
        return syntax.LetIns(bindings, rec=True, span=_over(let, bindings[-1]))

    def let_rec_when(self, let: Token, rec: Token, bindings: tuple[Binding, ...], when: Token, check: Ins) -> Ins:
        raise Unsupported("'let rec' with 'when'", _place(when), hint="write the check after the definition, without 'when'")

    def check(self, role: Token | None, negation: Token | None, kind: Token, exp: Exp, label: Token | None) -> Ins:
        span = _over(role or negation or kind, label or exp)
        return syntax.Check(str(kind), exp, label or "", negation is not None, role or "check", span)

    def label(self, name: Token) -> Token:
        return name

    def show(self, word: Token, *names: Token) -> Ins:
        return syntax.Show(tuple(map(str, names)), span=_over(word, names[-1]))

    def show_as(self, word: Token, exp: Exp, name: Token) -> Ins:
        return syntax.Show((str(name),), exp, _over(word, name))

    def include(self, word: Token, file: Token) -> Ins:
        return syntax.Include(_quoted(file), _over(word, file))

    def procedure(self, word: Token, rec: Token | None, name: Token, param: Parameter, body: tuple[Ins, ...], end: Token) -> Ins:
        return syntax.Procedure(str(name), param[0], body, rec is not None, _over(word, end))

    def call(self, word: Token, name: Token, arg: Exp, label: Token | None) -> Ins:
        return syntax.CallIns(str(name), arg, label or "", _over(word, label or arg))

    def with_from(self, word: Token, name: Token, exp: Exp) -> Ins:
        return syntax.WithFrom(str(name), exp, _over(word, exp))

    def if_ins(self, word: Token, cond: Cond, then: tuple[Ins, ...], orelse: tuple[Ins, ...] | None, end: Token) -> Ins:
        return syntax.IfIns(cond, then, orelse or (), _over(word, end))

    def match_ins(self, word: Token, arg: Exp, clauses: tuple[Any, Any], end: Token) -> Ins:
        return syntax.MatchIns(arg, *clauses, _over(word, end))

    def forall(self, word: Token, name: Token, exp: Exp, body: tuple[Ins, ...], end: Token) -> Ins:
        return syntax.Forall(str(name), exp, body, _over(word, end))

    def enum(self, word: Token, name: Token, *tags: Token) -> Ins:
        return syntax.EnumIns(str(name), tuple(str(t)[1:] for t in tags), _over(word, tags[-1]))

    def instructions(self, word: Token, name: Token, args: tuple[Exp, ...], end: Token) -> Ins:
        return syntax.Instructions(str(name), args, word.type == "DEFAULT", _over(word, end))

    def debug(self, word: Token, exp: Exp) -> Ins:
        raise Unsupported("'debug' prints while a model runs", _over(word, exp), hint="remove it")
