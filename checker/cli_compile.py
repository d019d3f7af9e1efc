"""The command `checker compile`: C tests in, assembly tests out, for herd7, for litmus7 on hardware, and for `checker run`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from checker.command import BAD_INPUT

if TYPE_CHECKING:
    from checker.parse.files import Text


class _Machine(click.ParamType[str]):
    """A machine to compile for; becomes the model whose table says what a primitive is compiled to."""

    name = "machine"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"[{'|'.join(self.known())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        known = self.known()
        if value not in known:
            self.fail(f"{value!r} is not one of {', '.join(known)}", param, ctx)
        return known[value]

    def known(self) -> dict[str, str]:
        from checker.library import SHIPPED

        return {shipped.compiles: name for name, shipped in SHIPPED.items() if shipped.compiles}


@click.command("compile")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--arch", "model_name", type=_Machine(), required=True, help="For which machine.")
@click.option("-o", "--output", metavar="FOLDER", help="Write one file a test there. Default: everything to stdout.")
@click.option("--force", is_flag=True, help="Overwrite what an earlier run wrote there; never a test that is compiled.")
def compile_tests(paths: tuple[str, ...], *, model_name: str, output: str | None, force: bool) -> None:
    """Write C tests as assembly tests: the instructions a kernel primitive is compiled to, for herd7 and litmus7.

    PATH: files, folders, lists (@FILE), - for stdin. Below the FOLDER of -o a test lies as it did below the folder given.
    Exit code: 0 all written, 2 some could not be (a grace period and kfree() are no instructions).
    """
    from checker.campaign.corpus import located
    from checker.campaign.paths import texts_of
    from checker.core.source import CheckerError
    from checker.isa.compile import export
    from checker.library import load_model, test_in
    from checker.report.progress import Progress

    model = load_model(model_name)
    machine = import_module(f"checker.isa.{model.machine}.compile").WRITER
    with Progress(sys.stderr, "reading") as bar:
        texts, errors = texts_of(paths)
        told = [error.render() for error in errors]
        places = _places(texts, paths, output) if output is not None else {}
        for done, text in enumerate(texts):
            bar.step(done, len(texts), "compiling")
            try:
                made = export(test_in(text.source()), model, machine).text
                if output is None:
                    bar.hush()
                    click.echo(made, nl=False)
                else:
                    _write(made, text, places, force=force)
            except CheckerError as error:
                told.append(located(error, text.path))
    for report in told:
        click.echo(report, err=True)
    sys.exit(BAD_INPUT if told else 0)


def _places(texts: Sequence[Text], paths: Sequence[str], folder: str) -> dict[str, Path]:
    """Where each test is to be written: below `folder` as it lay below the folder that was given, else under its name."""
    roots = [path for path in paths if os.path.isdir(path)]
    places = {}
    for text in texts:
        under = [os.path.relpath(text.path, root) for root in roots if Path(text.path).is_relative_to(root)]
        name = min(under, key=len) if under else os.path.basename(text.path).strip("<>")
        places[text.path] = Path(folder) / (name if name.endswith(".litmus") else f"{name}.litmus")
    return places


def _write(made: str, text: Text, places: dict[str, Path], *, force: bool) -> None:
    """Write a file that is not there yet, or is the same. Raises CheckerError where another would be lost."""
    from checker.core.source import Unreadable
    from checker.parse.files import write_whole

    target = places[text.path]
    same = [path for path, other in places.items() if other == target]
    if same[0] != text.path:
        raise Unreadable(f"{target} is what {same[0]} is written to", hint="give their folder, or another -o FOLDER")
    if target.exists():
        if any(os.path.exists(path) and os.path.samefile(path, target) for path in places):
            raise Unreadable(f"{target} is a test that is compiled: it is not overwritten", hint="give another -o FOLDER")
        if not target.is_file() or (not force and target.read_bytes() != made.encode()):
            raise Unreadable(f"{target} is there already, and is another", hint="--force overwrites it")
    write_whole(target, made.encode())
