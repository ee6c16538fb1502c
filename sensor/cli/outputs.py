"""``castoff outputs``: where events go, how that is going, and shipping them again."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import click

from sensor.api.client import AgentClient
from sensor.api.status import DeliveryState
from sensor.cli.answer import print_done, print_json, print_table
from sensor.cli.columns import Layout
from sensor.cli.options import (
    colour_option,
    no_trunc_option,
    output_option,
    socket_option,
)
from sensor.cli.wording import counted, moment

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT = Layout(
    header=(
        "OUTPUT",
        "TYPE",
        "STATE",
        "LAG",
        "IN FLIGHT",
        "DELIVERED",
        "RETRIES",
        "DEAD",
        "PEER",
        "LAST ERROR",
    ),
    flexible=frozenset({"OUTPUT", "TYPE", "PEER", "LAST ERROR"}),
    expendable=("IN FLIGHT", "RETRIES", "TYPE"),
)


@click.group()
def command() -> None:
    """List the outputs of the running agent; ship events again."""


@command.command("list")
@output_option
@no_trunc_option
@colour_option
@socket_option
def list_(output: str, *, no_trunc: bool, colour: str, socket: Path) -> None:
    """List outputs with their lag and their last error."""
    documents = AgentClient(socket).document("/v1/outputs")["outputs"]
    if output == "json":
        for document in documents:
            print_json(document)
        return
    if not documents:
        click.echo("no outputs are configured; castoff.toml(5) shows how", err=True)
        return
    rows = [row(DeliveryState.from_document(document)) for document in documents]
    print_table(LAYOUT, rows, no_trunc=no_trunc, colour=colour)


@command.command()
@click.argument("name")
@click.option("--since", required=True, help="Begin at this time: 10m, 2h, RFC 3339, Unix seconds.")
@output_option
@socket_option
def rewind(name: str, since: str, output: str, socket: Path) -> None:
    """Ship the events since a time again. For root.

    The collector may get events a second time, with the same ids.
    """
    target = f"/v1/outputs/{quote(name, safe='')}/rewind?{urlencode({'since': since})}"
    answer = AgentClient(socket).post(target)
    print_done(answer, output, f"output {name} ships {counted(answer['events'], 'event')} again")


@command.command("retry-dead")
@click.argument("name")
@output_option
@socket_option
def retry_dead(name: str, output: str, socket: Path) -> None:
    """Ship dead letters again: events that the collector refused. For root."""
    answer = AgentClient(socket).post(f"/v1/outputs/{quote(name, safe='')}/retry-dead")
    print_done(
        answer, output, f"output {name} tries {counted(answer['events'], 'dead letter')} again"
    )


def state(one: DeliveryState) -> str:
    """Return what an output does, in few words."""
    if one.circuit == "open":
        held = f", {one.held} held" if one.held else ""
        return f"waits {one.resumes_in_seconds or 0:.0f} s{held}"
    if one.circuit == "half-open":
        return "tries"
    return "ships" if one.in_flight or one.lag_events else "idle"


def row(one: DeliveryState) -> tuple[str, ...]:
    """Return an output's cells under the table's header."""
    lag = f"{one.lag_events}"
    if one.lag_seconds >= 1 and one.lag_events:
        lag += f" / {one.lag_seconds:.0f} s"
    return (
        one.name,
        one.type if one.format == "native" else f"{one.type} ({one.format})",
        state(one),
        lag,
        str(one.in_flight),
        str(one.delivered),
        str(one.retries),
        str(one.dead_letters),
        one.peer or "-",
        "-" if one.last_error is None else f"{one.last_error}, {moment(one.last_error_time or '')}",
    )
