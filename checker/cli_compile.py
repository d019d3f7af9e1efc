"""The command `checker compile`: C tests in, assembly tests out, for herd7, for litmus7 on hardware, and for `checker run`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

BAD_INPUT = 2
_ARCHES = {"aarch64": "aarch64", "x86_64": "x86-tso"}
"""The model whose table says what a primitive is compiled to."""


@click.command("compile")
@click.argument("paths", nargs=-1, required=True, metavar="FILE...")
@click.option("--arch", type=click.Choice(tuple(_ARCHES)), required=True, help="For which machine.")
@click.option("-o", "--output", metavar="FOLDER", help="Write one file a test there. Default: everything to stdout.")
def compile_tests(paths: tuple[str, ...], *, arch: str, output: str | None) -> None:
    """Write C tests as assembly tests: the instructions a kernel primitive is compiled to, for herd7 and litmus7.

    Exit code: 0 all written, 2 some could not be (a grace period and kfree() are no instructions).
    """
    from checker.campaign.corpus import located
    from checker.core.source import CheckerError
    from checker.library import load_model, load_test
    from checker.report.assembly import export
    from checker.report.assembly_aarch64 import AArch64
    from checker.report.assembly_x86 import X86

    model, machine = load_model(_ARCHES[arch]), AArch64() if arch == "aarch64" else X86()
    failed = False
    for path in paths:
        try:
            text = export(load_test(path), model, machine).text
        except CheckerError as error:
            click.echo(located(error, path), err=True)
            failed = True
            continue
        try:
            _write(text, path, output)
        except OSError as error:
            raise click.ClickException(f"{output}: {error.strerror}") from error
    sys.exit(BAD_INPUT if failed else 0)


def _write(text: str, path: str, folder: str | None) -> None:
    if folder is None:
        click.echo(text, nl=False)
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / Path(path).name).write_text(text, encoding="utf-8")
