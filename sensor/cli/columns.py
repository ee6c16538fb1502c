"""Columns for people: as wide as what stands in them, cut to the terminal where they must be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.outputs.text import columns, fit, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = "  "
LEAST = 8
"""Columns that a column keeps when the terminal is narrow."""
_SPANS = ((60, 1, "s"), (3600, 60, "min"), (172_800, 3600, "h"))


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None, *, colour: bool = False
) -> list[str]:
    """Return the lines of a table; ``width`` is None where nothing is cut."""
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(columns, cells)) for cells in zip(header, *shown, strict=True)]
    if width is not None:
        over = sum(widths) + len(GAP) * (len(widths) - 1) - width
        while over > 0 and max(widths) > LEAST:
            place = widths.index(max(widths))
            second = max(LEAST, *(one for n, one in enumerate(widths) if n != place), 0)
            cut = max(1, min(over, widths[place] - min(second, widths[place])))
            widths[place] -= cut
            over -= cut
    lines = [
        GAP.join(fit(cell, size) for cell, size in zip(row, widths, strict=True)).rstrip()
        for row in (header, *shown)
    ]
    if colour:
        lines[0] = f"\x1b[1m{lines[0]}\x1b[0m"
    return lines


def ago(then: int | None, now: int) -> str:
    """Return how long ago a moment was, both in ns."""
    if then is None:
        return "-"
    seconds = max(0, now - then) // 1_000_000_000
    for limit, size, unit in _SPANS:
        if seconds < limit:
            return f"{seconds // size} {unit} ago"
    return f"{seconds // 86_400} d ago"
