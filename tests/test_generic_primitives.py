"""Primitives that the generic headers make of others: what they promise holds in every model, and no more than that."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker import CheckerError, Options, check, load_model
from checker.core.source import Source
from checker.isa.aarch64.compile import AArch64
from checker.isa.compile import export
from checker.parse.litmus import parse_test
from checker.program.ir import Address
from checker.result import Result

MACHINES = ("aarch64", "aarch64-llsc", "riscv", "ppc", "x86-tso")
ALL = ("lkmm", *MACHINES, "sc")
WEAK = ("lkmm", "aarch64", "aarch64-llsc", "riscv", "ppc")


def text_of(*bodies: str, question: str, init: str = "") -> str:
    params = "int *x, int *y, int *c, spinlock_t *l, struct mutex *m"
    processes = "".join(
        f"P{n}({params})\n{{\n\tint r0; int r1; int r2; int old;\n\t{body}\n}}\n\n" for n, body in enumerate(bodies)
    )
    return f"C t\n\n{{{init}}}\n\n{processes}exists ({question})\n"


def ask(text: str, model: str) -> Result:
    return check(parse_test(Source("test", text)), load_model(model), Options(states=True))


def verdicts(*bodies: str, question: str, init: str = "", models: tuple[str, ...] = ALL) -> dict[str, str]:
    return {m: ask(text_of(*bodies, question=question, init=init), m).observation for m in models}


def everywhere(verdict: str, models: tuple[str, ...] = ALL) -> dict[str, str]:
    return dict.fromkeys(models, verdict)


# ---------------------------------------------------------------- a NULL that the compiler sees

PUBLISH = "WRITE_ONCE(*x, 1); rcu_assign_pointer(*y, {});"
SEEN = "r0 = smp_load_acquire(y); r1 = READ_ONCE(*x);"


@pytest.mark.parametrize("null", ["NULL", "0", "(struct foo *)NULL"])
@pytest.mark.parametrize("assign", ["rcu_assign_pointer(*y, {});", "r2 = rcu_replace_pointer(*y, {}, 1);"])
def test_a_null_known_when_compiling_is_stored_without_a_release(assign: str, null: str) -> None:
    writer = f"WRITE_ONCE(*x, 1); {assign.format(null)}"
    found = verdicts(writer, SEEN, question="1:r0=0 /\\ 1:r1=0", init="y=1;")
    assert found == {**everywhere("Sometimes", WEAK[1:]), **everywhere("Never", ("lkmm", "x86-tso", "sc"))}


@pytest.mark.parametrize("before", ["r2 = NULL;", "r2 = READ_ONCE(*c); r2 = 0;"])
def test_so_is_one_in_a_local_that_was_just_set_to_it(before: str) -> None:
    writer = f"{before} WRITE_ONCE(*x, 1); rcu_assign_pointer(*y, r2);"
    assert verdicts(writer, SEEN, question="1:r0=0 /\\ 1:r1=0", init="y=1;", models=("aarch64",)) == {"aarch64": "Sometimes"}


@pytest.mark.parametrize("before", ["r2 = READ_ONCE(*c);", "r2 = 0; if (READ_ONCE(*c)) r2 = 5;"])
def test_a_null_that_only_running_finds_is_released(before: str) -> None:
    writer = f"{before} WRITE_ONCE(*x, 1); rcu_assign_pointer(*y, r2);"
    assert verdicts(writer, SEEN, question="1:r0=0 /\\ 1:r1=0", init="y=1;") == everywhere("Never")


@pytest.mark.parametrize(("value", "mnemonic"), [("NULL", "STR"), ("1", "STLR"), ("r2", "STLR")])
def test_the_assembly_stores_a_null_as_the_kernel_does(value: str, mnemonic: str) -> None:
    test = parse_test(Source("test", text_of(f"r2 = READ_ONCE(*c); {PUBLISH.format(value)}", SEEN, question="1:r0=0")))
    text = export(test, load_model("aarch64"), AArch64).text
    assert (f"{mnemonic} " in text) and ("STLR" in text) == (mnemonic == "STLR")


# ---------------------------------------------------------------- reference counts

PUT = "WRITE_ONCE(*{mine}, 1); if ({put}) r0 = READ_ONCE(*{other});"


@pytest.mark.parametrize(("kind", "value"), [("refcount_t", "REFCOUNT_INIT(2)"), ("struct kref", "KREF_INIT(2)")])
def test_a_count_begins_as_the_kernel_writes_it(kind: str, value: str) -> None:
    get, read = ("kref_get", "kref_read") if "kref" in kind else ("refcount_inc", "refcount_read")
    text = f"C t\n{{ {kind} c={value}; }}\nP0({kind} *c)\n{{\n\t{get}(c);\n\tint r = {read}(c);\n}}\nexists (0:r=3)\n"
    assert check(parse_test(Source("t.litmus", text)), load_model("lkmm")).observation == "Always"


@pytest.mark.parametrize("put", ["refcount_dec_and_test(c)", "refcount_sub_and_test(1, c)", "atomic_dec_and_test(c)"])
def test_who_drops_the_last_reference_sees_what_the_others_did(put: str) -> None:
    """P0 and P1 each write, then let go; the one that is last reads what the other wrote."""
    sides = [PUT.format(mine=a, other=b, put=put) + " else r0 = 2;" for a, b in (("x", "y"), ("y", "x"))]
    assert verdicts(*sides, question="0:r0=0 \\/ 1:r0=0", init="c=2;") == everywhere("Never")
    assert verdicts(*sides, question="0:r0=2 /\\ 1:r0=2 \\/ 0:r0=1 /\\ 1:r0=1", init="c=2;") == everywhere("Never")


def test_a_reference_that_is_taken_orders_nothing() -> None:
    side = "WRITE_ONCE(*{}, 1); {}; r0 = READ_ONCE(*{});"
    for get in ("refcount_inc(c)", "refcount_add(2, c)", "kref_get(c)", "r1 = refcount_inc_not_zero(c)"):
        sides = [side.format(a, get, b) for a, b in (("x", "y"), ("y", "x"))]
        found = verdicts(*sides, question="0:r0=0 /\\ 1:r0=0", init="c=1;")
        assert found == {**everywhere("Sometimes", WEAK), "x86-tso": "Never", "sc": "Never"}, get


def test_no_reference_is_taken_of_what_has_none() -> None:
    last = "if (refcount_dec_and_test(c)) WRITE_ONCE(*x, 1);"
    for get in ("refcount_inc_not_zero(c)", "kref_get_unless_zero(c)", "atomic_inc_not_zero(c)", "refcount_add_not_zero(1, c)"):
        getter = f"r1 = READ_ONCE(*x); if ({get}) r0 = 1;"
        assert verdicts(last, getter, question="1:r1=1 /\\ 1:r0=1", init="c=1;", models=("sc", "x86-tso")) == everywhere(
            "Never", ("sc", "x86-tso")
        )
        assert verdicts(last, getter, question="1:r0=1 /\\ x=1", init="c=1;") == everywhere("Never"), get
        assert verdicts(last, getter, question="1:r0=1 /\\ x=0", init="c=1;") == everywhere("Sometimes"), get


def test_an_acquired_reference_sees_what_was_written_before_the_count_was_set() -> None:
    writer = "WRITE_ONCE(*x, 1); refcount_set_release(c, 1);"
    reader = "r0 = {}(c); r1 = READ_ONCE(*x);"
    question = "1:r0=1 /\\ 1:r1=0"
    assert verdicts(writer, reader.format("refcount_inc_not_zero_acquire"), question=question) == everywhere("Never")
    relaxed = verdicts(writer, reader.format("refcount_inc_not_zero"), question=question)
    assert relaxed == {**everywhere("Sometimes", WEAK), "x86-tso": "Never", "sc": "Never"}


@pytest.mark.parametrize(("locked", "lock"), [("refcount_dec_and_lock(c, l)", "spin"), ("atomic_dec_and_lock(c, l)", "spin")])
def test_the_last_reference_is_dropped_under_the_lock(locked: str, lock: str) -> None:
    side = f"if ({locked}) {{ WRITE_ONCE(*x, READ_ONCE(*x) + 1); {lock}_unlock(l); r0 = 1; }}"
    for model in ALL:
        text = text_of(side, side, question="c=0 /\\ x=1 /\\ (0:r0=1 /\\ 1:r0=0 \\/ 0:r0=0 /\\ 1:r0=1)", init="c=2;")
        assert (ask(text, model).observation, ask(text, model).flags) == ("Always", ())


# ---------------------------------------------------------------- sequence counts

WRITER = "write_seqcount_begin(c); WRITE_ONCE(*x, 1); WRITE_ONCE(*y, 1); write_seqcount_end(c);"
READER = "r2 = read_seqcount_begin(c); r0 = READ_ONCE(*x); r1 = READ_ONCE(*y); r2 = read_seqcount_retry(c, r2);"


def test_a_reader_that_need_not_retry_has_seen_all_of_a_writer_or_nothing() -> None:
    assert verdicts(WRITER, READER, question="1:r2=0 /\\ ~(1:r0=1:r1)") == everywhere("Never")
    assert verdicts(WRITER, READER, question="1:r2=0 /\\ 1:r0=1") == everywhere("Sometimes")
    assert verdicts(WRITER, READER, question="~(1:r0=1:r1)") == everywhere("Sometimes")


@pytest.mark.parametrize(
    ("writer", "reader"),
    [
        (WRITER, READER.replace("read_seqcount_retry", "__read_seqcount_retry")),
        (WRITER.replace("write_seqcount_begin(c);", "WRITE_ONCE(*c, READ_ONCE(*c) + 1);"), READER),
        (WRITER.replace("write_seqcount_end(c);", "WRITE_ONCE(*c, READ_ONCE(*c) + 1);"), READER),
        (WRITER, READER.replace("read_seqcount_begin(c)", "READ_ONCE(*c)")),
    ],
)
def test_each_of_its_four_barriers_is_needed(writer: str, reader: str) -> None:
    even = "1:r2=0 /\\ ~(1:r0=1:r1)"
    if "read_seqcount_begin" not in reader:
        reader = reader.replace("r2 = READ_ONCE(*c);", "r2 = READ_ONCE(*c); if (r2 & 1) r2 = 7;")
    assert verdicts(writer, reader, question=even, models=WEAK) == everywhere("Sometimes", WEAK)


# ---------------------------------------------------------------- locks

LOCKS = [
    ("down_write(c)", "up_write(c)", "down_read(c)", "up_read(c)"),
    ("mmap_write_lock(c)", "mmap_write_unlock(c)", "mmap_read_lock(c)", "mmap_read_unlock(c)"),
    ("down_write(c)", "downgrade_write(c); up_read(c)", "r2 = down_read_killable(c)", "up_read(c)"),
    ("raw_spin_lock_nested(l, 1)", "raw_spin_unlock(l)", "spin_lock_irqsave(l, old)", "spin_unlock_irqrestore(l, old)"),
    ("r2 = mutex_lock_interruptible(m)", "mutex_unlock(m)", "mutex_lock_nested(m, 1)", "mutex_unlock(m)"),
    ("write_lock_irqsave(c, old)", "write_unlock_irqrestore(c, old)", "read_lock_bh(c)", "read_unlock_bh(c)"),
]


@pytest.mark.parametrize(("take", "give", "read", "done"), LOCKS)
def test_what_a_lock_protects_is_seen_whole_and_does_not_race(take: str, give: str, read: str, done: str) -> None:
    for model in ALL:
        text = text_of(f"{take}; *x = 1; *y = 1; {give};", f"{read}; r0 = *x; r1 = *y; {done};", question="~(1:r0=1:r1)")
        result = ask(text, model)
        assert (result.observation, result.flags, result.deadlock, len(result.states or ())) == ("Never", (), False, 2)


TRIES = [
    ("down_write_trylock(c)", "up_write(c)"),
    ("write_trylock(c)", "write_unlock(c)"),
    ("spin_trylock_bh(l)", "spin_unlock_bh(l)"),
    ("!test_and_set_bit_lock(3, c)", "clear_bit_unlock(3, c)"),
    ("!test_and_set_bit_lock(3, c)", "__clear_bit_unlock(3, c)"),
]


@pytest.mark.parametrize(("tried", "give"), TRIES)
def test_who_gets_a_lock_at_the_first_try_is_alone(tried: str, give: str) -> None:
    side = f"if ({tried}) {{ r0 = READ_ONCE(*x); WRITE_ONCE(*x, r0 + 1); {give}; r1 = 1; }}"
    assert verdicts(side, side, question="0:r1=1 /\\ 1:r1=1 /\\ ~(x=2)") == everywhere("Never")
    assert verdicts(side, side, question="0:r1=1 /\\ 1:r1=0") == everywhere("Sometimes")


def test_readers_try_together() -> None:
    side = "if (down_read_trylock(c)) { WRITE_ONCE(*%s, 1); smp_mb(); r0 = READ_ONCE(*%s); up_read(c); }"
    assert verdicts(side % ("x", "y"), side % ("y", "x"), question="0:r0=1 /\\ 1:r0=1") == everywhere("Sometimes")


# ---------------------------------------------------------------- bits, barriers, waiting, xarrays


def test_bits_without_atomicity_lose_updates_and_race() -> None:
    atomic, plain = ("set_bit(%d, c);", "__set_bit(%d, c);")
    assert verdicts(atomic % 0, atomic % 1, question="c=3") == everywhere("Always")
    assert verdicts(plain % 0, plain % 1, question="c=1") == everywhere("Sometimes")
    assert "data-race" in ask(text_of(plain % 0, plain % 1, question="c=1"), "lkmm").flags


def test_the_old_bit_is_given_back() -> None:
    for op, first, second, leaves in (
        ("__test_and_set_bit", 1, 1, 7),
        ("__test_and_clear_bit", 1, 0, 3),
        ("test_and_change_bit", 1, 0, 7),
        ("test_and_set_bit", 1, 1, 7),
    ):
        question = f"0:r0={first} /\\ 0:r1={second} /\\ c={leaves}"
        assert verdicts(f"r0 = {op}(2, c); r1 = {op}(2, c);", question=question, init="c=7;") == everywhere("Always"), op


@pytest.mark.parametrize(
    ("write", "read", "models"),
    [("wmb", "rmb", ALL), ("dma_wmb", "dma_rmb", ALL), ("mb", "mb", ALL), ("dma_mb", "dma_mb", ALL), ("virt_wmb", "virt_rmb", ALL)],
)
def test_barriers_for_devices_order_cpus_as_those_for_cpus_do(write: str, read: str, models: tuple[str, ...]) -> None:
    sides = (f"WRITE_ONCE(*x, 1); {write}(); WRITE_ONCE(*y, 1);", f"r0 = READ_ONCE(*y); {read}(); r1 = READ_ONCE(*x);")
    assert verdicts(*sides, question="1:r0=1 /\\ 1:r1=0", models=models) == everywhere("Never", models)
    buffers = [f"WRITE_ONCE(*{a}, 1); {write}(); r0 = READ_ONCE(*{b});" for a, b in (("x", "y"), ("y", "x"))]
    full = {
        m: "Never" if write in ("mb", "dma_mb") or (write == "wmb" and m.startswith(("aarch64", "ppc"))) else "Sometimes"
        for m in WEAK
    }
    assert verdicts(*buffers, question="0:r0=0 /\\ 1:r0=0", models=WEAK) == full  # DSB ST, and sync


def test_a_wait_goes_on_when_it_has_seen_its_condition_and_orders_no_more_than_that() -> None:
    writer = "WRITE_ONCE(*x, 1); smp_store_release(y, 1); wake_up(c);"
    for wait, verdict in (
        ("wait_event(c, smp_load_acquire(y))", "Never"),
        ("r2 = wait_event_killable(c, READ_ONCE(*y))", "Sometimes"),
    ):
        found = verdicts(writer, f"{wait}; r1 = READ_ONCE(*x);", question="1:r1=0")
        assert found == {**everywhere(verdict, WEAK), "x86-tso": "Never", "sc": "Never"}


def test_an_entry_of_an_xarray_is_published() -> None:
    text = """C t
{ int *xa[2]; xa[0]=z; xa[1]=z; }
P0(int **xa, int *x) { WRITE_ONCE(*x, 1); xa_store(xa, 1, x, 0); }
P1(int **xa) { int *p; int r0; rcu_read_lock(); p = xa_load(xa, 1); r0 = READ_ONCE(*p); rcu_read_unlock(); }
exists (1:p=x /\\ 1:r0=0)
"""
    for model in ALL:
        assert ask(text, model).observation == "Never"
        assert ask(text.replace("xa_load(xa, 1)", "xa_load(xa, 0)").replace("1:r0=0", "1:p=x"), model).observation == "Never"


def test_an_old_pointer_is_given_back_when_it_is_replaced() -> None:
    assert verdicts(
        "r0 = rcu_replace_pointer(*y, 5, 1); r1 = READ_ONCE(*y);", question="0:r0=3 /\\ 0:r1=5", init="y=3;"
    ) == everywhere("Always")


def test_conditional_atomics_change_what_they_may() -> None:
    for call, start, gives, leaves in (
        ("atomic_dec_if_positive(c)", 1, 0, 0),
        ("atomic_dec_if_positive(c)", 0, -1, 0),
        ("atomic_inc_unless_negative(c)", -1, 0, -1),
        ("atomic_inc_unless_negative(c)", 0, 1, 1),
        ("atomic_dec_unless_positive(c)", 1, 0, 1),
        ("atomic_fetch_add_unless(c, 2, 5)", 5, 5, 5),
        ("atomic_long_fetch_add_unless(c, 2, 5)", 4, 4, 6),
        ("refcount_dec_not_one(c)", 1, 0, 1),
        ("refcount_dec_if_one(c)", 1, 1, 0),
        ("cmpxchg64(c, 4, 9)", 4, 4, 9),
        ("cmpxchg64_relaxed(c, 3, 9)", 4, 4, 4),
    ):
        question = f"0:r0={gives} /\\ c={leaves}"
        assert verdicts(f"r0 = {call};", question=question, init=f"c={start};") == everywhere("Always"), call


# ---------------------------------------------------------------- laws

OPERATIONS = [
    "refcount_inc(c);", "refcount_dec(c);", "if (refcount_dec_and_test(c)) r1 = 9;", "r1 = refcount_inc_not_zero(c);",
    "write_seqcount_begin(c);", "write_seqcount_end(c);", "r1 = raw_read_seqcount(c);", "r1 = read_seqcount_retry(c, 0);",
    "r1 = test_and_set_bit_lock(0, c);", "clear_bit_unlock(0, c);", "__clear_bit_unlock(0, c);", "set_bit(1, c);",
    "r1 = test_bit(0, c);", "mb();", "rmb();", "wmb();", "dma_rmb();", "dma_wmb();", "smp_acquire__after_ctrl_dep();",
    "r1 = atomic_dec_if_positive(c);", "r1 = cmpxchg64(c, 0, 3);", "r1 = down_write_trylock(c);", "r1 = down_read_trylock(c);",
    "wait_event(c, READ_ONCE(*c) == 0);", "rcu_assign_pointer(*c, 1);", "r1 = rcu_replace_pointer(*c, 4, 1);",
    "xa_store(c, 0, 2, 0);",
]  # fmt: skip
accesses = st.sampled_from(["WRITE_ONCE(*x, 1);", "WRITE_ONCE(*y, 1);", "r0 = READ_ONCE(*x);", "r2 = READ_ONCE(*y);"])
sides = st.tuples(accesses, st.sampled_from(OPERATIONS), accesses).map(" ".join)


@settings(max_examples=120, deadline=None)
@given(sides, sides)
def test_machines_do_nothing_that_the_kernel_model_forbids(one: str, other: str) -> None:
    text = text_of(
        one, other, question="x=0 /\\ y=0 /\\ c=0 /\\ 0:r0=0 /\\ 0:r1=0 /\\ 0:r2=0 /\\ 1:r0=0 /\\ 1:r1=0 /\\ 1:r2=0", init="c=1;"
    )
    found = {model: set(ask(text, model).states or ()) for model in ALL}
    assert found["sc"] <= found["x86-tso"] <= found["lkmm"]
    assert found["sc"] <= found["aarch64"] <= found["lkmm"]
    assert found["aarch64-llsc"] <= found["lkmm"]


def test_an_argument_is_evaluated_once() -> None:
    """LL/SC tables and generic headers mention arguments twice; a read in one of them is still one read."""
    for call in ("cmpxchg(c, READ_ONCE(*y) + 1, 5)", "atomic_add_unless(c, 1, *y)", "refcount_sub_and_test(READ_ONCE(*y) + 1, c)",
                 "test_and_set_bit(READ_ONCE(*y) + 1, c)"):  # fmt: skip
        for model in ALL:
            result = check(parse_test(Source("test", text_of(f"r0 = {call};", question="0:r0=0"))), load_model(model), Options())
            assert result.witness is not None
            reads = [e for e in result.witness.events() if e.kind == "R" and Address("y") in (e.addr or {})]
            assert len(reads) == 1, (call, model)


def test_a_name_nobody_knows_is_still_unknown() -> None:
    with pytest.raises(CheckerError, match="unknown primitive 'refcount_inc_often'"):
        ask(text_of("refcount_inc_often(c);", question="x=0"), "aarch64")


def test_with_lto_what_is_read_once_is_read_before_all_that_follows() -> None:
    writer = "WRITE_ONCE(*x, 1); smp_store_release(y, 1);"
    for read in (
        "READ_ONCE(*y)",
        "atomic_read(y)",
        "rcu_dereference(*y)",
        "test_bit(0, y)",
        "refcount_read(y)",
        "this_cpu_read(*y)",
    ):
        found = verdicts(
            writer, f"r0 = {read}; r1 = READ_ONCE(*x);", question="1:r0=1 /\\ 1:r1=0", models=("aarch64", "aarch64-lto")
        )
        assert found == {"aarch64": "Sometimes", "aarch64-lto": "Never"}, read
    sides = [f"smp_store_release({a}, 1); r0 = READ_ONCE(*{b});" for a, b in (("x", "y"), ("y", "x"))]
    assert verdicts(*sides, question="0:r0=0 /\\ 1:r0=0", models=("aarch64-lto",)) == {"aarch64-lto": "Sometimes"}  # no LDAR


def test_a_dependency_goes_on_through_what_an_atomic_wrote_and_its_own_cpu_reads_again() -> None:
    """So say the models of Arm and of RISC-V, and herd7 of the instructions: LDADD, LDR, and a load whose address is computed."""
    text = """C t
{ int y[3] = {0, 0, 0}; }
P0(int *x, int *y) { WRITE_ONCE(y[2], 1); smp_mb(); WRITE_ONCE(*x, 1); }
P1(atomic_t *x, int *y) { int r0; int r1; atomic_fetch_add_relaxed(1, x); r0 = READ_ONCE(*x); r1 = READ_ONCE(y[r0]); }
exists (1:r0=2 /\\ 1:r1=0 /\\ x=2)
"""
    for model in MACHINES:
        assert ask(text, model).observation == "Never", model
