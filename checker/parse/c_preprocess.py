"""`#define` in a litmus file: macros are replaced as the preprocessor does it (C11 6.10.3), token by token, outermost first.

Lines stay where they are, and `Places` knows of each column of a changed line where it was in the file. Without `#` there is
nothing to do. What is no `#define` or `#undef` is refused: a litmus test has no configuration.

    #define N 3
    r = N;          r = 3;
"""

from __future__ import annotations

import re

from msgspec import Struct, field

from checker.core.source import LimitExceeded, Source, Span, SyntaxProblem, Unsupported

MAX_TEXT = 200_000
MAX_REPLACED = 10_000
MAX_DEPTH = 40

_TOKEN = re.compile(r"\.?[0-9][A-Za-z0-9_.]*|[A-Za-z_][A-Za-z0-9_]*|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|\s+|.", re.S)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\\n|\\)*", re.M)
_PARTS = re.compile(r"\s*#\s*([A-Za-z]*)\s*(.*)", re.S)
_DEFINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\(([^()]*)\))?(?:\s+|$)(.*)", re.S)
_OPENING, _CLOSING = frozenset("(["), frozenset(")]")
_HINTS = {
    "include": "a litmus test stands alone: write out what it needs",
    "if": "write out what is compiled", "ifdef": "write out what is compiled", "ifndef": "write out what is compiled",
}  # fmt: skip


class Define(Struct, frozen=True):
    """One macro: `params` is None for one without parentheses."""

    name: str
    params: tuple[str, ...] | None
    body: tuple[str, ...]


class Places(Struct):
    """Where the columns of changed lines were: by line, stretches (first column, last, first before, last before)."""

    source: Source
    stretches: dict[int, list[tuple[int, int, int, int]]] = field(default_factory=dict)

    def was(self, span: Span) -> Span:
        """The place in the file of a place in the text after replacement."""
        for first, last, before, until in reversed(self.stretches.get(span.line, ())):
            if span.column >= first:
                inside = span.column < last
                column = before if inside else until + span.column - last
                end = until if inside else max(column + 1, until + span.end - last)
                return Span(self.source, span.line, column, end)
        return span


def preprocessed(source: Source, text: str) -> tuple[str, Places | None, dict[str, Define]]:
    """`text` with its macros replaced and its directives blanked, where its columns were, and the macros defined at its end."""
    if "#" not in text:
        return text, None, {}
    work = _Work(source, text)
    work.run()
    return "".join(work.parts), work.places, work.macros


