"""Loops that only wait: they are decided, whatever their number of rounds, and whether one can last for ever is a question too."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.check import Options, check, deferred, expanded, stages
from checker.core.rel import bits
from checker.core.source import Source
from checker.library import load_model, load_test
from checker.parse.litmus import parse_test
from checker.parse.macros import MODELS as SHIPPED
from checker.program.events import Event, EventGraph
from checker.program.ir import ENDLESS, Address, Cut
from checker.program.unroll import unroll
from checker.report.dump import one_execution
from checker.result import DEADLOCK, NEVER, UNKNOWN, Result
from checker.solve.beyond import ANYWHERE, Beyond
from checker.solve.dropped import Dropped

TABLE = str(SHIPPED / "lkmm" / "linux.def")
MODELS = ("lkmm", "aarch64", "aarch64-llsc", "x86-tso", "sc")
ARM_RETRY = """AArch64 A
{ 0:X1=x; 1:X1=x; }
 P0             | P1             ;
 L0:            | L0:            ;
 LDXR W0,[X1]   | LDXR W0,[X1]   ;
 ADD W2,W0,#1   | ADD W2,W0,#1   ;
 STXR W3,W2,[X1]| STXR W3,W2,[X1];
 CBNZ W3,L0     | CBNZ W3,L0     ;
