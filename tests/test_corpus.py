"""Many checks on executors: order, deaths, timeouts, and what crosses between processes."""

from __future__ import annotations

import os
import pickle
import re
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kernel_c import contended

from checker.campaign import corpus, pool
from checker.campaign.corpus import Job, Outcome, Setup, decide, run
from checker.campaign.paths import expand_paths, plan
from checker.check import Options
from checker.core.source import CheckerError, Source, Span
from checker.parse.files import MAX_BYTES, Text

ROOT = Path(__file__).resolve().parent.parent
JOBS, _ = plan([str(ROOT / "litmus" / "kvm")], ["lkmm"])
JOBS = JOBS[:12]


def verdicts(outcomes: list[Outcome]) -> list[tuple[str, str, bool]]:
    return [(o.path, o.observation, o.as_expected) for o in outcomes]


HERE = verdicts([decide(job, Setup()) for job in JOBS])


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor, pool.processes])
def test_outcomes_come_in_the_order_of_the_jobs_whatever_runs_them(executor: Callable[[int], Executor] | None) -> None:
    assert verdicts(list(run(JOBS, Setup(), workers=2, executor=executor))) == HERE


def test_an_outcome_is_small_and_survives_pickling() -> None:
    outcome = decide(JOBS[0], Setup(Options(states=True)))
    sent = pickle.dumps(outcome)
    assert pickle.loads(sent) == outcome
    assert len(sent) < 10_000


class Fragile(Executor):
    """Runs jobs at once in this process; a job whose path is in `deadly` breaks it for good, as a dead worker does."""

    def __init__(self, deadly: set[str], log: list[str]) -> None:
        self.deadly, self.log, self.broken = deadly, log, False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.broken:
            raise BrokenExecutor("a worker died")
        future: Future[Any] = Future()
        self.log.append(args[0].path)
        if args[0].path in self.deadly:
            self.broken = True
            future.set_exception(BrokenExecutor("a worker died"))
        else:
            future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.parametrize("deadly", [(0,), (5,), (11,), (0, 1, 2), (3, 9), tuple(range(12))])
def test_a_worker_that_dies_is_one_unknown_result(monkeypatch: pytest.MonkeyPatch, deadly: tuple[int, ...]) -> None:
    monkeypatch.setattr(pool, "WINDOW", 4)
    log: list[str] = []
    killers = {JOBS[i].path for i in deadly}
    found = list(run(JOBS, Setup(), workers=2, executor=lambda _: Fragile(killers, log)))
    for i, (outcome, here) in enumerate(zip(found, HERE, strict=True)):
        if i in deadly:
            assert (outcome.path, outcome.observation, outcome.as_expected) == (here[0], "Unknown", False)
            assert "died" in outcome.reason
        else:
            assert verdicts([outcome]) == [here]
    assert all(log.count(path) <= 2 for path in {job.path for job in JOBS})


