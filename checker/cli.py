"""The command `checker`: options in, rendered results out, an exit code. Nothing is decided here.

Results go to stdout, everything for people about the run (errors, warnings, the bar) to stderr. Exit code 0: every verdict as
expected; 1: some verdict or race is not, or is Unknown; 2: some input could not be checked, or a result not written; 130:
interrupted (checker/command.py).
Everything heavy is imported when a command needs it, so that `--help` is instant.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import click

from checker import __version__
from checker.cli_compile import compile_tests
from checker.cli_cost import cost
from checker.cli_gate import gate, init
from checker.cli_gp import gp
from checker.cli_insight import COMMANDS as INSIGHT
from checker.cli_mcp import mcp
from checker.cli_reach import COMMANDS as REACH
from checker.command import AS_EXPECTED, BAD_INPUT, DIFFERENT, INTERRUPTED, Commands, ModelName, cores, exit_zero, loudness, prepare

if TYPE_CHECKING:
    from checker.campaign.corpus import Job, Setup
    from checker.report.printer import Printer
    from checker.report.progress import Progress

STAGES = ("graph", "bounds", "problem", "execution")


def main() -> None:
    """The command, on streams that can take what it prints. Told to end, it ends as after Ctrl-C; told twice, at once."""
    signal.signal(signal.SIGTERM, _end)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_heed, args=(ours,), daemon=True).start()
    prepare(sys.stdout, sys.stderr)
    cli()


def _heed(signals: socket.socket) -> None:
    """Have each signal stop Z3 as well, so that its handler runs."""
    while signals.recv(1):
        stop = getattr(sys.modules.get("checker.solve.solver"), "interrupt", None)  # the module may be half imported
        if stop is not None:
            stop()


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise KeyboardInterrupt


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="checker", message="%(prog)s %(version)s")
def cli() -> None:
    """Decides litmus tests of kernel synchronisation under weak memory models."""


_FORMATS = click.Choice(("table", "herd", "json"))
_FORMAT_HELP = "A table, what herd7 prints, or one JSON object a line."
_MODEL_HELP = "A name that `checker models` lists, or the path of a .cat file. Repeatable. Default: lkmm."
_SOLVER_HELP = "A quick search, and Z3 where that gives up; Z3 alone; or both, which have to agree."
_ASSUMPTIONS = ("srcu_read_lock-implementation", "call_srcu-implementation")
_LOOPS = click.IntRange(1, 1000)
_SECONDS = click.FloatRange(min=0, min_open=True)


@cli.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-m", "--model", "models", multiple=True, type=ModelName(), help=_MODEL_HELP)
@click.option("--expected", is_flag=True, help="Check each file under every model that it expects something of.")
@click.option("--bell", metavar="FILE", help="The bell file of the model, in place of its own.")
@click.option("--macros", metavar="FILE", help="The .def table of primitives, in place of the model's own.")
@click.option("-I", "include", multiple=True, metavar="FOLDER", help="Look for included cat files here too. Repeatable.")
@click.option("--states", is_flag=True, help="List all final states.")
@click.option("--unroll", type=_LOOPS, default=2, show_default=True, metavar="N", help="How often a loop body runs at most.")
@click.option("--timeout", type=_SECONDS, metavar="S", help="Seconds for one test under one model; after them it is Unknown.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="How many processes at most. Default: the cores.")
@click.option("--format", "layout", type=_FORMATS, default="table", show_default=True, help=_FORMAT_HELP)
@click.option(
    "--assume", multiple=True, type=click.Choice(_ASSUMPTIONS), help="Take for granted what is not documented. Repeatable."
)
@click.option(
    "--strict",
    is_flag=True,
    help="A warning about a file (a value that nothing writes, …) is an error.",
)
@click.option("--progress", is_flag=True, help="Ask as well whether a wait (a spin on a condition) can last for ever.")
@click.option("--solver", type=click.Choice(("fast", "z3", "both")), default="fast", show_default=True, help=_SOLVER_HELP)
@click.option("--dump", type=click.Choice(STAGES), help="Show a stage of the work instead of the verdict.")
@exit_zero
@loudness
def run(
    paths: tuple[str, ...], models: tuple[str, ...], *, expected: bool, bell: str | None, macros: str | None,
    include: tuple[str, ...], states: bool, unroll: int, timeout: float | None, jobs: int | None, layout: str, strict: bool,
    assume: tuple[str, ...], progress: bool, solver: str, dump: str | None, exit_zero: bool, quiet: bool, verbose: bool,
) -> None:  # fmt: skip
    """Check litmus tests: files, folders of *.litmus files, lists (a name starting with @ holds one path a line), - for stdin.

    Exit code: 0 all verdicts as the files expect (or nothing is expected), 1 a verdict or a race is not as expected, or
    is Unknown, 2 some input cannot be checked or a result not be written, 130 interrupted.
    """
    from checker.campaign.corpus import Setup
    from checker.campaign.paths import plan
    from checker.check import Options
    from checker.report.printer import printer_of
    from checker.report.progress import Progress

    if expected and models:
        raise click.UsageError("--expected takes the models from the files, -m names them: give one of the two")
    if quiet and verbose:
        raise click.UsageError("-q and -v cannot both be meant")
    options = Options(
        states=states or layout == "herd",
        counts=layout == "herd",
        unroll=unroll,
        timeout=timeout,
        assume=frozenset(assume),
        solver=solver,
        progress=progress or None,
    )
    setup = Setup(options, bell, macros, include, strict)
    printer = printer_of(layout, sys.stdout, sys.stderr, quiet=quiet, verbose=verbose)
    with Progress(sys.stderr, "reading", quiet=quiet) as bar:
        printer.hush = bar.hush
        chosen = None if expected else _loadable(models or ("lkmm",), setup, printer)
        todo, errors = plan(paths, chosen)
        for error in errors:
            printer.tell(error.render())
        code = _dump(dump, todo, setup, printer) if dump else _check(todo, setup, printer, jobs or cores(), bar)
    if layout == "table" and code in (AS_EXPECTED, DIFFERENT) and not (dump or quiet or printer.tally.unknown) and len(todo) == 1:
        _why(todo[0], setup)
    code = BAD_INPUT if errors and code != INTERRUPTED else code
    sys.exit(AS_EXPECTED if exit_zero and code == DIFFERENT else code)


def _loadable(models: tuple[str, ...], setup: Setup, printer: Printer) -> tuple[str, ...]:
    """The models, once it is clear that each can be loaded: what is wrong with one is said before any test is looked at."""
    from checker.campaign.corpus import model_of
    from checker.core.source import CheckerError

    try:
        for name in models:
            model_of(name, setup)
    except CheckerError as error:
        printer.tell(error.render())
        sys.exit(BAD_INPUT)
    return models


def _check(todo: list[Job], setup: Setup, printer: Printer, workers: int, bar: Progress) -> int:
    """Check, print, and say with which code to exit."""
    from checker.campaign.corpus import run

    interrupted = False
    bar.step(0, len(todo))
    try:
        with closing(run(todo, setup, workers=min(workers, len(todo)))) as outcomes:
            for done, outcome in enumerate(outcomes, 1):
                printer.add(outcome)
                bar.step(done, len(todo))
    except KeyboardInterrupt:
        interrupted = True
    bar.end()
    printer.end()
    tally = printer.tally
    if interrupted:
        printer.tell(f"interrupted after {tally.total} of {len(todo)}")
        return INTERRUPTED
    return BAD_INPUT if tally.errors else DIFFERENT if tally.unmet or tally.unknown else AS_EXPECTED


SOON = 1.0


def _why(job: Job, setup: Setup) -> None:
    """The reason for the verdict of one file in a line, where it is found within a second."""
    from msgspec.structs import replace

    from checker.campaign.corpus import model_of, test_of
    from checker.core.source import CheckerError
    from checker.insight.explanation import explain
    from checker.report.explained import one_line
    from checker.report.signs import for_stream

    options = replace(setup.options, states=False, counts=False, timeout=min(SOON, setup.options.timeout or SOON))
    with suppress(CheckerError):  # the verdict stands; explain itself says what it cannot explain
        found = explain(test_of(job.text, setup), model_of(job.model, setup), options)
        if line := one_line(found):
            click.echo(for_stream(f"why: {line}", sys.stdout))


def _dump(stage: str, todo: list[Job], setup: Setup, printer: Printer) -> int:
    """Print one stage of every job, and say with which code to exit."""
    from checker.campaign.corpus import located, model_of, test_of
    from checker.core.source import CheckerError
    from checker.report.dump import dump

    code = AS_EXPECTED
    for job in todo:
        try:
            click.echo(dump(stage, test_of(job.text, setup), model_of(job.model, setup), setup.options))
        except CheckerError as error:
            printer.tell(located(error, job.path))
            code = BAD_INPUT
    return code


@cli.command("models")
def list_models() -> None:
    """List the models, which tests they take, and how a file says what it expects of them."""
    from checker.library import SHIPPED
    from checker.report.table import columns

    rows = [("MODEL", "TAKES", "A FILE EXPECTS WITH", "WHAT IT IS")]
    for name, model in SHIPPED.items():
        expects = "Result: Never [DATARACE]" if name == "lkmm" else f"Result({name}): Never"
        rows.append((name, " ".join(model.archs), expects, model.about))
    click.echo("\n".join(columns(rows)))
    click.echo("\nVerdicts: Never, Sometimes, Always, DEADLOCK, Maybe. The path of a .cat file is a model too.")


cli.add_command(compile_tests)
cli.add_command(cost)
cli.add_command(gate)
cli.add_command(init)
cli.add_command(gp)
cli.add_command(mcp)
for command in (*INSIGHT, *REACH):
    cli.add_command(command)
