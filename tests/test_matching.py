"""A process beside its function: the best way to find the one in the other, against all ways there are."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from checker.core.source import Source
from checker.kernel.binding import Binding, Process, processes
from checker.kernel.carry import carry
from checker.kernel.matching import fits, match
from checker.kernel.skeleton import Code, Op, skeleton
from checker.kernel.transfer import apply
from checker.kernel.trees import FolderTree, Overlay

TREE = FolderTree(Path(__file__).parent / "kernel")
CODE = [
    "WRITE_ONCE(s->a, 1);", "WRITE_ONCE(s->b, 1);", "READ_ONCE(s->a);", "smp_store_release(&s->b, 1);", "smp_mb();", "smp_wmb();",
    "if (x) smp_mb();", "if (x) { WRITE_ONCE(s->a, 1); smp_wmb(); }", "while (y) READ_ONCE(s->a);", "inner(s);", "barrier();",
    "synchronize_rcu();", "rcu_read_lock();", "rcu_read_unlock();", "s->c = 1;",
]  # fmt: skip
TEST = [
    "WRITE_ONCE(*a, 1);", "WRITE_ONCE(*q, 1);", "r0 = READ_ONCE(*a);", "smp_store_release(q, 1);", "smp_mb();", "smp_wmb();",
    "synchronize_rcu();", "rcu_read_lock();", "rcu_read_unlock();", "WRITE_ONCE(*own, 1);", "smp_rmb();",
]  # fmt: skip
INNER = "static void inner(struct s *s)\n{\n\tWRITE_ONCE(s->a, 1);\n\tsmp_mb();\n}\n"


def code_of(body: str) -> tuple[Op, ...]:
    found = skeleton(Code(Overlay(TREE, {"f.c": f"{INNER}void f(struct s *s)\n{{\n{body}\n}}\n".encode()})), "f.c", "f", 2)
    assert found is not None
    return found.ops


def process_of(body: str) -> Process:
    head = "P0(int *a, int *q, int *own)\n{\n\tint r0;\n"
    return processes(Source("t.litmus", f"C t\n{{}}\n{head}{body}\n}}\nexists (own=1)\n"))[0]


def embeddings(test: Sequence[Op], code: Sequence[Op], places: dict[str, str]) -> Iterator[tuple[int, int]]:
    """Of every way to find some of `test` in `code` in order: how many, and how little depth it takes."""
    for count in range(len(test) + 1):
        for some in itertools.combinations(test, count):
            for where in itertools.combinations(code, count):
                if all(fits(p, k, places) for p, k in zip(some, where, strict=True)):
                    yield count, -sum(len(k.inside) + len(k.via) for k in where)


@pytest.mark.parametrize("seed", range(40))
def test_a_match_is_the_best_of_all(seed: int) -> None:
    rng = random.Random(seed)
    code = code_of("\n".join(rng.choices(CODE, k=rng.randint(1, 5))))
    process = process_of("\n".join(rng.choices(TEST, k=rng.randint(1, 4))))
    partial = rng.random() < 0.3
    found = match(process, code, Binding(0, (("f.c", "f"),), places=(("q", "b"),), outside=frozenset({"own"}), partial=partial))
    pairs = sorted(found.pairs.items())
    assert [k for _, k in pairs] == sorted({k for _, k in pairs})
    assert all(fits(process.ops[i], code[k], {**found.places}) for i, k in pairs)

    sections = {(op.verb, op.strength) for op in code}
    viewed = [
        op for op in process.ops
        if op.verb in ("fence", "grace") or ((op.verb, op.strength) in sections if not op.place else op.place in found.places)
    ]  # fmt: skip
    cost = -sum(len(code[k].inside) + len(code[k].via) for _, k in pairs)
    assert (len(pairs), cost) == max(embeddings(viewed, code, {**found.places}))

    paired = [process.ops[i] for i, _ in pairs]
    missing = [(f"the code has no {op.text} there", op) for op in viewed if not any(op is one for one in paired)]
    if not viewed:
        missing = [("nothing of the process is in the function", process.ops[0])]
    around = [code[k].branches for _, k in pairs]
    always = [
        (f"the test has no {op.text}", op) for k, op in enumerate(code)
        if op.verb in ("fence", "grace") and op.strength != "barrier" and k not in dict(pairs).values()
        and any(one[: len(op.branches)] == op.branches for one in around)
    ]  # fmt: skip
    assert [*found.problems] == missing + ([] if partial else always)
    assert found.agrees == (not found.problems and bool(pairs))


def test_a_place_is_that_of_the_same_name_or_the_one_that_the_binding_names() -> None:
    process, code = process_of("WRITE_ONCE(*a, 1); WRITE_ONCE(*q, 1);"), code_of("WRITE_ONCE(s->a, 1); WRITE_ONCE(s->b, 1);")
    for binding, places in (
        (Binding(0, ()), {"a": "a"}),
        (Binding(0, (), places=(("q", "b"),)), {"a": "a", "q": "b"}),
        (Binding(0, (), places=(("q", "b"),), outside=frozenset({"a"})), {"q": "b"}),
        (Binding(0, (), places=(("a", "b"),)), {"a": "b"}),
    ):
        assert match(process, code, binding).places == places


# ---------------------------------------------------------------- what a patch makes of a process

TWINS = {
    "a": [
        ("WRITE_ONCE(s->a, 1);", "WRITE_ONCE(*a, 1);"), ("smp_store_release(&s->a, 1);", "smp_store_release(a, 1);"),
        ("smp_store_mb(s->a, 1);", "smp_store_mb(*a, 1);"), ("s->a = 1;", "*a = 1;"),
    ],
    "b": [
        ("r1 = READ_ONCE(s->b);", "r1 = READ_ONCE(*b);"), ("r1 = s->b;", "r1 = *b;"),
        ("r1 = smp_load_acquire(&s->b);", "r1 = smp_load_acquire(b);"),
    ],
    "c": [(f"r2 = xchg{how}(&s->c, 1);", f"r2 = xchg{how}(c, 1);") for how in ("", "_relaxed", "_acquire", "_release")],
    "f": [(f, f) for f in ("smp_mb();", "smp_wmb();", "smp_rmb();", "smp_mb__after_atomic();", "synchronize_rcu();")],
    "g": [(f"{f}(&s->m);", f"{f}(m);") for f in ("synchronize_srcu", "srcu_barrier")],
    "z": [("s->z = 1;", ""), ("h(s);", ""), ("x = s->y;", "")],
}  # fmt: skip
"""Statements of the code, each with the test's: accesses of three places, what orders, and grace periods of a domain; what no
test shows."""
HEAD = "C t\n{}\nP0(int *a, int *b, int *c, int *early, int *late, struct srcu_struct *m)\n{\n\tint r1;\n\tint r2;\n"
Lines = list[tuple[str, int]]


def patched(lines: Lines, rng: random.Random) -> Lines:
    """Of the lines one is replaced, removed, moved, or new."""
    made, at = list(lines), rng.choice([n for n, (kind, _) in enumerate(lines) if kind != "z"])
    kind = made[at][0]
    match rng.choice(["replace", "remove", "move", "add"]):
        case "replace":
            made[at] = (kind, rng.randrange(len(TWINS[kind])))
        case "remove" if kind in "fg":
            del made[at]
        case "move" if kind == "f":
            made.insert(rng.randrange(len(made)), made.pop(at))
        case _:
            made.insert(at, ("f", rng.randrange(4)))
    return made


def order(ops: Sequence[Op]) -> list[object]:
    """The accesses in their order, and what orders between them, in any order: nothing stands between that it could order."""
    made: list[object] = [[]]
    for op in ops:
        told = (op.verb, op.strength, op.place)
        if op.verb in ("fence", "grace"):
            made[-1] = sorted([*made[-1], told])  # type: ignore[misc]
        else:
            made += [told, []]
    return made


def _shown(op: Op) -> bool:
    return op.place not in ("z", "y") and op.verb != "call"


@pytest.mark.parametrize("seed", range(12))
def test_the_test_of_a_function_becomes_that_of_the_patched_function(seed: int) -> None:
    """Of a part of it, too; and what the caller does before and behind the function stays there."""
    rng, outside = random.Random(seed), frozenset({"early", "late"})
    for _ in range(12):
        lines = [(k, rng.randrange(len(TWINS[k]))) for k in dict.fromkeys(rng.choices("abcg", k=4))]
        for _ in range(rng.randint(0, 2)):
            lines.insert(rng.randrange(len(lines) + 1), ("f", rng.randrange(5)))
        for _ in range(rng.randint(0, 2)):
            lines.insert(rng.randrange(len(lines) + 1), ("z", rng.randrange(3)))
        after = patched(lines, rng)
        codes = [code_of("\n".join(TWINS[kind][n][0] for kind, n in one)) for one in (lines, after)]
        ends = [rng.choice(["", line]) for line in ("WRITE_ONCE(*early, 1);\n", "\nWRITE_ONCE(*late, 1);")]
        bodies = ["\n".join(TWINS[kind][n][1] for kind, n in one).join(ends) for one in (lines, after)]
        texts = [f"{HEAD}{body}\n}}\nexists (a=1)\n" for body in bodies]
        mine, wanted = (processes(Source("t.litmus", text)) for text in texts)
        found = match(mine[0], codes[0], Binding(0, (), outside=outside))
        assert found.agrees
        carried = carry(mine[0], mine, texts[0].encode(), found, *codes, outside, {})
        if after == lines:
            assert not carried.transfers
            continue
        assert not (carried.failed or carried.foreign or carried.settled)

        (one,) = carried.transfers
        made = [apply(texts[0].encode(), edits) for edits in one.variants]
        assert order([op for op in wanted[0].ops if op.place not in outside]) == order([op for op in codes[1] if _shown(op)])
        variants = [order(processes(Source("t.litmus", text.decode()))[0].ops) for text in made if text is not None]
        assert order(wanted[0].ops) in variants, texts
        assert len(variants) == len(made)
