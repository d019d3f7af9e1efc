"""The cat front end: precedence, every construct, places, errors, and laws over random models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.cat import syntax
from checker.cat.syntax import (
    Apply,
    Binary,
    Binding,
    CallIns,
    Check,
    Empty,
    EnumIns,
    Exp,
    File,
    Forall,
    Fun,
    IfExp,
    IfIns,
    Include,
    Instructions,
    Junction,
    Let,
    LetIns,
    MatchIns,
    MatchSet,
    MatchTag,
    Name,
    Procedure,
    SetOf,
    Show,
    Tag,
    Try,
    Tuple,
    Unary,
    Universe,
    Variant,
    WithFrom,
)
from checker.core.source import NOWHERE, CheckerError, LimitExceeded, Source, SyntaxProblem, Unsupported
from checker.parse.cat import MAX_DEPTH, blank_comments, parse_cat

MODELS = Path(__file__).resolve().parent.parent / "checker" / "models"


def parse(text: str) -> File:
    return parse_cat(Source("m.cat", text))


def bare(node: Any) -> Any:
    """The node without its places."""
    if isinstance(node, tuple):
        return tuple(map(bare, node))
    if isinstance(node, (str, bool)) or node is None:
        return node
    return type(node)(**{f.name: NOWHERE if f.name == "span" else bare(getattr(node, f.name)) for f in fields(node)})


def ins(text: str) -> Any:
    (found,) = parse(text).body
    return bare(found)


def exp(text: str) -> Any:
    found = ins(f"let x = {text}")
    assert found.bindings[0].pattern == "x"
    return found.bindings[0].value


def error(text: str) -> CheckerError:
    with pytest.raises(CheckerError) as caught:
        parse(text)
    return caught.value


KEYWORDS = """
let rec and when acyclic irreflexive empty show unshow subset as fun in undefined_unless flag assert include variant begin end
procedure call enum debug match with forall from do try if then else catdep instructions default not
"""
SYMBOLS = r"""a b f po-loc DMB.ISH 'x "s" 0 _ ( ) { } [ ] | || & && * + ++ ? ^-1 ^ -1 ~ ; \ , = -> (* *) // #"""
WORDS = KEYWORDS.split() + SYMBOLS.split()

A, B, C, D = (Name(n) for n in "abcd")

# ---------------------------------------------------------------- precedence


@pytest.mark.parametrize(
    "tight, loose",
    [(t, o) for n, o in enumerate(["|", "++", ";", "\\", "&"]) for t in ["|", "++", ";", "\\", "&"][n + 1 :]],
)
def test_a_tighter_operator_groups_first_on_either_side(tight: str, loose: str) -> None:
    assert exp(f"a{loose}b{tight}c") == Binary(loose, A, Binary(tight, B, C))
    assert exp(f"a{tight}b{loose}c") == Binary(loose, Binary(tight, A, B), C)


@pytest.mark.parametrize("op", ["|", "++", ";", "&"])
def test_operators_group_to_the_right(op: str) -> None:
    assert exp(f"a {op} b {op} c") == Binary(op, A, Binary(op, B, C))


def test_the_difference_groups_to_the_left() -> None:
    assert exp("a\\b\\c") == Binary("\\", Binary("\\", A, B), C)


@pytest.mark.parametrize(
    "text, same",
    [
        ("a;b\\c", "a;(b\\c)"),
        ("a\\b&c", "a\\(b&c)"),
        ("a|b;c\\d&a", "a|(b;(c\\(d&a)))"),
        ("a&b\\c;d|a", "(((a&b)\\c);d)|a"),
        ("~a&b", "(~a)&b"),
        ("~a^-1", "~(a^-1)"),
        ("~~a", "~(~a)"),
        ("a+^-1", "(a+)^-1"),
        ("a;b+", "a;(b+)"),
        ("a*b;c", "(a*b);c"),
        ("a&b*c", "a&(b*c)"),
        ("a*b^-1", "a*(b^-1)"),
        ("f a+", "(f a)+"),
        ("f a | b", "(f a) | b"),
        ("~f a", "~(f a)"),
        ("let y = a in y | b", "let y = a in (y | b)"),
        ("try a with b | c", "try a with (b | c)"),
        ("fun y -> y, a", "fun y -> (y, a)"),
        ("begin a | b end ; c", "(a | b) ; c"),
    ],
)
def test_parentheses_that_change_nothing(text: str, same: str) -> None:
    assert exp(text) == exp(same)


