"""Random C for the laws of the C front end: trees, and texts that must parse to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from checker.core.source import NOWHERE
from checker.parse.c_syntax import Cast
from checker.program.ir import Assign, Call, Const, Deref, Do, Expr, If, Op, Reg, Stmt, While, Write

# From the C standard's expression grammar (6.5), tightest last.
LEVELS = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", ">", "<=", ">="),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%"),
)
LEVEL = {op: level for level, ops in enumerate(LEVELS) for op in ops}
SYMBOL = {
    "lor": "||", "land": "&&", "or": "|", "xor": "^", "and": "&", "eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=",
    "ge": ">=", "shl": "<<", "sar": ">>", "add": "+", "sub": "-", "mul": "*", "div": "/", "mod": "%",
}  # fmt: skip
UNARY = {"lnot": "!", "not": "~", "neg": "-"}
CASTS = ("", "", "(int)", "( intptr_t * )", "(struct foo **)", "(unsigned long)", "(const volatile int *)")
GAPS = ("", " ", "\n", "\t ", " /* a; b */ ", " // {\n")


def bare(node: Any) -> Any:
    """The same tree without its places, and without the casts of what was read before it has types."""
    if isinstance(node, Cast):
        return bare(node.value)
    if isinstance(node, tuple):
        return tuple(bare(x) for x in node)
    if not isinstance(node, Struct):
        return node
    changes = {name: bare(getattr(node, name)) for name in node.__struct_fields__ if name != "span"}
    if "span" in node.__struct_fields__:
        changes["span"] = NOWHERE
    return replace(node, **changes)


names = st.sampled_from(["x", "y", "r1", "_a", "ifx", "do_it", "u8", "t_t"])
constants = st.integers(0, 2**63 - 1).map(Const)
tags = st.lists(st.sampled_from(["ONCE", "after-spinlock", "DMB.ISH", "rmb"]), min_size=1, max_size=2).map(tuple)


def _calls(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    args = st.lists(inner, max_size=3).map(tuple)
    return st.builds(Call, st.sampled_from(["READ_ONCE", "smp_mb", "f"]), args) | st.builds(
        Call, st.sampled_from(["__load", "__cmpxchg"]), st.lists(inner, min_size=1, max_size=3).map(tuple), tags
    )


def _branches(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    return st.one_of(
        st.builds(lambda op, a, b: Op(op, (a, b)), st.sampled_from(sorted(SYMBOL)), inner, inner),
        st.builds(lambda op, a: Op(op, (a,)), st.sampled_from(sorted(UNARY)), inner.filter(lambda e: not isinstance(e, Const))),
        st.builds(lambda a, b, c: Op("ite", (a, b, c)), inner, inner, inner),
        st.builds(Deref, inner),
        _calls(inner),
    )


expressions: st.SearchStrategy[Expr] = st.recursive(constants | names.map(Reg), _branches, max_leaves=12)
calls = _calls(expressions)


def _blocks(inner: st.SearchStrategy[Stmt]) -> st.SearchStrategy[Stmt]:
    body = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.builds(If, expressions, body, st.just(()) | body) | st.builds(While, expressions, body)


statements: st.SearchStrategy[Stmt] = st.recursive(
    st.one_of(st.builds(Assign, names, expressions), st.builds(Write, expressions, expressions), st.builds(Do, calls)),
    _blocks,
    max_leaves=6,
)

Draw = Callable[[tuple[str, ...]], str]


def write_expression(e: Expr, pick: Draw, above: int = 0) -> str:
    """C for `e`, with the parentheses that a context binding at level `above` needs, and what `pick` adds."""
    gap = pick(GAPS)
    match e:
        case Const(value=value):
            return f"{value}{pick(('', 'UL', 'u'))}{gap}"
        case Reg(name=name):
            return name + gap
        case Call():
            inside = ",".join(write_expression(a, pick) for a in e.args)
            named = ", ".join(e.tags)
            return f"{e.name}{'{' + named + '}' if e.tags else ''}({gap}{inside})"
        case Deref():
            text, level = f"{pick(CASTS)}*{gap}{pick(CASTS)}{write_expression(e.addr, pick, 11)}", 10
        case Op(op="ite"):
            a, b, c = e.args
            then, orelse = write_expression(b, pick), write_expression(c, pick, -1)
            text, level = f"{write_expression(a, pick, 0)}?{gap}{then}:{orelse}", -1
        case Op(op=op, args=(a,)):
            text, level = f"{UNARY[op]}{gap or ' '}{pick(CASTS)}{write_expression(a, pick, 11)}", 10
        case Op(op=op, args=(a, b)):
            level = LEVEL[SYMBOL[op]]
            right = write_expression(b, pick, level + 1)
            text = f"{write_expression(a, pick, level)}{SYMBOL[op]}{gap or ' '}{right}"
        case _:
            raise AssertionError(e)
    return f"({gap}{text})" if level < above or (level == 10 and above == 11) else text


def write_statement(s: Stmt, pick: Draw) -> str:
    gap = pick(GAPS)
    match s:
        case Assign(dst=dst, value=value):
            return f"{dst}{gap}={gap}{write_expression(value, pick, -1)};"
        case Write(addr=addr, value=value):
            return f"*{write_expression(addr, pick, 11)}={write_expression(value, pick, -1)};{gap}"
        case Do(call=call):
            return f"{write_expression(call, pick)};{gap}"
        case While():
            return f"while{gap}({write_expression(s.cond, pick, -1)}) {{{write_body(s.body, pick)}}}{gap}"
        case If():
            text = f"if ({write_expression(s.cond, pick, -1)}){gap}{{{write_body(s.then, pick)}}}"
            return text + (f"else{gap}{{{write_body(s.orelse, pick)}}}" if s.orelse else "")
    raise AssertionError(s)


def write_body(body: tuple[Stmt, ...], pick: Draw) -> str:
    return pick(GAPS).join(write_statement(s, pick) for s in body)
