"""All of a report, fed event by event."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b

from sensor.report.alerts import Alerts
from sensor.report.event_view import Document, at, text
from sensor.report.history import History
from sensor.report.hosts import Hosts
from sensor.report.moments import wall_of
from sensor.report.starts import Starts

SCHEMA = "castoff.event/1"

IDS_MAX = 5_000_000
"""Events that are known by their ids: what is delivered twice counts once."""


class Tally:
    """Adds up events of a period."""

    def __init__(self, since: int | None, until: int | None, now: int) -> None:
        """``since``, ``until`` and ``now`` are wall times in ns; ``until`` is not included."""
        self.since = since
        self.until = until
        self.now = now
        self.hosts = Hosts(now)
        self.starts = Starts()
        self.alerts = Alerts()
        self.history = History()
        self.types: Counter[str] = Counter()
        self.events = 0
        self.repeated = 0
        self.strange = 0
        """Documents that are not events of the schema, or have no time."""
        self.first: int | None = None
        self.last: int | None = None
        self._ids: set[bytes] = set()

    def add(self, document: Document) -> bool:
        """Take a document; returns whether it is a start that the report counts."""
        kind, wall = text(document, "type"), wall_of(text(document, "time"))
        if text(document, "schema") != SCHEMA or kind is None or wall is None:
            self.strange += 1
            return False
        if (self.since is not None and wall < self.since) or (
            self.until is not None and wall >= self.until
        ):
            return False
        if self._is_repeated(kind, text(document, "id")):
            self.repeated += 1
            return False
        self.events += 1
        self.types[kind] += 1
        self.first = wall if self.first is None else min(self.first, wall)
        self.last = wall if self.last is None else max(self.last, wall)
        self.hosts.add(document, kind, wall)
        if kind == "container.start" and at(document, "container", "sandbox") is not True:
            self.starts.add(document, wall)
            return True
        if kind == "container.start_failed":
            self.starts.failed += 1
        elif kind == "alert":
            self.alerts.add(document, wall)
        elif kind == "sensor":
            self.history.add(document, wall)
        return False

    def finish(self) -> None:
        """Bring together what stands in several events."""
        for change, starts in self.starts.changes.items():
            self.history.used(change, starts)

    def _is_repeated(self, kind: str, id_: str | None) -> bool:
        if id_ is None or len(self._ids) >= IDS_MAX:
            return False
        key = blake2b(f"{kind} {id_}".encode("utf-8", "replace"), digest_size=12).digest()
        if key in self._ids:
            return True
        self._ids.add(key)
        return False
