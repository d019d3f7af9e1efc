"""The commands that go to the kernel's source: extract, barriers. Options in, tests and tables out, an exit code. Nothing is
decided here.

Exit code: 0 written, 2 it could not be, 130 interrupted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from checker.command import AS_EXPECTED, BAD_INPUT, ModelName, cores

if TYPE_CHECKING:
    from checker.insight.question import Asked
    from checker.reach.extract import Extract


class FunctionName(click.ParamType[tuple[str, str]]):
    """FILE:FUNCTION: the two parts."""

    name = "file:function"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        path, colon, function = str(value).rpartition(":")
        if not colon or not path or not function.isidentifier():
            self.fail(f"{value!r} is not FILE:FUNCTION, as in virt/kvm/kvm_main.c:kvm_vcpu_kick")
        return path.removeprefix("./"), function


@click.command()
@click.argument("functions", nargs=-1, required=True, metavar="FILE:FUNCTION...", type=FunctionName())
@click.option("--kernel", required=True, metavar="TREE", help="The kernel's source.")
@click.option(
    "--place", "places", multiple=True, metavar="STRUCT.MEMBER", help="A place to look at. Repeatable. Default: shared ones."
)
@click.option(
    "--depth",
    type=click.IntRange(0, 8),
    default=3,
    show_default=True,
    metavar="N",
    help="How deep calls are followed that touch no place; others 4 times as deep.",
)
@click.option("--unroll", type=click.IntRange(1, 8), default=1, show_default=True, metavar="N", help="Rounds of a loop.")
@click.option("--arch", type=click.Choice(("x86", "arm64")), help="Default: that of the files, or x86.")
@click.option("--exists", metavar="CONDITION", help="The question. Default: what is weak.")
@click.option("--name", metavar="NAME", help="The name of the test. Default: those of the functions.")
@click.option("-m", "--model", "model", type=ModelName(), default="lkmm", show_default=True, help="The model that is asked.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=60.0, show_default=True, metavar="S", help="Seconds for it."
)
@click.option("--format", "layout", type=click.Choice(("litmus", "json")), default="litmus", show_default=True)
@click.option("-o", "--output", metavar="FILE", help="Write the test there, unless there is such a file. Default: stdout.")
@click.option("--force", is_flag=True, help="Overwrite the file of --output.")
@click.option("--no-cache", is_flag=True, help="Read everything anew, and keep nothing.")
def extract(
    functions: tuple[tuple[str, str], ...], kernel: str, places: tuple[str, ...], *, depth: int, unroll: int, arch: str | None,
    exists: str | None, name: str | None, model: str, timeout: float, layout: str, output: str | None, force: bool, no_cache: bool,
) -> None:  # fmt: skip
    """Write a litmus test from kernel functions: one process each.

    Each process has what its function, and those it calls, do to places that the functions share, and all that orders it.
    Conditions on anything else are free choices. What is left out and may matter stands in the test as __lost(), and with it
    nothing is called impossible. Without --exists the question is what the model allows and no interleaving has. Exit code: 0
    written, 2 it could not be.
    """
    from checker.campaign.verdicts import tool
    from checker.core.source import CheckerError
    from checker.kernel.kept import Kept
    from checker.library import load_model
    from checker.parse.files import cache_folder
    from checker.reach.extract import Wanted, extracted, told
    from checker.reach.types import source
    from checker.report.extracted import question, record, with_answer

    if output and Path(output).exists() and not force:
        raise click.UsageError(f"there is a file {output} already: --force overwrites it")
    try:
        types = source(
            kernel, tuple(path for path, _ in functions), None if no_cache else Kept(cache_folder("reach"), tool()), arch or ""
        )
        wanted = Wanted(places, depth, unroll, question(exists) if exists else "", name or "")
        made = extracted(types, functions, wanted)
        found = None if exists else _asked(made, model, timeout)
        text = with_answer(made, found, load_model(model).name) if found is not None else made.text
    except CheckerError as error:
        click.echo(error.render(), err=True)
        sys.exit(BAD_INPUT)
    shown = text if layout == "litmus" else json.dumps(record(made, found, text), ensure_ascii=False) + "\n"
    if output:
        Path(output).write_text(shown, encoding="utf-8")
    else:
        click.echo(shown, nl=False)
    for kind, word in (("lost", "lost"), ("order", "may order")):
        for line in told([note for note in made.notes if note.kind == kind]):
            click.echo(f"{word}: {line}", err=True)
    sys.exit(AS_EXPECTED)


def _asked(made: Extract, model: str, timeout: float) -> Asked:
    from checker.check import Options
    from checker.insight.question import asked
    from checker.library import load_model

    return asked(made.text, f"{made.name}.litmus", load_model(model), Options(timeout=timeout), made.reads)


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--kernel", required=True, metavar="TREE", help="The kernel's source.")
@click.option(
    "--partners", "most", type=click.IntRange(1, 50), default=4, show_default=True, metavar="N", help="How many a barrier."
)
@click.option("--only", metavar="TEXT", help="Barriers of this function only, or at FILE:LINE.")
@click.option(
    "-m", "--model", "models", multiple=True, default=("lkmm",), show_default=True, type=ModelName(), help="A model; repeatable."
)
@click.option("--no-judge", is_flag=True, help="Only pair: do not ask what barriers are worth.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="S",
    help="Seconds for a test.",
)
@click.option("--arch", type=click.Choice(("x86", "arm64")), default="x86", show_default=True, help="For code of no architecture.")
@click.option("--format", "layout", type=click.Choice(("table", "markdown", "json")), default="table", show_default=True)
@click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="How many processes. Default: the cores.")
@click.option("--no-cache", is_flag=True, help="Read everything anew, and keep nothing.")
@click.option("-q", "--quiet", is_flag=True, help="No bar of progress.")
def barriers(
    paths: tuple[str, ...], kernel: str, *, most: int, only: str | None, models: tuple[str, ...], no_judge: bool, timeout: float,
    arch: str, layout: str, jobs: int | None, no_cache: bool, quiet: bool,
) -> None:  # fmt: skip
    """List barriers with the functions they pair with, and what they are worth to them.

    PATH: files and folders of the tree; all of the kernel without. A partner comes to the places that a barrier keeps apart
    the other way round, or a comment names it. Each pair is extracted as a test, with the
    barrier and without. Exit code: 0 listed, 2 it could not be.
    """
    import contextlib
    import tempfile

    from checker.campaign.barriers import surveyed
    from checker.campaign.indexed import indexed
    from checker.campaign.judged import Request, judged
    from checker.campaign.verdicts import tool
    from checker.core.source import CheckerError
    from checker.kernel.kept import Kept
    from checker.kernel.trees import folder_tree
    from checker.library import load_model
    from checker.parse.files import cache_folder
    from checker.report.barriers import jsonl, markdown, table
    from checker.report.progress import Progress
    from checker.report.signs import for_stream, width_of

    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) if no_cache else cache_folder("reach")
        bar = stack.enter_context(Progress(sys.stderr, "reading", quiet=quiet))
        try:
            for name in models:
                load_model(name)
            kept = Kept(folder, tool())
            index = indexed(folder_tree(kernel), paths, kept, arch, jobs or cores(), lambda n, of: bar.step(n, of, "reading"))
        except CheckerError as error:
            bar.hush()
            click.echo(error.render(), err=True)
            sys.exit(BAD_INPUT)
        wanted = [one for one in index.barriers if not only or only in (one.inside, f"{one.path}:{one.line}")]
        found = []
        for one in surveyed(index, wanted, most):
            found.append(one)
            bar.step(len(found), len(wanted), "pairing")
        if not no_judge:
            request = Request(kernel, (str(folder), tool()), arch, models, timeout, jobs or cores())
            for n, one in enumerate(judged(request, found)):
                found[n] = one
                bar.step(n + 1, len(found), "judging")
    if layout == "json":
        click.echo(jsonl(found), nl=False)
    else:
        click.echo(for_stream(table(found, width_of(sys.stdout)) if layout == "table" else markdown(found), sys.stdout))
    for path, why in index.unread:
        click.echo(f"{path} is not in the index: {why}", err=True)
    sys.exit(AS_EXPECTED)


COMMANDS = (extract, barriers)