def endless() -> Text:
    """What nobody waits for."""
    return Text("endless.litmus", contended(9).encode())


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals")
def test_a_killed_process_is_one_unknown_result_and_the_others_have_theirs() -> None:
    import multiprocessing

    setup = Setup(Options(states=True))
    others = set(multiprocessing.active_children())
    done = threading.Event()

    def kill() -> None:
        """Whoever counts states without end is killed, in the pool and when the job is tried alone."""
        while not done.wait(1.5):
            for child in set(multiprocessing.active_children()) - others:
                os.kill(child.pid or 0, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        found = list(run([JOBS[0], Job(endless(), "lkmm"), JOBS[1]], setup, workers=2))
    finally:
        done.set()
        killer.join()
    assert [o.path for o in found] == [JOBS[0].path, "endless.litmus", JOBS[1].path]
    assert found[1].observation == "Unknown"
    assert found[1].reason == "the process that checked it died"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers")
def test_the_timeout_ends_stages_that_do_not_look_at_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    def sleeps(*_: object) -> None:
        time.sleep(30)

    with monkeypatch.context() as patched:
        patched.setattr(corpus, "check", sleeps)
        start = time.monotonic()
        outcome = decide(JOBS[0], Setup(Options(timeout=0.1)))
    assert time.monotonic() - start < 5
    assert outcome.reason == "not decided within 0.1 s"
    assert verdicts([decide(JOBS[0], Setup())]) == HERE[:1]


def test_a_bug_of_ours_is_an_unknown_result_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("somewhere")

    monkeypatch.setattr(corpus, "check", broken)
    outcome = decide(JOBS[0], Setup())
    assert (outcome.observation, outcome.as_expected) == ("Unknown", False)
    assert outcome.reason == "internal error: ZeroDivisionError: somewhere"


def test_closing_early_ends_the_workers() -> None:
    import multiprocessing

    others = set(multiprocessing.active_children())
    outcomes = run(JOBS, Setup(), workers=2, executor=pool.processes)
    next(outcomes)
    outcomes.close()
    deadline = time.monotonic() + 10
    while set(multiprocessing.active_children()) - others and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not set(multiprocessing.active_children()) - others


# ---------------------------------------------------------------- in how many processes


def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of workers of each pool that is made from now on; threads stand for processes."""
    sizes: list[int] = []

    def threads(workers: int, memory: int) -> Executor:
        sizes.append(workers)
        return ThreadPoolExecutor(workers)

    monkeypatch.setattr(pool, "processes", threads)
    return sizes


def test_quick_tests_are_checked_by_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = made(monkeypatch)
    monkeypatch.setattr(corpus, "WORTH", 600)
    monkeypatch.setattr(corpus, "ALONE", 60)
    assert verdicts(list(run(JOBS, Setup(), workers=8))) == HERE
    assert sizes == []


def test_a_test_that_takes_long_gets_company_and_what_is_left_goes_there(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = made(monkeypatch)
    monkeypatch.setattr(corpus, "ALONE", 4)
    long = Job(endless(), "lkmm")
    found = list(run([JOBS[0], long, JOBS[1], JOBS[2]], Setup(Options(timeout=6)), workers=8))
    assert sizes == [3]
    assert verdicts([found[0], *found[2:]]) == HERE[:3]
    assert found[1].observation == "Unknown" or found[1].seconds > corpus.ALONE


def test_the_last_test_is_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = made(monkeypatch)
    monkeypatch.setattr(corpus, "ALONE", 60)
    monkeypatch.setattr(corpus, "WORTH", 600)
    found = list(run([JOBS[0], Job(endless(), "lkmm")], Setup(Options(timeout=1)), workers=8))
    assert [o.path for o in found] == [JOBS[0].path, "endless.litmus"]
    assert sizes == []


def test_many_quick_tests_are_worth_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = made(monkeypatch)
    monkeypatch.setattr(corpus, "ALONE", 0)
    monkeypatch.setattr(corpus, "WORTH", 0)
    assert verdicts(list(run(JOBS, Setup(), workers=2))) == HERE
    assert sizes == [2]


@pytest.mark.parametrize(
    "text",
    [
        "", "C t", "C t\n{}\n\nP0(int *x) { *x = ; }\nexists (x=1)\n", "C t\n{}\nP0(int *x) {\n\tnone(x); }\nexists (x=1)\n",
        "Ada t\n{}\n", "C t\n{ x=1\n", "C t\n{}\nP0(int *x) { *x = 1; }\nexists (x=", "\0",
    ],
)  # fmt: skip
def test_an_error_has_the_place_that_it_is_shown_with(text: str) -> None:
    outcome = decide(Job(Text("t.litmus", text.encode()), "lkmm"), Setup())
    shown = re.match(r"t\.litmus(?::(\d+))?(?::(\d+))?: ", outcome.error)
    assert shown is not None
    assert outcome.place == (int(shown[1] or 1), int(shown[2] or 1))


def test_an_error_in_no_line_of_a_test_is_in_its_first() -> None:
    large = decide(Job(Text("t.litmus", b"C t\n" + b" " * MAX_BYTES), "lkmm"), Setup())
    gone = decide(Job(Text("t.litmus", CheckerError("no", Span(Source("t.litmus", ""), 0, 0))), "lkmm"), Setup())
    other = decide(Job(Text("t.litmus", b"C t\n{}\nP0(int *x) { *x = 1; }\nexists (x=1)\n"), "/none.cat"), Setup())
    assert [(bool(one.error), one.place) for one in (large, gone, other)] == [(True, (1, 1))] * 3


def test_a_line_of_a_list_that_cannot_be_read_is_shown_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    listed = tmp_path / "@some"
    listed.write_text("# what there is\n   empty  # nothing yet\n@some\n")
    errors = expand_paths([str(listed)]).errors
    places = [(error.span.line, error.span.column, error.span.end) for error in errors if error.span is not None]
    assert places == [(2, 4, 9), (3, 1, 6)]
