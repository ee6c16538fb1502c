"""``castoff coverage``: what each layer saw, and where they disagree."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from sensor.api.client import AgentClient
from sensor.api.coverage import CoverageReport
from sensor.api.since import parse
from sensor.cli.columns import wrapped
from sensor.cli.options import output_option, socket_option, width
from sensor.cli.wording import counted, moment
from sensor.schema.text import visible

if TYPE_CHECKING:
    from pathlib import Path

SHORT_ID = 12


def lines(report: CoverageReport) -> list[str]:
    """Return the report for people, one line each."""
    lines = [f"{counted(report.starts, 'start')} since {moment(report.covers_since)}"]
    if report.covers_since != report.since:
        since = moment(report.since)
        lines.append(f"  the agent began then: it has no record of the time since {since}")
    for layer, count in report.layers:
        of = report.listening if layer == "engine" else report.starts
        note = " whose engine was followed" if layer == "engine" else ""
        lines.append(f"  {layer:<8} {count} of {of}{note}")
    if not report.disagreements:
        lines.append("every source that should have reported a start did")
    for row in report.disagreements:
        name = visible(row.name or row.id[:SHORT_ID])
        saw, missing = ", ".join(row.saw), ", ".join(row.missing)
        lines.append(f"! {moment(row.time)}  {name}: seen by {saw}; not by {missing}: {row.reason}")
    return lines


@click.command()
@click.option(
    "--since",
    default="1h",
    show_default=True,
    help="Begin at this time: 10m, 2h, 7d, RFC 3339, Unix seconds.",
)
@socket_option
@output_option
def command(since: str, socket: Path, output: str) -> None:
    """Count the starts of a period by the sources that reported them."""
    try:
        parse(since, time.time_ns())
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from error
    document = AgentClient(socket).get(f"/v1/coverage?since={quote(since)}")
    if output == "json":
        click.echo(document, nl=False)
        return
    columns = width(no_trunc=False)
    for line in lines(CoverageReport.from_json(document)):
        for part in wrapped(line, columns, 2):
            click.echo(part)
