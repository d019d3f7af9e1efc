"""Grace periods: RCU and SRCU on machines against an interleaving machine, against the kernel model, and by example."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker import Options, check, load_model
from checker.core.source import Source
from checker.parse.litmus import parse_test
from checker.result import Result

MACHINES = ("aarch64", "aarch64-llsc", "riscv", "ppc", "x86-tso")
ALL = ("lkmm", *MACHINES, "sc")


def ask(text: str, model: str, *, states: bool = False) -> Result:
    return check(parse_test(Source("test", text)), load_model(model), Options(states=states, unroll=1))


# ---------------------------------------------------------------- small programs of sections, grace periods and accesses

Op = tuple[str, ...]
"""("W", x, value), ("R", x), ("lock", domain), ("unlock", domain), ("gp", domain), the domain "" is RCU; and ("after", "lock")
or ("after", "unlock"): smp_mb__after_srcu_read_lock() and its sister, which promise nothing without the call before them."""
Program = tuple[tuple[Op, ...], ...]


def written(program: Program, *, fast: bool = False) -> str:
    """The program in C, with a question that names every register and variable."""
    kind = "_fast" if fast else ""
    threads = []
    for tid, ops in enumerate(program):
        lines, reads, open_ = [], 0, dict[str, list[str]]()
        for n, (op, *args) in enumerate(ops):
            name = args[0]
            match op:
                case "W":
                    lines.append(f"WRITE_ONCE(*{name}, {args[1]});")
                case "R":
                    lines.append(f"r{reads} = READ_ONCE(*{name});")
                    reads += 1
                case "after":
                    lines.append(f"smp_mb__after_srcu_read_{name}();")
                case "gp":
                    lines.append(f"synchronize_srcu({name});" if name else "synchronize_rcu();")
                case "lock" if not name:
                    lines.append("rcu_read_lock();")
                case "lock":
                    open_.setdefault(name, []).append(f"i{n}")
                    lines.append(f"i{n} = srcu_read_lock{kind}({name});")
                case "unlock" if not name:
                    lines.append("rcu_read_unlock();")
                case "unlock":
                    lines.append(f"srcu_read_unlock{kind}({name}, {open_[name].pop()});")
        locals_ = [f"int r{n};" for n in range(reads)]
        locals_ += [f"int i{n};" for n, (op, *args) in enumerate(ops) if op == "lock" and args[0]]
        threads.append(
            f"P{tid}(int *x, int *y, struct srcu_struct *s, struct srcu_struct *t)\n{{\n"
            + "\n".join("\t" + line for line in [*locals_, *lines])
            + "\n}\n"
        )
    seen = [f"{tid}:r{n}" for tid, ops in enumerate(program) for n in range(sum(op[0] == "R" for op in ops))]
    return f"C t\n\n{{}}\n\n{''.join(threads)}\nlocations [{' '.join(f'{loc};' for loc in [*seen, 'x', 'y'])}]\nexists (x=0)\n"


def interleaved(program: Program) -> set[str]:
    """The final states when the threads take turns and a grace period waits for the sections that are open at its start."""
    found: set[str] = set()
    seen = set()

    def step(
        places: tuple[int, ...],
        memory: tuple[tuple[str, int], ...],
        registers: tuple[tuple[str, int], ...],
        sections: frozenset[tuple[int, str, int]],
        waiting: tuple[frozenset[tuple[int, str, int]] | None, ...],
    ) -> None:
        if (places, memory, registers, sections, waiting) in seen:
            return
        seen.add((places, memory, registers, sections, waiting))
        if all(place == len(ops) for place, ops in zip(places, program, strict=True)):
            values = {**dict(registers), **{f"[{k}]": v for k, v in memory}}
            found.add(" ".join(f"{k}={v};" for k, v in sorted(values.items())))
        for tid, ops in enumerate(program):
            if places[tid] == len(ops):
                continue
            op, name, *rest = ops[places[tid]]
            then = tuple(p + (n == tid) for n, p in enumerate(places))
            match op:
                case "W":
                    step(then, tuple({**dict(memory), name: int(rest[0])}.items()), registers, sections, waiting)
                case "R":
                    register = f"{tid}:r{sum(o[0] == 'R' for o in ops[: places[tid]])}"
                    step(then, memory, (*registers, (register, dict(memory)[name])), sections, waiting)
                case "lock":
                    step(then, memory, registers, sections | {(tid, name, places[tid])}, waiting)
                case "unlock":
                    last = max(s for s in sections if s[:2] == (tid, name))
                    step(then, memory, registers, sections - {last}, waiting)
                case "after":
                    step(then, memory, registers, sections, waiting)
                case "gp":
                    awaited = waiting[tid]
                    if awaited is None:
                        started = frozenset(s for s in sections if s[1] == name)
                        step(places, memory, registers, sections, _with(waiting, tid, started))
                    elif not awaited & sections:
                        step(then, memory, registers, sections, _with(waiting, tid, None))

    step((0,) * len(program), (("x", 0), ("y", 0)), (), frozenset(), (None,) * len(program))
    return found


def _with(
    waiting: tuple[frozenset[tuple[int, str, int]] | None, ...], tid: int, now: frozenset[tuple[int, str, int]] | None
) -> tuple[frozenset[tuple[int, str, int]] | None, ...]:
    return tuple(now if n == tid else w for n, w in enumerate(waiting))


@st.composite
def threads(draw: st.DrawFn, *, values: tuple[str, ...]) -> tuple[Op, ...]:
    """A thread whose sections nest as brackets do and are closed at the end."""
    ops: list[Op] = []
    open_: list[str] = []
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["R", "R", "W", "W", "lock", "unlock", "gp", "after"]))
        match kind:
            case "R":
                ops.append(("R", draw(st.sampled_from("xy"))))
            case "W":
                ops.append(("W", draw(st.sampled_from("xy")), draw(st.sampled_from(values))))
            case "after":
                ops.append(("after", draw(st.sampled_from(["lock", "unlock"]))))
            case "unlock" if open_:
                ops.append(("unlock", open_.pop()))
            case "gp":
                ops.append(("gp", draw(st.sampled_from(["", "s", "s", "t"]))))
            case "lock":
                open_.append(draw(st.sampled_from(["", "s", "s", "t"])))
                ops.append(("lock", open_[-1]))
    ops += [("unlock", name) for name in reversed(open_)]
    return tuple(ops)


SHAPES = ("Wx Wy / Ry Rx", "Wx Ry / Wy Rx", "Rx Wy / Ry Wx", "Rx Wy / Wy Wx", "Wx Wy / Wy Rx", "Wx Wy / Wy Wx")


@st.composite
def shaped(draw: st.DrawFn) -> Program:
    """A cycle of two threads with two accesses each, and anything before, between and after them."""
    shape = draw(st.sampled_from(SHAPES))
    program = []
    for tid, thread in enumerate(shape.split(" / ")):
        ops: list[Op] = []
        open_: list[str] = []
        for access in [*thread.split(), ""]:
            for _ in range(draw(st.integers(0, 2))):
                match draw(st.sampled_from(["lock", "unlock", "gp", "after"])):
                    case "lock":
                        open_.append(draw(st.sampled_from(["", "s", "s"])))
                        ops.append(("lock", open_[-1]))
                    case "unlock" if open_:
                        ops.append(("unlock", open_.pop()))
                    case "gp":
                        ops.append(("gp", draw(st.sampled_from(["", "s", "s"]))))
                    case "after":
                        ops.append(("after", draw(st.sampled_from(["lock", "unlock"]))))
            if access:
                ops.append((access[0], access[1], *([str(tid + 1)] if access[0] == "W" else [])))
        program.append((*ops, *[("unlock", name) for name in reversed(open_)]))
    return tuple(program)


programs = (
    shaped()
    | st.tuples(threads(values=("1",)), threads(values=("2",)))
    | st.tuples(threads(values=("1",)), threads(values=("2",)), threads(values=("1", "2")))
)


def states(text: str, model: str) -> set[str]:
    return {" ".join(sorted(state.split())) for state in ask(text, model, states=True).states or ()}


@settings(max_examples=150)
@given(programs)
def test_under_sequential_consistency_the_law_is_the_machine_that_waits_for_the_open_sections(program: Program) -> None:
    assert states(written(program), "sc") == interleaved(program)


@settings(max_examples=100)
@given(programs)
def test_each_machine_allows_what_a_stronger_one_does_and_the_kernel_model_allows_all_that_machines_do(program: Program) -> None:
    text = written(program)
    found = {model: states(text, model) for model in ALL}
    assert found["sc"] <= found["x86-tso"] <= found["lkmm"]
    assert found["sc"] <= found["aarch64"] <= found["lkmm"]
    assert found["aarch64"] == found["aarch64-llsc"], "no read-modify-write, no difference"


@settings(max_examples=60)
@given(programs)
def test_the_fast_kind_of_srcu_is_weaker_and_no_weaker_than_the_kernel_model(program: Program) -> None:
    usual, fast = written(program), written(program, fast=True)
    for model in ("sc", "x86-tso", "aarch64", "lkmm"):
        assert states(usual, model) <= states(fast, model)
    assert states(fast, "sc") <= states(fast, "x86-tso") <= states(fast, "lkmm")
    assert states(fast, "aarch64") <= states(fast, "lkmm")


# ---------------------------------------------------------------- the classics


def text_of(*bodies: str, question: str) -> str:
    params = "int *x, int *y, int *z, struct srcu_struct *s, struct srcu_struct *t"
    processes = "".join(f"P{n}({params})\n{{\n\tint i; int j; int r0; int r1;\n{body}\n}}\n\n" for n, body in enumerate(bodies))
    return f"C t\n\n{{}}\n\n{processes}exists ({question})\n"


RCU = {"LOCK": "rcu_read_lock();", "UNLOCK": "rcu_read_unlock();", "GP": "synchronize_rcu();"}
RCU_EXPEDITED = {**RCU, "GP": "synchronize_rcu_expedited();"}
SRCU = {"LOCK": "i = srcu_read_lock(s);", "UNLOCK": "srcu_read_unlock(s, i);", "GP": "synchronize_srcu(s);"}
SRCU_EXPEDITED = {**SRCU, "GP": "synchronize_srcu_expedited(s);"}
SRCU_FAST = {**SRCU, "LOCK": "i = srcu_read_lock_fast(s);", "UNLOCK": "srcu_read_unlock_fast(s, i);"}
SRCU_DOWN = {**SRCU, "LOCK": "i = srcu_down_read(s);", "UNLOCK": "srcu_up_read(s, i);"}
KINDS = {
    "rcu": RCU, "rcu-expedited": RCU_EXPEDITED, "srcu": SRCU, "srcu-expedited": SRCU_EXPEDITED, "srcu-fast": SRCU_FAST,
    "srcu-down": SRCU_DOWN,
}  # fmt: skip


def of_kind(text: str, kind: str) -> str:
    return re.sub(r"\b(LOCK|UNLOCK|GP)\b", lambda m: KINDS[kind][m[0]], text)


READER = "LOCK r0 = READ_ONCE(*{0}); r1 = READ_ONCE(*{1}); UNLOCK"
UPDATER = "WRITE_ONCE(*x, 1); GP WRITE_ONCE(*y, 1);"
NEVER = dict.fromkeys(ALL, "Never")

CLASSICS = {
    "a reader that sees the new must not see the old": (
        text_of(UPDATER, READER.format("x", "y"), question="1:r0=0 /\\ 1:r1=1"), "Never",
    ),
    "nor the other way round": (text_of(UPDATER, READER.format("y", "x"), question="1:r0=1 /\\ 1:r1=0"), "Never"),
    "what is around a section is on no side of the grace period": (
        text_of(UPDATER, "r0 = READ_ONCE(*x); LOCK UNLOCK r1 = READ_ONCE(*y);", question="1:r0=0 /\\ 1:r1=1"), "Sometimes",
    ),
    "one grace period forbids one section that wrongly spans it, not two": (
        text_of(
            "LOCK r0 = READ_ONCE(*x); WRITE_ONCE(*y, 1); UNLOCK", "LOCK r0 = READ_ONCE(*y); WRITE_ONCE(*z, 1); UNLOCK",
            "r0 = READ_ONCE(*z); GP WRITE_ONCE(*x, 1);", question="0:r0=1 /\\ 1:r0=1 /\\ 2:r0=1",
        ), "Sometimes",
    ),
    "two grace periods forbid two sections": (
        text_of(
            "LOCK r0 = READ_ONCE(*x); WRITE_ONCE(*y, 1); UNLOCK", "LOCK r0 = READ_ONCE(*y); WRITE_ONCE(*z, 1); UNLOCK",
            "r0 = READ_ONCE(*z); GP GP WRITE_ONCE(*x, 1);", question="0:r0=1 /\\ 1:r0=1 /\\ 2:r0=1",
        ), "Never",
    ),
    "an inner section does not end the outer one": (
        text_of(
            UPDATER, "LOCK r0 = READ_ONCE(*x); INNER_LOCK INNER_UNLOCK r1 = READ_ONCE(*y); UNLOCK", question="1:r0=0 /\\ 1:r1=1"
        ), "Never",
    ),
    "two sections in a row are two": (
        text_of(UPDATER, "LOCK r0 = READ_ONCE(*x); UNLOCK LOCK r1 = READ_ONCE(*y); UNLOCK", question="1:r0=0 /\\ 1:r1=1"),
        "Sometimes",
    ),
    "a grace period is a full barrier": (
        text_of(
            "WRITE_ONCE(*x, 1); GP r0 = READ_ONCE(*y);", "WRITE_ONCE(*y, 1); GP r0 = READ_ONCE(*x);", question="0:r0=0 /\\ 1:r0=0"
        ),
        "Never",
    ),
    "on one side it is not enough": (
        text_of(
            "WRITE_ONCE(*x, 1); GP r0 = READ_ONCE(*y);", "WRITE_ONCE(*y, 1); r0 = READ_ONCE(*x);", question="0:r0=0 /\\ 1:r0=0"
        ),
        "Sometimes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CLASSICS)
def test_the_classics_of_rcu_have_their_verdicts_for_all_kinds(name: str, kind: str) -> None:
    text, verdict = CLASSICS[name]
    inner = ("j = srcu_read_lock(s);", "srcu_read_unlock(s, j);") if kind.startswith("srcu") else (RCU["LOCK"], RCU["UNLOCK"])
    text = of_kind(text.replace("INNER_LOCK", inner[0]).replace("INNER_UNLOCK", inner[1]), kind)
    got = {model: ask(text, model).observation for model in ALL}
    assert got["lkmm"] == verdict
    if verdict == "Never":
        assert got == NEVER
    else:
        assert got["aarch64"] in ("Never", "Sometimes")


def test_the_sections_of_one_reader_may_be_kept_in_order_by_nothing_but_the_fast_kind_shows_it_on_arm64() -> None:
    text = text_of(
        "smp_store_release(x, 1); smp_store_release(y, 1);", "r0 = READ_ONCE(*y); LOCK r1 = READ_ONCE(*x); UNLOCK",
        question="1:r0=1 /\\ 1:r1=0",
    )  # fmt: skip
    for kind, arm, kernel in (
        ("srcu", "Never", "Sometimes"),
        ("srcu-fast", "Sometimes", "Sometimes"),
        ("rcu", "Sometimes", "Sometimes"),
    ):
        got = [ask(of_kind(text, kind), model).observation for model in ("lkmm", "aarch64", "aarch64-llsc", "x86-tso")]
        assert got == [kernel, arm, arm, "Never"]


@pytest.mark.parametrize("model", ALL)
def test_a_grace_period_of_another_domain_does_not_wait(model: str) -> None:
    for lock, gp in (("srcu", "synchronize_srcu(t);"), ("srcu", "synchronize_rcu();"), ("rcu", "synchronize_srcu(s);")):
        text = text_of(UPDATER.replace("GP", gp), READER.format("x", "y"), question="1:r0=0 /\\ 1:r1=1")
        # A section of SRCU alone has no reader barriers between its two reads.
        assert ask(of_kind(text, lock), model).observation == "Sometimes"


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("kind", KINDS)
def test_who_waits_for_itself_waits_for_ever(model: str, kind: str) -> None:
    result = ask(of_kind(text_of("LOCK GP UNLOCK WRITE_ONCE(*x, 1);", question="x=1"), kind), model)
    assert result.observation == "DEADLOCK"


@pytest.mark.parametrize("model", ALL)
def test_two_that_wait_for_each_other_in_their_sections_wait_for_ever(model: str) -> None:
    text = text_of(
        "i = srcu_read_lock(s); synchronize_srcu(t); srcu_read_unlock(s, i);",
        "i = srcu_read_lock(t); synchronize_srcu(s); srcu_read_unlock(t, i);", question="x=0",
    )  # fmt: skip
    result = ask(text, model)
    assert not result.deadlock, "one may be done before the other begins"
    crossed = text_of(
        "i = srcu_read_lock(s); WRITE_ONCE(*x, 1); smp_mb(); r0 = READ_ONCE(*y); synchronize_srcu(t); srcu_read_unlock(s, i);",
        "i = srcu_read_lock(t); WRITE_ONCE(*y, 1); smp_mb(); r0 = READ_ONCE(*x); synchronize_srcu(s); srcu_read_unlock(t, i);",
        question="0:r0=1 /\\ 1:r0=1",
    )
    assert ask(crossed, model).observation == "Never"


@pytest.mark.parametrize("model", ALL)
def test_locks_without_unlocks_and_the_other_way_round_are_flagged(model: str) -> None:
    assert "unmatched-rcu-lock" in ask(text_of("rcu_read_lock();", question="x=0"), model).flags
    assert "unmatched-rcu-unlock" in ask(text_of("rcu_read_unlock();", question="x=0"), model).flags
    assert "unmatched-srcu-lock" in ask(text_of("i = srcu_read_lock(s);", question="x=0"), model).flags
    mixed = text_of("i = srcu_read_lock(s); srcu_read_unlock(t, i);", question="x=0")
    assert "unmatched-srcu-unlock" in ask(mixed, model).flags


@pytest.mark.parametrize("model", ALL)
def test_a_section_entered_on_one_path_only_counts_on_that_path(model: str) -> None:
    reader = """i = READ_ONCE(*z);
	if (i) { rcu_read_lock(); }
	r0 = READ_ONCE(*x); smp_rmb(); r1 = READ_ONCE(*y);
	if (i) { rcu_read_unlock(); }"""
    for entered, verdict in ((1, "Never"), (0, "Sometimes")):
        question = f"1:i={entered} /\\ 1:r0=0 /\\ 1:r1=1"
        text = text_of(of_kind(UPDATER, "rcu"), reader, "WRITE_ONCE(*z, 1);", question=question)
        assert ask(text, model).observation == verdict
