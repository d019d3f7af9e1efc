"""Cat texts for the tests: read to bare nodes, random expressions, and their words with no parenthesis too many."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

from hypothesis import strategies as st

from checker.cat import syntax
from checker.cat.syntax import (
    Apply,
    Binary,
    Binding,
    Empty,
    Exp,
    File,
    Fun,
    IfExp,
    Junction,
    Let,
    MatchSet,
    MatchTag,
    Name,
    SetOf,
    Tag,
    Try,
    Tuple,
    Unary,
    Universe,
    Variant,
)
from checker.core.source import NOWHERE, Source
from checker.parse.cat import parse_cat


def parse(text: str) -> File:
    return parse_cat(Source("m.cat", text))


def bare(node: Any) -> Any:
    """The node without its places."""
    if isinstance(node, tuple):
        return tuple(map(bare, node))
    if isinstance(node, (str, bool)) or node is None:
        return node
    return type(node)(**{f: NOWHERE if f == "span" else bare(getattr(node, f)) for f in node.__struct_fields__})


def ins(text: str) -> Any:
    (found,) = parse(text).body
    return bare(found)


def exp(text: str) -> Any:
    found = ins(f"let x = {text}")
    assert found.bindings[0].pattern == "x"
    return found.bindings[0].value


KEYWORDS = """
let rec and when acyclic irreflexive empty show unshow subset as fun in undefined_unless flag assert include variant begin end
procedure call enum debug match with forall from do try if then else catdep instructions default not
"""
SYMBOLS = r"""a b f po-loc DMB.ISH 'x "s" 0 _ ( ) { } [ ] | || & && * + ++ ? ^-1 ^ -1 ~ ; \ , = -> (* *) // #"""
WORDS = KEYWORDS.split() + SYMBOLS.split()

# ---------------------------------------------------------------- random models

NAMES = st.sampled_from(["a", "b", "po-loc", "DMB.ISH", "_x", "r'", "lets", "end-x", "A0_"])
PATTERNS = st.one_of(NAMES, st.just("_"), st.just(()), st.lists(NAMES, min_size=2, max_size=3).map(tuple))


def bindings(exps: st.SearchStrategy[Exp]) -> st.SearchStrategy[tuple[Binding, ...]]:
    plain = st.builds(Binding, PATTERNS, exps)
    function = st.builds(lambda name, param, body: Binding(name, Fun(param, body, name)), NAMES, PATTERNS, exps)
    return st.lists(st.one_of(plain, function), min_size=1, max_size=2).map(tuple)


def conditions(exps: st.SearchStrategy[Exp]) -> st.SearchStrategy[syntax.Cond]:
    variants = st.recursive(
        st.builds(Variant, NAMES),
        lambda c: st.one_of(
            st.builds(lambda p: Junction("not", (p,)), c),
            st.builds(lambda op, p, q: Junction(op, (p, q)), st.sampled_from(["&&", "||"]), c, c),
        ),
        max_leaves=4,
    )
    return st.one_of(variants, st.builds(syntax.Test, st.sampled_from(["=", "subset", "in"]), exps, exps))


def larger(exps: st.SearchStrategy[Exp]) -> st.SearchStrategy[Exp]:
    args = st.lists(exps, max_size=3).map(tuple)
    several = st.lists(exps, min_size=2, max_size=3).map(tuple)
    clauses = st.lists(st.tuples(NAMES, exps), min_size=1, max_size=2).map(tuple)
    heads = st.one_of(st.builds(Name, NAMES), st.builds(Apply, st.builds(Name, NAMES), exps))
    return st.one_of(
        st.builds(Unary, st.sampled_from(["+", "*", "?", "^-1", "~", "[]"]), exps),
        st.builds(Binary, st.sampled_from(["|", "&", "\\", ";", "*", "++"]), exps, exps),
        st.builds(Tuple, st.one_of(st.just(()), several)),
        st.builds(SetOf, args),
        st.builds(Apply, heads, exps),
        st.builds(Fun, PATTERNS, exps),
        st.builds(Let, bindings(exps), exps, st.booleans()),
        st.builds(Try, exps, exps),
        st.builds(MatchSet, exps, exps, NAMES, NAMES, exps),
        st.builds(MatchTag, exps, clauses, st.one_of(st.none(), exps)),
        st.builds(MatchTag, exps, st.just(()), exps),
        st.builds(IfExp, conditions(exps), exps, exps),
    )


