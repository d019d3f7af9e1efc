"""Decides litmus tests of kernel synchronisation under weak memory models.

The Python API is these few words; everything heavy is imported when one of them is first used.

    >>> from checker import Options, check, load_model, load_test
    >>> check(load_test("MP.litmus"), load_model("lkmm"), Options(states=True)).observation    # doctest: +SKIP
    'Never'
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checker.check import Options, check
    from checker.core.source import CheckerError
    from checker.library import load_model, load_test
    from checker.result import Result

__version__ = "0.1.0"

__all__ = ["CheckerError", "Options", "Result", "__version__", "check", "load_model", "load_test"]

_HOME = {
    "CheckerError": "checker.core.source",
    "Options": "checker.check",
    "Result": "checker.result",
    "check": "checker.check",
    "load_model": "checker.library",
    "load_test": "checker.library",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'checker' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


class _Package(ModuleType):
    """This package, where `check` is the function: importing the module of that name does not hide it."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name == "check" and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted(__all__)
