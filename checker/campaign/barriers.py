"""The barriers of an index, each with its partners and what it is worth to them.

for one in surveyed(index, index.barriers, most=4):    Surveyed(barrier=Barrier("virt/kvm/kvm_main.c", 781, …), pairs=(Pair(…), …))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from checker.reach.index import Barrier, Index
from checker.reach.pairs import Partner, partners

BEARS, WEAKER, NOTHING, UNKNOWN = "load-bearing", "could be weaker", "does nothing", "unknown"
PAIRED, UNPAIRED = "paired", "unpaired"
VERDICTS = (BEARS, WEAKER, UNKNOWN, NOTHING, PAIRED, UNPAIRED)
"""What is said of a barrier: of its partners' judgements the first."""


class Judgement(Struct, frozen=True):
    """What a barrier is worth to one partner under a model: `condition` asks for an outcome that there is without it, `test` shows
    it. `why` it is not known; `instead`: what would do."""

    model: str
    verdict: str
    condition: str = ""
    instead: str = ""
    why: str = ""
    test: str = ""


class Pair(Struct, frozen=True):
    """A partner, judged under some models."""

    partner: Partner
    judged: tuple[Judgement, ...] = ()


class Surveyed(Struct, frozen=True):
    """A barrier with its partners, the likeliest first."""

    barrier: Barrier
    pairs: tuple[Pair, ...]

    @property
    def verdict(self) -> str:
        if not self.pairs:
            return UNPAIRED
        said = {one.verdict for pair in self.pairs for one in pair.judged}
        return next((verdict for verdict in VERDICTS if verdict in said), PAIRED)


def surveyed(index: Index, barriers: Iterable[Barrier], most: int) -> Iterator[Surveyed]:
    """Barriers with at most so many partners each."""
    for barrier in barriers:
        yield Surveyed(barrier, tuple([Pair(one) for one in partners(index, barrier, most)]))
