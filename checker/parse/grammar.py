"""Lark grammars: found, cached, and their errors turned into ours.

`parser("cat", callbacks)` is an LALR parser whose rules call the methods of `callbacks` as they are reduced (no tree is
built). `run(parser, source)` parses a text. Tables are cached under the user's cache folder, keyed by the grammar's text
and the versions of Lark and Python; a damaged cache is rebuilt by Lark.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeAlias

import lark
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken, VisitError

from checker.core.source import CheckerError, LimitExceeded, Source, Span, SyntaxProblem
from checker.parse.files import cache_folder, data_folder

MAX_CHARACTERS = 1_000_000
MAX_NESTING = 100


def _cache_file(name: str, text: str, start: str) -> str | bool:
    key = hashlib.sha256(f"{lark.__version__}\0{sys.version}\0{start}\0{text}".encode()).hexdigest()[:16]
    folder = cache_folder("grammar")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return False  # an unwritable home costs time, never a verdict
    return str(folder / f"{name}-{key}.pickle") if os.access(folder, os.W_OK) else False


def parser(name: str, callbacks: Any, *, start: str = "start", lexer: Literal["contextual", "basic"] = "contextual") -> lark.Lark:
    """The parser of grammar/`name`.lark; `callbacks` is a lark Transformer. With the basic lexer all keywords are reserved."""
    text = (data_folder("grammar") / f"{name}.lark").read_text(encoding="utf-8")
    return lark.Lark(
        text,
        parser="lalr",
        lexer=lexer,
        start=start,
        transformer=callbacks,
        cache=_cache_file(name, text, start),
        maybe_placeholders=True,
    )


def span_of(source: Source, token: lark.Token) -> Span:
    """Where a token stands, without the blanks behind it. A token of several lines ends on its first."""
    line, column = token.line or 1, token.column or 1
    return Span(source, line, column, column + max(1, len(token.rstrip().partition("\n")[0])))


def check_size(source: Source) -> None:
    """Refuse a text that is too long or nested too deep for the stages behind the parser."""
    if len(source.text) > MAX_CHARACTERS:
        raise LimitExceeded(f"the file has {len(source.text):,} characters; the limit is {MAX_CHARACTERS:,}", Span(source, 1, 1))
    if sum(map(source.text.count, "([{")) <= MAX_NESTING:
        return
    depth = 0
    for number, line in enumerate(source.text.split("\n"), 1):
        for column, c in enumerate(line, 1):
            if c in "([{":
                depth += 1
                if depth > MAX_NESTING:
                    raise LimitExceeded(f"nested more than {MAX_NESTING} deep", Span(source, number, column))
            elif c in ")]}":
                depth = max(0, depth - 1)


Explain: TypeAlias = Callable[[Source, UnexpectedInput], CheckerError | None]


def run(
    grammar: lark.Lark, source: Source, *, text: str | None = None, start: str | None = None, explain: Explain | None = None
) -> Any:
    """Parse `source` (or `text`, which must keep its line and column positions); raise SyntaxProblem where it does not fit.

    `explain` may know more about an error than what was expected there.
    """
    try:
        return grammar.parse(source.text if text is None else text, start=start)
    except VisitError as error:
        if isinstance(error.orig_exc, CheckerError):
            raise error.orig_exc from None
        raise
    except UnexpectedInput as error:
        raise (explain and explain(source, error)) or syntax_problem(source, error) from None


def syntax_problem(source: Source, error: UnexpectedInput) -> SyntaxProblem:
    """What Lark objected to, in our words, with what it would have taken."""
    match error:
        case UnexpectedToken(token=token) if token.type != "$END":
            return SyntaxProblem(
                f"unexpected {str(token).strip()!r}", span_of(source, token), hint=expected(error.accepts or error.expected)
            )
        case UnexpectedToken() | UnexpectedEOF():
            lines = source.text.rstrip().split("\n")
            wanted = getattr(error, "accepts", None) or error.expected
            return SyntaxProblem("the text ends too early", Span(source, len(lines), max(1, len(lines[-1]))), hint=expected(wanted))
        case UnexpectedCharacters():
            text = source.line(error.line)
            character = text[error.column - 1 : error.column] or "end of line"
            return SyntaxProblem(
                f"unexpected {character!r}", Span(source, error.line, error.column), hint=expected(error.allowed or set())
            )
    return SyntaxProblem(str(error), Span(source, 1, 1))


# What a terminal looks like to the one who writes; a keyword's name is its spelling.
SPELLED = {
    "SEMICOLON": "';'", "SEMI": "';'", "COMMA": "','", "LPAR": "'('", "RPAR": "')'", "LBRACE": "'{'", "RBRACE": "'}'",
    "LSQB": "'['", "RSQB": "']'", "EQUAL": "'='", "ASSIGN": "'='", "COLON": "':'", "QUESTION": "'?'", "QMARK": "'?'",
    "STAR": "'*'", "PLUS": "'+'", "VBAR": "'|'", "AMPERSAND": "'&'", "ARROW": "'->'", "BACKSLASH": "'\\'",
    "PLUSPLUS": "'++'", "TILDE": "'~'", "NEGATION": "'~'", "CONVERSE": "'^-1'", "UNDERSCORE": "'_'", "ZERO": "'0'",
    "BARBAR": "'||'", "AMPAMP": "'&&'", "STRING": "a string", "TAG": "a tag", "NAME": "a name",
    "MEMBER": "a member like .ready", "PROC": "a process like P0(int *x)", "HELPER": "a function", "STRUCT": "'struct'",
    "INNER": "'struct'", "TYPE": "a type",
    "BINOP": "an operator", "OPERATOR": "an operator", "PREFIX": "an expression", "INCDEC": "'++'", "NUMBER": "a number",
    "BUILTIN": "a call", "FENCE": "a call", "SIZEOF_TYPE": "'sizeof'", "JUMP": "'break;'",
}  # fmt: skip


def expected(names: Iterable[str]) -> str:
    """What the parser would have taken; nothing where that is too much to say."""
    wanted = sorted({SPELLED.get(name, name.lower()) for name in names if name != "$END"})
    return "expected " + " or ".join(wanted) if 0 < len(wanted) <= 12 else ""
