"""Small kernel trees for tests: files by path, written into a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from checker.kernel.code import Code
from checker.kernel.trees import FolderTree
from checker.reach.types import Types


def tree(folder: Path, files: Mapping[str, str]) -> Types:
    """A tree with these files, and what their names mean."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return Types(Code(FolderTree(folder)))
