"""The order of accesses within one C expression (C11 6.5 and annex C): sequence points order under every model, compiled code
has one of the orders that C leaves open, and the kernel's model has what herd has.

The oracle is the same test with the operators written out as ifs and temporaries, one access a statement.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_c import result

from checker.result import Result

COMPILED = ("sc", "x86-tso", "aarch64", "aarch64-llsc")
MODELS = ("lkmm", *COMPILED)
PARAMETERS = "int *x, int *y, int *z, int *w, spinlock_t *l"


def text(*bodies: str, init: str = "", question: str = "exists (x=9)") -> str:
    processes = "".join(f"P{n}({PARAMETERS})\n{{\n{body}\n}}\n" for n, body in enumerate(bodies))
    return f"C sequencing\n{{ {init} }}\n{processes}{question}\n"


def summary(found: Result) -> tuple[str, tuple[str, ...] | None, tuple[str, ...]]:
    return found.observation, found.states, found.flags


# ---------------------------------------------------------------- what was wrong


@pytest.mark.parametrize("name", MODELS)
def test_the_right_operand_of_an_and_comes_after_the_left(name: str) -> None:
    body = "if (smp_load_acquire(x) && READ_ONCE(*y) == 0) WRITE_ONCE(*w, 1);"
    found = result(text("WRITE_ONCE(*y, 1); smp_store_release(x, 1);", body, question="exists (w=1)"), name)
    assert found.observation == "Never"


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "body",
    [
        "if (READ_ONCE(*x) && READ_ONCE(*w)) WRITE_ONCE(*y, 1);",
        "if (!(!READ_ONCE(*x) || !READ_ONCE(*w))) WRITE_ONCE(*y, 1);",
        "if (READ_ONCE(*x) ? READ_ONCE(*w) : 0) WRITE_ONCE(*y, 1);",
        "while (READ_ONCE(*x) && READ_ONCE(*w)) WRITE_ONCE(*y, 1);",
    ],
)
def test_both_operands_of_an_and_control_what_it_guards(name: str, body: str) -> None:
    other = "int r0 = READ_ONCE(*y); smp_store_release(x, r0);"
    found = result(text(body, other, init="w=1;", question="exists (x=1)"), name)
    assert "[x]=1;" not in (found.states or ())


@pytest.mark.parametrize("name", MODELS)
def test_an_operand_may_read_what_another_operand_stores(name: str) -> None:
    found = result(text("int r0; r0 = READ_ONCE(*x) + xchg(x, 1);", question="exists (0:r0=1)"), name)
    assert found.observation == "Sometimes"


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_code_stores_after_all_that_its_value_is_made_of(name: str) -> None:
    found = result(text("WRITE_ONCE(*x, 1 + xchg(x, 5));", question="exists (x=5)"), name)
    assert found.observation == "Never"


def test_the_kernel_model_leaves_two_stores_of_one_statement_open_as_herd_does() -> None:
    found = result(text("WRITE_ONCE(*x, 1 + xchg(x, 5));", question="exists (x=5)"), "lkmm")
    assert found.observation == "Sometimes"


@pytest.mark.parametrize("name", MODELS)
def test_a_lock_reached_through_a_local_pointer_is_free_at_first(name: str) -> None:
    take = "spinlock_t *p = l; spin_lock(p);"
    writer, reader = f"{take} WRITE_ONCE(*x, 1); spin_unlock(p);", f"int r0; {take} r0 = READ_ONCE(*x); spin_unlock(p);"
    found = result(text(writer, reader, question="exists (1:r0=1)"), name)
    assert found.observation == "Sometimes"


@pytest.mark.parametrize("name", MODELS)
def test_each_round_of_a_loop_allocates_an_object_of_its_own(name: str) -> None:
    body = "int i = 0; while (i < 2) { int *p = kmalloc(8, GFP_KERNEL); WRITE_ONCE(*p, i); kfree(p); i = i + 1; }"
    found = result(text(body, question="exists (x=0)"), name)
    assert (found.observation, found.flags) == ("Always", ())


# ---------------------------------------------------------------- operators and ifs

READS = ("READ_ONCE(*x)", "READ_ONCE(*y)", "smp_load_acquire(y)", "xchg(z, 1)", "xchg_relaxed(x, 1)", "READ_ONCE(*z) == 0")
OTHERS = (
    "WRITE_ONCE(*x, 1); smp_wmb(); WRITE_ONCE(*y, 1);",
    "WRITE_ONCE(*y, 1); smp_store_release(z, 1);",
    "int r0 = READ_ONCE(*w); smp_mb(); WRITE_ONCE(*x, 1);",
    "int r0; WRITE_ONCE(*z, 2); smp_mb(); r0 = READ_ONCE(*y);",
)
logic = st.recursive(
    st.sampled_from(READS),
    lambda inner: st.tuples(st.sampled_from(["&&", "||", "!", "?:"]), inner, inner, inner),
    max_leaves=3,
)


def spelled(e: object) -> str:
    match e:
        case str():
            return e
        case "!", a, _, _:
            return f"!({spelled(a)})"
        case "?:", a, b, c:
            return f"(({spelled(a)}) ? ({spelled(b)}) : ({spelled(c)}))"
        case op, a, b, _:
            return f"(({spelled(a)}) {op} ({spelled(b)}))"
    raise AssertionError(e)


def as_ifs(e: object, yes: str, no: str) -> str:
    """`if (e) yes else no` in ifs alone."""
    match e:
        case str():
            return f"if ({e}) {{ {yes} }} else {{ {no} }}"
        case "!", a, _, _:
            return as_ifs(a, no, yes)
        case "&&", a, b, _:
            return as_ifs(a, as_ifs(b, yes, no), no)
        case "||", a, b, _:
            return as_ifs(a, yes, as_ifs(b, yes, no))
        case "?:", a, b, c:
            return as_ifs(a, as_ifs(b, yes, no), as_ifs(c, yes, no))
    raise AssertionError(e)


def as_temporaries(e: object, to: str, names: itertools.count[int]) -> str:
    """`to = e` in ifs and temporaries alone: 0 or 1 for `&&`, `||` and `!`."""
    match e:
        case str():
            return f"{to} = {e};"
        case "!", a, _, _:
            t = f"t{next(names)}"
            return f"int {t}; {as_temporaries(a, t, names)} {to} = {t} == 0;"
        case "?:", a, b, c:
            t = f"t{next(names)}"
            arms = [as_temporaries(arm, to, names) for arm in (b, c)]
            return f"int {t}; {as_temporaries(a, t, names)} if ({t}) {{ {arms[0]} }} else {{ {arms[1]} }}"
        case op, a, b, _:
            t, u = f"t{next(names)}", f"t{next(names)}"
            first = f"int {t}; int {u}; {as_temporaries(a, u, names)} {t} = {u} != 0;"
            second = f"{as_temporaries(b, u, names)} {t} = {u} != 0;"
            return f"{first} if ({'' if op == '&&' else '!'}{t}) {{ {second} }} {to} = {t};"
    raise AssertionError(e)


@given(logic, st.sampled_from(OTHERS), st.sampled_from(MODELS))
@settings(max_examples=150)
def test_a_condition_with_operators_is_nested_ifs(e: object, other: str, name: str) -> None:
    yes, no, question = "WRITE_ONCE(*w, 1);", "WRITE_ONCE(*w, 2);", "locations [x; y; z; w] forall (w=1)"
    one = result(text(f"if ({spelled(e)}) {yes} else {no}", other, question=question), name)
    two = result(text(as_ifs(e, yes, no), other, question=question), name)
    assert summary(one) == summary(two)


@given(logic, st.sampled_from(OTHERS), st.sampled_from(MODELS))
@settings(max_examples=150)
def test_a_value_of_operators_is_made_by_ifs_and_temporaries(e: object, other: str, name: str) -> None:
    question = "locations [0:r; x; y; z; w] exists (w=1)"
    one = result(text(f"int r = {spelled(e)}; WRITE_ONCE(*w, r);", other, question=question), name)
    two = result(text(f"int r; {as_temporaries(e, 'r', itertools.count())} WRITE_ONCE(*w, r);", other, question=question), name)
    assert summary(one) == summary(two)


# ---------------------------------------------------------------- what C leaves open

OPERANDS = (
    "READ_ONCE(*x)",
    "smp_load_acquire(y)",
    "xchg(x, 1)",
    "xchg_relaxed(y, 2)",
    "xchg_release(z, 1)",
    "cmpxchg(x, 0, 1)",
    "cmpxchg_acquire(y, 1, 3)",
    "READ_ONCE(*y)",
    "*y",
)


def all_states(found: Result) -> set[str]:
    assert found.observation != "Unknown"
    return set(found.states or ())


@given(st.lists(st.sampled_from(OPERANDS), min_size=2, max_size=3), st.sampled_from(OTHERS), st.sampled_from(COMPILED))
@settings(max_examples=150)
def test_compiled_operands_come_in_some_order(operands: list[str], other: str, name: str) -> None:
    question = "locations [0:r; x; y; z; w] exists (w=1)"
    weights = (1, 10, 100)
    summed = " + ".join(f"{weight} * {operand}" for weight, operand in zip(weights, operands, strict=False))
    found = all_states(result(text(f"int r = {summed}; WRITE_ONCE(*w, 1);", other, question=question), name))
    made: set[str] = set()
    for order in itertools.permutations(range(len(operands))):
        reads = " ".join(f"int t{n} = {operands[n]};" for n in order)
        total = " + ".join(f"{weights[n]} * t{n}" for n in range(len(operands)))
        made |= all_states(result(text(f"{reads} int r = {total}; WRITE_ONCE(*w, 1);", other, question=question), name))
    assert found == made


@given(st.sampled_from(OPERANDS), st.sampled_from(OPERANDS), st.sampled_from(OTHERS), st.sampled_from(COMPILED))
@settings(max_examples=100)
def test_compiled_operands_come_before_what_is_computed_from_them(a: str, b: str, other: str, name: str) -> None:
    question = "locations [x; y; z; w] exists (w=1)"
    found = all_states(result(text(f"WRITE_ONCE(*w, xchg(z, {a}) + 10 * {b});", other, question=question), name))
    made: set[str] = set()
    inner, second = f"int t0 = {a};", f"int t1 = {b};"
    outer = "int t2 = xchg(z, t0);"
    for steps in ((inner, outer, second), (inner, second, outer), (second, inner, outer)):
        made |= all_states(result(text(f"{' '.join(steps)} WRITE_ONCE(*w, t2 + 10 * t1);", other, question=question), name))
    assert found == made


@given(st.sampled_from(OPERANDS), st.sampled_from(OPERANDS), st.sampled_from(OTHERS), st.sampled_from(COMPILED))
@settings(max_examples=100)
def test_compiled_arguments_come_before_the_call(a: str, b: str, other: str, name: str) -> None:
    question = "locations [x; y; z; w] exists (w=1)"
    for call in ("cmpxchg(z, {}, {})", "atomic_add_unless(z, {}, {})", "atomic_cmpxchg_relaxed(z, {}, {})"):
        found = all_states(result(text(f"WRITE_ONCE(*w, {call.format(a, b)});", other, question=question), name))
        made: set[str] = set()
        for reads in (f"int t0 = {a}; int t1 = {b};", f"int t1 = {b}; int t0 = {a};"):
            made |= all_states(result(text(f"{reads} WRITE_ONCE(*w, {call.format('t0', 't1')});", other, question=question), name))
        assert found == made
