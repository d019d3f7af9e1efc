"""What is wrong with C that does not parse, in the words of the one who wrote it.

WRITE_ONCE(*x, 1)          missing ';'
r = -;                     unexpected ';'
"""

from __future__ import annotations

import re

from lark.exceptions import UnexpectedInput, UnexpectedToken

from checker.core.source import CheckerError, Source, Span, SyntaxProblem, Unsupported
from checker.parse.c_text import blank

_WORD = re.compile(r"[A-Za-z0-9_]+|->|.", re.S)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_UNSUPPORTED = {
    "asm": ("assembly inside C is not supported", "use a primitive of the table"),
    "typedef": ("'typedef' is not supported here", "write it before the processes, for one name: typedef u64 gen_t;"),
    "float": ("floating-point numbers are not supported", "the kernel has none"),
    "double": ("floating-point numbers are not supported", "the kernel has none"),
    "typeof": ("'typeof' is not supported", "write the type"),
    "__typeof__": ("'typeof' is not supported", "write the type"),
}
_STRAY = {
    "break": "'break;' stands in a loop or a switch", "continue": "'continue;' stands in a loop", "goto": "write 'goto label;'",
    "case": "write 'case 1:' inside a switch", "default": "write 'default:' inside a switch", "switch": "write 'switch (x) { … }'",
}  # fmt: skip


_FOR = re.compile(r"for\s*\([^{}]*\Z")
_LOCAL_ARRAY = re.compile(r"(?:[A-Za-z_]\w*[\s*]+)+[A-Za-z_]\w*")


def without_statement(text: str, at: int) -> str | None:
    """`text` with the statement around `at` blanked; None outside of processes."""
    start, depth, braces = 0, 0, 0
    for i, c in enumerate(text[:at]):
        if c in "{}":
            braces += 1 if c == "{" else -1
            start, depth = i + 1, 0
        elif c in "()":
            depth += 1 if c == "(" else -1
        elif c == ";" and depth <= 0:
            start = i + 1
    if braces <= 0:
        return None
    end = next((i for i in range(at, len(text)) if text[i] in ";{}"), len(text))
    if text[end : end + 1] == ";":
        end += 1
        if orphan := re.compile(r"\s*else\b").match(text, end):
            end = orphan.end()
    if not text[start:end].strip():
        return None
    return text[:start] + blank(text[start:end]) + text[end:]


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
    if begin and begin[0] in _STRAY:
        place = _place(source, text, start, len(begin[0]))
        return SyntaxProblem(f"this '{begin[0]}' is not complete", place, hint=_STRAY[begin[0]])
    if begin and begin[0] in _UNSUPPORTED:
        message, hint = _UNSUPPORTED[begin[0]]
        return Unsupported(message, _place(source, text, start, len(begin[0])), hint=hint)
    if begin and begin[0] == "else":
        return SyntaxProblem("this 'else' has no 'if'", _place(source, text, start, 4))
    if word in _UNSUPPORTED:
        message, hint = _UNSUPPORTED[word]
        return Unsupported(message, here, hint=hint)
    if word == "[" and _LOCAL_ARRAY.fullmatch(statement):
        return Unsupported("arrays as local variables are not supported", here, hint="declare it in the initial state: int a[2];")
    if (
        word == ")"
        and (begun := _FOR.match(text, max(0, text.rfind("for", 0, at)), at))
        and begun[0].count("(") > begun[0].count(")")
    ):
        return SyntaxProblem("a 'for' has three parts, with ';' between", here, hint="write 'for (i = 0; i < 2; i++)'")
    if word == "=" and re.match(r"(?:if|while)\s*\(", statement):
        return SyntaxProblem("an assignment as a condition", here, hint="write '==', or a second pair of parentheses")
    wanted = error.expected if isinstance(error, UnexpectedToken) else getattr(error, "allowed", None)
    end = len(text[:at].rstrip())
    return _missing(word, statement, here, _place(source, text, end, 1), set(wanted or ()))


def _missing(word: str, statement: str, here: Span, behind: Span, wanted: set[str]) -> CheckerError | None:
    """What fails to stand between `statement` and `word`, as far as the wanted terminals tell."""
    inside = statement.count("(") > statement.count(")")
    if wanted and wanted <= {"PROC", "HELPER", "STRUCT", "ENUM", "TYPEDEF", "SEMI", "$END"} and "PROC" in wanted:
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
