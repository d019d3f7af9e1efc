"""How many verdicts there are of each sort: for the line below the table, and for the exit code.

Tally(met=58, unmet=1)    "59 verdicts: 58 as expected, 1 not as expected"
"""

from __future__ import annotations

from msgspec import Struct

from checker.campaign.corpus import Outcome


class Tally(Struct):
    """Counts of outcomes; each outcome is of exactly one sort."""

    met: int = 0
    unmet: int = 0
    unknown: int = 0
    unasked: int = 0
    errors: int = 0

    def add(self, outcome: Outcome) -> None:
        if outcome.error:
            self.errors += 1
        elif outcome.result is None or (outcome.result.unanswered and not outcome.result.contradiction()):
            self.unknown += 1
        elif outcome.result.expected is None and not outcome.result.unmet():
            self.unasked += 1
        elif outcome.as_expected:
            self.met += 1
        else:
            self.unmet += 1

    @property
    def total(self) -> int:
        return self.met + self.unmet + self.unknown + self.unasked + self.errors

    def __str__(self) -> str:
        parts = [
            (self.met, "as expected"),
            (self.unmet, "not as expected"),
            (self.unknown, "unknown"),
            (self.unasked, "without expectation"),
            (self.errors, "in error"),
        ]
        if not self.total:
            return "nothing checked"
        told = ", ".join([f"{n} {what}" for n, what in parts if n])
        return f"{self.total} verdict{'' if self.total == 1 else 's'}: {told}"
