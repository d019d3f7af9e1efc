"""`python -m checker` is the command `checker`. What takes time is imported where Ctrl-C is heard already."""

import sys


def main() -> None:
    """The entry point of the command."""
    try:
        from checker.cli import main as command
    except KeyboardInterrupt:
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
