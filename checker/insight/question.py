"""A question for a test that has none: what is weak in it, said as briefly as tells it apart from every interleaving.

Code that is left out (`__lost()`) is taken to do nothing here: with it nothing could be told. What is asked for is checked with it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from msgspec import Struct

from checker.cat.term import Model
from checker.check import Options
from checker.core.source import Source
from checker.insight.compare import Comparison, exists, weak
from checker.library import load_model, test_in

_LOST = re.compile(r"__lost\(\);")
State = dict[str, str]
MOST = 40_000


class Asked(Struct, frozen=True):
    """What is weak under a model; `conditions` are the outcomes, each as short as tells it apart, and `forbidden` is, where there
    are none, one that comes close: values that are each possible, and not together. `lost`: code is left out."""

    found: Comparison
    conditions: tuple[str, ...]
    forbidden: str
    lost: bool


def asked(text: str, name: str, model: Model, options: Options, reads: Sequence[tuple[int, str]], *, most: int = 8) -> Asked:
    """What is weak in a test, by what the locals `reads` hold in the end, and places written more than once. Raises CheckerError as
    `check` does."""
    whole = _LOST.sub(lambda found: " " * len(found[0]), text)
    found = weak(test_in(Source(name, whole)), model, load_model("sc"), options, most=most, seen=frozenset(reads))
    strict = [state_of(s) for s in found.results[1].states or ()]
    conditions = tuple(dict.fromkeys([shortest(state_of(o.state), strict) for o in found.outcomes]))
    states = [state_of(s) for s in found.results[0].states or ()]
    close = "" if conditions or found.undecided else _close(states)
    return Asked(found, conditions, close, "__lost();" in text)


def state_of(text: str) -> State:
    """`0:r0=1; [x]=2;` by place."""
    parts = [part.strip().partition("=") for part in text.split(";") if part.strip()]
    return {place: value for place, _, value in parts}


def _condition(state: State) -> str:
    return exists("; ".join(f"{place}={value}" for place, value in state.items()))


def shortest(state: State, others: Sequence[State]) -> str:
    """The condition with as few places as tell the state from all `others`."""
    kept = dict(state)
    for place in sorted(state, key=lambda p: (state[p] != "0", p), reverse=True):
        fewer = {p: v for p, v in kept.items() if p != place}
        if fewer and not any(all(o.get(p) == v for p, v in fewer.items()) for o in others):
            kept = fewer
    return _condition(kept)


def _close(states: Sequence[State]) -> str:
    """Two places with values that are each possible, and not together; first one that is new with one that is old."""
    if not states:
        return ""
    places = list(states[0])
    values = {p: sorted({s[p] for s in states}, key=lambda v: (v == "0", v)) for p in places}
    changing = [p for p in places if len(values[p]) > 1]
    found: list[tuple[bool, bool, State]] = []
    for a, b in itertools.islice(itertools.permutations(changing, 2), MOST):
        together = {(s[a], s[b]) for s in states}
        if not any(x != "0" != y for x, y in together):
            continue  # perhaps no execution has both
        for x, y in itertools.product(values[a], values[b]):
            if (x, y) not in together:
                found.append((a.partition(":")[0] != b.partition(":")[0], x == "0" or y != "0", {a: x, b: y}))
    return _condition(min(found, key=lambda one: one[:2])[2]) if found else ""
