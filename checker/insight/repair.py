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
import re
import time
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from checker.cat.term import Model
from checker.check import RECURSION, SPENT, Options, check, deferred, spent, stages
from checker.core.circuit import FALSE, TRUE, Lit
from checker.core.depth import deep_recursion
from checker.core.rel import bits, components, union
from checker.core.source import Source, Unsupported
from checker.insight.candidate import Candidate, Cost, Language
from checker.insight.edges import told
from checker.insight.engine import Engine
from checker.insight.hitting import hitting
from checker.insight.in_assembly import ASSEMBLY
from checker.insight.in_c import C
from checker.insight.refute import refute
from checker.insight.statements import written
from checker.insight.weak import communication
from checker.library import test_in
from checker.program.ir import RegLoc, Test
from checker.result import ALWAYS, NEVER, SOMETIMES, Result
from checker.solve.execution import Execution, Uncertified
from checker.solve.outcome import question

ALTERNATIVES = 3
PAYING = ("lkmm", "aarch64", "x86-tso")
"""Who pays: the kernel as its documentation has it, which is what arm64 pays for, or x86."""


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


def repair(
    test: Test, models: Sequence[Model], options: Options, outside: frozenset[str] = frozenset(), *, paying: str = PAYING[0]
) -> Repair:
    """The cheapest changes of a test, as `paying` pays for them, other than to accesses of the places `outside`.

    Raises CheckerError for a test that cannot be asked about, or repaired.
    """
    began = time.perf_counter()
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
            found, reason = _search(test, todo, options, outside, paying)
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


# ---------------------------------------------------------------- the search


def candidates(test: Test, found: Execution, model: Model, outside: frozenset[str]) -> Iterator[Candidate]:
    """What could stand between the accesses of an execution, or in the place of one, to forbid it."""
    rows = communication(model, found)
    whole = union(union(rows["po"], rows["rf"]), union(rows["co"], rows["fr"]))
    events = found.graph.events
    for component in components(whole):
        for a in bits(component):
            for b in bits(rows["po"][a] & component):
                ends = [e for e in (events[a], events[b]) if not outside & {str(at) for at in e.addr or ()}]
                yield from _language(test).between(test, events[a], events[b], ends, model)


def _language(test: Test) -> Language:
    return C if test.arch == "C" else ASSEMBLY


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
    test: Test, models: Sequence[Model], options: Options, outside: frozenset[str], paying: str
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
        made = _cheapest(test, models, options, some, known, outside, paying)
        if len(known) > before:
            continue
        if made is None:
            return [], "no barrier helps: the outcome is possible even with all of them that fit the text" + _plain(
                test, models, options
            )
        written = [_language(test).joined([some[n] for n in sorted(chosen)]) for chosen in made]
        return list({tuple([c.key for c in one]): one for one in written}.values()), ""


def _plain(test: Test, models: Sequence[Model], options: Options) -> str:
    """Which accesses of an execution with the outcome are plain, so that it is no matter of barriers alone."""
    lines: set[int] = set()
    for model in models:
        found, plain = check(test, model, options).witness, model.names.get("Plain")
        if found is not None and plain is not None and plain.kind == "set":
            there = found.bounds.of(plain)[1] & found.graph.sets["M"] & ~found.graph.sets["IW"]
            lines |= {found.graph.events[n].span.line for n in bits(there)}
    return f"; accesses that are plain and might be marked stand in lines {', '.join(map(str, sorted(lines)))}" if lines else ""


def _cheapest(
    test: Test, models: Sequence[Model], options: Options, some: Sequence[Candidate],
    known: dict[tuple[int, int, str], Candidate], outside: frozenset[str], paying: str,
) -> list[frozenset[int]] | None:  # fmt: skip
    """The cheapest sets of candidates that forbid the outcome, None where all together do not; `known` gets the candidates that
    an execution asks for and nobody has thought of yet, and then the answer is none."""
    everything = frozenset(range(len(some)))
    cores: list[frozenset[int]] = []
    enough: list[frozenset[int]] = []
    with contextlib.ExitStack() as stack:
        asked = [_ask(test, model, options, some, stack) for model in models]
        for chosen in hitting(cores, lambda part: _paid(_language(test).joined([some[n] for n in part]), paying)):
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


def _cost(some: Iterable[Candidate]) -> Cost:
    return tuple(map(sum, zip(*[c.cost for c in some], strict=True)))


def _paid(some: Sequence[Candidate], paying: str) -> tuple[Cost, int]:
    """What is compared: on x86 nothing but full barriers is paid for, since every read-modify-write is one there."""
    if paying == "x86-tso":
        return (sum(c.cost[0] for c in some if c.barrier), sum(c.cost[-1] for c in some)), len(some)
    return _cost(some), len(some)


def _ask(test: Test, model: Model, options: Options, some: Sequence[Candidate], stack: contextlib.ExitStack) -> _Asked:
    test, options = deferred(test, model, options)
    with_all = _language(test).with_all(test, some)
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
    bare, lines = _language(test).edited(test, some)
    text = _with_comments(test_in(Source(test.source.name, bare)), lines, models[0], options) if test.arch == "C" else bare
    again = test_in(Source(test.source.name, text))
    results = tuple([check(again, model, options) for model in models])
    for result in results:
        if result.observation in (SOMETIMES, ALWAYS):
            raise Uncertified(f"a repair does not forbid the outcome under {result.model}")
    return Alternative(_cost(some), tuple([_told(c) for c in some]), text, results)


def _told(c: Candidate) -> tuple[int, str, str]:
    at = c.instead or c.span
    if c.instruction or c.text.endswith(" behind"):
        return at.line, c.text, written(at)
    return at.line, c.text, re.sub(r"//.*|/\*.*?\*/", "", at.source.line(at.line)).strip().rstrip(";")


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
