"""C source as a tree: functions and function-like macros by name. The only module that knows tree-sitter.

unit("virt/kvm/kvm_main.c", data).functions["kvm_io_bus_write"]    a Function: its body, its place

tree-sitter never refuses: a construct it does not know is an error node somewhere, and the rest is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from checker.core.source import CheckerError, LimitExceeded, Source, Span
from checker.kernel.conditional import Arm
from checker.kernel.outline import Outline, Piece, outline, uncommented

if TYPE_CHECKING:
    from tree_sitter import Node, Parser
else:
    Node: TypeAlias = object

MAX_DEPTH = 300
# What is said to sparse, lockdep and the compiler in the middle of a declaration or a cast, and is no C to the grammar.
_NOTES = re.compile(
    rb"\b(?:__(?:rcu|user|iomem|percpu|force|kernel|private|must_check|init|exit|cold|hot|read_mostly|ro_after_init|maybe_unused"
    rb"|always_unused|used|packed|refdata|initdata|exitdata|deprecated|visible|sched|weak|pure|noreturn|nocast|bitwise|malloc|lockfunc"
    rb"|net_init|net_exit|ref|meminit|always_inline|latent_entropy|designated_init|randomize_layout|no_randomize_layout|cpuidle"
    rb"|counted_by_ptr|init_or_module|nonstring|noendbr|no_kcsan|no_kasan_or_inline|sram|uncached|restrict)"
    rb"|__*cacheline\w*aligned\w*|____cacheline_\w+|asmlinkage|noinline\w*|notrace|noinstr|nokprobe_inline|randomized_struct_fields_\w+"
    rb"|(?:__(?:attribute(?:__)?|aligned|acquires?|releases?|(?:cond|try)_(?:acquires?|releases?)|must_hold|(?:pt_)?guarded_by"
    rb"|counted_by(?:_le|_be)?|printf|scanf|section|free|cleanup|alloc_size|no_sanitize\w*|nonnull))"
    rb"[ \t]*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))(?!\w)"
)


class NoGrammar(CheckerError):
    """tree-sitter is not installed."""

    code = "no-grammar"


class Function(Struct, frozen=True):
    """A function with a body, or a function-like macro (its body read as statements)."""

    name: str
    path: str
    body: Node
    start: int
    end: int
    line: int
    shift: int = 0
    """What to add to a line of `body` for the line in the file."""
    arms: tuple[Arm, ...] = ()
    """The conditional code in its body."""
    under: tuple[str, ...] = ()
    """The conditions that it is defined under, and that are not known."""
    params: tuple[str, ...] = ()
    others: tuple[Function, ...] = ()
    """What else its name may mean: definitions under other conditions."""


class Functions(Mapping[str, Function]):
    """The functions of a file by name (of several under conditions the first, the others with it), parsed when asked for."""

    def __init__(self, path: str, outline: Outline) -> None:
        self.path, self.outline = path, outline
        self._made: dict[str, Function] = {}

    def __getitem__(self, name: str) -> Function:
        if name not in self._made:
            first, *more = self.outline.pieces[name]
            made = _function(self.path, self.outline.data, first)
            others = [piece for piece in more if piece.under != first.under] if first.under else []
            self._made[name] = replace(made, others=tuple(_function(self.path, self.outline.data, piece) for piece in others))
        return self._made[name]

    def forget(self) -> None:
        """Let go of what was parsed: each tree holds the text of its file."""
        self._made.clear()

    def written(self, name: str) -> tuple[object, ...]:
        """What is written of a function, and under which conditions: equal where nothing of it changed but its place."""
        data = self.outline.data
        return tuple(
            (
                data[piece.start : piece.end],
                piece.under,
                tuple((arm.start - piece.start, arm.end - piece.start, arm.text) for arm in piece.arms),
                tuple(text for at, text in self.outline.unread if piece.start <= at < piece.end),
            )
            for piece in self.outline.pieces.get(name, ())
        )

    def renamed(self, now: Functions) -> Iterator[tuple[str, str]]:
        """Static functions that are the same in `now` but for their name, which stands wherever the other one stood."""
        came = {now._nameless(name): name for name in now if name not in self}
        if not came:
            return
        text, new = (uncommented(functions.outline.data) for functions in (self, now))
        for name in [name for name in self if name not in now]:
            to = came.get(self._nameless(name), "")
            counts = [len(re.findall(rb"\b%s\b" % word.encode(), data)) for data in (text, new) for word in (name, to)]
            if to and counts == [counts[0], 0, 0, counts[0]]:
                yield name, to

    def _nameless(self, name: str) -> tuple[object, ...]:
        """What is written of a static function without its name and blanks; of another one, with them."""
        data, own = self.outline.data, re.compile(rb"\b%s\b" % name.encode())
        pieces = self.outline.pieces[name]
        if not all(data.startswith(b"static ", piece.start) for piece in pieces):
            return (name,)
        return tuple(
            (b" ".join(own.sub(b" ", data[piece.start : piece.end]).split()), piece.under, tuple(arm.text for arm in piece.arms))
            for piece in pieces
        )

    def alike(self, name: str, others: Functions) -> bool:
        """Whether a function is the same in another version of its file, on the same lines and at the same bytes."""
        starts, others_starts = ([one.start for one in functions.outline.pieces.get(name, ())] for functions in (self, others))
        return self.written(name) == others.written(name) and self.lines(name) == others.lines(name) and starts == others_starts

    def lines(self, name: str) -> tuple[range, ...]:
        """The lines that the definitions of a name stand on."""
        data = self.outline.data
        return tuple(
            range(piece.line, piece.line + data.count(b"\n", piece.start, piece.end) + 1)
            for piece in self.outline.pieces.get(name, ())
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.outline.pieces)

    def __len__(self) -> int:
        return len(self.outline.pieces)


class Unit(Struct, frozen=True):
    """One file: its functions, and what it includes."""

    path: str
    functions: Functions
    includes: tuple[tuple[str, bool], ...]
    """Name, and whether it is in quotes."""


def _parser(data: bytes, start: int, end: int) -> Parser:
    try:
        import tree_sitter
        import tree_sitter_c
    except ImportError:
        raise NoGrammar("tree-sitter and its C grammar are not installed", hint="pip install 'litmus-checker[gate]'") from None
    language = tree_sitter.Language(tree_sitter_c.language())
    if (start, end) == (0, len(data)):
        return tree_sitter.Parser(language)
    points = [tree_sitter.Point(data.count(b"\n", 0, at), at - data.rfind(b"\n", 0, at) - 1) for at in (start, end)]
    return tree_sitter.Parser(language, included_ranges=[tree_sitter.Range(points[0], points[1], start, end)])


def unnoted(data: bytes) -> bytes:
    """The text with notes to sparse, lockdep and the compiler blanked."""
    return _NOTES.sub(lambda note: re.sub(rb"[^\n]", b" ", note[0]), data)


def parse(data: bytes, start: int = 0, end: int | None = None) -> Node:
    """The syntax tree of `data`, or of its bytes from `start` to `end`."""
    return _parser(data, start, len(data) if end is None else end).parse(data).root_node


def unit(path: str, data: bytes, arch: tuple[str, ...]) -> Unit:
    """The functions of a file, as it is for the architectures `arch`."""
    made = outline(data, arch, path)
    return Unit(path, Functions(path, made), made.includes)


def _function(path: str, data: bytes, piece: Piece) -> Function:
    """The function of a piece, its body parsed by itself, where it stands in the file."""
    shift, params = 0, _params(data[piece.start : piece.body].decode("utf-8", "replace"))
    if piece.macro:
        text = data[piece.body : piece.end].replace(b"\\\r\n", b"  \n").replace(b"\\\n", b" \n")
        data, shift = b" " * (piece.body - 1) + b"{" + text + b";}", piece.row
    end = len(data) if piece.macro else piece.end
    body = _body(data, piece.body - piece.macro, end) or _body(b"{}", 0, 2)
    assert body is not None
    return Function(piece.name, path, body, piece.start, piece.end, piece.line, shift, piece.arms, piece.under, params)


def spread(macro: Function, count: int) -> Function:
    """A macro with `count` arguments, those that come for `...` each under a name, which stand where __VA_ARGS__ is."""
    dots = macro.params[-1].removesuffix("...") if macro.params and macro.params[-1].endswith("...") else ""
    if not dots:
        return macro
    names = [f"{dots}{i}" for i in range(count - len(macro.params) + 1)]
    written = re.sub(rf"(##\s*)?\b{dots}\b".encode(), ", ".join(names).encode(), macro.body.text or b"")
    start = macro.body.start_byte
    body = _body(b" " * start + written, start, start + len(written))
    return replace(macro, body=body or macro.body, params=(*macro.params[:-1], *names))


def _params(head: str) -> tuple[str, ...]:
    """The names of the parameters in the head of a function or macro; empty for one that has none there. Of one that takes any
    number of arguments the last is `__VA_ARGS__...`, or `args...`."""
    listed = re.search(r"\(([^()]*)\)\s*\Z", head)
    named = [re.search(r"(\w*)\s*(?:\[[^\]]*\]\s*)*\Z", one) for one in listed[1].split(",")] if listed else []
    names = [found[1] if found else "" for found in named]
    dots = re.search(r"(\w*)\s*\.\.\.\s*\Z", listed[1]) if listed else None
    return (*names[:-1], f"{dots[1] or '__VA_ARGS__'}...") if dots else tuple(names)


def _body(data: bytes, start: int, end: int) -> Node | None:
    """The block that stands from byte `start` to `end`."""
    data = b"".join([data[:start], unnoted(data[start:end]), data[end:]])
    return next((node for node in parse(data, start, end).children if node.type == "compound_statement"), None)


def word(node: Node) -> str:
    """The text of a node, blanks squeezed."""
    return " ".join((node.text or b"").decode("utf-8", "replace").split())


def too_deep(path: str, node: Node) -> LimitExceeded:
    """Code nested deeper than anybody writes."""
    return LimitExceeded(f"code nested more than {MAX_DEPTH} deep", Span(Source(path, ""), node.start_point.row + 1, 1))
