"""What barriers are worth to their partners, judged by several processes: each pair is extracted with the barrier and without it,
and the outcomes compared.

    judged(request, found)    Surveyed(barrier, (Pair(partner, (Judgement("lkmm", "load-bearing", …),)), …)), …
"""

from __future__ import annotations

import functools
import re
from collections.abc import Generator, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from checker.campaign.barriers import BEARS, NOTHING, UNKNOWN, WEAKER, Judgement, Surveyed
from checker.campaign.pool import processes, spread
from checker.check import Options
from checker.core.source import CheckerError
from checker.insight.judge import CLOSES, SAME, Ask, asking, compared
from checker.insight.ladder import LIGHTER
from checker.kernel.kept import Kept
from checker.kernel.primitives import primitive
from checker.reach.extract import Extract, Wanted, extracted
from checker.reach.index import Barrier
from checker.reach.pairs import Partner
from checker.reach.types import Types, source

ROUNDS = 2
"""How often loops go round."""


class Request(Struct, frozen=True):
    """How to judge: the kernel's folder, where what was read of it is kept (folder, version), the architecture of code that has
    none, the models, the seconds for each test, and how many processes."""

    kernel: str
    kept: tuple[str, str]
    arch: str
    models: tuple[str, ...]
    timeout: float
    workers: int


Job = tuple[Request, Surveyed]


def judged(request: Request, found: Sequence[Surveyed]) -> Generator[Surveyed, None, None]:
    """The barriers with what they are worth, in their order."""
    jobs = [(request, one) for one in found]
    if request.workers < 2 or len(jobs) < 2:
        yield from map(_work, jobs)
    else:
        yield from spread(_work, jobs, request.workers, processes, _lost)


def _lost(job: Job, why: str) -> Surveyed:
    said = tuple([Judgement(model, UNKNOWN, why=why) for model in job[0].models])
    return replace(job[1], pairs=tuple([replace(pair, judged=said) for pair in job[1].pairs]))


def _work(job: Job) -> Surveyed:
    request, one = job
    ask = asking(Options(timeout=request.timeout, unroll=ROUNDS))
    both = [_both(request, one.barrier, pair.partner) for pair in one.pairs]
    said = [[_judgement(two, model, ask) for model in request.models] for two in both]
    lighter = _lighter(one.barrier, both, said, ask)
    pairs = [
        replace(pair, judged=tuple([_with(judgement, lighter) for judgement in some]))
        for pair, some in zip(one.pairs, said, strict=True)
    ]
    return replace(one, pairs=tuple(pairs))


# ---------------------------------------------------------------- a pair


class _Both(Struct, frozen=True):
    """The extracts of a pair with the barrier and without."""

    before: Extract
    after: Extract


def _both(request: Request, barrier: Barrier, partner: Partner) -> _Both | str:
    """The extracts; in words, why there are none that show what the barrier does."""
    paths = tuple(sorted({partner.root[0], partner.of[0]}))
    own = [found[1] for path in (*paths, barrier.path) if (found := re.match(r"arch/(\w+)/", path))]
    types = _types(request.kernel, request.kept, own[0] if own else request.arch, paths)
    windows = ((partner.here[0], partner.here[1]), (partner.there[0], partner.there[1])) if partner.here else ()
    wanted = Wanted(partner.places, max(1, partner.depth), windows=windows)
    try:
        before = extracted(types, (partner.root, partner.of), wanted)
        after = extracted(types, (partner.root, partner.of), replace(wanted, without=(barrier.path, barrier.line)))
    except CheckerError as error:
        return error.message
    return _Both(before, after) if before.text != after.text else "the barrier is not in what was extracted"


@functools.lru_cache(maxsize=4)
def _types(kernel: str, kept: tuple[str, str], arch: str, paths: tuple[str, ...]) -> Types:
    return source(kernel, paths, Kept(Path(kept[0]), kept[1]), arch)


def _judgement(both: _Both | str, model: str, ask: Ask) -> Judgement:
    """What the barrier is worth to the pair under a model."""
    if isinstance(both, str):
        return Judgement(model, UNKNOWN, why=both)
    found = compared(both.before, both.after, (model,), ask)
    if found.loses:
        return Judgement(model, BEARS, found.condition or "a data race", test=found.shown)
    if found.kind == SAME:
        return Judgement(model, NOTHING)
    fewer = "without it there are fewer outcomes" if found.kind == CLOSES else "without it other accesses are made"
    return Judgement(model, UNKNOWN, why=found.why or fewer)


# ---------------------------------------------------------------- something lighter


def _lighter(barrier: Barrier, both: Sequence[_Both | str], said: Sequence[Sequence[Judgement]], ask: Ask) -> dict[str, str]:
    """By model, what lighter barrier makes no difference to any of the pairs, where one of them needs a barrier."""
    known = primitive(barrier.name)
    found: dict[str, str] = {}
    for model in dict.fromkeys(one.model for some in said for one in some if one.verdict == BEARS):
        for instead in LIGHTER.get(known.strength, ()) if known is not None else ():
            if all(not isinstance(two, str) and _same(two, barrier.name, instead, model, ask) for two in both):
                found[model] = f"{instead}()"
                break
    return found


def _same(both: _Both, name: str, instead: str, model: str, ask: Ask) -> bool:
    text = _replaced(both, f"{name}();", f"{instead}();")
    return text is not None and compared(both.before, replace(both.before, text=text), (model,), ask).kind == SAME


def _replaced(both: _Both, was: str, now: str) -> str | None:
    """The test with another fence in the barrier's place: where a line is that the one without the barrier has not. None where that
    is no fence."""
    rest = iter(both.after.text.splitlines())
    made, seen, changed = [], next(rest, None), 0
    for line in both.before.text.splitlines():
        if line == seen:
            seen = next(rest, None)
        elif was in line:
            line, changed = line.replace(was, now, 1), changed + 1
        else:
            return None
        made.append(line)
    return "\n".join([*made, ""]) if changed and seen is None else None


def _with(one: Judgement, lighter: dict[str, str]) -> Judgement:
    instead = lighter.get(one.model, "") if one.verdict == BEARS else ""
    return replace(one, verdict=WEAKER, instead=instead) if instead else one
