"""``castoff salvage FILE``: the events of a damaged log."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sensor.agent.salvage import salvage_file


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def command(file: Path) -> None:
    """Print every event that can be read of a damaged log, one JSON line each, oldest first.

    FILE is a castoff.damaged-* of the state directory. The agent has already copied what it could
    into the new log; this command reads all of the file, however long it takes. Exit code 1 when
    events may be missing.
    """
    out = sys.stdout.buffer

    def emit(line: bytes) -> None:
        out.write(line.rstrip(b"\n") + b"\n")

    report = salvage_file(file, emit)
    out.flush()
    text = f"{report.events} events read"
    if not report.is_whole:
        text += f", {report.damaged} rows damaged; more may be missing"
    click.echo(text, err=True)
    sys.exit(0 if report.is_whole else 1)
