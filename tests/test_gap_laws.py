"""Gaps: an execution that an explanation shows is gone when the order it says is missing is written into the text."""

from __future__ import annotations

from collections.abc import Collection
from random import Random

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from checker import library
from checker.check import Options, stages
from checker.core.rel import pairs
from checker.core.source import Source
from checker.insight.compare import weak
from checker.insight.engine import Engine
from checker.insight.weak import Weakness
from checker.library import load_model
from checker.program import ir
from checker.program.events import INIT_TID
from checker.solve.execution import Execution

READS = ("{0} = READ_ONCE(*{1});", "{0} = smp_load_acquire({1});", "{0} = xchg_relaxed({1}, {2});", "{0} = *{1};")
WRITES = ("WRITE_ONCE(*{1}, {2});", "smp_store_release({1}, {2});", "*{1} = {2};")
BETWEEN = ("", "", "", "smp_wmb();", "smp_rmb();", "smp_mb();", "barrier();")


def ring(rnd: Random) -> str:
    """Two or three processes of two or three accesses: each uses its own place and its neighbour's."""
    count = rnd.choice((2, 2, 3))
    text = ""
    for tid in range(count):
        places = [f"x{tid}", f"x{(tid + 1) % count}"]
        lines = []
        for n, place in enumerate([*places, *rnd.choices(places, k=rnd.choice((0, 0, 1)))]):
            line = rnd.choice((*READS, *WRITES, *WRITES)).format(f"r{n}", place, rnd.randint(1, 2))
            lines += [line, *filter(None, [rnd.choice(BETWEEN)])]
        body = "".join(f"\t{line}\n" for line in ["int r0;", "int r1;", "int r2;", *lines])
        text += f"P{tid}({', '.join(f'int *x{n}' for n in range(count))})\n{{\n{body}}}\n\n"
    return f"C ring\n\n{{}}\n\n{text}exists (0:r0=0)\n"


def possible(test: ir.Test, model: str, found: Execution, inserted: Collection[int] = ()) -> bool:
    """Whether the test has an execution with the events, the sources of reads and the coherence of `found`, but for what stands in
    the lines that are `inserted`."""
    graph, _, problem = stages(test, load_model(model), Options())
    new = [e for e in graph.events if e.tid == INIT_TID or e.span.line not in inserted]
    old = list(found.graph.events)
    assert [(e.tid, e.kind, e.tags) for e in new] == [(e.tid, e.kind, e.tags) for e in old]
    place = {o.eid: n.eid for o, n in zip(old, new, strict=True)}
    asked = [e.guard if found.executed >> o.eid & 1 else -e.guard for o, e in zip(old, new, strict=True)]
    asked += [-problem.cut, -problem.wild]
    terms = found.bounds.terms
    for term in (terms.make("leaf", "rel", name="rf"), *terms.generators):
        asked += [problem.encoder.literal(term, place[a], place[b], up=True) for a, b in pairs(found.bounds.of(term)[1])]
    with Engine(problem, asked) as engine:
        return engine.satisfiable(asked)


def written(test: ir.Test, weakness: Weakness) -> tuple[ir.Test, set[int]]:
    """The test with the barriers that the gaps name, each in a line of its own where the gap says, and these lines."""
    events = weakness.found.graph.events
    lines = test.source.text.split("\n")
    numbers: set[int] = set()
    places = {gap: events[gap.a].span.line + 1 if gap.where == "behind" else events[gap.b].span.line for gap in weakness.gaps}
    for gap, at in sorted(places.items(), key=lambda x: (-x[1], -x[0].b)):
        assert events[gap.a].span.line < at <= events[gap.b].span.line
        lines.insert(at - 1, f"\t{gap.would};")
        numbers = {at, *[n + 1 for n in numbers]}
    return library.test_in(Source(test.source.name, "\n".join(lines))), numbers


@pytest.mark.parametrize("model", ["lkmm", "aarch64", "x86-tso"])
@given(seed=st.integers(0, 2**40))
@settings(max_examples=60)
def test_an_execution_with_a_gap_is_gone_with_the_order_that_is_named(model: str, seed: int) -> None:
    text = ring(Random(seed))
    found = weak(library.test_in(Source("ring.litmus", text)), load_model(model), load_model("sc"), Options(), most=3)
    for outcome in found.outcomes:
        weakness = outcome.allowed.weakness if outcome.allowed is not None else None
        if weakness is None or not weakness.gaps or not all(gap.would for gap in weakness.gaps):
            event("no barrier is named")
            continue
        test = library.test_in(Source("ring.litmus", text))
        assert possible(test, model, weakness.found)
        closed, numbers = written(test, weakness)
        assert not possible(closed, model, weakness.found, numbers)
        event("gone")
        for gap in weakness.gaps if len(weakness.gaps) > 1 else ():  # and each of them is needed
            less, some = written(test, replace(weakness, gaps=tuple([g for g in weakness.gaps if g is not gap])))
            assert possible(less, model, weakness.found, some)
