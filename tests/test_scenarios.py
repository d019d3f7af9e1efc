"""Every scenario is a test of its own expectations, under every model that it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from checker import check, load_model, load_test
from checker.campaign.paths import plan
from checker.library import SHIPPED
from checker.program.ir import ENDLESS, LIFETIME_FLAGS

ROOT = Path(__file__).resolve().parent.parent
MACHINES = [name for name, shipped in SHIPPED.items() if shipped.machine and shipped.gate]
JOBS, ERRORS = plan([str(ROOT / "litmus")], None)


def test_there_are_scenarios_and_all_folders_can_be_read() -> None:
    assert not ERRORS
    assert len({job.path for job in JOBS}) >= 40


@pytest.mark.parametrize(("path", "model"), [(j.path, j.model) for j in JOBS], ids=[f"{Path(j.path).stem}-{j.model}" for j in JOBS])
def test_a_scenario_meets_its_expectation(path: str, model: str) -> None:
    test = load_test(path)
    result = check(test, load_model(model))
    assert result.expected is not None, "a scenario says what it expects"
    assert not result.unmet()
    assert not test.warnings
    assert test.name == Path(path).stem
    assert set(result.flags) <= {"data-race", ENDLESS, *LIFETIME_FLAGS}
    assert not result.undefined


def test_what_the_kernel_model_forbids_the_machines_forbid_in_every_scenario() -> None:
    for path in sorted({job.path for job in JOBS}):
        wanted = {e.model: e for e in load_test(path).expect}
        if "lkmm" in wanted and wanted["lkmm"].verdict == "Never":
            machines = [wanted[model].verdict for model in MACHINES]
            assert set(machines) == {"Never"}, path
