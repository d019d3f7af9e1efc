"""A litmus file cut into its parts, for every architecture: header, initial state, code, condition.

Each part comes back as a text in which everything else, and every comment `(* … *)`, is blanked, so that lines and columns
stay those of the file. Comments are read for what they expect: `Result: Never`, `Result(aarch64): Sometimes`.

    C MP                        Sections(arch="C", name="MP", …)
    { x=1; }                    .init   "\\n  x=1; "
    P0(int *x) { … }            .code
    exists (0:r1=1)             .tail
"""

from __future__ import annotations

import bisect
import difflib
import itertools
import re
from collections.abc import Collection, Sequence

from msgspec import Struct

from checker.core.source import Source, Span, SyntaxProblem, Unsupported
from checker.program.ir import ENDLESS, LIFETIME_FLAGS, PROGRESS, Expectation

VERDICTS = ("Never", "Sometimes", "Always", "DEADLOCK", "Maybe")
KEYWORDS = ("exists", "forall", "locations", "filter", "final")

_HEAD = re.compile(r"[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]+([^\s{}();\"]+)[ \t]*(?:\([^()\n]*\)[ \t]*)?")
_DOC = re.compile(r"\s*\"([^\"]*)\"")
_INFO = re.compile(r"([A-Za-z][A-Za-z0-9_/.-]*)[ \t]*=[ \t]*([^\r\n]*)")
_LINE = re.compile(r"(?:(?!\(\*)[^\n{])+")
_NEST = re.compile(r"\(\*|\*\)")
_BLANKS = re.compile(r"\s*")
_COMMENT = re.compile(r"\(\*|//|/\*")
_NOTES = re.compile(r"\(\*|//|/\*|<<")
_BRACES = re.compile(r"\(\*|//|/\*|[{}]")
_OUTSIDE = re.compile(r"\(\*|//|/\*|[{}]|(?<![A-Za-z0-9_])(?:exists|forall|locations|filter|final|not)(?![A-Za-z0-9_])|~")
_TAIL_START = re.compile(r"(?<![A-Za-z0-9_])(?:exists|forall|locations|filter|final|not\s+exists)(?![A-Za-z0-9_])|~\s*exists|\(\*")
_PROCESS = re.compile(r"\s*(?:(?:static|inline|void)\s+)*P[0-9]+\s*\(")
# What C code may begin with before the initial state: a structure, an enumeration, the name of a type, a function.
_DECLARATION = re.compile(
    r"(?:typedef\s+)?(?:struct|union|enum)\s*(?:\w+\s*)?\{"
    r"|(?:(?!P[0-9]+[ \t]*\()[A-Za-z_]\w*[ \t*]+)+(?!P[0-9]+[ \t]*\()\w+[ \t]*\([^(){};]*\)\s*\{"
)
_SEMICOLON = re.compile(r"[\s*]*(?:\w+\s*)?;")  # behind a declaration, with the name of a type
_TYPEDEF = re.compile(r"typedef\b[^{};]*;")
_DIRECTIVE = re.compile(r"#(?:[^\n\\]|\\.)*", re.S)
_LINES = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.)*", re.S | re.M)
_NEXT = re.compile(r"^[ \t]*((?:void[ \t]+)?P[0-9]+[ \t]*\(|(?:~|not[ \t]+)?exists\b|forall\b|locations\b|filter\b)", re.M)
_RESULT = re.compile(
    r"^[ \t]*(?:\(\*|/\*|//|\*)?[ \t]*(r[a-z]{3,8})[ \t]*(?:\(([^()\n]*)\))?[ \t]*([:=]?)[ \t]*([^\n]*)", re.M | re.I
)
_WORD = re.compile(r"[A-Za-z][A-Za-z-]*")
_MEANT = {
    "forbidden": "Never",
    "forbid": "Never",
    "no": "Never",
    "allowed": "Sometimes",
    "allow": "Sometimes",
    "required": "Always",
}
_SAID = (*LIFETIME_FLAGS, ENDLESS, PROGRESS)
_FLAGS = ("DATARACE", *[flag.upper() for flag in _SAID])


class Sections(Struct, frozen=True):
    """The parts of one file. `init`, `code` and `tail` are its text with all the rest blanked; code[i] is text[i + shift]."""

    arch: str
    name: str
    info: tuple[tuple[str, str], ...]
    init: str
    code: str
    tail: str
    expect: tuple[Expectation, ...]
    tail_span: Span
    shift: int = 0


