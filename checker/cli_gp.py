"""The command `checker gp`: a boot of a VM replayed with each way to free the old MMIO bus, as a table and a picture."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from checker.command import BAD_INPUT, F

if TYPE_CHECKING:
    from checker.gp import Boot, Timeline


class _Number(click.FloatRange):
    """A range without `nan`, which compares as if it were in every one."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is not a number", param, ctx)
        return number


class _Device(click.ParamType[tuple[int, int]]):
    """LINE=N: that many devices are registered by the call in that line."""

    name = "line=n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        match = re.fullmatch(r"(\d{1,9})=(\d{1,4})", str(value), re.ASCII)
        if match is None:
            self.fail(f"{value!r} is not LINE=N, as in 123=4", param, ctx)
        return int(match[1]), int(match[2])


_TIME = _Number(0, 1e7)
_SECTION = _Number(0, 1e5)
_MANY = click.IntRange(0, 10_000)
_FEW = click.IntRange(0, 64)
_HZ = click.IntRange(10, 10_000)
_PART = _Number(0, 1, max_open=True)
_KERNELS = ("5.18", "282d8998e997", "8f870e6eb8c0", "7.2")  # the keys of checker.srcu.KERNELS, which is not loaded for --help
_FITTED = ("scan", "gap", "register", "update", "vcpu")
_OF_A_MADE_BOOT = {"registrations", "updates", "vcpus", "vcpu_threads", "interleave", "gap"}


def _fitted(name: str, default: float, what: str) -> Callable[[F], F]:
    shown = f"{default:g}, fitted"
    return click.option(f"--{name}", type=_TIME, default=default, show_default=shown, metavar="µs", help=what)


def _given(name: str) -> bool:
    """Whether an option was given, not left at its default."""
    return click.get_current_context().get_parameter_source(name) is not ParameterSource.DEFAULT


@click.command()
@click.option("--arch", type=click.Choice(("x86", "arm64")), default="x86", show_default=True, help="Which order a boot has.")
@click.option("-n", "--registrations", type=_MANY, default=20, show_default=True, metavar="N", help="Device registrations.")
@click.option("-m", "--updates", type=_MANY, default=4, show_default=True, metavar="M", help="Memslot updates.")
@click.option("--vcpus", type=_FEW, default=1, show_default=True, metavar="N", help="vCPUs.")
@click.option("--vcpu-threads", is_flag=True, help="Each vCPU is created by a thread of its own, at the same time.")
@click.option("--interleave", is_flag=True, help="Registrations and updates take turns, as when a guest sets up its devices.")
@click.option("--strace", "trace", type=click.Path(dir_okay=False), metavar="FILE",
              help="Replay the calls of a real boot: strace -f -ttt -T -e trace=ioctl -o FILE VMM …; - is stdin.")  # fmt: skip
@click.option("--registers", type=_Device(), multiple=True, metavar="LINE=N",
              help="The call in that line of the trace registers N devices; repeatable.")  # fmt: skip
@click.option("--hz", type=_HZ, multiple=True, metavar="HZ", help="Ticks a second; repeatable. Default: 100 and 1000.")
@click.option("--kernel", type=click.Choice(_KERNELS), default="7.2", show_default=True,
              help="srcutree.c of that release, or as that commit left it: 282d8998e997 is in 5.19-rc1.")  # fmt: skip
@click.option("--max-nodelay-phase", type=click.IntRange(0, 10**9), metavar="N", help="srcutree.srcu_max_nodelay_phase.")
@click.option("--max-nodelay", type=click.IntRange(0, 10**9), metavar="N", help="srcutree.srcu_max_nodelay.")
@click.option("--readers", type=_FEW, default=0, show_default=True, metavar="N", help="Threads with read-side sections.")
@click.option("--section", type=_SECTION, default=20.0, show_default=True, metavar="µs", help="How long a section lasts.")
@click.option("--pause", type=_SECTION, default=80.0, show_default=True, metavar="µs", help="Between two sections of a reader.")
@_fitted("scan", 5, "One scan of the readers; two make a grace period.")
@_fitted("gap", 15, "Between two calls of a thread.")
@_fitted("register", 2, "What a registration takes without waiting.")
@_fitted("update", 6, "What an update of the memslots takes without waiting.")
@_fitted("vcpu", 105, "What KVM_CREATE_VCPU takes without waiting, and without the updates in it.")
@click.option("--phase", type=_PART, default=0.0, show_default=True, help="How far into a jiffy the boot begins.")
@click.option("--format", "layout", type=click.Choice(("table", "json")), default="table", show_default=True,
              help="json: one object for each strategy and HZ.")  # fmt: skip
