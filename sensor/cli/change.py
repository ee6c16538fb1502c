"""``castoff change``: record approved changes, and see what became of them."""

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
from sensor.cli.columns import Layout, ago
from sensor.cli.length import Length
from sensor.cli.options import (
    colour_option,
    no_trunc_option,
    output_option,
    socket_option,
)
from sensor.cli.reading import nanoseconds
from sensor.errors import CastoffError
from sensor.schema.text import visible

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LAYOUT = Layout(
    header=("CHANGE", "STATE", "ENDS", "STARTS", "APPROVED BY", "ADDED BY", "SELECTS", "REASON"),
    flexible=frozenset({"CHANGE", "APPROVED BY", "ADDED BY", "SELECTS", "REASON"}),
    expendable=("REASON", "ADDED BY"),
)


DAYS = 7
"""Longest change."""
TIMES = frozenset({"not_before", "not_after", "added", "first", "last", "ended"})
_NO_SELECTOR = frozenset(
    {"id", "by", "for_seconds", "not_before", "not_after", "allows", "max_starts", "reason", "url"}
)
"""Keys of a change that have options of their own."""
_ROUND = 1_000_000_000 * 59
"""ns by which what is to come is rounded up: two hours from now are not one."""


@click.group()
def command() -> None:
    """Record approved changes: what may start, until when, by whose approval."""


@command.command()
@click.argument("id_", metavar="ID")
@click.option(
    "--selector",
    "selectors",
    multiple=True,
    metavar="KEY=PATTERN",
    help="Allow these to start: image, name, workload, namespace, login, … Of a repeated key one"
    " pattern must match, of different keys each. Without any, everything may start.",
)
@click.option(
    "--for",
    "seconds",
    type=Length(DAYS),
    required=True,
    help="End after this long: 30m, 2h, at most 7d.",
)
@click.option("--by", "by", required=True, metavar="NAME", help="Name who approved it.")
@click.option("--from", "begin", help="Begin at this time, RFC 3339. [default: now]")
@click.option(
    "--allow",
    "allows",
    multiple=True,
    metavar="PRIVILEGE",
    help="Allow this privilege: cap:NET_ADMIN, …",
)
@click.option(
    "--max-starts", type=click.IntRange(1), help="Let it explain this many starts at most."
)
@click.option("--reason", help="Say what is changed, and why.")
@click.option("--url", help="Name the record of the change: a URL or a ticket.")
@output_option
@socket_option
def add(
    id_: str,
    *,
    selectors: tuple[str, ...],
    seconds: int,
    by: str,
    begin: str | None,
    allows: tuple[str, ...],
    max_starts: int | None,
    reason: str | None,
    url: str | None,
    output: str,
    socket: Path,
) -> None:
    """Record change ID. For root. The record has the login that adds it."""
    body: dict[str, Any] = {"id": id_, "by": by, "for_seconds": seconds}
    optional = {
        "not_before": begin,
        "allows": list(allows) or None,
        "max_starts": max_starts,
        "reason": reason,
        "url": url,
    }
    body |= {key: value for key, value in optional.items() if value is not None}
    for selector in selectors:
        key, equals, value = selector.partition("=")
        if not equals or not value or key in _NO_SELECTOR:
            message = f"{selector[:64]!r} is not KEY=PATTERN"
            raise click.BadParameter(message, param_hint="--selector")
        body.setdefault(key, []).append(value)
    change = AgentClient(socket).post("/v1/changes", body)
    sentence = f"change {change['id']} is {change['state']} until {clock_time(change['not_after'])}"
    if change.get("late_alerts"):
        alerts, starts = change["late_alerts"], change["late_starts"]
        sentence += f"; it acknowledged {_count(alerts, 'open alert')}"
        sentence += f" of {_count(starts, 'earlier start')}"
    print_done(change, output, sentence)
    if change.get("wide") and output != "json":
        click.echo(visible(f"warning: it is wide: {change['wide']}"), err=True)


@command.command("list")
@output_option
@no_trunc_option
@colour_option
@socket_option
def list_(output: str, *, no_trunc: bool, colour: str, socket: Path) -> None:
    """List changes and their use."""
    changes = AgentClient(socket).document("/v1/changes")["changes"]
    print_list(changes, LAYOUT, _row, Style(output, no_trunc, colour))


@command.command()
@click.argument("id_", metavar="ID")
@output_option
@socket_option
def show(id_: str, output: str, socket: Path) -> None:
    """Show one change."""
    changes = AgentClient(socket).document("/v1/changes")["changes"]
    found = next((change for change in changes if change["id"] == id_), None)
    if found is None:
        raise CastoffError(f"no change {id_!r}", "See castoff change list.")
    if output == "json":
        print_json(found)
        return
    # One without a selector selects everything, which is worth a line.
    print_fields(found | {"selector": _selector(found["selector"])}, TIMES)


@command.command()
@click.argument("id_", metavar="ID")
@output_option
@socket_option
def end(id_: str, output: str, socket: Path) -> None:
    """End change ID now. For root."""
    answer = AgentClient(socket).post(f"/v1/changes/{quote(id_, safe='')}/end")
    print_done(answer, output, f"change {answer['id']} has ended")


def _row(change: Mapping[str, Any]) -> tuple[str, ...]:
    most = change.get("max_starts")
    used = str(change["starts"]) if most is None else f"{change['starts']} of {most}"
    return (
        change["id"],
        change["state"],
        _when(change["not_after"]),
        used,
        change["by"],
        change.get("added_by") or change.get("origin") or "-",
        _selector(change["selector"]),
        change.get("reason") or "-",
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _when(text: str) -> str:
    moment, now = nanoseconds(text), time.time_ns()
    if moment is None or moment <= now:
        return ago(moment, now)
    return f"in {ago(now, moment + _ROUND).removesuffix(' ago')}"


def _selector(selector: dict[str, list[str]]) -> str:
    return " ".join(f"{key}={','.join(values)}" for key, values in selector.items()) or "everything"
