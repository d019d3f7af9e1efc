"""Changes of C tests: stronger accesses and inserted barriers, as the kernel would have them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec.structs import replace

from checker.cat.term import Model
from checker.core.source import Span
from checker.insight.candidate import COSTS, HERE, Candidate, Language
from checker.insight.ladder import Form, stronger
from checker.insight.statements import Point, first_of, points, varied, written
from checker.kernel.primitives import FENCE, RMW, primitive
from checker.program.events import Event
from checker.program.ir import Call, Choose, Do, Expr, If, Reg, Stmt, Test
from checker.program.tree import Body

_DIRECTIONS = {("R", "R"): "smp_rmb", ("W", "W"): "smp_wmb"}
_AFTER = {
    "srcu_read_lock": "smp_mb__after_srcu_read_lock", "srcu_read_unlock": "smp_mb__after_srcu_read_unlock",
    "spin_lock": "smp_mb__after_spinlock", "raw_spin_lock": "smp_mb__after_spinlock",
}  # fmt: skip


def between(test: Test, a: Event, b: Event, ends: Sequence[Event], model: Model) -> Iterator[Candidate]:
    """What could stand between two accesses of a process, or in the place of one of `ends`."""
    body = next(thread.body for thread in test.threads if thread.tid == a.tid)
    yield from _accesses(body, ends, model)
    for point in points(body, a.span, b.span):
        yield from _barriers(point, a, b, model)


def _accesses(body: Body, ends: Iterable[Event], model: Model) -> Iterator[Candidate]:
    calls = {call.span: call for call in _calls(body)}
    for e in ends:
        call = calls.get(e.span)
        if call is None or written(call.span) != call.name:
            continue
        for form in stronger(call, model.primitives or {}):
            yield Candidate(call.span, COSTS["full" if form.order == "full" else "one way"], f"{call.name}() → {form.name}()", form)


def _calls(body: Body) -> list[Call]:
    """All calls in a body, those of helper functions among them."""
    found: list[Call] = []

    def note(call: Call, made: object) -> None:
        found.append(call)

    varied(body, note)
    return found


def _barriers(point: Point, a: Event, b: Event, model: Model) -> Iterator[Candidate]:
    """The barriers that may stand at a point, as the kernel would have them."""
    table, span = model.primitives or {}, first_of(point.following)
    if span is None or not _is_free(point, span):
        return
    lighter = _fence(point.before) or _fence(point.following)
    light = _DIRECTIONS.get((a.kind, b.kind))
    if light is not None and light in table and lighter is None:
        yield Candidate(span, COSTS["directional"], f"{light}()", None, light)
    special = _special(point)
    for name in dict.fromkeys((special, "smp_mb")):
        if name and name in table:
            taste = (0, 0, 0, int(name == "smp_mb"))
            text = f"{lighter[0]}() → {name}()" if lighter and name == "smp_mb" else f"{name}()"
            cost = tuple([x + y for x, y in zip(COSTS["full"], taste, strict=True)])
            yield Candidate(span, cost, text, None, name, lighter[1] if lighter and name == "smp_mb" else None)


def _is_free(point: Point, span: Span) -> bool:
    """Whether a line can be put before the statement at `span`: it begins its line, in a block with braces, and does not belong
    to the operation before it."""
    line = span.source.line(span.line)
    if line[: span.column - 1].strip():
        return False
    fence = _fence(point.following)
    if fence is not None and fence[0].startswith("smp_mb__after"):
        return False
    above = next((text for n in range(span.line - 1, 0, -1) if (text := span.source.line(n).split("//")[0].strip())), "")
    return point.before is not None or above.endswith("{")


def _fence(s: Stmt | None) -> tuple[str, Span] | None:
    """The barrier that a statement is."""
    if isinstance(s, Do) and isinstance(s.call, Call):
        known = primitive(s.call.name)
        if known is not None and known.verb == FENCE and written(s.call.span) == s.call.name:
            return s.call.name, s.call.span
    return None


def _special(point: Point) -> str:
    """The barrier that the kernel has for just this place."""
    before = _calls((point.before,)) if point.before is not None else []
    for call in before[-1:]:
        if call.name in _AFTER:
            return _AFTER[call.name]
        known = primitive(call.name)
        if known is not None and known.verb == RMW and known.strength.rpartition(" ")[2] in ("void", "relaxed"):
            return "smp_mb__after_atomic"
    for call in _calls((point.following,))[:1]:
        known = primitive(call.name)
        if known is not None and known.verb == RMW and known.strength.rpartition(" ")[2] in ("void", "relaxed"):
            return "smp_mb__before_atomic"
    return ""


# ---------------------------------------------------------------- the program with all candidates


def with_all(test: Test, some: Sequence[Candidate]) -> Test:
    """The test in which each candidate is there if its register is 1."""
    threads = []
    for thread in test.threads:
        used: set[int] = set()

        def before(s: Stmt, used: set[int] = used) -> Body:
            here = first_of(s)
            mine = [n for n, c in enumerate(some) if c.barrier and c.span == here]
            used.update(mine)
            return tuple([If(Reg(f"%fix{n}"), (Do(Call(some[n].barrier, (), (), HERE), HERE),), (), HERE) for n in mine])

        def chosen(call: Call, made: Callable[[Expr | None], Body], used: set[int] = used) -> Body | None:
            mine = {n: c.form for n, c in enumerate(some) if c.form is not None and c.span == call.span and c.form.of == call.name}
            used.update(mine)
            return _tree(call, mine, made, ()) if mine else None

        body = varied(thread.body, chosen, before)
        threads.append(replace(thread, body=(*[Choose(f"%fix{n}", HERE) for n in sorted(used)], *body)))
    return replace(test, threads=tuple(threads))


def _tree(call: Call, forms: dict[int, Form], made: Callable[[Expr | None], Body], on: tuple[Form, ...]) -> Body:
    """The statements for a call in the form that its registers choose; an acquire and a release together are the full one."""
    if forms:
        (n, form), *rest = forms.items()
        return (If(Reg(f"%fix{n}"), _tree(call, dict(rest), made, (*on, form)), _tree(call, dict(rest), made, on), HERE),)
    orders = {form.order: form for form in on}
    best = next((orders[o] for o in ("full", "acquire", "release") if o in orders), None)
    if {"acquire", "release"} <= orders.keys():
        best = _full(call.name)
    return made(call if best is None else best.made(call))


def _full(name: str) -> Form:
    return Form(name, re.sub("_(?:acquire|release|relaxed)$", "", name), "full")


def joined(some: Sequence[Candidate]) -> list[Candidate]:
    """The changes with the full form of a call in the place of both its acquire and its release, as there is none that is both."""
    orders: dict[Span, set[str]] = {}
    for c in some:
        if c.form is not None:
            orders.setdefault(c.span, set()).add(c.form.order)
    made: dict[tuple[int, int, str], Candidate] = {}
    for c in some:
        if c.form is not None and ("full" in orders[c.span] or len(orders[c.span]) > 1):
            full = _full(c.form.of)
            c = Candidate(c.span, COSTS["full"], f"{full.of}() → {full.name}()", full)
        made[c.key] = c
    return list(made.values())


# ---------------------------------------------------------------- writing it down


def edited(test: Test, some: Iterable[Candidate]) -> tuple[str, list[int]]:
    """The text with the changes in it, other names for calls and new lines; and the numbers of the lines that are changed."""
    text = test.source.text
    lines: list[list[str]] = [[line] for line in text.split("\n")]
    for c in sorted(some, key=lambda c: (c.span.line, c.span.column), reverse=True):
        at = c.instead or c.span
        rows = lines[at.line - 1]
        if c.form is not None:
            rows[-1] = _renamed(rows[-1], c.span, c.form)
        elif c.instead is not None:
            rows[-1] = rows[-1][: at.column - 1] + c.barrier + rows[-1][at.end - 1 :]
        else:
            rows.insert(0, rows[-1][: len(rows[-1]) - len(rows[-1].lstrip())] + f"{c.barrier}();")
    flat = [line for rows in lines for line in rows]
    before = text.split("\n")
    matcher = difflib.SequenceMatcher(None, before, flat, autojunk=False)
    numbers = [n + 1 for tag, _, _, low, high in matcher.get_opcodes() if tag != "equal" for n in range(low, high)]
    return "\n".join(flat), numbers


def _renamed(line: str, span: Span, form: Form) -> str:
    """The line with a call in its stronger form: `READ_ONCE(*x)` is `smp_load_acquire(x)`."""
    rest = line[span.end - 1 :]
    if form.pointer:
        found = re.match(r"\s*\(\s*", rest)
        assert found is not None
        argument = rest[found.end() :]
        rest = found[0] + (argument[1:].lstrip() if argument.startswith("*") else f"&{argument}")
    return line[: span.column - 1] + form.name + rest


C = Language(between, with_all, joined, edited)
