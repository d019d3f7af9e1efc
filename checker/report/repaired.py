"""Repairs for people, as diffs, and for programs."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence

from checker.core.source import Source, printable
from checker.cost import Price, cost
from checker.insight.repair import Alternative, Repair
from checker.library import load_model, test_in
from checker.program.ir import Test
from checker.report.records import clean
from checker.report.terminal import listed

MACHINES = ("aarch64", "x86-tso")
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
        lines += ["", f"{n}. {price(one)}{more}", *_machines(test, one), *[_shown(line) for line in diff(test, one).split("\n")]]
    return "\n".join(lines) + "\n"


def _shown(line: str) -> str:
    """A line of a diff for a terminal, its tabs as they are: what is piped on can be applied."""
    return "\t".join(map(printable, line.split("\t")))


def price(one: Alternative) -> str:
    """What an alternative costs: `1 full barrier, 2 acquire or release`."""
    units = [f"{n} {unit}{'s' if n > 1 and 'barrier' in unit else ''}" for n, unit in zip(one.cost, _UNITS) if n]
    return ", ".join(units)


def extra(test: Test, one: Alternative) -> dict[str, dict[str, int]]:
    """What each machine executes more than before, at most, by instruction: as `checker cost` counts it. Nothing for assembly."""
    if test.arch != "C":
        return {}
    changed = test_in(Source(test.source.name, one.text))
    return {name: _more(cost(test, load_model(name)), cost(changed, load_model(name))) for name in MACHINES}


def _more(before: Sequence[Price], after: Sequence[Price]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for prices, sign in ((before, -1), (after, 1)):
        for price in prices:
            counts.update({item.name: sign * count.high for item, count in price.counts if item.category != "plain"})
    return {name: n for name, n in sorted(counts.items()) if n}


def _machines(test: Test, one: Alternative) -> list[str]:
    """A line for each machine."""
    said = {name: "; ".join([f"{n:+} {what}" for what, n in more.items()]) for name, more in extra(test, one).items()}
    return [f"   {name}: {more or 'nothing more'}" for name, more in said.items()]


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
                "cost": dict(zip(("full", "directional", "one_way"), one.cost)), "machines": extra(test, one),
                "diff": clean(diff(test, one)),
                "changes": [{"line": n, "text": what, "statement": clean(there)} for n, what, there in one.changes],
                "text": clean(one.text), "flags": sorted({flag for result in one.results for flag in result.flags}),
            }
            for one in repair.alternatives
        ],
    }  # fmt: skip
