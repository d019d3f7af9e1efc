"""A result as herd7 prints it, so that scripts made for herd7 read it.

Where herd7 would print a verdict that nobody may lean on (a loop bound was hit), the observation is `Unknown`. Needs a
result with states and counts; `Hash` lines are left out.

    Test MP Allowed
    States 2
    1:r0=0; 1:r1=0;
    …
    Observation MP Never 0 2
    Time MP 0.01
"""

from __future__ import annotations

from checker.core.source import printable
from checker.report.spell import show_condition
from checker.result import ALWAYS, NEVER, SOMETIMES, UNKNOWN, Result

KINDS = {"exists": "Allowed", "~exists": "Forbidden", "forall": "Required"}


def herd(result: Result, seconds: float) -> str:
    """The block of lines for one result, ending in an empty one."""
    assert result.states is not None, "herd's layout shows the states"
    assert result.counts is not None, "herd's layout shows the counts"
    name = printable(result.test)
    positive, negative = result.counts
    quantifier = result.condition.quantifier
    witnesses = (negative, positive) if quantifier == "~exists" else (positive, negative)
    lines = [
        f"Test {name} {KINDS[quantifier]}",
        f"States {len(result.states)}",
        *result.states,
        verdict(result),
        "Witnesses",
        "Positive: {} Negative: {}".format(*witnesses),
        *["Flag *undef*"] * result.undefined,
        *[f"Flag {flag}" for flag in result.flags],
        f"Condition {show_condition(result.condition)}",
        f"Observation {name} {observation(result)} {positive} {negative}",
        f"Time {name} {seconds:.2f}",
        "",
    ]
    return "\n".join(lines) + "\n"


def observation(result: Result) -> str:
    """What the counts say; `Unknown` where they are not the whole truth. A deadlock is `Never`, as herd7 has it."""
    assert result.counts is not None
    positive, negative = result.counts
    if result.observation == UNKNOWN:
        return UNKNOWN
    return NEVER if not positive else ALWAYS if not negative else SOMETIMES


def verdict(result: Result) -> str:
    """`Ok` or `No` as the quantifier wants it, `Undef` when the model gives no meaning, `Loop …` when a loop was cut."""
    assert result.counts is not None
    positive, negative = result.counts
    holds = {"exists": positive > 0, "~exists": positive == 0, "forall": negative == 0}[result.condition.quantifier]
    word = "Undef" if result.undefined else "Ok" if holds else "No"
    return f"Loop {word}" if result.cut else word
