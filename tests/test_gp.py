"""The grace-period timeline: the figures of the thread come out, and what must hold of any boot."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from checker.cli_gp import gp as command
from checker.gp import REGISTER, STRATEGIES, UPDATE, VCPU, Machine, Timeline, boot, simulate
from checker.report.timeline import picture, span, table

WAIT, CALL, EXPEDITED, KEYED = STRATEGIES
MS = 1000.0


def first_vcpu(strategy: str, hz: int, phase: float = 0) -> float:
    return simulate(boot("x86", 6, 1), strategy, Machine(hz=hz, phase=phase)).of(VCPU)[0].length


def first_update(strategy: str, hz: int, phase: float = 0) -> float:
    return simulate(boot("arm64", 6, 1), strategy, Machine(hz=hz, phase=phase)).of(UPDATE)[0].length


# The tolerance is one jiffy: where in a jiffy the call came is not known, and a timer of one jiffy takes one to two.


def test_x86s_first_vcpu_takes_the_reported_time_before_and_after() -> None:
    assert first_vcpu(WAIT, 100) == pytest.approx(137, abs=1)  # 0.000137 s
    assert first_vcpu(CALL, 100) == pytest.approx(25.182 * MS, abs=10 * MS)  # 0.025182 s
    assert first_vcpu(CALL, 1000) == pytest.approx(1 * MS, abs=1 * MS)  # "~1 ms"


def test_arm64s_memslot_update_takes_the_reported_time_before_and_after() -> None:
    assert first_update(WAIT, 100) == pytest.approx(16, abs=1)  # 0.000016 s
    assert first_update(CALL, 100) == pytest.approx(21.021 * MS, abs=10 * MS)  # 0.021021 s


@pytest.mark.parametrize("hz", [100, 250, 1000])
def test_the_expedited_callback_brings_the_baseline_back_on_both(hz: int) -> None:
    assert first_vcpu(EXPEDITED, hz) == pytest.approx(first_vcpu(WAIT, hz), abs=20)
    assert first_update(EXPEDITED, hz) == pytest.approx(first_update(WAIT, hz), abs=20)


@pytest.mark.parametrize("hz", [100, 250, 1000])
def test_keying_off_the_vcpus_helps_x86_and_not_arm64(hz: int) -> None:
    assert first_vcpu(KEYED, hz) == first_vcpu(WAIT, hz)
    assert first_update(KEYED, hz) == first_update(CALL, hz)


def test_registrations_themselves_are_what_call_srcu_saves() -> None:
    before, after = (simulate(boot("arm64", 100, 0), s, Machine(scan=200)) for s in (WAIT, CALL))
    assert sum(s.waited for s in before.of(REGISTER)) == pytest.approx(100 * 2 * 200)
    assert sum(s.waited for s in after.of(REGISTER)) == 0
    assert after.deferred == 100


MACHINES = st.builds(
    Machine,
    hz=st.sampled_from([100, 250, 300, 1000]),
    scan=st.floats(1, 2000),
    gap=st.floats(0, 50_000),
    phase=st.floats(0, 0.99),
)
BOOTS = st.builds(
    boot, st.sampled_from(("x86", "arm64")), st.integers(0, 12), st.integers(0, 12), interleave=st.booleans()
)  # fmt: skip
TIMELINES = st.builds(simulate, BOOTS, st.sampled_from(STRATEGIES), MACHINES)


@given(st.floats(0, 1e6), MACHINES)
def test_a_timer_of_one_jiffy_takes_one_to_two(now: float, machine: Machine) -> None:
    assert machine.jiffy * 0.999 <= machine.timer(now) - now <= machine.jiffy * 2.001


@given(TIMELINES)
def test_grace_periods_come_one_after_the_other_and_each_takes_two_scans(t: Timeline) -> None:
    ends = [0.0, *[gp.end for gp in t.grace_periods]]
    for before, gp in zip(ends, t.grace_periods, strict=False):
        assert before <= gp.start <= gp.scan < gp.end
        assert gp.end - gp.scan == pytest.approx(2 * t.machine.scan)


@given(TIMELINES)
def test_a_wait_ends_with_a_grace_period_that_began_after_the_request(t: Timeline) -> None:
    for step in t.steps:
        if step.waited:
            request, end = step.start + step.length - step.waited, step.start + step.length
            assert any(gp.start >= request - 1e-6 and gp.end == pytest.approx(end) for gp in t.grace_periods)


@given(TIMELINES)
def test_a_wait_is_at_most_a_timer_and_two_grace_periods(t: Timeline) -> None:
    assert all(step.waited <= 2 * t.machine.jiffy + 4 * t.machine.scan + 1e-6 for step in t.steps)


@given(BOOTS, MACHINES)
def test_a_boot_does_the_same_work_whatever_the_strategy(plan: object, machine: Machine) -> None:
    runs = [simulate(plan, strategy, machine) for strategy in STRATEGIES]  # type: ignore[arg-type]
    works = [[(s.kind, round(s.length - s.waited, 3)) for s in run.steps] for run in runs]
    assert works.count(works[0]) == len(STRATEGIES)


@given(BOOTS, MACHINES)
def test_without_a_normal_grace_period_in_flight_nobody_waits_for_a_timer(plan: object, machine: Machine) -> None:
    for strategy in (WAIT, EXPEDITED):
        run = simulate(plan, strategy, machine)  # type: ignore[arg-type]
        assert all(gp.scan == gp.start for gp in run.grace_periods)


def test_thousands_of_updates_in_a_row_hit_the_limit_of_grace_periods_without_a_delay() -> None:
    run = simulate(boot("x86", 0, 9000), WAIT, Machine(hz=1000, scan=0.5, gap=0, update=0))
    assert any(gp.scan > gp.start for gp in run.grace_periods)


@given(st.lists(TIMELINES, max_size=3))
def test_the_picture_is_well_formed_and_stays_inside_its_frame(timelines: list[Timeline]) -> None:
    root = ElementTree.fromstring(picture(timelines, "<&> 6 registrations"))
    width = float(root.attrib["width"])
    for shape in root.iter("{http://www.w3.org/2000/svg}rect"):
        if not shape.attrib["width"].endswith("%"):
            assert 0 <= float(shape.attrib["x"]) <= float(shape.attrib["x"]) + float(shape.attrib["width"]) <= width


@given(TIMELINES)
def test_the_bars_of_a_picture_are_as_long_as_what_they_stand_for(t: Timeline) -> None:
    shapes = ElementTree.fromstring(picture([t], "x")).iter("{http://www.w3.org/2000/svg}rect")
    bars = [(shape[0].text or "", shape) for shape in shapes if len(shape)]
    scale = 720 / (t.length or 1)
    for kind, name in ((REGISTER, "registration"), (UPDATE, "memslot update"), (VCPU, "KVM_CREATE_VCPU")):
        works, waits = [step.length - step.waited for step in t.of(kind)], [step.waited for step in t.of(kind)]
        for lengths, waiting in ((works, False), (waits, True)):
            drawn = [float(bar.attrib["width"]) for says, bar in bars if says.startswith(name) and ("waiting" in says) == waiting]
            wanted = [length * scale for length in lengths if length > 1e-9]
            assert len(drawn) >= len([length for length in wanted if length > 0.01])
            assert sum(drawn) == pytest.approx(sum(max(length, 0.5) for length in wanted), abs=0.01 * len(wanted) + 0.51)


def test_a_boot_of_nothing_is_a_table_too() -> None:
    assert table([simulate(boot("x86", 0, 0), CALL, Machine())]).count("\n") == 1


@pytest.mark.parametrize(("us", "text"), [(0, "0 µs"), (137, "137 µs"), (20_100, "20.1 ms"), (1_250_000, "1.25 s")])
def test_times_are_shown_with_a_unit_that_suits_them(us: float, text: str) -> None:
    assert span(us) == text


def test_the_command_prints_a_table_and_draws(tmp_path: Path) -> None:
    target = tmp_path / "boot.svg"
    done = CliRunner().invoke(command, ["--arch", "arm64", "--hz", "100", "--svg", str(target)])
    assert done.exit_code == 0
    assert [line.split()[1] for line in done.output.splitlines()[1:]] == [WAIT, CALL, EXPEDITED, "keyed"]
    assert target.read_text().startswith("<svg")


def test_a_file_that_cannot_be_written_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["--svg", str(tmp_path / "none" / "boot.svg")])
    assert done.exit_code == 1
    assert "cannot be written" in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("bad", ["--scan=nan", "--phase=nan", "--phase=1", "--gap=inf", "--hz=5", "-n=-1"])
def test_a_number_that_makes_no_sense_is_refused(bad: str) -> None:
    done = CliRunner().invoke(command, [bad])
    assert done.exit_code == 2
    assert "Traceback" not in done.output
