"""Columns for people: as wide as what stands in them, cut to the terminal where they must be.

Not by rich: it takes a table as a whole, while events come one by one, and importing it takes as
long as ``castoff status`` may take altogether (170 ms and more beside 70). Escaping and widths are
in :mod:`sensor.schema.text` in any case.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.schema.text import columns, fit, fit_middle, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = "  "
LEAST = 12
"""Columns that a column which may be cut keeps as long as others can go instead."""
_SPANS = ((60, 1, "s"), (3600, 60, "min"), (172_800, 3600, "h"))


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table, and what gives way on a narrow terminal.

    Columns of ``flexible`` are cut, the widest first, down to ``LEAST``; before they are cut
    further those of ``expendable`` go, the first of them first.
    """

    header: tuple[str, ...]
    flexible: frozenset[str]
    expendable: tuple[str, ...]
    by_end: frozenset[str] = frozenset()
    """Columns whose texts differ at their ends: these are cut in the middle."""

    def table(
        self, rows: Sequence[Sequence[str]], width: int | None, *, colour: bool = False
    ) -> list[str]:
        """Return the lines of a table; ``width`` is None where nothing is cut."""
        shown = [[visible(cell) for cell in row] for row in rows]
        natural = {
            name: max(map(columns, cells))
            for name, *cells in zip(self.header, self.header, *shown, strict=True)
        }
        widths = natural if width is None else self._fitting(natural, width)
        lines = [
            GAP.join(
                (fit_middle if name in self.by_end else fit)(cell, widths[name])
                for name, cell in zip(self.header, row, strict=True)
                if name in widths
            ).rstrip()
            for row in (self.header, *shown)
        ]
        if width is not None:
            lines = [fit(line, width).rstrip() for line in lines]
        if colour:
            lines[0] = f"\x1b[1m{lines[0]}\x1b[0m"
        return lines

    def _fitting(self, natural: dict[str, int], width: int) -> dict[str, int]:
        """Choose the columns that stay, and their widths."""
        widths = dict(natural)
        going = list(self.expendable)
        while going and _total(self._least(widths)) > width:
            widths.pop(going.pop(0))
        while (over := _total(widths) - width) > 0:
            cut = [name for name in widths if name in self.flexible and widths[name] > LEAST]
            if not cut:
                break
            cut.sort(key=widths.__getitem__)
            widest = cut.pop()
            second = max(LEAST, widths[cut[-1]] if cut else 0)
            widths[widest] -= max(1, min(over, widths[widest] - second))
        return widths

    def _least(self, widths: dict[str, int]) -> dict[str, int]:
        return {
            name: min(size, LEAST) if name in self.flexible else size
            for name, size in widths.items()
        }


def _total(widths: dict[str, int]) -> int:
    return sum(widths.values()) + len(GAP) * (len(widths) - 1)


WRAPPED_LEAST = 40
"""Columns that a wrapped text takes on any terminal."""


def wrapped(text: str, width: int | None, indent: int = 0) -> list[str]:
    """Return a text as lines, those after the first ``indent`` columns in.

    ``width`` is None where nothing is wrapped. A word that is too long keeps its line.
    """
    if width is None:
        return [text]
    return textwrap.wrap(
        text,
        max(WRAPPED_LEAST, width),
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
    ) or [""]


def ago(then: int | None, now: int) -> str:
    """Return how long ago a moment was, both in ns."""
    if then is None:
        return "-"
    seconds = max(0, now - then) // 1_000_000_000
    for limit, size, unit in _SPANS:
        if seconds < limit:
            return f"{seconds // size} {unit} ago"
    return f"{seconds // 86_400} d ago"
