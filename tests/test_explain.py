"""Explanations: each cycle breaks its axiom by itself, together they refute every way, and the barrier named does what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from checker import library
from checker.check import Options, check, expectation, stages, unfollowed
from checker.cli import cli
from checker.core.source import Source
from checker.insight.edges import Told
from checker.insight.explanation import Explanation, explain
from checker.insight.raised import Raised
from checker.insight.refute import certify, refute
from checker.insight.wording import statement
from checker.library import SHIPPED, load_model, load_test
from checker.program import ir
from checker.report.explained import dot, record, text
from checker.report.pictured import picture
from checker.solve.execution import Uncertified
from checker.solve.proposition import proposition
from checker.solve.solver import Solver
from tests.test_audit import DEFERRED

LITMUS = Path(__file__).parent.parent / "litmus"
SCENARIOS = sorted(LITMUS.rglob("*.litmus"))
SAMPLE = SCENARIOS[::5]


def a_test(p0: str, p1: str, exists: str, *, declared: str = "int r0; int r1;", name: str = "T") -> ir.Test:
    text = f"C {name}\n\n{{}}\n\n"
    for n, body in enumerate((p0, p1)):
        lines = "".join(f"\t{line}\n" for line in [declared, *body.split("\n")])
        text += f"P{n}(int *x, int *y)\n{{\n{lines}}}\n\n"
    return library.test_in(Source(f"{name}.litmus", f"{text}exists ({exists})\n"))


def explained(test: ir.Test, model: str = "lkmm") -> Explanation:
    return explain(test, load_model(model), Options())


MP = ("WRITE_ONCE(*x, 1);\n{}\nWRITE_ONCE(*y, 1);", "r0 = READ_ONCE(*y);\n{}\nr1 = READ_ONCE(*x);", "1:r0=1 /\\ 1:r1=0")
SB = ("WRITE_ONCE(*x, 1);\n{}\nr0 = READ_ONCE(*y);", "WRITE_ONCE(*y, 1);\n{}\nr1 = READ_ONCE(*x);", "0:r0=0 /\\ 1:r1=0")
LB = ("r0 = READ_ONCE(*x);\n{}\nWRITE_ONCE(*y, 1);", "r1 = READ_ONCE(*y);\n{}\nWRITE_ONCE(*x, 1);", "0:r0=1 /\\ 1:r1=1")
S = ("WRITE_ONCE(*x, 2);\n{}\nWRITE_ONCE(*y, 1);", "r0 = READ_ONCE(*y);\n{}\nWRITE_ONCE(*x, 1);", "1:r0=1 /\\ x=2")
R = ("WRITE_ONCE(*x, 1);\n{}\nWRITE_ONCE(*y, 1);", "WRITE_ONCE(*y, 2);\n{}\nr0 = READ_ONCE(*x);", "y=2 /\\ 1:r0=0")
W22 = ("WRITE_ONCE(*x, 1);\n{}\nWRITE_ONCE(*y, 2);", "WRITE_ONCE(*y, 1);\n{}\nWRITE_ONCE(*x, 2);", "x=1 /\\ y=1")
SHAPES = {"MP": MP, "SB": SB, "LB": LB, "S": S, "R": R, "2+2W": W22}


def shape(name: str, first: str, second: str) -> ir.Test:
    p0, p1, exists = SHAPES[name]
    return a_test(p0.format(first), p1.format(second), exists, name=name.replace("+", ""))


# ---------------------------------------------------------------- Never


@pytest.mark.parametrize("path", SAMPLE, ids=lambda p: p.stem)
def test_every_never_has_reasons_that_refute_it_together_and_none_to_spare(path: Path) -> None:
    test = load_test(path)
    for name in SHIPPED:
        model = load_model(name)
        said = expectation(test, model)
        if said is None or said.verdict != "Never" or check(test, model, Options()).observation != "Never":
            continue
        found = refute(test, model, Options(), negated=test.condition.quantifier == "forall")
        free = replace(model, axioms=(), coherent=False)
        graph, _, problem = stages(test, free, Options())
        prop = proposition(graph, test, test.condition.prop)
        if test.filter is not None:
            problem.circuit.require((proposition(graph, test, test.filter), problem.cut, problem.wild))
        circuit = problem.circuit
        asked = [circuit.either([circuit.both2(prop, -problem.cut), unfollowed(problem, test, model, Options())])]
        clauses = [[-f.lit(problem.encoder) for f in reason.facts] for reason in found.reasons]
        wanted = [*asked, *[-lit for clause in clauses for lit in clause], *[lit for clause in clauses for lit in clause]]
        with Solver(problem.circuit.clauses(wanted), len(problem.circuit.gates) - 1, None) as solver:
            names = [solver.fresh() for _ in clauses]
            for own, clause in zip(names, clauses, strict=True):
                solver.add([-own, *clause])
            assert not solver.satisfiable([*asked, *names])
            for own in names:
                assert solver.satisfiable([*asked, *[n for n in names if n != own]])


@pytest.mark.parametrize("model", ["lkmm", "aarch64", "x86-tso", "sc"])
def test_a_reason_without_one_of_its_choices_breaks_nothing(model: str) -> None:
    found = refute(shape("SB", "smp_mb();", "smp_mb();"), load_model(model), Options())
    (reason,) = found.reasons
    certify(reason, found.graph, found.bounds)
    decisions = [fact for fact in reason.facts if fact.kind != "event"]
    assert decisions
    for fact in decisions:
        with pytest.raises(Uncertified, match="does not break"):
            certify(replace(reason, facts=reason.facts - {fact}), found.graph, found.bounds)


def test_the_cycle_of_message_passing_is_told_with_its_fences() -> None:
    found = explained(shape("MP", "smp_wmb();", "smp_rmb();"))
    (cycle,) = found.cycles
    assert cycle.reason.axiom.name == "happens-before"
    assert [(e.relation, len(e.by)) for e in cycle.edges] == [("rmb", 1), ("fre", 0), ("wmb", 1), ("rfe", 0)]
    said = text(found)
    assert "smp_wmb() in line 9" in said
    assert "smp_rmb() in line 17" in said


RELEASED = ("WRITE_ONCE(*x, 1);\nsmp_store_release(y, 1);", "r0 = smp_load_acquire(y);\nr1 = READ_ONCE(*x);")
FENCED = (MP[0].format("smp_mb();"), MP[1].format("smp_mb();"))


@pytest.mark.parametrize("bodies,relations", [(RELEASED, {"po-rel", "acq-po", "rfe", "fre"}), (FENCED, {"by-mb", "rfe", "fre"})])
def test_edges_have_the_names_that_the_model_gives_them(bodies: tuple[str, str], relations: set[str]) -> None:
    (cycle,) = explained(a_test(*bodies, "1:r0=1 /\\ 1:r1=0")).cycles
    assert {edge.relation for edge in cycle.edges} == relations


def test_a_dependency_is_named_and_no_program_order() -> None:
    test = a_test(
        "r0 = READ_ONCE(*x);\nWRITE_ONCE(*y, r0);", "r1 = READ_ONCE(*y);\nif (r1)\n\tWRITE_ONCE(*x, 1);", "0:r0=1 /\\ 1:r1=1"
    )
    (cycle,) = explained(test).cycles
    assert sorted(edge.relation for edge in cycle.edges) == ["ctrl", "data", "rfe", "rfe"]
    assert "a control dependency" in text(explained(test))


def test_a_grace_period_is_told_with_the_section_that_it_waits_for() -> None:
    (cycle,) = explained(load_test(LITMUS / "kvm" / "emulate-block-synchronize.litmus")).cycles
    assert cycle.reason.axiom.name == "rcu"
    assert [edge.relation for edge in cycle.edges] == ["rfe", "po", "srcu-rscs^-1", "po", "fre", "gp"]
    events = cycle.reason.found.graph.events
    assert "synchronize_srcu" in events[cycle.edges[-1].by[0]].span.source.line(events[cycle.edges[-1].by[0]].span.line)


def test_an_outcome_that_no_values_allow_is_no_matter_of_memory() -> None:
    found = explained(a_test("WRITE_ONCE(*x, 1);", "r0 = READ_ONCE(*x);", "1:r0=7"))
    assert found.cycles == ()
    assert "impossible however memory behaves" in found.summary


def test_always_is_explained_by_what_the_other_outcome_would_need() -> None:
    found = explained(a_test("WRITE_ONCE(*x, 1);\nr0 = READ_ONCE(*x);", "r1 = READ_ONCE(*y);", "0:r0=1"))
    assert found.result.observation == "Always"
    assert [cycle.reason.axiom.name for cycle in found.cycles] == ["coherence"]
    assert found.summary.startswith("an execution without it needs one cycle")


def test_each_way_in_which_sections_of_a_lock_can_follow_each_other_has_its_cycle() -> None:
    found = explained(load_test(LITMUS / "kvm" / "get-bus-under-slots-lock.litmus"))
    assert [cycle.reason.axiom.name for cycle in found.cycles] == ["happens-before", "plain-coherence"]
    handed = [[e for e in cycle.edges if e.relation == "rfe" and "unlock" in line_of(cycle, e.a)] for cycle in found.cycles]
    assert [len(edges) for edges in handed] == [1, 1]
    assert "2 cycles, one of which is in each way" in found.summary


FREED = LITMUS / "kvm" / "bus-unregister-get-dev-under-srcu.litmus"


@pytest.mark.parametrize("model", ["lkmm", "aarch64", "x86-tso"])
def test_runs_through_what_is_no_address_are_refuted_with_the_others(model: str) -> None:
    found = explained(load_test(FREED), model)
    assert found.refutation is not None
    assert found.refutation.beyond
    assert "so is every run that would go on" in found.summary


def test_an_order_that_executions_choose_has_the_name_that_the_model_gives_it() -> None:
    found = explained(load_test(FREED), "aarch64")
    relations = {edge.relation for cycle in found.cycles for edge in cycle.edges}
    assert relations == {"po", "gp-order", "rfe", "fre"}


def test_where_all_runs_end_nothing_is_said_of_others() -> None:
    found = explained(shape("SB", "smp_mb();", "smp_mb();"))
    assert found.refutation is not None
    assert not found.refutation.beyond
    assert "would go on" not in found.summary


def line_of(cycle: Told, n: int) -> str:
    span = cycle.reason.found.graph.events[n].span
    return span.source.line(span.line)


def test_choices_that_no_clause_is_about_are_made_all_the_same() -> None:
    code = " P0 | P1 ;\n XCHG [x],EBX | XCHG [y],EBX ;\n XCHG [y],EAX | XCHG [x],EAX ;"
    registers = "0:EBX=1; 1:EBX=1; 0:EAX=0; 1:EAX=0;"
    test = library.test_in(Source("t", f"X86 SB-XCHG\n{{ {registers} }}\n{code}\nexists (0:EAX=0 /\\ 1:EAX=0)\n"))
    found = refute(test, load_model("x86-tso"), Options(timeout=60))
    assert found.reasons
    assert found.candidates <= 8


# ---------------------------------------------------------------- Sometimes


def fixed(test: ir.Test, found: Explanation) -> ir.Test:
    """The test with the barriers that the explanation names, written into its text."""
    assert found.weakness is not None
    lines = test.source.text.split("\n")
    events = found.weakness.found.graph.events
    for gap in sorted(found.weakness.gaps, key=lambda gap: -events[gap.b].span.line):
        assert gap.would
        lines.insert(events[gap.b].span.line - 1, f"\t{gap.would};")
    return library.test_in(Source(test.source.name, "\n".join(lines)))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("first", ["", "smp_wmb();", "smp_rmb();", "smp_mb();"])
@pytest.mark.parametrize("second", ["", "smp_rmb();", "smp_mb();"])
@pytest.mark.parametrize("model", ["lkmm", "aarch64", "x86-tso"])
def test_the_barriers_named_make_the_outcome_impossible_and_fewer_do_not(name: str, first: str, second: str, model: str) -> None:
    test = shape(name, first, second)
    found = explained(test, model)
    if found.result.observation != "Sometimes":
        assert found.cycles
        return
    weakness = found.weakness
    assert weakness is not None
    assert weakness.gaps
    assert check(fixed(test, found), load_model(model), Options()).observation == "Never"
    for gap in weakness.gaps:
        less = replace(found, weakness=replace(weakness, gaps=tuple([g for g in weakness.gaps if g is not gap])))
        assert check(fixed(test, less), load_model(model), Options()).observation == "Sometimes"


def test_a_lighter_barrier_is_named_where_it_is_enough() -> None:
    weakness = explained(shape("MP", "", "")).weakness
    assert weakness is not None
    assert [gap.would for gap in weakness.gaps] == ["smp_wmb()", "smp_rmb()"]


def test_the_execution_is_told_in_an_order_that_its_reads_and_barriers_agree_with() -> None:
    found = explained(shape("MP", "smp_wmb();", ""))
    weakness = found.weakness
    assert weakness is not None
    events = weakness.found.graph.events
    told = [events[n].span.source.line(events[n].span.line).strip() for n in weakness.order]
    writes, flag, data = ["WRITE_ONCE(*x, 1);", "WRITE_ONCE(*y, 1);"], "r0 = READ_ONCE(*y);", "r1 = READ_ONCE(*x);"
    assert [line for line in told if line in writes] == writes
    assert told.index(data) < told.index(writes[0]) < told.index(writes[1]) < told.index(flag)
    assert "reads 0" in text(found)


def test_what_taking_turns_can_do_needs_no_barrier() -> None:
    found = explained(a_test("WRITE_ONCE(*x, 1);", "r0 = READ_ONCE(*x);", "1:r0=1"))
    assert found.weakness is not None
    assert (found.weakness.cycle, found.weakness.gaps) == ((), ())
    assert "no barrier forbids it" in text(found)


def test_a_model_without_coherence_is_told_all_the_same(tmp_path: Path) -> None:
    cat = tmp_path / "order.cat"
    cat.write_text('"order"\nacyclic po | rf as order\n')
    code = " P0 | P1 ;\n MOV [x],$1 | MOV [y],$1 ;\n MOV EAX,[y] | MOV EAX,[x] ;"
    test = library.test_in(Source("t", f"X86 SB\n{{ x=0; y=0; }}\n{code}\nexists (0:EAX=0 /\\ 1:EAX=0)\n"))
    found = explained(test, str(cat))
    assert found.weakness is not None
    assert found.weakness.order


# ---------------------------------------------------------------- flags

RACE = ("*x = 1;\n{}\nWRITE_ONCE(*y, 1);", "r0 = READ_ONCE(*y);\n{}\nif (r0)\n\tr1 = *x;", "1:r0=1 /\\ 1:r1=0")


def racing(first: str, second: str) -> ir.Test:
    return a_test(RACE[0].format(first), RACE[1].format(second), RACE[2], name="Race")


def raised_by(found: Explanation, flag: str) -> Raised:
    return next(one for one in found.raised if one.axiom.name == flag)


@pytest.mark.parametrize("first,second,missing", [
    ("", "", ["smp_wmb()", "smp_rmb()"]), ("smp_wmb();", "", ["smp_rmb()"]), ("", "smp_rmb();", ["smp_wmb()"]),
])  # fmt: skip
def test_a_race_is_told_by_its_two_accesses_and_the_barriers_without_which_it_is(
    first: str, second: str, missing: list[str]
) -> None:
    test = racing(first, second)
    found = explained(test)
    race = raised_by(found, "data-race")
    events = race.weakness.found.graph.events
    assert sorted(statement(events[n]) for n in race.events) == ["*x = 1", "r1 = *x"]
    assert [gap.would for gap in race.weakness.gaps] == missing
    assert check(racing("smp_wmb();", "smp_rmb();"), load_model("lkmm"), Options()).flags == ()
    assert "flag data-race (lkmm.cat:" in text(found)


def test_a_race_that_no_way_leads_through_has_no_missing_barrier() -> None:
    found = explained(a_test("*x = 1;", "r0 = READ_ONCE(*x);", "1:r0=1"))
    race = raised_by(found, "data-race")
    assert (race.weakness.cycle, race.weakness.gaps) == ((), ())
    assert "neither program order nor communication leads" in text(found)


def test_a_never_with_a_race_has_the_reason_for_both() -> None:
    found = explained(a_test("*x = 1;", "r0 = READ_ONCE(*x);", "1:r0=7"))
    assert found.result.observation == "Never"
    assert found.refutation is not None
    assert [one.axiom.name for one in found.raised] == ["data-race"]


def test_an_object_that_is_used_too_late_is_told_with_the_line_that_frees_it() -> None:
    found = explained(load_test(LITMUS / "kvm" / "bus-free-no-grace-period.litmus"))
    freed = raised_by(found, "use-after-free")
    events = freed.weakness.found.graph.events
    assert [statement(events[n]) for n in freed.events] == ["ranges = READ_ONCE(*found)", "kfree(old)"]


def test_a_wait_without_end_is_named_though_no_axiom_raises_it() -> None:
    found = explained(load_test(LITMUS / "kvm" / "vcpu-block-sleeps-no-mb.litmus"))
    assert "endless-wait" in found.result.flags
    assert text(found).split("\n")[0].endswith(", flag endless-wait")


def test_a_flag_of_one_event_names_it() -> None:
    found = explained(a_test("rcu_read_lock();\nWRITE_ONCE(*x, 1);", "r0 = READ_ONCE(*x);", "1:r0=1"))
    (one,) = found.raised
    assert one.axiom.name == "unmatched-rcu-lock"
    assert [statement(one.weakness.found.graph.events[n]) for n in one.events] == ["rcu_read_lock()"]
    assert "rcu_read_lock()  P0, line 8" in text(found)


def test_accesses_that_the_compiler_may_mix_are_told_with_what_keeps_them_apart() -> None:
    test = a_test("*x = 1;\nWRITE_ONCE(*x, 2);", "r0 = READ_ONCE(*y);", "x=2")
    found = explained(test)
    mixed = raised_by(found, "mixed-accesses")
    assert [gap.would for gap in mixed.weakness.gaps] == ["smp_wmb()"]
    assert check(fixed(test, replace(found, weakness=mixed.weakness)), load_model("lkmm"), Options()).flags == ()


def test_json_has_the_accesses_of_a_flag_and_what_is_missing() -> None:
    (flag,) = record(explained(racing("smp_wmb();", "")))["flags"]  # type: ignore[misc, index]
    assert flag["flag"] == "data-race"
    assert [gap["barrier"] for gap in flag["gaps"]] == ["smp_rmb()"]
    assert len(flag["events"]) == len(flag["lines"]) == 2


# ---------------------------------------------------------------- the command


def test_executions_without_a_callback_that_was_queued_need_no_reason(tmp_path: Path) -> None:
    path = tmp_path / "T.litmus"
    path.write_text(DEFERRED)
    done = CliRunner().invoke(cli, ["run", str(path)])
    assert done.exit_code == 0
    assert "why: the outcome is impossible however memory behaves" in done.stdout


def test_what_is_not_decided_has_no_reason_and_the_exit_code_says_so() -> None:
    path = LITMUS / "kvm" / "emulate-block-smp-rmb.litmus"
    assert CliRunner().invoke(cli, ["explain", "--timeout", "0.0001", str(path)]).exit_code == 1


def test_the_command_tells_each_line_of_the_cycle() -> None:
    done = CliRunner().invoke(cli, ["explain", str(LITMUS / "kvm" / "emulate-block-synchronize.litmus")])
    assert done.exit_code == 0
    assert max(map(len, done.stdout.split("\n"))) <= 80
    for line in (
        r"a → b  gp            synchronize_srcu\(\) in line \d+",
        r"f → c  srcu-rscs\^-1",
        r"rcu \(lkmm.cat:\d+, irreflexive\) forbids",
    ):
        assert re.search(line, done.stdout)


def test_json_has_the_lines_of_every_edge() -> None:
    path = LITMUS / "kvm" / "emulate-block-smp-rmb.litmus"
    done = CliRunner().invoke(cli, ["explain", "--format", "json", "-m", "lkmm", "-m", "aarch64", str(path)])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["model"] for row in rows] == ["lkmm", "aarch64"]
    source = path.read_text().split("\n")
    for row in rows:
        assert row["observation"] == "Never"
        assert row["certified"]
        for cycle in row["cycles"]:
            assert re.fullmatch(r"[\w-]+\.cat:\d+", cycle["cat"])
            for edge in cycle["edges"]:
                assert edge["from"].partition(": ")[2] in source[edge["lines"][0] - 1]
                assert edge["to"].partition(": ")[2] in source[edge["lines"][-1] - 1]
            assert [e["to"] for e in cycle["edges"]] == [e["from"] for e in (*cycle["edges"][1:], cycle["edges"][0])]


def test_a_graph_has_a_node_for_each_statement_and_an_arrow_for_each_edge() -> None:
    found = explained(shape("SB", "smp_mb();", "smp_mb();"))
    drawn = dot([found])
    assert drawn.count(" -> ") == len(found.cycles[0].edges)
    assert drawn.count("subgraph") == 2
    assert drawn.count("{") == drawn.count("}")


DRAWN = [
    shape("SB", "smp_mb();", "smp_mb();"), shape("MP", "", ""), racing("", ""), load_test(FREED),
    a_test("rcu_read_lock();\nWRITE_ONCE(*x, 1);", "r0 = READ_ONCE(*x);", "1:r0=1"),
    load_test(LITMUS / "kvm" / "get-bus-under-slots-lock.litmus"),
]  # fmt: skip


@pytest.mark.parametrize("test", DRAWN, ids=lambda t: t.name)
@pytest.mark.parametrize("model", ["lkmm", "aarch64"])
def test_a_picture_has_every_statement_and_arrow_inside_it_and_none_twice(test: ir.Test, model: str) -> None:
    found = explained(test, model)
    drawn = ElementTree.fromstring(picture([found]))
    space = "{http://www.w3.org/2000/svg}"
    width, height = float(drawn.attrib["width"]), float(drawn.attrib["height"])
    rounded = [box.attrib for box in drawn.iter(f"{space}rect") if "rx" in box.attrib]
    boxes = [tuple(float(box[key]) for key in ("x", "y", "width", "height")) for box in rounded]
    assert boxes
    for x, y, w, h in boxes:
        assert x >= 0 and y >= 0 and x + w <= width and y + h <= height
    for a in boxes:
        for b in boxes:
            assert a is b or a[0] + a[2] <= b[0] or b[0] + b[2] <= a[0] or a[1] + a[3] <= b[1] or b[1] + b[3] <= a[1]
    arrows = [path.attrib["d"] for path in drawn.iter(f"{space}path") if "marker-end" in path.attrib]
    assert len(arrows) == len(set(arrows))
    assert len(arrows) >= sum(len(told.edges) for told in found.cycles)
    texts = [t.text or "" for t in drawn.iter(f"{space}text")]
    for told in found.cycles:
        for edge in told.edges:
            assert edge.relation in texts
            for n in (edge.a, edge.b):
                assert any(t.endswith(statement(told.reason.found.graph.events[n])) for t in texts)
    for t in drawn.iter(f"{space}text"):
        assert 0 <= float(t.attrib["x"]) <= width and 0 <= float(t.attrib["y"]) <= height


def test_a_picture_of_a_hostile_name_is_xml() -> None:
    test = replace(shape("SB", "", ""), name='<script>&"\x1b\ud800')
    drawn = ElementTree.fromstring(picture([explained(test)]))
    assert "<script>&" in "".join(drawn.itertext())


def test_the_command_draws_one_picture_of_all(tmp_path: Path) -> None:
    path = str(LITMUS / "kvm" / "emulate-block-smp-rmb.litmus")
    done = CliRunner().invoke(cli, ["explain", "--format", "svg", "-m", "lkmm", "-m", "x86-tso", path])
    drawn = ElementTree.fromstring(done.stdout)
    said = " ".join(drawn.itertext())
    assert "emulate-block-smp-rmb under lkmm" in said
    assert "emulate-block-smp-rmb under x86-tso" in said


def test_an_explanation_is_certified_only_where_there_is_one() -> None:
    done = record(explain(shape("SB", "", ""), load_model("lkmm"), Options(timeout=1e-9)))
    assert done["observation"] == "Unknown"
    assert done["certified"] is False


def test_what_cannot_be_read_is_exit_code_2(tmp_path: Path) -> None:
    bad = tmp_path / "bad.litmus"
    bad.write_text("C bad\n{}\nP0(int *x) { smp_mbb(); }\nexists (x=1)\n")
    done = CliRunner().invoke(cli, ["explain", str(bad), str(LITMUS / "kvm" / "emulate-block-smp-rmb.litmus")])
    assert done.exit_code == 2
    assert "smp_mbb" in done.stderr
    assert "emulate-block-smp-rmb under lkmm: Never" in done.stdout


def test_a_loop_that_waits_is_explained_once_whatever_its_rounds() -> None:
    source = (
        "C T\n\n{ }\n\nP0(int *x, int *y)\n{\n\tWRITE_ONCE(*x, 1);\n\tsmp_store_release(y, 1);\n}\n\n"
        "P1(int *x, int *y)\n{\n\tint r0;\n"
        "\twhile (smp_load_acquire(y) == 0)\n\t\tcpu_relax();\n\tr0 = READ_ONCE(*x);\n}\n\nexists (1:r0=0)\n"
    )
    found = explain(library.test_in(Source("T.litmus", source)), load_model("lkmm"), Options())
    assert found.result.observation == "Never"
    said = text(found)
    assert said.count("smp_load_acquire() in line") == 1
    assert "more round" in said
