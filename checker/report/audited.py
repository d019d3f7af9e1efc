"""Audits for people: a line for each ordering choice, a column for each model; and for programs.

emulate-block-smp-rmb                      lkmm          x86-tso
  line 37  smp_store_release()             load-bearing  idle
  line 48  smp_rmb()                       load-bearing  idle
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence

from checker.core.source import printable
from checker.insight.audit import IDLE, LOAD_BEARING, TOO_STRONG, UNSURE, Audit, Choice
from checker.report.markdown import code
from checker.report.markdown import text as text_of
from checker.report.records import clean
from checker.report.terminal import listed
from checker.result import ALWAYS, NEVER

STATUSES = (LOAD_BEARING, TOO_STRONG, IDLE, UNSURE)
_NUMBERED = re.compile(r"^P[0-9]+: | of line [0-9]+$")
"""What tells one choice of a kind from another."""


def text(audits: Sequence[Audit], width: int | None = 80) -> str:
    """The audits of one test under several models, in at most `width` columns where that is possible."""
    first = audits[0].result
    rows: dict[tuple[int, str], dict[str, str]] = {}
    for audit in audits:
        for choice in audit.choices:
            rows.setdefault((choice.line, choice.text), {})[audit.result.model] = _cell(choice)
    models = [audit.result.model for audit in audits if audit.choices]
    heads = {m: printable(m) for m in models}
    names = {row: f"  line {row[0]:<4} {row[1]}" for row in sorted(rows)}
    wide = max([len(printable(first.test)), *map(len, names.values())])
    widths = {m: max(len(heads[m]), *[len(cells.get(m, "-")) for cells in rows.values()]) for m in models}
    if width is None or wide + sum(w + 2 for w in widths.values()) <= width:
        lines = ["  ".join([printable(first.test).ljust(wide), *[heads[m].ljust(widths[m]) for m in models]]).rstrip()]
        for row, name in names.items():
            cells = [rows[row].get(m, "-").ljust(widths[m]) for m in models]
            lines.append("  ".join([name.ljust(wide), *cells]).rstrip())
    else:
        lines = [printable(first.test)]
        for row, name in names.items():
            lines += [name, *[f"      {heads[m]:<{max(map(len, heads.values()))}}  {cell}" for m, cell in rows[row].items()]]
    lines += [f"  {printable(a.result.model)}: {a.result.observation}, {a.kept}" for a in audits if not a.choices]
    lines += [line for audit in audits for line in _sets(audit)]
    return "\n".join([*lines, *_only(audits), ""])


def _cell(choice: Choice) -> str:
    return f"{choice.status}: {choice.weakest} would do" if choice.status == TOO_STRONG else choice.status


def _sets(audit: Audit) -> list[str]:
    """Where there is a choice between choices: the sets that are enough."""
    model = printable(audit.result.model)
    if len(audit.minimal) < 2:
        return []
    always = frozenset.intersection(*audit.minimal)
    ways = [_named(audit, some - always) for some in audit.minimal]
    besides = f", besides {_named(audit, always)}" if always else ""
    more = "" if audit.complete else "; there may be more"
    return [f"  {model}: either {', or '.join(ways)}{besides}{more}"]


def _named(audit: Audit, some: frozenset[int]) -> str:
    return listed([f"{audit.choices[n].text} in line {audit.choices[n].line}" for n in sorted(some)])


def _only(audits: Sequence[Audit]) -> list[str]:
    """What only one of several machines needs, however it is compiled for it, or only the kernel's model."""
    needed: dict[tuple[int, str], list[str]] = {}
    asked: dict[tuple[int, str], set[str]] = {}
    for audit in audits:
        for choice in audit.choices:
            key = (choice.line, choice.text)
            asked.setdefault(key, set()).add(_machine(audit.result.model))
            if choice.status != IDLE:
                needed.setdefault(key, []).append(audit.result.model)
    return [
        f"  only {listed([printable(m) for m in models])} need{'s' * (len(models) == 1)} {text} in line {line}"
        for (line, text), models in sorted(needed.items())
        if len(set(map(_machine, models))) == 1 and len(asked[line, text]) > 1
    ]


def _machine(model: str) -> str:
    return model.partition("-")[0]


def markdown(audits: Sequence[Audit]) -> str:
    """A table for each folder: how often which kind of choice is load-bearing, too strong or idle under each model; below it what
    only one of several models needs."""
    families: dict[str, list[Audit]] = {}
    for audit in audits:
        families.setdefault(os.path.dirname(clean(audit.result.file)), []).append(audit)
    return "\n".join([line for folder, family in families.items() for line in _family(folder, family)])


def _family(folder: str, audits: Sequence[Audit]) -> list[str]:
    models = list(dict.fromkeys([audit.result.model for audit in audits]))
    cells: dict[str, dict[str, Counter[str]]] = {}
    for audit in audits:
        for choice in audit.choices:
            kind = _NUMBERED.sub("", choice.text)
            cells.setdefault(kind, {}).setdefault(audit.result.model, Counter())[choice.status] += 1
    lines = [
        f"### {text_of(folder or '.')}",
        "",
        f"| choice | {' | '.join([text_of(m) for m in models])} |",
        "|---" * (len(models) + 1) + "|",
    ]
    for kind, row in sorted(cells.items()):
        said = [", ".join([f"{row[m][s]} {s}" for s in STATUSES if row[m][s]]) if m in row else "–" for m in models]
        lines.append(f"| {code(kind)} | {' | '.join(said)} |")
    files: dict[tuple[str, str], list[Audit]] = {}
    for audit in audits:
        files.setdefault((audit.result.file, audit.result.test), []).append(audit)
    only = [f"* {text_of(test)}:{line[1:]}" for (_, test), mine in files.items() for line in _only(mine)]
    return [*lines, "", *only, *[""] * bool(only)]


def record(audit: Audit) -> dict[str, object]:
    """One object, as JSON has it."""
    result = audit.result
    return {
        "file": clean(result.file), "test": clean(result.test), "model": clean(result.model), "observation": result.observation,
        "kept": audit.kept, "decided": audit.decided, "seconds": round(audit.seconds, 6),
        "choices": [
            {
                "line": c.line, "text": c.text, "status": c.status, "weakest": c.weakest or None, "opens": c.opens or None,
            }
            for c in audit.choices
        ],
        "minimal": [sorted(some) for some in audit.minimal], "complete": audit.complete,
    }  # fmt: skip


def tally(audits: Sequence[Audit]) -> str:
    """How many choices are of which sort, over everything that was audited."""
    found = [choice.status for audit in audits for choice in audit.choices]
    counts = [f"{found.count(status)} {status}" for status in STATUSES if status in found]
    undecided = sum(not audit.decided for audit in audits)
    said = [f"{len(found)} choices: {', '.join(counts)}"] if found else []
    said += [f"{undecided} undecided"] if undecided else []
    if not said and any(audit.result.observation in (NEVER, ALWAYS) for audit in audits):
        return "no choice: nothing in the text could order less"
    return "; ".join(said) or "nothing is forbidden, so nothing is needed"
