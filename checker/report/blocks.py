"""A gate's report for people: a block for each finding, what matters first, every thing said once.

    ✗ harmful  arch/arm64/kvm/vgic/vgic-init.c:9
      smp_load_acquire(&dist->ready) becomes READ_ONCE(dist->ready)
      this allows: the vCPU saw ready, but finds the distributor not set up (1:seen=1 /\\ 1:found=0)
      under lkmm, aarch64, aarch64-llsc; test vgic-ready-release-acquire, litmus/kvm/vgic-ready-release-acquire.litmus:9
        P0 kvm_vgic_map_resources() stores base := 1 (line 32)
        …

    blocked: 4 verdicts, 4 as expected, 1 blocked

Questions whose answer stays the same are one line. Without a terminal nothing is wrapped.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Iterator

import click
from msgspec import Struct

from checker.campaign.gate import Finding, Report
from checker.campaign.verdicts import Row
from checker.campaign.witness import final_state, steps
from checker.core.source import printable
from checker.report.records import clean
from checker.report.signs import spelled
from checker.report.words import one_line, place, shown_verdict, verdict_line

SIGNS = {"error": "✗", "block": "✗", "warning": "!", "note": "·"}
COLOURS = {"error": "red", "block": "red", "warning": "yellow"}
FOLDED = "harmless"
MOST_NAMES = 3
MOST_ALIKE = 3


class View(Struct, frozen=True):
    """How a report is looked at: on `width` columns (None: no terminal), in colour, with signs; `quiet` and `verbose` as asked for.

    `guarded`: a workflow reads commands from the log, and what the report says is no command.
    """

    width: int | None = None
    colour: bool = False
    unicode: bool = True
    guarded: bool = False
    quiet: bool = False
    verbose: bool = False


def table(report: Report, view: View) -> str:
    """Findings first, then the sum. What is as expected is counted, and listed only where that is asked for."""
    blocks = [block for block in _blocks(report, view) if block]
    lines: list[str] = []
    for i, block in enumerate(blocks):
        if i and (len(block) > 1 or len(blocks[i - 1]) > 1):
            lines.append("")
        lines += block
    if view.verbose and report.rows:
        lines += [""] * bool(lines) + [_row(row, view) for row in report.rows]
    lines += [""] * bool(lines) + _wrapped(verdict_line(report), "", view)
    return "\n".join([line.rstrip() for line in lines]) + "\n"


def _blocks(report: Report, view: View) -> Iterator[list[str]]:
    told = [finding for finding in report.findings if not view.quiet or finding.level in ("error", "block")]
    shown = [finding for finding in told if view.verbose or finding.kind != FOLDED]
    judged = {finding.kernel for finding in told if finding.kernel and finding.kind != "skeleton"}
    for alike in _grouped(_without_repeats(shown, judged, view)):
        yield _block(alike, view)
    same = [finding for finding in told if finding.kind == FOLDED]
    if same and not view.verbose:
        yield _unchanged(same, {finding.change for finding in shown}, view)


# ---------------------------------------------------------------- which findings are one


def _without_repeats(findings: list[Finding], judged: set[tuple[str, int]], view: View) -> Iterator[Finding]:
    """Without what only repeats a change that another finding judges, and with long rows of one kind cut short."""
    many: dict[str, int] = {}
    for finding in findings:
        if finding.kind == "skeleton" and finding.kernel in judged:
            continue
        if finding.level == "note" and not view.verbose:
            many[finding.kind] = many.get(finding.kind, 0) + 1
            if many[finding.kind] > MOST_ALIKE:
                continue
        yield finding
    for kind, count in many.items():
        if count > MOST_ALIKE:
            yield Finding(kind, "note", f"{count - MOST_ALIKE} more (-v lists them)")


def _grouped(findings: Iterable[Finding]) -> Iterator[list[Finding]]:
    """Findings that say the same of several models, or of several tests."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        patch = finding.change and finding.why and finding.kernel
        said = finding.change if patch else finding.message
        where = () if patch else (finding.path, finding.line, finding.detail)
        groups.setdefault((finding.kind, finding.level, said, finding.kernel, *where), []).append(finding)
    yield from groups.values()


# ---------------------------------------------------------------- one block


