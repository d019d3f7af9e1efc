"""The cheapest changes that make an outcome impossible: stronger accesses and inserted barriers.

Where to look, the executions tell: one that is no interleaving has cycles of program order and communication, and what forbids
it stands at an edge of program order in one of them. What could stand there becomes a candidate: an acquire for the
read before, a release for the write behind, a barrier between. The program is written out with all candidates, each there or
not by a free choice; a cheapest set with something of every set that an execution asks for is tried, and the execution that is
left asks for more (an implicit hitting set: Moreno-Centeno and Karp 2013). What comes out is written into the text, which is
read and checked again.

Costs are compared in order: full barriers and full read-modify-writes, directional barriers, acquires and releases, and how
far a choice is from the kernel's taste.
"""

from __future__ import annotations

import contextlib
import difflib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from checker.cat.term import Model
from checker.check import RECURSION, SPENT, Options, check, deferred, spent, stages
from checker.core.circuit import FALSE, TRUE, Lit
from checker.core.depth import deep_recursion
from checker.core.rel import bits, components, union
from checker.core.source import Source, Span, Unsupported
from checker.insight.edges import told
from checker.insight.engine import Engine
from checker.insight.hitting import hitting
from checker.insight.ladder import Form, stronger
from checker.insight.refute import refute
from checker.insight.statements import Point, first_of, points, varied, written
from checker.insight.weak import communication
from checker.kernel.primitives import FENCE, RMW, primitive
from checker.library import test_in
from checker.program.events import Event
from checker.program.ir import Call, Choose, Do, Expr, If, Reg, RegLoc, Stmt, Test
from checker.program.tree import Body
from checker.result import ALWAYS, NEVER, SOMETIMES, Result
from checker.solve.execution import Execution, Uncertified
from checker.solve.outcome import question

Cost = tuple[int, ...]
COSTS: dict[str, Cost] = {"full": (1, 0, 0, 0), "directional": (0, 1, 0, 0), "one way": (0, 0, 1, 0), "taste": (0, 0, 0, 1)}
"""In the order in which costs are compared."""
HERE = Span(Source("<inserted>", ""), 0, 0)
ALTERNATIVES = 3
_DIRECTIONS = {("R", "R"): "smp_rmb", ("W", "W"): "smp_wmb"}
_AFTER = {
    "srcu_read_lock": "smp_mb__after_srcu_read_lock", "srcu_read_unlock": "smp_mb__after_srcu_read_unlock",
    "spin_lock": "smp_mb__after_spinlock", "raw_spin_lock": "smp_mb__after_spinlock",
}  # fmt: skip


class Candidate(Struct, frozen=True):
    """One change: of the call at `span` to `form`, or (without `form`) the `barrier` before the statement at `span`.

    `instead`: the place of a lighter barrier that this one stands in the place of.
    """

    span: Span
    cost: Cost
    text: str
    form: Form | None = None
    barrier: str = ""
    instead: Span | None = None

    @property
    def key(self) -> tuple[int, int, str]:
        return self.span.line, self.span.column, self.text


class Alternative(Struct, frozen=True):
    """Changes that are enough: their cost, each as its line in the text as it is, in words, and with the statement there; and the
    whole text with them."""

    cost: Cost
    changes: tuple[tuple[int, str, str], ...]
    text: str
    results: tuple[Result, ...]


class Repair(Struct, frozen=True):
    """What makes the outcome impossible under all the models asked for: alternatives, the cheapest first; or why there are none."""

    results: tuple[Result, ...]
    alternatives: tuple[Alternative, ...] = ()
    reason: str = ""
    seconds: float = 0.0


def repair(test: Test, models: Sequence[Model], options: Options, outside: frozenset[str] = frozenset()) -> Repair:
    """The cheapest changes of a C test, other than to accesses of the places `outside`. Raises CheckerError for a test that cannot
    be asked about, or repaired."""
    began = time.perf_counter()
    if test.arch != "C":
        raise Unsupported("only C tests are repaired", test.condition.span, hint="the changes are in the kernel's primitives")
    if test.condition.quantifier == "forall":
        raise Unsupported("only what exists can be forbidden", test.condition.span, hint="write ~exists of the opposite")
    results = tuple([check(test, model, options) for model in models])
    if undecided := _undecided(results):
        return Repair(results, reason=undecided)
    todo = [model for model, r in zip(models, results, strict=True) if r.observation != NEVER]
    if not todo:
        return Repair(results, reason="there is nothing to repair: the outcome never happens")
    with deep_recursion(RECURSION):
        try:
            found, reason = _search(test, todo, options, outside)
            written = [_written(test, some, models, options) for some in found]
        except SPENT as error:
            written, reason = [], spent(error, f"nothing was found within {options.timeout or 0:g} s")
    made = tuple([one for one in written if not _undecided(one.results)])
    if written and not made:
        reason = f"with what would help, {_undecided(written[0].results)}"
    return Repair(results, made, reason, time.perf_counter() - began)


