"""The tree of branches against all ways the branches can go."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.check import Options, expanded
from checker.core.circuit import TRUE, Circuit, Lit
from checker.core.source import Source, Span
from checker.library import load_model
from checker.library import test_in as parsed
from checker.program.branches import Place, Tree, exclusive
from checker.program.execute import execute
from checker.program.ir import Assign, Branch, Const, Cut, Instr, Label, Reg
from checker.program.unroll import unroll

STEPS = 9
MADE = Source("made", "")


def random_jumps(rnd: Random) -> list[tuple[int, int, bool]]:
    """By step: which condition is looked at, where to go if it holds, and whether it is its negation that must hold."""
    return [(rnd.randrange(5), rnd.randint(i + 1, STEPS), rnd.random() < 0.5) for i in range(STEPS)]


def places_of(tree: Tree, jumps: list[tuple[int, int, bool]], conditions: list[Lit]) -> dict[int, Place]:
    """The place of each step that some path comes to."""
    arriving: dict[int, list[Place]] = {0: [tree.root]}
    found = {}
    for i in range(STEPS + 1):
        if i not in arriving:
            continue
        paths = arriving.pop(i)
        found[i] = tree.meet(paths)[0] if len(paths) > 1 else paths[0]
        if i < STEPS:
            condition, goal, negated = jumps[i]
            there, here = tree.part(found[i], -conditions[condition] if negated else conditions[condition])
            for place, target in ((there, goal), (here, i + 1)):
                if place is not None:
                    arriving.setdefault(target, []).append(place)
    return found


def steps_on(jumps: list[tuple[int, int, bool]], holds: tuple[bool, ...]) -> set[int]:
    """The steps that one execution comes to."""
    at, seen = 0, {0}
    while at < STEPS:
        condition, goal, negated = jumps[at]
        at = goal if holds[condition] != negated else at + 1
        seen.add(at)
    return seen


@given(st.integers(0, 2**40))
@settings(max_examples=150, deadline=None)
def test_a_place_is_come_to_exactly_where_its_guard_holds_and_implies_and_excludes_only_what_it_must(seed: int) -> None:
    jumps = random_jumps(Random(seed))
    circuit = Circuit()
    conditions = [circuit.name() for _ in range(5)]
    tree = Tree(circuit, STEPS)
    places = places_of(tree, jumps, conditions)
    at: dict[Place, int] = {}
    for i, place in places.items():
        at[place] = at.get(place, 0) | 1 << i
    executed, apart = tree.implied(at), exclusive(at)
    runs = []
    for holds in product((False, True), repeat=5):
        seen = steps_on(jumps, holds)
        runs.append(seen)
        true, cache = {lit for lit, yes in zip(conditions, holds, strict=True) if yes}, {}
        assert seen == {i for i, place in places.items() if circuit.value(place.guard, true, cache)}
    for i, place in places.items():
        for j in range(STEPS + 1):
            assert not executed[place] >> j & 1 or all(j in run for run in runs if i in run)
            assert not apart[place] >> j & 1 or not any(i in run and j in run for run in runs)
    assert places[STEPS].guard == TRUE or any(STEPS not in run for run in runs)


@given(st.integers(0, 2**40))
@settings(max_examples=80, deadline=None)
def test_where_no_condition_is_asked_twice_what_implies_what_is_told_by_the_tree_alone(seed: int) -> None:
    """Dominators and post-dominators: a step that is on every path through another is known to be."""
    jumps = [(i, goal, negated) for i, (_, goal, negated) in enumerate(random_jumps(Random(seed)))]
    circuit = Circuit()
    tree = Tree(circuit, STEPS)
    places = places_of(tree, jumps, [circuit.name() for _ in range(STEPS)])
    executed = tree.implied({place: sum(1 << i for i, p in places.items() if p is place) for place in places.values()})
    runs = [steps_on(jumps, holds) for holds in product((False, True), repeat=STEPS)]
    for i, place in places.items():
        assert executed[place] == sum(1 << j for j in range(STEPS + 1) if all(j in run for run in runs if i in run))


LOOPS = """C three-deep

{}

P0(int *x, int *y, int *a, int *b, int *c, int *d, int *e, int *f, int *g, int *h)
{
%s
	WRITE_ONCE(*x, 2);
out:
	WRITE_ONCE(*y, 2);
}