@pytest.mark.parametrize("end", ["", "| b", ")", "; b", "+", "?", "^-1", "* b", "\n as n", "in", "\nwith b from c", "*"])
def test_a_star_before_what_cannot_begin_an_operand_is_a_closure(end: str) -> None:
    before = "(" if end == ")" else ""
    kind = "show" if "as" in end else "let x ="
    (found, *_) = parse(f"{kind} {before}a* {end}").body
    assert "Unary(op='*', arg=Name(name='a'" in repr(found)


@pytest.mark.parametrize("operand", ["b", "0", "_", "'t", "{}", "(b)", "[b]", "begin b end", "b^-1", "f b"])
def test_a_star_before_an_operand_is_a_product(operand: str) -> None:
    assert exp(f"a*{operand}") == exp(f"a * {operand}") == Binary("*", A, exp(operand))


def test_both_stars_in_one_expression() -> None:
    assert exp("a* | b*c") == Binary("|", Unary("*", A), Binary("*", B, C))
    assert exp("a* * b") == Binary("*", Unary("*", A), B)
    assert exp("(a*)") == Unary("*", A)
    assert ins("flag ~empty a* & (b * c) as n").exp == Binary("&", Unary("*", A), Binary("*", B, C))
    assert [type(i) for i in parse("let x = a*\n~empty b").body] == [LetIns, Check]


@pytest.mark.parametrize("text", ["~a+", "~a*", "~a?", "a*b*c", "a*b+", "a*~b", "~a*b", "a*b?"])
def test_what_could_be_read_in_two_ways_asks_for_parentheses(text: str) -> None:
    found = error(f"let x = {text}")
    assert isinstance(found, SyntaxProblem)
    assert "needs parentheses" in found.message
    assert found.hint.startswith("write ")


# ---------------------------------------------------------------- expressions


@pytest.mark.parametrize(
    "text, node",
    [
        ("DMB.ISH", Name("DMB.ISH")),
        ("po-loc", Name("po-loc")),
        ("_a-b.c_1'", Name("_a-b.c_1'")),
        ("letter", Name("letter")),
        ("let-x", Name("let-x")),
        ("'rcu-lock", Tag("rcu-lock")),
        ("0", Empty()),
        ("_", Universe()),
        ("{}", SetOf(())),
        ("{a}", SetOf((A,))),
        ("{a, b|c}", SetOf((A, Binary("|", B, C)))),
        ("[a]", Unary("[]", A)),
        ("[a];b", Binary(";", Unary("[]", A), B)),
        ("a^-1", Unary("^-1", A)),
        ("a ^ -1", Unary("^-1", A)),
        ("a?", Unary("?", A)),
        ("()", Tuple(())),
        ("a, b", Tuple((A, B))),
        ("(a, b)", Tuple((A, B))),
        ("f a", Apply(Name("f"), A)),
        ("f(a,b)", Apply(Name("f"), Tuple((A, B)))),
        ("f a (b) _", Apply(Apply(Apply(Name("f"), A), B), Universe())),
        ("f[a]", Apply(Name("f"), Unary("[]", A))),
        ("f 'x {}", Apply(Apply(Name("f"), Tag("x")), SetOf(()))),
        ("fun y -> a", Fun("y", A)),
        ("fun _ -> a", Fun("_", A)),
        ("fun () -> a", Fun((), A)),
        ("fun (y) -> a", Fun("y", A)),
        ("fun (y, _) -> a", Fun(("y", "_"), A)),
        ("let y = a in b", Let((Binding("y", A),), B)),
        ("let rec y = a and z = b in c", Let((Binding("y", A), Binding("z", B)), C, rec=True)),
        ("let f y = a in b", Let((Binding("f", Fun("y", A, "f")),), B)),
        ("let y = let z = a in b in c", Let((Binding("y", Let((Binding("z", A),), B)),), C)),
        ("try a with try b with c", Try(A, Try(B, C))),
        ("match a with {} -> b || e ++ r -> c end", MatchSet(A, B, "e", "r", C)),
        ("match a with || e ++ _ -> c || {} -> b end", MatchSet(A, B, "e", "_", C)),
        ("match a with || _ ++ r -> c || {} -> b end", MatchSet(A, B, "_", "r", C)),
        ("match a with 'p -> b || 'q-r -> c end", MatchTag(A, (("p", B), ("q-r", C)))),
        ("match a with || 'p -> b || _ -> c end", MatchTag(A, (("p", B),), C)),
        ("match a with _ -> c end", MatchTag(A, (), C)),
        ('if "v" then a else b', IfExp(Variant("v"), A, B)),
        ('if variant "v" then a else b', IfExp(Variant("v"), A, B)),
        ("if a = b then c else d", IfExp(syntax.Test("=", A, B), C, D)),
        ("if a|b subset c then c else d", IfExp(syntax.Test("subset", Binary("|", A, B), C), C, D)),
        ("if 'a in b then c else d", IfExp(syntax.Test("in", Tag("a"), B), C, D)),
        ("if (a) = b then c else d", IfExp(syntax.Test("=", A, B), C, D)),
    ],
)
def test_expressions(text: str, node: Exp) -> None:
    assert exp(text) == node
    assert exp(f"({text})") == node