class _Work:
    def __init__(self, source: Source, text: str) -> None:
        self.source, self.text = source, text
        self.macros: dict[str, Define] = {}
        self.places = Places(source)
        self.parts: list[str] = []
        self.size = 0
        self.replaced = 0
        self.line, self.start = 1, 0  # of the text as it was
        self.column = 1  # of the text as it becomes

    def run(self) -> None:
        at = 0
        for directive in _DIRECTIVE.finditer(self.text):
            self.stretch(at, directive.start())
            self.directive(directive)
            at = directive.end()
        self.stretch(at, len(self.text))

    def span(self, at: int, length: int) -> Span:
        line = self.text.count("\n", 0, at) + 1
        column = at - self.text.rfind("\n", 0, at)
        return Span(self.source, line, column, column + max(1, length))

    # ------------------------------------------------------------ directives

    def directive(self, found: re.Match[str]) -> None:
        said = found[0].replace("\\\n", "  ")
        parts = _PARTS.fullmatch(said)
        assert parts
        word, rest = parts[1], parts[2].strip()
        here = self.span(found.start() + len(said) - len(said.lstrip()), len(said.strip()))
        match word:
            case "define":
                self.define(rest, here)
            case "undef":
                self.macros.pop(rest, None)
            case "":
                if rest:
                    raise SyntaxProblem("this is no directive", here)
            case _:
                raise Unsupported(f"'#{word}' is not supported", here, hint=_HINTS.get(word, "#define and #undef are"))
        self.keep("\n" * found[0].count("\n"))

    def define(self, rest: str, here: Span) -> None:
        found = _DEFINE.fullmatch(rest)
        if not found:
            raise SyntaxProblem("this is no macro definition", here, hint="write '#define NAME value' or '#define NAME(x) value'")
        params = None
        if found[2] is not None:
            params = tuple([p.strip() for p in found[3].split(",")]) if found[3].strip() else ()
            if any(not re.fullmatch(r"[A-Za-z_]\w*", p) for p in params) or len(set(params)) < len(params):
                raise Unsupported("these macro parameters", here, hint="names, each once; '...' is not supported")
        body = tuple(_TOKEN.findall(found[4].strip()))
        if "#" in body:
            raise Unsupported("'#' and '##' in a macro", here, hint="write the names out")
        made = Define(found[1], params, body)
        old = self.macros.get(made.name)
        if old is not None and (old.params, "".join(old.body).split()) != (made.params, "".join(made.body).split()):
            raise SyntaxProblem(f"'{made.name}' is defined twice, and differently", here, hint=f"write '#undef {made.name}' before")
        self.macros[made.name] = made

    # ------------------------------------------------------------ text

    def keep(self, piece: str) -> None:
        self.size += len(piece)
        if self.size > MAX_TEXT:
            raise LimitExceeded(f"macros make more than {MAX_TEXT:,} characters", Span(self.source, 1, 1))
        self.parts.append(piece)
        end = piece.rfind("\n")
        self.column = self.column + len(piece) if end < 0 else len(piece) - end

    def stretch(self, at: int, end: int) -> None:
        """Text between two directives."""
        if not self.macros:
            self.keep(self.text[at:end])
            return
        while at < end:
            token = _TOKEN.match(self.text, at)
            assert token
            macro = self.macros.get(token[0])
            after = token.end()
            if macro is None or (macro.params is not None and self.opening(after, end) is None):
                self.keep(token[0])
                at = after
                continue
            args: list[list[str]] | None = None
            if macro.params is not None:
                tokens = _TOKEN.findall(self.text[after:end])
                used, args = self.arguments(macro, tokens, self.span(at, len(token[0])))
                after += sum(map(len, tokens[:used]))
            taken = self.text[at:after]
            here = self.span(at, len(taken.partition("\n")[0]))
            made = "".join(self.replace(macro, args, frozenset(), here)).replace("\n", " ")
            first = self.column
            self.keep(made)
            self.places.stretches.setdefault(here.line, []).append((first, self.column, here.column, here.end))
            if lines := taken.count("\n"):
                self.keep("\n" * lines)
                until = self.span(after, 1).column
                self.places.stretches.setdefault(here.line + lines, []).append((1, 1, 1, until))
            at = after

    def opening(self, at: int, end: int) -> int | None:
        while at < end and self.text[at].isspace():
            at += 1
        return at if at < end and self.text[at] == "(" else None

    def arguments(self, macro: Define, tokens: list[str], here: Span) -> tuple[int, list[list[str]]]:
        """The arguments that follow a macro's name, and how many tokens they are with their parentheses."""
        depth, used = 0, 0
        args: list[list[str]] = [[]]
        while used < len(tokens):
            token = tokens[used]
            used += 1
            if token in _OPENING:
                depth += 1
                if depth == 1:
                    continue
            elif token in _CLOSING:
                depth -= 1
                if depth == 0:
                    break
            elif token == "," and depth == 1:
                args.append([])
                continue
            if depth:
                args[-1].append(token)
        else:
            raise SyntaxProblem(f"the arguments of '{macro.name}' have no end", here, hint="missing ')'")
        assert macro.params is not None
        if not macro.params and len(args) == 1 and not "".join(args[0]).strip():
            args = []
        if len(args) != len(macro.params):
            count = len(macro.params)
            raise SyntaxProblem(f"'{macro.name}' takes {count} argument{'s' * (count != 1)}, not {len(args)}", here)
        return used, args

    def replace(self, macro: Define, args: list[list[str]] | None, hidden: frozenset[str], here: Span) -> list[str]:
        """The tokens that one use of a macro becomes."""
        self.replaced += 1
        if self.replaced > MAX_REPLACED or len(hidden) > MAX_DEPTH:
            raise LimitExceeded("too many macros are replaced", here)
        body = list(macro.body)
        if args is not None and macro.params is not None:
            full = {p: self.rescanned(a, hidden, here) for p, a in zip(macro.params, args, strict=True)}
            body = [t for token in body for t in full.get(token, [token])]
        return self.rescanned(body, hidden | {macro.name}, here)

    def rescanned(self, tokens: list[str], hidden: frozenset[str], here: Span) -> list[str]:
        result: list[str] = []
        at = 0
        while at < len(tokens):
            token = tokens[at]
            macro = self.macros.get(token) if token not in hidden else None
            at += 1
            if macro is None:
                result.append(token)
                continue
            args = None
            if macro.params is not None:
                following = next((t for t in tokens[at:] if not t.isspace()), "")
                if following != "(":
                    result.append(token)
                    continue
                used, args = self.arguments(macro, tokens[at:], here)
                at += used
            result += self.replace(macro, args, hidden, here)
            if len(result) > MAX_TEXT:
                raise LimitExceeded("macros make too much text", here)
        return result


def expanded(source: Source, name: str, macros: dict[str, Define]) -> str:
    """What the macro `name`, one without parentheses, stands for."""
    work = _Work(source, "")
    work.macros = macros
    return "".join(work.replace(macros[name], None, frozenset(), Span(source, 1, 1)))
