"""What stands at the edges of a verdict: keys of kept ones, levels in reports, conditions as they are exported, and races."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker import check, load_model
from checker.campaign import verdicts
from checker.campaign.corpus import Job, Outcome, Setup, decide
from checker.campaign.gate import Finding, Report
from checker.campaign.patched import becomes
from checker.campaign.policy import Policy
from checker.campaign.strict import NotSo, Table, read
from checker.campaign.variants import FLAGS, Verdicts
from checker.campaign.verdicts import Row
from checker.core.source import Source
from checker.isa.aarch64.compile import AArch64
from checker.isa.compile import export
from checker.isa.x86.compile import X86
from checker.kernel.carry import lost
from checker.kernel.skeleton import Code, Op, skeleton
from checker.kernel.trees import FolderTree, Overlay
from checker.parse.files import Text
from checker.parse.litmus import parse_test
from checker.program.ir import Compare, Condition, Implies, MemLoc, Not, Prop, RegLoc
from checker.report.sarif import sarif
from checker.report.spell import show_prop

WORDS = st.text(alphabet="abc09", min_size=1, max_size=4)
FENCES = ("smp_mb", "smp_rmb", "smp_wmb", "mb", "rmb", "wmb", "dma_rmb", "dma_wmb")
MESSAGES = """C mp
{}
P0(int *x, int *y) { WRITE_ONCE(*x, 1); smp_store_release(y, 1); }
P1(int *x, int *y) { int r0; int r1; r0 = smp_load_acquire(y); if (r0) { r1 = READ_ONCE(*x); } }
exists (1:r0=1 /\\ 1:r1=0)
"""


@given(st.lists(WORDS, min_size=4, max_size=4, unique=True), st.integers(0, 3), WORDS)
def test_whatever_a_verdict_hangs_on_changes_its_key(parts: list[str], which: int, other: str) -> None:
    changed = [other if n == which else part for n, part in enumerate(parts)]
    assert (verdicts.key(*parts) == verdicts.key(*changed)) == (parts == changed)


@pytest.mark.parametrize(
    ("where", "name"), [("checker.campaign.verdicts", "tool"), ("checker.solve.solver", "version")], ids=["tool", "solver"]
)
def test_no_row_of_another_version_of_the_tool_or_of_the_solver_is_found(
    where: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = verdicts.key("test", "lkmm", "files", "options")
    monkeypatch.setattr(f"{where}.{name}", lambda: "another")
    assert verdicts.key("test", "lkmm", "files", "options") != before


@pytest.mark.parametrize(
    "file", ["checker/a.py", "checker/models/lkmm/lkmm.cat", "checker/b.bell", "checker/c.def", "grammar/g.lark"]
)
def test_a_change_of_anything_that_the_tool_is_made_of_makes_another_tool(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / file
    made.parent.mkdir(parents=True)
    monkeypatch.setattr(verdicts, "_PACKAGE", tmp_path / "checker")

    def tool(text: str) -> str:
        made.write_text(text, encoding="utf-8")
        return verdicts.tool.__wrapped__()

    assert tool("one") == tool("one") != tool("two")
    before = tool("two")
    made.rename(made.with_stem("renamed"))
    assert verdicts.tool.__wrapped__() != before


@pytest.mark.parametrize(("level", "shown"), [("error", "error"), ("block", "error"), ("warning", "warning"), ("note", None)])
def test_what_blocks_is_an_error_to_code_scanning_and_a_note_is_left_out(level: str, shown: str | None) -> None:
    run = json.loads(sarif(Report((), (Finding("harmful", level, "message", path="t.litmus", line=1),))))["runs"][0]
    assert [result["level"] for result in run["results"]] == [shown] * (shown is not None)
    assert run["invocations"][0]["executionSuccessful"] is (level != "error")
    rules = {rule["id"]: rule["defaultConfiguration"]["level"] for rule in run["tool"]["driver"]["rules"]}
    assert rules["harmful"] == rules["error"] == "error"


def ops_of(body: str) -> tuple[Op, ...]:
    tree = FolderTree(Path(__file__).parent / "kernel")
    found = skeleton(Code(Overlay(tree, {"f.c": f"void f(struct s *s)\n{{\n{body}\n}}\n".encode()})), "f.c", "f", 3)
    assert found is not None
    return found.ops


@pytest.mark.parametrize("fence", FENCES)
@pytest.mark.parametrize("jump", ["if (x) goto out;", "if (x) return;", "goto out;", "switch (x) { case 1: goto out; }"])
def test_a_jump_past_a_fence_loses_it(fence: str, jump: str) -> None:
    straight, around = (f"s->a = 1; {way} {fence}(); s->b = 1;\nout:\ns->c = 1;" for way in ("", jump))
    assert lost(ops_of(straight), ops_of(around))
    assert not lost(ops_of(around), ops_of(straight))
    assert not lost(ops_of(straight), ops_of(straight))


def test_a_variant_that_only_makes_a_data_race_is_harmful() -> None:
    before = Verdicts(Source("mp", MESSAGES), Policy())
    assert "lkmm" in before.models()
    racy = before.compare(MESSAGES.replace("WRITE_ONCE(*x, 1)", "*x = 1").replace("if (r0)", "if (1)").encode(), "lkmm")
    assert (racy.kind, racy.why) == ("harmful", "this makes a data race")
    assert any("*x = 1" in line for line in racy.detail)
    same = before.compare(MESSAGES.encode(), "lkmm")
    assert same.kind == "harmless"


FREED = """C free
{}
P0(int *x, int *p) { *p = 1; kfree(p); WRITE_ONCE(*x, 1); }
exists (x=2)
"""


def test_a_flag_that_a_variant_raises_is_said_in_words() -> None:
    assert set(FLAGS) <= {axiom.name for axiom in load_model("lkmm").axioms if axiom.role == "flag"}
    before = Verdicts(Source("free", FREED), Policy())
    assert "lkmm" in before.models()
    for change, words in (("kfree(p); kfree(p);", "a double free"), ("kfree(p); *p = 2;", "a use after free")):
        answer = before.compare(FREED.replace("kfree(p);", change).encode(), "lkmm")
        assert (answer.kind, answer.why) == ("harmful", f"this makes {words}")


def test_a_question_that_cannot_be_repaired_is_answered_without_a_repair() -> None:
    asked = MESSAGES.replace("exists (1:r0=1 /\\ 1:r1=0)", "forall (1:r0=0 \\/ 1:r1=1)")
    for text, repair in ((MESSAGES, "smp_store_release"), (asked, "")):
        before = Verdicts(Source("mp", text), Policy())
        assert "lkmm" in before.models()
        answer = before.compare(text.replace("smp_store_release(y, 1)", "WRITE_ONCE(*y, 1)").encode(), "lkmm")
        assert answer.kind == "harmful"
        assert repair in answer.repair
        assert bool(answer.repair) == bool(repair)
        assert isinstance(answer.repair, str)


def test_a_row_is_its_outcome() -> None:
    text = "C t\n(* Result: Sometimes DATARACE *)\n{}\nP0(int *x) { *x = 1; }\nP1(int *x) { *x = 2; }\n  exists (x=1)\n"
    for said, place, expected in ((text, (2, 12), "Sometimes DATARACE"), (text.replace("Result", "Remark"), (6, 3), "")):
        outcome = msgspec.structs.replace(decide(Job(Text("t.litmus", said.encode()), "lkmm"), Setup()), seconds=1.23456789)
        row = verdicts.row(outcome)
        assert (row.path, row.model, row.test, row.verdict, row.expected) == ("t.litmus", "lkmm", "t", "Sometimes", expected)
        assert (row.flags, row.race, row.unmet, row.reason) == (("data-race",), True, "", "")
        assert (row.line, row.column, row.seconds, row.error) == (*place, 1.2346, "")
    failed = Outcome("t.litmus", "lkmm", 1.23456789, error="no", code="code", place=(7, 9))
    assert verdicts.row(failed) == Row("t.litmus", "lkmm", error="no", code="code", line=7, column=9, seconds=1.2346)
    lost = Outcome("t.litmus", "lkmm", unknown_because="it died")
    assert verdicts.row(lost) == Row("t.litmus", "lkmm", reason="it died")


class Inner(Table, frozen=True):
    some: int = 0


class Middle(Table, frozen=True):
    inner: Inner = Inner()
    by_name: dict[str, Inner] = {}


class Outer(Table, frozen=True):
    middle: Middle = Middle()
    named: dict[str, Middle] = {}
    deep: dict[str, dict[str, Inner]] = {}
    listed: list[Middle] = []


@pytest.mark.parametrize(
    "way",
    [
        ("middle", "inner"),
        ("middle", "by_name", "x"),
        ("named", "x", "inner"),
        ("named", "x", "by_name", "y"),
        ("deep", "x", "y"),
        ("listed", "0", "inner"),
    ],
)
def test_an_unknown_key_is_told_with_those_of_its_own_table(way: tuple[str, ...]) -> None:
    for key, hint in (("sone", "did you mean 'some'?"), ("zzz", "the keys are some")):
        found: object = {key: 1}
        for step in reversed(way):
            found = {step: found} if step != "0" else [found]
        with pytest.raises(NotSo, match=f"unknown key '{key}'") as error:
            read(found, Outer)
        assert (error.value.key, error.value.hint) == (key, hint)
    with pytest.raises(NotSo) as error:
        read({"named": 1}, Outer)
    assert (str(error.value), error.value.key) == ("named: expected a table, got a whole number", "named")


def test_a_test_that_filters_by_itself_is_not_said_to_be_on_a_path_that_is_not_taken() -> None:
    filtered = MESSAGES.replace("exists", "filter (x=1)\n\nexists", 1)
    assert "filter" in filtered
    before = Verdicts(Source("mp", filtered), Policy())
    assert "lkmm" in before.models()
    never = filtered.replace("WRITE_ONCE(*x, 1)", "WRITE_ONCE(*x, 2)").encode()
    assert before.compare(never, "lkmm").kind == "review"
    narrowed = Verdicts(Source("mp", MESSAGES), Policy())
    assert "lkmm" in narrowed.models()
    assert narrowed.compare(never, "lkmm").kind == "untaken"


COMPARES = st.sampled_from(["0:r0=0", "0:r0=1", "1:r0=1", "x=1", "y=2", "y!=2", "not (y=1)"])
PROPS = st.recursive(
    COMPARES, lambda p: st.tuples(p, st.sampled_from(["/\\", "\\/"]), p).map(lambda t: f"({t[0]} {t[1]} {t[2]})"), max_leaves=4
)
BUFFERS = """C t
{{}}
P0(int *x, int *y) {{ int r0; WRITE_ONCE(*x, 1); r0 = READ_ONCE(*y); }}
P1(int *x, int *y) {{ int r0; WRITE_ONCE(*y, 2); r0 = READ_ONCE(*x); }}
{} ({})
"""


@settings(max_examples=30)
@given(st.sampled_from(["exists", "~exists", "forall"]), PROPS)
def test_an_exported_condition_has_the_verdict_that_it_has_in_c(quantifier: str, prop: str) -> None:
    test = parse_test(Source("t", BUFFERS.format(quantifier, prop)))
    for machine, model in ((AArch64, "aarch64"), (X86, "x86-tso")):
        made = export(test, load_model(model), machine)
        there = check(parse_test(Source("made", made.text)), load_model(model))
        here = check(test, load_model(model))
        assert (there.observation, there.condition.quantifier) == (here.observation, quantifier)


def meaning(prop: Prop, state: Callable[[RegLoc | MemLoc], int]) -> bool:
    """A proposition's truth, written down once more for these tests."""
    match prop:
        case Compare(op, left, right):
            assert isinstance(left, RegLoc | MemLoc)
            return (state(left) == right) is (op == "==")
        case Not(arg):
            return not meaning(arg, state)
        case Implies(left, right):
            return not meaning(left, state) or meaning(right, state)
        case _:
            together = {"And": all, "Or": any}[type(prop).__name__]
            return together(meaning(p, state) for p in prop.args)  # type: ignore[union-attr]


