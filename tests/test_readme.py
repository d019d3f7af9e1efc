"""What the README and tests/shown.md show is what the tool prints. `python -m tests.test_readme` writes them anew."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from checker.cli import cli

ROOT = Path(__file__).resolve().parent.parent
README, SHOWN = ROOT / "README.md", ROOT / "tests" / "shown.md"
BLOCK = re.compile(r"^```console\n\$ (checker [^\n]*)\n(.*?)^```$", re.M | re.S)


def printed(command: str, codes: tuple[int, ...] = (0,)) -> str:
    """What the command prints, without what differs from run to run."""
    result = CliRunner().invoke(cli, [*shlex.split(command)[1:], *(["--jobs", "1"] if " run " in command else [])])
    assert result.exit_code in codes, result.output
    text = "\n".join([line.rstrip() for line in result.stdout.rstrip().split("\n") if not line.startswith("Time ")]) + "\n"
    return re.sub(r'("(?:check_)?seconds": ?)[0-9.e-]+', r"\g<1>0.0121", text)


@pytest.mark.parametrize(("command", "shown"), BLOCK.findall(README.read_text(encoding="utf-8")))
def test_the_readme_shows_what_is_printed(monkeypatch: pytest.MonkeyPatch, command: str, shown: str) -> None:
    monkeypatch.chdir(ROOT)
    assert shown == printed(command)


@pytest.mark.parametrize(("command", "shown"), BLOCK.findall(SHOWN.read_text(encoding="utf-8")))
def test_what_is_printed_is_what_was_printed_when_somebody_read_it(
    monkeypatch: pytest.MonkeyPatch, command: str, shown: str
) -> None:
    monkeypatch.chdir(ROOT)
    assert shown == printed(command, (0, 1))


if __name__ == "__main__":
    for file, codes in ((README, (0,)), (SHOWN, (0, 1))):
        text = file.read_text(encoding="utf-8")
        anew = BLOCK.sub(lambda found: f"```console\n$ {found[1]}\n{printed(found[1], codes)}```", text)  # noqa: B023
        file.write_text(anew, encoding="utf-8")
    sys.exit(0)
