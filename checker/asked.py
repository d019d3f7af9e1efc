"""One question of a program about one test, answered in a process of its own that may take only so much.

within(Question("audit", "C MP\\n…", ("lkmm",)), Limits())    [{"test": "MP", "model": "lkmm", "choices": […], …}]

The answers are what the commands print with --format json, a row a model (of repair one, of compare one for both).
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import BrokenExecutor

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from checker.campaign.corpus import Outcome
from checker.campaign.pool import processes
from checker.cat.term import Model
from checker.check import Options, check
from checker.core.source import LimitExceeded, UnknownName
from checker.insight.audit import audit
from checker.insight.compare import compare
from checker.insight.explanation import explain
from checker.insight.repair import repair
from checker.library import SHIPPED, load_model, test_in
from checker.parse.files import Text
from checker.program.ir import Test
from checker.report import audited, compared, explained, records, repaired

Row = dict[str, object]
FILE = "test.litmus"
GRACE = 2.0
"""Seconds after its time in which a process may still say how far it came."""
STATES = 1000
"""Final states that are told of one test under one model."""


class Limits(Struct, frozen=True):
    """What one call may take: `seconds` for all of it, MiB of `memory`, `characters` of text."""

    seconds: float = 30.0
    memory: int = 2048
    characters: int = 100_000


class Question(Struct, frozen=True):
    """`tool` is check, explain, audit, repair or compare; without `models` it is about those that the text expects something of
    (explain, audit, check: the kernel's alone where it names none)."""

    tool: str
    text: str
    models: tuple[str, ...] = ()
    unroll: int = 2


def within(question: Question, limits: Limits) -> list[Row]:
    """The answer. Raises CheckerError where there is none, or where it takes more than the limits allow."""
    if len(question.text) > limits.characters:
        raise LimitExceeded(f"the test has {len(question.text):,} characters, more than the {limits.characters:,} allowed")
    for name in question.models:
        if name not in SHIPPED:
            raise UnknownName(f"there is no model {name!r}", hint=f"models are {', '.join(SHIPPED)}")
    begun = time.monotonic()
    try:
        with processes(1, limits.memory) as pool:
            return pool.submit(answer, question, limits.seconds).result()
    except (BrokenExecutor, MemoryError):
        if time.monotonic() - begun < limits.seconds:
            raise LimitExceeded(f"not answered with {limits.memory:,} MB of memory, or ended from outside") from None
        raise LimitExceeded(f"not answered within {limits.seconds:g} s", hint="ask of fewer models, or of a smaller test") from None


def answer(question: Question, seconds: float) -> list[Row]:
    """The answer, from a process that ends when it is late. Raises CheckerError."""
    late = threading.Timer(seconds + GRACE, os._exit, (1,))
    late.daemon = True
    late.start()
    try:
        return _answer(question, Options(unroll=question.unroll, timeout=seconds))
    finally:
        late.cancel()


def _answer(question: Question, options: Options) -> list[Row]:
    test = test_in(Text(FILE, question.text.encode("utf-8", "replace")).source())
    names = question.models or tuple(dict.fromkeys([e.model for e in test.expect if e.model in SHIPPED])) or ("lkmm",)
    models = [load_model(name) for name in names]
    match question.tool:
        case "check":
            return [_checked(test, model, options) for model in models]
        case "explain":
            return [explained.record(explain(test, model, options)) for model in models]
        case "audit":
            return [audited.record(audit(test, model, options)) for model in models]
        case "repair":
            return [repaired.record(repair(test, models, options), test)]
        case "compare":
            first, second = models
            return [compared.record(compare(test, (first, second), options))]
    raise AssertionError(question.tool)


def _checked(test: Test, model: Model, options: Options) -> Row:
    result = check(test, model, replace(options, states=True))
    outcome = Outcome(FILE, model.name, sum(result.seconds.values()), result.without_executions())
    row: Row = to_builtins(records.of(outcome))
    states = list(result.states or ())
    return row | {"states": states[:STATES], "more_states": max(0, len(states) - STATES)}
