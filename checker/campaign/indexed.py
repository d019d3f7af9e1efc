"""The index of a kernel's barriers, made by several processes.

indexed(tree, ("virt/kvm",), kept, "x86", workers=2)    Index(…)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from checker.campaign.pool import processes, spread
from checker.kernel.kept import Kept
from checker.kernel.trees import Tree
from checker.reach import gather
from checker.reach.gather import Job, Step
from checker.reach.index import Index

FEW = 2
"""So many jobs are done sooner than processes begin."""


def indexed(tree: Tree, paths: Sequence[str], kept: Kept | None, arch: str, workers: int, step: Step | None = None) -> Index:
    """The index of the files below some paths; all of the kernel's for none. Raises NotThere."""

    def each(run: Callable[[Job], tuple[bytes, ...]], jobs: Sequence[Job]) -> Iterable[tuple[bytes, ...]]:
        return map(run, jobs) if workers < 2 or len(jobs) <= FEW else spread(run, jobs, workers, processes, _lost)

    return gather.indexed(tree, paths, kept, arch, each, step)


def _lost(job: Job, why: str) -> tuple[bytes, ...]:
    return (b"",) * len(job.paths)
