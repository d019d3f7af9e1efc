"""C source as a tree: functions and function-like macros by name. The only module that knows tree-sitter.

unit("virt/kvm/kvm_main.c", data).functions["kvm_io_bus_write"]    a Function: its body, its place

tree-sitter never refuses: a construct it does not know is an error node somewhere, and the rest is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from checker.core.source import CheckerError, LimitExceeded, Source, Span

if TYPE_CHECKING:
    from tree_sitter import Node, Parser
else:
    Node: TypeAlias = object

MAX_DEPTH = 300
_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*(?:<([^>\n]+)>|"([^"\n]+)")', re.M)


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


@dataclass(frozen=True, slots=True)
class Unit:
    """One file: functions by name (the first of a name, where `#ifdef` has several), and what it includes."""

    path: str
    functions: dict[str, Function]
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


@lru_cache(maxsize=256)
def unit(path: str, data: bytes) -> Unit:
    """The functions of a file."""
    functions: dict[str, Function] = {}
    for node in _definitions(parse(data)):
        found = _function(path, node) if node.type == "function_definition" else _macro(path, node)
        if found is not None:
            functions.setdefault(found.name, found)
    names = tuple(((m[1] or m[2]).decode("utf-8", "replace"), m[2] is not None) for m in _INCLUDE.finditer(data))
    return Unit(path, functions, names)


def _definitions(root: Node) -> Iterator[Node]:
    """Definitions at the top of a file, inside `#if` and `extern "C"` too, and behind what the grammar does not know."""
    waiting = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        for child in reversed(node.children):
            if child.type in ("function_definition", "preproc_function_def"):
                yield child
            elif child.type.startswith(("preproc_if", "preproc_el", "linkage", "declaration_list", "ERROR")) and depth < MAX_DEPTH:
                waiting.append((child, depth + 1))


def _function(path: str, node: Node) -> Function | None:
    body = node.child_by_field_name("body")
    name = _declared(node.child_by_field_name("declarator"))
    if body is None or name is None:
        return None
    return Function(name, path, body, node.start_byte, node.end_byte, node.start_point.row + 1)


def _declared(node: Node | None) -> str | None:
    """The name a declarator declares, through pointers."""
    for _ in range(MAX_DEPTH):
        if node is None:
            return None
        if node.type == "identifier":
            return word(node)
        if node.type == "function_declarator":
            inner = node.child_by_field_name("declarator")
            if inner is not None and inner.type == "identifier":
                return word(inner)
        node = node.child_by_field_name("declarator")
    return None


def _macro(path: str, node: Node) -> Function | None:
    name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
    if name is None or value is None or value.text is None:
        return None
    text = value.text.replace(b"\\\r\n", b"  \n").replace(b"\\\n", b" \n")
    body = next((n for n in parse(b"void f(void) {" + text + b";}").children if n.type == "function_definition"), None)
    inner = body.child_by_field_name("body") if body is not None else None
    if inner is None:
        return None
    return Function(word(name), path, inner, node.start_byte, node.end_byte, node.start_point.row + 1, value.start_point.row)


def word(node: Node) -> str:
    """The text of a node, blanks squeezed."""
    return " ".join((node.text or b"").decode("utf-8", "replace").split())


def too_deep(path: str, node: Node) -> LimitExceeded:
    """Code nested deeper than anybody writes."""
    return LimitExceeded(f"code nested more than {MAX_DEPTH} deep", Span(Source(path, ""), node.start_point.row + 1, 1))
