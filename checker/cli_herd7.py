"""The command `checker-herd7`: what stands in PATH as herd7.

Its options are herd7's, which no library for command lines knows (-conf, not --conf); reading them is in herd7/options.py.
"""

from __future__ import annotations

import os
import sys

from checker import __version__
from checker.herd7.options import ROWS, BadOption, Said, asked
from checker.herd7.run import Stop, find, run
from checker.parse.macros import LIBRARY

AS_ASKED, NOT_RUN, INTERRUPTED = 0, 2, 130
ABOUT = """Usage: {0} [options] [test]*

Takes the options of herd7 7.58 and prints what herd7 prints: {0} -conf linux-kernel.cfg MP.litmus, in tools/memory-model.
Without tests, standard input lists them. The options: {1}.
"""


def main() -> None:
    """Run, and exit as herd7 does."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    program = os.path.basename(sys.argv[0])
    usage = ABOUT.format(program, " ".join(ROWS))
    about = {
        "-version": f"7.58, Rev: litmus-checker {__version__}\n",
        "-libdir": f"{LIBRARY}\n",
        "-help": usage,
        "--help": usage,
    }
    try:
        code = run(asked(sys.argv[1:], find, about), sys.stdout, sys.stderr)
        sys.stdout.flush()
    except Said as said:
        sys.stdout.write(str(said))
        code = AS_ASKED
    except (BadOption, Stop) as error:
        sys.stderr.write(f"{program}: {error}\n")
        code = NOT_RUN
    except OSError as error:
        sys.stderr.write(f"{program}: {error.strerror or error}{f': {error.filename}' if error.filename else ''}\n")
        code = NOT_RUN
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read it has gone
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)
