"""What nobody uses: functions, classes, fields and names of the package that neither it nor a test speaks of.

    python -m tools.dead

Rules of a grammar call methods by their name, and so do the meanings of instructions, tree-sitter's nodes, pytest and Click:
those are in use. Exit code 1 where something is not.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

from vulture.core import Vulture  # type: ignore[import-untyped]

from checker.parse.code import ROOMS

ROOT = Path(__file__).resolve().parents[1]
BY_NAME = ["test_*", "pytest*", "shell_complete", "visit_*", "_*_statement", "_*_expression", "_*_declarator", "__*__", "trace"]
BY_NAME += ["MACHINES", "PRICES", "WRITER", "assembly", "get_metavar"]  # of the folders of isa/, which are imported by their names
BY_DECORATOR = ["@pytest.fixture*", "@cli.command*"]
TOLD = ["contract", "implementation", "OPERATORS", "more_states", "from_", "certified", "observations", "model_config"]
"""Tables for people, and fields of answers to programs (checker/serve.py)."""


def main() -> int:
    grammars = "\n".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "grammar").glob("*.lark")))
    rules = re.findall(r"->\s*(\w+)|^[?!]?(\w+)(?:\.\d+)?:", grammars, re.MULTILINE)
    machines = [machine for room in set(ROOMS.values()) for machine in import_module(f"checker.isa.{room}").MACHINES]
    meant = re.findall(r"(\w+)\(", " ".join([row.meaning for machine in machines for row in machine.rows.values()]))
    found = Vulture(
        ignore_names=[*BY_NAME, *TOLD, *[name for pair in rules for name in pair if name], *meant], ignore_decorators=BY_DECORATOR
    )
    found.scavenge([ROOT / name for name in ("checker", "tools", "tests")])
    unused = [item for item in found.get_unused_code(min_confidence=60) if "checker" in item.filename.parts]
    for item in unused:
        print(f"{item.filename.relative_to(ROOT)}:{item.first_lineno}: nobody uses {item.name}")
    return 1 if unused else 0


if __name__ == "__main__":
    sys.exit(main())
