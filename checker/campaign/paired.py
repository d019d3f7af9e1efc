"""What a patch changes that no test shows: paired with other functions, extracted before and after, and compared by outcomes.

Each operation that orders, and each marked access, that the patch removes, weakens, moves or adds is asked about by itself.

    paired(patch, found, policy, kept)    (Finding("harmful", …), Finding("uncovered", …), …)
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from checker.campaign.gate import Finding
from checker.campaign.policy import Policy
from checker.campaign.variants import FLAGS
from checker.campaign.witness import Opened, Step, opened, witness
from checker.check import Options
from checker.core.source import CheckerError, LimitExceeded, Source
from checker.insight.explanation import explain
from checker.insight.judge import (
    CLOSES,
    OPENS,
    SAME,
    Ask,
    Difference,
    Never,
    Outcomes,
    asked_for,
    asking,
    bare,
    compared,
    executed,
    refuting,
)
from checker.kernel.changes import Change, difference
from checker.kernel.kept import Kept
from checker.kernel.patch import Applied
from checker.kernel.primitives import ACCESSES, FENCE, GRACE, SECTIONS
from checker.kernel.skeleton import Code, Op, own_ops
from checker.kernel.strength import weakens
from checker.library import load_model, test_in
from checker.reach.both import Side, sides, twice
from checker.reach.extract import Extract
from checker.reach.pairs import Partner

MODELS = ("lkmm", "aarch64")
"""The model of what is documented, and for plain accesses, of which that says little, the weakest of the machines."""
MOST_PARTNERS = 8
MOST_ASKED = 5
"""How many pairs have to be harmless for a change to be."""
SECONDS = 10.0
"""How long partners of one change are gone through, in seconds of CPU."""
SECONDS_A_PAIR, SECONDS_A_CHECK = 6.0, 3.0
MOST_CHANGES = 40
_TOLD = frozenset({"harmful", "harmless", "leans", "already", "repaired"})
UNJUDGED = frozenset({"uncovered", "unasked"})


class Asked(Struct, frozen=True):
    """A pair of functions, what was found of it, and its test before and after."""

    partner: Partner
    found: Difference
    before: Extract
    after: Extract


class Questions(Struct, frozen=True):
    """How a test is asked: what may come out of it, and whether something never does."""

    outcomes: Ask
    never: Never


class Changed(Struct, frozen=True):
    """What changes, in which function, under its path before and after."""

    change: Change
    function: str
    old: str
    new: str


def paired(
    patch: Applied, codes: tuple[Code, Code], found: Sequence[Finding], policy: Policy, kept: Kept | None
) -> tuple[list[Finding], list[Finding]]:
    """The findings of before, without those that are said better now; and the new ones."""
    told = {finding.kernel for finding in found if finding.kind in _TOLD and finding.path}
    changes = [one for one in changed(patch, codes) if one.change.place not in told]
    if not changes:
        return [*found], []
    both = sides(patch.before, patch.after, patch.paths, kept, policy.arch)
    options = Options(unroll=policy.unroll, timeout=min(policy.timeout, SECONDS_A_CHECK))
    ask = Questions(_kept(asking(options), kept, policy.unroll), refuting(options))
    models = [name for name in MODELS if not policy.models or name in policy.models] or list(policy.models)
    made = []
    for n, one in enumerate(changes):
        if n < MOST_CHANGES:
            made += list(_judged(one, both, models, ask, policy))
        else:
            made.append(_uncovered(one, f"more than {MOST_CHANGES} changes are not paired", policy))
    places = {one.change.place for one in changes}
    left = [finding for finding in found if not (finding.kind in UNJUDGED and finding.kernel in places)]
    return left, list(dict.fromkeys(made))


# ---------------------------------------------------------------- what changes


def changed(patch: Applied, codes: tuple[Code, Code]) -> Iterator[Changed]:
    """The operations that order, and the marked accesses, that the patch removes, weakens, moves or adds; what weakens first."""
    found: list[Changed] = []
    for old, new in patch.paths:
        units = [code.unit(path) if path.endswith((".c", ".h")) else None for code, path in zip(codes, (old, new), strict=True)]
        one, other = [unit.functions if unit is not None else None for unit in units]
        renamed = codes[1].renamed(new) if old == new else {}
        for name in dict.fromkeys((*(one or ()), *(other or ()))):
            if name in {*renamed, *renamed.values()} or (one and other and one.written(name) == other.written(name)):
                continue
            was, now = [own_ops(side[name]) if side and name in side else [] for side in (one, other)]
            for change in difference(was, now).changes:
                if any(_orders(op) for op in (change.before, change.after)):
                    found.append(Changed(change, name, old, new))
    return iter(sorted(found, key=lambda one: (not weakens(one.change), one.change.op.verb != FENCE)))


def _orders(op: Op | None) -> bool:
    return op is not None and (op.verb in (FENCE, GRACE, *SECTIONS) or (op.verb in ACCESSES and op.strength != "plain"))


# ---------------------------------------------------------------- what comes of it


def _judged(one: Changed, both: tuple[Side, Side], models: Sequence[str], ask: Questions, policy: Policy) -> Iterator[Finding]:
    """What there is to say of one change: the worst of what was found, once."""
    asked: list[Asked] = []
    why: list[str] = []
    end = time.process_time() + SECONDS
    for partner, old in _partners(one, both):
        if time.process_time() > end:
            why.append(f"other partners were not looked at, for want of time ({SECONDS:g} s)")
            break
        try:
            before, after = twice(*both, partner, old=old)
        except CheckerError as error:
            why.append(f"with {partner.of[1]}(): {error.message}")
            continue
        if not _shows(one, before, after):
            why.append(f"with {partner.of[1]}(): the change is not in what was extracted")
            continue
        found = compared(before, after, models, _until(ask.outcomes, time.process_time() + SECONDS_A_PAIR), ask.never)
        asked.append(Asked(partner, found, before, after))
        if found.loses:
            yield _harmful(asked[-1], one, policy)
            return
        if sum(a.found.kind == SAME for a in asked) >= MOST_ASKED:
            break
        if found.why:
            why.append(f"with {partner.of[1]}(): {found.why}")
    yield _rest(one, asked, why, policy)


def _shows(one: Changed, before: Extract, after: Extract) -> bool:
    """Whether the change is in the extracts: in something that it takes away, or adds."""
    lines = ((one.change.before, before), (one.change.after, after))
    return any(op is not None and any(at[0] == op.path and abs(at[1] - op.line) <= 1 for at in made.lines) for op, made in lines)


def _partners(one: Changed, both: tuple[Side, Side]) -> Iterator[tuple[Partner, bool]]:
    """The partners of what changes, before the patch, and after it of what is new or elsewhere."""
    seen: set[tuple[object, ...]] = set()
    for op, side, old in ((one.change.before, both[0], True), (one.change.after, both[1], False)):
        if op is None or (not old and one.change.kind == "replace"):
            continue
        for partner in _of(op, side):
            key = (partner.root, partner.of, partner.places)
            if key not in seen:
                seen.add(key)
                yield partner, old


def _of(op: Op, side: Side) -> Iterator[Partner]:
    """The partners of an operation; of a marked access that orders nothing, those of what orders beside it."""
    barrier = side.barrier(op.path, op.function, op.name, op.line)
    if barrier is None:
        return
    yield from side.partners(barrier, MOST_PARTNERS)
    if op.verb in ACCESSES and op.strength in ("once", "relaxed", "void"):
        for one in side.beside(barrier)[:2]:
            for partner in side.partners(one, MOST_PARTNERS):
                if any((a.path, a.line) == (barrier.path, barrier.line) for a in partner.here):
                    yield partner


def _rest(one: Changed, asked: Sequence[Asked], why: Sequence[str], policy: Policy) -> Finding:
    """What is said of a change that takes no order away from any pair, as far as is known."""
    same = [a for a in asked if a.found.kind == SAME]
    sure = [a for a in asked if not (a.found.why and weakens(one.change))]  # what else may come of a loss is to be known
    closes = next((a for a in sure if a.found.kind == CLOSES), None)
    altered = next((a for a in asked if a.found.kind == OPENS), None)
    if altered is not None:
        text = f"with {_called(altered)}, {_asked(altered)} becomes possible, in an interleaving: it does something else now"
        return _finding("altered", one, text, policy, altered)
    if closes is not None:
        what = "it forbids" if one.change.before is None else "it forbids now"
        return _finding("bears", one, f"{what} {_asked(closes)}, with {_called(closes)}", policy, closes)
    if same:
        names = ", ".join(dict.fromkeys(_called(a) for a in same))
        if one.change.before is None:
            return _finding("idle", one, f"it forbids nothing, with {names}", policy)
        less = any(bare(a.before) != bare(a.after) for a in same)  # not only elsewhere in the code
        kind = "spare" if less and weakens(one.change) else "harmless"
        return _finding(kind, one, f"nothing new comes out of it, with {names}", policy)
    return _uncovered(one, "; ".join(dict.fromkeys(why[:2])) or "no function was found that it pairs with", policy)


def _called(asked: Asked) -> str:
    """The partner, and where its two accesses are."""
    first, second = asked.partner.there
    lines = f"{first.line}" if first.line == second.line else f"{first.line} and {second.line}"
    return f"{asked.partner.of[1]}() ({first.path}:{lines})"


def _asked(asked: Asked) -> str:
    return asked.found.condition.removeprefix("exists ") or "a data race"


def _uncovered(one: Changed, why: str, policy: Policy) -> Finding:
    kind = "uncovered" if weakens(one.change) else "unasked"
    return replace(
        _finding(kind, one, f"no test covers it; {why}", policy),
        message=f"{one.change} in {one.function}(), which no test covers: {why}",
    )


def _finding(kind: str, one: Changed, why: str, policy: Policy, asked: Asked | None = None) -> Finding:
    change = f"{one.change} in {one.function}()"
    shown = asked.found.shown if asked is not None else ""
    return Finding(
        kind, policy.level(kind), f"{change}: {why}", kernel=one.change.place, change=change, why=why,
        functions=_functions(asked), test=asked.after.name if asked is not None else "", litmus=shown,
        model=asked.found.model if asked is not None else "",
        detail=_execution(asked) if asked is not None and asked.found.kind != SAME else (),
    )  # fmt: skip


def _functions(asked: Asked | None) -> tuple[tuple[int, str], ...]:
    return ((0, asked.partner.root[1]), (1, asked.partner.of[1])) if asked is not None else ()


def _harmful(asked: Asked, one: Changed, policy: Policy) -> Finding:
    """An outcome, or a data race, that is possible only with the patch."""
    what = f"this allows {_asked(asked)}" if asked.found.condition else f"this makes {FLAGS['data-race']}"
    change = f"{one.change} in {one.function}()"
    why = f"{what}, with {_called(asked)}"
    return Finding(
        "harmful", policy.level("harmful"), f"{change}: {why}", kernel=one.change.place, model=asked.found.model,
        test=asked.after.name, change=change, why=why, functions=_functions(asked), litmus=asked.found.shown,
        detail=_execution(asked), opened=_forbidden(asked, one.change.before),
    )  # fmt: skip


# ---------------------------------------------------------------- executions, by the kernel's lines


def _execution(asked: Asked) -> tuple[str, ...]:
    """The execution that has the outcome, its lines those of the kernel."""
    try:
        result = executed(asked.found, Options(timeout=SECONDS_A_CHECK))
    except CheckerError:
        return ()
    flag = "" if asked.found.condition else "data-race"
    rows = asked.found.shown.split("\n")
    return tuple([_at_kernel(line, rows) for line in witness(result, flag)])


_STEP = re.compile(r"\(line (\d+)\)")
_LINE = re.compile(r"'s line (\d+)")
_COMMENT = re.compile(r"// (?:([\w./-]+):)?(\d+)")


def _at_kernel(text: str, rows: Sequence[str]) -> str:
    """A line of an execution with the kernel's lines for those of the test, and the file where it is not the function's own."""

    def step(found: re.Match[str]) -> str:
        path, line = _line(rows, int(found[1]))
        return f"(line {line}) of {path}" if path else f"(line {line})"

    return _LINE.sub(lambda found: f"'s line {_line(rows, int(found[1]))[1]}", _STEP.sub(step, text))


def _line(rows: Sequence[str], n: int) -> tuple[str, int]:
    """Where in the kernel a line of an extract is from: its comment says it, or that of the last before it that has one."""
    for row in reversed(rows[:n]):
        said = _COMMENT.search(row)
        if said:
            return said[1] or "", int(said[2])
    return "", n


def _forbidden(asked: Asked, op: Op | None) -> Opened | None:
    """The cycle that was forbidden without the patch, by what it takes away; None where none is found in time."""
    if not asked.found.condition:
        return None
    text = asked_for(asked.found.other, asked.found.condition)
    rows = text.split("\n")
    gone = {n for n, row in enumerate(rows, 1) if op is not None and _COMMENT.search(row) and _line(rows, n)[1] == op.line}
    try:
        test = test_in(Source("extract.litmus", text))
        cycle = opened(explain(test, load_model(asked.found.model), Options(timeout=SECONDS_A_CHECK)), gone)
    except CheckerError:
        return None
    if cycle is None:
        return None
    return Opened(cycle.axiom, tuple([Step(s.tid, _line(rows, s.line)[1], s.what, _at_cycle(s.origin, rows)) for s in cycle.steps]))


def _at_cycle(origin: str, rows: Sequence[str]) -> str:
    """What leads on in a cycle, with the kernel's lines."""
    return re.sub(r"\bline (\d+)", lambda found: f"line {_line(rows, int(found[1]))[1]}", origin)


# ---------------------------------------------------------------- what is kept


def _until(ask: Ask, end: float) -> Ask:
    """The same until there is no more time. Raises LimitExceeded then."""

    def asked(text: str, model: str, observed: Sequence[str]) -> Outcomes:
        if time.process_time() > end:
            raise LimitExceeded(f"not compared within {SECONDS_A_PAIR:g} s")
        return ask(text, model, observed)

    return asked


def _kept(ask: Ask, kept: Kept | None, unroll: int) -> Ask:
    """The same, answers kept from run to run by the text; what is not known is asked again."""
    known: dict[str, Outcomes] = {}

    def asked(text: str, model: str, observed: Sequence[str]) -> Outcomes:
        digest = hashlib.sha256("\0".join((text, *observed)).encode()).hexdigest()
        key = f"outcomes {model} {unroll} {digest}"
        if key in known:
            return known[key]
        found = kept.get(key, Outcomes) if kept is not None else None
        if found is None:
            found = ask(text, model, observed)
            if kept is not None and not found.open:
                kept.put(key, found)
        known[key] = found
        return found

    return asked
