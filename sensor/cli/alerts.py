"""``castoff alerts``: what was found, and what people say about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from sensor.api.client import AgentClient
from sensor.cli.answer import (
    Style,
    clock_time,
    print_done,
    print_fields,
    print_json,
    print_list,
)
from sensor.cli.columns import Layout, ago, wrapped
from sensor.cli.events import EventListing
from sensor.cli.length import Length
from sensor.cli.options import (
    colour_option,
    no_trunc_option,
    output_option,
    socket_option,
    width,
)
from sensor.cli.reading import nanoseconds
from sensor.errors import CastoffError
from sensor.schema.text import visible

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LAYOUT = Layout(
    header=("ALERT", "SEVERITY", "STATE", "LAST", "COUNT", "FINDING", "WORKLOAD", "WHAT"),
    flexible=frozenset({"FINDING", "WORKLOAD", "WHAT"}),
    expendable=("WHAT", "COUNT"),
)
SHOWN = 12
"""Characters of an alert's id in a table."""
FACT_INDENT = 4
"""Columns by which the lines of a fact after its first are further in."""
TIMES = frozenset({"first", "last", "until"})
SUPPRESS_DAYS = 90
"""Longest suppression."""
OPEN = frozenset({"new", "update"})
STATES = {"update": "seen again"}
"""What a table calls a state where its word in JSON says little."""


@click.group()
def command() -> None:
    """List alerts; acknowledge, suppress, follow them."""


@command.command("list")
@click.option("--all", "every", is_flag=True, help="Show resolved and settled alerts, too.")
@click.option(
    "--class",
    "class_",
    type=click.Choice(["security", "operational"]),
    help="Show only this class.",
)
@output_option
@no_trunc_option
@colour_option
@socket_option
def list_(
    output: str,
    *,
    every: bool,
    class_: str | None,
    no_trunc: bool,
    colour: str,
    socket: Path,
) -> None:
    """List alerts, the latest first."""
    found = [
        one
        for one in _alerts(socket)
        if (every or one["state"] in OPEN) and class_ in (None, one["class"])
    ]
    print_list(found, LAYOUT, _row, Style(output, no_trunc, colour))


@command.command()
@output_option
@socket_option
def follow(output: str, socket: Path) -> None:
    """Print alerts as they are raised and change."""
    listing = EventListing(AgentClient(socket), [("type", "alert")], None, follow=True)
    for line, event in listing.events():
        alert = event.get("alert")
        if output == "json":
            click.echo(line.decode("ascii", "replace").rstrip("\n"))
        elif isinstance(alert, dict):
            row = "  ".join(_row(alert))
            click.echo(visible(f"{event.get('time')}  {row}"))


@command.command()
@click.argument("id_", metavar="ID")
@output_option
@socket_option
def show(id_: str, output: str, socket: Path) -> None:
    """Show one alert. ID may be the beginning of an id."""
    found = [one for one in _alerts(socket) if one["id"].startswith(id_)]
    if len(found) != 1:
        problem = f"{len(found)} alerts begin with {id_!r}" if found else f"no alert {id_!r}"
        raise CastoffError(problem, "See castoff alerts list --all.")
    one = found[0]
    if output == "json":
        print_json(one)
        return
    fields = {key: value for key, value in one.items() if key not in {"facts", "title"}}
    fields["state"] = STATES.get(one["state"], one["state"])
    print_fields(fields, TIMES)
    click.echo(visible(f"{one['title']}:"))
    room = width(no_trunc=False)
    for fact in one["facts"]:
        where = f" ({fact['strength']}, compared with the {fact['level']})" if fact["level"] else ""
        sentence = f"{fact['feature']}: expected {fact['expected']}, seen {fact['seen']}"
        for line in wrapped(visible(f"  {sentence}{where}"), room, FACT_INDENT):
            click.echo(line)
    click.echo(f"what to do: docs/findings/{one['finding']}.md")
    if one["state"] in OPEN:
        short = one["id"][:SHOWN]
        click.echo(f'if it is normal here: castoff alerts ack {short} --expected --reason "…"')


@command.command()
@click.argument("id_", metavar="ID")
@click.option("--reason", required=True, help="Give the reason, for later readers.")
@click.option("--expected", is_flag=True, help="Learn the alert's value as normal for this node.")
@output_option
@socket_option
def ack(id_: str, *, reason: str, expected: bool, output: str, socket: Path) -> None:
    """Acknowledge alert ID. For root. An event records the login."""
    body = {"reason": reason, "expected": expected}
    answer = AgentClient(socket).post(f"/v1/alerts/{quote(id_, safe='')}/ack", body)
    what = "is acknowledged" + (" and learnt" if expected else "")
    print_done(answer, output, f"{_named(answer)} {what}")


@command.command()
@click.argument("id_", metavar="ID")
@click.option(
    "--for",
    "seconds",
    type=Length(SUPPRESS_DAYS),
    required=True,
    help="Suppress for this long: 12h, 30d, at most 90d.",
)
@click.option("--reason", required=True, help="Give the reason, for later readers.")
@output_option
@socket_option
def suppress(id_: str, *, seconds: int, reason: str, output: str, socket: Path) -> None:
    """Suppress the group of alert ID for a time. For root. Recurrences are still counted."""
    body = {"reason": reason, "for_seconds": seconds}
    answer = AgentClient(socket).post(f"/v1/alerts/{quote(id_, safe='')}/suppress", body)
    print_done(
        answer, output, f"{_named(answer)} is silent until {clock_time(answer.get('until'))}"
    )


def _named(answer: dict[str, Any]) -> str:
    return f"alert {str(answer.get('id'))[:SHOWN]}"


def _alerts(socket: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = AgentClient(socket).document("/v1/alerts")["alerts"]
    return found


def _row(alert: Mapping[str, Any]) -> tuple[str, ...]:
    facts = alert.get("facts") or [{}]
    return (
        str(alert["id"])[:SHOWN],
        str(alert["severity"]),
        STATES.get(alert["state"], str(alert["state"])),
        ago(nanoseconds(str(alert["last"])), time.time_ns()),
        str(alert["count"]),
        str(alert["finding"]),
        str(alert.get("workload") or "-"),
        f"{facts[0].get('feature')}: {facts[0].get('seen')}",
    )
