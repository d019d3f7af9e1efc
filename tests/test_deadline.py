"""The time given to a test is kept in every stage: by looks at a clock that jumps, and by what is done between two looks."""

from __future__ import annotations

import sys
from types import FrameType, SimpleNamespace

import pytest

from checker.check import STAGES, Options, check
from checker.core.source import Source
from checker.insight.explanation import explain
from checker.library import load_model
from checker.library import test_in as parsed
from checker.program import ir
from checker.result import Result

LOOPS = """C within

{}

P0(int *x, int *y)
{
	while (READ_ONCE(*x)) {
		if (READ_ONCE(*y)) goto out;
		while (READ_ONCE(*x)) {
			if (READ_ONCE(*y)) goto out;
			WRITE_ONCE(*y, 1);
		}
	}
	WRITE_ONCE(*x, 2);
out:
	WRITE_ONCE(*y, 2);
}

P1(int *x, int *y)
{
	int r0;
	WRITE_ONCE(*x, 1);
	r0 = READ_ONCE(*y);
}

exists (1:r0=1)
"""


class Clock:
    """The clock of the deadline: it stands still for `looks` looks, and then it is too late."""

    def __init__(self, looks: int) -> None:
        self.left = looks
        self.seen = self.late = 0

    def monotonic(self) -> float:
        self.seen += 1
        self.late += self.seen > self.left
        return 0.0 if self.seen <= self.left else 1e9


def loops() -> ir.Test:
    return parsed(Source("within", LOOPS))


def asked(monkeypatch: pytest.MonkeyPatch, clock: object, options: Options) -> Result:
    monkeypatch.setattr("checker.core.deadline.time", clock)
    return check(loops(), load_model("lkmm"), options)


def test_whatever_the_stage_a_check_is_over_when_its_time_is_and_says_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    options = Options(states=True, timeout=1.0)
    whole = Clock(10**9)
    assert asked(monkeypatch, whole, options).observation == "Sometimes"
    stopped = []
    for looks in range(1, whole.seen, max(1, whole.seen // 40)):
        clock = Clock(looks)
        result = asked(monkeypatch, clock, options)
        assert clock.late <= 2, "somebody went on"
        late = [answer.because for _, answer in result.answers.named() if answer.unknown]
        assert late and set(late) == {late[0]} and late[0].startswith("not decided within 1 s: stopped in ")
        stopped.append(STAGES.index(late[0].rpartition(" ")[2]))
    assert stopped == sorted(stopped) and {*stopped} >= {STAGES.index(name) for name in ("execute", "evaluate", "encode", "solve")}
    for looks in (1, 2, 3):
        assert "stopped in expand" in asked(monkeypatch, Clock(looks), options).unknown_because


def test_little_is_done_between_two_looks_at_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in calls of functions, of which a machine does some millions a second."""
    calls, gaps = 0, []

    def counted(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    def monotonic() -> float:
        nonlocal calls
        gaps.append(calls)
        calls = 0
        return 0.0

    asked(monkeypatch, SimpleNamespace(monotonic=monotonic), Options(timeout=1.0))  # what is made once is made now
    sys.setprofile(counted)
    calls = 0
    gaps.clear()
    try:
        asked(monkeypatch, SimpleNamespace(monotonic=monotonic), Options(unroll=3, timeout=1.0))
    finally:
        sys.setprofile(None)
    assert max(gaps) < 60_000


def test_without_a_timeout_nobody_looks_at_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(0)
    assert asked(monkeypatch, clock, Options()).observation == "Sometimes"
    assert not clock.seen


def test_why_a_verdict_is_what_it_is_has_its_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checker.core.deadline.time", Clock(1))
    assert "within 1 s" in explain(loops(), load_model("lkmm"), Options(timeout=1.0)).summary


@pytest.mark.parametrize("answers", range(3))
def test_time_that_is_up_between_two_questions_leaves_the_answers_before_it(answers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a loop was left unfinished, so that an answer depends on others."""
    from checker.core.deadline import Timeout
    from checker.solve import outcome

    asked, left = outcome._Questions.yes_or_no, [answers]

    def yes_or_no(self: outcome._Questions, *args: object, **more: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise Timeout
        return asked(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(outcome._Questions, "yes_or_no", yes_or_no)
    text = "C t\n{ int x = 1; }\nP0(int *x, int *y) { while (READ_ONCE(*x)) WRITE_ONCE(*y, *y + 1); }\n"
    text += "P1(int *x) { WRITE_ONCE(*x, 0); }\nexists (y=77)\n"
    found = check(parsed(Source("t.litmus", text)), load_model("sc"), Options(unroll=1, timeout=100))
    assert found.observation == "Unknown"
    assert found.unanswered
