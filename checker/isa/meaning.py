"""What an instruction does, as its row of the table says it: Python's syntax for statements about the operands.

    d = n + m                      LDADD: o = a; a = o + s; t = o            jle: goto(l, ZF or SF != OF)

A name is an operand of the row, one of the machine's flags (in capitals), or a value of the row's own. Reading an operand in
memory is a load, writing one a store. `flags(x - y)` has the value of x - y and sets the flags. The operators are those of the
IR (`x & ~y` is andnot, comparisons are signed); `f(x)` is an operator of that name or, where the machine's emitter has a method
of that name, what this does with the operands themselves. A value is cut to the size of what it is written to.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from checker.program.ir import Const, Expr

if TYPE_CHECKING:
    from checker.isa.emit import Emitter

Step: TypeAlias = "Callable[[Emitter], Any]"
_BINARY: dict[type, str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "xor", ast.LShift: "shl",
    ast.RShift: "shr", ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
    ast.And: "land", ast.Or: "lor", ast.Invert: "not", ast.USub: "neg", ast.Not: "lnot",
}  # fmt: skip


class Meaning(NamedTuple):
    """The steps, in order, and the flags that they look at."""

    steps: tuple[Step, ...]
    flags: frozenset[str]


@lru_cache(maxsize=1024)
def meaning(text: str) -> Meaning:
    """The meaning that `text` says."""
    tree = ast.parse(text)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return Meaning(tuple([_statement(s) for s in tree.body]), frozenset([n for n in names if n.isupper()]))


def _statement(s: ast.stmt) -> Step:
    match s:
        case ast.Assign([ast.Name(target)], ast.Name(source)):
            return lambda e: e.move(target, source)
        case ast.Assign([ast.Name(target)], value):
            made = _value(value)
            return lambda e: e.put(target, made(e))
        case ast.Assign([ast.Tuple([ast.Name(a), ast.Name(b)])], ast.Tuple([x, y])):
            first, second = _value(x), _value(y)

            def both(e: Emitter) -> None:
                value, later = first(e), e.held(second(e))
                e.put(a, value)
                e.put(b, later)

            return both
        case ast.Expr(value):
            return _value(value)
    raise AssertionError(ast.unparse(s))


def _value(node: ast.expr) -> Step:
    match node:
        case ast.Name(name):
            return lambda e: e.get(name)
        case ast.Constant(int(number)):
            constant = Const(number)
            return lambda e: constant
        case ast.Constant(str(text)):
            return lambda e: text
        case ast.Call(ast.Name("flags"), [operation]):
            op, args = _operation(operation)
            return lambda e: e.flagged(op, *[x(e) for x in args])
        case ast.Call(ast.Name(name), args):
            values = [_value(x) for x in args]
            raw = [_raw(x) for x in args]

            def call(e: Emitter) -> Expr | None:
                method = getattr(e, name, None)
                return method(*[x(e) for x in raw]) if method else e.apply(name, *[x(e) for x in values])

            return call
        case ast.IfExp(test, body, orelse):
            cond, yes, no = _value(test), _value(body), _value(orelse)
            return lambda e: e.apply("ite", cond(e), yes(e), no(e))
    op, args = _operation(node)
    if len(args) == 1:
        (only,) = args
        return lambda e: e.apply(op, only(e))
    left, right = args
    return lambda e: e.apply(op, left(e), right(e))


def _raw(node: ast.expr) -> Step:
    """An operand as it is, what is computed by its value."""
    if isinstance(node, ast.Name) and not node.id.isupper():
        name = node.id
        return lambda e: e.operands.get(name)
    return _value(node)


def _operation(node: ast.expr) -> tuple[str, list[Step]]:
    match node:
        case ast.BinOp(left, ast.BitAnd(), ast.UnaryOp(ast.Invert(), right)):
            return "andnot", [_value(left), _value(right)]
        case ast.BinOp(left, op, right) | ast.BoolOp(op, [left, right]) | ast.Compare(left, [op], [right]):
            return _BINARY[type(op)], [_value(left), _value(right)]
        case ast.UnaryOp(op, arg):
            return _BINARY[type(op)], [_value(arg)]
        case ast.Call(ast.Name(name), args):
            return name, [_value(x) for x in args]
    raise AssertionError(ast.unparse(node))
