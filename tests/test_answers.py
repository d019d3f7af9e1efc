"""Every question has an answer: yes with an execution, no for good, or unknown with a reason. Never a silent no."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner
from click.testing import Result as Printed
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import force_setattr

from checker.check import Options, check
from checker.cli import cli
from checker.core.circuit import TRUE
from checker.core.source import Source, Unsupported
from checker.library import load_model
from checker.parse.litmus import parse_test
from checker.report.dump import dump
from checker.result import Result
from checker.solve.answer import NO, YES, unknown
from checker.solve.encode import Encoder
from checker.solve.execution import Uncertified, succeeds
from checker.solve.outcome import _Questions

LOOP = "int i = 0; int n = READ_ONCE(*rounds); while (i < n) { %s i = i + 1; }"


def litmus(*threads: str, question: str = "exists (0:n=1)", init: str = "", header: str = "") -> str:
    """A test of processes with the parameters they all share."""
    parameters = "int *rounds, int *x, int *y, spinlock_t *l, struct srcu_struct *s"
    code = "\n".join(f"P{i}({parameters})\n{{\n\t{body}\n}}\n" for i, body in enumerate(threads))
    return f"C t\n{header}\n{{ {init} }}\n\n{code}\n{question}\n"


def ask(text: str, model: str = "lkmm", **options: object) -> Result:
    return check(parse_test(Source("t.litmus", text)), load_model(model), Options(**options))  # type: ignore[arg-type]


def late_race(*, more: str = "") -> str:
    """A test in which the third round of a loop races, and no earlier one."""
    loop = LOOP % "if (i == 2) { *x = 1; }"
    return litmus(loop + more, "*x = 2;", "WRITE_ONCE(*rounds, 1);", "WRITE_ONCE(*rounds, 3);")


# ---------------------------------------------------------------- a loop bound


def test_what_is_shown_of_a_test_says_what_is_unknown_and_shows_each_flag() -> None:
    test, model = parse_test(Source("t.litmus", late_race())), load_model("lkmm")
    few, many = (dump("execution", test, model, Options(unroll=unroll)).split("\n") for unroll in (2, 4))
    assert "unknown: data-race, because a loop may run more than 2 times (--unroll)" in few
    assert "flag data-race:" not in few
    assert not [line for line in many if line.startswith("unknown: ")]
    shown = many[many.index("flag data-race:") :]
    assert [line for line in shown if line.startswith("finally: ")]


def test_a_race_that_needs_another_round_is_unknown_and_not_a_no() -> None:
    result = ask(late_race())
    race = dict(result.answers.flags)["data-race"]
    assert result.observation == "Sometimes" and result.flags == ()
    assert race.unknown and race.because == "a loop may run more than 2 times (--unroll)"
    assert ask(late_race(), unroll=4).flags == ("data-race",)


def test_a_race_on_the_way_to_the_bound_is_said_but_is_no_yes() -> None:
    spin = "*x = 1; while (READ_ONCE(*y) == 0) { }"
    race = dict(ask(litmus(spin, "*x = 2;", question="exists (x=1)")).answers.flags)["data-race"]
    assert race.unknown and race.because.endswith("an execution that was cut off there has it")


def test_a_loop_of_marked_accesses_leaves_no_doubt_about_races() -> None:
    result = ask(litmus(LOOP % "WRITE_ONCE(*x, i);", "WRITE_ONCE(*rounds, 1);", "WRITE_ONCE(*rounds, 3);"))
    assert result.cut and result.observation == "Sometimes"
    assert result.unanswered == ()


def test_a_loop_beside_locks_leaves_no_doubt_about_their_pairing() -> None:
    body = "spin_lock(l); WRITE_ONCE(*x, i); spin_unlock(l);"
    result = ask(litmus(LOOP % body, "WRITE_ONCE(*rounds, 2);", "WRITE_ONCE(*rounds, 3);", question="exists (0:n=2)"))
    assert result.cut and result.observation == "Sometimes"
    assert result.unanswered == ()


def test_an_unlock_that_only_a_later_round_forgets_is_unknown() -> None:
    body = "rcu_read_lock(); if (i != 2) { rcu_read_unlock(); }"
    text = litmus(LOOP % body, "WRITE_ONCE(*rounds, 1);", "WRITE_ONCE(*rounds, 3);")
    assert "unmatched-rcu-lock" in ask(text, unroll=4).flags
    late = "if (i == 2) { rcu_read_lock(); }"
    text = litmus(LOOP % late, "WRITE_ONCE(*rounds, 1);", "WRITE_ONCE(*rounds, 3);")
    assert "unmatched-rcu-lock" in dict(ask(text).unanswered)
    assert "unmatched-rcu-lock" in ask(text, unroll=4).flags


@pytest.mark.parametrize(
    ("body", "more", "rounds", "flag"),
    [
        ("rcu_read_lock(); if (i != 2) { rcu_read_unlock(); }", "", (1, 2, 3), "unmatched-rcu-lock"),
        ("if (i != 2) { spin_lock(l); } WRITE_ONCE(*x, i); spin_unlock(l);", "", (1, 2, 3), "unmatched-unlock"),
        ("WRITE_ONCE(*x, i);", "if (n != 3) { spin_lock(l); } spin_unlock(l);", (1, 2, 3), "unmatched-unlock"),
        ("if (i == 2) { break; } spin_unlock(l); spin_lock(l);", "", (1, 2, 3), ""),
    ],
)  # fmt: skip
def test_what_two_rounds_pair_a_third_may_not(body: str, more: str, rounds: tuple[int, ...], flag: str) -> None:
    """Every statement took part in two rounds, and nothing was wrong: that says nothing of a branch another round takes."""
    text = litmus((LOOP % body) + more, *[f"WRITE_ONCE(*rounds, {n});" for n in rounds])
    few, many = ask(text), ask(text, unroll=4)
    assert (flag in many.flags) == bool(flag)
    assert all(name in [*few.flags, *dict(few.unanswered)] for name in many.flags)


def test_a_flag_that_wants_three_events_of_a_loop_is_unknown_after_two_rounds(tmp_path: Path) -> None:
    cat = tmp_path / "three.cat"
    cat.write_text('"three"\nflag ~empty ([W] ; po ; [W] ; po ; [W]) as three\n')
    text = litmus(LOOP % "WRITE_ONCE(*x, 1);", *[f"WRITE_ONCE(*rounds, {n});" for n in (2, 3)])
    lkmm = Path(__file__).parents[1] / "checker/models/lkmm"
    model = load_model(str(cat), bell=str(lkmm / "lkmm.bell"), macros=str(lkmm / "linux.def"))
    test = parse_test(Source("t.litmus", text))
    assert dict(check(test, model, Options()).answers.flags)["three"].unknown
    assert check(test, model, Options(unroll=4)).flags == ("three",)


def test_a_use_after_free_in_a_later_round_is_unknown() -> None:
    body = "if (i == 2) { kfree(x); }"
    text = litmus(LOOP % body, "int r = READ_ONCE(*x);", "WRITE_ONCE(*rounds, 1);", "WRITE_ONCE(*rounds, 3);")
    assert "use-after-free" in dict(ask(text).unanswered)
    assert "use-after-free" in ask(text, unroll=4).flags


def test_a_filter_says_nothing_of_executions_that_are_not_over() -> None:
    """What is left unfinished may still come to satisfy it."""
    text = litmus(LOOP % "", "WRITE_ONCE(*rounds, 5);", question="filter (0:i=5)\nexists (0:n=5)")
    result = ask(text)
    assert result.observation == "Unknown" and "--unroll" in result.unknown_because
    assert ask(text, unroll=6).observation == "Always"


BODIES = (
    "*x = 1;", "WRITE_ONCE(*x, 1);", "WRITE_ONCE(*y, i);", "int r = READ_ONCE(*x);", "int r = *y;", "smp_mb();",
    "spin_lock(l); *y = 1; spin_unlock(l);", "rcu_read_lock();", "rcu_read_unlock();", "if (i == 1) { *x = 3; }",
    "if (i == 2) { rcu_read_lock(); }", "if (i == 2) { WRITE_ONCE(*y, 7); }", "synchronize_rcu();", "kfree(x);",
)  # fmt: skip


def random_loops(rnd: Random) -> str:
    """A loop whose number of rounds another process decides, beside straight code."""
    inside = " ".join(rnd.sample(BODIES, rnd.randint(1, 2)))
    beside = rnd.choice([b for b in BODIES if "i ==" not in b and ", i" not in b])
    question = rnd.choice(("exists (0:n=1)", "exists (y=7)", "~exists (x=1 /\\ 0:n=3)", "forall (x=1)"))
    words = LOOP % inside
    rounds = rnd.sample((1, 2, 3, 4), 2)
    return litmus(words, beside, *[f"WRITE_ONCE(*rounds, {n});" for n in rounds], question=question)


@given(st.integers(0, 2**40))
@settings(max_examples=80, deadline=None)
def test_an_answer_that_is_known_stays_whatever_more_rounds_are_looked_at(seed: int) -> None:
    text = random_loops(Random(seed))
    full = dict(ask(text, unroll=5).answers.named())
    for unroll in (1, 2, 3):
        for name, answer in ask(text, unroll=unroll).answers.named():
            assert answer.unknown or full[name].word == answer.word, (text, unroll, name)


# ---------------------------------------------------------------- executions of a yes


def test_the_yes_of_a_flag_shows_an_execution_that_raises_it() -> None:
    model = load_model("lkmm")
    result = ask(litmus("*x = 1;", "int r = *x;", question="exists (1:r=1)"))
    found = dict(result.answers.flags)["data-race"].execution
    assert found is not None
    assert any(succeeds(axiom, found.bounds) for axiom in model.axioms if axiom.name == "data-race")


def test_a_flag_that_the_encoding_makes_up_is_never_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encoder, "holds", lambda self, axiom: TRUE)
    with pytest.raises(Uncertified, match="does not raise it"):
        ask(litmus("WRITE_ONCE(*x, 1);", question="exists (x=1)"))


def test_a_witness_that_does_not_satisfy_the_proposition_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _Questions.condition

    def other_side_up(self: _Questions, engine: object, heard: object) -> None:
        force_setattr(self, "prop", -self.prop)
        whole(self, engine, heard)  # type: ignore[arg-type]

    monkeypatch.setattr(_Questions, "condition", other_side_up)
    with pytest.raises(Uncertified, match="no witness"):
        ask(litmus("int r = READ_ONCE(*x);", "WRITE_ONCE(*x, 1);", question="exists (0:r=1)"))


def test_an_answer_is_no_truth_value() -> None:
    for answer in (YES, NO, unknown("why")):
        with pytest.raises(TypeError, match="three values"):
            bool(answer)


def test_a_timeout_leaves_every_question_unknown() -> None:
    result = ask(litmus("*x = 1;", "int r = *x;", question="exists (1:r=1)"), timeout=0.0)
    assert all(answer.unknown for _, answer in result.answers.named())
    assert {"condition", "negation", "undefined", "data-race"} <= dict(result.unanswered).keys()
    assert result.unmet() == "Unknown: not decided within 0 s: stopped in expand"


# ---------------------------------------------------------------- no meaning

UNDEFINED = 'M\ninclude "cos.cat"\nacyclic po | rf\nundefined_unless %s as u\n'
LB = litmus(
    "int r0 = READ_ONCE(*y); WRITE_ONCE(*x, 1);", "int r0 = READ_ONCE(*x); WRITE_ONCE(*y, 1);",
    question="exists (0:r0=1 /\\ 1:r0=1)",
)  # fmt: skip


@pytest.mark.parametrize(
    ("check", "undefined"),
    [
        ("acyclic po | rf", False),
        ("acyclic po | rf | co", False),
        ("~acyclic po | rf", True),
        ("irreflexive (po | rf)+", False),
        ("empty rf", True),
        ("~empty rf", False),
        ("empty rf & ext", True),
    ],
)
@pytest.mark.parametrize("engine", ["search", "z3"])
def test_undefined_unless_means_that_some_execution_fails_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: str, undefined: bool, engine: str
) -> None:
    """As herd7 says: `Undef` where a check fails in some execution that the model allows."""
    if engine == "z3":
        monkeypatch.setattr("checker.solve.outcome.SEARCH_CLAUSES", -1)
    (tmp_path / "m.cat").write_text(UNDEFINED % check)
    table = Path(__file__).resolve().parent.parent / "checker" / "models" / "lkmm"
    model = load_model(str(tmp_path / "m.cat"), bell=str(table / "lkmm.bell"), macros=str(table / "linux.def"))
    result = globals()["check"](parse_test(Source("t.litmus", LB)), model, Options(states=True, counts=True))
    assert result.undefined == undefined


# ---------------------------------------------------------------- no execution at all

STUCK = litmus("spin_lock(l); spin_lock(l);", question="exists (x=1)")
STRAINED = litmus("WRITE_ONCE(*x, 1);", question="filter (x=0)\nexists (x=1)")


def run(tmp_path: Path, text: str, *args: str) -> Printed:
    file = tmp_path / "t.litmus"
    file.write_text(text)
    return CliRunner().invoke(cli, ["run", "-m", "lkmm", *args, str(file)])


@pytest.mark.parametrize("text", [STUCK, STRAINED])
def test_a_test_in_which_nothing_ends_is_a_deadlock_everywhere_and_never_a_success(tmp_path: Path, text: str) -> None:
    table, line, herd = (run(tmp_path, text, "--format", layout) for layout in ("table", "json", "herd"))
    assert "DEADLOCK ✗" in table.stdout and "no execution ends" in table.stdout
    assert json.loads(line.stdout)["observation"] == "DEADLOCK"
    assert "Observation t Never 0 0" in herd.stdout, "scripts made for herd7 know no other word"
    assert {printed.exit_code for printed in (table, line, herd)} == {1}


def test_a_deadlock_that_is_expected_is_a_success(tmp_path: Path) -> None:
    printed = run(tmp_path, STUCK.replace("C t\n", "C t\n(* Result: DEADLOCK *)\n"))
    assert "DEADLOCK ✓" in printed.stdout and printed.exit_code == 0


def test_a_deadlock_behind_a_loop_that_was_not_followed_is_unknown() -> None:
    text = litmus("spin_lock(l); spin_lock(l); " + LOOP % "", "WRITE_ONCE(*rounds, 9);")
    result = ask(text)
    assert not result.deadlock and result.observation == "Unknown"
    assert "no execution ends within 2 rounds" in result.unknown_because


def test_what_is_unknown_beside_the_verdict_is_neither_green_nor_exit_0(tmp_path: Path) -> None:
    text = late_race().replace("C t\n", "C t\n(* Result: Sometimes *)\n")
    table, line, herd = (run(tmp_path, text, "--format", layout) for layout in ("table", "json", "herd"))
    why = "data-race: a loop may run more than 2 times (--unroll)"
    assert "Sometimes race? ✗" in table.stdout and f"unknown: {why}" in " ".join(table.stdout.split())
    record = json.loads(line.stdout)
    assert record["unknown"] == {"data-race": "a loop may run more than 2 times (--unroll)"}
    assert record["as_expected"] is False and record["flags"] == []
    assert why in herd.stderr
    assert {printed.exit_code for printed in (table, line, herd)} == {1}


# ---------------------------------------------------------------- questions that no model decides

WRITER = "WRITE_ONCE(*x, 1); int r = READ_ONCE(*y); int unset;"


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("exists (x=2)", "nothing writes 2 to x"),
        ("exists (0:r=1 /\\ x=2)", "nothing writes 2 to x"),
        ("~exists (0:r=7)", "0:r is never 7: nothing in the test writes that value"),
        ("exists (~(x=2))", "nothing writes 2 to x"),
        ("forall (x!=2)", "nothing writes 2 to x"),
        ("exists (0:unset=1)", "P0 never assigns unset: it stays 0"),
        ("exists (0:unset=0)", "P0 never assigns unset: it stays 0"),
        ("filter (x=2)\nexists (0:r=0)", "nothing writes 2 to x"),
        ("", "the test asks nothing: it has no condition and no locations"),
    ],
)
def test_a_question_that_no_model_decides_is_a_warning_and_with_strict_an_error(tmp_path: Path, question: str, said: str) -> None:
    text = litmus(WRITER, "WRITE_ONCE(*y, 1);", question=question)
    loose, strict = run(tmp_path, text), run(tmp_path, text, "--strict")
    assert f"warning: {tmp_path}/t.litmus:" in loose.stderr and said in loose.stderr
    assert strict.exit_code == 2 and said in strict.stderr


@pytest.mark.parametrize(
    ("question", "init"),
    [
        ("exists (x=1)", ""),
        ("exists (x=0)", ""),
        ("exists (0:r=1)", ""),
        ("exists (0:r=5)", "y=5;"),
        ("exists (0:r<7)", ""),
        ("locations [x; 0:r]", ""),
        ("exists (0:unset=3)", "0:unset=3;"),
    ],
)
def test_other_questions_are_not_remarked_on(question: str, init: str) -> None:
    assert ask(litmus(WRITER, "WRITE_ONCE(*y, 1);", question=question, init=init), strict=True).warnings == ()


def test_what_a_loop_was_not_followed_to_is_not_called_impossible() -> None:
    text = litmus(LOOP % "WRITE_ONCE(*x, i);", "WRITE_ONCE(*rounds, 9);", question="exists (x=8)")
    assert ask(text).warnings == ()


def test_strict_names_the_place() -> None:
    with pytest.raises(Unsupported, match="nothing writes 2 to x") as caught:
        ask(litmus(WRITER, question="exists (x=2)"), strict=True)
    assert caught.value.span is not None and caught.value.span.line > 1


@pytest.mark.parametrize("name", ["lkmm", "sc", "x86-tso", "aarch64"])
def test_a_loop_whose_end_another_process_waits_for_may_still_go_on(name: str) -> None:
    """In two rounds nothing stores 3; the execution that is cut off still has to give the lock back for P1 to end."""
    text = """C waited-for
{ l=1; }
P0(int *x, int *c, spinlock_t *l) { int n = 0; while (READ_ONCE(*x) == 0) n = n + 1; WRITE_ONCE(*c, n); spin_unlock(l); }
P1(spinlock_t *l) { spin_lock(l); spin_unlock(l); }
P2(int *x) { WRITE_ONCE(*x, 1); }
exists (c=3)
"""
    assert ask(text, name).observation == "Unknown"
    assert ask(text, name, unroll=3).observation == "Sometimes"


def test_a_loop_behind_which_another_process_reads_may_still_go_on() -> None:
    text = """C read-from-behind
{ }
P0(int *x, int *y, int *c) { int n = 0; while (READ_ONCE(*x) == 0) n = n + 1; WRITE_ONCE(*c, n); WRITE_ONCE(*y, 1); }
P1(int *x, int *y) { int r0; r0 = READ_ONCE(*y); WRITE_ONCE(*x, r0); }
exists (c=3)
"""
    assert ask(text).observation == "Unknown"