def _block(alike: list[Finding], view: View) -> list[str]:
    """A finding, and in how many tests and under which models it was met."""
    first = alike[0]
    sign = SIGNS[first.level] if view.unicode else spelled(SIGNS[first.level])
    head = click.style(f"{sign} {first.kind}", fg=COLOURS.get(first.level), bold=True) if view.colour else f"{sign} {first.kind}"
    where = one_line(place(first))
    models = _listed([one_line(f.model) for f in alike if f.path == first.path and f.model])
    if first.change and first.why:
        return [f"{head}  {where}", *_of_patch(first, alike, models, view)]
    if first.detail and first.message in first.detail[0]:  # an error as it is shown everywhere
        return [head, *[f"  {printable(clean(line))}" for line in first.detail]]
    said = [part for part in (where, f"under {models}" if models else "") if part]
    message = _spelled(one_line(first.message), view)
    short = f"{head}  {'  '.join([*said, message])}"
    rest = [f"    {printable(clean(line))}" for line in first.detail]
    if view.width is None or len(click.unstyle(short)) <= view.width:
        return [short, *rest]
    title = f"{head}  {'  '.join(said)}"
    if len(click.unstyle(title)) <= view.width:
        return [title, *_wrapped(message, "  ", view), *rest]
    return [head, *[line for part in (*said, message) for line in _wrapped(part, "  ", view)], *rest]


def _of_patch(first: Finding, alike: list[Finding], models: str, view: View) -> Iterator[str]:
    """What a change of the kernel makes of a test: the change, what comes of it, the execution, what would mend it."""
    yield from _wrapped(one_line(first.change), "  ", view)
    yield from _wrapped(one_line(first.why), "  ", view)
    asked = [f"under {models}"] * bool(models) + [f"test {one_line(first.path)}:{first.line}"] * bool(first.path)
    both = _wrapped("; ".join(asked), "  ", view)
    yield from both if len(both) == 1 else [line for part in asked for line in _wrapped(part, "  ", view)]
    names = dict(first.functions)
    for step in steps(first.detail):
        who = f"P{step.tid} {names[step.tid]}()" if step.tid in names else f"P{step.tid}"
        yield from _wrapped(one_line(f"{who} {step}"), "    ", view)
    state = final_state(first.detail)
    if not all(value in first.why for value in state.split(", ")):
        yield from _wrapped(one_line(f"in the end {state}"), "    ", view)
    if first.opened is not None:
        yield from _wrapped(one_line(f"without the patch {first.opened}"), "  ", view)
        for step in first.opened.steps:
            yield from _wrapped(one_line(f"P{step.tid} {step}"), "    ", view)
    others = [one_line(name) for name in dict.fromkeys(_name(f) for f in alike) if name != _name(first)]
    if others:
        yield from _wrapped(f"{len(others)} more test{'s say' if len(others) > 1 else ' says'} so: {_some(others)}", "  ", view)
    if first.repair:
        yield from _wrapped(f"repair: {one_line(first.repair)}", "  ", view)


def _unchanged(same: list[Finding], said: set[str], view: View) -> list[str]:
    """All questions whose answer is what it was, in one line."""
    sign = SIGNS["note"] if view.unicode else spelled(SIGNS["note"])
    changes = list(dict.fromkeys(one_line(f.change or f.message) for f in same))
    models = _listed([one_line(f.model) for f in same if f.model])
    tests = list(dict.fromkeys(one_line(_name(f)) for f in same if f.test or f.path))
    what = f"{len(changes)} changes" if len(changes) > 1 else "" if same[0].change in said else changes[0]
    asked = f"under {models}: {_some(tests)}" if tests and models else _some([one_line(f.why) for f in same if f.why])
    return _wrapped(f"{sign} unchanged  {'; '.join(part for part in (what, asked) if part)}", "", view)


def _row(row: Row, view: View) -> str:
    mark = SIGNS["error"] if row.error or row.unmet or not row.expected else "✓"
    took = "cached" if row.cached else f"{row.seconds:.3f} s"
    return f"{_spelled(mark, view)} {one_line(row.path)}  {one_line(row.model)}  {one_line(shown_verdict(row))}  {took}"


# ---------------------------------------------------------------- lines


def _name(finding: Finding) -> str:
    return finding.test or os.path.basename(finding.path).removesuffix(".litmus")


def _some(names: list[str]) -> str:
    left = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {left} more" if left > 0 else "")


def _listed(models: list[str]) -> str:
    """The models of several findings, each once, in their order."""
    return ", ".join(dict.fromkeys(name for model in models for name in model.split(", ")))


def _spelled(text: str, view: View) -> str:
    return text if view.unicode else spelled(text)


def _wrapped(text: str, indent: str, view: View) -> list[str]:
    """`text` in lines that fit; a word that is too long stays whole."""
    text = _spelled(text, view)
    if not text:
        return []
    if view.width is None:
        return [indent + text]
    more = indent + "  "
    return textwrap.wrap(
        text, max(view.width, 20), initial_indent=indent, subsequent_indent=more, break_long_words=False, break_on_hyphens=False
    )