exists (x=1)
"""


def litmus(*bodies: str, question: str = "exists (x=1)", expected: str = "") -> str:
    code = "".join(f"P{i}(int *x, int *y, int *z)\n{{\n{body}\n}}\n\n" for i, body in enumerate(bodies))
    comment = f"(*\n * Result: {expected}\n *)\n\n" if expected else ""
    return f"C t\n\n{comment}{{}}\n\n{code}{question}\n"


def asked(text: str, model: str = "lkmm", **options: object) -> Result:
    return check(parse_test(Source("t.litmus", text)), load_model(model), Options(**options))  # type: ignore[arg-type]


def kept(text: str, model: str = "lkmm") -> list[int]:
    """What each loop of the first process comes to: the rounds that have to be looked at, -1 where all matter."""
    test = parse_test(Source("t.litmus", text))
    code = expanded(test, load_model(model))[0]
    return sorted({cut.idle for cut in unroll(code, 1, test.threads[0].span) if isinstance(cut, Cut)})


# ---------------------------------------------------------------- which loops wait


@pytest.mark.parametrize(
    ("body", "rounds"),
    [
        ("while (READ_ONCE(*x) == 0) cpu_relax();", 0),
        ("while (!smp_load_acquire(x)) smp_mb();", 0),
        ("int r = 0; while (r == 0) r = READ_ONCE(*x);", 1),
        ("int r = READ_ONCE(*x); while (r == 0) r = READ_ONCE(*x);", 0),
        ("int r; do { r = READ_ONCE(*x); } while (r == 0);", 0),
        ("int r; do { r = READ_ONCE(*x); } while (cmpxchg(x, r, r + 1) != r);", 0),
        ("while (cmpxchg_acquire(x, 0, 1) != 0) { }", 0),
        ("int r; again: r = READ_ONCE(*x); if (r != 2) goto again;", 0),
        ("while (READ_ONCE(*x) == 0) { if (READ_ONCE(*y)) cpu_relax(); else smp_rmb(); }", 0),
        ("while (READ_ONCE(*x) == 0) WRITE_ONCE(*y, 1);", -1),  # it writes
        ("while (xchg(x, 1) != 0) { }", -1),
        ("int r = 0; while (READ_ONCE(*x) == 0) r = r + 1;", -1),  # it counts
        ("int r = 0; while (READ_ONCE(*x) == 0) r = READ_ONCE(*y);", -1),  # what the last round leaves is read
        ("int r = 0; int q; while (READ_ONCE(*x) == r) { q = READ_ONCE(*y); r = q; }", -1),
    ],
)
def test_a_loop_waits_where_its_rounds_write_nothing_and_leave_nothing(body: str, rounds: int) -> None:
    assert kept(litmus(body)) == [rounds]


def test_a_retry_of_exclusives_waits() -> None:
    assert kept(ARM_RETRY, "aarch64") == [0]
    found = asked(ARM_RETRY, "aarch64")
    assert (found.observation, found.unanswered) == (NEVER, ())
    body = "int r; do { r = READ_ONCE(*x); } while (cmpxchg(x, r, r + 1) != r);"
    assert kept(litmus(body), "aarch64-llsc") == [0]


@pytest.mark.parametrize("model", MODELS)
def test_message_passing_by_a_wait_is_decided(model: str) -> None:
    writer, reader = (
        "WRITE_ONCE(*y, 1); smp_store_release(x, 1);",
        "int r; while (!smp_load_acquire(x)) cpu_relax(); r = READ_ONCE(*y);",
    )
    assert asked(litmus(writer, reader, question="exists (1:r=0)"), model).observation == NEVER
    assert asked(litmus(writer, reader, question="forall (1:r=1)"), model).ok
    late = "while (1) { if (READ_ONCE(*x)) WRITE_ONCE(*y, 0); }"
    assert asked(litmus(writer, reader, late, question="exists (1:r=2)"), model).observation == UNKNOWN


def test_what_waits_for_what_nobody_writes_does_not_end() -> None:
    found = asked(litmus("while (READ_ONCE(*x) == 0) cpu_relax();"))
    assert (found.observation, found.unanswered) == (DEADLOCK, ())


def test_a_race_before_a_wait_that_does_not_end_is_said() -> None:
    found = asked(litmus("*x = 1; while (READ_ONCE(*y) == 0) { }", "*x = 2;"))
    assert dict(found.answers.flags)["data-race"].unknown


def test_a_race_in_a_round_that_fails_is_found() -> None:
    """In the round that succeeds the plain write is ordered before."""
    waits = "int r; do { r = smp_load_acquire(y); if (READ_ONCE(*x)) cpu_relax(); } while (r == 0);"
    found = asked(litmus(waits, "*x = 1; smp_store_release(y, 1);"))
    assert kept(litmus(waits)) == [1]
    assert found.flags == ("data-race",)


# ---------------------------------------------------------------- of random programs


def _statements(r: Random) -> str:
    found = []
    for _ in range(r.randint(1, 3)):
        place, reg, value = r.choice("xyz"), f"r{r.randrange(2)}", r.randint(0, 2)
        read = r.choice((f"READ_ONCE(*{place})", f"smp_load_acquire({place})", f"*{place}"))
        test = r.choice(("== 0", "!= 1", "== 1"))
        statements = (
            f"WRITE_ONCE(*{place}, {value});", f"smp_store_release({place}, {value});", f"{reg} = {read};", "smp_mb();",
            f"while ({read} {test}) cpu_relax();", f"while ({read} {test}) smp_mb();", f"while ({reg} {test}) {reg} = {read};",
            f"do {{ {reg} = {read}; }} while ({reg} {test});", f"while (cmpxchg_acquire({place}, 0, 1) != 0) {{ }}",
            f"do {{ {reg} = READ_ONCE(*x); }} while (cmpxchg(x, {reg}, {reg} + 1) != {reg});",
            f"while ({read} {test}) {{ {reg} = {read}; }}", f"{reg} = {read}; while ({reg} {test}) {{ {reg} = {read}; }}",
        )  # fmt: skip
        found.append(r.choice(statements))
    return "int r0 = 0; int r1 = 0;\n" + "\n".join(found)


def random_waits(seed: int) -> str:
    r = Random(seed)
    return litmus(_statements(r), _statements(r), question="locations [0:r0; 0:r1; 1:r0; 1:r1; x; y; z] exists (x=1 /\\ 0:r0=1)")


@given(st.integers(0, 2**40), st.sampled_from(("lkmm", "aarch64", "x86-tso")))
@settings(max_examples=40)
def test_what_is_decided_is_what_more_rounds_would_say(seed: int, model: str) -> None:
    text = random_waits(seed)
    found = asked(text, model, states=True, unroll=1, timeout=20.0)
    more = asked(text, model, states=True, counts=True, unroll=3, timeout=20.0)
    if found.observation != UNKNOWN and more.states is not None:
        assert found.states == more.states
        said, longer = dict(found.answers.flags), dict(more.answers.flags)
        assert not [n for n in said if {said[n].word, longer[n].word} == {"yes", "no"}]


@given(st.integers(0, 2**40), st.sampled_from(("lkmm", "aarch64", "x86-tso")))
@settings(max_examples=40)
def test_where_nothing_ends_something_waits_for_ever(seed: int, model: str) -> None:
    found = asked(random_waits(seed), model, progress=True, timeout=20.0)
    endless = dict(found.answers.flags)[ENDLESS]
    if found.observation == DEADLOCK:
        assert endless.yes
    if endless.yes:
        assert endless.execution is not None
        assert not endless.execution.graph.cut


# ---------------------------------------------------------------- what a model allows without some rounds


def test_a_model_that_takes_away_what_rounds_make_is_not_asked_without_them(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A check whose relation may grow when events go: here what is not bridged by a read."""
    path = tmp_path_factory.mktemp("model") / "own.cat"
    checks = "acyclic po-loc | rf | co | fr as uniproc\nlet bridged = po ; [R] ; po\nacyclic (po \\ bridged) | rf as own\n"
    path.write_text(f'"own" include "cos.cat"\n{checks}')
    test = parse_test(Source("t.litmus", litmus("while (READ_ONCE(*x) == 0) { }", "WRITE_ONCE(*x, 1);")))
    for name, holds in ((str(path), [True, False]), ("sc", [True, True])):
        model = load_model(name, macros=None if name == "sc" else TABLE)
        dropped = Dropped(Beyond(test, expanded(test, model), ()))
        assert [dropped.holds(axiom) for axiom in model.axioms if axiom.role == "check"] == holds
    own = load_model(str(path), macros=TABLE)
    assert check(test, own, Options()).answers.negative.unknown


