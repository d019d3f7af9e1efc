"""The tree of a process's statements and expressions: what each is made of, and the same made of something else.

walk(Do(Call("f", (Reg("r"),))))     the statement, the call, the register
rebuilt(If(c, a, b), value, body)    If(value(c), body(a), body(b))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from msgspec.structs import replace

from checker.program.ir import Assign, Block, Branch, Call, Deref, Do, Expr, If, Op, Stmt, While, Write

Body = tuple[Stmt, ...]
_Node = TypeVar("_Node", bound=Stmt | Expr)


def parts(x: Stmt | Expr) -> tuple[Stmt | Expr, ...]:
    """What a statement or an expression is made of, as it is written."""
    match x:
        case Op(_, args) | Call(_, args):
            return args
        case Deref(inner) | Assign(_, inner) | Do(inner) | Branch(inner):
            return (inner,)
        case Write(addr, value):
            return (addr, value)
        case If(cond, then, orelse):
            return (cond, *then, *orelse)
        case While(cond, body):
            return (cond, *body)
        case Block(body, value):
            return (*body, value)
    return ()


def walk(*nodes: Stmt | Expr) -> Iterator[Stmt | Expr]:
    """The nodes and all that they are made of, each before its parts."""
    for x in nodes:
        yield x
        yield from walk(*parts(x))


def rebuilt(x: _Node, value: Callable[[Expr], Expr], body: Callable[[Body], Body]) -> _Node:
    """`x` with its expressions through `value` and its lists of statements through `body`."""
    match x:
        case Op(_, args) | Call(_, args):
            return replace(x, args=tuple([value(a) for a in args]))
        case Deref(inner):
            return replace(x, addr=value(inner))
        case Do(inner):
            return replace(x, call=value(inner))
        case Assign(_, inner):
            return replace(x, value=value(inner))
        case Branch(inner):
            return replace(x, cond=value(inner))
        case Write(addr, inner):
            return replace(x, addr=value(addr), value=value(inner))
        case If(cond, then, orelse):
            return replace(x, cond=value(cond), then=body(then), orelse=body(orelse))
        case While(cond, inside):
            return replace(x, cond=value(cond), body=body(inside))
        case Block(inside, inner):
            return replace(x, body=body(inside), value=value(inner))
    return x
