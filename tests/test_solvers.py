"""Two solvers answer the same questions: each alone, and both held against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner

from checker.check import Options, check
from checker.cli import cli
from checker.core.circuit import Lit
from checker.library import load_model, load_test
from checker.result import Result
from checker.solve import outcome
from checker.solve.execution import Uncertified
from checker.solve.search import Search

SCENARIOS = sorted((Path(__file__).parent.parent / "litmus").rglob("*.litmus"))
FEW = SCENARIOS[:: max(1, len(SCENARIOS) // 40)]


def asked(path: Path, solver: str) -> Result:
    return check(load_test(path), load_model("lkmm"), Options(states=True, counts=True, solver=solver))


def no_one(name: str) -> Callable[..., object]:
    def refused(*_: object) -> object:
        raise AssertionError(f"nobody was to ask {name}")

    return refused


@pytest.mark.parametrize("path", FEW, ids=lambda path: path.stem)
def test_each_solver_alone_finds_what_both_agree_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = asked(path, "both")
    monkeypatch.setattr(outcome, "Search", no_one("the search"))
    alone = asked(path, "z3")
    assert [a.word for _, a in alone.answers.named()] == [a.word for _, a in together.answers.named()]
    assert (alone.states, alone.counts) == (together.states, together.counts)


def test_a_small_test_is_no_work_for_z3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome, "Solver", no_one("Z3"))
    assert asked(FEW[0], "fast").observation != "Unknown"


def never(self: Search, assumptions: Iterable[Lit] = ()) -> bool:
    """A search that finds nothing."""
    return False


def test_a_solver_that_says_otherwise_than_z3_is_never_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    path = next(p for p in FEW if asked(p, "fast").observation == "Sometimes")
    monkeypatch.setattr(Search, "satisfiable", never)
    with pytest.raises(Uncertified, match="do not agree on the condition: no, and Z3 says yes"):
        check(load_test(path), load_model("lkmm"), Options(solver="both"))
    told = CliRunner().invoke(cli, ["run", "--solver", "both", str(path)])
    assert told.exit_code == 1
    assert "do not agree" in told.output
