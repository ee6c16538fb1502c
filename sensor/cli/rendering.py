"""How events are printed: JSON lines for programs, a table for people."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable

from sensor.cli.event_table import EventTable
from sensor.cli.table import colour_wanted
from sensor.model.events import Event
from sensor.schema.line import LineEncoder

Renderer = Callable[[Event], bytes]


def terminal_width() -> int | None:
    """Return the columns of the terminal; None where standard output is something else."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def renderer(output: str) -> tuple[Renderer, bytes]:
    """Choose the function from an event to its line, and what goes before the first."""
    if output != "table":
        return LineEncoder().encode, b""
    terminal = sys.stdout.isatty()
    table = EventTable(terminal_width(), colour=colour_wanted(os.environ, terminal=terminal))

    def render(event: Event) -> bytes:
        return "".join(f"{line}\n" for line in table.lines_of(event)).encode()

    return render, f"{table.header()}\n".encode()
