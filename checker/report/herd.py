"""A result as herd7 prints it, so that scripts made for herd7 read it.

Where herd7 would print a verdict that nobody may lean on (a loop bound was hit), the observation is `Unknown`; in herd7's seat
(`hashed` is given, herd7/run.py) it is what herd7 prints there. Needs a result with states and counts.

    Test MP Allowed
    States 2
    1:r0=0; 1:r1=0;
    …
    Observation MP Never 0 2
    Time MP 0.01
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from checker.core.source import printable
from checker.report.spell import show_condition
from checker.result import ALWAYS, NEVER, SOMETIMES, UNKNOWN, Result

KINDS = {"exists": "Allowed", "~exists": "Forbidden", "forall": "Required"}


def herd(result: Result, seconds: float, hashed: str = "", names: Mapping[str, str] | None = None) -> str:
    """The block of lines for one result, ending in an empty one. `hashed`: the hash of the test; `names`: those that registers
    are shown by (`0:X2` as `0:r0`)."""
    assert result.states is not None, "herd's layout shows the states"
    assert result.counts is not None, "herd's layout shows the counts"
    name = printable(result.test)
    positive, negative = result.counts
    quantifier = result.condition.quantifier
    witnesses = (negative, positive) if quantifier == "~exists" else (positive, negative)
    lines = [
        f"Test {name} {KINDS[quantifier]}",
        f"States {len(result.states)}",
        *[_named(state, names) for state in sorted(result.states, key=_in_order)],
        verdict(result),
        "Witnesses",
        "Positive: {} Negative: {}".format(*witnesses),
        *["Flag *undef*"] * result.undefined,
        *[f"Flag {flag}" for flag in result.flags],
        f"Condition {_named(show_condition(result.condition), names)}",
        f"Observation {name} {counted(result) if hashed else observation(result)} {positive} {negative}",
        f"Time {name} {seconds:.2f}",
        *[f"Hash={hashed}"] * bool(hashed),
        "",
    ]
    return "\n".join(lines) + "\n"


_VALUE = re.compile(r"=(?:(-?[0-9]+)|([^;]*));")


_REGISTER = re.compile(r"(?<![\w:.])[0-9]+:[A-Za-z_%][\w.]*")


def _named(text: str, names: Mapping[str, str] | None) -> str:
    return _REGISTER.sub(lambda found: names.get(found[0], found[0]), text) if names else text


def _in_order(state: str) -> list[tuple[int, int, str]]:
    """herd7 lists states by their values: numbers by size, before addresses."""
    return [(0, int(number), "") if number else (1, 0, text) for number, text in _VALUE.findall(state)]


def observation(result: Result) -> str:
    """What the counts say; `Unknown` where they are not the whole truth. A deadlock is `Never`, as herd7 has it."""
    return UNKNOWN if result.observation == UNKNOWN else counted(result)


def counted(result: Result) -> str:
    """What the counts say, whatever was left out of them."""
    assert result.counts is not None
    positive, negative = result.counts
    return NEVER if not positive else ALWAYS if not negative else SOMETIMES


def verdict(result: Result) -> str:
    """`Ok` or `No` as the quantifier wants it, `Undef` when the model gives no meaning, `Loop …` when a loop was cut."""
    assert result.counts is not None
    positive, negative = result.counts
    holds = {"exists": positive > 0, "~exists": positive == 0, "forall": negative == 0}[result.condition.quantifier]
    word = "Undef" if result.undefined else "Ok" if holds else "No"
    return f"Loop {word}" if result.cut else word
