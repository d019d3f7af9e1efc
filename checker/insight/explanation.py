"""A verdict with its reason: what `checker explain` says of one test under one model."""

from __future__ import annotations

import time

from msgspec import Struct
from msgspec.structs import replace

from checker.cat.term import Model
from checker.check import RECURSION, SPENT, Options, check, spent
from checker.core.depth import deep_recursion
from checker.insight.edges import Told, told
from checker.insight.raised import Raised, raised
from checker.insight.refute import Refutation, refute
from checker.insight.weak import Weakness, weakness
from checker.program.ir import Test
from checker.result import ALWAYS, DEADLOCK, NEVER, UNKNOWN, Result


class Explanation(Struct, frozen=True):
    """A result and why it is so: of an outcome that never happens (for Always: of an execution without it) the cycles that
    refute it, each of which breaks its check by itself; of one that happens its execution, and what would forbid it. Of each
    flag what raises it.

    `seconds` are what the explanation took, `check_seconds` the check.
    """

    result: Result
    summary: str
    refutation: Refutation | None = None
    cycles: tuple[Told, ...] = ()
    weakness: Weakness | None = None
    raised: tuple[Raised, ...] = ()
    seconds: float = 0.0
    check_seconds: float = 0.0

    @property
    def found(self) -> bool:
        """Whether there is a reason: the verdict is known, and there was time to explain it."""
        return self.refutation is not None or self.weakness is not None or self.result.deadlock


def explain(test: Test, model: Model, options: Options) -> Explanation:
    """Check a test, and say why the verdict is what it is. Raises CheckerError as `check` does."""
    began = time.perf_counter()
    result = check(test, model, options)
    checked = time.perf_counter()
    with deep_recursion(RECURSION):
        try:
            found = replace(_explained(test, model, options, result), raised=raised(test, model, options, result))
        except SPENT as error:
            found = Explanation(result, spent(error, f"the reason was not found within {options.timeout or 0:g} s"))
    return replace(found, seconds=time.perf_counter() - checked, check_seconds=checked - began)


def _explained(test: Test, model: Model, options: Options, result: Result) -> Explanation:
    match result.observation:
        case word if word == UNKNOWN:
            return Explanation(result, f"undecided: {result.unknown_because}")
        case word if word == DEADLOCK:
            return Explanation(result, "no execution of the program ends")
        case word if word in (NEVER, ALWAYS):
            refutation = refute(test, model, options, negated=word == ALWAYS)
            cycles = tuple([told(reason, model, refutation.bounds) for reason in refutation.reasons])
            return Explanation(result, _summary(refutation, cycles, word), refutation, cycles)
    return Explanation(result, "", weakness=weakness(test, model, options, result))


def _summary(refutation: Refutation, cycles: tuple[Told, ...], word: str) -> str:
    outcome = "the outcome" if word == NEVER else "an execution without it"
    if not cycles:
        return f"{outcome} is impossible however memory behaves: no run of the program computes these values"
    axioms = list(dict.fromkeys([cycle.reason.axiom.name for cycle in cycles]))
    unfollowed = "; so is every run that would go on beyond what was followed" if refutation.beyond else ""
    ways = "one cycle" if len(cycles) == 1 else f"{len(cycles)} cycles, one of which is in each way it could come about"
    forbidden = f"forbidden by {' and '.join([', '.join(axioms[:-1]), axioms[-1]] if axioms[1:] else axioms)}"
    return f"{outcome} needs {ways}, {forbidden}{unfollowed}"