def test_conditions_bind_not_then_and_then_or_and_group_to_the_left() -> None:
    p, q, r = (Variant(n) for n in "pqr")
    for text, cond in [
        ('"p" || "q" && not "r"', Junction("||", (p, Junction("&&", (q, Junction("not", (r,))))))),
        ('("p" || "q") && "r"', Junction("&&", (Junction("||", (p, q)), r))),
        ('"p" || "q" || "r"', Junction("||", (Junction("||", (p, q)), r))),
        ('not not "p" && ((variant "q"))', Junction("&&", (Junction("not", (Junction("not", (p,)),)), q))),
    ]:
        assert exp(f"if {text} then a else b") == IfExp(cond, A, B)
        assert ins(f"if {text} end") == IfIns(cond, ())


# ---------------------------------------------------------------- instructions


@pytest.mark.parametrize(
    "text, node",
    [
        ("let x = a", LetIns((Binding("x", A),))),
        ("let x = a in", LetIns((Binding("x", A),))),
        ("let rec x = a and y = b", LetIns((Binding("x", A), Binding("y", B)), rec=True)),
        ("let rec x = a in", LetIns((Binding("x", A),), rec=True)),
        ("let (x, y) = a", LetIns((Binding(("x", "y"), A),))),
        ("let x, _ = a", LetIns((Binding(("x", "_"), A),))),
        ("let (x) = a", LetIns((Binding("x", A),))),
        ("let () = a", LetIns((Binding((), A),))),
        ("let _ = a", LetIns((Binding("_", A),))),
        ("let f x = a", LetIns((Binding("f", Fun("x", A, "f")),))),
        ("let f(x, y) = a", LetIns((Binding("f", Fun(("x", "y"), A, "f")),))),
        ("let f() = a", LetIns((Binding("f", Fun((), A, "f")),))),
        ("acyclic a", Check("acyclic", A)),
        ("irreflexive a as n", Check("irreflexive", A, "n")),
        ("~empty a", Check("empty", A, negated=True)),
        ("flag ~ empty a|b as n-1", Check("empty", Binary("|", A, B), "n-1", negated=True, role="flag")),
        ("undefined_unless empty a", Check("empty", A, role="undefined_unless")),
        ("assert acyclic a as n", Check("acyclic", A, "n", role="assert")),
        ("empty ~a", Check("empty", Unary("~", A))),
        ("show a", Show(("a",))),
        ("show a, b", Show(("a", "b"))),
        ("unshow a, b", Show(("a", "b"))),
        ("show a|b as n", Show(("n",), Binary("|", A, B))),
        ("show a as n", Show(("n",), A)),
        ('include "a b.cat"', Include("a b.cat")),
        ("procedure p(x, y) = acyclic a end", Procedure("p", ("x", "y"), (Check("acyclic", A),))),
        ("procedure p() = end", Procedure("p", (), ())),
        ("procedure rec p x = call p (x) end", Procedure("p", "x", (CallIns("p", Name("x")),), rec=True)),
        ("call p(a, b) as n", CallIns("p", Tuple((A, B)), "n")),
        ("call p()", CallIns("p", Tuple(()))),
        ("with x from f a", WithFrom("x", Apply(Name("f"), A))),
        ('if "v" show a else show b unshow c end', IfIns(Variant("v"), (Show(("a",)),), (Show(("b",)), Show(("c",))))),
        ('if "v" else end', IfIns(Variant("v"), ())),
        ("enum E = 'a || 'b-c", EnumIns("E", ("a", "b-c"))),
        ("enum E = || 'a", EnumIns("E", ("a",))),
        ("instructions R[E]", Instructions("R", (Name("E"),))),
        ("instructions R[{'a,'b}, E]", Instructions("R", (SetOf((Tag("a"), Tag("b"))), Name("E")))),
        ("instructions R[]", Instructions("R", ())),
        ("default R[{'a}]", Instructions("R", (SetOf((Tag("a"),)),), default=True)),
        ("forall x in a do show x end", Forall("x", A, (Show(("x",)),))),
        (
            "match a with 'p -> show a show b || 'q -> || _ -> show c end",
            MatchIns(A, (("p", (Show(("a",)), Show(("b",)))), ("q", ())), (Show(("c",)),)),
        ),
        ("match a with || 'p -> show a end", MatchIns(A, (("p", (Show(("a",)),)),))),
    ],
)
def test_instructions(text: str, node: syntax.Ins) -> None:
    assert ins(text) == node


