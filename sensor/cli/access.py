"""``castoff access``: who can start containers on this node, beside who did."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from sensor.access.survey import survey
from sensor.cli.columns import wrapped
from sensor.cli.log_place import config_option, log_file, log_option
from sensor.cli.options import output_option, width
from sensor.report.moments import moment
from sensor.schema.text import visible
from sensor.schema.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sensor.model.access import Access, Way


INDENT = 4
"""Columns by which a line goes on further in than it begins."""


@click.command()
@log_option
@config_option
@output_option
def command(log: Path | None, config: Path | None, output: str) -> None:
    """List who can start containers on this node: groups, sockets, listeners, sudo, jobs, kubelet.

    Each line has its evidence and its last use from the log. A way that was not used for 30 days
    is marked, if the log is long enough. Reads files of the node and connects to nothing. Lists
    at the end what it cannot read. Run as root.
    """
    access = survey(log_file(log, config, needed=False), time.time_ns())
    if output == "json":
        for line in _json(access):
            click.echo(line)
        return
    room = width(no_trunc=False)
    for text in _lines(access):
        indent = len(text) - len(text.lstrip()) + INDENT
        for line in wrapped(visible(text), room, indent):
            click.echo(line)


def _json(access: Access) -> Iterator[str]:
    for way in access.ways:
        yield json.dumps(
            {
                **asdict(way),
                "last_use": rfc3339(way.last_use),
                "used_by_log": way.used_by_log,
                "unused": way.is_unused(access.now, access.covers),
            }
        )
    for text in access.unread:
        yield json.dumps({"unread": text})


def _lines(access: Access) -> Iterator[str]:
    kinds: dict[str, list[Way]] = {}
    for way in access.ways:
        kinds.setdefault(way.kind.value, []).append(way)
    for kind, ways in kinds.items():
        yield f"{kind}:"
        for way in ways:
            yield f"    {way.who}: {way.evidence}; {_use(way, access)}"
    if access.covers is not None:
        yield f"The log begins {moment(access.covers)} UTC."
    for text in access.unread:
        yield f"not read: {text}"


def _use(way: Way, access: Access) -> str:
    if not way.used_by_log:
        return "its use is not seen in the log"
    if way.is_unused(access.now, access.covers):
        return "NOT USED for 30 days"
    if way.last_use is None:
        return "no use in the log"
    return f"used {moment(way.last_use)}"
