"""The command `checker gp`: a boot of a VM replayed with each way to free the old MMIO bus, as a table and a picture."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import click


class _Number(click.FloatRange):
    """A range without `nan`, which compares as if it were in every one."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is not a number", param, ctx)
        return number


_TIME = _Number(0, 1e7)
_MANY = click.IntRange(0, 10_000)
_HZ = click.IntRange(10, 10_000)
_PART = _Number(0, 1, max_open=True)
_SCAN = "One scan of the readers; two make a grace period."


@click.command()
@click.option("--arch", type=click.Choice(("x86", "arm64")), default="x86", show_default=True, help="Which order a boot has.")
@click.option("-n", "--registrations", type=_MANY, default=6, show_default=True, metavar="N", help="Device registrations.")
@click.option("-m", "--updates", type=_MANY, default=4, show_default=True, metavar="M", help="Memslot updates.")
@click.option("--interleave", is_flag=True, help="Both take turns, as when a guest sets up its devices.")
@click.option("--hz", type=_HZ, multiple=True, metavar="HZ", help="Ticks a second; repeatable. Default: 100 and 1000.")
@click.option("--scan", type=_TIME, default=5.0, show_default=True, metavar="µs", help=_SCAN)
@click.option("--gap", type=_TIME, default=50.0, show_default=True, metavar="µs", help="Between two calls of the VMM.")
@click.option("--phase", type=_PART, default=0.0, show_default=True, help="How far into a jiffy the boot begins.")
@click.option("--svg", type=click.Path(dir_okay=False), metavar="FILE", help="Draw it into this file; - is stdout.")
def gp(
    arch: str, registrations: int, updates: int, *, interleave: bool, hz: tuple[int, ...], scan: float, gap: float, phase: float,
    svg: str | None,
) -> None:  # fmt: skip
    """Replay N device registrations and M memslot updates of a VM's boot under each strategy: where does it wait?

    Strategies: synchronize_srcu_expedited() in every registration (before v6.18), call_srcu() (since), call_srcu_expedited()
    (proposed in 2026), and synchronize until the first vCPU is created, call_srcu() afterwards (proposed in 2026).
    """
    from checker.gp import STRATEGIES, Machine, boot, simulate
    from checker.report.signs import for_stream
    from checker.report.timeline import picture, table

    plan = boot(arch, registrations, updates, interleave=interleave)
    machines = [Machine(hz=each, scan=scan, gap=gap, phase=phase) for each in hz or (100, 1000)]
    timelines = [simulate(plan, strategy, machine) for machine in machines for strategy in STRATEGIES]
    if svg != "-":
        click.echo(for_stream(table(timelines), sys.stdout))
    if svg is None:
        return
    order = "taking turns" if interleave else "one kind after the other"
    drawing = picture(timelines, f"{arch}: {registrations} registrations, {updates} memslot updates, {order}")
    if svg == "-":
        click.echo(drawing, nl=False)
        return
    try:
        Path(svg).write_text(drawing, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{svg} cannot be written: {error.strerror}") from error
