"""The commands that give reasons: explain, audit, repair, compare, weak.

Each goes over tests and prints what it finds of one before it looks at the next. Exit code: 0 all were answered (of what these
commands compare or repair: and nothing is left to do), 1 something is, 2 something could not be asked.
"""

from __future__ import annotations

import functools
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import click

from checker.command import AS_EXPECTED, BAD_INPUT, DIFFERENT, ModelName

if TYPE_CHECKING:
    from checker.cat.term import Model
    from checker.check import Options
    from checker.core.source import CheckerError
    from checker.program.ir import Test

WIDTH = 80
PAYING = ("lkmm", "aarch64", "x86-tso")  # as in insight/repair.py, which is imported when it is needed
Command: TypeAlias = Callable[..., None]
Said = tuple[dict[str, object], str, bool]
"""An object for JSON, the same as a text, and whether something is left to do."""


class Asked(NamedTuple):
    """The models that are asked, where their files come from, and how far and long."""

    models: tuple[str, ...]
    unroll: int
    timeout: float | None
    bell: str | None
    macros: str | None
    include: tuple[str, ...]

    @property
    def options(self) -> Options:
        from checker.check import Options

        return Options(unroll=self.unroll, timeout=self.timeout)

    def load(self, name: str) -> Model:
        """A model, with the bell file and the table in place of its own: where one is a path, those are not for the others."""
        from checker.library import load_model

        own = name.endswith(".cat") or not any(model.endswith(".cat") for model in self.models)
        return load_model(name, bell=self.bell if own else None, macros=self.macros if own else None, include=self.include)


def _asked(layouts: tuple[str, ...], models: str) -> Callable[[Command], Command]:
    """The arguments and options that these commands share, the most of them as one."""

    def wrapped(command: Command) -> Command:
        seconds = click.FloatRange(min=0, min_open=True)
        loops = click.IntRange(1, 1000)
        bell = "The bell file of the models that are paths, or of all where none is."
        options = [
            click.argument("paths", nargs=-1, required=True, metavar="PATH..."),
            click.option("-m", "--model", "models", multiple=True, type=ModelName(), help=models),
            click.option("--bell", metavar="FILE", help=bell),
            click.option("--macros", metavar="FILE", help="The .def table of primitives, in place of theirs."),
            click.option("-I", "include", multiple=True, metavar="FOLDER", help="Look for included cat files here too."),
            click.option("--unroll", type=loops, default=2, show_default=True, metavar="N", help="Rounds of a loop."),
            click.option("--timeout", type=seconds, metavar="S", help="Seconds for one question."),
            click.option("--format", "layout", type=click.Choice(layouts), default="text", show_default=True),
        ]

        @functools.wraps(command)
        def called(**given: Any) -> None:
            shared = {name: given.pop(name) for name in Asked._fields}
            command(Asked(**shared), **given)

        made: Command = called
        for option in reversed(options):
            made = option(made)
        return made

    return wrapped


def _over(paths: tuple[str, ...], doing: str, layout: str, answers: Callable[[Test], Iterator[Said | CheckerError]]) -> int:
    """Answer for each test, print, and say with which code to exit. What cannot be asked does not end the rest."""
    from checker.campaign.corpus import located
    from checker.campaign.paths import texts_of
    from checker.core.source import CheckerError
    from checker.library import test_in
    from checker.report.progress import Progress
    from checker.report.signs import for_stream

    texts, errors = texts_of(paths)
    told, left = [error.render() for error in errors], False
    with Progress(sys.stderr, doing) as bar:
        for done, text in enumerate(texts):
            bar.step(done, len(texts), doing)
            try:
                for said in answers(test_in(text.source())):
                    if isinstance(said, CheckerError):
                        raise said
                    row, shown, more = said
                    left = left or more
                    bar.hush()
                    if layout not in ("svg", "markdown"):  # one document of all
                        click.echo(for_stream(shown if layout != "json" else json.dumps(row, ensure_ascii=False), sys.stdout))
            except CheckerError as error:
                told.append(located(error, text.path))
    for line in dict.fromkeys(told):
        click.echo(line, err=True)
    return BAD_INPUT if told else DIFFERENT if left else AS_EXPECTED


def _width() -> int | None:
    return shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else None


@click.command()
@_asked(("text", "json", "dot", "svg"), "A model; repeatable. Default: lkmm.")
def explain(asked: Asked, paths: tuple[str, ...], layout: str) -> None:
    """Say why an outcome never happens, or how it can, and what would forbid it.

    Never: the fewest cycles that refute every way in which the outcome could come about, each edge with what makes it hold, each
    cycle with the axiom that forbids it. Sometimes: an execution in the order of time, and the two accesses that nothing orders.
    PATH: files, folders, lists (@FILE), - for stdin. Exit code: 0 all explained, 1 some verdict or reason is Unknown, 2 some
    could not be asked.
    """
    from checker.insight import explanation
    from checker.report import explained, pictured

    everything: list[explanation.Explanation] = []

    def answers(test: Test) -> Iterator[Said]:
        for name in asked.models or ("lkmm",):
            found = explanation.explain(test, asked.load(name), asked.options)
            everything.append(found)
            said = explained.dot([found]) if layout == "dot" else explained.text(found, _width() or WIDTH)
            yield explained.record(found), said if layout != "svg" else "", not found.found

    code = _over(paths, "explaining", layout, answers)
    if layout == "svg":
        click.echo(pictured.picture(everything), nl=False)
    sys.exit(code)


