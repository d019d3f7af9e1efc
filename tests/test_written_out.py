"""What is written out is what stands there: tables' primitives, assignments inside conditions, copies of loops, assumptions."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_c import model, parse
from msgspec.structs import replace

from checker import check
from checker.cat.term import Model
from checker.check import Options
from checker.core.source import NOWHERE, CheckerError, Source
from checker.parse.macros import parse_table
from checker.program.events import Event
from checker.program.expand import MAX_DEPTH

OTHER = "P1(int *x, int *y)\n{\n\tint s = READ_ONCE(*y);\n\tsmp_rmb();\n\tint t = READ_ONCE(*x);\n\tWRITE_ONCE(*y, s + 2);\n}\n"
TEST = "C written out\n{{ }}\nP0(int *x, int *y)\n{{\n\tint r = 1;\n\tint q = 0;\n{}\n}}\n{}exists (0:r=1 /\\ 1:s=1 /\\ 1:t=0)\n"


def states(body: str, more: str = "", name: str = "lkmm", unroll: int = 2) -> tuple[object, ...]:
    """What a model says of a process with this body beside another one, with every final state."""
    asked: Model = model(name)
    if more:
        assert asked.primitives is not None
        asked = replace(asked, primitives={**asked.primitives, **parse_table(Source("t.def", more))})
    found = check(parse(TEST.format(body, OTHER)), asked, Options(states=True, unroll=unroll))
    return found.observation, sorted(map(str, found.states)), sorted(found.flags), bool(found.cut)


STATEMENTS = (
    "R = READ_ONCE(*X);", "WRITE_ONCE(*X, V);", "WRITE_ONCE(*Y, R + V);", "smp_mb();", "R = xchg(X, V);", "R = V + R;", "*Y = V;",
    "if (R == V) { WRITE_ONCE(*X, V); } else { R = READ_ONCE(*X) + 1; }", "if (READ_ONCE(*Y)) { smp_wmb(); *X = V; }",
    "while (READ_ONCE(*Y) != 2) { R = V; }", "if (cmpxchg(Y, V, 2) == R) { WRITE_ONCE(*Y, 3); }",
)  # fmt: skip
ARGUMENTS = {"X": "x", "Y": "y", "V": "(q + 1)"}


def written(text: str, **arguments: str) -> str:
    return re.sub(r"\b[RXYV]\b", lambda found: arguments[found[0]], text)


@given(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=3))
@settings(max_examples=40)
def test_a_primitive_of_a_table_is_its_text(statements: list[str]) -> None:
    text = " ".join(statements)
    inline = states(written(text, **ARGUMENTS, R="r"))
    assert states("m(r, x, y, q + 1);", f"m(R,X,Y,V) {{ {text} }}\n") == inline
    assert states("outer(y, x);", f"outer(B,A) {{ m(r,A,B,q + 1); }}\nm(R,X,Y,V) {{ {text} }}\n") == inline


def test_a_primitive_may_assign_to_a_location() -> None:
    assert states("m(*x);", "m(A) { A = 1; }\n") == states("*x = 1;")


def refusal(body: str, more: str = "", name: str = "lkmm", unroll: int = 2) -> CheckerError:
    with pytest.raises(CheckerError) as caught:
        states(body, more, name, unroll)
    assert caught.value.span is not None
    return caught.value


@pytest.mark.parametrize(
    ("body", "table", "message", "line"),
    [
        ("\tm(1);", "m(A) { A = 2; }\n", "a macro assigns to an argument that is not a variable", 7),
        ("\tm(x);", "m(A) { m(A); }\n", "macros nested more than ", 7),
        ("\tr = m(x);", "m(A) { smp_mb(); }\n", "'m' gives no value", 7),
        ("\tr = m(x);", "m(A) __cmpxchg{MB}(A,1)\n", "'m' takes 3 arguments, not 2", 7),
        ("\tm(r);", "m(A) { __assume(__xchg{MB}(A,1,2) == 1); }\n", "'m' takes 2 arguments, not 3", 7),
        ("\tr = xchg(x);", "", "'xchg' takes 2 arguments, not 1", 7),
        ("\tr = m(x);", "m(A) __try_cmpxchg{MB}(A,1,2)\n", "'m' needs the address of a local variable", 7),
        ("\tr = m(x);", "m(A) __try_cmpxchg{MB}(A,1)\n", "'m' takes 3 arguments, not 2", 7),
        ("\tr = m(x);", "m(A) __after{MB}(A,1,2)\n", "'m' takes 2 arguments, not 3", 7),
        ("\tr = m(x);", "m(A) g(A)\n", "unknown primitive 'g'", 7),
    ],
)  # fmt: skip
def test_what_a_table_cannot_mean_is_refused_where_it_is_used(body: str, table: str, message: str, line: int) -> None:
    error = refusal(body, table)
    assert message in error.message
    assert error.span is not None
    assert error.span.line == line


@pytest.mark.parametrize("name", ["sc", "lkmm", "x86-tso", "aarch64"])
@pytest.mark.parametrize(
    ("inside", "apart"),
    [
        (
            "if (READ_ONCE(*y) && (q = READ_ONCE(*x)) == 1) { WRITE_ONCE(*y, 5); }",
            "if (READ_ONCE(*y)) { q = READ_ONCE(*x); if (q == 1) { WRITE_ONCE(*y, 5); } }",
        ),
        (
            "if (READ_ONCE(*y) == 0 || (q = xchg(x, 3))) { smp_mb(); }",
            "r = READ_ONCE(*y); if (r) { q = xchg(x, 3); if (q) { smp_mb(); } } else { smp_mb(); } r = 1;",
        ),
        ("READ_ONCE(*y) ? xchg(x, 3) : 0;", "if (READ_ONCE(*y)) { xchg(x, 3); }"),
        ("READ_ONCE(*y) ? 0 : xchg(x, 3);", "if (READ_ONCE(*y) == 0) { xchg(x, 3); }"),
        (
            "r = READ_ONCE(*y) ? (q = READ_ONCE(*x)) + 1 : 1;",
            "if (READ_ONCE(*y)) { q = READ_ONCE(*x); r = q + 1; } else { r = 1; }",
        ),
    ],
)
def test_an_assignment_inside_a_condition_is_done_where_it_is_reached(inside: str, apart: str, name: str) -> None:
    assert states(inside, name=name) == states(apart, name=name)


HEAD = "C raced\n{{ }}\nP0(int *x, int *y, struct srcu_struct *s)\n{{\n\tint r;\n\tint c = 0;\n\tint k = 1;\n\tint n = 1;\n"
RACED = HEAD + "{}\n}}\n{}exists (0:r=0 /\\ 1:t=0)\n"
BACK = "P1(int *x, int *y)\n{\n\tWRITE_ONCE(*y, 1);\n\tsmp_mb();\n\tint t = READ_ONCE(*x);\n}\n"


@pytest.mark.parametrize(
    ("lock", "unlock"),
    [
        ("srcu_read_lock(s);", "srcu_read_unlock(s, c);"),
        ("srcu_down_read(s);", "srcu_up_read(s, c);"),
        ("srcu_read_lock_nmisafe(s);", "srcu_read_unlock_nmisafe(s, c);"),
        ("srcu_read_lock_notrace(s);", "srcu_read_unlock_notrace(s, c);"),
    ],
)
@pytest.mark.parametrize("around", ["{}", "if (k) {{ {} }}", "if (!k) {{ k = 2; }} else {{ {} }}", "while (n) {{ n = n - 1; {} }}"])
def test_what_the_implementation_does_besides_is_taken_for_granted_wherever_the_section_is(
    lock: str, unlock: str, around: str
) -> None:
    def observed(first: str, statement: str, *assume: str) -> str:
        text = f"{first} WRITE_ONCE(*x, 1); {around.format(statement)} r = READ_ONCE(*y);"
        return check(parse(RACED.format(text, BACK)), model("lkmm"), Options(assume=frozenset(assume), unroll=3)).observation

    for first, statement in (("", lock), ("", f"c = {lock}"), (f"c = {lock}", unlock)):
        found = [observed(first, statement, "srcu_read_lock-implementation"), observed(first, f"{statement} smp_mb();")]
        assert [*found, observed(first, statement)] == ["Never", "Never", "Sometimes"], statement


def test_loops_in_loops_in_loops_are_too_large_to_be_written_out() -> None:
    loops = "while (READ_ONCE(*x) == 0) { while (READ_ONCE(*y) == 0) { while (READ_ONCE(*x) == 1) { r = r + 1; } } }"
    error = refusal(loops, unroll=20)
    assert "unrolling makes more than 20,000 instructions" in error.message
    assert "--unroll" in error.hint


def test_macros_may_be_nested_as_deep_as_is_said_and_no_deeper() -> None:
    def chain(deep: int) -> str:
        return "m0(A) { A = 7; }\n" + "".join(f"m{n}(A) {{ m{n - 1}(A); }}\n" for n in range(1, deep))

    assert states(f"m{MAX_DEPTH - 1}(*x);", chain(MAX_DEPTH)) == states("*x = 7;")
    assert f"more than {MAX_DEPTH} deep" in refusal(f"m{MAX_DEPTH}(*x);", chain(MAX_DEPTH + 1)).message


POINTED = """C pointed
{{ p=x; }}
P0(int **p, int *x) {{ int *q; {} }}
P1(int **p, int *y) {{ WRITE_ONCE(*p, y); }}
locations [x; y; p]
exists (x=0)
"""


@pytest.mark.parametrize("text", ["*A = 1; *A = 2;", "if (READ_ONCE(*A)) { *A = 1; }", "while (READ_ONCE(*A) < 1) { *A = 1; }"])
def test_an_argument_with_an_effect_is_asked_once_however_often_it_is_named(text: str) -> None:
    asked = model("lkmm")
    assert asked.primitives is not None
    asked = replace(asked, primitives={**asked.primitives, **parse_table(Source("t.def", f"m(A) {{ {text} }}\n"))})
    inline = f"q = READ_ONCE(*p); {text.replace('A', 'q')}".replace("REqD", "READ")
    one, other = (check(parse(POINTED.format(body)), asked, Options(states=True)) for body in ("m(READ_ONCE(*p));", inline))
    assert (one.states, one.flags, one.observation) == (other.states, other.flags, other.observation)


def test_events_are_called_by_letters_and_when_these_end_by_more_of_them() -> None:
    names = [Event(n, 0, "R", frozenset(), 1, None, None, NOWHERE).letter for n in range(27 * 26 + 2)]
    assert (names[:2], names[25:28], names[52], names[-3:]) == (["a", "b"], ["z", "aa", "ab"], "ba", ["zz", "aaa", "aab"])
