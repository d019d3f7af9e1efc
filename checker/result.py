"""What a check says, for every report, gate and audit to look at."""

from __future__ import annotations

from msgspec import Struct, field
from msgspec.structs import replace

from checker.program.ir import ENDLESS, LIFETIME_FLAGS, Condition, Expectation
from checker.solve.answer import NO, Answer, Answers
from checker.solve.execution import Execution

NEVER, SOMETIMES, ALWAYS, DEADLOCK, UNKNOWN = "Never", "Sometimes", "Always", "DEADLOCK", "Unknown"

_OBSERVATIONS = {("yes", "yes"): SOMETIMES, ("yes", "no"): ALWAYS, ("no", "yes"): NEVER, ("no", "no"): DEADLOCK}


class Result(Struct, frozen=True):
    """The verdict of one test under one model: the answers to its questions, and what follows from them.

    `states` are all final states, sorted, in herd's spelling (None unless asked for); `counts` how many executions satisfy the
    proposition and how many do not (None unless asked for). `cut`: some execution was left unfinished at a loop bound;
    `unfinished`: why some was, there or elsewhere, so that there may be more states. `warnings` say where, too. `seconds` is wall
    time by stage.
    """

    test: str
    file: str
    model: str
    condition: Condition
    answers: Answers
    states: tuple[str, ...] | None = None
    counts: tuple[int, int] | None = None
    cut: bool = False
    unfinished: str = ""
    expected: Expectation | None = None
    warnings: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    size: dict[str, int] = field(default_factory=dict)

    @property
    def observation(self) -> str:
        """Never, Sometimes, Always, DEADLOCK (there is no execution at all) or Unknown."""
        return _OBSERVATIONS.get((self.answers.positive.word, self.answers.negative.word), UNKNOWN)

    @property
    def ok(self) -> bool | None:
        """Whether the condition's quantifier is satisfied; None when that is not known."""
        forall = self.condition.quantifier == "forall"
        asked = self.answers.negative if forall else self.answers.positive
        return None if asked.unknown else asked.yes == (self.condition.quantifier == "exists")

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags that some execution raises, sorted."""
        return tuple([name for name, answer in self.answers.flags if answer.yes])

    @property
    def undefined(self) -> bool:
        """Whether the model gives some execution no meaning."""
        return self.answers.undefined.yes

    @property
    def deadlock(self) -> bool:
        return self.observation == DEADLOCK

    @property
    def unanswered(self) -> tuple[tuple[str, str], ...]:
        """The questions without an answer, and why: condition (and negation), undefined, flags."""
        return tuple([(name, answer.because) for name, answer in self.answers.named() if answer.unknown])

    @property
    def unknown_because(self) -> str:
        """Why the observation is Unknown; empty when it is known."""
        asked = (self.answers.positive, self.answers.negative)
        return next((answer.because for answer in asked if answer.unknown), "") if self.observation == UNKNOWN else ""

    @property
    def witness(self) -> Execution | None:
        """The execution that satisfies (for `forall`: violates) the proposition, if there is one."""
        return self.witnessing.execution

    @property
    def witnessing(self) -> Answer:
        """The answer whose yes shows the witness."""
        return self.answers.negative if self.condition.quantifier == "forall" else self.answers.positive

    def without_executions(self) -> Result:
        """The same result, small enough to be sent."""
        return replace(self, answers=self.answers.without_executions())

    @property
    def as_expected(self) -> bool | None:
        """Whether the verdict and the race are what the file expects; None when it expects nothing. Unknown is never met."""
        if self.expected is None:
            return None
        return not self.unmet()

    def unmet(self) -> str:
        """Why nobody may be content with this result, in a few words; empty when all is as expected, or nothing is."""
        if self.observation == UNKNOWN:
            return f"Unknown: {self.unknown_because}"
        return self.contradiction() or (f"unknown: {self.unanswered_text()}" if self.unanswered else "")

    def contradiction(self) -> str:
        """How an answer differs from what the file expects; empty when none that is known does."""
        wanted, observation = self.expected, self.observation
        if observation == UNKNOWN:
            return ""
        if wanted is None:
            return "no execution ends" if self.deadlock else ""
        if wanted.verdict not in ("Maybe", observation):
            return f"expected {wanted.verdict}, got {observation}"
        said = dict(self.answers.flags)
        race = said.get("data-race", NO)
        if wanted.race is not None and not race.unknown and race.yes != wanted.race:
            return "an unexpected data race" if race.yes else "the expected data race does not appear"
        for flag in (*LIFETIME_FLAGS, ENDLESS):
            answer = said.get(flag, NO)
            if not answer.unknown and answer.yes != (flag in wanted.flags):
                return f"an unexpected {flag}" if answer.yes else f"the expected {flag} does not appear"
        return ""

    def unanswered_text(self) -> str:
        """The questions without an answer, each with the reason; those with the same reason together."""
        reasons: dict[str, list[str]] = {}
        for name, because in self.unanswered:
            reasons.setdefault(because, []).append(name)
        return "; ".join([f"{', '.join(names)}: {because}" for because, names in reasons.items()])
