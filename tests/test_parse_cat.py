"""The cat front end: precedence, every construct, comments, errors with their places, and limits."""

from __future__ import annotations

import pytest
from cat_texts import KEYWORDS, exp, ins, parse
from hypothesis import given
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
from checker.core.source import CheckerError, LimitExceeded, Source, SyntaxProblem, Unsupported
from checker.parse.cat import MAX_DEPTH, blank_comments, parse_cat


def error(text: str) -> CheckerError:
    with pytest.raises(CheckerError) as caught:
        parse(text)
    return caught.value


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
    for text, options in [("enum E = a", ["'||'", "a tag"]), ("flag a", ["'~'", "acyclic", "empty", "irreflexive"])]:
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
