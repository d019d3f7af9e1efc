"""Statements by where they are written: where an event comes from, and what stands between two of them."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checker.core.source import Span
from checker.program.ir import Assign, Block, Branch, Call, Deref, Do, Expr, If, Op, Stmt, While, Write

Body = tuple[Stmt, ...]


def spans(s: Stmt | Expr) -> Iterator[Span]:
    """The places of all that a statement or an expression does."""
    match s:
        case Write(addr, value, span):
            yield span
            yield from spans(addr)
            yield from spans(value)
        case Do(value, span) | Assign(_, value, span):
            yield span
            yield from spans(value)
        case If(cond, then, orelse, _):
            yield from spans(cond)
            for inner in (*then, *orelse):
                yield from spans(inner)
        case While(cond, body, _):
            yield from spans(cond)
            for inner in body:
                yield from spans(inner)
        case Branch(cond=cond):
            yield from spans(cond)
        case Block(body, value):
            for inner in body:
                yield from spans(inner)
            yield from spans(value)
        case Op(_, args):
            for arg in args:
                yield from spans(arg)
        case Call(_, args, _, span):
            yield span
            for arg in args:
                yield from spans(arg)
        case Deref(addr, span):
            yield span
            yield from spans(addr)


def between(body: Body, first: Span, second: Span, new: Stmt) -> Body | None:
    """`body` with `new` after the statement that has `first` and before what has `second`; None where no statement parts them."""
    i, j = _holding(body, first), _holding(body, second)
    if i is None or j is None:
        return None
    if i != j:
        return (*body[: i + 1], new, *body[i + 1 :]) if i < j else None
    made = _inside(body[i], first, second, new)
    return None if made is None else (*body[:i], made, *body[i + 1 :])


def _holding(body: Body, span: Span) -> int | None:
    return next((n for n, s in enumerate(body) if span in spans(s)), None)


def _inside(s: Stmt, first: Span, second: Span, new: Stmt) -> Stmt | None:
    match s:
        case If(cond, then, orelse):
            for name, branch in (("then", then), ("orelse", orelse)):
                if _holding(branch, second) is None:
                    continue
                made = (new, *branch) if first in spans(cond) else between(branch, first, second, new)
                return None if made is None else replace(s, **{name: made})
        case While(cond, inner):
            if _holding(inner, second) is not None:
                made = (new, *inner) if first in spans(cond) else between(inner, first, second, new)
                return None if made is None else replace(s, body=made)
    return None
