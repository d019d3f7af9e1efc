"""The parts of C that are read by hand rather than by rules: comments, literals, operators, tags, parameters.

blank_comments("a /* b */ c")                   "a         c"
number("0x10UL")                                16
bind([Reg("a"), "+", Reg("b"), "*", Reg("c")])  a + (b * c)
parameters("int *x, spinlock_t *l")             (("x", "int"), ("l", "spinlock_t"))
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from checker.core.source import Source, Span, SyntaxProblem, Unsupported
from checker.program.ir import Expr, Op

# C's binary operators: how tightly each binds, and what it is called.
BINARY = {
    "*": (10, "mul"), "/": (10, "div"), "%": (10, "mod"), "+": (9, "add"), "-": (9, "sub"), "<<": (8, "shl"), ">>": (8, "sar"),
    "<": (7, "lt"), "<=": (7, "le"), ">": (7, "gt"), ">=": (7, "ge"), "==": (6, "eq"), "!=": (6, "ne"),
    "&": (5, "and"), "^": (4, "xor"), "|": (3, "or"), "&&": (2, "land"), "||": (1, "lor"),
}  # fmt: skip
PREFIX = {"!": "lnot", "~": "not", "-": "neg"}
ATOMIC = {"+": "add", "-": "sub", "&": "and", "|": "or", "^": "xor", "&~": "andnot"}
NAMED = {"NULL": 0, "true": 1, "false": 0}

# Words that name no variable. The jumps are not here: tests of others have variables called `continue`.
RESERVED = frozenset({
    "if", "else", "while", "for", "do", "sizeof", "typedef", "struct", "union", "enum", "void", "const", "volatile", "static",
    "extern", "inline", "int", "long", "short", "char", "signed", "unsigned", "float", "double", "bool", "_Bool", "asm",
})  # fmt: skip

MAX_PARAMETER = 200  # characters

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
_PREFIXES = re.compile(r"\([^()]*\)|[*&!~+-]")
_PARAMETER = re.compile(r"(.*?)([A-Za-z_][A-Za-z0-9_]*)\s*((?:\[[^\]]*\])?)$", re.S)
_QUALIFIERS = re.compile(r"\* ?(?:(?:const|volatile|restrict|__restrict)(?: |$))+$")  # of the pointer itself
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


def blank(text: str) -> str:
    """Spaces for everything but line ends."""
    return re.sub(r"[^\n]", " ", text)


def blank_comments(source: Source, text: str) -> str:
    """`text` without its `//` and `/* */` comments, every other character where it was."""
    if "/*" not in text and "//" not in text:
        return text
    text = _COMMENT.sub(lambda m: blank(m[0]), text)
    if (at := text.find("/*")) >= 0:
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        raise SyntaxProblem("this comment is never closed", Span(source, line, column, column + 2), hint="close it with '*/'")
    return text


def bind(chain: list[Any]) -> Expr:
    """A chain operand, operator, operand, … as a tree: by precedence, from the left."""
    operands: list[Expr] = [chain[0]]
    waiting: list[tuple[int, str]] = []
    for at in range(1, len(chain), 2):
        row = BINARY[chain[at].rstrip()]
        while waiting and waiting[-1][0] >= row[0]:
            right = operands.pop()
            operands[-1] = Op(waiting.pop()[1], (operands[-1], right))
        waiting.append(row)
        operands.append(chain[at + 1])
    while waiting:
        right = operands.pop()
        operands[-1] = Op(waiting.pop()[1], (operands[-1], right))
    return operands[0]


def number(digits: str) -> int | None:
    """The value of a C integer literal as a signed number of 64 bits; None for what is not one, or does not fit."""
    text = digits.rstrip().rstrip("uUlL")
    if len(text) > 25:
        return None
    octal = len(text) > 1 and text[0] == "0"
    try:
        value = int(text, 16) if text[:2] in ("0x", "0X") else int(text, 8 if octal else 10)
    except ValueError:
        return None
    if value >= 1 << 64:
        return None
    return value - (1 << 64) if value >= 1 << 63 else value


HUGE = "a type wider than long"
LEAST = "of that type, a number that a long holds: -9223372036854775808"
_SUFFIX = re.compile(r"(?:u?l{0,2}|l{1,2}u)", re.I)
_ESCAPES = {"n": 10, "t": 9, "r": 13, "0": 0, "a": 7, "b": 8, "f": 12, "v": 11, "\\": 92, "'": 39, '"': 34, "?": 63}


def literal(text: str) -> tuple[int, str] | None:
    """The value of a literal, and its type where that is not the first of int and long that holds it (C11 6.4.4.1)."""
    if text[0] == "'":
        return _character(text[1:-1])
    value = number(text)
    if value is None:
        return None
    digits = text.rstrip("uUlL")
    suffix = text[len(digits) :].lower()
    if not _SUFFIX.fullmatch(suffix) or text[len(digits) :] in ("lL", "Ll"):
        return None
    unsigned = "u" in suffix
    if value < 0:  # 2^63 and more
        return value, "u64" if unsigned or digits[0] == "0" else HUGE
    if value < 1 << 32 and "l" not in suffix and (unsigned or value >= 1 << 31) and (unsigned or digits[0] == "0"):
        return value, "u32"
    if unsigned:
        return value, "u64"
    return value, "s64" if "l" in suffix and value < 1 << 31 else ""


def _character(text: str) -> tuple[int, str] | None:
    """A character is an int; plain char is unsigned in the kernel."""
    if len(text) == 1:
        return (ord(text), "") if ord(text) < 128 else None
    if text[:2] == "\\x" and len(text) in (3, 4):
        return int(text[2:], 16), ""
    if text[:1] == "\\" and text[1:].isdecimal() and len(text) <= 4 and not set(text[1:]) & {"8", "9"}:
        value = int(text[1:], 8)
        return (value, "") if value < 256 else None
    return (_ESCAPES[text[1:]], "") if text[:1] == "\\" and text[1:] in _ESCAPES else None


def prefix_operators(text: str) -> list[str]:
    """The operators of a run of prefix operators and casts; a cast as `(type)`."""
    return _PREFIXES.findall(text)


def tags(text: str, span: Span) -> tuple[str, ...]:
    """The tags of `ONCE, RELEASE`."""
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not _TAG.fullmatch(part):
            raise SyntaxProblem(f"{part!r} is not a tag", span, hint="write {ONCE}, or {ONCE, RELEASE}")
    return tuple(parts)


def parameters(text: str, at: Callable[[int, int], Span], *, of_process: bool = True) -> tuple[tuple[str, str], ...]:
    """The names of `int *x, spinlock_t *l`, each with the type of what it points to; `at(offset, length)` is a place in it.
    The parameters of other functions than processes are values, and come with their own types."""
    if text.strip() in ("", "void"):
        return ()
    result: list[tuple[str, str]] = []
    seen: set[str] = set()
    start = 0
    for part in text.split(","):
        offset = start + len(part) - len(part.lstrip())
        name, kind = _parameter(part.strip(), offset, at, of_process=of_process)
        if name in seen:
            raise SyntaxProblem(f"two parameters are called {name!r}", at(offset, len(part.strip())))
        seen.add(name)
        result.append((name, kind))
        start += len(part) + 1
    return tuple(result)


@functools.lru_cache(maxsize=4096)
def _named(text: str) -> tuple[str, str] | None:
    """The name of a parameter and its type; None for what is none."""
    match = _PARAMETER.match(text)
    if not match or match[2] in RESERVED or not match[1]:
        return None
    return match[2], _QUALIFIERS.sub("*", " ".join(match[1].split())) + ("*" if match[3] else "")


def _parameter(text: str, offset: int, at: Callable[[int, int], Span], *, of_process: bool) -> tuple[str, str]:
    found = _named(text) if len(text) <= MAX_PARAMETER else None
    if found is None:
        shown = text[:MAX_PARAMETER]
        raise SyntaxProblem(f"{shown!r} is not a parameter", at(offset, max(1, len(shown))), hint="write 'int *x'")
    name, kind = found
    if not of_process:
        return found
    if not kind.endswith("*"):
        raise Unsupported(
            f"the parameter {name!r} is not a pointer",
            at(offset, len(text)),
            hint=f"write '{kind} *{name}': a parameter is the address of the global of its name",
        )
    return name, kind[:-1].rstrip()
