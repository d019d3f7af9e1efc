"""The command `checker mcp`: the tools for programs that review, over standard input and output."""

from __future__ import annotations

import click

from checker.command import cores


@click.command()
@click.option("--timeout", type=click.FloatRange(0.1, 3600), default=30.0, show_default=True, metavar="S", help="Seconds a call.")
@click.option("--memory", type=click.IntRange(256), default=2048, show_default=True, metavar="MIB", help="Memory a call.")
@click.option("--characters", type=click.IntRange(1), default=100_000, show_default=True, metavar="N", help="The longest test.")
@click.option("-j", "--jobs", type=click.IntRange(1), default=None, metavar="N", help="Calls at a time. Default: all cores.")
def mcp(timeout: float, memory: int, characters: int, jobs: int | None) -> None:
    """Serve check, explain, audit, repair and compare to programs (Model Context Protocol, on stdin and stdout).

    A call brings the text of a litmus test; it is answered in a process of its own, within the limits given here. Needs
    pip install 'litmus-checker[mcp]'. To register it: the command is `checker`, its argument `mcp`.
    """
    try:
        from checker.serve import server
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is not installed: pip install 'litmus-checker[mcp]'") from None
    from checker.asked import Limits

    server(Limits(timeout, memory, characters), jobs or cores()).run("stdio")