@settings(max_examples=100)
@given(PROPS, st.lists(st.integers(0, 2), min_size=4, max_size=4))
def test_a_condition_means_the_same_when_what_is_shown_is_read_again(prop: str, values: list[int]) -> None:
    order = ("0:r0", "1:r0", "x", "y")

    def truth(text: str) -> tuple[bool, Condition]:
        condition = parse_test(Source("t", BUFFERS.format("exists", text))).condition
        return meaning(condition.prop, lambda loc: values[order.index(str(loc).strip("[]"))]), condition

    expected, condition = truth(prop)
    assert truth(show_prop(condition.prop))[0] is expected


@pytest.mark.parametrize(
    ("count", "told"), [(1, "t0"), (3, "t0, t1, t2"), (4, "t0, t1, t2 and 1 more"), (6, "t0, t1, t2 and 3 more")]
)
def test_a_function_that_becomes_what_tests_show_is_told_with_their_names(count: int, told: str) -> None:
    scenes: list[Any] = [SimpleNamespace(name=f"t{n}", becomes=("f", "f")) for n in range(count)]
    (found,) = becomes([*scenes, SimpleNamespace(name="other", becomes=())], Policy())  # type: ignore[list-item]
    assert (found.kind, found.level, found.message) == ("skeleton", "note", f"with the patch, f is what {told} show")
