"""The reports of the gate: each valid for its readers, whatever the names in it are."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import junitparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.campaign.gate import Finding, Report
from checker.campaign.policy import KINDS
from checker.campaign.verdicts import Row
from checker.report.gate import render

TEXT = {"type": "string"}
LINE = {"type": "integer", "minimum": 1}


def closed(required: dict[str, object], **optional: object) -> dict[str, object]:
    """An object with these fields and no others."""
    return {
        "type": "object", "additionalProperties": False, "required": list(required), "properties": {**required, **optional},
    }  # fmt: skip


PLACE = closed(
    {
        "physicalLocation": closed(
            {
                "artifactLocation": closed({"uri": {"type": "string", "pattern": r"^[!#-\[\]_a-z~%]*$"}}),
                "region": closed({"startLine": LINE}),
            }
        )
    },
    id={"type": "integer", "minimum": 0},
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
                                                "shortDescription": closed({"text": TEXT}),
                                                "defaultConfiguration": closed({"level": LEVEL}),
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
                                "level": LEVEL,
                                "message": closed({"text": {"type": "string", "minLength": 1}}),
                                "partialFingerprints": {"type": "object", "additionalProperties": TEXT},
                            },
                            locations={"type": "array", "items": PLACE},
                            relatedLocations={"type": "array", "uniqueItems": True, "items": PLACE},
                        ),
                    },
                }
            ),
        },
    }
)
"""The part of the SARIF 2.1.0 schema that the reports use; the fields are the standard's."""

MAYBE = {"type": ["string", "null"]}
JSON = closed(
    {
        "format": {"const": 1},
        "code": {"enum": [0, 1, 2]},
        "summary": TEXT,
        "models": {"type": "object", "additionalProperties": TEXT},
        "seconds": {"type": "number"},
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
ROWS = st.builds(
    Row, path=NAMES, model=NASTY, test=NASTY, verdict=st.sampled_from(["Never", "Sometimes", "Unknown"]), race=st.booleans(),
    expected=NASTY, unmet=NASTY, reason=NASTY, error=NASTY, line=st.integers(1, 99), cached=st.booleans(),
)  # fmt: skip
FINDINGS = st.builds(
    Finding, kind=st.sampled_from(list(KINDS)), level=st.sampled_from(["error", "block", "warning", "note"]), message=NAMES,
    path=NASTY, line=st.integers(1, 99), model=NASTY, test=NASTY,
    kernel=st.none() | st.tuples(NAMES, st.integers(1, 99)), detail=st.lists(NASTY, max_size=3).map(tuple),
)  # fmt: skip
REPORTS = st.builds(
    Report, rows=st.lists(ROWS, max_size=4).map(tuple), findings=st.lists(FINDINGS, max_size=4).map(tuple),
    models=st.dictionaries(st.sampled_from(["lkmm", "aarch64"]), st.just("0" * 16)), seconds=st.floats(0, 100),
)  # fmt: skip
FORMATS = ("table", "junit", "sarif", "github", "markdown", "json")
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@settings(max_examples=150, deadline=None)
@given(REPORTS)
def test_sarif_follows_its_schema(report: Report) -> None:
    made = json.loads(render("sarif", report))
    jsonschema.validate(made, SARIF)
    for result in made["runs"][0]["results"]:
        assert made["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


@settings(max_examples=150, deadline=None)
@given(REPORTS)
def test_json_follows_its_schema(report: Report) -> None:
    jsonschema.validate(json.loads(render("json", report)), JSON)


@settings(max_examples=150, deadline=None)
@given(REPORTS)
def test_junit_is_read_by_those_who_read_junit(report: Report) -> None:
    text = render("junit", report)
    suites = junitparser.JUnitXml.fromroot(ElementTree.fromstring(text.encode()))
    cases = [case for suite in suites for case in suite]
    bad = [f for f in report.findings if f.level in ("error", "block")]
    assert sum(suite.tests for suite in suites) == len(cases) >= len(report.rows)
    assert bool(bad) == any(case.result for case in cases)
    assert {element.tag for element in ElementTree.parse(BytesIO(text.encode())).iter()} <= {
        "testsuites", "testsuite", "testcase", "failure", "error", "system-out",
    }  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(REPORTS)
def test_annotations_are_commands_of_ours_and_no_others(report: Report) -> None:
    lines = render("github", report).split("\n")
    assert lines.pop() == ""
    told = [f for f in report.findings if f.level != "note"]
    assert len(lines) == len(told)
    for line in lines:
        assert re.fullmatch(r"::(error|warning) (file=[^,:\n]*,line=\d+,)?title=checker%3A [a-z-]+::[^\n\r]*", line), line


@settings(max_examples=150, deadline=None)
@given(REPORTS)
def test_a_table_in_a_workflow_gives_no_commands(report: Report) -> None:
    first, *inside, last, end = render("table", report, quiet=True).split("\n")
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
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
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
    assert "::error file=bad.litmus,line=2,title=checker%3A unexpected::lkmm: expected Never, got Always" in made.stdout
    assert "blocked" in (tmp_path / "summary.md").read_text()
    jsonschema.validate(json.loads((tmp_path / "s.sarif").read_text()), SARIF)
    assert junitparser.JUnitXml.fromfile(str(tmp_path / "j.xml")).failures == 1
