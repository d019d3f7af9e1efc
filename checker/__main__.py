"""`python -m checker` is the command `checker`. What takes time is imported where Ctrl-C is heard already."""

import gc
import sys

SELDOM = (50_000, 50, 100)
"""When to look for garbage: hardly anything here is a cycle, and looking took a tenth of the time."""


def main() -> None:
    """The entry point of the command."""
    gc.set_threshold(*SELDOM)
    try:
        from checker.cli import main as command
    except KeyboardInterrupt:
        sys.exit(130)
    try:
        command()
    finally:
        gc.freeze()  # nobody needs the garbage of a process that ends: looking for it takes a quarter of a short run


if __name__ == "__main__":
    main()
