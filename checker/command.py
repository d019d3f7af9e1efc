"""What all commands have in common: exit codes, what a stream cannot spell, options, and how names are completed.

Exit codes mean one thing each: 0 as expected, 1 not, 2 something could not be checked, read or written, 130 interrupted.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TextIO, TypeVar

import click
from click.shell_completion import CompletionItem

AS_EXPECTED, DIFFERENT, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

F = TypeVar("F", bound=Callable[..., Any])


class _Gone(Exception):
    """Whoever read the results has gone. Click would make this exit code 1, which means something else here."""


class Commands(click.Group):
    """A group of commands that ends with one of the four exit codes, whatever happens."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise _Gone from None

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **more: Any) -> NoReturn:  # type: ignore[override]
        """Run, and exit. Nothing that was to be written is lost in silence."""
        try:
            code = _run(lambda: super(Commands, self).main(args, prog_name, **{**more, "standalone_mode": False}))
            sys.stdout.flush()
        except (BrokenPipeError, _Gone):
            code = _closed()  # whoever has gone knows why
        except OSError as error:
            code = _closed()
            where = f": {error.filename}" if error.filename else ""
            _say(f"error: {error.strerror or error}{where}")
        except KeyboardInterrupt:
            code = INTERRUPTED
        sys.exit(code)


def _run(command: Callable[[], object]) -> int:
    """The exit code of a command."""
    try:
        done = command()
        return done if isinstance(done, int) else AS_EXPECTED
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else BAD_INPUT if stop.code else AS_EXPECTED
    except click.ClickException as error:
        error.show()
        return error.exit_code if error.exit_code != DIFFERENT else BAD_INPUT
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except (OSError, _Gone):
        raise
    except Exception as error:  # a bug of ours is no verdict
        _say(f"internal error: {type(error).__name__}: {error}")
        if os.environ.get("CHECKER_DEBUG"):
            traceback.print_exc()
        return BAD_INPUT


def _closed() -> int:
    """Let go of a stdout that takes no more, so that nothing is tried again at exit."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass  # not a file: there is nothing to let go of
    return BAD_INPUT


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the exit code says it too
        click.echo(text, err=True)


# ---------------------------------------------------------------- streams


def prepare(*streams: TextIO) -> None:
    """What a stream cannot spell must not end the run."""
    codecs.register_error("checker", _spelled)
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="checker")


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """Words for what cannot be encoded."""
    from checker.report.signs import spelled

    assert isinstance(error, UnicodeEncodeError)
    text = spelled(error.object[error.start : error.end])
    return text.encode("ascii", "replace").decode("ascii"), error.end


def cores() -> int:
    """How many processes may run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# ---------------------------------------------------------------- options


def loudness(command: F) -> F:
    """The options -q and -v."""
    quiet = click.option("-q", "--quiet", is_flag=True, help="Say only what is not as it should be.")
    verbose = click.option("-v", "--verbose", is_flag=True, help="Say more: how long each verdict took.")
    return quiet(verbose(command))


def exit_zero(command: F) -> F:
    """The option --exit-zero."""
    about = "Exit with 0 where only verdicts are not as they should be; what could not be checked is still 2."
    return click.option("--exit-zero", is_flag=True, help=about)(command)


class ModelName(click.ParamType[str]):
    """A model: a shipped one, or the path of a .cat file."""

    name = "model"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from checker.library import SHIPPED

        known = [CompletionItem(name, help=model.about) for name, model in SHIPPED.items() if name.startswith(incomplete)]
        return known or [CompletionItem(incomplete, type="file")]


class Output(click.ParamType[tuple[str, str]]):
    """FORMAT, or FORMAT=FILE: the two parts."""

    name = "format[=file]"

    def __init__(self, formats: Sequence[str]) -> None:
        self.formats = formats

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, equals, file = str(value).partition("=")
        if name not in self.formats:
            self.fail(f"{name!r} is not one of {', '.join(self.formats)}", param, ctx)
        if equals and not file:
            self.fail(f"{value!r} names no file", param, ctx)
        return name, file

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        name, equals, file = incomplete.partition("=")
        if equals:
            return [CompletionItem(file, type="file")]
        return [CompletionItem(format) for format in self.formats if format.startswith(name)]
