"""A gate's report as Markdown: for a job's page, or for a mail reply.

**blocked**: 88 verdicts, 87 as expected, 1 blocked

| | what | where | model | why |
"""

from __future__ import annotations

import re

from checker.campaign.gate import Finding, Report
from checker.report.words import WORDS, details, one_line, place, shown_verdict, verdict_line

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~&@:/$-])")
MOST = 200


def markdown(report: Report) -> str:
    """The summary, the findings, and every verdict folded away."""
    head, _, rest = verdict_line(report).partition(":")
    parts = [f"### checker gate: {head}", "", rest.strip(), ""]
    if report.findings:
        parts += ["| | what | where | model | why |", "|---|---|---|---|---|"]
        parts += [_line(finding) for finding in report.findings[:MOST]]
        if report.findings[MOST:]:
            parts.append(f"| | | | | {len(report.findings) - MOST} more |")
        parts.append("")
    if report.rows:
        parts += ["<details><summary>All verdicts</summary>", "", "| test | model | verdict | expected |", "|---|---|---|---|"]
        parts += [
            f"| {code(one.path)} | {text(one.model)} | {text(shown_verdict(one))} | {text(one.expected or '–')} |"
            for one in report.rows
        ]
        parts += ["", "</details>", ""]
    return "\n".join(parts)


def _line(finding: Finding) -> str:
    why = "<br>".join([text(finding.message), *[code(line) for line in details(finding) if line.strip()]])
    return f"| {WORDS[finding.level]} | {finding.kind} | {code(place(finding))} | {text(finding.model)} | {why} |"


def text(said: str) -> str:
    """`said` as plain words: nothing in it is markup, a link or a mention."""
    return _SPECIAL.sub(r"\\\1", one_line(said)).replace("\\<", "&lt;").replace("\\>", "&gt;").replace("\\&", "&amp;")


def code(said: str) -> str:
    """`said` as code, in a cell of a table."""
    plain = one_line(said).replace("|", "\\|")
    if not plain:
        return ""
    fence = "`" * (1 + max([0, *[len(run) for run in re.findall("`+", plain)]]))
    pad = " " if "`" in plain else ""
    return f"{fence}{pad}{plain}{pad}{fence}"
