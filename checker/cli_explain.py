"""The command `checker explain`: why a verdict is what it is."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

import click

from checker.command import BAD_INPUT, ModelName

if TYPE_CHECKING:
    from checker.insight.explanation import Explanation

LAYOUTS = ("text", "json", "dot")
WIDTH = 80


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-m", "--model", "models", multiple=True, type=ModelName(), help="A model; repeatable. Default: lkmm.")
@click.option("--unroll", type=click.IntRange(1, 1000), default=2, show_default=True, metavar="N", help="Rounds of a loop.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Seconds for one test under one model.")
@click.option("--format", "layout", type=click.Choice(LAYOUTS), default="text", show_default=True)
def explain(paths: tuple[str, ...], models: tuple[str, ...], *, unroll: int, timeout: float | None, layout: str) -> None:
    """Say why an outcome never happens, or how it can, and what would forbid it.

    Never: the fewest cycles that refute every way in which the outcome could come about, each edge with what makes it hold, each
    cycle with the axiom that forbids it. Sometimes: an execution in the order of time, and the two accesses that
    nothing orders. PATH: files, folders, lists (@FILE), - for stdin. Exit code: 0 all explained, 2 some could not be.
    """
    from checker.campaign.corpus import located
    from checker.campaign.paths import texts_of
    from checker.check import Options
    from checker.core.source import CheckerError
    from checker.insight.explanation import explain as explained
    from checker.library import load_model, test_in
    from checker.report.progress import Progress

    texts, errors = texts_of(paths)
    told = [error.render() for error in errors]
    with Progress(sys.stderr, "explaining") as bar:
        for done, text in enumerate(texts):
            bar.step(done, len(texts), "explaining")
            for name in models or ("lkmm",):
                try:
                    found = explained(test_in(text.source()), load_model(name), Options(unroll=unroll, timeout=timeout))
                except CheckerError as error:
                    told.append(located(error, text.path))
                    continue
                bar.hush()
                _show(found, layout)
    for report in dict.fromkeys(told):
        click.echo(report, err=True)
    sys.exit(BAD_INPUT if told else 0)


def _show(found: Explanation, layout: str) -> None:
    from checker.report import explained as report
    from checker.report.signs import for_stream

    match layout:
        case "json":
            click.echo(json.dumps(report.record(found), ensure_ascii=False))
        case "dot":
            click.echo(report.dot([found]), nl=False)
        case _:
            width = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
            click.echo(for_stream(report.text(found, width), sys.stdout))
