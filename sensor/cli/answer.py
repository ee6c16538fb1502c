"""How a verb prints what it found: a line of JSON for programs, a table for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from sensor.cli.options import coloured, width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensor.cli.columns import Layout


def print_json(document: object) -> None:
    """Print a document on a line of its own."""
    click.echo(json.dumps(document, separators=(",", ":")))


def print_table(
    layout: Layout, rows: Sequence[Sequence[str]], *, no_trunc: bool, colour: str
) -> None:
    """Print rows below their header, as wide as the terminal; ``colour`` is that of the option."""
    painted = coloured(colour)
    for line in layout.table(rows, width(no_trunc=no_trunc), colour=painted):
        click.echo(line, color=painted)
