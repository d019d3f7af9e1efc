"""The body of a function as statements, macros that name a place written out.

body(types, code.function("a.c", "f"))    (Do(Set("", Member(Name("t"), "flag", True), …)), …) for `FLAG(t) = 1;`
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import asdict, replace

from checker.kernel.primitives import SILENT, TRANSPARENT, primitive
from checker.kernel.syntax import Function
from checker.reach.constants import expression
from checker.reach.reading import statements, unread
from checker.reach.statements import AddressOf, Call, Cast, Deref, Expr, Index, Member, Name, Stmt
from checker.reach.summary import CONTAINERS, PER_CPU
from checker.reach.types import Types

DEEPEST = 8


def body(types: Types, function: Function) -> tuple[Stmt, ...]:
    """The statements of a function."""
    key = ("body", function.path, f"{function.name}@{function.start}")
    if key not in types.found:
        types.found[key] = _written(types, function.path, statements(function), 0)
    return types.found[key]  # type: ignore[return-value]


def missing(types: Types, function: Function) -> tuple[tuple[range, str], ...]:
    """The lines of a function of which the grammar cannot read all, with their text."""
    key = ("missing", function.path, f"{function.name}@{function.start}")
    if key not in types.found:
        some = tuple(unread(function))
        rows = (types.code.data(function.path) or b"").decode("utf-8", "replace").split("\n") if some else []
        types.found[key] = tuple([(lines, " ".join(rows[lines.start - 1 : lines.stop - 1])) for lines in some])
    return types.found[key]  # type: ignore[return-value]


def _written(types: Types, path: str, part: object, depth: int) -> object:
    """A part of a body with the macros in it that are a place, or its address, written out."""
    if isinstance(part, tuple):
        made = tuple([_written(types, path, one, depth) for one in part])
        return made if any(new is not old for new, old in zip(made, part, strict=True)) else part
    if not isinstance(part, Struct) or isinstance(part, Name):
        return part
    if isinstance(part, Call) and depth < DEEPEST and (named := _named(types, path, part)) is not None:
        return _written(types, path, named, depth + 1)
    changed = {
        name: new
        for name, old in asdict(part).items()
        if isinstance(old, (tuple, Struct)) and (new := _written(types, path, old, depth)) is not old
    }
    return replace(part, **changed) if changed else part


def _named(types: Types, path: str, e: Call) -> Expr | None:
    """What a macro's call is, where that is a place or the address of one."""
    if not e.name or e.name in SILENT | TRANSPARENT | PER_CPU | CONTAINERS or primitive(e.name) is not None:
        return None
    macro = types.macro(path, e.name)
    if macro is None or macro.params is None or len(macro.params) != len(e.args) or "##" in macro.text:
        return None
    found = expression(macro.text)
    named = found.base if isinstance(found, Cast) else found
    if not isinstance(named, (Member, Index, Deref, AddressOf)):
        return None
    return _given(found, dict(zip(macro.params, e.args, strict=True)), e.line)  # type: ignore[return-value]


def _given(part: object, given: Mapping[str, Expr], line: int) -> object:
    """An expression of a macro with its arguments in the place of its parameters, on the line of the call."""
    if isinstance(part, Name):
        return given.get(part.name, part)
    if isinstance(part, tuple):
        return tuple([_given(one, given, line) for one in part])
    if not isinstance(part, Struct):
        return part
    fields = asdict(part)
    changed = {name: _given(old, given, line) for name, old in fields.items() if isinstance(old, (tuple, Struct))}
    return replace(part, **changed, **({"line": line} if "line" in fields else {}))
