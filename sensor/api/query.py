"""The query of ``GET /v1/events``: its parameters, read and checked."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from sensor.api.eventlog import SHOWN, Cursor
from sensor.api.limits import LIMITS, Limits
from sensor.api.since import parse as parse_time
from sensor.dataclass import dataclass
from sensor.schema.filters import Filters
from sensor.schema.filters import parse as parse_filters
from sensor.store.query import Query

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FIELDS_MAX = 64
"""Parameters of one query."""
TIME_MAX = 2**63 - 1
DIGITS_MAX = 9

_MANY = frozenset({"filter", "type"})
_TRUTHS = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True, slots=True)
class EventsRequest:
    """What a client asks for: a query of the log, and whether to go on with what comes.

    ``stream`` is the log that the query's cursor is of. ``limit`` is the first so many events,
    ``tail`` the last so many; at most one is set. ``filters`` hold for what comes, too.
    """

    query: Query = field(default_factory=Query)
    stream: str | None = None
    limit: int | None = None
    tail: int | None = None
    follow: bool = False
    filters: Filters = field(default_factory=Filters)

    @property
    def historical(self) -> bool:
        """Whether what the log holds is asked for, and not only what comes."""
        return not self.follow or any(
            one is not None for one in (self.query.since, self.query.after, self.tail)
        )


def parse_events(query: str, now_wall: int, limits: Limits = LIMITS) -> EventsRequest:
    """Read the query string of ``/v1/events``; raises ValueError with a sentence for a person."""
    fields = read_fields(query, ("since", "until", "after", "limit", "tail", "follow", *_MANY))
    tail = _count(fields, "tail", limits.rows_max)
    limit = _count(fields, "limit", limits.rows_max)
    after = Cursor.parse(fields["after"][0]) if "after" in fields else None
    if tail is not None and (limit is not None or after):
        message = "tail stands alone: it excludes limit and after"
        raise ValueError(message)
    follow = flag(fields, "follow")
    filters = parse_filters(fields.get("filter", ()), fields.get("type", ()))
    containers = filters.values("container")
    return EventsRequest(
        Query(
            since=_time(fields, "since", now_wall),
            until=_time(fields, "until", now_wall),
            after=None if after is None else after.sequence,
            types=filters.types,
            container=containers[0] if len(containers) == 1 else None,
            rows=limits.page_rows,
        ),
        stream=None if after is None else after.stream,
        limit=limits.rows_default if limit is tail is None and not follow else limit,
        tail=tail,
        follow=follow,
        filters=filters,
    )


def read_fields(query: str, known: Iterable[str]) -> dict[str, list[str]]:
    """Split a query string; raises ValueError for what is unknown, repeated or malformed."""
    if not query:
        return {}
    pairs = parse_qsl(
        query,
        keep_blank_values=True,
        strict_parsing=True,
        errors="strict",
        max_num_fields=FIELDS_MAX,
    )
    names = frozenset(known)
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in names:
            message = f"{name[:SHOWN]!r} is not a parameter; use one of {', '.join(sorted(names))}"
            raise ValueError(message)
        if name in fields and name not in _MANY:
            message = f"{name} is given twice"
            raise ValueError(message)
        fields.setdefault(name, []).append(value)
    return fields


def flag(fields: Mapping[str, list[str]], name: str) -> bool:
    """Return a parameter that is 1 or 0, false when it is not there."""
    text = fields.get(name, ["0"])[0]
    if text not in _TRUTHS:
        message = f"{name} is 1 or 0, not {text[:SHOWN]!r}"
        raise ValueError(message)
    return _TRUTHS[text]


def _count(fields: Mapping[str, list[str]], name: str, most: int) -> int | None:
    if name not in fields:
        return None
    text = fields[name][0]
    decimal = text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX
    if not decimal or not 1 <= int(text) <= most:
        message = f"{name} is a number from 1 to {most}, not {text[:SHOWN]!r}"
        raise ValueError(message)
    return int(text)


def _time(fields: Mapping[str, list[str]], name: str, now_wall: int) -> int | None:
    if name not in fields:
        return None
    return max(0, min(parse_time(fields[name][0], now_wall), TIME_MAX))
