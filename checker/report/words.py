"""What a gate's report says, in words that every format shares.

verdict_line(report)    "blocked: 88 verdicts, 87 as expected, 1 blocked"
"""

from __future__ import annotations

from collections import Counter

from checker.campaign.gate import Finding, Report
from checker.campaign.verdicts import Row
from checker.core.source import printable
from checker.report.records import clean

WORDS = {"error": "error", "block": "blocked", "warning": "warning", "note": "note"}


def one_line(text: str) -> str:
    """`text` on one line, printable."""
    return " ".join(printable(clean(text)).split())


def place(finding: Finding) -> str:
    """Where a finding is: the kernel's line where there is one, else the test's."""
    if finding.kernel is not None:
        return f"{finding.kernel[0]}:{finding.kernel[1]}"
    return f"{finding.path}:{finding.line}" if finding.path else ""


def details(finding: Finding) -> list[str]:
    """What there is to say of a finding beyond its message: the execution, the cycle that was forbidden, what would mend it."""
    was = finding.opened
    reason = [f"without the patch {was}", *[f"P{step.tid} {step}" for step in was.steps]] if was is not None else []
    return [*finding.detail, *reason, *[f"repair: {finding.repair}"] * bool(finding.repair)]


def verdict_line(report: Report) -> str:
    """One sentence: what comes out, and why."""
    levels = Counter(finding.level for finding in report.findings)
    cached = sum(one.cached for one in report.rows)
    met = sum(1 for one in report.rows if one.expected and not one.unmet and not one.error and not one.undecided)
    head = {0: "passed", 1: "blocked", 2: "error"}[report.code]
    total = len(report.rows)
    said = [f"{head}: {total} verdict{'' if total == 1 else 's'}, {met} as expected"]
    said += [f"{levels[level]} {WORDS[level]}" for level in ("error", "block", "warning") if levels[level]]
    said += [f"{cached} from the cache"] if cached else []
    if report.unasked:
        said.append("the rest of the baseline not looked at")
    return ", ".join(said)


def shown_verdict(one: Row) -> str:
    """The verdict in a cell."""
    return "error" if one.error else one.said.replace("DATARACE", "race")
