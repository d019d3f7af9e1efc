"""The C front end: C's own grammar on what litmus tests use of it, and messages for what they do not."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import lark
import pytest
from c_texts import bare, expressions, statements, write_body, write_expression
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.core.source import CheckerError, Source, SyntaxProblem, Unsupported
from checker.parse.c import Function, parse_code, units_of
from checker.parse.c_syntax import Unit
from checker.parse.c_text import blank_comments, number
from checker.parse.grammar import SPELLED, data_folder
from checker.program.ir import Assign, Call, Const, Deref, Do, If, Op, Reg, Stmt, While, Write


def units(source: Source, text: str) -> list[Unit]:
    """What `text` consists of, as it was written."""
    problems: list[CheckerError] = []
    found = units_of(source, blank_comments(source, text), None, problems)
    assert not problems
    return found


def function(body: str, params: str = "int *x, int *y") -> Function:
    text = f"P0({params}) {{\n{body}\n}}"
    (result,) = parse_code(Source("t.c", text), text)[0]
    return result


def body(text: str) -> tuple[Stmt, ...]:
    return bare(function(text).body)  # type: ignore[no-any-return]


def expression(text: str) -> Any:
    (stmt,) = body(f"r = {text};")
    assert isinstance(stmt, Assign)
    return stmt.value


def syntax(text: str) -> tuple[Any, ...]:
    """The statements of a process as they were written, before they have types."""
    text = f"P0(int *x, int *y) {{\n{text}\n}}"
    (process,) = units(Source("t.c", text), text)
    return bare(process.body)  # type: ignore[no-any-return]


X, Y, R = Reg("x"), Reg("y"), Reg("r")
INT_X = Op("int32", (X,))  # a location that holds an int, for a primitive that computes what it stores


@given(expressions, st.data())
@settings(deadline=None)
def test_an_expression_written_by_the_rules_of_c_is_read_as_it_was_meant(tree: Any, data: st.DataObject) -> None:
    text = write_expression(tree, lambda words: data.draw(st.sampled_from(words)), -1)
    (stmt,) = syntax(f"r = {text};")
    assert stmt.value == tree


@given(st.lists(statements, max_size=4).map(tuple), st.data())
@settings(deadline=None)
def test_statements_written_by_the_rules_of_c_are_read_as_they_were_meant(tree: Any, data: st.DataObject) -> None:
    text = write_body(tree, lambda words: data.draw(st.sampled_from(words)))
    assert syntax(text) == tree


@given(
    st.integers(-(2**63), 2**64 - 1),
    st.sampled_from(["{}", "{:#x}", "0{:o}", "0X{:X}"]),
    st.sampled_from(["", "u", "UL", "ll"]),
)
def test_a_number_is_read_in_every_base(value: int, form: str, suffix: str) -> None:
    signed = value - 2**64 if value >= 2**63 else value
    assert number(form.format(abs(value)) + suffix) in (abs(value), abs(value) - 2**64)
    if value >= 0:
        assert number(form.format(value) + suffix) == signed


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("x[0]", Deref(X)),
        ("x[2]", Deref(Op("add", (X, Const(2))))),
        ("*x[2]", Deref(Deref(Op("add", (X, Const(2)))))),
        ("&x[2]", Op("add", (X, Const(2)))),
        ("&*x", X),
        ("**x", Deref(Deref(X))),
        ("*(x + 1)", Deref(Op("add", (X, Const(1))))),
        ("READ_ONCE(*x)", Call("READ_ONCE", (Deref(X),))),
        ("(intptr_t)rcu_dereference(*(intptr_t **)x)", Call("rcu_dereference", (Deref(X),))),
        ("-1", Const(-1)),
        ("- -1", Const(1)),
        ("!-x", Op("lnot", (Op("neg", (X,)),))),
        ("NULL", Const(0)),
        ("0xffffffffffffffff", Const(-1)),
        ("010", Const(8)),
        ("x - 1", Op("sub", (X, Const(1)))),
        ("x -1", Op("sub", (X, Const(1)))),
        ("x & ~y", Op("and", (X, Op("not", (Y,))))),
        ("x ? y : r ? 1 : 2", Op("ite", (X, Y, Op("ite", (R, Const(1), Const(2)))))),
        ("x == 1 ? y : r", Op("ite", (Op("eq", (X, Const(1))), Y, R))),
        ("(x)", X),
        ("(x) + 1", Op("add", (X, Const(1)))),
        ("__load{ONCE}(x)", Call("__load", (X,), ("ONCE",))),
        ("__xchg{A, after-spinlock}(x, 1)", Call("__xchg", (X, Const(1)), ("A", "after-spinlock"))),
        ("__atomic_op_return{MB}(x,+,y)", Call("__atomic_op_return:add", (INT_X, Y), ("MB",))),
        ("__atomic_fetch_op{MB}(x, &~, y)", Call("__atomic_fetch_op:andnot", (INT_X, Y), ("MB",))),
        ("__atomic_add_unless{MB}(x, 1, -1)", Call("__atomic_add_unless", (INT_X, Const(1), Const(-1)), ("MB",))),
        ("__trylock(x)", Call("__trylock", (X,))),
    ],
)
def test_an_expression_becomes(text: str, tree: Any) -> None:
    assert expression(text) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("int r;", ()),
        ("int r, *q, z;", ()),
        ("struct foo *r = x;", (Assign("r", X),)),
        ("int r = 1, *q = x, **z;", (Assign("r", Const(1)), Assign("q", X))),
        ("unsigned long r=1;", (Assign("r", Const(1)),)),
        ("volatile int *const r = x;", (Assign("r", X),)),
        ("intptr_t r = (intptr_t)x;", (Assign("r", X),)),
        ("atomic_t *v;", ()),
        ("r = *x;", (Assign("r", Deref(X)),)),
        ("*x = 1;", (Write(X, Const(1)),)),
        ("**x = 1;", (Write(Deref(X), Const(1)),)),
        ("*(int *)x = 1;", (Write(X, Const(1)),)),
        ("x[1] = 2;", (Write(Op("add", (X, Const(1))), Const(2)),)),
        ("(*x) = 2;", (Write(X, Const(2)),)),
        ("r += 2;", (Assign("r", Op("add", (R, Const(2)))),)),
        ("r <<= 2;", (Assign("r", Op("shl", (R, Const(2)))),)),
        ("*x |= 2;", (Write(X, Op("or", (Deref(X), Const(2)))),)),
        ("r++;", (Assign("r", Op("add", (R, Const(1)))),)),
        ("--r;", (Assign("r", Op("sub", (R, Const(1)))),)),
        ("(*x)++;", (Write(X, Op("int32", (Op("add", (Deref(X), Const(1))),))),)),
        ("smp_mb();", (Do(Call("smp_mb", ())),)),
        ("(void)READ_ONCE(*x);", (Do(Call("READ_ONCE", (Deref(X),))),)),
        ("*x;", (Do(Deref(X)),)),
        ("{ ; { r = 1; } }", (Assign("r", Const(1)),)),
        ("__fence{MB};", (Do(Call("__fence", (), ("MB",))),)),
        ("__lock(x);", (Do(Call("__lock", (X,))),)),
        ("__srcu{sync-srcu}(x);", (Do(Call("__srcu", (X,), ("sync-srcu",))),)),
        ("__atomic_op{NORETURN}(x,-,1);", (Do(Call("__atomic_op:sub", (INT_X, Const(1)), ("NORETURN",))),)),
        ("if (r) r = 1; else r = 2;", (If(R, (Assign("r", Const(1)),), (Assign("r", Const(2)),)),)),
        ("if (r) if (x) r = 1; else r = 2;", (If(R, (If(X, (Assign("r", Const(1)),), (Assign("r", Const(2)),)),)),)),
        ("if (r) { if (x) r = 1; } else r = 2;", (If(R, (If(X, (Assign("r", Const(1)),)),), (Assign("r", Const(2)),)),)),
        ("while (*x) {}", (While(Deref(X), ()),)),
        ("do r = *x; while (r);", (Assign("r", Deref(X)), While(R, (Assign("r", Deref(X)),)))),
        (
            "for (int i = 0; i < 3; i++) *x = i;",
            (
                Assign("i", Const(0)),
                *3 * (Write(X, Reg("i")), Assign("i", Op("int32", (Op("add", (Reg("i"), Const(1))),)))),
            ),
        ),
        (
            "for (i = 0; i < *y; i++) *x = i;",  # what is not declared has 64 bits
            (
                Assign("i", Const(0)),
                While(
                    Op("lt", (Reg("i"), Deref(Y))),
                    (Write(X, Op("int32", (Reg("i"),))), Assign("i", Op("add", (Reg("i"), Const(1))))),
                ),
            ),
        ),
        ("for (;;) {}", (While(Const(1), ()),)),
        ("continue = 1;", (Assign("continue", Const(1)),)),
    ],
)
def test_statements_become(text: str, tree: tuple[Stmt, ...]) -> None:
    assert body(text) == tree


def test_parameters_are_read_with_the_type_of_what_they_point_to() -> None:
    params = "volatile int* x, spinlock_t *l , struct srcu_struct *s, intptr_t **p, const int *const c, int a[2], int *\n\ty"
    assert function("", params).params == (
        ("x", "volatile int"),
        ("l", "spinlock_t"),
        ("s", "struct srcu_struct"),
        ("p", "intptr_t *"),
        ("c", "const int"),
        ("a", "int"),
        ("y", "int"),
    )
    assert function("", "").params == () == function("", "void").params


def test_names_are_sorted_into_those_declared_and_those_used() -> None:
    f = function("int r; int q = r + z; s = *x; f(t);")
    assert f.declared == {"r", "q"}
    assert set(f.used) == {"r", "z", "s", "x", "t"}
    assert f.used["t"].column == 33


def test_several_processes_keep_their_names_apart() -> None:
    text = "P0(int *x) { int r; r = *x; }\nvoid P1(int *y) { q = *y; }"
    first, second = parse_code(Source("t.c", text), text)[0]
    assert (first.declared, set(first.used)) == ({"r"}, {"r", "x"})
    assert (second.declared, set(second.used), second.tid) == (set(), {"q", "y"}, 1)


@given(st.lists(statements, min_size=1, max_size=4).map(tuple), st.data())
@settings(deadline=None)
def test_a_call_knows_where_it_stands(tree: Any, data: st.DataObject) -> None:
    text = "P0() { " + write_body(tree, lambda words: data.draw(st.sampled_from(words))) + "}"
    source = Source("t.c", text)
    (f,) = units(source, text)

    def check(node: Any) -> None:
        if isinstance(node, Call):
            line = source.line(node.span.line)
            assert line[node.span.column - 1 : node.span.end - 1] == node.name
        for part in node if isinstance(node, tuple) else (getattr(node, n) for n in getattr(node, "__slots__", ())):
            if isinstance(part, tuple) or hasattr(part, "__slots__"):
                check(part)

    check(f.body)


BAD = [
    ("WRITE_ONCE(*x, 1)\n\tr = 2;", "missing ';'", 2, 18),
    ("int r0\n", "missing ';'", 2, 7),
    ("r = READ_ONCE(*x));", "this ')' closes nothing", 2, 18),
    ("WRITE_ONCE(*x, 1;", "unexpected ';'", 2, 17),
    ("WRITE_ONCE(*x 1);", "unexpected '1'", 2, 15),
    ("WRITE_ONCE(*x, @1);", "unexpected '@'", 2, 16),
    ("foo r0 = 1;", "'foo' is not a type", 2, 5),
    ("3 = r;", "cannot be assigned to", 2, 3),
    ("else r = 1;", "this 'else' has no 'if'", 2, 1),
    ("r = 123456789012345678901;", "not an integer of 64 bits", 2, 5),
    ("r = 089;", "not an integer of 64 bits", 2, 5),
    ("int r += 1;", "a plain '='", 2, 7),
    ("int = 3;", "'int' is a word of C", 2, 1),
    ("r = f(+, 1);", "'+' is not a value", 2, 7),
    ("r = __load{1x}(x);", "'1x' is not a tag", 2, 5),
    ("__atomic_op{MB}(x, 1);", "a pointer, an operator and a value", 2, 1),
    ("/* r = 1;", "this comment is never closed", 2, 1),
    ("for (if (r) r = 1; r; ) ;", "a 'for' begins with", 2, 1),
]

REFUSED = [
    ("r = &2;", "'&' of a value", 2, 5),
    ("#ifdef CONFIG_X\nr = 1;\n#endif", "'#ifdef' is not supported", 2, 1),
    ("#include <linux/types.h>", "'#include' is not supported", 2, 1),
    ("#define S(x) #x", "'#' and '##' in a macro", 2, 1),
    ("r = *x / 0;", "a division by zero", 2, 5),
    ("r = 1 << 32;", "a shift by 32", 2, 1),
    ("r = 18446744073709551615;", "a number that is wider than a long", 2, 5),
    ("int a[2];", "arrays as local variables", 2, 6),
    ("r = ({ r = 1; });", "'({ … })' without a value", 2, 5),
    ("r = sizeof(spinlock_t);", "how large 'spinlock_t' is", 2, 5),
    ("r = sizeof(struct kvm);", "how large 'struct kvm' is", 2, 5),
    ("struct kvm k;", "the local variable 'k' of type 'struct kvm'", 2, 12),
    ("WRITE_ONCE(x, 1);", "'WRITE_ONCE' needs a memory location", 2, 1),
    ("int r; WRITE_ONCE(r, 1);", "'WRITE_ONCE' needs a memory location", 2, 8),
    ("BUG_ON(*x);", "'BUG_ON' is not supported", 2, 1),
    ("__int128 r = 1;", "the type '__int128'", 2, 10),
    ("typedef int foo_t;", "'typedef' is not supported", 2, 1),
]


@pytest.mark.parametrize(("text", "message", "line", "column"), BAD)
def test_a_mistake_is_named_where_it_is(text: str, message: str, line: int, column: int) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        function(text)
    assert message in caught.value.message
    assert caught.value.span is not None
    assert (caught.value.span.line, caught.value.span.column) == (line, column)


@pytest.mark.parametrize(("text", "message", "line", "column"), REFUSED)
def test_what_is_not_supported_says_so_and_what_would_work(text: str, message: str, line: int, column: int) -> None:
    with pytest.raises(Unsupported) as caught:
        function(text)
    assert message in caught.value.message
    assert caught.value.hint
    assert caught.value.span is not None
    assert (caught.value.span.line, caught.value.span.column) == (line, column)


@pytest.mark.parametrize(
    ("params", "message", "column"),
    [
        ("int *x, int y", "'y' is not a pointer", 12),
        ("int *x, int 3", "'int 3' is not a parameter", 12),
        ("int *x,", "'' is not a parameter", 11),
        ("int *x, int *x", "two parameters are called 'x'", 12),
        ("int *", "'int *' is not a parameter", 4),
        ("x", "'x' is not a parameter", 4),
    ],
)
def test_a_bad_parameter_is_named(params: str, message: str, column: int) -> None:
    with pytest.raises(CheckerError) as caught:
        function("", params)
    assert message in caught.value.message
    assert caught.value.span is not None
    assert caught.value.span.column == column


DEEP = 60_000


@pytest.mark.parametrize(
    "text",
    [
        "r = " + "!" * DEEP + "x;",
        "r = " + "1+" * DEEP + "x;",
        "r = x" + "[1]" * DEEP + ";",
        "r = " + "x ? 1 : " * 1000 + "x;",
        "if (r) " * 1000 + ";",
        "if (r) ; else " * 1000 + ";",
        "do " * 30 + ";" + "while (r);" * 30,
    ],
)
def test_code_nested_too_deep_for_the_stages_behind_is_refused(text: str) -> None:
    with pytest.raises(CheckerError) as caught:
        function(text)
    assert caught.value.code == "limit"


WORDS = (
    "int ", "u8 ", "struct s *", "r0", "x", "y", "s", "->a", ".a", "[1]", "(", ")", "{", "}", ";", ";", ";", ",", "=", "==", "+=",
    "++", "--", "*", "&", "&&", "||", "?", ":", "!", "-", "1", "0", "if (", "else ", "while (", "for (", "do ", "switch (",
    "case 1:", "default:", "break;", "continue;", "return;", "return 1;", "goto out;", "out:", "READ_ONCE(", "WRITE_ONCE(*x, ",
    "f(", "g(", "N", "A", "M(", "(u8)", "smp_cond_load_acquire(x, VAL", "likely(", "\n#define N 1\n", "<<", "300", "'a'",
    "xchg(x, ", "r0 = r0;",
)  # fmt: skip
BEFORE = """#define M(a) ((a) + 1)
struct s { int a; u8 b[2]; struct { int a; } c; };
enum { A = 3 };
static inline int f(int v) { if (v) return 1; return A; }
static int g(int *p) { *p = 1; return READ_ONCE(*p); }
"""


@given(st.lists(st.sampled_from(WORDS), max_size=14))
@settings(deadline=None)
def test_any_words_of_c_are_read_or_refused(words: list[str]) -> None:
    text = f"{BEFORE}P0(int *x, int *y, struct s *s) {{ int r0;\n{' '.join(words)}\n}}"
    with contextlib.suppress(CheckerError):
        parse_code(Source("t.c", text), text)[0]


@given(st.text(alphabet="xr01()[]{};,*&!~+-=<>?:/ \n\"'#.@ifelsdowhP", max_size=60))
@settings(deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(CheckerError):
        function(text)


@pytest.mark.parametrize(("name", "start"), [("c", "threads"), ("c", "table"), ("cat", "start")])
def test_what_was_expected_is_said_in_words_that_one_can_write(name: str, start: str) -> None:
    made = lark.Lark((data_folder("grammar") / f"{name}.lark").read_text(encoding="utf-8"), parser="lalr", start=start)
    for terminal in made.terminals:
        said = SPELLED.get(terminal.name, terminal.name.lower())
        if terminal.name in made.ignore_tokens or "like" in said or said.startswith("a"):
            continue
        words = [word.strip("'") for word in re.split(", | or ", said)]
        assert any(
            re.match(terminal.pattern.to_regexp(), word + end)
            for word in words
            for end in ("", "y", ":", "(", " x {", "{A}(", "(int)", " acyclic")
        ), said


@pytest.mark.parametrize(
    ("text", "hint"),
    [("r = (r ? 1 : 2 3);", "')'"), ("if (r ? 1 : 2 3) ;", "')'"), ("for (r = 0; r < 2) ;", "';'"), ("r = f(1 ? 2 : 3 4);", "')'")],
)
def test_no_name_of_the_grammar_is_shown(text: str, hint: str) -> None:
    with pytest.raises(CheckerError) as caught:
        function(text)
    assert hint in caught.value.hint + caught.value.message
    assert not re.search(r"\b[a-z]*(?:assign|rpar|binop|prefix|semi)\b", caught.value.render().lower())
