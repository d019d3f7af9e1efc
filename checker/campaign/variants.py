"""A test and its variants under every model: what a change of one process does to the verdict.

Verdicts(source, policy).compare(variant, "lkmm")    Answer("harmful", "this allows: …", the witness in words)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checker.campaign.paths import DEFAULT
from checker.campaign.policy import Policy
from checker.campaign.witness import witness
from checker.check import Options, check
from checker.core.source import CheckerError, Source, Unsupported
from checker.library import SHIPPED, load_model
from checker.parse.litmus import parse_test
from checker.result import NEVER, UNKNOWN, Result

MODELS = tuple(name for name, shipped in SHIPPED.items() if shipped.gate)


@dataclass(frozen=True, slots=True)
class Answer:
    """`kind` is harmful, review or harmless; `why` in words; `detail` the changed lines and an execution."""

    kind: str
    why: str
    detail: tuple[str, ...] = ()


class Verdicts:
    """The test and its variants under the models."""

    def __init__(self, source: Source, policy: Policy) -> None:
        self.source = source
        self.options = Options(unroll=policy.unroll, timeout=policy.timeout)
        self.base: dict[str, Result] = {}
        self.known: dict[tuple[bytes, str], Result | CheckerError] = {}

    def models(self) -> list[str]:
        """Every model that can be asked about the test as it is."""
        test = parse_test(self.source)
        names = dict.fromkeys([DEFAULT, *[e.model for e in test.expect], *MODELS])
        for name in names:
            try:
                self.base[name] = check(test, load_model(name), self.options)
            except Unsupported:
                continue
        return list(self.base)

    def guards(self) -> bool:
        """Whether some model forbids what the test forbids: a test of what happens anyway can say nothing of a change."""
        return any(_good(result) for result in self.base.values())

    def compare(self, variant: bytes, model: str) -> Answer:
        """What the variant does to the verdict."""
        before, after = self.base[model], self._of(variant, model)
        outcome = _outcome_text(self.source)
        if isinstance(after, CheckerError):
            return Answer("review", f"the test with this change cannot be checked: {after.message}")
        if after.observation == UNKNOWN:
            return Answer("review", f"the test with this change is Unknown: {after.unknown_because}")
        if after.deadlock:
            return Answer("review", "the test with this change has no execution at all")
        raced = "data-race" in after.flags and "data-race" not in before.flags
        if before.observation == UNKNOWN:
            return Answer("review", f"the test itself is Unknown: {before.unknown_because}")
        if _good(before) and not _good(after):
            return Answer("harmful", f"this allows: {outcome}", self._shown(variant, after))
        if raced:
            return Answer("harmful", "this makes a data race", self._shown(variant, after, "data-race"))
        for what, result in (("the test with this change", after), ("the test itself", before)):
            if result.unanswered:
                return Answer("review", f"{what} leaves something unknown: {result.unanswered_text()}")
        if not _good(before):
            return Answer("harmless", f"this {'no longer' if _good(after) else 'still'} allows: {outcome}")
        return Answer("harmless", f"still impossible: {outcome}")

    def _of(self, variant: bytes, model: str) -> Result | CheckerError:
        if (variant, model) not in self.known:
            try:
                source = Source(self.source.name, variant.decode("utf-8"))
                self.known[variant, model] = check(parse_test(source), load_model(model), self.options)
            except CheckerError as error:
                self.known[variant, model] = error
        return self.known[variant, model]

    def _shown(self, variant: bytes, after: Result, flag: str = "") -> tuple[str, ...]:
        """The lines of the test that changed, and an execution (that raises `flag`, if one is named)."""
        was = self.source.text.encode().split(b"\n")
        now = variant.split(b"\n")
        changed = [
            f"{mark} {line.decode('utf-8', 'replace').strip()}"
            for a, b in zip(was, now, strict=False) if a != b
            for mark, line in (("-", a), ("+", b)) if line.strip()
        ]  # fmt: skip
        return (*changed, *witness(after, flag))


def _good(result: Result) -> bool:
    """Whether what the test forbids does not happen: an `exists` is what must not be, a `forall` what must."""
    return result.observation == NEVER if result.condition.quantifier == "exists" else bool(result.ok)


_FORBIDDEN = re.compile(r"^[ \t*]*Forbidden:[ \t]*((?:.|\n)*?)(?:\.(?:\s|$)|\n[ \t*]*\n)", re.M)
_QUESTION = re.compile(r"(?:~\s*exists|not\s+exists|exists|forall)\b([^~]*)\Z")


def _outcome_text(source: Source) -> str:
    """What the test forbids: in its own words where it has some, and as it asks."""
    asked = _QUESTION.search(source.text)
    shown = " ".join(asked[1].split())[:200] if asked else ""
    words = _FORBIDDEN.search(source.text)
    if words is None:
        return shown or "the outcome"
    said = " ".join(word for word in words[1].split() if word != "*")
    return f"{said[:300]} {shown}".strip()
