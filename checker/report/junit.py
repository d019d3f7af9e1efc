"""A gate's report as JUnit XML, as CI systems read it: a test case for each verdict, and for each finding that has none.

Elements and attributes are those of the schema that Jenkins checks (jenkinsci/xunit-plugin, junit-10.xsd), and no others: it
knows neither `file` nor `line`, so the place stands in the text.

<testcase classname="litmus.kvm" name="a [lkmm]" time="0.012"><failure type="unexpected" message="…">litmus/kvm/a.litmus:4: …
"""

from __future__ import annotations

import os
import re
from xml.etree import ElementTree

from checker.campaign.gate import Finding, Report
from checker.campaign.verdicts import Row
from checker.report.records import clean
from checker.report.words import details, place

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAGS = {"error": "error", "block": "failure"}


def junit(report: Report) -> str:
    """The document."""
    told: dict[tuple[str, str], list[Finding]] = {}
    for finding in report.findings:
        told.setdefault((finding.path, finding.model), []).append(finding)
    cases = [_case(one, told.pop((one.path, one.model), [])) for one in report.rows]
    cases += [_lone(findings) for findings in told.values()]
    top = ElementTree.Element("testsuites", name="checker gate")
    suite = ElementTree.SubElement(top, "testsuite", name="checker gate")
    suite.extend(cases)
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
    }
    for element in (top, suite):
        for name, count in counts.items():
            element.set(name, str(count))
        element.set("time", f"{report.seconds:.3f}")
    suite.set("skipped", "0")
    ElementTree.indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(top, encoding="unicode") + "\n"


def _case(one: Row, findings: list[Finding]) -> ElementTree.Element:
    name = one.test or os.path.basename(one.path).removesuffix(".litmus")
    case = _element(os.path.dirname(one.path), f"{name} [{one.model}]", one.seconds)
    return _told(case, findings, f"{one.path}:{one.line}: {one.model}: {one.said}")


def _lone(findings: list[Finding]) -> ElementTree.Element:
    """A case for what is said of something that has no verdict of its own."""
    first = findings[0]
    return _told(_element("gate", f"{first.kind} {first.path} {first.model}".strip(), 0.0), findings, "")


def _element(folder: str, name: str, seconds: float) -> ElementTree.Element:
    attributes = {"classname": folder.replace("/", ".").strip(".") or "litmus", "name": name, "time": f"{seconds:.4f}"}
    return ElementTree.Element("testcase", {key: xml(value) for key, value in attributes.items()})


def _told(case: ElementTree.Element, findings: list[Finding], verdict: str) -> ElementTree.Element:
    """The case with what is wrong with it: at most one error or failure, as readers expect; the rest is output."""
    bad = [finding for finding in findings if finding.level in _TAGS]
    if bad:
        worst = min(bad, key=lambda finding: finding.level != "error")
        inner = ElementTree.SubElement(case, _TAGS[worst.level], type=worst.kind, message=xml(worst.message))
        inner.text = xml("\n".join(line for finding in bad for line in _lines(finding)))
    said = [verdict] if verdict else []
    said += [f"{finding.level}: {finding.message}" for finding in findings if finding not in bad]
    if said:
        ElementTree.SubElement(case, "system-out").text = xml("\n".join(said))
    return case


def _lines(finding: Finding) -> list[str]:
    """A finding with its place, each line once."""
    where = place(finding)
    told = [] if finding.detail and finding.message in finding.detail[0] else [finding.message]
    first, *rest = [*told, *details(finding)]
    return [f"{where}: {first}" if where and not first.startswith(where) else first, *rest]


def xml(text: str) -> str:
    """`text` without the characters that XML has no way to spell."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", clean(text))
