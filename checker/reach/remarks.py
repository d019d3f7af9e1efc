"""What comments at barriers name: "pairs with the smp_wmb() in foo()", "see bar()".

The words of the comment above a line, or on it, that may be names of functions: whether they are, an index of functions says.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

from checker.kernel.primitives import primitive

_COMMENT = re.compile(rb'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?(?:\*/|\Z)|(?://[^\n]*(?:\n[ \t]*(?=//))?)+', re.S)
_WORD = re.compile(r"(?<![\w.>-])([A-Za-z_]\w*)\b(\(?)")
ABOVE = 3
"""How many lines of code may stand between a comment and the barrier that it is about."""


def remarks(data: bytes, lines: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """The words, by line, of the comments at some lines of a file that may name functions."""
    wanted = sorted(set(lines))
    if not wanted:
        return {}
    starts = [0, *[found.end() for found in re.finditer(rb"\n", data)]]
    comments = [
        (bisect_right(starts, found.start()), bisect_right(starts, found.end() - 1), found[0])
        for found in _COMMENT.finditer(data)
        if found[0][:1] == b"/"
    ]
    texts = data.split(b"\n")
    ends = [last for _, last, _ in comments]
    made = {}
    for line in wanted:
        near = [comments[n][2] for n in range(*_reach(comments, ends, line)) if _about(comments[n], line, texts)]
        if words := tuple(dict.fromkeys(word for text in near for word in named(text.decode("utf-8", "replace")))):
            made[line] = words
    return made


def _reach(comments: list[tuple[int, int, bytes]], ends: list[int], line: int) -> tuple[int, int]:
    """The comments that end near a line, or go on there, by number."""
    first = bisect_right(ends, line - ABOVE - 2)
    last = first
    while last < len(comments) and comments[last][0] <= line:
        last += 1
    return first, last


def _about(comment: tuple[int, int, bytes], line: int, texts: list[bytes]) -> bool:
    """Whether a comment is about the statement on a line: it stands there, or above it in the same block."""
    _, last, _ = comment
    between = [text.strip() for text in texts[last : line - 1]]
    return last >= line or (len(between) <= ABOVE and b"}" not in b"".join(between) and between.count(b"") <= 1)


def named(text: str) -> tuple[str, ...]:
    """The words of a comment that may be names of functions: those with brackets behind, or an underscore inside."""
    found = [(word, bool(bracket)) for word, bracket in _WORD.findall(text)]
    return tuple(dict.fromkeys(word for word, called in found if (called or "_" in word.strip("_")) and primitive(word) is None))
