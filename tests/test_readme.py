"""What the README shows is what the tool prints. `python -m tests.test_readme` writes it anew."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from checker.cli import cli

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"^```console\n\$ (checker [^\n]*)\n(.*?)^```$", re.M | re.S)


def printed(command: str) -> str:
    """What the command prints, without what differs from run to run."""
    result = CliRunner().invoke(cli, [*shlex.split(command)[1:], *(["--jobs", "1"] if " run " in command else [])])
    assert result.exit_code == 0, result.output
    text = "\n".join([line.rstrip() for line in result.stdout.rstrip().split("\n")]) + "\n"
    return re.sub(r'"seconds":[0-9.e-]+', '"seconds":0.0121', text)


@pytest.mark.parametrize(("command", "shown"), BLOCK.findall(README.read_text(encoding="utf-8")))
def test_the_readme_shows_what_is_printed(monkeypatch: pytest.MonkeyPatch, command: str, shown: str) -> None:
    monkeypatch.chdir(ROOT)
    assert shown == printed(command)


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    README.write_text(BLOCK.sub(lambda found: f"```console\n$ {found[1]}\n{printed(found[1])}```", text), encoding="utf-8")
    sys.exit(0)