class _Cutter:
    """A position in the text, and the comments passed so far."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.comments: list[tuple[int, int]] = []
        self.starts: list[int] = []  # of lines, once a place is asked for

    def span(self, at: int, length: int = 1) -> Span:
        if not self.starts:
            self.starts = [0, *(m.end() for m in re.finditer("\n", self.text))]
        line = bisect.bisect_right(self.starts, at)
        column = at - self.starts[line - 1] + 1
        return Span(self.source, line, column, column + length)

    def comment(self, at: int) -> int:
        """Past the comment that begins at `at`."""
        text, opener = self.text, self.text[at : at + 2]
        if opener == "//":
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
        elif opener == "/*":
            end = text.find("*/", at + 2) + 2
            if end < 2:
                raise SyntaxProblem("this comment is never closed", self.span(at, 2), hint="close it with '*/'")
        else:
            end = self._nested(at)
        self.comments.append((at, end))
        return end

    def _nested(self, at: int) -> int:
        depth, deepest = 0, 0
        for mark in _NEST.finditer(self.text, at):
            depth += 1 if mark[0] == "(*" else -1
            deepest = max(deepest, depth)
            if depth == 0:
                return mark.end()
        hint = "close it with '*)'" + ("; a '(*' inside it opens another comment" if deepest > 1 else "")
        raise SyntaxProblem("this comment is never closed", self.span(at, 2), hint=hint)

    def piece(self, start: int, end: int) -> str:
        """The text from `start` to `end` with everything around it, and its comments, blanked."""
        line_start = self.text.rfind("\n", 0, start) + 1
        return "\n" * self.text.count("\n", 0, start) + " " * (start - line_start) + self._without_comments(start, end)

    def _without_comments(self, start: int, end: int) -> str:
        text = self.text
        parts: list[str] = []
        for a, b in sorted(set(self.comments)):
            if start <= a < end:
                parts += text[start:a], re.sub(r"[^\n]", " ", text[a:b])
                start = b
        return "".join([*parts, text[start:end]])

    def pieces(self, ranges: Sequence[tuple[int, int]]) -> str:
        """As `piece`, of several stretches in their order."""
        found = self.piece(*ranges[0])
        for (_, end), (start, stop) in itertools.pairwise(ranges):
            between = re.sub(r"[^\n]", " ", self.text[end:start])
            found += between + self._without_comments(start, stop)
        return found

    def skip_blanks(self, at: int) -> int:
        """Past blanks and comments."""
        while True:
            blanks = _BLANKS.match(self.text, at)
            at = blanks.end() if blanks else at
            if not _COMMENT.match(self.text, at):
                return at
            at = self.comment(at)


def split(source: Source, known: Collection[str]) -> Sections:
    """Cut a litmus file into its parts; its first word must be one of the `known` architectures."""
    cut = _Cutter(source)
    start = cut.skip_blanks(0)
    if start >= len(source.text):
        raise SyntaxProblem("the file is empty", Span(source, 1, 1), hint="a litmus test begins with a line like 'C name'")
    head = _HEAD.match(source.text, start)
    if not head:
        length = max(1, len(source.text[start:].partition("\n")[0].rstrip()))
        raise SyntaxProblem("this is not the first line of a litmus test", cut.span(start, length), hint="write 'C name'")
    if head[1] not in known:
        near = [arch for arch in known if arch.lower() == head[1].lower()]
        hint = f"did you mean {near[0]!r}?" if near else f"the first line begins with one of: {', '.join(known)}"
        raise Unsupported(f"tests for {head[1]!r} are not supported", cut.span(head.start(1), len(head[1])), hint=hint)
    opening, info, before = _header(cut, head.end(), c=head[1] == "C")
    init_end = _closing(cut, opening)
    if head[1] == "C":
        code_end = _code_end_c(cut, init_end + 1)
    else:
        code_end = _code_end(cut, init_end + 1)
    code = cut.pieces([*before, (init_end + 1, code_end)])
    tail_at = cut.skip_blanks(code_end)
    tail_end = _tail_end(cut, code_end)
    return Sections(
        head[1],
        head[2].removesuffix(".litmus"),
        info,
        cut.piece(opening + 1, init_end),
        code,
        cut.piece(code_end, tail_end),
        _expectations(cut),
        cut.span(min(tail_at, max(0, len(source.text) - 1))),
        code_end - len(code),
    )


def _tail_end(cut: _Cutter, at: int) -> int:
    """Where the condition ends: at the end of the file, or at '<<', behind which files keep notes."""
    while mark := _NOTES.search(cut.text, at):
        if mark[0] == "<<":
            return mark.start()
        at = cut.comment(mark.start())
    return len(cut.text)


def _header(cut: _Cutter, at: int, *, c: bool) -> tuple[int, tuple[tuple[str, str], ...], list[tuple[int, int]]]:
    """Where the initial state opens, the key=value lines before, and what is C code there already."""
    text = cut.text
    code: list[tuple[int, int]] = []
    info: list[tuple[str, str]] = []
    if doc := _DOC.match(text, at):
        info.append(("Doc", doc[1]))
        at = doc.end()
    while (at := cut.skip_blanks(at)) < len(text):
        if text[at] == "{":
            return at, tuple(info), code
        if c and (found := _DIRECTIVE.match(text, at) or _TYPEDEF.match(text, at)):
            code.append((at, found.end()))
            at = found.end()
            continue
        if c and (found := _DECLARATION.match(text, at)):
            end = _closing(cut, found.end() - 1, c=True) + 1
            if semicolon := _SEMICOLON.match(text, end):
                end = semicolon.end()
            code.append((at, end))
            at = end
            continue
        if _PROCESS.match(text, at):
            raise SyntaxProblem("there is no initial state", cut.span(at), hint="write '{ }' or '{ x=1; }' before the code")
        if line := _INFO.match(text, at):
            info.append((line[1], line[2].strip()))
            at = line.end()
        elif line := _LINE.match(text, at):
            at = line.end()
    raise SyntaxProblem("there is no initial state", cut.span(len(text) - 1), hint="write '{ }' or '{ x=1; }' before the code")


def _closing(cut: _Cutter, opening: int, *, c: bool = False) -> int:
    """The '}' of the '{' at `opening`. In C, '(*' begins no comment."""
    at, depth = opening, 0
    while mark := _BRACES.search(cut.text, at):
        if mark[0] == "{":
            depth += 1
        elif mark[0] == "}":
            depth -= 1
            if depth == 0:
                return mark.start()
        elif mark[0] == "(*" and c:
            pass
        elif mark[0] == "(*" and _argument(cut.text, mark.start()):
            break  # C code: the initial state was never closed
        else:
            at = cut.comment(mark.start())
            continue
        at = mark.end()
    raise _unclosed(cut, opening)


def _argument(text: str, at: int) -> bool:
    """Is the '(*' at `at` the beginning of an argument, as in READ_ONCE(*x)?"""
    return text[at - 1 : at].isalnum() or text[at - 1 : at] == "_"


def _code_end_c(cut: _Cutter, start: int) -> int:
    """Where the condition begins behind C code. Inside braces a comment is C's."""
    text, at, depth, opened = cut.text, start, 0, start
    done = start
    if "#" in text:
        text = _LINES.sub(lambda m: " " * len(m[0]), text)  # a line of the preprocessor's has braces and words of its own
    while mark := (_BRACES if depth else _OUTSIDE).search(text, at):
        found, at = mark[0], mark.end()
        match found:
            case "{":
                if not depth:
                    opened = mark.start()
                depth += 1
            case "}":
                if not depth:
                    raise SyntaxProblem("this '}' closes nothing", cut.span(mark.start()), hint="is a '{' missing before?")
                depth -= 1
                if not depth:
                    done = at
            case "(*":
                if not depth and not _argument(text, mark.start()):
                    at = cut.comment(mark.start())
            case "//" | "/*":
                known = len(cut.comments)
                at = cut.comment(mark.start())
                if depth:
                    del cut.comments[known:]
            case _:
                return _stray(cut, done, mark.start())
    if depth:
        raise _unclosed(cut, opened)
    return _stray(cut, done, len(text))