@click.option("--svg", type=click.Path(dir_okay=False), metavar="FILE", help="Draw it into this file; - is stdout.")
def gp(
    arch: str, hz: tuple[int, ...], trace: str | None, registers: tuple[tuple[int, int], ...], layout: str, svg: str | None,
    readers: int, section: float, pause: float, **more: Any,
) -> None:  # fmt: skip
    """Replay device registrations and memslot updates of a VM's boot under each strategy: where does it wait?

    Strategies: synchronize_srcu_expedited() in every registration (before v6.18), call_srcu() (since), call_srcu_expedited()
    (proposed in 2026), and synchronize until the first vCPU is created, call_srcu() afterwards (proposed in 2026).

    The times are a model's. Those that are fitted make it tell what was reported; docs/gp.md says of which, and what is left out.
    """
    from checker.gp import STRATEGIES, simulate
    from checker.srcu import Machine, Readers

    if more["kernel"] == "5.18" and not (more["max_nodelay_phase"] is more["max_nodelay"] is None):
        raise click.UsageError("Linux 5.18 has no limit that --max-nodelay-phase or --max-nodelay could set")
    fields = ("scan", "phase", "register", "update", "vcpu", "kernel", "max_nodelay_phase", "max_nodelay")
    times = {name: more[name] for name in fields}
    held_up = Readers(readers, section, pause)
    machines = [Machine(hz=each, readers=held_up, **times) for each in hz or (100, 1000)]
    given = {name for name in click.get_current_context().params if _given(name)}
    if idle := sorted(given & ({"registers"} if trace is None else _OF_A_MADE_BOOT)):
        raise click.UsageError(f"--{idle[0].replace('_', '-')} has no meaning {'without' if trace is None else 'with'} --strace")
    plan, title = _traced(arch, trace, dict(registers)) if trace is not None else _made(arch, more)
    timelines = [simulate(plan, strategy, machine) for machine in machines for strategy in STRATEGIES]
    if svg != "-":
        fitted = [name for name in _FITTED if name not in given and (trace is None or name not in _OF_A_MADE_BOOT)]
        _print(timelines, layout, fitted)
    if svg is not None:
        _draw(timelines, title, svg)


def _made(arch: str, asked: dict[str, Any]) -> tuple[Boot, str]:
    """The boot that the options describe, and what it is called."""
    from checker.gp import boot

    n, m, interleave, vcpus, threads = (asked[k] for k in ("registrations", "updates", "interleave", "vcpus", "vcpu_threads"))
    plan = boot(arch, n, m, interleave=interleave, vcpus=vcpus, own_threads=threads, gap=asked["gap"])
    order = "taking turns" if interleave else "one kind after the other"
    return plan, f"{arch}: {n} registrations, {m} memslot updates, {order}"


def _traced(arch: str, path: str, registers: dict[int, int]) -> tuple[Boot, str]:
    """The boot in a trace. What the reader had to assume, or does not know, is said on stderr."""
    from checker.core.source import CheckerError, Source
    from checker.report.signs import for_stream
    from checker.strace import read

    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8", errors="replace")
        plan, notes = read(Source("<stdin>" if path == "-" else path, text), arch, registers)
    except OSError as error:
        click.echo(f"{path} cannot be read: {error.strerror}", err=True)
        sys.exit(BAD_INPUT)
    except CheckerError as error:
        click.echo(for_stream(error.render(), sys.stderr), err=True)
        sys.exit(BAD_INPUT)
    for note in notes:
        click.echo(for_stream(note, sys.stderr), err=True)
    return plan, f"{arch}: {Path(path).name}"


def _print(timelines: list[Timeline], layout: str, fitted: list[str]) -> None:
    from checker.report.signs import for_stream
    from checker.report.timeline import about, record, table

    if layout == "json":
        for timeline in timelines:
            click.echo(record(timeline))
        return
    click.echo(for_stream(table(timelines) + "\n\n" + about(timelines, fitted), sys.stdout))


def _draw(timelines: list[Timeline], title: str, svg: str) -> None:
    from checker.report.timeline import picture

    drawing = picture(timelines, title)
    if svg == "-":
        click.echo(drawing, nl=False)
        return
    try:
        Path(svg).write_text(drawing, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{svg} cannot be written: {error.strerror}") from error
