"""Why an outcome never happens: the fewest cycles that refute every way in which it could come about.

The model's checks are taken away, and executions with the outcome are looked for. Each breaks some check; the shortest cycle of
one that it breaks, descended to what the execution decides, is a reason, and no execution with that reason is looked at
again. When none is left, the smallest set of reasons is kept that leaves none. Each is certified apart from the solver: in the
bounds of the executions of which nothing but the reason is known, the check is broken already.

Executions that are not followed to their end (one more round of a loop, an access through what is no address) are looked for,
too: whoever says Never says that there are none of these.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from checker.cat.evaluate import Bounds
from checker.cat.term import Axiom, Model
from checker.check import Options, deferred, stages, unfollowed
from checker.core.circuit import FALSE, TRUE, Lit
from checker.core.rel import components, cycle, mask_of, pairs
from checker.insight.engine import Engine
from checker.insight.facts import Fact, decided, executed
from checker.insight.why import Derivations, Why
from checker.program.events import EventGraph
from checker.program.ir import Test
from checker.solve.encode import Problem
from checker.solve.execution import Execution, Uncertified, succeeds
from checker.solve.outcome import question

MOST = 12  # reasons beyond which a smallest set of them is not looked for, only one without any to spare


class Reason(Struct, frozen=True):
    """A broken check: `path` are the events of a cycle, the last of which leads back to the first (of a pair or an event, where
    none may be), `steps` say for each why it leads to the next; `facts` are what of an execution they need."""

    axiom: Axiom
    path: tuple[int, ...]
    steps: tuple[Why, ...]
    facts: frozenset[Fact]
    found: Execution

    def clause(self, problem: Problem) -> list[Lit]:
        """That an execution is none with this reason."""
        return [-fact.lit(problem.encoder) for fact in self.facts]


class Refutation(Struct, frozen=True):
    """The reasons that refute an outcome; none where no execution of the program has the values, whatever the memory does.

    `bounds` are those of all executions, `candidates` how many of them had to be looked at. `beyond`: without the model's checks
    there would be executions that are not followed to their end, which the reasons refute with the others."""

    graph: EventGraph
    bounds: Bounds
    reasons: tuple[Reason, ...]
    candidates: int
    beyond: bool = False


def refute(test: Test, model: Model, options: Options, *, negated: bool = False) -> Refutation:
    """Why no execution satisfies the test's proposition (`negated`: why all do). Raises Uncertified when some execution does."""
    test, options = deferred(test, model, options)
    free = replace(model, axioms=tuple([a for a in model.axioms if a.role not in ("check", "flag")]), coherent=False)
    graph, bounds, problem = stages(test, free, options)
    prop = question(problem, test)
    further = problem.circuit.either([unfollowed(problem, test, model, options), *[lit for lit, _, _ in graph.undefined]])
    asked = [problem.circuit.either([problem.circuit.both2(-prop if negated else prop, -problem.cut), further])]
    checks = tuple([a for a in model.axioms if a.role == "check"])
    with Engine(problem, [*asked, further]) as engine:
        beyond = further != FALSE and engine.satisfiable([further])
        reasons: list[Reason] = []
        names: list[Lit] = []
        candidates = 0
        while engine.satisfiable([*asked, *names]):
            candidates += 1
            reason = _reason(engine.execution(model), bounds, checks)
            names.append(engine.fresh())
            engine.add([-names[-1], *reason.clause(problem)])
            reasons.append(reason)
        kept = _fewest(engine, asked, names)
    needed = [reason for reason, name in zip(reasons, names, strict=True) if name in kept]
    chosen = tuple(sorted(needed, key=lambda reason: (checks.index(reason.axiom), reason.path)))
    for reason in chosen:
        certify(reason, graph, bounds)
    return Refutation(graph, bounds, chosen, candidates, beyond)


def _reason(found: Execution, bounds: Bounds, checks: Iterable[Axiom]) -> Reason:
    """The reason that needs least, of the checks that an execution breaks."""
    made = [_broken(axiom, found, bounds) for axiom in checks if not succeeds(axiom, found.bounds)]
    if not made:
        raise Uncertified("an execution with the outcome breaks no check of the model")
    return min(made, key=lambda r: (sum(f.kind != "event" for f in r.facts), len(r.path), len(r.facts)))


def _broken(axiom: Axiom, found: Execution, bounds: Bounds) -> Reason:
    derive = Derivations(found, bounds)
    term = axiom.term
    value = found.bounds.of(term)[1]
    if axiom.negated:
        return Reason(axiom, (), (), frozenset(derive.everything()), found)
    if term.kind == "set":
        first = (value & -value).bit_length() - 1
        steps = [derive.member(term, first)]
        path = [first]
    else:
        path = _cycle(axiom, found)
        onward = path[1:] + path[:1] if axiom.kind == "acyclic" else path if axiom.kind == "irreflexive" else path[1:]
        steps = [derive.pair(term, a, b) for a, b in zip(path, onward)]
    facts = frozenset().union(*[step.all_facts() for step in steps])
    return Reason(axiom, tuple(path), tuple(steps), facts, found)


def _cycle(axiom: Axiom, found: Execution) -> list[int]:
    """The events of a shortest cycle, of a pair that leads from an event to itself, or of one that must not be."""
    value = found.bounds.of(axiom.term)[1]
    match axiom.kind:
        case "acyclic":
            return cycle(value)
        case "irreflexive":
            return [next(a for a, row in enumerate(value) if row >> a & 1)]
    return list(next(pairs(value)))


def certify(reason: Reason, graph: EventGraph, bounds: Bounds) -> None:
    """Raise Uncertified unless all executions with the facts of `reason` break its check: by evaluation alone."""
    known = decided(graph, bounds, reason.facts)
    there = executed(reason.facts) | mask_of(e.eid for e in graph.events if e.guard == TRUE)
    must, may = known.of(reason.axiom.term)
    if reason.axiom.negated:
        broken = not any(may) if reason.axiom.term.kind == "rel" else not may
    elif reason.axiom.term.kind == "set":
        broken = bool(must & there)
    else:
        rows = tuple([row & there if there >> a & 1 else 0 for a, row in enumerate(must)])
        match reason.axiom.kind:
            case "acyclic":
                broken = bool(components(rows))
            case "irreflexive":
                broken = any(row >> a & 1 for a, row in enumerate(rows))
            case _:
                broken = any(rows)
    if not broken:
        raise Uncertified(f"a reason does not break '{reason.axiom.name}' by itself")


def _fewest(engine: Engine, asked: list[Lit], names: list[Lit]) -> set[Lit]:
    """A smallest set of reasons that leaves no execution with the outcome; of very many, one that has none to spare."""
    if len(names) <= 1:
        return set(names)
    needed = [name for name in names if engine.satisfiable([*asked, *[n for n in names if n != name]])]
    spare = [name for name in names if name not in needed]
    if len(spare) <= MOST:
        for size in range(len(spare) + 1):
            for some in itertools.combinations(spare, size):
                if not engine.satisfiable([*asked, *needed, *some]):
                    return {*needed, *some}
    kept = list(names)
    for name in spare:
        without = [n for n in kept if n != name]
        if not engine.satisfiable([*asked, *without]):
            kept = without
    return set(kept)
