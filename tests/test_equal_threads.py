"""Threads that are equal up to names are looked at in one order only: nothing that is said may depend on it."""

from __future__ import annotations

import re
from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_c import model, parse
from random_kernel_c import HARDWARE, PARAMETERS, random_text

from checker.check import Options, check
from checker.program.equal import equal_threads
from checker.result import Result

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


@given(st.integers(0, 2**40))
@settings(max_examples=120)
def test_the_kernel_model_says_the_same_of_equal_threads_in_any_order(seed: int) -> None:
    agree(equal_text(Random(seed)), "lkmm")


@pytest.mark.parametrize("name", ["sc", "x86-tso", "aarch64", "aarch64-llsc"])
@given(st.integers(0, 2**40))
@settings(max_examples=40)
def test_machines_say_the_same_of_equal_threads_in_any_order(name: str, seed: int) -> None:
    agree(equal_text(Random(seed), HARDWARE), name)
