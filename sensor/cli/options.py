"""Options that several verbs share, so that they look and mean the same everywhere."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from sensor.cli.table import colour_wanted

SOCKET = Path("/run/castoff/castoff.sock")

socket_option = click.option(
    "--socket",
    # Whether it can be used is for the agent to say: click's own check would call it wrong usage.
    type=click.Path(path_type=Path, readable=False),
    default=SOCKET,
    show_default=True,
    envvar="CASTOFF_SOCKET",
    help="Use the agent at this socket.",
)
output_option = click.option(
    "-o",
    "output",
    type=click.Choice(["table", "json"]),
    default="table",
    help="Print a table, or one JSON object a line.",
)
colour_option = click.option(
    "--color",
    "colour",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Colour the output. auto: on a terminal, unless NO_COLOR is set.",
)
no_trunc_option = click.option(
    "--no-trunc", is_flag=True, help="Do not truncate lines to the terminal."
)


def coloured(colour: str) -> bool:
    """Return whether to write colours."""
    if colour == "auto":
        return colour_wanted(os.environ, terminal=sys.stdout.isatty())
    return colour == "always"


def width(*, no_trunc: bool) -> int | None:
    """Return the terminal's columns, None where nothing is to be cut."""
    if no_trunc or not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns
