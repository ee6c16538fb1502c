"""``castoff export``: the events of a period, for an investigation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sensor.cli.log_place import (
    config_option,
    log_file,
    log_option,
    policy_digest,
    since_option,
    until_option,
)
from sensor.cli.period import period
from sensor.errors import StateUnusable
from sensor.evidence.export import ExportRequest, export
from sensor.schema.text import visible

if TYPE_CHECKING:
    from sensor.evidence.manifest import Manifest


@click.command()
@since_option("Begin at this time")
@until_option("End at this time; the log's end by default")
@click.option(
    "-o",
    "--output",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Write to this new directory.",
)
@click.option("--zstd", "packed", is_flag=True, help="Pack the events; needs python3-zstandard.")
@log_option
@config_option
def command(
    since: str | None,
    until: str | None,
    directory: Path,
    log: Path | None,
    config: Path | None,
    *,
    packed: bool,
) -> None:
    """Write the events of a period and a manifest that proves them.

    The events are one stretch of the log, one JSON document a line. The manifest has their count,
    their numbers, the chain's digests before and at the end, the file's SHA-256 and the policy's.
    castoff verify --against DIR checks them anywhere. Exit code 1 when the chain is not whole.
    """
    path = log_file(log, config, needed=True)
    if path is None:
        raise StateUnusable("there is no log", "Name it with --log.")
    request = ExportRequest(
        path,
        directory,
        *period(since, until),
        packed,
        policy_digest(config),
    )
    made, findings = export(request)
    click.echo(visible(_said(directory, made)))
    for finding in findings.listed:
        place = f"number {finding.first}: " if finding.first is not None else ""
        click.echo(visible(f"{finding.where}: {place}{finding.what}"), err=True)
    sys.exit(1 if findings.unexplained else 0)


def _said(directory: Path, made: Manifest) -> str:
    numbers = "" if made.first is None else f", numbers {made.first} to {made.last}"
    head = "" if made.digest is None else f", digest {made.digest}"
    return f"{directory}: {made.events} events of log {made.log_id}{numbers}{head}"
