"""A gate's report as SARIF 2.1.0, for code scanning: a result for each finding, at the test's line and the kernel's.

{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "checker", "rules": […]}}, "results": […]}]}
"""

from __future__ import annotations

import hashlib
import json
import urllib.parse

from checker import __version__
from checker.campaign.gate import Finding, Report
from checker.campaign.policy import KINDS
from checker.core.source import printable
from checker.report.records import clean

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"error": "error", "block": "error", "warning": "warning", "note": "note"}


def sarif(report: Report) -> str:
    """The log, as text."""
    rules = [
        {"id": kind, "shortDescription": {"text": about}, "defaultConfiguration": {"level": "warning"}}
        for kind, about in KINDS.items()
    ]
    driver = {"name": "checker", "version": __version__, "semanticVersion": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": report.code != 2, "exitCode": report.code}],
        "results": [_result(finding) for finding in report.findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"


def _result(finding: Finding) -> dict[str, object]:
    text = "\n".join([finding.message, *finding.detail])
    if finding.model:
        text = f"{finding.model}: {text}"
    places = [_place(*finding.kernel)] if finding.kernel else []
    places += [_place(finding.path, finding.line)] if finding.path else []
    made: dict[str, object] = {
        "ruleId": finding.kind,
        "ruleIndex": list(KINDS).index(finding.kind),
        "level": LEVELS[finding.level],
        "message": {"text": "\n".join(printable(clean(line)) for line in text.split("\n"))},
        "partialFingerprints": {"checker/v1": _print(finding)},
    }
    if places:
        made["locations"] = places[:1]
        if places[1:]:
            made["relatedLocations"] = [{**place, "id": i} for i, place in enumerate(places[1:], 1)]
    return made


def _place(path: str, line: int) -> dict[str, object]:
    uri = urllib.parse.quote(clean(path).replace("\\", "/").removeprefix("./"), safe="/")
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": max(1, line)}}}


def _print(finding: Finding) -> str:
    """What stays the same when lines move."""
    kernel = finding.kernel[0] if finding.kernel else ""
    parts = (finding.kind, finding.path, finding.model, kernel, finding.message)
    return hashlib.sha256("\0".join(map(clean, parts)).encode()).hexdigest()[:32]
