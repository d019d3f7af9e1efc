"""Statements by where they are written: where an event comes from, what stands between two of them, and others in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from checker.core.source import Span
from checker.program.ir import Assign, Block, Call, Const, Deref, Do, Expr, If, Reg, Stmt, While, Write
from checker.program.tree import Body, rebuilt, walk

NOTHING = Const(0)


def spans(s: Stmt | Expr) -> Iterator[Span]:
    """The places of all that a statement or an expression does."""
    return (part.span for part in walk(s) if isinstance(part, Write | Do | Assign | Call | Deref))


def first_of(s: Stmt) -> Span | None:
    """Where a statement begins."""
    own = getattr(s, "span", None)
    found = [span for span in (own, *spans(s)) if span is not None and span.line]
    return min(found, key=lambda span: (span.line, span.column), default=None)


def written(span: Span) -> str:
    """What is written at a place."""
    return span.source.line(span.line)[span.column - 1 : span.end - 1]


# ---------------------------------------------------------------- between two accesses


class Point(Struct, frozen=True):
    """A place for a statement: before `following`, in the block where `before` stands; `first` in it, where `before` is None."""

    before: Stmt | None
    following: Stmt


def points(body: Body, first: Span, second: Span) -> Iterator[Point]:
    """The places right behind the statement that has `first` and right before what has `second`; none where nothing parts them."""
    i, j = _holding(body, first), _holding(body, second)
    if i is None or j is None or i > j:
        return
    if i < j:
        yield Point(body[i], body[i + 1])
        if j > i + 1:
            yield Point(body[j - 1], body[j])
        return
    s = body[i]
    for branch in (s.then, s.orelse) if isinstance(s, If) else (s.body,) if isinstance(s, While) else ():
        if _holding(branch, second) is not None:
            if _holding(branch, first) is None:
                yield Point(None, branch[0])
            else:
                yield from points(branch, first, second)


def _holding(body: Body, span: Span) -> int | None:
    return next((n for n, s in enumerate(body) if span in spans(s)), None)


# ---------------------------------------------------------------- others in their place

Chosen = Callable[[Call, Callable[[Expr | None], Body]], "Body | None"]
"""The statements for a call, made of what is put in its place (None: nothing); None where it stays what it is."""


def varied(body: Body, chosen: Chosen, before: Callable[[Stmt], Body] = lambda _: ()) -> Body:
    """`body` with other statements for the calls of which `chosen` makes some, and `before(s)` before each statement s."""
    return tuple([made for s in body for made in (*before(s), *_statement(s, chosen, before))])


def _statement(s: Stmt, chosen: Chosen, before: Callable[[Stmt], Body]) -> Body:
    def value(e: Expr) -> Expr:
        return _value(e, chosen, before)

    match s:
        case Do(Call() as call, span) if (made := chosen(call, lambda e: () if e is None else (Do(e, span),))) is not None:
            return made
        case Assign(dst, Call() as call, span) if (
            made := chosen(call, lambda e: (Assign(dst, NOTHING if e is None else e, span),))
        ) is not None:
            return made
    return (rebuilt(s, value, lambda inner: varied(inner, chosen, before)),)


def _value(e: Expr, chosen: Chosen, before: Callable[[Stmt], Body]) -> Expr:
    """An expression in which the choices are made before its value is used."""
    match e:
        case Call(args=args):
            inner = replace(e, args=tuple([_value(a, chosen, before) for a in args]))
            register = f"%chosen{e.span.line}.{e.span.column}"
            made = chosen(inner, lambda x: (Assign(register, NOTHING if x is None else x, e.span),))
            return inner if made is None else Block(made, Reg(register))
    return rebuilt(e, lambda x: _value(x, chosen, before), lambda body: varied(body, chosen, before))
