"""The one type of every answer: yes, no or unknown.

A test asks whether some execution satisfies its proposition, whether some does not, whether one raises this flag or that, and
whether the model gives each a meaning. A *yes* is an execution, followed to its end and certified; a *no* says that there is
none, however many rounds the loops take; whatever is neither is *unknown*, and says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from checker.program.ir import Loc, Value
from checker.solve.execution import Execution

State: TypeAlias = tuple[tuple[Loc, Value], ...]


class Answer(Struct, frozen=True, eq=False):
    """`word` is yes, no or unknown. `because` says why it is unknown; a yes may show an `execution`, which ends in `state`."""

    word: str
    because: str = ""
    execution: Execution | None = None
    state: State = ()

    @property
    def yes(self) -> bool:
        return self.word == "yes"

    @property
    def no(self) -> bool:
        return self.word == "no"

    @property
    def unknown(self) -> bool:
        return self.word == "unknown"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answer) and (self.word, self.because, self.state) == (other.word, other.because, other.state)

    def __ne__(self, other: object) -> bool:  # msgspec has one of its own
        return not self == other

    def __hash__(self) -> int:
        return hash((self.word, self.because, self.state))

    def __bool__(self) -> bool:
        raise TypeError("an answer has three values: ask whether it is .yes, .no or .unknown")


YES, NO = Answer("yes"), Answer("no")


def unknown(because: str) -> Answer:
    """What nobody can say, and why."""
    return Answer("unknown", because)


class Answers(Struct, frozen=True):
    """`positive`: some execution satisfies the proposition; `negative`: some does not; `undefined`: the model gives some
    execution no meaning; `flags`: by name, in order, whether some execution raises it."""

    positive: Answer
    negative: Answer
    undefined: Answer = NO
    flags: tuple[tuple[str, Answer], ...] = ()

    def named(self) -> Iterator[tuple[str, Answer]]:
        """Every answer under the name that reports give its question."""
        yield "condition", self.positive
        yield "negation", self.negative
        yield "undefined", self.undefined
        yield from self.flags

    def without_executions(self) -> Answers:
        """The same answers, small enough to be sent."""

        def bare(answer: Answer) -> Answer:
            return answer if answer.execution is None else replace(answer, execution=None)

        flags = tuple([(name, bare(answer)) for name, answer in self.flags])
        return Answers(bare(self.positive), bare(self.negative), bare(self.undefined), flags)


def all_unknown(flags: tuple[str, ...], because: str) -> Answers:
    """The answers when nothing could be decided."""
    nobody = unknown(because)
    return Answers(nobody, nobody, nobody, tuple([(name, nobody) for name in flags]))
