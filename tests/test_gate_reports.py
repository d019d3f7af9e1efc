"""The reports of the gate: each valid for its readers, whatever the names in it are."""

from __future__ import annotations

import html
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import jsonschema
import junitparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from checker.campaign.gate import Finding, Report
from checker.campaign.policy import KINDS
from checker.campaign.verdicts import Row
from checker.campaign.witness import Opened, Step, opened
from checker.check import Options
from checker.core.source import Source
from checker.insight.explanation import explain
from checker.library import load_model
from checker.library import test_in as a_litmus_test
from checker.report.blocks import View
from checker.report.gate import render
from checker.report.markdown import text as plain_words
from checker.report.words import one_line, verdict_line

TEXT = {"type": "string"}
LINE = {"type": "integer", "minimum": 1}


def closed(required: dict[str, object], **optional: object) -> dict[str, object]:
    """An object with these fields and no others."""
    return {
        "type": "object", "additionalProperties": False, "required": list(required), "properties": {**required, **optional},
    }  # fmt: skip


RELATIVE = {"type": "string", "pattern": r"^(?![A-Za-z][A-Za-z0-9+.-]*:)(?!/)(?!(.*/)?\.{1,2}(/|$))[!#-\[\]_a-z~%]+$"}
PLACE = closed(
    {
        "physicalLocation": closed(
            {
                "artifactLocation": closed({"uri": RELATIVE}),
                "region": closed({"startLine": LINE, "startColumn": LINE, "endLine": LINE, "endColumn": LINE}),
            }
        )
    },
    id={"type": "integer", "minimum": 0},
    message=closed({"text": TEXT}),
)
MESSAGE = closed({"text": {"type": "string", "minLength": 1}})
FLOW = closed(
    {
        "threadFlows": {
            "type": "array",
            "minItems": 1,
            "items": closed(
                {
                    "id": TEXT,
                    "message": MESSAGE,
                    "locations": {"type": "array", "minItems": 1, "items": closed({"location": PLACE})},
                }
            ),
        }
    }
)
LEVEL = {"enum": ["none", "note", "warning", "error"]}
SARIF = closed(
    {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": closed(
                {
                    "tool": closed(
                        {
                            "driver": closed(
                                {
                                    "name": TEXT,
                                    "version": TEXT,
                                    "semanticVersion": {"type": "string", "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": closed(
                                            {
                                                "id": TEXT,
                                                "name": {"type": "string", "pattern": "^[A-Z][A-Za-z]+$"},
                                                "shortDescription": MESSAGE,
                                                "fullDescription": MESSAGE,
                                                "help": MESSAGE,
                                                "defaultConfiguration": closed({"level": LEVEL}),
                                                "properties": closed({"tags": {"type": "array", "items": TEXT, "maxItems": 10}}),
                                            }
                                        ),
                                    },
                                }
                            )
                        }
                    ),
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "invocations": {
                        "type": "array",
                        "items": closed({"executionSuccessful": {"type": "boolean"}, "exitCode": {"type": "integer"}}),
                    },
                    "results": {
                        "type": "array",
                        "items": closed(
                            {
                                "ruleId": TEXT,
                                "ruleIndex": {"type": "integer", "minimum": -1},
                                "level": {"enum": ["warning", "error"]},
                                "message": MESSAGE,
                                "partialFingerprints": {"type": "object", "additionalProperties": TEXT},
                                "locations": {"type": "array", "items": PLACE, "minItems": 1, "maxItems": 1},
                            },
                            relatedLocations={"type": "array", "uniqueItems": True, "items": PLACE},
                            codeFlows={"type": "array", "items": FLOW},
                        ),
                    },
                }
            ),
        },
    }
)
"""The part of the SARIF 2.1.0 schema that the reports use; fields are the standard's; required is what code scanning requires."""

