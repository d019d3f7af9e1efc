"""What processes pay, as tables: variants of a scenario side by side."""

from __future__ import annotations

from collections.abc import Sequence

from checker.cost import CATEGORIES, Price
from checker.report.table import columns


def compare(prices: Sequence[Price], *, plain: bool = False) -> str:
    """A table a model: a line for each process and item, a column for each test, `·` for none. `plain` adds loads and stores."""
    return "\n\n".join(
        [_table(name, [p for p in prices if p.model == name], plain) for name in dict.fromkeys([p.model for p in prices])]
    )


def _table(model: str, prices: Sequence[Price], plain: bool) -> str:
    files = {p.file: p.test for p in prices}
    cells = {(p.tid, item, p.file): count for p in prices for item, count in p.counts if plain or item.category != "plain"}
    keys = sorted({(tid, item) for tid, item, _ in cells}, key=lambda k: (k[0], CATEGORIES.index(k[1].category), k[1].name))
    rows = [[model, "", *files.values()]]
    for tid, item in keys:
        counts = [cells.get((tid, item, file)) for file in files]
        rows.append([f"P{tid} {item.category}", item.name, *[str(c) if c else "·" for c in counts]])
    return "\n".join([*columns(rows), *["nothing but loads and stores"] * (not keys)])
