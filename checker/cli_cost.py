"""The command `checker cost`: what the processes of scenarios pay, as compiled, variants side by side."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from checker.command import BAD_INPUT, ModelName

if TYPE_CHECKING:
    from checker.cost import Price

MODELS = ("lkmm", "aarch64", "aarch64-llsc", "x86-tso", "riscv", "ppc")


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "-m", "--model", "models", multiple=True, type=ModelName(), help=f"A model; repeatable. Default: {', '.join(MODELS)}."
)
@click.option("--plain", is_flag=True, help="Count ordinary loads and stores too.")
@click.option(
    "--rounds", type=click.IntRange(1, 100), default=1, show_default=True, metavar="N", help="How often a loop body counts."
)
@click.option("--format", "layout", type=click.Choice(("table", "json")), default="table", show_default=True)
def cost(paths: tuple[str, ...], models: tuple[str, ...], *, plain: bool, rounds: int, layout: str) -> None:
    """Count what scenarios cost: waits for grace periods, callbacks, barriers and atomics on the path of each process.

    A range is what the cheapest and the dearest way through the code pays. PATH: files, folders, lists (@FILE), - for stdin.
    """
    from checker.campaign.paths import texts_of
    from checker.core.source import CheckerError
    from checker.cost import cost as price
    from checker.library import load_model, test_in
    from checker.report.prices import compare
    from checker.report.progress import Progress
    from checker.report.signs import for_stream

    prices: list[Price] = []
    with Progress(sys.stderr, "counting") as bar:
        texts, errors = texts_of(paths)
        for done, text in enumerate(texts):
            bar.step(done, len(texts), "counting")
            for name in models or MODELS:
                try:
                    prices.extend(price(test_in(text.source()), load_model(name), rounds=rounds))
                except CheckerError as error:
                    errors.append(error)
    if prices:
        click.echo(_json(prices) if layout == "json" else for_stream(compare(prices, plain=plain), sys.stdout))
    for report in dict.fromkeys([error.render() for error in errors]):
        click.echo(report, err=True)
    sys.exit(BAD_INPUT if errors else 0)


def _json(prices: Sequence[Price]) -> str:
    """One object a line for each process under each model."""
    return "\n".join([
        json.dumps({
            "test": price.test, "file": price.file, "model": price.model, "process": price.tid,
            "costs": [
                {"category": item.category, "name": item.name, "low": count.low, "high": count.high} for item, count in price.counts
            ],
        })
        for price in prices
    ])  # fmt: skip