def test_instructions_need_no_separator() -> None:
    kinds = [type(i) for i in parse("let x = try a with b with c from d let y = x* in show y acyclic f x as n ~empty x").body]
    assert kinds == [LetIns, WithFrom, LetIns, Show, Check, Check]


@pytest.mark.parametrize(
    "text, title, catdep",
    [
        ("", "", False),
        ("let x = a", "", False),
        ('"Linux-kernel model"', "Linux-kernel model", False),
        ("SC", "SC", False),
        ("X86 TSO", "TSO", False),
        ('AArch64 "Armv8 AArch64" catdep', "Armv8 AArch64", True),
        ("catdep", "", True),
    ],
)
def test_a_file_may_begin_with_a_title(text: str, title: str, catdep: bool) -> None:
    source = Source("m.cat", f"{text}\nshow a")
    file = parse_cat(Source("m.cat", text)) if "let" in text else parse_cat(source)
    assert (file.title, file.catdep, len(file.body)) == (title, catdep, 1)


def test_the_file_knows_its_source() -> None:
    source = Source("m.cat", "show a")
    assert parse_cat(source).source is source


# ---------------------------------------------------------------- comments


@pytest.mark.parametrize(
    "text",
    [
        '(* c *) let x (* (* nested *) ( " *) = a (**) ; b',
        "let x = // (* no comment opens here\n a ; # nor (* here\n b",
        "(*)*) let x = a (***) ; b (* // *)",
        "# title\n#\nlet x=a(*\n*);b//",
        "let x = a ;\r\n\tb\r\n",
    ],
)
def test_comments_and_blanks_mean_nothing(text: str) -> None:
    assert ins(text) == ins("let x = a ; b")


def test_a_string_may_hold_what_looks_like_a_comment() -> None:
    assert ins('include "a(*//#.cat"') == Include("a(*//#.cat")


@given(st.text(alphabet='(*)/#"\na ', max_size=40))
def test_blanking_comments_keeps_every_line_and_column(text: str) -> None:
    try:
        blanked = blank_comments(Source("m.cat", text))
    except SyntaxProblem:
        return
    assert len(blanked) == len(text)
    assert all(b in (" ", t) and (t != "\n" or b == "\n") for t, b in zip(text, blanked, strict=True))


