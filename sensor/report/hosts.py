"""Each host of the report: its span, what it could not see, and how its log's chain stands."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.report.bounded import FairList, TallyTable
from sensor.report.event_view import Document, at, host, number, seconds, text
from sensor.report.moments import SECOND, wall_of

if TYPE_CHECKING:
    from collections.abc import Iterable

HOSTS_MAX = 500
GAPS_MAX = 200
SPANS_MAX = 4096
"""Gaps of one host whose lengths are added up."""

BEHIND = 9000 * SECOND
"""ns by which the newest event of a host may be older than that of another one: more than two signs
of life, which come every hour."""

AHEAD = 5 * SECOND
"""ns by which an event may lie behind the report's own time."""

_DOWN_LEAST = 5.0
"""Seconds without an agent that are counted: probes go on while it restarts."""


@dataclass(frozen=True, slots=True)
class GapRow:
    """A stretch in which something may be missing. Times are wall ns."""

    host: str
    source: str
    reason: str
    since: int
    until: int
    lost: int | None


@dataclass(slots=True)
class HostRow:
    """A host. Times are wall ns."""

    key: str
    name: str
    node: str | None = None
    kernel: str | None = None
    events: int = 0
    starts: int = 0
    first: int = 1 << 62
    last: int = 0
    gaps: int = 0
    lost: int = 0
    logs: set[str] = field(default_factory=set)
    low: int | None = None
    high: int | None = None
    """Lowest and highest number of the chain."""
    numbered: int = 0
    outside: int = 0
    """Events without a number."""
    head: str | None = None
    policy: str | None = None
    stepped: int = 0
    blind: list[tuple[int, int]] = field(default_factory=list)
    """Stretches in which starts may have been missed."""

    def coverage(self, since: int, until: int) -> float | None:
        """Return the share of a period without a gap; None where nothing is known of the host."""
        since, until = max(since, self.first), min(until, max(self.last, since))
        if until <= since:
            return None
        dark = sum(
            max(0, min(end, until) - max(begin, since)) for begin, end in _merged(self.blind)
        )
        return 1 - dark / (until - since)


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((begin, end))
    return merged


class Hosts:
    """All hosts, fed event by event."""

    def __init__(self, now: int) -> None:
        """``now`` is the report's own wall time in ns."""
        self._now = now
        self.table: TallyTable[str, HostRow] = TallyTable(HOSTS_MAX)
        self.gaps: FairList[GapRow] = FairList(GAPS_MAX)
        self.ahead: dict[str, int] = {}
        """Hosts whose clocks are ahead of the report's, with the newest time."""

    def add(self, document: Document, kind: str, wall: int) -> None:
        """Take an event of a type and a wall time."""
        key, name = host(document)
        row = self.table.get(key, HostRow(key, name))
        if row is None:
            return
        row.events += 1
        row.first, row.last = min(row.first, wall), max(row.last, wall)
        row.node = text(document, "host", "node") or row.node
        row.kernel = text(document, "host", "kernel") or row.kernel
        self._place(row, document)
        if wall > self._now + AHEAD:
            self.ahead[name] = max(wall, self.ahead.get(name, 0))
        if kind == "container.start" and at(document, "container", "sandbox") is not True:
            row.starts += 1
        elif kind == "gap":
            self._gap(row, document, wall)
        elif kind == "sensor":
            self._sensor(row, document, wall)

    @property
    def behind(self) -> dict[str, int]:
        """Hosts that stopped long before others did, or whose clocks are behind, with that time."""
        newest = max((row.last for row in self.table.rows.values()), default=0)
        return {
            row.name: row.last for row in self.table.rows.values() if row.last < newest - BEHIND
        }

    @staticmethod
    def _place(row: HostRow, document: Document) -> None:
        place = number(document, "log", "sequence")
        log = text(document, "log", "id")
        if place is None or log is None:
            row.outside += 1
            return
        row.numbered += 1
        if len(row.logs) < HOSTS_MAX:
            row.logs.add(log)
        row.low = place if row.low is None else min(row.low, place)
        row.high = place if row.high is None else max(row.high, place)

    def _gap(self, row: HostRow, document: Document, wall: int) -> None:
        since = wall_of(text(document, "gap", "since")) or wall
        until = wall_of(text(document, "gap", "until")) or wall
        lost = number(document, "gap", "lost")
        source = text(document, "gap", "source") or "unknown"
        reason = text(document, "gap", "reason") or "unknown"
        self.gaps.add(row.key, since, GapRow(row.name, source, reason, since, until, lost))
        row.gaps += 1
        row.lost += lost or 0
        if source in {"kernel", "agent", "store"}:
            self._dark(row, since, until)

    def _sensor(self, row: HostRow, document: Document, wall: int) -> None:
        action = text(document, "sensor", "action")
        if action == "clock_stepped":
            row.stepped += 1
        elif action == "policy_loaded":
            row.policy = text(document, "sensor", "detail") or row.policy
        elif action == "probes_attached":
            down = seconds(document, "sensor", "down_seconds")
            surviving = at(document, "sensor", "probes_surviving") is True
            if down is not None and down >= _DOWN_LEAST and not surviving:
                self._dark(row, wall - int(down * SECOND), wall)
        head = text(document, "sensor", "log", "digest")
        if head is not None:
            row.head = f"{number(document, 'sensor', 'log', 'sequence')}: {head}"

    @staticmethod
    def _dark(row: HostRow, since: int, until: int) -> None:
        if len(row.blind) >= SPANS_MAX:
            row.blind = _merged(row.blind)
        if len(row.blind) < SPANS_MAX and until > since:
            row.blind.append((since, until))
