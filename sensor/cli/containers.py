"""``castoff containers``: what runs on this node."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import click

from sensor.api.client import AgentClient
from sensor.api.view import ContainerView
from sensor.cli.answer import print_json, print_table
from sensor.cli.columns import Layout, ago
from sensor.cli.completion import ContainerName
from sensor.cli.options import (
    colour_option,
    no_trunc_option,
    output_option,
    socket_option,
)
from sensor.cli.reading import nanoseconds
from sensor.cli.table import own_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SHORT_ID = 12
LAYOUT = Layout(
    header=("CONTAINER", "NAME", "IMAGE", "RUNTIME", "STATE", "PID", "STARTED", "STARTS", "POD"),
    flexible=frozenset({"NAME", "IMAGE", "POD"}),
    expendable=("STARTS", "PID", "RUNTIME", "POD"),
    by_end=frozenset({"IMAGE", "POD"}),
)
PODS = Layout(
    header=("POD", "WORKLOAD", "CONTAINER", "NAME", "IMAGE", "STATE", "STARTED", "ATTEMPT"),
    flexible=frozenset({"POD", "WORKLOAD", "IMAGE", "NAME"}),
    expendable=("IMAGE", "CONTAINER", "WORKLOAD"),
    by_end=frozenset({"IMAGE", "POD"}),
)


@click.command()
@click.argument("container", type=ContainerName(), required=False)
@click.option(
    "-a", "--all", "everything", is_flag=True, help="Show stopped containers and sandboxes, too."
)
@click.option("--pods", "by_pod", is_flag=True, help="Group by pod, workload by workload.")
@output_option
@no_trunc_option
@colour_option
@socket_option
def command(
    container: str | None,
    *,
    everything: bool,
    by_pod: bool,
    output: str,
    no_trunc: bool,
    colour: str,
    socket: Path,
) -> None:
    """List containers that run, or those of CONTAINER: an id, a name, a pod, or a workload.

    A pod is POD or NAMESPACE/POD, a workload NAME or KIND/NAME; the beginning of an id or of a name
    is enough. The sandboxes of pods are left out unless --all is given.
    """
    client = AgentClient(socket)
    query = {"of": container} if container is not None else {"all": int(everything)}
    documents = client.document(f"/v1/containers?{urlencode(query)}")["containers"]
    if not everything and container is None:
        documents = [one for one in documents if not one.get("sandbox")]
    if output == "json":
        for document in documents:
            print_json(document)
        return
    found = [ContainerView.from_document(document) for document in documents]
    now = time.time_ns()
    if by_pod:
        layout, rows = PODS, pod_rows(found, now, no_trunc=no_trunc)
    else:
        layout, rows = LAYOUT, [_row(one, now, no_trunc=no_trunc) for one in found]
    print_table(layout, rows, no_trunc=no_trunc, colour=colour)


def pod_rows(
    containers: Sequence[ContainerView], now: int, *, no_trunc: bool = False
) -> list[tuple[str, ...]]:
    """Return the rows of containers in pods, workload by workload, each pod named once."""
    inside = [one for one in containers if one.pod is not None or one.pod_uid is not None]
    inside.sort(key=lambda one: (one.namespace or "", one.owner or "", _pod(one), one.name or ""))
    rows: list[tuple[str, ...]] = []
    shown: tuple[str, str | None] | None = None
    for one in inside:
        pod = (_pod(one), one.pod_uid)
        again = pod == shown
        shown = pod
        rows.append(
            (
                "" if again else pod[0],
                "" if again else one.owner or "-",
                one.id if no_trunc else one.id[:SHORT_ID],
                _within(one),
                one.image or "-",
                _state(one),
                ago(nanoseconds(one.started), now),
                "-" if one.attempt is None else str(one.attempt),
            )
        )
    return rows


def _row(one: ContainerView, now: int, *, no_trunc: bool) -> tuple[str, ...]:
    return (
        one.id if no_trunc else one.id[:SHORT_ID],
        own_name(one.name, one.id),
        one.image or "-",
        one.runtime or "-",
        _state(one),
        "-" if one.pid is None or not one.alive else str(one.pid),
        ago(nanoseconds(one.started), now),
        str(one.starts),
        _pod(one) if one.pod else "-",
    )


def _within(one: ContainerView) -> str:
    """Return a container's name in its pod, and what it is there where that is known."""
    if one.sandbox:
        return "(sandbox)"
    name = one.pod_container or one.name or "-"
    if one.container_type is None:
        return name
    return f"{name} ({'~' if one.type_inferred else ''}{one.container_type})"


def _pod(one: ContainerView) -> str:
    return "/".join(part for part in (one.namespace, one.pod) if part) or one.pod_uid or "-"


def _state(one: ContainerView) -> str:
    return one.state if one.exit_code is None or one.alive else f"{one.state} ({one.exit_code})"
