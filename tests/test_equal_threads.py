"""Threads that are equal up to names are looked at in one order only: nothing that is said may depend on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_c import model, parse
from random_kernel_c import HARDWARE, PARAMETERS, random_text

from checker.check import Options, check, stages
from checker.program.equal import equal_threads
from checker.result import Result
from checker.solve.sums import assert_sums
from checker.solve.symmetry import exchangeable

PROCESS = re.compile(r"P\d+(\(.*?\n}\n)", re.DOTALL)
LOOPS = (
    ["while (cmpxchg(x, 0, 1) != 0) {", "}", "r0 = READ_ONCE(*y);", "WRITE_ONCE(*y, r0 + 1);", "smp_store_release(x, 0);"],
    ["do {", "r0 = READ_ONCE(*x);", "r1 = cmpxchg(x, r0, r0 + 1);", "} while (r1 != r0);"],
    ["r0 = atomic_inc_return(a);", "while (READ_ONCE(*x) < r0) {", "WRITE_ONCE(*x, r0);", "}"],
    ["while (xchg(x, 1) == 1) {", "r0 = READ_ONCE(*y);", "if (r0 == 1) {", "smp_store_release(x, 0);", "}", "}"],
)
FEW = ("marked", "rmw", "plain", "fences", "branches", "locks", "pointers", "rcu")


def body(rnd: Random, kinds: tuple[str, ...]) -> str:
    """What a process takes and does, without its name."""
    if rnd.random() < 0.15:
        lines = rnd.choice(LOOPS)
        named = sorted({n for n in "xya" if any(re.search(rf"\b{n}\b", line) for line in lines)})
        declared = sorted(set(re.findall(r"\br\d\b", " ".join(lines))))
        text = "".join(f"\t{line}\n" for line in [*[f"int {r};" for r in declared], *lines])
        return f"({', '.join(PARAMETERS[n] for n in named)})\n{{\n{text}}}\n"
    return PROCESS.findall(random_text(rnd, kinds=kinds, most=2, processes=(1,)))[0]


def equal_text(rnd: Random, kinds: tuple[str, ...] = FEW) -> str:
    """A test of two or three equal processes, whose registers have other names in each, and perhaps of one that is not."""
    code = body(rnd, kinds)
    copies = 2 if "while" in code else rnd.choice((2, 3, 3))
    bodies = [re.sub(r"\br(\d)\b", lambda m, i=i: f"{'rst'[i]}{m[1]}", code) for i in range(copies)]  # type: ignore[misc]
    if rnd.random() < 0.3:
        bodies.insert(rnd.randrange(len(bodies) + 1), body(rnd, kinds))
    registers = [f"{tid}:{r}" for tid, text in enumerate(bodies) for r in dict.fromkeys(re.findall(r"int \*?([rst]\d);", text))]
    places = [*registers, "x", "y", "a"]

    def atom() -> str:
        return f"{rnd.choice(places)}={rnd.choice('0123')}"

    def each() -> str:
        """The same of all registers, or of two of them in both ways."""
        if not registers or rnd.random() < 0.5:
            return rnd.choice((" /\\ ", " \\/ ")).join([f"{r}={rnd.choice('01')}" for r in registers] or [atom()])
        a, b = rnd.choice(registers), rnd.choice(registers)
        return f"({a}=0 /\\ {b}=1) \\/ ({b}=0 /\\ {a}=1)"

    asked = " /\\ ".join([f"({rnd.choice((atom, each))()})" for _ in range(rnd.choice((1, 1, 2)))])
    condition = f"{rnd.choice(('exists', '~exists', 'forall'))} ({asked})"
    shown = registers if rnd.random() < 0.5 else rnd.sample(places, rnd.randint(0, len(places)))
    locations = f"locations [{' '.join(f'{s};' for s in shown)}]\n" if shown else ""
    held = f"filter ({rnd.choice((atom, each))()})\n" if rnd.random() < 0.2 else ""
    processes = "\n".join([f"P{tid}{text}" for tid, text in enumerate(bodies)])
    initial = "int x; int y; int *p = &x; atomic_t a = ATOMIC_INIT(0);"
    return f"C equal\n\n{{ {initial} }}\n\n{processes}\n{locations}{held}{condition}\n"


def said(found: Result) -> object:
    answers = {name: (answer.word, answer.because) for name, answer in found.answers.named()}
    return answers, found.states, found.counts, found.cut, found.flags, found.observation


def both_ways(text: str, name: str, options: Options) -> tuple[Result, Result]:
    """What is said with the order of equal threads left open, and with it broken wherever that can be."""
    found = []
    for groups in (lambda *_: (), partial(equal_threads, fewest=2)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("checker.program.graph.equal_threads", groups)
            found.append(check(parse(text), model(name), options))
    return found[0], found[1]


def agree(text: str, name: str) -> None:
    for options in (Options(states=True, counts=True, unroll=1), Options(unroll=1)):
        whole, broken = both_ways(text, name, options)
        assert said(broken) == said(whole), text


def adding(rnd: Random) -> str:
    """Two or three processes that add to one location, by all sorts of means; sometimes one that does something else to it."""
    means = (
        "atomic_add({}, a);", "r0 = atomic_add_return_relaxed({}, a);", "atomic_sub({}, a);",
        "r0 = atomic_read(a); atomic_set(a, r0 + {});", "r0 = atomic_read(a); r1 = atomic_cmpxchg(a, r0, r0 + {});",
        "spin_lock(l); r0 = atomic_read(a); atomic_set(a, r0 + {}); spin_unlock(l);",
        "r0 = READ_ONCE(*x); if (r0 == 1) {{ atomic_add({}, a); }} WRITE_ONCE(*x, 1);",
    )  # fmt: skip
    others = ("atomic_set(a, {});", "r0 = atomic_xchg(a, {});", "r0 = atomic_read(a); atomic_set(a, r0 * 2 + {});")
    chosen = rnd.sample(means, 2)
    text = ""
    for tid in range(2 if means[5] in chosen else rnd.choice((2, 3))):
        lines = [
            rnd.choice(others if rnd.random() < 0.1 else chosen).format(rnd.randint(1, 3)) for _ in range(rnd.choice((1, 1, 1, 2)))
        ]
        text += f"P{tid}(atomic_t *a, spinlock_t *l, int *x)\n{{\n\tint r0;\n\tint r1;\n\t" + "\n\t".join(lines) + "\n}\n\n"
    return f"C adding\n\n{{ atomic_t a = ATOMIC_INIT({rnd.randint(0, 1)}); }}\n\n{text}exists (a={rnd.randint(1, 7)})\n"


@pytest.mark.parametrize("name", ["lkmm", "sc", "x86-tso", "aarch64", "aarch64-llsc"])
@given(st.integers(0, 2**40))
@settings(max_examples=12)
def test_additions_end_as_they_do_without_the_sum(name: str, seed: int) -> None:
    text = adding(Random(seed))
    found = []
    for assume in (lambda *_: None, partial(assert_sums, fewest=1)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("checker.solve.outcome.assert_sums", assume)
            found.append(check(parse(text), model(name), Options(states=True)))
    assert said(found[0]) == said(found[1]), text


@given(st.integers(0, 2**40))
@settings(max_examples=60)
def test_the_kernel_model_says_the_same_of_equal_threads_in_any_order(seed: int) -> None:
    agree(equal_text(Random(seed)), "lkmm")


@pytest.mark.parametrize("name", ["sc", "x86-tso", "aarch64", "aarch64-llsc"])
@given(st.integers(0, 2**40))
@settings(max_examples=20)
def test_machines_say_the_same_of_equal_threads_in_any_order(name: str, seed: int) -> None:
    agree(equal_text(Random(seed), HARDWARE), name)


def counting(code: Callable[[int], str], params: str, threads: int, total: int) -> str:
    """Each process adds to x; is anything lost?"""
    processes = "\n".join([f"P{i}({params})\n{{\n\tint r0;\n\tint r1;\n\t{code(i)}\n}}\n" for i in range(threads)])
    return f"C counting\n\n{{}}\n\n{processes}\nforall (x={total})\n"


MANY = {
    "atomic_inc": counting(lambda _: "atomic_inc(x);", "atomic_t *x", 12, 12),
    "different atomic_add": counting(lambda i: f"atomic_add({i + 1}, x);", "atomic_t *x", 10, 55),
    "spin_lock": counting(
        lambda _: "spin_lock(l); r0 = *x; *x = r0 + 1; spin_unlock(l);", "spinlock_t *l, int *x", 8, 8
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MANY)
def test_many_additions_to_one_place_are_decided(name: str) -> None:
    """Left to find an order for them, no engine is done with these in an hour."""
    found = check(parse(MANY[name]), model("lkmm"), Options(states=True, timeout=400))
    assert (found.observation, len(found.states or ())) == ("Always", 1)


def test_a_lost_addition_is_found_among_many() -> None:
    lossy = counting(lambda i: f"r0 = READ_ONCE(*x); WRITE_ONCE(*x, r0 + {i + 1});", "int *x", 6, 21)
    assert check(parse(lossy), model("lkmm"), Options()).observation == "Sometimes"


def test_executions_of_equal_threads_count_each() -> None:
    six = counting(lambda _: "r0 = atomic_inc_return(x);", "atomic_t *x", 6, 6)
    found = check(parse(six), model("lkmm"), Options(counts=True))
    assert found.counts == (720, 0)


@pytest.mark.parametrize(
    ("condition", "parts"),
    [
        ("x=3", [(0, 1, 2, 3)]),
        ("0:r0=0", [(1, 2, 3)]),
        ("0:r0=0 /\\ 1:r0=0", [(0, 1), (2, 3)]),
        ("0:r0=0 /\\ 1:r0=1", [(2, 3)]),
        ("(0:r0=0 /\\ 1:r0=1) \\/ (1:r0=0 /\\ 0:r0=1)", [(0, 1), (2, 3)]),
        ("0:r0=0 /\\ 1:r0=0 /\\ 2:r0=0 /\\ 3:r0=0", [(0, 1, 2, 3)]),
        ("0:r0=1:r0", [(0, 1), (2, 3)]),
        ("0:r0=0 /\\ 3:r1=0", [(1, 2)]),
    ],
)
def test_a_condition_tells_threads_apart_by_what_it_says_of_them(condition: str, parts: list[tuple[int, ...]]) -> None:
    text = counting(lambda _: "r0 = atomic_inc_return(x);", "atomic_t *x", 4, 0).rpartition("forall")[0] + f"exists ({condition})\n"
    test = parse(text)
    graph, *_ = stages(test, model("lkmm"), Options())
    assert [part.tids for part in exchangeable(graph.equal, [test.condition.prop])] == parts


@pytest.mark.parametrize(
    "other", ["r0 = atomic_inc_return_acquire(x);", "r0 = atomic_add_return(2, x);", "r0 = atomic_inc_return(y);"]
)
def test_threads_that_do_different_things_are_not_equal(other: str) -> None:
    text = counting(lambda i: other if i == 1 else "r0 = atomic_inc_return(x);", "atomic_t *x, atomic_t *y", 3, 0)
    graph, *_ = stages(parse(text), model("lkmm"), Options())
    assert not graph.equal