def test_a_comment_without_end_is_reported_where_it_opens() -> None:
    found = error("let x = a\n  (* one (* two *)\n")
    assert isinstance(found, SyntaxProblem)
    assert str(found.span) == "m.cat:2:3"
    assert "'*)'" in found.hint


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "text, place, message",
    [
        ("let x = a |\n| b", "2:1", "unexpected '|'"),
        ("let x =\n  in", "2:3", "unexpected 'in'"),
        ("let let = a", "1:5", "unexpected 'let'"),
        ("let x = a $ b", "1:11", "unexpected '$'"),
        ("unshow a\nemptyx b", "2:1", "unexpected 'emptyx'"),
        ("flag emptyx", "1:6", "unexpected 'emptyx'"),
        ("let x = a->b", "1:11", "unexpected '>'"),
        ("acyclic a as", "1:12", "the text ends too early"),
        ("let x = (a | b", "1:14", "the text ends too early"),
        ('include "a', "1:9", "unexpected '\"'"),
        ("call p x", "1:8", "unexpected 'x'"),
        ("let f x, y = a", "1:8", "unexpected ','"),
        ('let x = if a = b || "v" then a else b', "1:18", "unexpected '||'"),
        ("if a = b show a end", "1:4", "unexpected 'a'"),
        ("(* é *) let x = é", "1:17", "unexpected 'é'"),
    ],
)
def test_an_error_says_where_and_what(text: str, place: str, message: str) -> None:
    found = error(text)
    assert isinstance(found, SyntaxProblem)
    assert found.message == message
    assert str(found.span) == f"m.cat:{place}"
    assert found.render().startswith(f"m.cat:{place}: error: ")


def test_an_error_says_what_would_work() -> None:
    for text, options in [("enum E = a", ["'||'", "tag"]), ("flag a", ["'~'", "acyclic", "empty", "irreflexive"])]:
        hint = error(text).hint
        assert hint.startswith("expected ")
        assert sorted(hint.removeprefix("expected ").split(" or ")) == options


@pytest.mark.parametrize("word", KEYWORDS.split())
def test_a_reserved_word_is_not_a_name_but_may_begin_one(word: str) -> None:
    assert isinstance(error(f"let {word} = a"), SyntaxProblem)
    assert isinstance(error(f"unshow {word}"), SyntaxProblem)
    for name in (f"{word}x", f"{word}-x", f"{word}.", f"{word}_", f"{word}'"):
        assert ins(f"let {name} = {name}*{name}") == LetIns((Binding(name, Binary("*", Name(name), Name(name))),))


@pytest.mark.parametrize(
    "text, word",
    [
        ("let rec x = a when acyclic x", "when"),
        ("debug a", "debug"),
        ("let x = match a with {} -> a || p | e ++ r -> b end", "three"),
    ],
)
def test_what_is_understood_but_refused_says_so(text: str, word: str) -> None:
    found = error(text)
    assert isinstance(found, Unsupported)
    assert word in found.message
    assert found.hint


# ---------------------------------------------------------------- limits


