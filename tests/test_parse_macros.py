"""Tables of primitives: every built-in form, and the tables that ship with the checker."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from c_texts import bare, expressions, statements, write_body, write_expression
from hypothesis import given, settings
from hypothesis import strategies as st

import checker.models
from checker.core.source import CheckerError, Source, SyntaxProblem
from checker.parse.files import read_source
from checker.parse.macros import parse_table
from checker.program.ir import Call, Const, Deref, Do, Expr, Macro, Op, Reg, Stmt, Table

TABLES = sorted(Path(checker.models.__file__).parent.rglob("*.def"))
X, V, W = Reg("X"), Reg("V"), Reg("W")


def table(text: str) -> Table:
    return {name: bare(macro) for name, macro in parse_table(Source("t.def", text)).items()}


@pytest.mark.parametrize(
    ("text", "value", "body"),
    [
        ("READ_ONCE(X) __load{ONCE}(X)", Call("__load", (X,), ("ONCE",)), ()),
        ("f(X) __load{ACQUIRE}(*X)", Call("__load", (Deref(X),), ("ACQUIRE",)), ()),
        ("f(X,V) { __store{RELEASE}(*X,V); }", None, (Do(Call("__store", (Deref(X), V), ("RELEASE",))),)),
        ("f() { __fence{after-srcu-read-unlock}; }", None, (Do(Call("__fence", (), ("after-srcu-read-unlock",))),)),
        ("f() {}", None, ()),
        ("f(X,V,W) __cmpxchg{MB}(X,V,W)", Call("__cmpxchg", (X, V, W), ("MB",)), ()),
        ("f(X) { __atomic_op{NORETURN}(X,+,1); }", None, (Do(Call("__atomic_op:add", (X, Const(1)), ("NORETURN",))),)),
        ("f(X,V) { __atomic_op{NORETURN}(X,|,V); }", None, (Do(Call("__atomic_op:or", (X, V), ("NORETURN",))),)),
        ("f(X,V) { __atomic_op{NORETURN}(X,^,V); }", None, (Do(Call("__atomic_op:xor", (X, V), ("NORETURN",))),)),
        ("f(X,V) { __atomic_op{NORETURN}(X,&,V); }", None, (Do(Call("__atomic_op:and", (X, V), ("NORETURN",))),)),
        ("f(X,V) __atomic_fetch_op{ONCE}(X,&~,V)", Call("__atomic_fetch_op:andnot", (X, V), ("ONCE",)), ()),
        (
            "f(V,X) __atomic_op_return{MB}(X,-,V) == 0",
            Op("eq", (Call("__atomic_op_return:sub", (X, V), ("MB",)), Const(0))),
            (),
        ),
        ("f(X) g(*X)", Call("g", (Deref(X),)), ()),
        ("f(X) *X", Deref(X), ()),
        ("f(X) -X", Op("neg", (X,)), ()),
    ],
)
def test_a_definition_becomes(text: str, value: Expr | None, body: tuple[Stmt, ...]) -> None:
    (macro,) = table(text).values()
    assert (macro.value, macro.body) == (value, body)


@given(st.lists(expressions | st.lists(statements, max_size=3).map(tuple), max_size=4), st.data())
@settings(deadline=None)
def test_definitions_follow_each_other_without_anything_between(
    meanings: list[Expr | tuple[Stmt, ...]], data: st.DataObject
) -> None:
    def pick(words: tuple[str, ...]) -> str:
        return data.draw(st.sampled_from(words))

    text, wanted = "// SPDX\n", {}
    for i, meaning in enumerate(meanings):
        if isinstance(meaning, tuple):
            text += f"f{i}(a, b) {{ {write_body(meaning, pick)} }}\n"
            wanted[f"f{i}"] = Macro(f"f{i}", ("a", "b"), None, meaning)
        else:
            text += f"f{i}() {write_expression(meaning, pick, -1)}\n"
            wanted[f"f{i}"] = Macro(f"f{i}", (), meaning, ())
    assert table(text) == wanted


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_a_table_that_ships_with_the_checker_is_read(path: Path) -> None:
    source = read_source(path)
    aliases = dict(re.findall(r"(?m)^(\w+)\* = (\w+)\*", source.text))
    for name, macro in parse_table(source).items():
        assert name == macro.name
        written = source.line(macro.span.line)[macro.span.column - 1 : macro.span.end - 1]
        assert written == name or any(name == new + written[len(old) :] for new, old in aliases.items() if written.startswith(old))


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("f(X) X\nf(Y) Y", "'f' is defined twice", 2),
        ("f(X,X) X", "two parameters are called 'X'", 1),
        ("f(X) { g(X) }", "missing ';'", 1),
        ("f(X", "the text ends too early", 1),
        ("f X", "unexpected 'f'", 1),
    ],
)
def test_a_mistake_in_a_table_is_named(text: str, message: str, line: int) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        table(text)
    assert message in caught.value.message
    assert caught.value.span is not None
    assert caught.value.span.line == line


@given(st.text(alphabet="fgXV01(){},;*&+-={}_ \n", max_size=50))
@settings(deadline=None)
def test_any_table_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(CheckerError):
        table(text)
