"""Outcomes as they come, printed in one of the layouts: results on one stream, what people should know on another.

printer = printer_of("json", sys.stdout, sys.stderr)
for outcome in run(jobs, setup): printer.add(outcome)
printer.end(); printer.tally.unmet
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TextIO

from checker.campaign.corpus import Outcome
from checker.core.source import printable
from checker.report.herd import herd
from checker.report.records import clean, record
from checker.report.tally import Tally


class Printer(ABC):
    """Counts the outcomes, tells people of errors and warnings (each once), and prints results in its own way.

    `hush` is called before anything is printed: it clears what shows how far the run is.
    """

    def __init__(self, results: TextIO, people: TextIO, *, quiet: bool = False, verbose: bool = False) -> None:
        self.results, self.people = results, people
        self.quiet, self.verbose = quiet, verbose
        self.tally = Tally()
        self.hush: Callable[[], None] = lambda: None
        self._told: set[str] = set()

    def add(self, outcome: Outcome) -> None:
        """Take note of an outcome, and print what can be printed already."""
        self.tally.add(outcome)
        if outcome.error:
            self.tell(clean(outcome.error))
        elif outcome.result is not None:
            for warning in () if self.quiet else outcome.result.warnings:
                self.tell(f"warning: {printable(clean(warning))}")
        if self.verbose:
            self.tell(took(outcome))
        if not (self.quiet and outcome.as_expected):
            self.show(outcome)

    @abstractmethod
    def show(self, outcome: Outcome) -> None:
        """Print a result."""

    def end(self) -> None:  # noqa: B027 (most layouts have nothing left to print)
        """Print what had to wait for the last outcome."""

    def tell(self, message: str) -> None:
        """Say something to people, once."""
        if message not in self._told:
            self._told.add(message)
            self.hush()
            self.people.write(message + "\n")

    def _print(self, text: str) -> None:
        self.hush()
        self.results.write(text)
        self.results.flush()


def took(outcome: Outcome) -> str:
    """How long a check took, and how large it was."""
    size = f", {outcome.result.size['events']} events" if outcome.result is not None and outcome.result.size else ""
    name = f"{printable(clean(outcome.path))} under {printable(clean(outcome.model))}"
    return f"{name}: {outcome.observation}, {outcome.seconds:.3f} s{size}"


class Json(Printer):
    """A line for each outcome."""

    def show(self, outcome: Outcome) -> None:
        self._print(record(outcome) + "\n")


class Herd(Printer):
    """What herd7 prints. Like herd7, nothing where there is no answer at all; people are told."""

    def show(self, outcome: Outcome) -> None:
        result = outcome.result
        if result is not None and result.counts is not None:
            self._print(clean(herd(result, outcome.seconds)))
            if result.unanswered:
                said = printable(clean(f"{outcome.path} under {outcome.model}: unknown: {result.unanswered_text()}"))
                self.tell(f"warning: {said}")
        elif not outcome.error:
            self.tell(f"warning: {printable(clean(outcome.path))} under {printable(outcome.model)}: {outcome.reason}")


class Table(Printer):
    """States as they come, the table at the end."""

    def __init__(self, results: TextIO, people: TextIO, *, quiet: bool = False, verbose: bool = False) -> None:
        from checker.report.signs import speaks_unicode, spelled
        from checker.report.terminal import Grid

        super().__init__(results, people, quiet=quiet, verbose=verbose)
        self.grid = Grid(spell=str if speaks_unicode(results) else spelled)

    def show(self, outcome: Outcome) -> None:
        self.grid.add(outcome)
        result = outcome.result
        if result is not None and result.states is not None:
            head = f"{printable(result.test)} under {printable(result.model)}: {len(result.states)} states"
            self._print("\n".join([head, *[f"  {printable(state)}" for state in result.states]]) + "\n\n")

    def end(self) -> None:
        from checker.report.terminal import show

        self.hush()
        show(self.grid, self.tally, self.results)


def printer_of(layout: str, results: TextIO, people: TextIO, *, quiet: bool = False, verbose: bool = False) -> Printer:
    """The printer of `layout`: table, herd or json. `quiet`: only what is not as expected; `verbose`: how long each took."""
    layouts: dict[str, type[Printer]] = {"table": Table, "herd": Herd, "json": Json}
    return layouts[layout](results, people, quiet=quiet, verbose=verbose)
