"""The command `checker audit`: which ordering choices of a test matter."""

from __future__ import annotations

import json
import shutil
import sys

import click

from checker.command import BAD_INPUT, ModelName

WIDTH = 80


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-m", "--model", "models", multiple=True, type=ModelName(), help="A model; repeatable. Default: lkmm.")
@click.option("--all-models", is_flag=True, help="All models that the file expects something of, side by side.")
@click.option("--unroll", type=click.IntRange(1, 1000), default=2, show_default=True, metavar="N", help="Rounds of a loop.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Seconds for one test under one model.")
@click.option("--format", "layout", type=click.Choice(("text", "json")), default="text", show_default=True)
def audit(
    paths: tuple[str, ...], models: tuple[str, ...], *, all_models: bool, unroll: int, timeout: float | None, layout: str
) -> None:  # fmt: skip
    """Say of every ordering choice whether it is load-bearing, too strong, or idle.

    A choice is a fence, an acquire or release, a full atomic, a section of a lock, a grace period, a dependency. It is held
    against what never happens as the test is written: load-bearing, the outcome is possible without it; too strong, what is named
    does as well; idle, nothing does as well, the others being as they are. PATH: files, folders, lists (@FILE), - for
    stdin. Exit code: 0 all audited, 2 some could not be.
    """
    from checker.campaign.corpus import located
    from checker.campaign.paths import models_named_in, texts_of
    from checker.check import Options
    from checker.core.source import CheckerError
    from checker.insight.audit import Audit
    from checker.insight.audit import audit as audited
    from checker.library import load_model, test_in
    from checker.report import audited as report
    from checker.report.progress import Progress
    from checker.report.signs import for_stream

    if all_models and models:
        raise click.UsageError("--all-models takes the models from the files, -m names them: give one of the two")
    texts, errors = texts_of(paths)
    told = [error.render() for error in errors]
    width = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else None
    everything: list[Audit] = []
    with Progress(sys.stderr, "auditing") as bar:
        for done, text in enumerate(texts):
            bar.step(done, len(texts), "auditing")
            found = []
            for name in models or (models_named_in(text) if all_models else ("lkmm",)):
                try:
                    found.append(audited(test_in(text.source()), load_model(name), Options(unroll=unroll, timeout=timeout)))
                except CheckerError as error:
                    told.append(located(error, text.path))
            everything += found
            bar.hush()
            if layout == "json":
                for one in found:
                    click.echo(json.dumps(report.record(one), ensure_ascii=False))
            elif found:
                click.echo(for_stream(report.text(found, width), sys.stdout))
    if layout == "text" and everything:
        click.echo(for_stream(report.tally(everything), sys.stdout))
    for line in dict.fromkeys(told):
        click.echo(line, err=True)
    sys.exit(BAD_INPUT if told else 0)