SCENARIOS = sorted((SHIPPED.parent.parent / "litmus").rglob("*.litmus"))[::9]
HALVES = "AArch64 t\n{ uint64_t x; 0:X1=x; 1:X1=x; 0:X0=1; }\n P0 | P1 ;\n STR X0,[X1] | LDR W0,[X1] ;\nexists (1:X0=1)\n"


@pytest.mark.parametrize("name", ["lkmm", "aarch64", "x86-tso", "riscv", "catdep"])
def test_what_two_events_are_to_each_other_their_kinds_may_be(name: str, tmp_path: Path) -> None:
    """The kinds of events stand for those of all rounds: no pair of a base relation is one that their kinds cannot be."""
    own = tmp_path / "own.cat"
    own.write_text('"own" catdep include "cos.cat"\nacyclic po | rf | co | fr | sm as sc\n')
    model = load_model(str(own) if name == "catdep" else name)
    tests = [load_test(path) for path in SCENARIOS] if name != "catdep" else [parse_test(Source("t.litmus", ARM_RETRY))]
    tests += [parse_test(Source("t.litmus", HALVES))] * (name in ("aarch64", "catdep"))
    for written in tests:
        test, options = deferred(written, model, Options())
        graph, _, _ = stages(test, model, options)
        beyond = Beyond(test, expanded(test, model), (), registers=model.registers)
        kinds = [
            [k for k in beyond.kinds if (k.tid, k.kind) == (e.tid, e.kind) and k.tags == _tags(graph, e) and _there(k.place, e)]
            for e in graph.events
        ]
        for relation, (_, may, _) in graph.leaves.items():
            for a, row in enumerate(may):
                for b in bits(row):
                    assert any(beyond.related(relation, k, j) for k in kinds[a] for j in kinds[b]), (test.name, relation)


def _tags(graph: EventGraph, event: Event) -> frozenset[str]:
    return event.tags | {name for name in ("ADDR", "DATA") if graph.sets.get(name, 0) >> event.eid & 1}


