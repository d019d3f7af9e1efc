"""What raises a flag: the two accesses of a race, the one that comes too late, a lock without an unlock; and the missing order.

*x = 1;                  r0 = READ_ONCE(*y);
WRITE_ONCE(*y, 1);       r1 = *x;                data-race: `*x = 1` and `r1 = *x`, which a way through y leads to
"""

from __future__ import annotations

from msgspec import Struct

from checker.cat.term import Axiom, Model
from checker.check import Options
from checker.core.rel import bits, cycle, pairs
from checker.insight.weak import Weakness, unordered
from checker.program.ir import Test
from checker.result import Result
from checker.solve.execution import Execution, succeeds


class Raised(Struct, frozen=True):
    """A flag, or a definition without which the model has no meaning, and the events that raise it in an execution: two, one, a
    cycle, or none where it is raised by what is not there. `weakness` tells of the execution, and of a way between two events in
    which order is missing."""

    axiom: Axiom
    events: tuple[int, ...]
    weakness: Weakness


def raised(test: Test, model: Model, options: Options, result: Result) -> tuple[Raised, ...]:
    """What raises each of the model's flags that `result` has an execution for. A wait without end is no flag of a model's."""
    found = []
    for name, answer in (*result.answers.flags, ("", result.answers.undefined)):
        if answer.execution is not None:
            bounds = answer.execution.bounds
            flags = [a for a in model.axioms if a.role == "flag" and a.name == name and succeeds(a, bounds)]
            meanings = [a for a in model.axioms if a.role not in ("check", "flag") and not name and not succeeds(a, bounds)]
            found += [_raised(test, model, options, axiom, answer.execution) for axiom in (*flags, *meanings)[:1]]
    return tuple(found)


def _raised(test: Test, model: Model, options: Options, axiom: Axiom, found: Execution) -> Raised:
    value = found.bounds.of(axiom.term)[1]
    events: list[int] = []
    pair = None
    if axiom.negated != (axiom.role == "flag"):
        pass  # what is at fault is what the term lacks
    elif axiom.term.kind == "set":
        events = [next(bits(value))]
    elif axiom.kind == "acyclic":
        events = cycle(value)
    elif axiom.kind == "irreflexive":
        events = [next(a for a, row in enumerate(value) if row >> a & 1)]
    else:
        a, b = min(pairs(value), key=lambda pair: [found.graph.events[n].span.line for n in pair])
        events, pair = [a, b], (axiom.term, a, b)
    return Raised(axiom, tuple(events), unordered(test, model, options, found, pair))