def _stray(cut: _Cutter, done: int, end: int) -> int:
    """`end`, when nothing but blanks and the condition stands between the last process and there."""
    known = len(cut.comments)
    at = cut.skip_blanks(done)
    while found := _DIRECTIVE.match(cut.text, at):
        at = cut.skip_blanks(found.end())
    del cut.comments[known:]
    if at < end and cut.text[at] == ";":  # of a structure behind the processes
        at = cut.skip_blanks(at + 1)
    if at >= end or _PROCESS.match(cut.text, at):
        return end
    if cut.text[at] == "(":
        return at
    word = re.match(r"[~A-Za-z0-9_]*", cut.text[at:])
    shown = word[0] if word and word[0] else cut.text[at]
    near = difflib.get_close_matches(shown, KEYWORDS, 1, 0.6)
    hint = f"did you mean {near[0]!r}?" if near else "expected a process 'P0(…) { … }' or a condition 'exists (…)'"
    raise SyntaxProblem(f"unexpected {shown!r}", cut.span(at, len(shown)), hint=hint)


def _unclosed(cut: _Cutter, opened: int) -> SyntaxProblem:
    """The '{' at `opened` has no '}': say where one must be missing."""
    if later := _NEXT.search(cut.text, opened):
        at = later.start(1)
        line = cut.text.count("\n", 0, opened) + 1
        return SyntaxProblem(
            "a '}' is missing before this", cut.span(at, len(later[1])), hint=f"the '{{' of line {line} is still open here"
        )
    return SyntaxProblem("this '{' is never closed", cut.span(opened), hint="missing '}'")