def _undecided(results: Iterable[Result]) -> str:
    """Why a verdict is no yes or no; empty where all are."""
    found = next((r for r in results if r.observation not in (NEVER, SOMETIMES, ALWAYS)), None)
    return f"{found.model}: {found.observation} {found.unknown_because}".rstrip() if found is not None else ""


def one_line(found: Repair) -> str:
    """The cheapest alternative in words: each change with the statement that it is made to, or stands before."""
    if not found.alternatives:
        return ""
    first = found.alternatives[0]
    return "; ".join([f"{what} {'in' if '→' in what else 'before'} '{statement}'" for _, what, statement in first.changes])


# ---------------------------------------------------------------- candidates


def candidates(test: Test, found: Execution, model: Model, outside: frozenset[str]) -> Iterator[Candidate]:
    """What could stand between the accesses of an execution, or in the place of one, to forbid it."""
    rows = communication(model, found)
    whole = union(union(rows["po"], rows["rf"]), union(rows["co"], rows["fr"]))
    events = found.graph.events
    bodies = {thread.tid: thread.body for thread in test.threads}
    for component in components(whole):
        for a in bits(component):
            for b in bits(rows["po"][a] & component):
                first, second = events[a], events[b]
                ends = [e for e in (first, second) if not outside & {str(at) for at in e.addr or ()}]
                yield from _accesses(bodies[first.tid], ends, model)
                for point in points(bodies[first.tid], first.span, second.span):
                    yield from _barriers(point, first, second, model)


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


def _with_all(test: Test, some: Sequence[Candidate]) -> Test:
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
        best = Form(call.name, re.sub("_(?:acquire|release|relaxed)$", "", call.name), "full")
    return made(call if best is None else best.made(call))


# ---------------------------------------------------------------- the search


class _Asked(Struct):
    """One model's problem with all candidates, and what answers for it. `on[n]` makes candidate n be there."""

    model: Model
    engine: Engine
    outcome: list[Lit]
    on: list[list[Lit]]

    def possible(self, there: frozenset[int]) -> bool:
        """Whether the outcome is, with these candidates and no others."""
        lits = [lit if n in there else -lit for n, mine in enumerate(self.on) for lit in mine]
        return self.engine.satisfiable([*self.outcome, *lits])


def _search(
    test: Test, models: Sequence[Model], options: Options, outside: frozenset[str]
) -> tuple[list[list[Candidate]], str]:  # fmt: skip
    """The alternatives, each a list of candidates; and why there are none."""
    known: dict[tuple[int, int, str], Candidate] = {}
    for model in models:
        found = check(test, model, options).witness
        if found is not None:
            known |= {c.key: c for c in candidates(test, found, model, outside)}
    while True:
        some = sorted(known.values(), key=lambda c: c.key)
        before = len(known)
        made = _cheapest(test, models, options, some, known, outside)
        if len(known) > before:
            continue
        if made is None:
            return [], "no barrier helps: the outcome is possible even with all of them that fit the text"
        return [[some[n] for n in sorted(chosen)] for chosen in made], ""


