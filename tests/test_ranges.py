"""Which values reads may have: laws of the abstract run, and tests whose values once went astray."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_c import model, parse, result

from checker.check import Options, check, stages
from checker.core.circuit import TRUE
from checker.core.source import NOWHERE
from checker.core.value import Undetermined, compute
from checker.program.ir import Address, Const, Expr, MemLoc, Op, Reg, RegLoc
from checker.program.ranges import evaluate
from checker.solve.answer import NO, YES, Answer

expressions: st.SearchStrategy[Expr] = st.recursive(
    st.integers(-2, 3).map(Const) | st.sampled_from("abc").map(Reg),
    lambda inner: st.builds(
        lambda op, x, y: Op(op, (x, y)), st.sampled_from(["add", "sub", "xor", "and", "eq", "lt", "land"]), inner, inner
    ),
    max_leaves=5,
)


def exactly(e: Expr, env: dict[str, int]) -> object:
    match e:
        case Const(value):
            return value
        case Reg(name):
            return env[name]
        case Op(op, args):
            return compute(op, [exactly(a, env) for a in args])
    raise Undetermined


@given(expressions, st.fixed_dictionaries({r: st.frozensets(st.integers(-1, 2), min_size=1) for r in "abc"}))
def test_an_expression_has_the_values_it_has_in_some_environment(e: Expr, env: dict[str, frozenset[int]]) -> None:
    exact = {exactly(e, dict(zip("abc", values, strict=True))) for values in product(*[env[r] for r in "abc"])}
    assert evaluate(e, dict(env), NOWHERE) == exact


def test_additions_of_several_threads_sum_up() -> None:
    states = result("""C sums
{ atomic_t a=ATOMIC_INIT(0); }
P0(atomic_t *a) { int r0; int r1; r0 = atomic_fetch_add(1, a); r1 = atomic_fetch_add(2, a); }
P1(atomic_t *a) { int r0; int r1; r0 = atomic_fetch_sub(1, a); r1 = atomic_fetch_add(4, a); }
locations [0:r0; 1:r1;]
exists (a=6)
""").states
    assert states is not None
    assert {s.rpartition(" ")[2] for s in states} == {"[a]=6;"}
    assert {s.split(" ")[0] for s in states} == {"0:r0=0;", "0:r0=-1;", "0:r0=3;"}


CIRCLE = """C circle
{{ }}
P0(int *x, int *y) {{ int r0; r0 = *x; *y = {}; }}
P1(int *x, int *y) {{ int r0; r0 = *y; *x = r0; }}
exists (0:r0=1)
"""


def test_reads_that_feed_each_other_by_copies_may_have_any_value() -> None:
    assert result(CIRCLE.format("r0")).states == ("0:r0=0;", "0:r0=S1;")


def test_what_does_not_depend_on_a_read_closes_no_circle() -> None:
    assert result(CIRCLE.format("(r0 ^ r0) + 1")).states == ("0:r0=0;", "0:r0=1;")
    assert result(CIRCLE.format("r0 == r0")).states == ("0:r0=0;", "0:r0=1;")
    assert result(CIRCLE.format("(r0 & 0) + 1")).states == ("0:r0=0;",), "herd's solver knows `^` and `==` of one value, no more"


def test_cookies_of_one_thread_pass_through_memory_but_do_not_feed_themselves() -> None:
    found = result("""C cookies
{ }
P0(struct srcu_struct *ss, int *x)
{
	int r0; int r1;
	r0 = srcu_read_lock(ss); WRITE_ONCE(*x, 1); srcu_read_unlock(ss, r0);
	r1 = srcu_read_lock(ss); WRITE_ONCE(*x, 2); srcu_read_unlock(ss, r1);
}
exists (x=2)
""")
    assert (found.observation, found.flags) == ("Always", ())


def test_what_is_computed_from_an_undetermined_value_does_not_determine_it() -> None:
    states = result("""C computed
{ }
P0(int *x, int *y) { int r0; r0 = *x; smp_store_release(y, xchg(x, 1) + 1); *y = *x; }
P1(int *x, int *y) { *x = *y; }
exists (x=1 /\\ y=1 /\\ 0:r0=1)
""").states
    assert states is not None
    assert "0:r0=S; [x]=1; [y]=1;" not in states


def test_a_read_of_one_value_from_many_writes_has_a_known_value() -> None:
    test = parse("""C one
{ x=1; }
P0(int *x) { int r0; WRITE_ONCE(*x, 1); WRITE_ONCE(*x, 1); r0 = READ_ONCE(*x); }
P1(int *x) { WRITE_ONCE(*x, 1); }
exists (0:r0=1)
""")
    graph, _, _ = stages(test, model("lkmm"), Options())
    assert graph.finals[RegLoc(0, "r0")] == {1: TRUE}


@pytest.mark.parametrize("use", ["int r2 = r0 + 1;", "int r2 = r0 == 2;", "if (r0) *z = 1;", "*z = r0 | *w;"])
def test_nothing_is_computed_from_a_value_that_nothing_determines(use: str) -> None:
    states = result(f"""C circle
{{ }}
P0(int *x, int *y, int *z, int *w) {{ int r0; r0 = *x; *y = r0; {use} }}
P1(int *x, int *y) {{ int r0; r0 = *y; *x = r0; }}
exists (0:r0=1)
""").states
    assert states == ("0:r0=0;",)


@pytest.mark.parametrize("operand", ["r0 | 1", "r0 + *z", "r0 == 1"])
def test_no_value_makes_itself_by_computation(operand: str) -> None:
    states = result(CIRCLE.format(operand).replace("int *y)", "int *y, int *z)")).states
    assert states == ("0:r0=0;",)


@pytest.mark.parametrize(
    ("question", "verdict"),
    [
        ("exists (~0:r0=0)", "Sometimes"),
        ("exists (0:r0!=0)", "Sometimes"),
        ("exists (0:r0=0:r0)", "Always"),
        ("exists (0:r0!=1:r0)", "Never"),
    ],
)
def test_a_question_may_be_about_a_value_that_nothing_determines(question: str, verdict: str) -> None:
    assert result(CIRCLE.format("r0").replace("exists (0:r0=1)", question)).observation == verdict


def test_what_is_equal_is_not_unequal() -> None:
    """An address, a place and an answer are what they say, whatever else they carry."""
    pairs = [
        (Address("x", 1, ("x.a", "x.b")), Address("x", 1)),
        (MemLoc(Address("x"), "x[0]"), MemLoc(Address("x"))),
        (Answer("yes", state=((MemLoc(Address("x")), 1),)), Answer("yes", state=((MemLoc(Address("x")), 1),))),
    ]
    for a, b in pairs:
        assert a == b
        assert (a != b, a != "x") == (False, True)
    assert Address("x") != Address("x", 1)
    assert MemLoc(Address("x")) != MemLoc(Address("y"))
    assert YES != NO


@pytest.mark.parametrize(
    ("before", "operand", "executions"),
    [
        ("", "r0 + r1", 4),
        ("", "r0 | (r1 + r1)", 4),
        ("if (READ_ONCE(*w)) r1 = 2;", "r0 + r1", 4),
        ("r1 = READ_ONCE(*w);", "r0 + r1", 3),
        ("", "r0 - r1", 3),
        ("", "r0 - r0", 3),
        ("", "r0 ^ r0", 4),
        ("", "atomic_add_return(r1, z)", 6),
    ],
)
def test_a_value_that_nothing_determines_passes_what_the_text_makes_a_copy(before: str, operand: str, executions: int) -> None:
    test = parse(f"""C circle
{{ }}
P0(int *x, int *z) {{ WRITE_ONCE(*z, *x); }}
P1(int *x, int *z, int *w) {{ int r0; int r1 = 0; {before} r0 = READ_ONCE(*z); WRITE_ONCE(*x, {operand}); r0 = 3; }}
exists (x=1)
""")
    assert check(test, model("lkmm"), Options(counts=True)).counts == (0, executions), "as herd7 counts them"