def _code_end(cut: _Cutter, start: int) -> int:
    """Where the condition begins behind assembly."""
    at = start
    while mark := _TAIL_START.search(cut.text, at):
        if mark[0] != "(*":
            return mark.start()
        at = cut.comment(mark.start())
    return len(cut.text)


def _expectations(cut: _Cutter) -> tuple[Expectation, ...]:
    """What the comments say of the outcome, once for each model. A line that means to say so and does not is an error."""
    result: dict[str, Expectation] = {}
    for start, end in sorted(set(cut.comments)):
        for found in _RESULT.finditer(cut.text[start:end]):
            made = _expectation(cut, start, found)
            if made is None:
                continue
            before = result.setdefault(made.model, made)
            if before is not made:
                hint = f"line {before.span.line} says {before}; a file says one thing of each model"
                raise SyntaxProblem(f"a second result for '{made.model}'", made.span, hint=hint)
    return tuple(result.values())


def _expectation(cut: _Cutter, start: int, found: re.Match[str]) -> Expectation | None:
    """What a line of a comment expects; None for a line of prose.

    The kernel's scripts look for `^[( ]\\* Result: `; more ways to write it are taken, near misses are errors.
    """
    head, model, colon, rest = found[1], found[2], found[3], found[4].partition("*)")[0]
    words = _WORD.findall(rest)
    said = words[0] if words and rest.startswith(words[0]) else ""
    value = start + found.start(4)
    at, length = (value, len(said)) if said else (start + found.start(1), len(head))
    if head != "Result" or colon != ":":
        if difflib.get_close_matches(head.lower(), ["result"], 1, 0.75) and _verdict_near(said) and _all_flags(rest, said):
            form = f"Result{'' if model is None else f'({model})'}: {_verdict_near(said)}"
            raise SyntaxProblem("this line says no result", cut.span(start + found.start(1), len(head)), hint=f"write {form!r}")
        return None
    if said not in VERDICTS:
        near = _verdict_near(said)
        if not near and model is None and len(rest.split()) > 1:
            return None  # prose
        hint = f"did you mean {near!r}?" if near else f"write one of {', '.join(VERDICTS)}"
        raise SyntaxProblem(f"{said or rest.strip()!r} is not a verdict", cut.span(at, length), hint=hint)
    flags = _flags(cut, rest, value, len(said))
    race = True if "datarace" in flags else None if model is not None else False
    lifetime = tuple([flag for flag in _SAID if flag in flags])
    return Expectation((model or "lkmm").strip(), said, race, cut.span(at, length), lifetime)


def _verdict_near(said: str) -> str:
    """The verdict that a word may stand for; empty where there is none."""
    known = {verdict.lower(): verdict for verdict in VERDICTS} | _MEANT
    near = difflib.get_close_matches(said.lower(), known, 1, 0.75)
    return known[near[0]] if near else ""


def _all_flags(rest: str, said: str) -> bool:
    """Whether nothing but flags follows the verdict."""
    return all(word.strip(".") in _FLAGS for word in rest[len(said) :].split())


def _flags(cut: _Cutter, rest: str, start: int, at: int) -> set[str]:
    """The flags behind a verdict, up to the first word that is none; one that is nearly a flag is an error."""
    flags = set()
    for word in re.compile(r"[ \t]+([A-Z][A-Z-]+)\b").finditer(rest, at):
        if word.start() != at:
            break
        at = word.end()
        near = difflib.get_close_matches(word[1], _FLAGS, 1, 0.75)
        if near and word[1] not in _FLAGS:
            where = cut.span(start + word.start(1), len(word[1]))
            raise SyntaxProblem(f"{word[1]!r} is not a flag", where, hint=f"did you mean {near[0]!r}?")
        flags.add(word[1].lower())
    return flags
