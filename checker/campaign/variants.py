"""A test and its variants under every model: what a change of one process does to the verdict.

Verdicts(source, policy).compare(variant, "lkmm")    Answer("harmful", "this allows: …", the witness in words)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from checker.campaign.paths import DEFAULT
from checker.campaign.policy import Policy
from checker.campaign.witness import Opened, opened, witness
from checker.check import Options, check
from checker.core.source import CheckerError, Source, Unsupported
from checker.insight.explanation import explain
from checker.insight.repair import one_line, repair
from checker.library import SHIPPED, load_model
from checker.parse.litmus import parse_test
from checker.program.assumptions import ASSUMPTIONS
from checker.program.ir import And, Compare, Prop, RegLoc
from checker.result import NEVER, UNKNOWN, Result

REPAIR_SECONDS = 5.0
MODELS = tuple(name for name, shipped in SHIPPED.items() if shipped.gate)


class Answer(Struct, frozen=True):
    """`kind` is harmful, review, leans, already, repaired, untaken or harmless; `detail` the change, what is missing and an
    execution; `repair` the cheapest change to the test that makes the outcome impossible again; `opened` the cycle that was
    forbidden without the patch."""

    kind: str
    why: str
    detail: tuple[str, ...] = ()
    repair: str = ""
    opened: Opened | None = None


class Verdicts:
    """The test and its variants under the models. `outside` are the places that no kernel code of the test's accesses."""

    def __init__(self, source: Source, policy: Policy, outside: frozenset[str] = frozenset()) -> None:
        self.source, self.outside = source, outside
        self.options = Options(unroll=policy.unroll, timeout=policy.timeout)
        self.base: dict[str, Result] = {}
        self.known: dict[tuple[bytes, str], Result | CheckerError] = {}

    def models(self) -> list[str]:
        """Every model that can be asked about the test as it is."""
        test = parse_test(self.source)
        names = dict.fromkeys([DEFAULT, *[e.model for e in test.expect], *MODELS])
        for name in names:
            try:
                self.base[name] = _checked(self.source, name, self.options)
            except Unsupported:
                continue
        return list(self.base)

    def guards(self) -> bool:
        """Whether the kernel's own model forbids what the test forbids (or, where it cannot be asked, every other does).

        A test of what happens anyway can say nothing of a change.
        """
        asked = self.base.get(DEFAULT)
        return _good(asked) if asked is not None else all(_good(result) for result in self.base.values())

    def compare(self, variant: bytes, model: str) -> Answer:
        """What the variant does to the verdict."""
        before, after = self.base[model], self._of(variant, model)
        outcome = _outcome_text(self.source)
        if isinstance(after, CheckerError):
            return Answer("review", f"the test with this change cannot be checked: {after.message}")
        if after.observation == UNKNOWN:
            return Answer("review", f"the test with this change is Unknown: {after.unknown_because}")
        if (
            after.deadlock
            and not before.deadlock
            and bool(_FILTER.search(variant)) > bool(_FILTER.search(self.source.text.encode()))
        ):
            return Answer("untaken", f"the path that is changed is not taken: {outcome}")
        if after.deadlock:
            return Answer("review", "the test with this change has no execution at all")
        if before.observation == UNKNOWN:
            return Answer("review", f"the test itself is Unknown: {before.unknown_because}")
        if _good(before) and not _good(after):
            for name, known in ASSUMPTIONS.items():
                if known.leaned_on and model == DEFAULT and self._holds(variant, model, name):
                    return Answer(
                        "leans", f"{known.note} (--assume {name}), else this allows: {outcome}", self._shown(variant, after)
                    )
            repaired, was = self._mended(variant, model), self._opened(variant, model)
            return Answer("harmful", f"this allows: {outcome}", self._shown(variant, after), repaired, was)
        for flag in after.flags:
            if flag not in before.flags:
                return Answer("harmful", f"this makes {FLAGS.get(flag, flag)}", self._shown(variant, after, flag))
        for what, result in (("the test with this change", after), ("the test itself", before)):
            if result.unanswered:
                return Answer("review", f"{what} leaves something unknown: {result.unanswered_text()}")
        if not _good(before) and _good(after):
            return Answer("repaired", f"no longer possible: {outcome}")
        if not _good(before):
            return Answer("already", f"possible before the patch, too: {outcome}")
        return Answer("harmless", f"still impossible: {outcome}")

    def _holds(self, variant: bytes, model: str, assumption: str) -> bool:
        """Whether the variant keeps the promise when an implementation may be leaned on, without any new flag."""
        options = replace(self.options, assume=frozenset({assumption}))
        source = Source(self.source.name, variant.decode("utf-8"))
        try:
            found = _checked(source, model, options)
        except CheckerError:
            return False
        return _good(found) and not (found.deadlock or found.unanswered) and set(found.flags) <= set(self.base[model].flags)

    def _of(self, variant: bytes, model: str) -> Result | CheckerError:
        if (variant, model) not in self.known:
            try:
                source = Source(self.source.name, variant.decode("utf-8"))
                self.known[variant, model] = _checked(source, model, self.options)
            except CheckerError as error:
                self.known[variant, model] = error
        return self.known[variant, model]

    def _mended(self, variant: bytes, model: str) -> str:
        """The cheapest repair of the variant, in words; empty where there is none, or none is found in time."""
        limit = min(REPAIR_SECONDS, self.options.timeout or REPAIR_SECONDS)
        try:
            test = parse_test(Source(self.source.name, variant.decode("utf-8")))
            return one_line(repair(test, [load_model(model)], replace(self.options, timeout=limit), self.outside))
        except CheckerError:  # what cannot be repaired is reported without
            return ""

    def _opened(self, variant: bytes, model: str) -> Opened | None:
        """The cycle that the model forbids in the test as it is; None where none is found in time."""
        was, now = self.source.text.encode().split(b"\n"), variant.split(b"\n")
        changed = {n for n, (a, b) in enumerate(zip(was, now, strict=False), 1) if a != b}
        limit = min(REPAIR_SECONDS, self.options.timeout or REPAIR_SECONDS)
        try:
            return opened(explain(parse_test(self.source), load_model(model), replace(self.options, timeout=limit)), changed)
        except CheckerError:  # what cannot be explained is reported without
            return None

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


