"""Reader-writer locks: writers are alone, readers are not, and the kernel model allows what machines do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker import CheckerError, Options, check, load_model
from checker.core.source import Source
from checker.parse.litmus import parse_test
from checker.result import Result

MACHINES = ("aarch64", "aarch64-llsc", "riscv", "riscv-zacas", "ppc", "x86-tso")
ALL = ("lkmm", *MACHINES, "sc")


def text_of(*bodies: str, question: str) -> str:
    processes = "".join(
        f"P{n}(rwlock_t *l, int *x, int *y)\n{{\n\tint r0; int r1; int flags;\n\t{body}\n}}\n\n" for n, body in enumerate(bodies)
    )
    return f"C t\n\n{{}}\n\n{processes}exists ({question})\n"


def ask(text: str, model: str) -> Result:
    return check(parse_test(Source("test", text)), load_model(model), Options(states=True))


WRITER = "write_lock(l); *x = 1; *y = 1; write_unlock(l);"
READER = "read_lock(l); r0 = *x; r1 = *y; read_unlock(l);"


def of_kind(text: str, kind: str) -> str:
    if not kind:
        return text
    text = text.replace("_lock(l)", f"_lock_{kind}(l)").replace("_unlock(l)", f"_unlock_{kind}(l)")
    return text.replace("irqsave(l)", "irqsave(l, flags)").replace("_unlock_irqsave", "_unlock_irqrestore")


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("kind", ["", "irq", "bh", "irqsave"])
def test_a_reader_sees_all_of_a_writer_or_nothing_and_plain_accesses_do_not_race(kind: str, model: str) -> None:
    result = ask(of_kind(text_of(WRITER, READER, question="~(1:r0=1:r1)"), kind), model)
    assert (result.observation, result.flags) == ("Never", ())
    assert result.states == ("1:r0=0; 1:r1=0;", "1:r0=1; 1:r1=1;")


@pytest.mark.parametrize("model", ALL)
def test_two_readers_and_a_writer_in_any_order(model: str) -> None:
    result = ask(text_of(READER, WRITER, READER, question="~(0:r0=0:r1) \\/ ~(2:r0=2:r1)"), model)
    assert (result.observation, result.flags) == ("Never", ())
    assert len(result.states or ()) == 4


@pytest.mark.parametrize("model", ALL)
def test_writers_are_alone(model: str) -> None:
    text = text_of(WRITER, WRITER.replace("1;", "2;"), question="~(x=1 /\\ y=1 \\/ x=2 /\\ y=2)")
    assert (ask(text, model).observation, ask(text, model).flags) == ("Never", ())


@pytest.mark.parametrize("model", ALL)
def test_readers_are_not(model: str) -> None:
    first = "read_lock(l); WRITE_ONCE(*x, 1); smp_mb(); r0 = READ_ONCE(*y); read_unlock(l);"
    second = "read_lock(l); WRITE_ONCE(*y, 1); smp_mb(); r0 = READ_ONCE(*x); read_unlock(l);"
    assert ask(text_of(first, second, question="0:r0=1 /\\ 1:r0=1"), model).observation == "Sometimes"
    alone = text_of(first.replace("read_l", "write_l").replace("read_u", "write_u"), second, question="0:r0=1 /\\ 1:r0=1")
    assert ask(alone, model).observation == "Never"


@pytest.mark.parametrize("model", ALL)
def test_a_lock_is_an_acquire_and_no_full_barrier_but_on_x86(model: str) -> None:
    side = "WRITE_ONCE(*{}, 1); read_lock(l); r0 = READ_ONCE(*{}); read_unlock(l);"
    text = text_of(side.format("x", "y"), side.format("y", "x"), question="0:r0=0 /\\ 1:r0=0")
    assert ask(text, model).observation == ("Never" if model in ("x86-tso", "sc") else "Sometimes")


@pytest.mark.parametrize("model", ALL)
def test_who_tries_in_vain_goes_on(model: str) -> None:
    trier = "r0 = write_trylock(l); if (r0) { WRITE_ONCE(*x, 2); write_unlock(l); }"
    result = ask(text_of(WRITER, trier, question="1:r0=0 /\\ x=2"), model)
    assert result.observation == "Never"
    assert not result.deadlock
    assert ask(text_of(WRITER, trier, question="1:r0=0"), model).observation == "Sometimes"


def test_a_reader_that_wants_to_write_waits_for_ever() -> None:
    for model in ALL:
        assert ask(text_of("read_lock(l); write_lock(l); write_unlock(l); read_unlock(l);", question="x=0"), model).deadlock


def test_what_the_tables_do_not_have_is_refused_by_name() -> None:
    with pytest.raises(CheckerError, match="unknown primitive 'read_lock_twice'"):
        ask(text_of("r0 = read_lock_twice(l);", question="x=0"), "lkmm")


@pytest.mark.parametrize("model", ALL)
def test_a_reader_that_tries_reads_all_or_goes_on_and_leaves_the_lock_as_it_was(model: str) -> None:
    trier = "r0 = read_trylock(l); if (r0) { r1 = READ_ONCE(*x); r2 = READ_ONCE(*y); read_unlock(l); }"
    writer = "write_lock(l); WRITE_ONCE(*x, 1); WRITE_ONCE(*y, 1); write_unlock(l);"
    for question, verdict in (("1:r0=1 /\\ ~(1:r1=1:r2)", "Never"), ("1:r0=0", "Sometimes"), ("l=0", "Always")):
        assert ask(text_of(writer, trier, question=question), model).observation == verdict


accesses = st.sampled_from(["WRITE_ONCE(*x, 1);", "WRITE_ONCE(*y, 1);", "r0 = READ_ONCE(*x);", "r1 = READ_ONCE(*y);"])
some = st.lists(accesses, max_size=2).map(" ".join)
sides = st.tuples(some, st.sampled_from(["read", "write"]), some, some)


@settings(max_examples=60)
@given(st.tuples(sides, sides))
def test_machines_do_nothing_that_the_kernel_model_forbids(parts: tuple[tuple[str, str, str, str], ...]) -> None:
    bodies = [f"{before} {kind}_lock(l); {inside} {kind}_unlock(l); {after}" for before, kind, inside, after in parts]
    text = text_of(*bodies, question="x=0 /\\ y=0 /\\ 0:r0=0 /\\ 0:r1=0 /\\ 1:r0=0 /\\ 1:r1=0")
    found = {model: set(ask(text, model).states or ()) for model in ALL}
    assert found["sc"] <= found["x86-tso"] <= found["lkmm"]
    assert found["sc"] <= found["aarch64"] <= found["lkmm"]
    assert found["aarch64-llsc"] <= found["lkmm"]