def _cheapest(
    test: Test, models: Sequence[Model], options: Options, some: Sequence[Candidate],
    known: dict[tuple[int, int, str], Candidate], outside: frozenset[str],
) -> list[frozenset[int]] | None:  # fmt: skip
    """The cheapest sets of candidates that forbid the outcome, None where all together do not; `known` gets the candidates that
    an execution asks for and nobody has thought of yet, and then the answer is none."""
    everything = frozenset(range(len(some)))
    cores: list[frozenset[int]] = []
    enough: list[frozenset[int]] = []
    with contextlib.ExitStack() as stack:
        asked = [_ask(test, model, options, some, stack) for model in models]
        for chosen in hitting(cores, lambda part: _cost(some[n] for n in part)):
            one = next((one for one in asked if one.possible(chosen)), None)
            if one is None:
                enough.append(chosen)
                if len(enough) == ALTERNATIVES:
                    break
                continue
            there = chosen
            for n in sorted(everything - chosen):
                if one.possible(there | {n}):
                    there |= {n}
            one.possible(there)
            fresh = {c.key: c for c in candidates(test, one.engine.execution(one.model), one.model, outside) if c.key not in known}
            if fresh:
                known.update(fresh)
                return []
            if there == everything:
                return None
            cores.append(everything - there)
    return enough


def _cost(some: Iterable[Candidate]) -> tuple[Cost, int]:
    costs = [c.cost for c in some]
    return tuple(map(sum, zip(*costs, strict=True))) if costs else (), len(costs)


def _ask(test: Test, model: Model, options: Options, some: Sequence[Candidate], stack: contextlib.ExitStack) -> _Asked:
    test, options = deferred(test, model, options)
    with_all = _with_all(test, some)
    graph, _, problem = stages(with_all, model, options)
    prop = question(problem, with_all)
    outcome = [lit for lit in (prop, -problem.cut, -problem.wild) if lit != TRUE]
    registers = [
        [graph.finals.get(RegLoc(t.tid, f"%fix{n}"), {}).get(1, FALSE) for t in with_all.threads] for n in range(len(some))
    ]
    on = [[lit for lit in mine if lit != FALSE] for mine in registers]
    engine = stack.enter_context(Engine(problem, [*outcome, *[lit for mine in on for lit in mine]]))
    return _Asked(model, engine, outcome, on)


# ---------------------------------------------------------------- writing it down


def _written(test: Test, some: Sequence[Candidate], models: Sequence[Model], options: Options) -> Alternative:
    """The text with the changes, read and checked again. Raises Uncertified where the outcome is possible still."""
    bare, lines = edited(test.source.text, some)
    text = _with_comments(test_in(Source(test.source.name, bare)), lines, models[0], options)
    again = test_in(Source(test.source.name, text))
    results = tuple([check(again, model, options) for model in models])
    for result in results:
        if result.observation in (SOMETIMES, ALWAYS):
            raise Uncertified(f"a repair does not forbid the outcome under {result.model}")
    cost, _ = _cost(some)
    return Alternative(cost, tuple([_told(c) for c in some]), text, results)


def _told(c: Candidate) -> tuple[int, str, str]:
    at = c.instead or c.span
    return at.line, c.text, re.sub(r"//.*|/\*.*?\*/", "", at.source.line(at.line)).strip().rstrip(";")


def edited(text: str, some: Iterable[Candidate]) -> tuple[str, list[int]]:
    """A text with the changes in it, other names for calls and new lines; and the numbers of the lines that are changed."""
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


def _with_comments(test: Test, lines: Iterable[int], model: Model, options: Options) -> str:
    """The text in which each of `lines` says which operations of other processes it pairs with, as far as a cycle shows it."""
    refutation = refute(test, model, options)
    partners: dict[int, dict[str, None]] = {n: {} for n in lines}
    for reason in refutation.reasons:
        events = reason.found.graph.events
        holding = [events[n] for edge in told(reason, model, refutation.bounds).edges for n in edge.by]
        for e in holding:
            for other in holding:
                if e.tid != other.tid and e.span.line in partners:
                    partners[e.span.line][f"{written(other.span)}() in P{other.tid}"] = None
    text = test.source.text.split("\n")
    for n, names in partners.items():
        if names and "//" not in text[n - 1] and "/*" not in text[n - 1]:
            text[n - 1] += f" // pairs with {' and '.join(names)}"
    return "\n".join(text)


def _renamed(line: str, span: Span, form: Form) -> str:
    """The line with a call in its stronger form: `READ_ONCE(*x)` is `smp_load_acquire(x)`."""
    rest = line[span.end - 1 :]
    if form.pointer:
        found = re.match(r"\s*\(\s*", rest)
        assert found is not None
        argument = rest[found.end() :]
        rest = found[0] + (argument[1:].lstrip() if argument.startswith("*") else f"&{argument}")
    return line[: span.column - 1] + form.name + rest
