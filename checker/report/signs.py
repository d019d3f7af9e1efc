"""Signs as a stream can show them: where it has no Unicode, words.

spelled("Never ✓")                   "Never ok"
speaks_unicode(sys.stdout)           False under LANG=C, or PYTHONIOENCODING=ascii
"""

from __future__ import annotations

import os
import shutil
from typing import TextIO

WORDS = {"✓": "ok", "✗": "NOT OK", "·": "-", "–": "-", "…": "...", "µ": "u", "→": "->", "\N{REPLACEMENT CHARACTER}": "?"}
_TABLE = str.maketrans(WORDS)
_COERCED = ("C.UTF-8", "C.utf8", "UTF-8")


def spelled(text: str) -> str:
    """`text` with words for its signs."""
    return text.translate(_TABLE)


def for_stream(text: str, stream: TextIO) -> str:
    """`text` as it is shown to people on a stream."""
    return text if speaks_unicode(stream) else spelled(text)


def width_of(stream: TextIO) -> int | None:
    """How wide the terminal is; None where the stream is none."""
    return shutil.get_terminal_size((80, 24)).columns if stream.isatty() else None


def coloured(stream: TextIO) -> bool:
    """Whether the stream is a terminal that shows colours, and nobody asked for none (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def speaks_unicode(stream: TextIO) -> bool:
    """Whether signs can be shown on a stream: it can encode them, and nobody asked for the C locale."""
    try:
        "".join(WORDS).encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return not _plain_locale()


def _plain_locale() -> bool:
    """Whether the environment asks for C or POSIX. Python puts UTF-8 into LC_CTYPE where it finds that (PEP 538)."""
    if os.environ.get("PYTHONIOENCODING") or os.environ.get("PYTHONUTF8") == "1":
        return False
    asked = os.environ.get("LC_ALL") or ""
    kind, lang = os.environ.get("LC_CTYPE") or "", os.environ.get("LANG") or ""
    if not asked:
        asked = lang if kind in _COERCED and lang in ("C", "POSIX") else kind or lang
    return asked in ("C", "POSIX")