@click.command()
@_asked(("text", "json", "markdown"), "A model; repeatable. Default: lkmm.")
@click.option("--all-models", is_flag=True, help="All models that the file expects something of, side by side.")
def audit(asked: Asked, paths: tuple[str, ...], layout: str, *, all_models: bool) -> None:
    """Say of every ordering choice whether it is load-bearing, too strong, or idle.

    A choice is a fence, an acquire or release, a full atomic, a section of a lock, a grace period, a dependency. It is held
    against what never happens as the test is written: load-bearing, the outcome is possible without it; too strong, what is
    named does as well; idle, nothing does as well, the others being as they are. The markdown format has a table for each
    folder, kinds of choices by models. PATH: files, folders, lists (@FILE), - for stdin. Exit code: 0 all audited, 1 some
    verdict is Unknown, 2 some could not be asked.
    """
    from checker.insight import audit as insight
    from checker.report import audited

    if all_models and asked.models:
        raise click.UsageError("--all-models takes the models from the files, -m names them: give one of the two")
    everything: list[insight.Audit] = []

    def answers(test: Test) -> Iterator[Said]:
        names = asked.models or (named_in(test) if all_models else ("lkmm",))
        found = [insight.audit(test, asked.load(name), asked.options) for name in names]
        everything.extend(found)
        for one in found if layout == "json" else ():
            yield audited.record(one), "", not one.decided
        if layout != "json":
            yield {}, audited.text(found, _width()), not all(one.decided for one in found)

    code = _over(paths, "auditing", layout, answers)
    if layout != "json" and everything:
        click.echo(audited.tally(everything) if layout == "text" else audited.markdown(everything))
    sys.exit(code)


@click.command()
@_asked(("text", "json"), "A model; repeatable. Default: all that a file names.")
@click.option("--cost", "paying", type=click.Choice(PAYING), default=PAYING[0], show_default=True, help="Who pays for changes.")
def repair(asked: Asked, paths: tuple[str, ...], layout: str, *, paying: str) -> None:
    """Find the cheapest changes that make an outcome impossible under all models asked for.

    What is there is kept; accesses become acquires, releases or full atomics, barriers are put in. Costs are compared in
    order: full barriers and full atomics, directional barriers, acquires and releases (--cost x86-tso: full barriers alone). Each
    alternative is a diff, read and checked again, with what it costs each machine. PATH: files, folders, lists (@FILE), - for
    stdin. Exit code: 0 nothing is left to be done by hand, 1 some outcome no barrier forbids, 2 something could not be asked.
    """
    from checker.insight import repair as insight
    from checker.report import repaired
    from checker.result import NEVER

    def answers(test: Test) -> Iterator[Said]:
        models = [asked.load(name) for name in asked.models or named_in(test)]
        found = insight.repair(test, models, asked.options, paying=paying)
        left = not found.alternatives and any(result.observation != NEVER for result in found.results)
        yield repaired.record(found, test), repaired.text(found, test), left

    sys.exit(_over(paths, "repairing", layout, answers))


@click.command()
@_asked(("text", "json"), "Two models, -m A -m B.")
def compare(asked: Asked, paths: tuple[str, ...], layout: str) -> None:
    """Say where two models differ: verdicts, flags, states, and the axiom and cycle that only one of them has.

    PATH: files, folders, lists (@FILE), - for stdin. Exit code: 0 they agree on everything, 1 they differ, 2 something could not
    be asked.
    """
    from checker.insight import compare as insight
    from checker.report import compared

    if len(asked.models) != 2:
        raise click.UsageError("two models are compared: -m A -m B")

    def answers(test: Test) -> Iterator[Said]:
        first, second = map(asked.load, asked.models)
        found = insight.compare(test, (first, second), asked.options)
        yield compared.record(found), compared.text(found, _width() or WIDTH), not found.same

    sys.exit(_over(paths, "comparing", layout, answers))


@click.command()
@_asked(("text", "json"), "A model; repeatable. Default: lkmm.")
def weak(asked: Asked, paths: tuple[str, ...], layout: str) -> None:
    """List the outcomes that a model allows and sequential consistency does not, each as a condition to ask for.

    An outcome is what all registers hold in the end, and all places that are written more than once. PATH: files, folders, lists
    (@FILE), - for stdin. Exit code: 0 all known, 1 some is Unknown, 2 something could not be asked.
    """
    from checker.insight import compare as insight
    from checker.library import load_model
    from checker.report import compared

    def answers(test: Test) -> Iterator[Said]:
        for name in asked.models or ("lkmm",):
            found = insight.weak(test, asked.load(name), load_model("sc"), asked.options)
            yield compared.record(found), compared.weak_text(found, _width() or WIDTH), bool(found.undecided)

    sys.exit(_over(paths, "looking", layout, answers))


def named_in(test: Test) -> tuple[str, ...]:
    """The models that a test expects something of, the kernel's first; that alone where it names none."""
    return tuple(sorted(dict.fromkeys([e.model for e in test.expect]), key=lambda name: name != "lkmm")) or ("lkmm",)


COMMANDS = (explain, audit, repair, compare, weak)
