"""Two models on one test: what one allows and the other does not, and which axiom and cycle make the difference.

`weak` is the special case that needs no second model to be named: what a model allows and sequential consistency does not.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from checker.cat.term import Model
from checker.check import SPENT, Options, check, spent, stages
from checker.core.rel import bits
from checker.core.source import LimitExceeded, Source
from checker.insight.explanation import Explanation, explain
from checker.library import test_in
from checker.program.events import INIT_TID
from checker.program.ir import Address, MemLoc, RegLoc, Test
from checker.result import Result


class Outcome(Struct, frozen=True):
    """A final state that one model allows (`by`) and the other forbids; `exists` asks for it. `allowed` tells how it comes about
    under the one, `forbidden` why it does not under the other; None where nobody asked."""

    state: str
    exists: str
    by: str
    allowed: Explanation | None = None
    forbidden: Explanation | None = None


class Comparison(Struct, frozen=True):
    """The results of two models, and the states that only one of them has. `truncated`: there are more of these than are told.
    `undecided`: why there may be others still; empty where all is known."""

    results: tuple[Result, Result]
    outcomes: tuple[Outcome, ...]
    truncated: int = 0
    undecided: str = ""

    @property
    def same(self) -> bool:
        """Whether verdict, flags and states are equal, and everything is known."""
        a, b = self.results
        return not (self.outcomes or self.truncated or self.undecided) and _told(a) == _told(b)


def _told(result: Result) -> tuple[object, ...]:
    return result.observation, result.flags, result.undefined, result.states


def compare(test: Test, models: tuple[Model, Model], options: Options, *, most: int = 8) -> Comparison:
    """What differs, the first `most` states of it with the reasons on both sides. Raises CheckerError as `check` does."""
    whole = replace(options, states=True)
    first, second = (check(test, model, whole) for model in models)
    found: list[Outcome] = []
    sides = ((first, second, models[0], models[1]), (second, first, models[1], models[0]))
    for mine, other, here, there in sides:
        for state in sorted(set(mine.states or ()) - set(other.states or ())) if not _open(other) else ():
            found.append(Outcome(state, exists(state), here.name))
            if len(found) <= most:
                asked = asking(test, found[-1].exists)
                found[-1] = replace(found[-1], allowed=explain(asked, here, options), forbidden=explain(asked, there, options))
    undecided = "; ".join([f"{r.model}: {why}" for r in (first, second) if (why := _open(r) or r.unanswered_text())])
    return Comparison((first, second), tuple(found[:most]), max(0, len(found) - most), undecided)


def _open(result: Result) -> str:
    """Why there may be other final states than those found; empty where there are none."""
    return result.unfinished or ("" if result.states is not None else result.unknown_because or "not all states are known")


def weak(
    test: Test, model: Model, sc: Model, options: Options, *, most: int = 8, seen: frozenset[tuple[int, str]] | None = None
) -> Comparison:
    """The outcomes that `model` allows and `sc` does not: of all registers (of `seen`, where these are given), and of all places
    with several writes. Raises LimitExceeded where it takes too long to tell what these are."""
    try:
        shown = everything(test, model, options)
        if seen is not None:
            shown = tuple([loc for loc in shown if isinstance(loc, MemLoc) or (loc.tid, loc.reg) in seen])
    except SPENT as error:
        raise LimitExceeded(spent(error, f"not decided within {options.timeout or 0:g} s"), test.condition.span) from None
    found = compare(replace(test, shown=shown), (model, sc), options, most=most)
    return replace(found, outcomes=tuple([o for o in found.outcomes if o.by == model.name]))


def everything(test: Test, model: Model, options: Options) -> tuple[RegLoc | MemLoc, ...]:
    """What a program leaves behind: its registers, and the places to which it writes more than once."""
    graph, _, _ = stages(test, model, options)
    params = {(thread.tid, name) for thread in test.threads for name in thread.params}
    # registers that the checker adds have a sign or a blank in their names
    registers = [loc for loc in graph.finals if (loc.tid, loc.reg) not in params and loc.reg.isidentifier()]
    writes: dict[Address, int] = {}
    for n in bits(graph.sets["W"]):
        e = graph.events[n]
        for value in e.addr or () if e.tid != INIT_TID else ():
            if isinstance(value, Address):
                writes[value] = writes.get(value, 0) + 1
    return (*registers, *[MemLoc(at) for at, count in writes.items() if count > 1])


def exists(state: str) -> str:
    r"""The condition that asks for a state: `0:r0=1; [x]=2;` is `exists (0:r0=1 /\ x=2)`."""
    parts = [part.strip() for part in state.split(";") if part.strip()]
    bare = [part[1:].replace("]", "", 1) if part.startswith("[") else part for part in parts]
    return "exists (" + " /\\ ".join(bare) + ")"


def asking(test: Test, condition: str) -> Test:
    """The test with another condition in the place of its own."""
    at = test.condition.span
    lines = test.source.text.split("\n")[: at.line]
    lines[-1] = lines[-1][: at.column - 1] + condition
    return test_in(Source(test.source.name, "\n".join(lines) + "\n"))
