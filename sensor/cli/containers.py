"""``castoff containers``: what runs on this node."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from sensor.api.client import AgentClient
from sensor.api.view import ContainerView
from sensor.cli.columns import Layout, ago
from sensor.cli.completion import ContainerName
from sensor.cli.options import (
    colour_option,
    coloured,
    no_trunc_option,
    output_option,
    socket_option,
    width,
)
from sensor.cli.reading import nanoseconds

if TYPE_CHECKING:
    from pathlib import Path

SHORT_ID = 12
LAYOUT = Layout(
    header=("CONTAINER", "NAME", "IMAGE", "RUNTIME", "STATE", "PID", "STARTED", "STARTS", "POD"),
    flexible=frozenset({"NAME", "IMAGE", "POD"}),
    expendable=("STARTS", "PID", "RUNTIME", "POD"),
)


@click.command()
@click.argument("container", type=ContainerName(), required=False)
@click.option("-a", "--all", "everything", is_flag=True, help="Those that do not run, too.")
@output_option
@no_trunc_option
@colour_option
@socket_option
def command(
    container: str | None,
    *,
    everything: bool,
    output: str,
    no_trunc: bool,
    colour: str,
    socket: Path,
) -> None:
    """List containers that run, or show CONTAINER: an id, a name, or the beginning of one."""
    client = AgentClient(socket)
    if container is not None:
        documents = [client.document(f"/v1/containers/{quote(container, safe='')}")]
    else:
        documents = client.document(f"/v1/containers?all={int(everything)}")["containers"]
    if output == "json":
        for document in documents:
            click.echo(json.dumps(document, separators=(",", ":")))
        return
    found = [ContainerView.from_document(document) for document in documents]
    rows = [_row(one, time.time_ns(), no_trunc=no_trunc) for one in found]
    painted = coloured(colour)
    for line in LAYOUT.table(rows, width(no_trunc=no_trunc), colour=painted):
        click.echo(line, color=painted)


def _row(one: ContainerView, now: int, *, no_trunc: bool) -> tuple[str, ...]:
    pod = "/".join(part for part in (one.namespace, one.pod) if part)
    return (
        one.id if no_trunc else one.id[:SHORT_ID],
        one.name or "-",
        one.image or "-",
        one.runtime or "-",
        one.state if one.exit_code is None or one.alive else f"{one.state} ({one.exit_code})",
        "-" if one.pid is None or not one.alive else str(one.pid),
        ago(nanoseconds(one.started), now),
        str(one.starts),
        pod or "-",
    )
