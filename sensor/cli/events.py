"""``castoff events``: what happened on this node, and what happens now."""

from __future__ import annotations

import json
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click

from sensor.api.client import AgentClient, RequestRefused
from sensor.cli.completion import FilterText, TypeName
from sensor.cli.options import (
    colour_option,
    coloured,
    no_trunc_option,
    output_option,
    socket_option,
    width,
)
from sensor.cli.period import period, unix_seconds
from sensor.errors import AgentUnreachable
from sensor.schema.filters import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sensor.cli.event_table import EventTable

TAIL_DEFAULT = 100
"""Events shown when neither a time nor a number is given."""
ROWS = 10_000
"""Events asked for at a time."""
STREAM = "castoff.stream/1"
_OF_SANDBOXES = "sandbox="
INTERRUPTED = 130

Event = tuple[bytes, dict[str, Any]]


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Follow new events.")
@click.option("--since", help="Begin at this time: 10m, 2h, 7d, RFC 3339, Unix seconds.")
@click.option("--until", help="End at this time.")
@click.option(
    "--type",
    "types",
    type=TypeName(),
    multiple=True,
    help="Show only these types: start, stop, gap, … Repeat it, or use commas.",
)
@click.option(
    "--filter",
    "filters",
    type=FilterText(),
    multiple=True,
    help="Show only events that match: container, name, image, label, runtime, kind, trigger, user,"
    " pod, owner, namespace, sandbox, explanation (none: unexplained), expected, finding, severity,"
    " state, workload, change, requested_by. Of a repeated key one value must match, of different"
    " keys each.",
)
@click.option("-a", "--all", "everything", is_flag=True, help="Show pods' sandboxes in the table.")
@click.option("-n", "--tail", type=click.IntRange(1, 100_000), help="Show only the last N events.")
@output_option
@no_trunc_option
@colour_option
@socket_option
def command(
    *,
    follow: bool,
    since: str | None,
    until: str | None,
    types: tuple[str, ...],
    filters: tuple[str, ...],
    everything: bool,
    tail: int | None,
    output: str,
    no_trunc: bool,
    colour: str,
    socket: Path,
) -> None:
    """List events of the log: the last 100, or those since a time.

    The table leaves out the sandboxes of pods; JSON has all events. Marks before a cause:
    ! not expected, * without an explanation, ~ inferred, ? one of several.
    """
    asked = any(one.startswith(_OF_SANDBOXES) for one in filters)
    if output != "json" and not everything and not asked:
        filters = (*filters, f"{_OF_SANDBOXES}no")
    query = _query(since, until, types, filters)
    if tail is None and since is None and not follow:
        tail = TAIL_DEFAULT
    begin, show = _shower(output, width(no_trunc=no_trunc), colour=coloured(colour))
    session = EventListing(AgentClient(socket), query, tail, follow=follow, begun=begin)
    try:
        for line, document in session.events():
            show(line, document)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _query(
    since: str | None, until: str | None, types: tuple[str, ...], filters: tuple[str, ...]
) -> list[tuple[str, str]]:
    """Check what was written here, where an error can name the option."""
    begin, end = period(since, until)
    query = [
        (name, unix_seconds(wall))
        for name, wall in (("since", begin), ("until", end))
        if wall is not None
    ]
    try:
        parse(filters)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--filter") from error
    try:
        parse((), types)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--type") from error
    return [*query, *(("type", one) for one in types), *(("filter", one) for one in filters)]


class EventListing:
    """Asks as often as it takes, each time from where the last answer ended."""

    def __init__(
        self,
        client: AgentClient,
        query: list[tuple[str, str]],
        tail: int | None,
        *,
        follow: bool,
        begun: Callable[[], None] = lambda: None,
        read: Callable[[bytes], dict[str, Any]] = json.loads,
    ) -> None:
        """``begun`` is called when the agent has agreed for the first time.

        ``read`` makes a line's document; it raises ValueError for what is not JSON.
        """
        self._client = client
        self._begun = begun
        self._read = read
        self._query = query
        self._tail = tail
        self._follow = follow
        self._cursor: str | None = None
        self._failed = False

    def events(self) -> Iterator[Event]:
        """Yield each event's line and document."""
        again = True
        while again:
            shown = 0
            again = self._follow
            for line in self._lines():
                document = self._read(line)
                self._cursor = document.get("cursor", self._cursor)
                if document.get("schema") != STREAM:
                    shown += 1
                    self._failed = False
                    yield line, document
                elif document["type"] in {"gap", "more"}:
                    again = True
                elif document["type"] == "error":
                    # Asked again, the agent says by its status what is the matter.
                    if self._failed:
                        raise AgentUnreachable(str(document.get("error")), "See castoff status.")
                    again = self._failed = True
            again = again or (self._tail is None and shown >= ROWS)
            self._tail = None

    def _lines(self) -> Iterator[bytes]:
        begun, self._begun = self._begun, lambda: None
        try:
            yield from self._client.lines(self._target(), begun)
        except RequestRefused as refused:
            oldest = refused.answer.get("oldest")
            if refused.status is not HTTPStatus.GONE or self._cursor in {None, oldest}:
                raise
            click.echo(
                "castoff: the log no longer has some of these events; the oldest kept one follows",
                err=True,
            )
            self._cursor = str(oldest)
            yield from self._client.lines(self._target())

    def _target(self) -> str:
        query = self._query
        if self._cursor is not None:
            query = [(name, text) for name, text in query if name != "since"]
            query = [*query, ("after", self._cursor)]
        elif self._tail is not None:
            query = [*query, ("tail", str(self._tail))]
        if self._follow:
            query = [*query, ("follow", "1")]
        elif self._cursor is not None or self._tail is None:
            query = [*query, ("limit", str(ROWS))]
        return f"/v1/events?{urlencode(query)}"


def _shower(
    output: str, columns: int | None, *, colour: bool
) -> tuple[Callable[[], None], Callable[[bytes, dict[str, Any]], None]]:
    """Return what to do at the beginning and with each event."""
    if output == "json":
        return lambda: None, lambda line, _: click.echo(line, nl=False)
    from sensor.cli.event_table import EventTable

    table: EventTable = EventTable(columns, colour=colour)

    def show(_: bytes, document: dict[str, Any]) -> None:
        for line in table.lines(document):
            click.echo(line, color=colour)

    return lambda: click.echo(table.header(), color=colour), show
