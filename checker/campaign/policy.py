"""What a gate lets pass: read from `[tool.checker.gate]` in pyproject.toml, or `[gate]` in checker.toml or a file named.

Every key has a default, a key nobody knows is an error, and what does not block is still reported.

    [tool.checker.gate]
    paths = ["litmus"]
    baseline = "litmus/baseline.json"
    require = ["lkmm"]            # every test must say what it expects of these models
    timeout = 30                  # seconds for one test under one model
    block = ["unexpected", "changed", "unknown"]
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated

from checker.campaign.strict import NotSo, Table, bounds, named, near_one, read, replace
from checker.core.source import CheckerError, Source, Span
from checker.library import SHIPPED
from checker.parse.files import read_source

KINDS: dict[str, str] = {
    "error": "a test, a patch or a binding cannot be used",
    "unexpected": "the verdict is not what the file expects",
    "changed": "the verdict is not that of the baseline",
    "race-appeared": "a data race that the baseline does not have",
    "race-gone": "a data race of the baseline is gone",
    "flag-appeared": "a flag of the model (use-after-free, …) that the baseline does not have",
    "flag-gone": "a flag of the baseline is gone",
    "missing": "the file says nothing of a model it has to speak of",
    "unknown": "no verdict: a timeout, a loop bound, a lost worker",
    "added": "a test that the baseline does not have",
    "removed": "a test of the baseline is gone",
    "renamed": "a test of the baseline has another path",
    "stale": "verdicts differ from the baseline, and so does a model, the solver or the checker",
    "harmful": "with the patch, a model allows what the test forbids",
    "review": "a changed barrier that no test can be asked about: needs review",
    "drift": "the kernel's code is not what the test says it is",
    "uncovered": "a barrier is lost in a function that no test covers: nothing judged it",
    "unasked": "a barrier changes in a function that no test covers, and no path loses order by it",
    "altered": "with the patch, functions do something else: what may come out that could not is possible in an interleaving, too",
    "bears": "what the patch adds forbids an outcome of functions that no test covers",
    "idle": "what the patch adds forbids nothing of the functions that were found to pair with it",
    "spare": "order is lost, and no function that was found to pair with it needs it: what it is for may not be among them",
    "leans": "with the patch, it holds by what the kernel does, not by what is documented",
    "already": "with the patch, a model allows what it allowed before",
    "repaired": "with the patch, a model forbids what it allowed before",
    "skeleton": "the patch changes the order of a function that tests cover",
    "harmless": "with the patch, every model still forbids what the test forbids",
}
HELP: dict[str, str] = {
    "error": "Read the message: it names the line and what would work. Nothing was decided, so nothing may pass.",
    "unexpected": "Either the change is wrong, or the Result: line of the test. 'checker run --dump execution' shows an execution.",
    "changed": "If the new verdict is right, make the baseline anew with --update-baseline and have it reviewed.",
    "race-appeared": "Mark the accesses (READ_ONCE, WRITE_ONCE), or order them. One that is meant is DATARACE in the Result: line.",
    "race-gone": "Make the baseline anew with --update-baseline.",
    "flag-appeared": "Mend the lifetime. A flag that is meant stands behind the verdict in the Result: line.",
    "flag-gone": "Make the baseline anew with --update-baseline.",
    "missing": "Write what is expected into the test: 'Result: Never', or 'Result(aarch64): Never'.",
    "unknown": "Give more time (--timeout), more rounds of loops (unroll), or more memory (--memory).",
    "added": "Make the baseline anew with --update-baseline.",
    "removed": "If the test is meant to go, make the baseline anew with --update-baseline.",
    "renamed": "Make the baseline anew with --update-baseline.",
    "stale": "Make the baseline anew with --update-baseline, and see what changes.",
    "harmful": "Keep the order that the code had: the execution shows what becomes possible without it.",
    "review": "Somebody has to judge this change: no test could be asked about it, or the answers differ.",
    "drift": "Bring the test up to date with the code, or mark the binding as partial or variant.",
    "uncovered": "Write a test of what the function relies on, bound to it with a Source: line.",
    "unasked": "For information: no order is lost by it; a test bound to the function would say what it relies on.",
    "altered": "See whether the other functions go with what this one does now: no order is lost by itself.",
    "bears": "For information: the execution is what is impossible now.",
    "spare": "Name what it is for, in a test or in a comment: guests, users and devices, too, are on the other side of barriers.",
    "idle": "For information: say in a comment what it pairs with, or do without.",
    "leans": "For information: ask whether what the kernel does here may be relied on, and have it documented.",
    "already": "For information: the test allowed this before the patch, too.",
    "repaired": "For information: expect Never in the test, so that it stays so.",
    "skeleton": "For information: the tests named stand for this function.",
    "harmless": "For information: the tests were asked, and their answer stays the same.",
}
"""What to do about a finding."""
BLOCKING = ("unexpected", "changed", "race-appeared", "flag-appeared", "missing", "unknown", "removed", "harmful", "review")
WARNING = ("race-gone", "flag-gone", "drift", "uncovered", "spare", "altered")


class BadPolicy(CheckerError):
    """A configuration that cannot be followed."""

    code = "policy"


_Name = Annotated[str, named()]


class Policy(Table, frozen=True):
    """What to check, and what blocks. `models` empty: every model a file names; `memory` is MiB for a worker, 0 no limit."""

    paths: tuple[_Name, ...] = ()
    baseline: str = ""
    models: tuple[_Name, ...] = ()
    require: tuple[_Name, ...] = ()
    block: tuple[_Name, ...] = BLOCKING
    timeout: Annotated[float, bounds(0.1, 86_400)] = 60.0
    memory: Annotated[int, bounds(0, 1_000_000)] = 4096
    unroll: Annotated[int, bounds(1, 1000)] = 2
    depth: Annotated[int, bounds(0, 8)] = 3
    arch: tuple[_Name, ...] = ("arm64", "x86")

    def level(self, kind: str) -> str:
        """error, block, warning or note."""
        if kind == "error":
            return "error"
        if kind in self.block:
            return "block"
        return "warning" if kind in WARNING or kind in BLOCKING else "note"

    def with_limits(self, timeout: float | None, memory: int | None) -> Policy:
        """The policy with other limits where they are given."""
        return replace(self, timeout=timeout or self.timeout, memory=self.memory if memory is None else memory)


class _Own(Table, frozen=True):
    """A file of its own: checker.toml, or what --config names."""

    gate: Policy


class _Tool(Table, frozen=True):
    """`[tool.checker]` of a pyproject.toml."""

    gate: Policy


def load_policy(folder: str | Path, config: str | Path | None = None) -> Policy:
    """The policy in the file `config`, or in the checker.toml or pyproject.toml of `folder`; the default where neither has one.

    A file that is named, and a checker.toml, must hold a policy.
    """
    if config:
        return _policy(read_source(config), must=True) or Policy()
    own, project = Path(folder) / "checker.toml", Path(folder) / "pyproject.toml"
    mine = _policy(read_source(own), must=True) if own.is_file() else None
    shared = _policy(read_source(project), must=False) if project.is_file() else None
    if mine is not None and shared is not None:
        raise BadPolicy("checker.toml and pyproject.toml both have a policy", hint="keep one of the two")
    return mine or shared or Policy()


def _toml(source: Source) -> dict[str, object]:
    try:
        return tomllib.loads(source.text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        at = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        place = Span(source, int(at[1]), int(at[2])) if at else Span(source, 0, 0)
        raise BadPolicy(f"this is not TOML: {str(error)[: at.start()] if at else error}", place) from None


def _policy(source: Source, *, must: bool) -> Policy | None:
    """The policy in a file: its `[gate]` where it `must` have one, or its `[tool.checker.gate]`."""
    found = _toml(source)
    tool = found.get("tool")
    try:
        if must and ("gate" in found or not isinstance(tool, dict)):
            policy = read(found, _Own).gate
        elif isinstance(tool, dict) and "checker" in tool:
            policy = read(tool["checker"], _Tool).gate
        elif must:
            raise NotSo("it has no [tool.checker.gate]", "", "")
        else:
            return None
    except NotSo as error:
        hint = error.hint or ("" if error.key else "write [gate], or [tool.checker.gate] in a pyproject.toml")
        raise BadPolicy(str(error), _where(source, error.key), hint=hint) from None
    _check(policy, source)
    return policy


def _check(policy: Policy, source: Source) -> None:
    """Refuse names of findings and of models that are none."""
    for kind in policy.block:
        if kind not in KINDS:
            near = near_one(kind, [*KINDS])
            hint = f"did you mean {near!r}?" if near else f"the findings are {', '.join(KINDS)}"
            raise BadPolicy(f"'block' names {kind!r}, which is no finding", _where(source, kind), hint=hint)
    for key, models in (("models", policy.models), ("require", policy.require)):
        for model in models:
            if model not in SHIPPED and not model.endswith(".cat"):
                near = near_one(model, [*SHIPPED])
                hint = f"did you mean {near!r}?" if near else f"the models are {', '.join(SHIPPED)}; a path ends in .cat"
                raise BadPolicy(f"{key!r} names {model!r}, which is no model", _where(source, model), hint=hint)
    left = [model for model in policy.require if policy.models and model not in policy.models]
    if left:
        raise BadPolicy(f"'require' names {left[0]!r}, which 'models' leaves out", _where(source, "require"))


def _where(source: Source, word: str) -> Span:
    """Where a key or a name first stands in a TOML file, comments aside."""
    pattern = re.compile(rf"(?<![A-Za-z0-9_-]){re.escape(word)}(?![A-Za-z0-9_-])")
    for number, line in enumerate(source.text.split("\n"), 1):
        found = pattern.search(line.partition("#")[0]) if word else None
        if found:
            return Span(source, number, found.start() + 1, found.end() + 1)
    return Span(source, 0, 0)