JUNIT = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, set(), {"testsuite"}),
    "testsuite": (
        {
            "name",
            "tests",
            "failures",
            "errors",
            "group",
            "time",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
            "file",
            "log",
            "url",
        },
        {"name", "tests", "failures", "errors"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": ({"name", "time", "classname", "group"}, {"name"}, {"skipped", "error", "failure", "system-out", "system-err"}),
    "failure": ({"type", "message"}, set(), set()),
    "error": ({"type", "message"}, set(), set()),
    "system-out": (set(), set(), set()),
}
"""What jenkinsci/xunit-plugin's junit-10.xsd says of elements: which attributes, which of them must be, which elements inside."""
TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")

MAYBE = {"type": ["string", "null"]}
JSON = closed(
    {
        "format": {"const": 1},
        "code": {"enum": [0, 1, 2]},
        "summary": TEXT,
        "models": {"type": "object", "additionalProperties": TEXT},
        "seconds": {"type": "number"},
        "unasked": {"type": "integer", "minimum": 0},
        "rows": {
            "type": "array",
            "items": closed(
                {
                    "path": TEXT, "line": LINE, "test": TEXT, "model": TEXT, "verdict": TEXT, "race": {"type": "boolean"},
                    "flags": {"type": "array", "items": TEXT}, "expected": MAYBE, "unmet": MAYBE, "reason": MAYBE,
                    "error": MAYBE, "seconds": {"type": "number"}, "cached": {"type": "boolean"},
                }
            ),
        },
        "findings": {
            "type": "array",
            "items": closed(
                {
                    "kind": {"enum": list(KINDS)}, "level": {"enum": ["error", "block", "warning", "note"]}, "message": TEXT,
                    "path": TEXT, "line": LINE, "model": MAYBE, "test": MAYBE, "detail": {"type": "array", "items": TEXT},
                    "kernel": {"oneOf": [{"type": "null"}, closed({"path": TEXT, "line": LINE})]},
                    "column": LINE, "change": MAYBE, "why": MAYBE, "repair": MAYBE, "litmus": MAYBE,
                    "functions": {"type": "object", "additionalProperties": TEXT},
                    "reason": {
                        "oneOf": [
                            {"type": "null"},
                            closed({
                                "axiom": TEXT,
                                "cycle": {"type": "array", "items": closed({"process": TEXT, "line": LINE, "text": TEXT})},
                            }),
                        ]
                    },
                }
            ),
        },
    }
)  # fmt: skip

NASTY = st.text() | st.sampled_from(
    [
        "</testsuite><!--", "]]>", "&amp;", "\x1b[31m", "\x00", "\ud800", "a\nb", "::error::x", "%0A::error::y", "##[error]z",
        "| x | `y` <script>alert(1)</script>", "@everyone", "[a](javascript:b)", "\u202e", "a,b:c",
    ]
)  # fmt: skip
NAMES = NASTY.filter(bool)
STEPS = st.builds("P{} reads {} = 1 (line {}), from P0's line 3".format, st.integers(0, 3), NASTY, st.integers(1, 99))
ROWS = st.builds(
    Row, path=NAMES, model=NASTY, test=NASTY, verdict=st.sampled_from(["Never", "Sometimes", "Unknown"]), race=st.booleans(),
    expected=NASTY, unmet=NASTY, reason=NASTY, error=NASTY, line=st.integers(1, 99), cached=st.booleans(),
)  # fmt: skip
ON_CYCLES = st.builds(Step, st.integers(0, 3), st.integers(1, 99), NASTY, NASTY)
FINDINGS = st.builds(
    Finding, kind=st.sampled_from(list(KINDS)), level=st.sampled_from(["error", "block", "warning", "note"]), message=NAMES,
    path=NASTY, line=st.integers(1, 99), model=NASTY, test=NASTY,
    kernel=st.none() | st.tuples(NAMES, st.integers(1, 99)), detail=st.lists(NASTY | STEPS, max_size=3).map(tuple),
    change=NASTY, why=NASTY, repair=NASTY, litmus=NASTY, column=st.integers(1, 99),
    functions=st.lists(st.tuples(st.integers(0, 3), NASTY), max_size=2).map(tuple),
    opened=st.none() | st.builds(Opened, NASTY, st.lists(ON_CYCLES, max_size=3).map(tuple)),
)  # fmt: skip
REPORTS = st.builds(
    Report, rows=st.lists(ROWS, max_size=4).map(tuple), findings=st.lists(FINDINGS, max_size=4).map(tuple),
    models=st.dictionaries(st.sampled_from(["lkmm", "aarch64"]), st.just("0" * 16)), seconds=st.floats(0, 100),
)  # fmt: skip
SIGNS = {"✓", "✗", "·", "…"}
FORMATS = ("table", "text", "junit", "sarif", "github", "markdown", "json")
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@settings(max_examples=150, deadline=None)
@given(REPORTS)
def test_sarif_follows_its_schema(report: Report) -> None:
    made = json.loads(render("sarif", report))
    jsonschema.validate(made, SARIF)
    assert len(made["runs"][0]["results"]) == sum(finding.level != "note" for finding in report.findings)
    for result in made["runs"][0]["results"]:
        assert made["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    told = [finding for finding in report.findings if finding.level != "note"]
    for finding, result in zip(told, made["runs"][0]["results"], strict=True):
        places = [(*finding.kernel[1:], 1)] if finding.kernel else []
        places += [(finding.line, finding.column)] if finding.path or not places else []
        regions = [place["physicalLocation"]["region"] for place in (*result["locations"], *result.get("relatedLocations", ()))]
        assert regions == [
            {"startLine": line, "startColumn": column, "endLine": line, "endColumn": column + 1} for line, column in places
        ]
        assert [place["id"] for place in result.get("relatedLocations", ())] == [1] * (len(places) - 1)


def test_a_finding_keeps_its_fingerprint_when_lines_move() -> None:
    def fingerprint(finding: Finding) -> str:
        (result,) = json.loads(render("sarif", Report((), (finding,))))["runs"][0]["results"]
        return str(result["partialFingerprints"]["checker/v1"])

    at = fingerprint(HARMFUL)
    assert at == fingerprint(replace(HARMFUL, line=99, column=9, kernel=("virt/kvm/kvm_main.c", 99), detail=(), repair=""))
    others = [
        replace(HARMFUL, kind="review"), replace(HARMFUL, path="b"), replace(HARMFUL, model="lkmm"), replace(HARMFUL, message="b"),
        replace(HARMFUL, kernel=("virt/kvm/other.c", 7)), replace(HARMFUL, kernel=None),
    ]  # fmt: skip
    assert len({at, *map(fingerprint, others)}) == 1 + len(others)


def spelled(one: Finding | Row) -> dict[str, object]:
    """The fields by their names in JSON, null for a text that says nothing."""
    made: dict[str, Any] = {name: plain(value) for name, value in asdict(one).items()}
    if isinstance(one, Finding):
        made["kernel"] = {"path": made["kernel"][0], "line": made["kernel"][1]} if one.kernel else None
        made["functions"] = {f"P{tid}": plain(name) for tid, name in one.functions}
        del made["opened"]
        steps = one.opened.steps if one.opened is not None else ()
        cycle = [{"process": f"P{step.tid}", "line": step.line, "text": plain(f"{step.what}{step.origin}")} for step in steps]
        made["reason"] = {"axiom": plain(one.opened.axiom), "cycle": cycle} if one.opened is not None else None
        maybe = ("model", "test", "change", "why", "repair", "litmus")
    else:
        del made["code"], made["column"]
        maybe = ("expected", "unmet", "reason", "error")
    return made | {name: made[name] or None for name in maybe}


def plain(value: object) -> object:
    """As JSON has it: text without what is no Unicode, lists."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return [plain(one) for one in value] if isinstance(value, tuple) else value


@settings(max_examples=150, deadline=None)
@given(REPORTS)
def test_json_follows_its_schema(report: Report) -> None:
    made = json.loads(render("json", report))
    jsonschema.validate(made, JSON)
    assert made["findings"] == [spelled(finding) for finding in report.findings]
    assert made["rows"] == [spelled(row) for row in report.rows]


@settings(max_examples=150, deadline=None)
@given(REPORTS)
def test_junit_is_read_by_those_who_read_junit(report: Report) -> None:
    text = render("junit", report)
    suites = junitparser.JUnitXml.fromroot(ElementTree.fromstring(text.encode()))
    cases = [case for suite in suites for case in suite]
    bad = [f for f in report.findings if f.level in ("error", "block")]
    assert sum(suite.tests for suite in suites) == len(cases) >= len(report.rows)
    assert bool(bad) == any(case.result for case in cases)
    for kind, count in (("failure", "failures"), ("error", "errors")):
        assert sum(getattr(suite, count) for suite in suites) == text.count(f"<{kind} ")
    assert bool(text.count("<error ")) == any(finding.level == "error" for finding in bad)
    for element in ElementTree.parse(BytesIO(text.encode())).iter():
        allowed, required, inside = JUNIT[element.tag]
        assert required <= set(element.keys()) <= allowed
        assert {inner.tag for inner in element} <= inside
        assert element.tag == "testcase" or TIME.fullmatch(element.get("time", ""))


@settings(max_examples=150, deadline=None)
@given(REPORTS)
def test_annotations_are_commands_of_ours_and_no_others(report: Report) -> None:
    lines = render("github", report).split("\n")
    assert lines.pop() == ""
    told = [f for f in report.findings if f.level != "note"]
    assert len(lines) == len(told)
    for line in lines:
        assert re.fullmatch(r"::(error|warning) (file=[^,:\n]*,line=\d+,col=\d+,)?title=checker%3A [a-z-]+::[^\n\r]*", line), line


@settings(max_examples=150, deadline=None)
@given(REPORTS)
def test_an_annotation_stands_where_the_finding_does(report: Report) -> None:
    """Read as actions/runner reads it: properties are separated by commas, and unescaped."""
    told = [finding for finding in report.findings if finding.level != "note"]
    for finding, line in zip(told, render("github", report).split("\n"), strict=False):
        command, properties, text = re.fullmatch(r"::(\w+) (.*?)::(.*)", line).groups()  # type: ignore[union-attr]
        assert command == ("warning" if finding.level == "warning" else "error")
        assert text.startswith(f"{finding.model}: ".replace("%", "%25")) or not finding.model.isalnum()
        found = {name: unquote(value) for name, value in (one.split("=", 1) for one in properties.split(","))}
        assert found.pop("title") == f"checker: {finding.kind}"
        found.pop("file", "")
        path, at, column = (*finding.kernel, 1) if finding.kernel else (finding.path, finding.line, finding.column)
        assert found == ({"line": str(at), "col": str(column)} if path else {})


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 53])
def test_a_workflow_gets_as_many_annotations_as_it_shows(count: int) -> None:
    note = Finding("skeleton", "note", "for information")
    lines = render("github", Report((), (note, *[replace(HARMFUL, line=n) for n in range(count)]))).splitlines()
    assert len(lines) == min(count, 51)
    assert lines[50:] == [f"::notice title=checker::{count - 50} more findings are in the log"] * (count > 50)


@settings(max_examples=150, deadline=None)
@given(REPORTS)
def test_a_table_in_a_workflow_gives_no_commands(report: Report) -> None:
    first, *inside, last, end = render("table", report, View(guarded=True)).split("\n")
    token = first.removeprefix("::stop-commands::")
    assert (last, end) == (f"::{token}::", "")
    assert not any(token in line for line in inside)


@settings(max_examples=150, deadline=None)
@given(REPORTS, st.sampled_from(FORMATS))
def test_no_control_character_comes_through(report: Report, name: str) -> None:
    text = render(name, report)
    if name == "json":  # JSON spells them
        text = "".join(text.split("\\u"))
        assert not re.search("[\x00-\x08\x0b-\x1f]", text)
    elif name != "junit":
        assert not CONTROLS.search(text), text
    text.encode()  # and it is Unicode


@settings(max_examples=150, deadline=None)
@given(REPORTS)
def test_markdown_has_no_markup_of_strangers(report: Report) -> None:
    text = render("markdown", report)
    outside = re.sub(r"(?<![`\\])(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    tags = re.findall(r"<[^>]*>", outside)
    assert set(tags) <= {"<br>", "<details>", "</details>", "<summary>", "</summary>"}
    assert not re.search(r"(?<!\\)@\w|(?<!\\)\[|\]\(", outside), outside
    rows = [line for line in text.split("\n") if line.startswith("| ") and "---" not in line]
    assert all(line.endswith("|") for line in rows)


@pytest.mark.parametrize("name", FORMATS)
def test_two_reports_of_the_same_are_the_same(name: str) -> None:
    row = Row("litmus/a.litmus", "lkmm", "a", "Never", expected="Never")
    finding = Finding("harmful", "block", "no", "litmus/a.litmus", kernel=("virt/kvm/kvm_main.c", 7), detail=("P0 stores",))
    report = Report((row,), (finding,), {"lkmm": "0"}, 0.5)
    assert render(name, report) == render(name, report)


def test_sarif_names_the_kernel_line_and_the_line_of_the_test() -> None:
    finding = Finding("harmful", "block", "no", "litmus/a.litmus", 4, kernel=("virt/kvm/kvm_main.c", 7))
    (result,) = json.loads(render("sarif", Report((), (finding,))))["runs"][0]["results"]
    where = [place["physicalLocation"] for place in (*result["locations"], *result["relatedLocations"])]
    assert [(w["artifactLocation"]["uri"], w["region"]["startLine"]) for w in where] == [
        ("virt/kvm/kvm_main.c", 7), ("litmus/a.litmus", 4),
    ]  # fmt: skip


def test_reports_go_to_files_and_a_workflow_gets_annotations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from checker.cli import cli

    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.litmus").write_text("C bad\n(* Result: Never *)\n{}\nP0(int *x)\n{\n\tWRITE_ONCE(*x, 1);\n}\nexists (x=1)\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    args = ["gate", "bad.litmus", "--no-cache", "-j", "1", "--output", "junit=j.xml", "--output", "sarif=s.sarif"]
    made = CliRunner().invoke(cli, args)
    assert made.exit_code == 1
    assert "::error file=bad.litmus,line=2,col=12,title=checker%3A unexpected::lkmm: expected Never, got Always" in made.stdout
    assert "blocked" in (tmp_path / "summary.md").read_text()
    jsonschema.validate(json.loads((tmp_path / "s.sarif").read_text()), SARIF)
    assert junitparser.JUnitXml.fromfile(str(tmp_path / "j.xml")).failures == 1


def test_a_finding_that_is_about_no_file_has_a_location_too() -> None:
    made = json.loads(render("sarif", Report((), (Finding("error", "error", "there is nothing to check"),))))
    jsonschema.validate(made, SARIF)
    (result,) = made["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "checker.toml"


def test_a_path_is_told_relative_to_the_folder_that_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = {}
    for path in (f"{tmp_path}/a b.litmus", "./x/../y.litmus", "/elsewhere/z.litmus", "../up.litmus", "http://x", "c:d"):
        (result,) = json.loads(render("sarif", Report((), (Finding("error", "error", "no", path),))))["runs"][0]["results"]
        told[path.replace(str(tmp_path), "HERE")] = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert told == {
        "HERE/a b.litmus": "a%20b.litmus", "./x/../y.litmus": "y.litmus", "/elsewhere/z.litmus": "elsewhere/z.litmus",
        "../up.litmus": "up.litmus", "http://x": "http%3A/x", "c:d": "c%3Ad",
    }  # fmt: skip


HARMFUL = Finding(
    "harmful", "block", "a becomes b: this allows: bad (1:seen=1 /\\ 1:found=0)", "litmus/a.litmus", 4, "lkmm, aarch64", "a",
    ("virt/kvm/kvm_main.c", 7), ("- a", "+ b", "in the end 1:found=0, 1:seen=1:", *[
        "P0 stores x := 1 (line 31)", "P1 reads y = 1 (line 40), from P0's line 32", "P1 reads x = 0 (line 41), its first value",
    ]), "a becomes b", "this allows: bad (1:seen=1 /\\ 1:found=0)", ((0, "kvm_a"), (1, "kvm_b")),
)  # fmt: skip


def test_an_execution_is_a_code_flow_with_a_thread_for_each_process() -> None:
    made = json.loads(render("sarif", Report((), (HARMFUL,))))
    jsonschema.validate(made, SARIF)
    (flow,) = made["runs"][0]["results"][0]["codeFlows"]
    told = {
        thread["message"]["text"]: [
            (where["location"]["physicalLocation"]["region"]["startLine"], where["location"]["message"]["text"])
            for where in thread["locations"]
        ]
        for thread in flow["threadFlows"]
    }
    assert told == {
        "P0 kvm_a()": [(31, "P0 kvm_a() stores x := 1 (line 31)")],
        "P1 kvm_b()": [
            (40, "P1 kvm_b() reads y = 1 (line 40), from P0's line 32"),
            (41, "P1 kvm_b() reads x = 0 (line 41), its first value"),
        ],
    }


def test_a_witness_is_an_execution_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each read has what its origin stored; nobody is told of the index that an SRCU section hands on."""
    from checker import check, load_model, load_test
    from checker.campaign import witness

    root, long = Path(__file__).resolve().parent.parent / "litmus", 0
    for file in sorted(root.rglob("*.litmus"))[::3]:
        result, text = check(load_test(file), load_model("lkmm")), file.read_text().split("\n")
        lines = witness.witness(result)
        found = witness.steps(lines)
        assert [f"P{step.tid} {step}" for step in found] == [line for line in lines if line.startswith("P")]
        assert bool(witness.final_state(lines)) == bool(lines)
        assert [step.tid for step in found] == sorted(step.tid for step in found)
        stored = {(step.tid, step.line, step.what.removeprefix("stores ")) for step in found if step.what.startswith("stores ")}
        for step in found:
            assert not re.search(r"srcu_(down_)?read_", text[step.line - 1])
            if step.what.startswith("reads ") and step.origin != ", its first value":
                origin = re.fullmatch(r", from P(\d+)'s line (\d+)", step.origin)
                assert origin is not None
                place, value = step.what.removeprefix("reads ").split(" = ")
                assert (int(origin[1]), int(origin[2]), f"{place} := {value}") in stored
        for most in {len(found) + 1, len(found), len(found) - 1, 1} if len(found) > 1 else ():
            monkeypatch.setattr(witness, "MOST", most)
            left, long = len(found) - most, long + 1
            short = witness.witness(result)
            assert short == (*lines[: len(lines) - max(0, left)], *[f"… {left} more"] * (left > 0))
            monkeypatch.undo()
    assert long > 50


# ---------------------------------------------------------------- for people


def test_a_blocked_patch_is_said_in_ten_lines_with_what_matters_first() -> None:
    other = replace(HARMFUL, path="litmus/other.litmus", test="other", detail=("- c",))
    same = replace(HARMFUL, kind="harmless", level="note", model="x86-tso", detail=(), message="a becomes b: still impossible")
    told = Finding("skeleton", "note", "a becomes b: a, other", kernel=HARMFUL.kernel)
    report = Report((), (HARMFUL, other, told, same, replace(same, test="other")))
    assert (
        render("table", report, View(width=80))
        == """✗ harmful  virt/kvm/kvm_main.c:7
  a becomes b
  this allows: bad (1:seen=1 /\\ 1:found=0)
  under lkmm, aarch64; test litmus/a.litmus:4
    P0 kvm_a() stores x := 1 (line 31)
    P1 kvm_b() reads y = 1 (line 40), from P0's line 32
    P1 kvm_b() reads x = 0 (line 41), its first value
  1 more test says so: other

· unchanged  under x86-tso: a, other

blocked: 0 verdicts, 0 as expected, 2 blocked
"""
    )


def test_the_cycle_that_was_forbidden_is_told_and_is_a_code_flow_of_its_own() -> None:
    made = Opened("happens-before (lkmm.cat:92)", (Step(0, 31, "WRITE_ONCE(*x, 1)", ", wmb by smp_wmb() in line 32"),))
    report = Report((), (replace(HARMFUL, opened=made),))
    said = "P0 WRITE_ONCE(*x, 1) (line 31), wmb by smp_wmb() in line 32"
    table = render("table", report, View(width=100))
    assert f"  without the patch happens-before (lkmm.cat:92) forbade a cycle:\n    {said}\n" in table
    for layout in ("github", "junit", "markdown", "json"):
        assert "smp_wmb() in line 32" in render(layout, report).replace("\\", "")
    log = json.loads(render("sarif", report))
    jsonschema.validate(log, SARIF)
    _, cycle = log["runs"][0]["results"][0]["codeFlows"]
    (where,) = cycle["threadFlows"][0]["locations"]
    assert where["location"]["physicalLocation"]["region"]["startLine"] == 31
    assert where["location"]["message"]["text"] == said


def test_a_repair_is_said_where_it_is_known() -> None:
    text = render("table", Report((), (replace(HARMFUL, repair="put smp_rmb() before line 9"),)), View(width=80))
    assert "\n  repair: put smp_rmb() before line 9\n" in text
    assert "repair" not in render("table", Report((), (HARMFUL,)))


@settings(max_examples=150, deadline=None)
@given(REPORTS, st.integers(20, 120))
def test_no_line_is_wider_than_the_terminal_but_for_a_word_of_its_own(report: Report, width: int) -> None:
    where = {"path": "litmus/a.litmus", "model": "lkmm", "detail": (), "kernel": None}
    for finding in report.findings:
        text = render("table", Report((), (replace(finding, **where),)), View(width=max(width, 45)))  # type: ignore[arg-type]
        for line in text.split("\n"):
            assert len(line) <= max(width, 45) or len(line.split()) <= 1, line


@settings(max_examples=150, deadline=None)
@given(REPORTS)
def test_without_a_terminal_nothing_is_wrapped_or_cut(report: Report) -> None:
    for finding in report.findings:
        text = render("table", Report((), (finding,)), View(verbose=True))
        said = [finding.change, finding.why] if finding.change and finding.why else [finding.message]
        assert finding.detail or all(one_line(part) in text for part in said)
        assert not any(line != line.rstrip() for line in text.split("\n"))


@settings(max_examples=150, deadline=None)
@given(
    REPORTS.filter(lambda report: not SIGNS & set(repr(report)))
)  # a file may be called so, and Hypothesis tries what it reads here
def test_a_mail_needs_no_unicode_of_ours(report: Report) -> None:
    assert not SIGNS & set(render("text", report))


def test_quiet_is_what_blocks_and_verbose_is_everything() -> None:
    row = Row("litmus/a.litmus", "lkmm", "a", "Never", expected="Never", cached=True)
    notes = tuple(Finding("added", "note", "the baseline does not have this test", f"litmus/{i}.litmus") for i in range(9))
    report = Report((row,), (HARMFUL, Finding("drift", "warning", "not so"), *notes))
    quiet, plain, verbose = (
        render("table", report, View(quiet=q, verbose=v)) for q, v in ((True, False), (False, False), (False, True))
    )
    assert ("drift" in quiet, "added" in quiet, "harmful" in quiet) == (False, False, True)
    assert "drift" in plain
    assert plain.count("· added") == 4
    assert "6 more" in plain
    assert verbose.count("· added") == 9
    assert "✓ litmus/a.litmus  lkmm  Never  cached" in verbose


@given(NASTY)
def test_plain_words_in_markdown_are_the_words(said: str) -> None:
    assert html.unescape(re.sub(r"\\(.)", r"\1", plain_words(said))) == one_line(said)


def test_of_all_verdicts_those_are_as_expected_that_are_decided_and_met() -> None:
    rows = (
        Row("a", "lkmm", verdict="Never", expected="Never"),
        Row("b", "lkmm", verdict="Sometimes", expected="Never", unmet="Sometimes, expected Never"),
        Row("c", "lkmm", verdict="Never"),
        Row("d", "lkmm", expected="Never", error="unreadable"),
        Row("e", "lkmm", verdict="Unknown", expected="Never"),
    )
    assert "5 verdicts, 1 as expected" in verdict_line(Report(rows, ()))


def test_reads_and_overwritings_need_no_reason_in_a_cycle() -> None:
    text = (
        "C 2+2W\n{}\nP0(int *x, int *y) { WRITE_ONCE(*x, 2); smp_mb(); WRITE_ONCE(*y, 1); }\n"
        "P1(int *x, int *y) { WRITE_ONCE(*y, 2); smp_mb(); WRITE_ONCE(*x, 1); }\nexists (x=2 /\\ y=2)\n"
    )
    found = opened(explain(a_litmus_test(Source("x.litmus", text)), load_model("lkmm"), Options()), ())
    assert found is not None
    steps = [str(step) for step in found.steps]
    assert any(step.endswith((", co", ", coe")) for step in steps), steps
    assert any(" by smp_mb()" in step for step in steps), steps