_FILTER = re.compile(rb"(?m)^filter\b")
FLAGS = {
    "data-race": "a data race",
    "use-after-free": "a use after free",
    "double-free": "a double free",
    "srcu-cleanup-too-early": "a callback that runs when its srcu_struct is gone",
}


def only_where(text: bytes, taken: Sequence[tuple[int, str, bool]]) -> bytes:
    """A test with nothing but the executions in which registers are 0 (False), or are not; as it is when it filters already."""
    ends = list(re.finditer(rb"(?m)^(?:~|not[ \t]+)?[ \t]*(?:exists|forall)\b", text))
    if not taken or not ends or _FILTER.search(text):
        return text
    sought = " /\\ ".join(f"{tid}:{reg}=0" if not truth else f"not ({tid}:{reg}=0)" for tid, reg, truth in dict.fromkeys(taken))
    at = ends[-1].start()
    return text[:at] + f"filter ({sought})\n\n".encode() + text[at:]


def wanted(source: Source, tid: int) -> dict[str, int]:
    """The registers of a process that must have a certain value for the outcome; none where the question is not that plain."""
    condition = parse_test(source).condition
    found: dict[str, int] = {}

    def conjuncts(prop: Prop) -> None:
        match prop:
            case And(args):
                for arg in args:
                    conjuncts(arg)
            case Compare("==", RegLoc(where, reg), int(value)) if where == tid:
                found[reg] = value

    if condition.quantifier == "exists":
        conjuncts(condition.prop)
    return found


@lru_cache(maxsize=4096)
def _checked(source: Source, model: str, options: Options) -> Result:
    """A test under a model: several patches, and both signals, ask the same."""
    return check(parse_test(source), load_model(model), options)


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