def _there(place: str, event: Event) -> bool:
    return place in ("", ANYWHERE) or place in {at.name for at in event.addr or {} if isinstance(at, Address)}


# ---------------------------------------------------------------- waits that last for ever

SLEEP = "int r0; WRITE_ONCE(*x, 1); {} r0 = READ_ONCE(*y); if (r0 == 0) {{ {} }}"
WAKE = "int r1; WRITE_ONCE(*y, 1); {} r1 = READ_ONCE(*x); if (r1) WRITE_ONCE(*z, 1);"
SPIN, COND = "while (READ_ONCE(*z) == 0) cpu_relax();", "smp_cond_load_acquire(z, VAL != 0);"


@pytest.mark.parametrize(
    "wait", [SPIN, COND, "int q; do { q = READ_ONCE(*z); } while (q == 0);", "int q = 0; while (!q) q = READ_ONCE(*z);"]
)
@pytest.mark.parametrize(("fence", "lost"), [("", True), ("smp_mb();", False)])
@pytest.mark.parametrize("model", MODELS)
def test_a_wake_up_is_lost_where_neither_sees_the_other(model: str, fence: str, lost: bool, wait: str) -> None:
    found = asked(litmus(SLEEP.format(fence, wait), WAKE.format(fence)), model, progress=True)
    assert (ENDLESS in found.flags) == (lost and model != "sc")


def test_the_execution_of_a_wait_that_lasts_shows_what_it_reads() -> None:
    found = asked(litmus(SLEEP.format("", SPIN), WAKE.format("")), progress=True)
    execution = dict(found.answers.flags)[ENDLESS].execution
    assert execution is not None
    shown = "\n".join(one_execution(execution, load_model("lkmm")))
    assert "waits for ever" in shown
    assert "[z]=0" in shown


def test_two_that_wait_for_each_other_wait_for_ever() -> None:
    wait = "while (READ_ONCE(*{}) == 0) cpu_relax(); WRITE_ONCE(*{}, 1);"
    assert ENDLESS in asked(litmus(wait.format("x", "y"), wait.format("y", "x")), progress=True).flags
    assert ENDLESS not in asked(litmus("WRITE_ONCE(*y, 1); " + wait.format("x", "z"), wait.format("y", "x")), progress=True).flags


def test_a_value_that_is_overwritten_may_be_missed_for_ever() -> None:
    wait = "while (READ_ONCE(*x) != 1) cpu_relax();"
    assert ENDLESS in asked(litmus(wait, "WRITE_ONCE(*x, 1); WRITE_ONCE(*x, 2);"), progress=True).flags
    assert ENDLESS not in asked(litmus(wait, "WRITE_ONCE(*x, 2); WRITE_ONCE(*x, 1);"), progress=True).flags


def test_of_a_loop_that_does_more_than_wait_it_is_not_known() -> None:
    busy = "while (READ_ONCE(*y) == 0) WRITE_ONCE(*z, 1);"
    found = asked(
        litmus("while (READ_ONCE(*x) == 0) cpu_relax();", busy + " WRITE_ONCE(*x, 1);", "WRITE_ONCE(*y, 1);"), progress=True
    )
    assert dict(found.answers.flags)[ENDLESS].unknown


@pytest.mark.parametrize(
    ("fence", "expected", "unmet"),
    [
        ("", "Never PROGRESS", "an unexpected endless-wait"),
        ("", "Never ENDLESS-WAIT", ""),
        ("", "Never", ""),  # nobody asks
        ("smp_mb();", "Never PROGRESS", ""),
        ("smp_mb();", "Never ENDLESS-WAIT", "the expected endless-wait does not appear"),
    ],
)
def test_a_file_says_whether_its_waits_end(fence: str, expected: str, unmet: str) -> None:
    text = litmus(SLEEP.format(fence, SPIN), WAKE.format(fence), question="exists (x=2)", expected=expected)
    found = asked(text)
    assert found.unmet() == unmet
    assert (ENDLESS in dict(found.answers.flags)) == (expected != "Never")
