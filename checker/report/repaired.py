"""Repairs for people, as diffs, and for programs."""

from __future__ import annotations

import difflib

from checker.core.source import printable
from checker.insight.repair import Alternative, Repair
from checker.program.ir import Test
from checker.report.records import clean
from checker.report.terminal import listed

_UNITS = ("full barrier", "directional barrier", "acquire or release")


def text(repair: Repair, test: Test) -> str:
    """Each alternative as a diff, the cheapest first."""
    models = listed([printable(result.model) for result in repair.results])
    head = f"{printable(test.name)} under {models}: "
    if not repair.alternatives:
        return f"{head}{repair.reason}\n"
    lines = [f"{head}never, with any one of {len(repair.alternatives)}" if repair.alternatives[1:] else f"{head}never, with"]
    for n, one in enumerate(repair.alternatives, 1):
        flags = sorted({flag for result in one.results for flag in result.flags})
        more = f"; there is still {listed(flags)}" if flags else ""
        lines += ["", f"{n}. {price(one)}{more}", *[_shown(line) for line in diff(test, one).split("\n")]]
    return "\n".join(lines) + "\n"


def _shown(line: str) -> str:
    """A line of a diff for a terminal, its tabs as they are: what is piped on can be applied."""
    return "\t".join(map(printable, line.split("\t")))


def price(one: Alternative) -> str:
    """What an alternative costs: `1 full barrier, 2 acquire or release`."""
    units = [f"{n} {unit}{'s' if n > 1 and 'barrier' in unit else ''}" for n, unit in zip(one.cost, _UNITS) if n]
    return ", ".join(units)


def diff(test: Test, one: Alternative) -> str:
    """The change to the file, as patch and git apply take it."""
    name = clean(test.source.name).lstrip("/")
    before, after = test.source.text.splitlines(keepends=True), one.text.splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}")).rstrip("\n")


def record(repair: Repair, test: Test) -> dict[str, object]:
    """One object, as JSON has it."""
    return {
        "file": clean(test.source.name), "test": clean(test.name), "models": [clean(r.model) for r in repair.results],
        "seconds": round(repair.seconds, 6), "reason": repair.reason or None,
        "alternatives": [
            {
                "cost": dict(zip(("full", "directional", "one_way"), one.cost)), "diff": clean(diff(test, one)),
                "changes": [{"line": n, "text": what, "statement": clean(there)} for n, what, there in one.changes],
                "text": clean(one.text), "flags": sorted({flag for result in one.results for flag in result.flags}),
            }
            for one in repair.alternatives
        ],
    }  # fmt: skip
