"""Where things were written, and the one way to fail.

A `Source` is a text with a name; a `Span` is a place in it, carried by every instruction, event, term and axiom.
A `CheckerError` is what a user sees when input cannot be accepted: one message, the place with a caret under it, and what
would work instead.

    x.litmus:7:3: error: unknown primitive 'smp_mbb'
      7 |   smp_mbb();
        |   ^^^^^^^
      did you mean 'smp_mb'?
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class Source(Struct, frozen=True):
    """A text and the name (usually a path) it is reported under."""

    name: str
    text: str

    def __repr__(self) -> str:
        return f"Source({self.name!r})"

    def line(self, number: int) -> str:
        """The text of line `number` (1-based), without its newline; empty if there is no such line."""
        lines = self.text.split("\n")
        return lines[number - 1].rstrip("\r") if 0 < number <= len(lines) else ""


class Span(Struct, frozen=True):
    """A place in a source: line and columns are 1-based, `end` is the column after the last character."""

    source: Source
    line: int
    column: int
    end: int = 0

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"


NOWHERE = Span(Source("<built in>", ""), 0, 0)


def printable(text: str) -> str:
    """`text` with control characters replaced, so that hostile input cannot drive a terminal."""
    return "".join(c if c.isprintable() else ("    " if c == "\t" else "\N{REPLACEMENT CHARACTER}") for c in text)


EXCERPT_WIDTH = 160


class CheckerError(Exception):
    """Input that cannot be accepted. `code` is stable and machine-readable; `hint` says what would work."""

    code = "input"

    def __init__(self, message: str, span: Span | None = None, *, hint: str = "") -> None:
        super().__init__(message, span, hint)
        self.message = message
        self.span = span
        self.hint = hint
        self.more: tuple[CheckerError, ...] = ()  # what else is wrong with the same text, further down

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.span, self.hint, self.more)

    def __str__(self) -> str:
        return self.render()

    def render(self) -> str:
        """The whole report: place, message, source line with a caret, hint; then all that else is wrong."""
        return "\n".join([self._report(), *[error._report() for error in self.more]])

    def _report(self) -> str:
        span = self.span
        if span is None or span.line == 0:
            where = f"{printable(span.source.name)}: " if span is not None else ""
            head, excerpt = f"{where}error: {printable(self.message)}", []
        else:
            place = f"{printable(span.source.name)}:{span.line}:{span.column}"
            head, excerpt = f"{place}: error: {printable(self.message)}", _excerpt(span)
        tail = [f"  {printable(self.hint)}"] if self.hint else []
        return "\n".join([head, *excerpt, *tail])


def _rebuild(kind: type[CheckerError], message: str, span: Span | None, hint: str, more: tuple[CheckerError, ...]) -> CheckerError:
    error = kind(message, span, hint=hint)
    error.more = more
    return error


def several(errors: Sequence[CheckerError]) -> CheckerError:
    """The first of several errors in one text, with the others to follow it."""
    first, *others = sorted(errors, key=lambda e: (e.span.line, e.span.column) if e.span is not None else (0, 0))
    seen = {(first.message, first.span)}
    first.more = tuple([e for e in others if (e.message, e.span) not in seen and not seen.add((e.message, e.span))])  # type: ignore[func-returns-value]
    return first


def _excerpt(span: Span) -> list[str]:
    line = span.source.line(span.line)
    start = max(0, span.column - 1 - EXCERPT_WIDTH // 2)
    shown = printable(line[start : start + EXCERPT_WIDTH])
    before = len(printable(line[start : max(start, span.column - 1)]))
    width = max(1, min(len(printable(line[span.column - 1 : max(span.end, span.column + 1) - 1])), len(shown) - before))
    gutter = f"{span.line:>5} | "
    return [gutter + shown, " " * 5 + " | " + " " * before + "^" * width]


class SyntaxProblem(CheckerError):
    """Text that does not follow the grammar."""

    code = "syntax"


class UnknownName(CheckerError):
    """A primitive, location, register, model or file nobody declared."""

    code = "unknown-name"


class UnknownPrimitive(UnknownName):
    """A call of what the table of primitives does not define; the message has its name in quotes."""


class Unsupported(CheckerError):
    """A construct that is understood and deliberately refused."""

    code = "unsupported"


class LimitExceeded(CheckerError):
    """Input that is too large, too deep or includes too much."""

    code = "limit"


class Unreadable(CheckerError):
    """A file that cannot be read as text."""

    code = "unreadable"