CHAINS = {
    "unions": lambda n: "let x = " + "|".join("a" * n),
    "differences": lambda n: "let x = " + "\\".join("a" * n),
    "closures": lambda n: "let x = a" + "?" * n,
    "complements": lambda n: "let x = " + "~" * n + "a",
    "inverses": lambda n: "let x = a" + "^-1" * n,
    "applications": lambda n: "let x = f" + " a" * n,
    "lets": lambda n: "let x = " + "let y = a in " * n + "b",
    "lets in lets": lambda n: "let x = " + "let y = " * n + "a" + " in b" * n,
    "functions": lambda n: "let x = " + "fun y -> " * n + "a",
    "ifs": lambda n: "let x = " + 'if "v" then a else ' * n + "b",
    "tries": lambda n: "let x = " + "try a with " * n + "b",
    "matches": lambda n: "let x = " + "match a with 'p -> " * n + "b" + " end" * n,
    "nots": lambda n: "if " + "not " * n + '"v" end',
    "ors": lambda n: "if " + "||".join(['"v"'] * n) + " end",
    "ifs in ifs": lambda n: 'if "v" ' * n + "end " * n,
    "procedures": lambda n: "procedure p() = " * n + "end " * n,
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_is_parsed_up_to_the_limit_and_refused_beyond(name: str) -> None:
    repr(parse(CHAINS[name](MAX_DEPTH // 2 - 5)))
    for length in (MAX_DEPTH + 5, 5_000):
        found = error(CHAINS[name](length))
        assert isinstance(found, LimitExceeded)
        assert found.render()


@pytest.mark.parametrize("opening, closing", ["()", "[]", "{}"])
def test_deep_brackets_are_refused(opening: str, closing: str) -> None:
    assert isinstance(error("let x = " + opening * 5_000 + "a" + closing * 5_000), LimitExceeded)
    assert isinstance(error("let x = " + opening * 5_000), LimitExceeded)


def test_brackets_in_comments_and_strings_do_not_count() -> None:
    assert len(parse("(* " + "(" * 500 + " *)\n# " + "[" * 500 + "\nshow a").body) == 1


def test_long_is_not_deep() -> None:
    assert len(parse("let x = a\n" * 2_000).body) == 2_000
    assert len(exp("{" + ",".join("a" * 2_000) + "}").args) == 2_000
    assert exp("begin " * 2_000 + "a" + " end" * 2_000) == A
    assert ins("(*" * 2_000 + "*)" * 2_000 + "show a") == Show(("a",))


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


@settings(deadline=None)
@given(EXPS, st.data())
def test_what_is_printed_is_parsed_back(e: Exp, data: st.DataObject) -> None:
    spaces = st.sampled_from([" ", "\n", "\t (* a (* b *) *) ", " // ( x\n", " # let\n"])
    text = "".join(word + data.draw(spaces) for word in words(e))
    assert exp(text) == e


def nodes(node: Any) -> list[Any]:
    if isinstance(node, tuple):
        return [n for part in node for n in nodes(part)]
    if not is_dataclass(node) or isinstance(node, type):
        return []
    return [node, *nodes(tuple(getattr(node, f.name) for f in fields(node) if f.name not in ("span", "source")))]


@settings(deadline=None)
@given(EXPS)
def test_the_place_of_an_expression_is_its_own_text(e: Exp) -> None:
    text = "let x = " + " ".join(words(e))
    for node in nodes(parse(text).body[0]):
        assert node.span.line == 1
        own = text[node.span.column - 1 : node.span.end - 1]
        match node:
            case LetIns():
                assert own == text
            case Binding():
                assert "=" in own
            case Fun() if node.name:
                assert own.startswith(node.name)
            case Variant() | Junction() | syntax.Test():
                assert exp(f"if {own} then a else b").cond == bare(node)
            case _:
                assert exp(own) == bare(node)


def test_what_spans_lines_is_placed_at_its_first() -> None:
    (found,) = parse("acyclic a |\n  (b ;\nc) as\n n").body
    assert isinstance(found, Check)
    assert isinstance(found.exp, Binary)
    places = [(s.line, s.column, s.end) for s in (found.span, found.exp.span, found.exp.left.span, found.exp.right.span)]
    assert places == [(1, 1, 8), (1, 9, 10), (1, 9, 10), (2, 3, 4)]


def refusal(text: str) -> CheckerError | None:
    """Why the text is refused, if it is; no other exception gets out."""
    try:
        parse(text)
    except CheckerError as problem:
        return problem
    return None


@settings(deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)))
def test_any_text_is_parsed_or_refused_with_a_place(text: str) -> None:
    problem = refusal(text)
    assert problem is None or (problem.span is not None and problem.render())


@settings(deadline=None)
@given(EXPS, st.data())
def test_a_damaged_model_is_parsed_or_refused_with_a_place(e: Exp, data: st.DataObject) -> None:
    text = ["let", "x", "=", *words(e)]
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.sampled_from(WORDS))
    problem = refusal(" ".join(text))
    assert problem is None or (problem.span is not None and problem.span.line == 1)


@pytest.mark.parametrize("path", sorted(p for p in MODELS.rglob("*") if p.suffix in (".cat", ".bell")), ids=lambda p: p.name)
def test_every_model_of_ours_is_parsed(path: Path) -> None:
    file = parse_cat(Source(path.name, path.read_text(encoding="utf-8")))
    assert file.title or file.body
