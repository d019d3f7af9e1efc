"""What a check says, for every report, gate and audit to look at."""

from __future__ import annotations

from dataclasses import dataclass, field

from checker.program.ir import LIFETIME_FLAGS, Condition, Expectation, Loc, Value
from checker.solve.execution import Execution

NEVER, SOMETIMES, ALWAYS, UNKNOWN = "Never", "Sometimes", "Always", "Unknown"


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict of one test under one model.

    `observation` is Never, Sometimes, Always or Unknown; `ok` whether the condition's quantifier is satisfied (None when
    unknown); `states` all final states, sorted, in herd's spelling (None unless asked for); `positive`/`negative` tell
    whether some execution satisfies the proposition and whether some does not; `counts` how many do and do not (None unless
    asked for). `flags` are sorted. `deadlock`: no execution at all. `seconds` is wall time by stage.
    """

    test: str
    file: str
    model: str
    condition: Condition
    observation: str
    ok: bool | None
    flags: tuple[str, ...] = ()
    states: tuple[str, ...] | None = None
    counts: tuple[int, int] | None = None
    undefined: bool = False
    deadlock: bool = False
    cut: bool = False
    witness: Execution | None = field(default=None, repr=False)
    witness_state: tuple[tuple[Loc, Value], ...] = ()
    expected: Expectation | None = None
    unknown_because: str = ""
    warnings: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    size: dict[str, int] = field(default_factory=dict)

    @property
    def as_expected(self) -> bool | None:
        """Whether the verdict and the race are what the file expects; None when it expects nothing. Unknown is never met."""
        if self.expected is None:
            return None
        return not self.unmet()

    def unmet(self) -> str:
        """Why the expectation is not met, in a few words; empty when it is, or when there is none."""
        if self.observation == UNKNOWN:
            return f"Unknown: {self.unknown_because}"
        wanted = self.expected
        if wanted is None:
            return ""
        got = "DEADLOCK" if self.deadlock else self.observation
        if wanted.verdict != "Maybe" and got != wanted.verdict:
            return f"expected {wanted.verdict}, got {got}"
        raced = "data-race" in self.flags
        if wanted.race is not None and raced != wanted.race:
            return "an unexpected data race" if raced else "the expected data race does not appear"
        for flag in LIFETIME_FLAGS:
            if (flag in self.flags) != (flag in wanted.flags):
                return f"an unexpected {flag}" if flag in self.flags else f"the expected {flag} does not appear"
        return ""
