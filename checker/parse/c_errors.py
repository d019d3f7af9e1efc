"""What is wrong with C that does not parse, in the words of the one who wrote it.

WRITE_ONCE(*x, 1)          missing ';'
return r0;                 'return' is not supported
"""

from __future__ import annotations

import re

from lark.exceptions import UnexpectedInput, UnexpectedToken

from checker.core.source import CheckerError, Source, Span, SyntaxProblem, Unsupported
from checker.parse.c_text import JUMPS, NO_JUMPS

_WORD = re.compile(r"[A-Za-z0-9_]+|->|.", re.S)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_MEMBERS = ("members of structures are not supported", "give each member a global of its own")
_UNSUPPORTED = {
    "->": _MEMBERS,
    ".": _MEMBERS,
    "#": ("the preprocessor is not supported", "write the code out"),
    "asm": ("assembly inside C is not supported", "use a primitive of the table"),
    ":": ("labels are not supported", NO_JUMPS),
}


def explain(text: str, source: Source, error: UnexpectedInput) -> CheckerError | None:
    """What is wrong at the place in `text` where the parser stopped, where more can be said than what it expected."""
    at = error.pos_in_stream
    if not isinstance(at, int) or at >= len(text) or not (found := _WORD.match(text, at)):
        return None
    word, here = found[0], _place(source, text, at, len(found[0]))
    start = max(text.rfind(c, 0, at) for c in ";{}") + 1
    start += len(text[start:at]) - len(text[start:at].lstrip())
    statement = text[start:at].rstrip()
    begin = _NAME.match(statement or word)
    if begin and begin[0] in JUMPS:
        return Unsupported(f"'{begin[0]}' is not supported", _place(source, text, start, len(begin[0])), hint=NO_JUMPS)
    if begin and begin[0] == "else":
        return SyntaxProblem("this 'else' has no 'if'", _place(source, text, start, 4))
    if word in _UNSUPPORTED:
        message, hint = _UNSUPPORTED[word]
        return Unsupported(message, here, hint=hint)
    if text[at : at + 2] in ("++", "--"):
        return Unsupported("'++' and '--' inside an expression", here, hint="write them as statements of their own")
    wanted = error.expected if isinstance(error, UnexpectedToken) else getattr(error, "allowed", None)
    end = len(text[:at].rstrip())
    return _missing(word, statement, here, _place(source, text, end, 1), set(wanted or ()))


def _missing(word: str, statement: str, here: Span, behind: Span, wanted: set[str]) -> CheckerError | None:
    """What fails to stand between `statement` and `word`, as far as the wanted terminals tell."""
    inside = statement.count("(") > statement.count(")")
    if wanted and wanted <= {"PROC", "$END"}:
        return SyntaxProblem(f"unexpected {word!r}", here, hint="a process is 'P0(int *x, int *y) { … }'")
    if "CALL" in wanted and wanted <= {"CALL", "$END"}:
        return SyntaxProblem(f"unexpected {word!r}", here, hint="a definition is 'f(X, V) expression' or 'f(X, V) { … }'")
    if wanted == {"LBRACE"}:
        return SyntaxProblem(f"missing '{{' before {word!r}", here)
    if "BINOP" in wanted or ("SEMI" in wanted and "PREFIX" not in wanted):
        if inside and word in ";{}":
            return SyntaxProblem(f"missing ')' before {word!r}", here)
        if inside:
            return SyntaxProblem(f"unexpected {word!r}", here, hint="expected an operator, ',' or ')'")
        if word in ")]":
            return SyntaxProblem(f"this {word!r} closes nothing", here)
        if _NAME.fullmatch(statement) and _NAME.match(word):
            return SyntaxProblem(f"{statement!r} is not a type", here, hint="types are 'int', 'int *', 'intptr_t', …")
        return SyntaxProblem("missing ';'", behind, hint="every statement ends with ';'")
    if "PREFIX" in wanted:
        kind = "a statement" if "TYPE" in wanted else "an expression"
        return SyntaxProblem(f"unexpected {word!r}", here, hint=f"expected {kind}")
    return None


def _place(source: Source, text: str, at: int, length: int) -> Span:
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    return Span(source, line, column, column + length)
