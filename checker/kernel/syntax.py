"""C source as a tree: functions and function-like macros by name. The only module that knows tree-sitter.

unit("virt/kvm/kvm_main.c", data).functions["kvm_io_bus_write"]    a Function: its body, its place

tree-sitter never refuses: a construct it does not know is an error node somewhere, and the rest is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from checker.core.source import CheckerError, LimitExceeded, Source, Span
from checker.kernel.conditional import Arm
from checker.kernel.outline import Outline, Piece, outline

if TYPE_CHECKING:
    from tree_sitter import Node, Parser
else:
    Node: TypeAlias = object

MAX_DEPTH = 300


class NoGrammar(CheckerError):
    """tree-sitter is not installed."""

    code = "no-grammar"


@dataclass(frozen=True, slots=True)
class Function:
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
    others: tuple[Function, ...] = ()
    """What else its name may mean: definitions under other conditions."""


@dataclass(frozen=True)
class Functions(Mapping[str, Function]):
    """The functions of a file by name (of several under conditions the first, the others with it), parsed when asked for."""

    path: str
    outline: Outline
    _made: dict[str, Function] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Function:
        if name not in self._made:
            first, *more = self.outline.pieces[name]
            made = _function(self.path, self.outline.data, first)
            others = [piece for piece in more if piece.under != first.under] if first.under else []
            self._made[name] = replace(made, others=tuple(_function(self.path, self.outline.data, piece) for piece in others))
        return self._made[name]

    def written(self, name: str) -> tuple[object, ...]:
        """What is written of a function, and under which conditions: equal where nothing of it changed but its place."""
        data = self.outline.data
        return tuple(
            (data[piece.start : piece.end], piece.under, tuple((arm.start, arm.end, arm.text) for arm in piece.arms))
            for piece in self.outline.pieces.get(name, ())
        )

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


@dataclass(frozen=True, slots=True)
class Unit:
    """One file: its functions, and what it includes."""

    path: str
    functions: Functions
    includes: tuple[tuple[str, bool], ...]
    """Name, and whether it is in quotes."""


def _parser() -> Parser:
    try:
        import tree_sitter
        import tree_sitter_c
    except ImportError:
        raise NoGrammar("tree-sitter and its C grammar are not installed", hint="pip install 'litmus-checker[gate]'") from None
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language()))


def parse(data: bytes) -> Node:
    """The syntax tree of `data`."""
    return _parser().parse(data).root_node


def unit(path: str, data: bytes, arch: tuple[str, ...]) -> Unit:
    """The functions of a file, as it is for the architectures `arch`."""
    made = outline(data, arch)
    return Unit(path, Functions(path, made), made.includes)


def _function(path: str, data: bytes, piece: Piece) -> Function:
    """The function of a piece, its body parsed by itself."""
    text = data[piece.body : piece.end]
    if piece.macro:
        text = b"{" + text.replace(b"\\\r\n", b"  \n").replace(b"\\\n", b" \n") + b";}"
    head = b"void f(void)"
    body = next((n for n in parse(head + text).children if n.type == "function_definition"), None)
    inner = body.child_by_field_name("body") if body is not None else None
    if inner is None:  # nothing that could be read as statements
        inner = parse(head + b"{}").children[0].child_by_field_name("body")
    assert inner is not None
    arms = tuple(replace(arm, start=arm.start + len(head), end=arm.end + len(head)) for arm in piece.arms)
    return Function(piece.name, path, inner, piece.start, piece.end, piece.line, piece.row, arms, piece.under)


def word(node: Node) -> str:
    """The text of a node, blanks squeezed."""
    return " ".join((node.text or b"").decode("utf-8", "replace").split())


def too_deep(path: str, node: Node) -> LimitExceeded:
    """Code nested deeper than anybody writes."""
    return LimitExceeded(f"code nested more than {MAX_DEPTH} deep", Span(Source(path, ""), node.start_point.row + 1, 1))
