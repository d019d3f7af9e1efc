"""Deferred work: what call_srcu() and its kin promise, what they do not, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from checker import CheckerError, Options, check, load_model
from checker.cli import cli
from checker.core.source import Source
from checker.parse.litmus import parse_test
from checker.program.defer import defer
from checker.program.ir import LIFETIME_FLAGS
from checker.result import Result

ALL = ("lkmm", "aarch64", "aarch64-llsc", "riscv", "ppc", "x86-tso", "sc")
IMPLEMENTATION = frozenset({"call_srcu-implementation"})
CONTRACT = ("lkmm",)
"""Models of what is documented; the others run what is compiled."""


def ask(text: str, model: str, *, assume: frozenset[str] = frozenset()) -> Result:
    return check(parse_test(Source("test", text)), load_model(model), Options(states=True, assume=assume))


def verdicts(text: str, *, assume: frozenset[str] = frozenset()) -> dict[str, str]:
    return {model: ask(text, model, assume=assume).observation for model in ALL}


def flags(text: str) -> set[tuple[str, ...]]:
    """The flags of lifetimes under all models: one element when they agree."""
    return {tuple([flag for flag in ask(text, model).flags if flag in LIFETIME_FLAGS]) for model in ALL}


def text_of(*bodies: str, question: str, init: str = "") -> str:
    params = "int **p, int *new, int *old, int *x, int *y, int *z, struct srcu_struct *s, struct srcu_struct *t, struct rcu_head *h"
    processes = "".join(f"P{n}({params})\n{{\n\tint i; int r0; int r1; int *q;\n\t{body}\n}}\n\n" for n, body in enumerate(bodies))
    return f"C t\n\n{{ {init} }}\n\n{processes}exists ({question})\n"


NEVER = dict.fromkeys(ALL, "Never")
SOMETIMES = dict.fromkeys(ALL, "Sometimes")
SECTION = "i = srcu_read_lock(s); r0 = READ_ONCE(*x); r1 = READ_ONCE(*y); srcu_read_unlock(s, i);"


# ---------------------------------------------------------------- the callback runs once, after a grace period, after the call


def test_a_reader_from_before_the_call_is_done_when_the_callback_runs() -> None:
    call = text_of("WRITE_ONCE(*x, 1); call_srcu(s, h, P2);", SECTION, "WRITE_ONCE(*y, 1);", question="1:r0=0 /\\ 1:r1=1")
    assert verdicts(call) == NEVER
    for other in ("call_srcu(t, h, P2);", "call_rcu(h, P2);", "smp_store_release(z, 1);"):
        assert verdicts(call.replace("call_srcu(s, h, P2);", other))["lkmm"] == "Sometimes"


@pytest.mark.parametrize("call", ["call_rcu(h, P2);", "call_rcu_hurry(h, P2);"])
def test_call_rcu_waits_for_rcu(call: str) -> None:
    section = "rcu_read_lock(); r0 = READ_ONCE(*x); r1 = READ_ONCE(*y); rcu_read_unlock();"
    assert verdicts(text_of(f"WRITE_ONCE(*x, 1); {call}", section, "WRITE_ONCE(*y, 1);", question="1:r0=0 /\\ 1:r1=1")) == NEVER


def test_the_callback_sees_what_was_done_before_the_call() -> None:
    text = text_of("WRITE_ONCE(*x, 1); call_srcu(s, h, P1);", "r0 = READ_ONCE(*x); WRITE_ONCE(*y, 1);", question="y=1 /\\ 1:r0=0")
    assert verdicts(text) == NEVER


def test_a_callback_that_is_queued_runs_and_one_that_is_not_does_not() -> None:
    text = text_of(
        "r0 = READ_ONCE(*x); if (r0) { call_srcu(s, h, P1); }",
        "WRITE_ONCE(*y, 1);",
        "WRITE_ONCE(*x, 1);",
        question="0:r0=1 /\\ y=0",
    )
    assert verdicts(text) == NEVER
    assert verdicts(text.replace("0:r0=1 /\\ y=0", "0:r0=0 /\\ y=1")) == NEVER
    assert verdicts(text.replace("0:r0=1 /\\ y=0", "0:r0=1 /\\ y=1")) == SOMETIMES


def test_nothing_is_promised_between_the_call_and_what_follows_it_but_todays_code_has_the_barriers() -> None:
    text = text_of(
        "WRITE_ONCE(*x, 1); call_srcu(s, h, P2); WRITE_ONCE(*y, 1);",
        "r0 = READ_ONCE(*y); smp_rmb(); r1 = READ_ONCE(*x);", "r0 = 1;",
        question="1:r0=1 /\\ 1:r1=0",
    )  # fmt: skip
    documented = verdicts(text)
    assert (documented["lkmm"], documented["aarch64"], documented["x86-tso"]) == ("Sometimes", "Never", "Never")
    assert verdicts(text, assume=IMPLEMENTATION) == NEVER


def test_call_srcu_does_not_wait_for_its_callback() -> None:
    text = text_of("call_srcu(s, h, P1); r0 = READ_ONCE(*y);", "WRITE_ONCE(*y, 1);", question="0:r0=0")
    assert verdicts(text) == SOMETIMES


def test_a_reader_may_queue_and_is_not_waited_for_by_itself() -> None:
    text = text_of("i = srcu_read_lock(s); call_srcu(s, h, P1); srcu_read_unlock(s, i);", "WRITE_ONCE(*y, 1);", question="y=1")
    assert set(verdicts(text).values()) == {"Always"}
    assert not ask(text, "lkmm").deadlock


def test_a_callback_may_queue_another() -> None:
    text = text_of("WRITE_ONCE(*x, 1); call_srcu(s, h, P1);", "call_rcu(h, P2);", "r0 = READ_ONCE(*x);", question="2:r0=1")
    assert set(verdicts(text).values()) == {"Always"}


@st.composite
def writers(draw: st.DrawFn) -> tuple[str, str, str, str]:
    """What stands before the call, after it, in the callback and in a reader."""
    accesses = st.sampled_from(["WRITE_ONCE(*x, 1);", "WRITE_ONCE(*y, 1);", "r0 = READ_ONCE(*x);", "smp_mb();", "smp_wmb();"])
    some = st.lists(accesses, max_size=2).map(" ".join)
    reader = draw(st.sampled_from([SECTION, SECTION.replace("r0", "r1", 1).replace("r1 = READ_ONCE(*y)", "r0 = READ_ONCE(*y)")]))
    return draw(some), draw(some), draw(some), reader


@settings(max_examples=40)
@given(writers())
def test_a_call_is_the_documented_emulation_by_hand_and_assumptions_take_states_away(parts: tuple[str, str, str, str]) -> None:
    before, after, late, reader = parts
    question = "x=0 /\\ y=0 /\\ 0:r0=0 /\\ 1:r0=0 /\\ 1:r1=0 /\\ 2:r0=0"
    call = text_of(f"{before} call_srcu(s, h, P2); {after}", reader, late or "r1 = 0;", question=question)
    by_hand = text_of(
        f"{before} smp_store_release(z, 1); {after}", reader, f"r1 = smp_load_acquire(z); synchronize_srcu(s); {late}",
        question=question,
    ).replace("exists", "filter (2:r1=1)\n\nexists")  # fmt: skip
    as_built = by_hand.replace("smp_store_release(z, 1);", "smp_mb(); smp_store_release(z, 1); smp_mb();")
    waited = text_of(f"{before} synchronize_srcu(s); {late} {after}", reader, "r1 = 0;", question=question)
    for model in ALL:
        states = ask(call, model).states
        assert states == ask(by_hand if model in CONTRACT else as_built, model).states
        assert set(ask(call, model, assume=IMPLEMENTATION).states or ()) <= set(states or ())
        if "r0" not in late + after:
            assert set(ask(waited, model).states or ()) <= set(states or ()), "to wait and then do it is one way to defer it"


# ---------------------------------------------------------------- barriers for callbacks


def test_srcu_barrier_waits_for_the_callbacks_of_its_domain_that_were_queued_before() -> None:
    text = text_of("call_srcu(s, h, P1); srcu_barrier(s); r0 = READ_ONCE(*y);", "WRITE_ONCE(*y, 1);", question="0:r0=0")
    assert verdicts(text) == NEVER
    assert verdicts(text.replace("srcu_barrier(s)", "srcu_barrier(t)")) == SOMETIMES
    assert verdicts(text.replace("srcu_barrier(s)", "rcu_barrier()")) == SOMETIMES
    early = text_of("srcu_barrier(s); call_srcu(s, h, P1); r0 = READ_ONCE(*y);", "WRITE_ONCE(*y, 1);", question="0:r0=0")
    assert verdicts(early) == SOMETIMES
    assert verdicts(text.replace("call_srcu(s, ", "call_rcu(").replace("srcu_barrier(s)", "rcu_barrier()")) == NEVER


def test_srcu_barrier_waits_for_another_process_callback_when_its_queueing_is_known() -> None:
    waiter = "r1 = smp_load_acquire(x); srcu_barrier(s); r0 = READ_ONCE(*y);"
    text = text_of("call_srcu(s, h, P1); smp_store_release(x, 1);", "WRITE_ONCE(*y, 1);", waiter, question="2:r1=1 /\\ 2:r0=0")
    assert verdicts(text) == NEVER
    assert verdicts(text.replace("2:r1=1 /\\", "2:r1=0 /\\")) == SOMETIMES


def test_srcu_barrier_in_a_section_of_its_domain_never_returns() -> None:
    text = text_of(
        "i = srcu_read_lock(s); call_srcu(s, h, P1); srcu_barrier(s); srcu_read_unlock(s, i);", "r0 = 1;", question="x=0"
    )
    for model in ALL:
        assert ask(text, model).deadlock


def test_a_barrier_without_callbacks_does_nothing() -> None:
    for barrier in ("srcu_barrier(s);", "rcu_barrier();", "kvfree_rcu_barrier();"):
        text = text_of(
            f"WRITE_ONCE(*x, 1); {barrier} r0 = READ_ONCE(*y);",
            "WRITE_ONCE(*y, 1); smp_mb(); r0 = READ_ONCE(*x);",
            question="0:r0=0 /\\ 1:r0=0",
        )
        assert verdicts(text)["lkmm"] == "Sometimes"


def test_a_domain_is_cleaned_up_after_its_callbacks_or_the_flag_says_so() -> None:
    text = text_of("call_srcu(s, h, P1); BARRIER cleanup_srcu_struct(s);", "WRITE_ONCE(*y, 1);", question="y=1")
    assert flags(text.replace("BARRIER", "srcu_barrier(s);")) == {()}
    for wrong in ("", "synchronize_srcu(s);", "srcu_barrier(t);"):
        assert flags(text.replace("BARRIER", wrong)) == {("srcu-cleanup-too-early",)}


# ---------------------------------------------------------------- frees

SWAP = "q = READ_ONCE(*p); rcu_assign_pointer(*p, new); FREE"
LOOKUP = "rcu_read_lock(); q = rcu_dereference(*p); {} rcu_read_unlock();"
USES = {
    "marked read": "r0 = READ_ONCE(*q);",
    "plain read": "r0 = *q;",
    "marked write": "WRITE_ONCE(*q, 1);",
    "plain write": "*q = 1;",
    "rmw": "r0 = xchg(q, 1);",
}


def swap(free: str, reader: str) -> str:
    return text_of(SWAP.replace("FREE", free), reader, question="1:q=old", init="p=old;")


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_what_is_freed_after_a_grace_period_is_not_used_any_more(use: str) -> None:
    reader = LOOKUP.format(use)
    for free in ("kfree_rcu(q, h);", "kvfree_rcu(q, h);", "kfree_rcu_mightsleep(q);", "synchronize_rcu(); kfree(q);"):
        assert flags(swap(free, reader)) == {()}
    for free in ("kfree(q);", "kvfree(q);", "smp_mb(); kfree(q);", "synchronize_srcu(s); kfree(q);"):
        assert flags(swap(free, reader)) == {("use-after-free",)}
    outside = LOOKUP.format("") + use
    assert flags(swap("kfree_rcu(q, h);", outside)) == {("use-after-free",)}
    assert flags(swap("kfree_rcu(q, h);", LOOKUP.format(""))) == {()}, "a pointer may be looked at"


def test_an_access_after_the_free_in_the_same_process_is_a_use_after_free() -> None:
    for use in USES.values():
        assert flags(text_of(f"q = old; kfree(old); {use}", question="x=0")) == {("use-after-free",)}
        assert flags(text_of(f"q = old; {use} kfree(old);", question="x=0")) == {()}


def test_a_callback_frees_what_the_readers_have_left() -> None:
    reader = "i = srcu_read_lock(s); q = srcu_dereference(*p, s); r0 = READ_ONCE(*q); srcu_read_unlock(s, i);"
    text = text_of("rcu_assign_pointer(*p, new); call_srcu(s, h, P2);", reader, "kfree(old);", question="1:q=old", init="p=old;")
    assert flags(text) == {()}
    assert flags(text.replace("call_srcu(s,", "call_srcu(t,")) == {("use-after-free",)}
    assert flags(text.replace("call_srcu(s,", "call_rcu(")) == {("use-after-free",)}


def test_an_object_is_freed_once() -> None:
    for second in ("kfree(old);", "kfree_rcu(old, h);", "synchronize_rcu(); kfree(old);"):
        assert {"double-free" in f for f in flags(text_of(f"kfree(old); {second}", question="x=0"))} == {True}
        assert {"double-free" in f for f in flags(text_of("kfree(old);", second, question="x=0"))} == {True}
    either = text_of(
        "r0 = xchg(x, 1); if (r0 == 0) { kfree(old); }", "r0 = xchg(x, 1); if (r0 == 0) { kfree(old); }", question="x=1"
    )
    assert flags(either) == {()}, "whoever comes first frees"


def test_rcu_barrier_waits_for_callbacks_and_another_one_for_frees() -> None:
    text = text_of("kfree_rcu(old, h); BARRIER r0 = READ_ONCE(*old);", question="0:r0=0")
    assert verdicts(text.replace("BARRIER", "rcu_barrier();")) == SOMETIMES
    assert verdicts(text.replace("BARRIER", "kvfree_rcu_barrier();")) == NEVER


def test_kfree_rcu_of_nothing_frees_nothing() -> None:
    text = text_of("q = READ_ONCE(*p); kfree_rcu(q, h);", question="x=0", init="p=0;")
    assert {(r.observation, r.flags) for r in (ask(text, model) for model in ALL)} == {("Always", ())}


# ---------------------------------------------------------------- what is refused

REFUSED = {
    "call_srcu(s, h, P9);": "callback that is no process",
    "call_srcu(s, h, x);": "callback that is no process",
    "call_srcu(s, h, 1);": "callback that is no process",
    "call_rcu(h, P0);": "P0 runs only when P0 has queued it",
    "call_srcu(s, h, P1); call_srcu(s, h, P1);": "P1 is queued twice",
    "call_srcu(s, h, P1); call_rcu(h, P1);": "P1 is queued twice",
    "call_srcu(s, P1);": "'call_srcu' takes 3 arguments, not 2",
    "call_rcu(s, h, P1);": "'call_rcu' takes 2 arguments, not 3",
    "kfree_rcu(old);": "'kfree_rcu' takes 2 arguments, not 1",
    "srcu_barrier();": "'srcu_barrier' takes 1 argument",
    "rcu_barrier(s);": "'rcu_barrier' takes 0 arguments",
    "call_srcu(i, h, P1);": "a domain that is no parameter",
    "call_srcu(0, h, P1);": "a domain that is no parameter",
    "call_srcu(*p, h, P1);": "a domain that is no parameter",
    "srcu_barrier(*p);": "a domain that is no parameter",
    "srcu_barrier(q);": "a domain that is no parameter",
    "r0 = call_srcu(s, h, P1);": "call_srcu",
    "kfree();": "kfree",
    "cleanup_srcu_struct();": "cleanup_srcu_struct",
}


@pytest.mark.parametrize("code", REFUSED)
@pytest.mark.parametrize("model", ["lkmm", "aarch64"])
def test_what_makes_no_sense_is_refused_by_name_and_place(code: str, model: str) -> None:
    with pytest.raises(CheckerError) as refused:
        ask(text_of(code, "WRITE_ONCE(*y, 1);", question="x=0"), model)
    assert REFUSED[code] in refused.value.message
    assert refused.value.span is not None and refused.value.span.line > 1


def test_callbacks_that_only_queue_each_other_never_start() -> None:
    with pytest.raises(CheckerError, match="never starts"):
        ask(text_of("r0 = 1;", "call_rcu(h, P2);", "call_rcu(h, P1);", question="x=0"), "lkmm")


def test_arrays_are_not_freed() -> None:
    with pytest.raises(CheckerError, match="array"):
        ask("C t\n{ int a[2]; }\nP0(int *a) { kfree(a); }\nP1(int *a) { int r; r = READ_ONCE(a[1]); }\nexists (1:r=0)\n", "lkmm")


# ---------------------------------------------------------------- assumptions


def test_a_test_without_deferred_work_is_left_as_it_is() -> None:
    test = parse_test(Source("test", "C t\n\n(* call_rcu *)\n\n{}\n\nP0(int *x) { WRITE_ONCE(*x, 1); }\n\nexists (x=1)\n"))
    left = defer(test, load_model("lkmm").primitives or {})
    assert left.threads == test.threads
    assert left.filter is None


def test_an_assumption_nobody_knows_is_an_error() -> None:
    with pytest.raises(CheckerError, match="unknown assumption 'call_srcu'"):
        ask(text_of("r0 = 1;", question="x=0"), "lkmm", assume=frozenset({"call_srcu"}))


def test_assumptions_are_an_option_of_the_command(tmp_path: Path) -> None:
    text = text_of(
        "WRITE_ONCE(*x, 1); call_srcu(s, h, P2); WRITE_ONCE(*y, 1);",
        "r0 = READ_ONCE(*y); smp_rmb(); r1 = READ_ONCE(*x);", "r0 = 1;",
        question="1:r0=1 /\\ 1:r1=0",
    )  # fmt: skip
    path = tmp_path / "t.litmus"
    path.write_text(text)
    runner = CliRunner()
    assert "Sometimes" in runner.invoke(cli, ["run", str(path)]).stdout
    assumed = runner.invoke(cli, ["run", "--assume", "call_srcu-implementation", str(path)])
    assert "Never" in assumed.stdout
    assert assumed.exit_code == 0
    assert runner.invoke(cli, ["run", "--assume", "everything", str(path)]).exit_code == 2


@pytest.mark.parametrize("model", ["lkmm", "aarch64", "x86-tso", "sc"])
def test_an_allocated_object_is_reached_only_through_the_pointer_that_was_published(model: str) -> None:
    publish = "rcu_assign_pointer(*g, p);" if model != "lkmm" else "smp_store_release(g, p);"
    text = f"""C fresh
{{ }}
P0(int **g) {{
  int *p; int *q; p = kmalloc(8, GFP_KERNEL); q = kmalloc(8, GFP_KERNEL); WRITE_ONCE(*q, 7); WRITE_ONCE(*p, 1); {publish}
}}
P1(int **g) {{ int *q; int r = 1; q = rcu_dereference(*g); if (q) r = READ_ONCE(*q); }}
exists (1:r!=1)
"""
    assert check(parse_test(Source("fresh", text)), load_model(model)).observation == "Never"


def test_srcu_read_lock_orders_by_its_implementation_and_not_by_contract() -> None:
    text = text_of(
        "WRITE_ONCE(*x, 1); smp_wmb(); WRITE_ONCE(*y, 1);",
        "r0 = READ_ONCE(*y); i = srcu_read_lock(s); r1 = READ_ONCE(*x); srcu_read_unlock(s, i);",
        question="1:r0=1 /\\ 1:r1=0",
    )
    by_contract = verdicts(text)
    assert (by_contract["lkmm"], by_contract["aarch64"], by_contract["x86-tso"]) == ("Sometimes", "Never", "Never")
    assert verdicts(text, assume=frozenset({"srcu_read_lock-implementation"})) == NEVER
    store_buffering = text_of(
        "WRITE_ONCE(*x, 1); smp_mb(); r0 = READ_ONCE(*y);",
        "i = srcu_read_lock(s); WRITE_ONCE(*y, 1); srcu_read_unlock(s, i); r1 = READ_ONCE(*x);",
        question="0:r0=0 /\\ 1:r1=0",
    )
    assert ask(store_buffering, "lkmm").observation == "Sometimes"
    assert ask(store_buffering, "lkmm", assume=frozenset({"srcu_read_lock-implementation"})).observation == "Never"


def test_what_may_be_assumed_is_said_in_one_place_and_the_command_knows_it() -> None:
    from checker.cli import _ASSUMPTIONS
    from checker.program.assumptions import ASSUMPTIONS

    assert tuple(ASSUMPTIONS) == _ASSUMPTIONS
    assert [name for name, known in ASSUMPTIONS.items() if known.leaned_on] == ["call_srcu-implementation"]
