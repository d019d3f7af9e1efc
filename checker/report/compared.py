"""Two models side by side for people: what differs, how it comes about under one and why it does not under the other."""

from __future__ import annotations

from checker.core.source import printable
from checker.insight.compare import Comparison
from checker.report import explained
from checker.report.records import clean


def text(found: Comparison, width: int | None = 80) -> str:
    """Verdicts and flags in a line; then each state that only one of them has, with both sides' reasons."""
    first, second = found.results
    sides = [f"{printable(r.model)} {r.observation}{''.join(f', flag {printable(f)}' for f in r.flags)}" for r in found.results]
    head = f"{printable(first.test)}: {_word(found)}: {'; '.join(sides)}"
    parts = [head]
    parts += [f"  undecided: {printable(found.undecided)}"] if found.undecided else []
    for outcome in found.outcomes:
        other = second.model if outcome.by == first.model else first.model
        parts += ["", f"{printable(outcome.state)} only under {printable(outcome.by)}, not under {printable(other)}:"]
        for side in (outcome.allowed, outcome.forbidden):
            parts += ["", explained.text(side, width).rstrip("\n")] if side is not None else []
    return "\n".join([*parts, *_more(found)]) + "\n"


def _word(found: Comparison) -> str:
    first, second = found.results
    told = found.outcomes or (first.observation, first.flags) != (second.observation, second.flags)
    return "the same" if found.same else "different" if told or not found.undecided else "undecided"


def weak_text(found: Comparison, width: int | None = 80) -> str:
    """Each weak outcome as a condition, with the gaps that let it happen."""
    first, _ = found.results
    head = f"{printable(first.test)} under {printable(first.model)}: "
    if not found.outcomes:
        known = f" is known, but not all are: {printable(found.undecided)}" if found.undecided else ""
        return f"{head}no outcome but those of sequential consistency{known}\n"
    parts = [f"{head}{len(found.outcomes) + found.truncated} weak outcome{'s' if len(found.outcomes) > 1 else ''}"]
    for outcome in found.outcomes:
        parts += ["", f"  {printable(outcome.exists)}"]
        weakness = outcome.allowed.weakness if outcome.allowed is not None else None
        parts += [f"    {line}" for line in explained.gaps(weakness)] if weakness is not None else []
    parts += [f"undecided: {printable(found.undecided)}"] if found.undecided else []
    return "\n".join([*parts, *_more(found)]) + "\n"


def _more(found: Comparison) -> list[str]:
    return [f"… and {found.truncated} more"] if found.truncated else []


def record(found: Comparison) -> dict[str, object]:
    """One object, as JSON has it."""
    first, second = found.results
    return {
        "file": clean(first.file), "test": clean(first.test), "models": [clean(first.model), clean(second.model)],
        "same": found.same, "observations": [first.observation, second.observation],
        "flags": [list(first.flags), list(second.flags)], "truncated": found.truncated,
        "undecided": clean(found.undecided) or None,
        "outcomes": [
            {
                "state": clean(o.state), "exists": clean(o.exists), "by": clean(o.by),
                "allowed": None if o.allowed is None else explained.record(o.allowed),
                "forbidden": None if o.forbidden is None else explained.record(o.forbidden),
            }
            for o in found.outcomes
        ],
    }  # fmt: skip
