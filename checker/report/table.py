"""Tables as lines of text: the one writer of all of them.

columns([["hz", "boot"], ["100", "20 ms"]])    ["hz   boot", "100  20 ms"]
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from itertools import zip_longest

import click
from msgspec import Struct


class Cell(Struct, frozen=True):
    """What stands in one place of a table; `style` is words of `styled`."""

    text: str
    style: str = ""


def columns(rows: Sequence[Sequence[Cell | str]], *, right: Collection[int] = (), colour: bool = False) -> list[str]:
    """The rows as lines, two blanks between the columns; those in `right` end flush. A cell may have several lines."""
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    parts = [[cell.text.split("\n") for cell in row] for row in cells]
    widths = [max(_wide(line) for lines in column for line in lines) for column in zip_longest(*parts, fillvalue=[""])]
    made = []
    for row, split in zip(cells, parts, strict=True):
        for line in zip_longest(*split, fillvalue=""):
            said = ""
            for i, (text, cell) in enumerate(zip(line, row, strict=True)):
                blanks = " " * (widths[i] - _wide(text))
                text = styled(text, cell.style) if colour and text else text
                said += ("  " if i else "") + (blanks + text if i in right else text + blanks)
            made.append(said.rstrip())
    return made


def styled(text: str, style: str) -> str:
    """`text` for a terminal: `style` is bold, dim and the name of a colour, as far as it has them."""
    words = style.split()
    fg = next((word for word in words if word not in ("bold", "dim")), None)
    return click.style(text, fg=fg, bold="bold" in words or None, dim="dim" in words or None) if words else text


def _wide(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum((unicodedata.east_asian_width(c) in "WF") + 1 for c in text if not unicodedata.combining(c))
