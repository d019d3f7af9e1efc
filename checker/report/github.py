"""A gate's findings as GitHub workflow commands: annotations beside the lines of a pull request.

::error file=litmus/kvm/a.litmus,line=4,col=4,title=checker%3A unexpected::lkmm: expected Never, got Sometimes

In the text %, CR and LF are escaped, in a property : and , too (actions/toolkit, packages/core/src/command.ts).
"""

from __future__ import annotations

from checker.campaign.gate import Finding, Report
from checker.core.source import printable
from checker.report.records import clean
from checker.report.words import details

COMMANDS = {"error": "error", "block": "error", "warning": "warning", "note": "notice"}
MOST = 50


def commands(report: Report) -> str:
    """The commands, at most as many as GitHub shows."""
    told = [_command(finding) for finding in report.findings if finding.level != "note"]
    left = len(told) - MOST
    more = [f"::notice title=checker::{left} more findings are in the log\n"] if left > 0 else []
    return "".join(told[:MOST] + more)


def _command(finding: Finding) -> str:
    text = "\n".join([finding.message, *details(finding)])
    path, line = finding.kernel or (finding.path, finding.line)
    column = 1 if finding.kernel else finding.column
    properties = {"title": f"checker: {finding.kind}"}
    if path:
        properties = {"file": path, "line": str(max(1, line)), "col": str(max(1, column)), **properties}
    told = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    head = f"{finding.model}: " if finding.model else ""
    return f"::{COMMANDS[finding.level]} {told}::{_data(head + text)}\n"


def _data(text: str) -> str:
    text = "\n".join(printable(clean(line)) for line in text.split("\n"))
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
