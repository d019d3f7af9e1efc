"""What docs/gate.md shows is what the gate prints; files for CI are well made. `python -m tests.test_gate_docs` writes it anew."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from checker.campaign.policy import BLOCKING, KINDS, Policy, load_policy
from checker.campaign.starter import FILES, write_starter
from checker.cli import cli

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "gate.md"
BLOCK = re.compile(r"^```console\n\$ (checker [^\n]*)\n(.*?)^```$", re.M | re.S)


def printed(command: str) -> str:
    result = CliRunner().invoke(cli, [*shlex.split(command)[1:], "-j", "1"], env={"GITHUB_ACTIONS": ""})
    assert result.exit_code in (0, 1), result.output
    return result.stdout.rstrip() + "\n"


@pytest.mark.parametrize(("command", "shown"), BLOCK.findall(DOCS.read_text(encoding="utf-8")))
def test_the_page_shows_what_is_printed(monkeypatch: pytest.MonkeyPatch, command: str, shown: str) -> None:
    monkeypatch.chdir(ROOT)
    assert shown == printed(command)


def test_the_page_names_every_finding() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in text] == []


def test_the_starter_passes_its_own_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checker.toml").write_text('[gate]\npaths = ["litmus"]\n')
    made = CliRunner().invoke(cli, ["init"])
    assert made.exit_code == 0
    assert "is there already" in made.output
    assert (tmp_path / "checker.toml").read_text() == '[gate]\npaths = ["litmus"]\n'
    (tmp_path / "checker.toml").unlink()
    assert CliRunner().invoke(cli, ["init"]).exit_code == 0
    assert tomllib.loads(FILES["checker.toml"])["gate"]["paths"] == ["litmus"]
    assert load_policy(tmp_path).require == ("lkmm",)
    gate = CliRunner().invoke(cli, ["gate", "--no-cache", "-j", "1"])
    assert gate.exit_code == 0, gate.output


def test_the_action_hands_inputs_over_as_data() -> None:
    """An input pasted into a script would be run."""
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    scripts = re.findall(r"run: (\|\n(?: {8}.*\n)+|[^|\n].*\n)", text)
    assert scripts
    assert not any("${{" in script for script in scripts)


if __name__ == "__main__":
    text = DOCS.read_text(encoding="utf-8")
    DOCS.write_text(BLOCK.sub(lambda found: f"```console\n$ {found[1]}\n{printed(found[1])}```", text), encoding="utf-8")
    sys.exit(0)


def test_the_starter_stops_a_barrier_that_nothing_judges(tmp_path: Path) -> None:
    (tmp_path / "checker.toml").write_text(FILES["checker.toml"], encoding="utf-8")
    shipped = load_policy(tmp_path)
    assert set(shipped.block) == {*BLOCKING, "uncovered"}
    assert (shipped.level("uncovered"), shipped.level("unasked")) == ("block", "note")
    assert Policy().level("uncovered") == "warning"


def test_a_starter_makes_the_folders_that_it_needs_and_touches_nothing_that_is_there(tmp_path: Path) -> None:
    written, there = write_starter(tmp_path / "new" / "tree")
    assert (sorted(written), there) == (sorted(FILES), [])
    (tmp_path / "new" / "tree" / written[0]).write_text("mine")
    (tmp_path / "new" / "tree" / written[1]).unlink()
    assert write_starter(tmp_path / "new" / "tree") == ([written[1]], [written[0]])
    assert (tmp_path / "new" / "tree" / written[0]).read_text() == "mine"
