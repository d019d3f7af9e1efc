"""What ties the processes of a test to kernel functions: `Source:` lines in its comments.

    Source: P1 = virt/kvm/kvm_main.c:kvm_io_bus_write (bus = buses, registered outside)
    Source: P1 = arch/x86/kvm/vmx/vmx.c:handle_invalid_guest_state (variant)

`bus = buses` says that the test's `bus` is the member `buses` in the code (a name that both share needs no word), `outside`
that somebody else makes these accesses (the guest, a caller), `partial` that the process leaves fences of the code out,
`variant` that it differs from the code on purpose.
`f + g` is one after the other. Several lines for one process are several functions that it stands for.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from checker.core.source import CheckerError, Source, Span, SyntaxProblem
from checker.kernel.skeleton import Code, Frame, Op, Skeleton, own_ops, skeleton
from checker.kernel.syntax import Function, parse
from checker.kernel.trees import tame
from checker.parse.sections import split

_LINE = re.compile(r"^[ \t]*(?:\(\*|\*|//)?[ \t]*Source:[ \t]*(P[0-9]+\b.*?)[ \t]*(?:\*\))?[ \t]*$", re.M)
_BINDING = re.compile(r"P([0-9]{1,4})[ \t]*=[ \t]*([^()]+?)(?:[ \t]*\(([^()]*)\))?")
_PART = re.compile(r"([A-Za-z0-9_./+-]+):([A-Za-z_]\w*)")
_NOTE = re.compile(r"(variant|partial)|([A-Za-z_]\w*)[ \t]+(outside)|([A-Za-z_]\w*)(?:[ \t]*=[ \t]*([A-Za-z_]\w*))?")
_PROCESS = re.compile(r"^[ \t]*(?:(?:static|inline|void)[ \t]+)*P([0-9]+)[ \t]*\(", re.M)


class Binding(Struct, frozen=True):
    """Process `tid` is the functions `parts` (path, name), one after the other."""

    tid: int
    parts: tuple[tuple[str, str], ...]
    places: tuple[tuple[str, str], ...] = ()
    outside: frozenset[str] = frozenset()
    variant: bool = False
    partial: bool = False
    line: int = 1

    def __str__(self) -> str:
        return " + ".join(f"{path}:{name}" for path, name in self.parts)


def bindings(source: Source) -> tuple[Binding, ...]:
    """The bindings of a test. Raises SyntaxProblem for a `Source:` line that cannot be read."""
    return tuple(_binding(source, found) for found in _LINE.finditer(source.text))


def _binding(source: Source, found: re.Match[str]) -> Binding:
    line = source.text.count("\n", 0, found.start(1)) + 1
    column = found.start(1) - source.text.rfind("\n", 0, found.start(1))
    span = Span(source, line, column, column + len(found[1]))
    hint = "write 'Source: P1 = path/to/file.c:function (place = member)'"
    whole = _BINDING.fullmatch(found[1])
    if not whole:
        raise SyntaxProblem("this binding cannot be read", span, hint=hint)
    parts = []
    for text in whole[2].split(" + "):
        part = _PART.fullmatch(text.strip())
        if not part or not tame(part[1]):
            raise SyntaxProblem(f"{text.strip()!r} does not name a function in a file", span, hint=hint)
        parts.append((part[1], part[2]))
    places, outside, words = [], set(), set()
    for text in (whole[3] or "").split(","):
        note = _NOTE.fullmatch(text.strip())
        if not note:
            if whole[3] is None:
                break
            raise SyntaxProblem(
                f"{text.strip()!r} cannot be read", span, hint="'place = member', 'place outside', 'partial' or 'variant'"
            )
        if note[1]:
            words.add(note[1])
        elif note[2]:
            outside.add(note[2])
        else:
            places.append((note[4], note[5] or note[4]))
    return Binding(int(whole[1]), tuple(parts), tuple(places), frozenset(outside), "variant" in words, "partial" in words, line)


def bound_skeleton(code: Code, binding: Binding, depth: int) -> Skeleton | str:
    """The skeleton of what a binding names; where something is missing, what."""
    made = []
    for path, name in binding.parts:
        part = skeleton(code, path, name, depth)
        if part is None:
            return f"there is no function {name}() in {path}" if code.data(path) is not None else f"there is no file {path}"
        made.append(part)
    if len(made) == 1:
        return made[0]
    ops: list[Op] = []
    for number, part in enumerate(made):
        ahead = len(ops)
        ops += [_in_part(op, number, ahead) for op in part.ops]
    return Skeleton(tuple(ops), tuple(dict.fromkeys(f for part in made for f in part.functions)), any(part.cut for part in made))


def _in_part(op: Op, number: int, ahead: int) -> Op:
    """An operation of one of several functions: what returns from it goes on with the next one."""
    frames = tuple(replace(frame, tested=frame.tested + ahead) if frame.tested >= 0 else frame for frame in op.frames)
    return replace(op, frames=(Frame("call", number), *frames))


class Process(Struct, frozen=True):
    """A process of a test: its operations, with bytes and lines of the test's text; `text` spans from `start` to `end`."""

    tid: int
    ops: tuple[Op, ...]
    start: int
    end: int


def processes(source: Source) -> dict[int, Process]:
    """The processes of a kernel-C test, by number."""
    return {process.tid: process for process in _processes(source)}


def _processes(source: Source) -> Iterator[Process]:
    try:
        cut = split(source, ("C",))
    except CheckerError:
        return
    text, heads = source.text, list(_PROCESS.finditer(cut.code))
    for head, following in itertools.zip_longest(heads, heads[1:]):
        start = cut.code.index("P", head.start()) + cut.shift
        end = (following.start() if following else len(cut.code)) + cut.shift
        before = len(text[:start].encode())
        data = b"int " + text[start:end].encode()
        node = next((n for n in parse(data).children if n.type == "function_definition"), None)
        body = node.child_by_field_name("body") if node is not None else None
        if body is None:
            continue
        line = text.count("\n", 0, start)
        function = Function(f"P{head[1]}", source.name, body, 0, len(data), line + 1, line)
        move = before - 4
        ops = tuple(
            replace(op, start=op.start + move, end=op.end + move, outer=(op.outer[0] + move, op.outer[1] + move))
            for op in own_ops(function)
        )
        yield Process(int(head[1]), ops, before, before + len(data) - 4)
