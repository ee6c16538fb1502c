"""What a bench has to say: one row a number, with its target, the verdict and the command."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.machine import Machine

HEADINGS = ("what", "measured", "target", "verdict", "command")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``met`` is None for what is only shown and has no target."""

    what: str
    measured: str
    target: str | None
    met: bool | None
    command: str
    values: dict[str, float] = field(default_factory=dict)
    """The numbers behind ``measured``, in the units that their keys name."""

    @property
    def verdict(self) -> str:
        """The word for ``met``."""
        if self.met is None:
            return "-"
        return "met" if self.met else "NOT MET"


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        (row.what, row.measured, row.target or "-", row.verdict, f"`{row.command}`") for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *lines, strict=True)]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        "| " + " | ".join(map(str.ljust, cells, widths)) + " |"
        for cells in (HEADINGS, rule, *lines)
    )


def write_json(path: Path, machine: Machine, rows: Sequence[Row]) -> None:
    """Write the machine and the rows for programs."""
    document = {"machine": asdict(machine), "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def missed(rows: Sequence[Row]) -> int:
    """Count the rows whose target was not met."""
    return sum(row.met is False for row in rows)
