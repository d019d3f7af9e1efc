"""A gate's report as SARIF 2.1.0, for code scanning: a result for each finding, at the kernel's line or the test's.

What code scanning asks for beyond the standard: every result has a location, with a relative URI and a whole region; rules have
help. Notes are left out: nothing is to be done about them. An execution is a code flow with a thread flow for each process.

{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "checker", "rules": […]}}, "results": […]}]}
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import urllib.parse

from checker import __version__
from checker.campaign.gate import Finding, Report
from checker.campaign.policy import HELP, KINDS, Policy
from checker.campaign.witness import Opened, Step, steps
from checker.core.source import printable
from checker.report.records import clean
from checker.report.words import details

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"error": "error", "block": "error", "warning": "warning", "note": "note"}
NOWHERE = "checker.toml"
"""Where a finding is shown that is about no file: what is checked is said there."""


def sarif(report: Report) -> str:
    """The log, as text."""
    driver = {
        "name": "checker", "version": __version__, "semanticVersion": __version__, "rules": [_rule(kind) for kind in KINDS],
    }  # fmt: skip
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": report.code != 2, "exitCode": report.code}],
        "results": [_result(finding) for finding in report.findings if finding.level != "note"],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"


def _rule(kind: str) -> dict[str, object]:
    about, level = KINDS[kind], LEVELS[Policy().level(kind)]
    return {
        "id": kind, "name": "".join(word.capitalize() for word in kind.split("-")),
        "shortDescription": {"text": about}, "fullDescription": {"text": f"{about[0].upper()}{about[1:]}."},
        "help": {"text": HELP[kind]}, "defaultConfiguration": {"level": level}, "properties": {"tags": ["memory-model"]},
    }  # fmt: skip


def _result(finding: Finding) -> dict[str, object]:
    text = "\n".join([finding.message, *details(finding)])
    if finding.model:
        text = f"{finding.model}: {text}"
    places = [_place(*finding.kernel, 1)] if finding.kernel else []
    places += [_place(finding.path, finding.line, finding.column)] if finding.path or not places else []
    made: dict[str, object] = {
        "ruleId": finding.kind,
        "ruleIndex": list(KINDS).index(finding.kind),
        "level": LEVELS[finding.level],
        "message": {"text": _text(text)},
        "locations": places[:1],
        "partialFingerprints": {"checker/v1": _print(finding)},
    }
    if places[1:]:
        made["relatedLocations"] = [{**place, "id": i} for i, place in enumerate(places[1:], 1)]
    threads = sorted({step.tid for step in steps(finding.detail)})
    flows: list[dict[str, object]] = []
    if threads:
        flows.append({"threadFlows": [_thread(finding, tid) for tid in threads]})
    if finding.opened is not None and finding.opened.steps:
        flows.append(_cycle(finding, finding.opened))
    if flows:
        made["codeFlows"] = flows
    return made


def _cycle(finding: Finding, opened: Opened) -> dict[str, object]:
    """The cycle that the model forbade without the patch, from access to access."""
    places = [{"location": _at(finding, step, f"P{step.tid} {step}")} for step in opened.steps]
    return {"threadFlows": [{"id": "cycle", "message": {"text": _text(f"without the patch {opened}")}, "locations": places}]}


def _at(finding: Finding, step: Step, said: str) -> dict[str, object]:
    return {**_place(finding.path, step.line, 1), "message": {"text": _text(said)}}


def _thread(finding: Finding, tid: int) -> dict[str, object]:
    """What one process does in the execution."""
    function = dict(finding.functions).get(tid, "")
    who = f"P{tid} {function}()" if function else f"P{tid}"
    return {
        "id": f"P{tid}",
        "message": {"text": _text(who)},
        "locations": [
            {"location": _at(finding, step, f"{who} {step}")}
            for step in steps(finding.detail) if step.tid == tid
        ],
    }  # fmt: skip


def _text(text: str) -> str:
    return "\n".join(printable(clean(line)) for line in text.split("\n"))


def _place(path: str, line: int, column: int) -> dict[str, object]:
    """A whole region: code scanning wants both its ends. Lines and columns count from 1, the end is behind the character."""
    line, column = max(1, line), max(1, column)
    region = {"startLine": line, "startColumn": column, "endLine": line, "endColumn": column + 1}
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(path)}, "region": region}}


def _uri(path: str) -> str:
    """A path as a relative URI without `.` and `..`: below this folder where it lies there, else as seen from the root."""
    path = clean(path).replace("\\", "/")
    if path.startswith("/"):
        here = clean(os.getcwd()).replace("\\", "/").rstrip("/") + "/"
        path = path.removeprefix(here)
    parts = [part for part in posixpath.normpath(path).split("/") if part not in ("", ".", "..")]
    return urllib.parse.quote("/".join(parts) or NOWHERE, safe="/")


def _print(finding: Finding) -> str:
    """What stays the same when lines move."""
    kernel = finding.kernel[0] if finding.kernel else ""
    parts = (finding.kind, finding.path, finding.model, kernel, finding.message)
    return hashlib.sha256("\0".join(map(clean, parts)).encode()).hexdigest()[:32]