exists (x=1)
"""


def gates_of(body: str) -> int:
    """How many gates the circuit of a process with this body has."""
    test, model = parsed(Source("loops", LOOPS % body)), load_model("lkmm")
    codes = [unroll(code, Options().unroll, t.span) for code, t in zip(expanded(test, model), test.threads, strict=True)]
    return len(execute(test, codes, frozenset()).circuit.gates)


def test_loops_within_loops_with_a_way_out_of_all_cost_what_their_copies_cost() -> None:
    body = "WRITE_ONCE(*y, 1);"
    gates = []
    for _ in range(3):
        body = f"while (READ_ONCE(*x)) {{ if (READ_ONCE(*y)) goto out; {body} }}"
        gates.append(gates_of(body))
    assert gates[2] < 6 * gates[1] < 36 * gates[0]


def test_each_loop_of_a_sequence_costs_what_the_last_one_cost() -> None:
    places = "abcdefgh"
    polls = [f"while (!READ_ONCE(*{place})) {{ }}" for place in places]
    gates = [gates_of(" ".join(polls[:n])) for n in (2, 5, 8)]
    assert gates[2] - gates[1] <= gates[1] - gates[0] + 8


# ---------------------------------------------------------------- loops

Code = list[Instr] | tuple[Instr, ...]
CHOICE = Reg("chosen")


def looping(rnd: Random, depth: int = 2) -> list[Instr]:
    """Steps, jumps out of loops and loops within loops: `head: … if chosen goto head`, or the way out at their head."""
    code: list[Instr] = []
    for _ in range(rnd.randint(1, 3)):
        name = f"l{rnd.randrange(10**9)}"
        match rnd.randrange(5 if depth else 2):
            case 0 | 1:
                code.append(Assign("step", Const(rnd.randrange(100)), Span(MADE, 1, 1)))
            case 2:
                code += [Label(name), *looping(rnd, depth - 1), Branch(CHOICE, name)]
            case 3:
                inner = [*looping(rnd, depth - 1), *([Branch(CHOICE, f"{name}out")] if rnd.random() < 0.5 else [])]
                code += [Label(name), Branch(CHOICE, f"{name}out"), *inner, Branch(Const(1), name), Label(f"{name}out")]
            case 4:
                code += [Branch(CHOICE, name), *looping(rnd, depth - 1), Label(name)]
    return code


def walked(code: Code, choices: list[bool], bound: int | None) -> tuple[list[Instr], bool]:
    """The steps of an execution that chooses so, and False where it is cut off: at a Cut, or behind `bound` rounds of a loop.

    Where copies share a name, the next one is meant."""
    at = {one.name: i for i, one in enumerate(code) if isinstance(one, Label)}
    last = {one.target: i for i, one in enumerate(code) if isinstance(one, Branch) and at[one.target] < i}
    rounds: dict[str, int] = {}
    steps, left, i = [], iter(choices), 0
    while i < len(code):
        one, here = code[i], i
        i += 1
        match one:
            case Cut():
                return steps, False
            case Branch(cond=cond, target=target):
                if cond == Const(1) or next(left, False):
                    i = next((k for k in range(i, len(code)) if code[k] == Label(target)), at[target])
                    if i < here:
                        assert bound is not None
                        rounds[target] = rounds.get(target, 0) + 1
                        if rounds[target] > bound:
                            return steps, False
            case Assign():
                steps.append(one)
        for name, end in last.items():  # who comes into a loop anew begins to count
            if not at[name] <= here <= end:
                rounds.pop(name, None)
    return steps, True


@pytest.mark.parametrize("bound", [1, 2, 3])
@pytest.mark.parametrize("seed", range(10))
def test_unrolled_code_does_what_the_loops_did_as_far_as_the_bound(seed: int, bound: int) -> None:
    rnd = Random(seed)
    whole = 0
    for _ in range(10):
        code = looping(rnd)
        flat = unroll(tuple(code), bound, Span(MADE, 1, 1))
        for _ in range(30):
            choices = [rnd.random() < 0.5 for _ in range(40)]
            (steps, ended), (mine, same) = walked(code, choices, bound), walked(flat, choices, None)
            assert ended == same
            if ended:
                assert steps == mine
                whole += 1
            else:
                assert mine == steps[: len(mine)]
    assert whole > 50
