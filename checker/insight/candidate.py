"""A change that might help, what it costs, and what a language must say of changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from checker.cat.term import Model
from checker.core.source import Source, Span
from checker.insight.ladder import Form
from checker.program.events import Event
from checker.program.ir import Test

Cost = tuple[int, ...]
COSTS: dict[str, Cost] = {"full": (1, 0, 0, 0), "directional": (0, 1, 0, 0), "one way": (0, 0, 1, 0), "taste": (0, 0, 0, 1)}
"""In the order in which costs are compared."""
HERE = Span(Source("<inserted>", ""), 0, 0)


class Candidate(Struct, frozen=True):
    """One change: of the call at `span` to `form`, or (without `form`) the `barrier` before the statement at `span`.

    `instead`: the place of a lighter barrier that this one stands in the place of. In assembly `instruction` is what is to stand
    at `span`, and a `barrier` comes behind what stands there.
    """

    span: Span
    cost: Cost
    text: str
    form: Form | None = None
    barrier: str = ""
    instead: Span | None = None
    instruction: str = ""

    @property
    def key(self) -> tuple[int, int, str]:
        return self.span.line, self.span.column, self.text


class Language(NamedTuple):
    """How tests of one language are changed.

    `between(test, a, b, ends, model)`: what could stand between two accesses of a process, or in the place of one of `ends`.
    `with_all(test, some)`: the test in which candidate n is there if the register %fix<n> of its process is 1.
    `joined(some)`: the changes as they are written, several of one place together.
    `edited(test, some)`: the text with the changes in it, and the numbers of the lines that are changed.
    """

    between: Callable[[Test, Event, Event, Sequence[Event], Model], Iterator[Candidate]]
    with_all: Callable[[Test, Sequence[Candidate]], Test]
    joined: Callable[[Sequence[Candidate]], list[Candidate]]
    edited: Callable[[Test, Iterable[Candidate]], tuple[str, list[int]]]