LEAVES = st.one_of(st.builds(Name, NAMES), st.builds(Tag, NAMES), st.just(Empty()), st.just(Universe()))
EXPS: st.SearchStrategy[Exp] = st.recursive(LEAVES, larger, max_leaves=12)

# How tightly a form holds together: 0 a whole expression, 1-5 the binary operators, 6 product and complement,
# 7 closures, 8 inverses, 9 applications, 10 what may be an argument.
TIGHTNESS = {"|": 1, "++": 2, ";": 3, "\\": 4, "&": 5}


def words(node: Any, least: int = 0) -> list[str]:
    """The words of an expression, in parentheses only where it holds together less than `least`."""
    found, tightness = spelled(node)
    return found if tightness >= least else ["(", *found, ")"]


def spelled(e: Exp) -> tuple[list[str], int]:
    match e:
        case Name(name):
            return [name], 10
        case Tag(name):
            return ["'" + name], 10
        case Empty():
            return ["0"], 10
        case Universe():
            return ["_"], 10
        case Unary("[]", arg):
            return ["[", *words(arg), "]"], 10
        case Unary("~", Unary("~") as arg):
            return ["~", *words(arg)], 6
        case Unary("~", arg):
            return ["~", *words(arg, 8)], 6
        case Unary(op, arg):
            return [*words(arg, 7), op], 8 if op == "^-1" and spelled(arg)[1] >= 8 else 7
        case Binary("*", left, right):
            return [*words(left, 7), "*", *words(right, 8)], 6
        case Binary(op, left, right):
            n = TIGHTNESS[op]
            return [*words(left, n + (op != "\\")), op, *words(right, n + (op == "\\"))], n
        case Tuple(args):
            return (listed(args), 0) if args else (["(", ")"], 10)
        case SetOf(args):
            return ["{", *listed(args), "}"], 10
        case Apply(function, arg):
            return [*words(function, 9), *words(arg, 10)], 9
    return clause_words(e), 0


def clause_words(e: Exp) -> list[str]:
    """The words of a form that begins with a keyword."""
    match e:
        case Fun(param, body):
            return ["fun", *pattern_words(param), "->", *words(body)]
        case Let(bound, body, rec):
            return ["let", *["rec"] * rec, *joined("and", map(binding_words, bound)), "in", *words(body)]
        case Try(body, otherwise):
            return ["try", *words(body), "with", *words(otherwise)]
        case MatchSet(arg, empty, element, rest, step):
            cases = ["{", "}", "->", *words(empty), "||", element, "++", rest, "->", *words(step)]
            return ["match", *words(arg), "with", *cases, "end"]
        case MatchTag(arg, clauses, default):
            cases = [("'" + tag, value) for tag, value in clauses] + ([("_", default)] if default else [])
            return ["match", *words(arg), "with", *joined("||", ([tag, "->", *words(v)] for tag, v in cases)), "end"]
        case IfExp(cond, then, orelse):
            return ["if", *condition_words(cond), "then", *words(then), "else", *words(orelse)]
    raise AssertionError(e)


def joined(separator: str, parts: Iterable[list[str]]) -> list[str]:
    return list(chain.from_iterable([separator, *part] for part in parts))[1:]


def listed(args: tuple[Exp, ...]) -> list[str]:
    return joined(",", (words(a, 1) for a in args))


def pattern_words(pattern: syntax.Pattern) -> list[str]:
    return [pattern] if isinstance(pattern, str) else ["(", *joined(",", ([p] for p in pattern)), ")"]


def binding_words(b: Binding) -> list[str]:
    if isinstance(b.value, Fun) and b.value.name:
        return [b.value.name, *pattern_words(b.value.param), "=", *words(b.value.body)]
    return [*pattern_words(b.pattern), "=", *words(b.value)]


def condition_words(c: syntax.Cond, least: int = 0) -> list[str]:
    match c:
        case Variant(name):
            found, tightness = [f'"{name}"'], 3
        case Junction("not", (arg,)):
            found, tightness = ["not", *condition_words(arg, 3)], 3
        case Junction(op, (left, right)):
            tightness = 1 if op == "||" else 2
            found = [*condition_words(left, tightness), op, *condition_words(right, tightness + 1)]
        case syntax.Test(op, left, right):
            found, tightness = [*words(left), op, *words(right)], 0
        case _:
            raise AssertionError(c)
    return found if tightness >= least else ["(", *found, ")"]
