"""Where a gate's jobs run: bounded processes, a cluster whose worker dies; the same results everywhere."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from checker.campaign.corpus import Job, Setup, bounded, decide, run
from checker.campaign.paths import plan, text_at
from checker.campaign.pool import NoExecutor, cluster, processes
from checker.check import Options

ROOT = Path(__file__).resolve().parent.parent
JOBS = plan([str(ROOT / "litmus" / "kvm")], ["lkmm"])[0][:24]

HUNGRY = """C hungry

{{}}

{processes}

exists (x=0)
"""


def hungry(writes: int) -> str:
    """A test with more coherence orders than fit into little memory."""
    body = "\n".join(
        f"P{i}(int *x) {{ {' '.join(f'WRITE_ONCE(*x, {i * writes + k});' for k in range(writes))} }}" for i in range(8)
    )
    return HUNGRY.format(processes=body)


def test_a_job_that_takes_too_much_memory_is_one_unknown(tmp_path: Path) -> None:
    file = tmp_path / "hungry.litmus"
    file.write_text(hungry(60))
    jobs = [JOBS[0], Job(text_at(str(file)), "lkmm"), *JOBS[1:4]]
    found = list(run(jobs, Setup(Options(timeout=60)), workers=2, executor=partial(processes, memory=400)))
    assert [o.observation == "Unknown" for o in found] == [False, True, False, False, False], [o.reason for o in found]


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits")
def test_a_process_is_bounded_as_it_was_told_and_leaves_ctrl_c_to_its_parent() -> None:
    import resource

    here = resource.getrlimit(resource.RLIMIT_AS)
    for memory, limits in ((3000, (3000 << 20, 3000 << 20)), (0, here)):
        with processes(1, memory) as pool:
            assert pool.submit(resource.getrlimit, resource.RLIMIT_AS).result() == limits
            assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
            assert pool.submit(gc.get_threshold).result()[0] > gc.get_threshold()[0]
        with bounded(memory):
            assert resource.getrlimit(resource.RLIMIT_AS) == (limits[0], here[1])
        assert resource.getrlimit(resource.RLIMIT_AS) == here


@pytest.mark.filterwarnings("default")
def test_a_cluster_gives_the_same_results_though_a_worker_is_killed() -> None:
    distributed = pytest.importorskip("distributed")
    here = [(o.path, o.observation, o.as_expected) for o in (decide(job, Setup()) for job in JOBS)]
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=60) as dask:
        made = cluster(dask.scheduler_address.replace("tcp://", "dask://"))
        victim = next(iter(dask.workers.values())).pid
        found = []
        for i, outcome in enumerate(run(JOBS, Setup(), workers=2, executor=made)):
            found.append((outcome.path, outcome.observation, outcome.as_expected))
            if i == 2:
                os.kill(victim, signal.SIGKILL)
    assert found == here


def test_a_worker_needs_none_of_the_files(tmp_path: Path) -> None:
    file = tmp_path / "gone.litmus"
    file.write_bytes(Path(JOBS[0].path).read_bytes())
    job = pickle.loads(pickle.dumps(Job(text_at(str(file)), "lkmm")))
    file.unlink()
    outcome = decide(job, Setup())
    assert (outcome.path, outcome.observation) == (str(file), decide(JOBS[0], Setup()).observation)
    file.write_bytes(Path(JOBS[0].path).read_bytes().replace(b"{", b"", 1))
    assert decide(Job(text_at(str(file)), "lkmm"), Setup()).error.startswith(str(file))


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("address", ["dask://", "http://x:1", "dask://127.0.0.1:1", "dask://a b:1", "dask://x:999999"])
def test_a_cluster_that_is_not_there_is_an_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    whole = distributed.Client.__init__
    monkeypatch.setattr(distributed.Client, "__init__", lambda self, where, **more: whole(self, where, **{**more, "timeout": 1}))
    with pytest.raises(NoExecutor):
        cluster(address)
