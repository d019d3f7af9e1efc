"""A gate's report, in the format asked for. Each format is a pure function of the report.

render("sarif", report)    '{"$schema": …'

Text from outside (names of files and tests, error messages) is made harmless for where it goes: a terminal, XML, Markdown,
a workflow's log.
"""

from __future__ import annotations

import json
import secrets

from checker.campaign.gate import Finding, Report
from checker.campaign.verdicts import Row
from checker.report.blocks import View, table
from checker.report.records import clean
from checker.report.words import verdict_line

PLAIN = View()
MAIL = View(width=72, unicode=False)


def render(name: str, report: Report, view: View = PLAIN) -> str:
    """The report as text, in a format."""
    match name:
        case "table":
            text = table(report, view)
            return _unheard(text) if view.guarded else text
        case "text":
            return table(report, MAIL)
        case "junit":
            from checker.report.junit import junit

            return junit(report)
        case "sarif":
            from checker.report.sarif import sarif

            return sarif(report)
        case "github":
            from checker.report.github import commands

            return commands(report)
        case "markdown":
            from checker.report.markdown import markdown

            return markdown(report)
    return as_json(report)


def _unheard(text: str) -> str:
    """`text` for the log of a GitHub job, in which no line is taken for a workflow command."""
    token = secrets.token_hex(16)
    return f"::stop-commands::{token}\n{text}::{token}::\n"


# ---------------------------------------------------------------- JSON


def as_json(report: Report) -> str:
    """Everything, for programs: schema in docs/gate.md."""
    made = {
        "format": 1,
        "code": report.code,
        "summary": verdict_line(report),
        "models": dict(sorted(report.models.items())),
        "seconds": round(report.seconds, 3),
        "unasked": report.unasked,
        "rows": [_row(one) for one in report.rows],
        "findings": [_finding(finding) for finding in report.findings],
    }
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _row(one: Row) -> dict[str, object]:
    return {
        "path": clean(one.path), "line": one.line, "test": clean(one.test), "model": clean(one.model), "verdict": one.verdict,
        "race": one.race, "flags": [clean(flag) for flag in one.flags], "expected": clean(one.expected) or None,
        "unmet": clean(one.unmet) or None, "reason": clean(one.reason) or None, "error": clean(one.error) or None,
        "seconds": one.seconds, "cached": one.cached,
    }  # fmt: skip


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "kind": finding.kind, "level": finding.level, "message": clean(finding.message), "path": clean(finding.path),
        "line": finding.line, "model": clean(finding.model) or None, "test": clean(finding.test) or None,
        "kernel": None if finding.kernel is None else {"path": clean(finding.kernel[0]), "line": finding.kernel[1]},
        "detail": [clean(line) for line in finding.detail], "column": finding.column, "litmus": clean(finding.litmus) or None,
        "change": clean(finding.change) or None, "why": clean(finding.why) or None, "repair": clean(finding.repair) or None,
        "functions": {f"P{tid}": clean(name) for tid, name in finding.functions},
        "reason": None if finding.opened is None else {
            "axiom": clean(finding.opened.axiom),
            "cycle": [{"process": f"P{s.tid}", "line": s.line, "text": clean(f"{s.what}{s.origin}")} for s in finding.opened.steps],
        },
    }  # fmt: skip
