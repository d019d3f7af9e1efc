"""The command `checker repair`: the cheapest changes that make an outcome impossible."""

from __future__ import annotations

import json
import sys

import click

from checker.command import BAD_INPUT, DIFFERENT, ModelName


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-m", "--model", "models", multiple=True, type=ModelName(), help="A model; repeatable. Default: all a file names.")
@click.option("--unroll", type=click.IntRange(1, 1000), default=2, show_default=True, metavar="N", help="Rounds of a loop.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Seconds for one test.")
@click.option("--format", "layout", type=click.Choice(("text", "json")), default="text", show_default=True)
def repair(paths: tuple[str, ...], models: tuple[str, ...], *, unroll: int, timeout: float | None, layout: str) -> None:
    """Find the cheapest changes that make an outcome impossible under all models asked for.

    What is there is kept; accesses become acquires, releases or full atomics, barriers are put in. Costs are compared in
    order: full barriers and full atomics, directional barriers, acquires and releases. Each alternative is a diff, read and
    checked again. PATH: files, folders, lists (@FILE), - for stdin. Exit code: 0 nothing is left to be done by hand, 1 some
    outcome no barrier forbids, 2 something could not be asked.
    """
    from checker.campaign.corpus import located
    from checker.campaign.paths import models_named_in, texts_of
    from checker.check import Options
    from checker.core.source import CheckerError
    from checker.insight.repair import repair as repaired
    from checker.library import load_model, test_in
    from checker.report import repaired as report
    from checker.report.progress import Progress
    from checker.report.signs import for_stream
    from checker.result import NEVER

    texts, errors = texts_of(paths)
    told, code = [error.render() for error in errors], 0
    with Progress(sys.stderr, "repairing") as bar:
        for done, text in enumerate(texts):
            bar.step(done, len(texts), "repairing")
            try:
                test = test_in(text.source())
                asked = [load_model(name) for name in models or models_named_in(text)]
                found = repaired(test, asked, Options(unroll=unroll, timeout=timeout))
            except CheckerError as error:
                told.append(located(error, text.path))
                continue
            bar.hush()
            if not found.alternatives and any(result.observation != NEVER for result in found.results):
                code = DIFFERENT
            shown = json.dumps(report.record(found, test), ensure_ascii=False) if layout == "json" else report.text(found, test)
            click.echo(for_stream(shown, sys.stdout))
    for line in dict.fromkeys(told):
        click.echo(line, err=True)
    sys.exit(BAD_INPUT if told else code)
