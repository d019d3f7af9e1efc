"""The command `checker gate`: options in, reports out, an exit code. Nothing is decided here.

Exit code: 0 clean, 1 blocked, 2 something could not be checked or a report not be written, 130 interrupted. Unless an
`--output` goes to stdout a table does; in a GitHub job annotations go there too, and a summary to the job's page.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from checker.command import AS_EXPECTED, BAD_INPUT, DIFFERENT, INTERRUPTED, Output, cores, exit_zero, loudness

if TYPE_CHECKING:
    from checker.campaign.gate import Report, Request
    from checker.campaign.policy import Policy

FORMATS = ("table", "text", "junit", "sarif", "github", "markdown", "json")


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--config", metavar="FILE", help="The policy. Default: checker.toml or pyproject.toml here.")
@click.option("--baseline", metavar="FILE", help="Compare with the verdicts in this file too.")
@click.option("--update-baseline", is_flag=True, help="Write the baseline anew from what comes out.")
@click.option(
    "--diff",
    "diffs",
    multiple=True,
    metavar="PATCH|REV..REV",
    help="Judge a kernel patch by the tests bound to the functions it changes. Repeatable: a series.",
)
@click.option("--kernel", metavar="TREE", help="The kernel's source: tests bound to it are compared with it.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Seconds for one test, one model.")
@click.option("--memory", type=click.IntRange(min=0), metavar="MIB", help="Memory for one worker; 0 is no bound.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="How many processes. Default: the cores.")
@click.option("--executor", metavar="dask://HOST:PORT", help="Give the work to a Dask cluster.")
@click.option("--cache", metavar="FOLDER", help="Where results are kept. Default: the user's cache folder.")
@click.option("--no-cache", is_flag=True, help="Check everything anew, and keep nothing.")
@click.option("--journal", metavar="FILE", help="Write every result here as it comes.")
@click.option("--resume", is_flag=True, help="Go on where a run with the same --journal was cut short.")
@click.option(
    "--output",
    "outputs",
    multiple=True,
    type=Output(FORMATS),
    metavar="FORMAT[=FILE]",
    help=f"Of {', '.join(FORMATS)}. Repeatable.",
)
@exit_zero
@loudness
def gate(
    paths: tuple[str, ...], config: str | None, baseline: str | None, *, update_baseline: bool, diffs: tuple[str, ...],
    kernel: str | None, timeout: float | None, memory: int | None, jobs: int | None, executor: str | None,
    cache: str | None, no_cache: bool, journal: str | None, resume: bool, outputs: tuple[tuple[str, str], ...],
    exit_zero: bool, quiet: bool, verbose: bool,
) -> None:  # fmt: skip
    """Check tests against what they expect and against a baseline, and stop what must not pass.

    PATHs are those of the policy unless given. Exit code: 0 clean, 1 blocked, 2 something could not be checked.
    """
    from msgspec.structs import replace

    from checker.campaign.gate import Interrupted, Request, gate
    from checker.campaign.policy import load_policy
    from checker.campaign.pool import cluster
    from checker.campaign.verdicts import Journal, Store
    from checker.core.source import CheckerError
    from checker.parse.files import cache_folder
    from checker.report.progress import Progress

    if resume and not journal:
        raise click.UsageError("--resume goes on from a --journal: name it")
    if diffs and not kernel:
        raise click.UsageError("--diff needs the --kernel that the patch is for")
    if quiet and verbose:
        raise click.UsageError("-q and -v cannot both be meant")
    start = time.perf_counter()
    try:
        with Progress(sys.stderr, "reading", quiet=quiet) as bar:
            policy = load_policy(".", config).with_limits(timeout, memory)
            known = baseline or policy.baseline
            if update_baseline and not known:
                raise click.UsageError("--update-baseline needs to know which: give --baseline FILE")
            request = Request(
                tuple(paths or policy.paths or (["litmus"] if os.path.isdir("litmus") else [] if diffs else ["."])),
                baseline="" if update_baseline else known, whole=not paths,
                store=None if no_cache else Store(Path(cache) if cache else cache_folder("gate")),
                journal=Journal(Path(journal)) if journal else None, resume=resume, workers=jobs or cores(),
                memory=policy.memory, executor=cluster(executor) if executor else None, step=bar.step,
            )  # fmt: skip
            report = gate(request, policy)
            if kernel:
                bar.say("reading the patch" if diffs else "reading the kernel")
                report = _with_kernel(report, kernel, diffs, request, policy)
        if update_baseline:
            _update(report, known, policy, whole=not paths)
    except CheckerError as error:
        click.echo(error.render(), err=True)
        sys.exit(BAD_INPUT)
    except Interrupted as cut:
        _print(cut.report, [("table", "")], quiet=quiet, verbose=verbose)
        click.echo(f"interrupted after {len(cut.report.rows)} of {cut.total}", err=True)
        sys.exit(INTERRUPTED)
    report = replace(report, seconds=time.perf_counter() - start)
    code = _print(report, [*outputs], quiet=quiet, verbose=verbose)
    sys.exit(AS_EXPECTED if exit_zero and code == DIFFERENT else code)


@click.command()
@click.argument("folder", default=".", metavar="[FOLDER]", type=click.Path(exists=True, file_okay=False))
def init(folder: str) -> None:
    """Write a scenario to begin with and a policy for the gate into a repository."""
    from checker.campaign.starter import write_starter

    written, there = write_starter(Path(folder))
    for name in written:
        click.echo(f"{name} is written")
    for name in there:
        click.echo(f"{name} is there already", err=True)
    click.echo("next: checker gate")


def _with_kernel(report: Report, kernel: str, diffs: tuple[str, ...], request: Request, policy: Policy) -> Report:
    from checker.campaign.patched import with_kernel

    return with_kernel(report, kernel, diffs, request, policy)


def _update(report: Report, path: str, policy: Policy, *, whole: bool) -> None:
    from checker.campaign.baseline import write_baseline
    from checker.campaign.gate import updated_baseline

    if report.code == BAD_INPUT:
        click.echo("the baseline is not updated: something could not be checked", err=True)
        return
    write_baseline(path, updated_baseline(report, path, policy, whole=whole))
    click.echo(f"{path} is written", err=True)


def _print(report: Report, targets: list[tuple[str, str]], *, quiet: bool, verbose: bool) -> int:
    """Write every report asked for; the exit code. One that cannot be written is an error, and does not stop the others."""
    from checker.report.blocks import View
    from checker.report.gate import render
    from checker.report.signs import coloured, speaks_unicode, width_of

    on_github = os.environ.get("GITHUB_ACTIONS") == "true"
    summary = os.environ.get("GITHUB_STEP_SUMMARY", "") if on_github else ""
    if not any(not file for _, file in targets):
        targets = [*targets, ("table", ""), *([("github", "")] if on_github else [])]
    colour = coloured(sys.stdout)
    screen = View(
        width_of(sys.stdout), colour=colour, unicode=speaks_unicode(sys.stdout), guarded=on_github, quiet=quiet, verbose=verbose
    )
    written = [_write("markdown", summary, "a", report)] if summary else []
    for name, file in targets:
        if file:
            written.append(_write(name, file, "w", report))
        else:
            sys.stdout.write(render(name, report, screen))
    sys.stdout.flush()
    return report.code if all(written) else BAD_INPUT


def _write(name: str, file: str, mode: str, report: Report) -> bool:
    """Whether the report could be written."""
    from checker.report.gate import render

    try:
        with open(file, mode, encoding="utf-8") as stream:
            stream.write(render(name, report))
    except OSError as error:
        click.echo(f"error: {file} cannot be written: {error.strerror}", err=True)
        return False
    return True
