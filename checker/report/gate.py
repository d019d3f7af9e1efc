"""A gate's report, in the format asked for. Each format is a pure function of the report.

render("sarif", report)    '{"$schema": …'

Text from outside (names of files and tests, error messages) is made harmless for where it goes: a terminal, XML, Markdown,
a workflow's log.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from checker.campaign.gate import Finding, Report
from checker.campaign.verdicts import Row
from checker.core.source import printable
from checker.report.records import clean

SIGNS = {"error": "✗", "block": "✗", "warning": "!", "note": "·"}
STYLES = {"error": "bold red", "block": "bold red", "warning": "yellow", "note": "dim"}
WORDS = {"error": "error", "block": "blocked", "warning": "warning", "note": "note"}


def render(name: str, report: Report, *, quiet: bool = False, width: int = 132, colour: bool = False) -> str:
    """The report as text. `quiet`: where a workflow reads commands from the log, what the table says is no command."""
    match name:
        case "table":
            text = table(report, width=width, colour=colour)
            return _unheard(text) if quiet else text
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


# ---------------------------------------------------------------- words


def one_line(text: str) -> str:
    """`text` on one line, printable."""
    return " ".join(printable(clean(text)).split())


def place(finding: Finding) -> str:
    """Where a finding is: the kernel's line where there is one, else the test's."""
    if finding.kernel is not None:
        return f"{finding.kernel[0]}:{finding.kernel[1]}"
    return f"{finding.path}:{finding.line}" if finding.path else ""


def verdict_line(report: Report) -> str:
    """One sentence: what comes out, and why."""
    levels = Counter(finding.level for finding in report.findings)
    cached = sum(one.cached for one in report.rows)
    met = sum(1 for one in report.rows if one.expected and not one.unmet and not one.error and one.verdict != "Unknown")
    head = {0: "passed", 1: "blocked", 2: "error"}[report.code]
    total = len(report.rows)
    said = [f"{head}: {total} verdict{'' if total == 1 else 's'}, {met} as expected"]
    said += [f"{levels[level]} {WORDS[level]}" for level in ("error", "block", "warning") if levels[level]]
    said += [f"{cached} from the cache"] if cached else []
    if report.unasked:
        said.append(f"{report.unasked} test{'' if report.unasked == 1 else 's'} of the baseline not looked at")
    return ", ".join(said)


def shown_verdict(one: Row) -> str:
    """The verdict in a cell."""
    return "error" if one.error else one.said.replace("DATARACE", "race")


# ---------------------------------------------------------------- table


def table(report: Report, *, width: int, colour: bool) -> str:
    """Findings first, then the sum. What is as expected is counted, not listed."""
    made = StringIO()
    screen = Console(file=made, width=width, highlight=False, markup=False, emoji=False, force_terminal=colour, no_color=not colour)
    if report.findings:
        grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=True)
        for head in ("", "what", "where", "model", "why"):
            grid.add_column(head, overflow="fold", no_wrap=head in ("", "what", "model"))
        for finding in report.findings:
            style = STYLES[finding.level]
            why = "\n".join([one_line(finding.message), *[printable(clean(line)) for line in finding.detail]])
            cells = (SIGNS[finding.level], finding.kind, one_line(place(finding)), one_line(finding.model))
            grid.add_row(*[Text(cell, style=style) for cell in cells], Text(why))
        screen.print(grid)
        screen.print()
    screen.print(Text(verdict_line(report), style="bold" if report.code else "green"))
    return "\n".join([line.rstrip() for line in made.getvalue().split("\n")])


# ---------------------------------------------------------------- JSON


def as_json(report: Report) -> str:
    """Everything, for programs: schema in docs/gate.md."""
    made = {
        "format": 1,
        "code": report.code,
        "summary": verdict_line(report),
        "models": dict(sorted(report.models.items())),
        "seconds": round(report.seconds, 3),
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
        "detail": [clean(line) for line in finding.detail],
    }  # fmt: skip
