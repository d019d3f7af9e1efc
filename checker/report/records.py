"""An outcome as one line of JSON, for programs.

Every line has all the fields of `Record`. An input that could not be checked has a line too: its observation is `Unknown`,
and `error` holds the stable code of what is wrong with it.

    {"file":"MP.litmus","test":"MP","model":"lkmm","observation":"Never","ok":false,…}
"""

from __future__ import annotations

import msgspec

from checker.campaign.corpus import Outcome
from checker.program.ir import Expectation
from checker.report.spell import show_condition
from checker.result import UNKNOWN


class Record(msgspec.Struct, frozen=True):
    """The fields of a line, in its order. `states` and `counts` are null unless asked for.

    `as_expected` is null where the file expects nothing of the model, and false wherever a question has no answer.
    `unknown` tells of each such question (condition, negation, undefined, the name of a flag) why.
    """

    file: str
    test: str
    model: str
    observation: str
    ok: bool | None
    states: list[str] | None
    flags: list[str]
    expected: str | None
    as_expected: bool | None
    seconds: float
    unknown_because: str
    condition: str | None = None
    counts: tuple[int, int] | None = None
    undefined: bool = False
    warnings: list[str] = []
    error: str | None = None
    unknown: dict[str, str] = {}


def record(outcome: Outcome) -> str:
    """The line for `outcome`, without a newline."""
    return msgspec.json.encode(of(outcome)).decode()


def of(outcome: Outcome) -> Record:
    """The record of an outcome."""
    result, file, seconds = outcome.result, clean(outcome.path), round(outcome.seconds, 6)
    if result is None:
        because = clean(outcome.error.partition("\n")[0] or outcome.unknown_because)
        return Record(
            file, "", clean(outcome.model), UNKNOWN, None, None, [], None, False, seconds, because,
            error=outcome.code or None,
        )  # fmt: skip
    return Record(
        file=file,
        test=clean(result.test),
        model=clean(result.model),
        observation=result.observation,
        ok=result.ok,
        states=None if result.states is None else [clean(state) for state in result.states],
        flags=[clean(flag) for flag in result.flags],
        expected=None if result.expected is None else show_expectation(result.expected),
        as_expected=False if result.unanswered else result.as_expected,
        seconds=seconds,
        unknown_because=clean(result.unknown_because),
        condition=clean(show_condition(result.condition)),
        counts=result.counts,
        undefined=result.undefined,
        warnings=[clean(warning) for warning in result.warnings],
        unknown={clean(name): clean(because) for name, because in result.unanswered},
    )


def show_expectation(expected: Expectation) -> str:
    """`Never`, or `Never DATARACE` where a race is expected too."""
    return str(expected)


def clean(text: str) -> str:
    """`text` as valid Unicode: names of files may hold bytes that are none."""
    return str(text).encode("utf-8", "replace").decode()
