"""`python -m checker` is the command `checker`. What takes time is imported where Ctrl-C is heard already."""

import gc
import importlib
import sys

SELDOM = (50_000, 50, 100)
"""When to look for garbage: hardly anything here is a cycle, and looking took a tenth of the time."""


def main() -> None:
    """The entry point of the command."""
    _run("checker.cli")


def herd7() -> None:
    """The entry point of `checker-herd7`."""
    _run("checker.cli_herd7")


def _run(module: str) -> None:
    gc.set_threshold(*SELDOM)
    try:
        command = importlib.import_module(module).main
    except KeyboardInterrupt:
        sys.exit(130)
    try:
        command()
    finally:
        gc.freeze()  # nobody needs the garbage of a process that ends: looking for it takes a quarter of a short run


if __name__ == "__main__":
    main()
