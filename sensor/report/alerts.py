"""Alerts with their newest state: an acknowledgement is an event of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from sensor.dataclass import dataclass
from sensor.report.bounded import TallyTable
from sensor.report.event_view import (
    Document,
    at,
    blocks,
    caller,
    container,
    host,
    number,
    text,
    texts,
)
from sensor.report.moments import day, wall_of

ALERTS_MAX = 2000
SEVERITIES = ("critical", "high", "medium", "low")


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert as it stood at the end of the period. Times are as the event has them."""

    id: str
    finding: str
    title: str
    severity: str
    class_: str
    state: str
    host: str
    container: str | None
    who: str | None
    count: int
    wall: int
    """Of the event that gave it this state."""
    seen: int
    """When what it is about was seen last."""
    facts: tuple[str, ...]
    attack: tuple[str, ...]
    by: str | None
    reason: str | None
    until: int | None
    start: str | None


class Alerts:
    """All alerts, fed event by event."""

    def __init__(self) -> None:
        self.table: TallyTable[tuple[str, str], AlertRow | None] = TallyTable(ALERTS_MAX)
        self.days: dict[str, Counter[str]] = {}

    @property
    def rows(self) -> list[AlertRow]:
        """Alerts, the gravest and newest first."""
        found = [row for row in self.table.rows.values() if row is not None]
        return sorted(found, key=lambda row: (_rank(row.severity), -row.seen))

    def by_severity(self) -> dict[str, Counter[str]]:
        """Return for each severity how many alerts stand in which state."""
        found: dict[str, Counter[str]] = {}
        for row in self.rows:
            found.setdefault(row.severity, Counter())[row.state] += 1
        return found

    def suppressed(self) -> list[AlertRow]:
        """Return what was suppressed."""
        return [row for row in self.rows if row.state == "suppressed"]

    def add(self, document: Document, wall: int) -> None:
        """Take an event of type ``alert``."""
        id_ = text(document, "alert", "id") or text(document, "id") or ""
        key = (host(document)[0], id_)
        fresh = key not in self.table.rows
        self.table.get(key, None)
        if fresh and len(self.table.rows) >= ALERTS_MAX:
            self.table.left_out += 1
            return
        before = self.table.rows.get(key)
        severity = text(document, "alert", "severity") or "medium"
        if fresh and text(document, "alert", "state") not in {"acknowledged", "suppressed"}:
            self.days.setdefault(day(wall), Counter())[severity] += 1
        row = _row(document, id_, severity, wall)
        if before is None:
            self.table.rows[key] = row
        elif before.wall > wall:
            self.table.rows[key] = _with_what_it_lacks(before, row)
        else:
            self.table.rows[key] = _with_what_it_lacks(row, before)


def _row(document: Document, id_: str, severity: str, wall: int) -> AlertRow:
    facts = tuple(
        f"{text(fact, 'feature')}: expected {text(fact, 'expected')}, seen {text(fact, 'seen')}"
        for fact in blocks(document, "alert", "facts")
    )
    reasons = texts(document, "verdict", "reasons")
    return AlertRow(
        id=id_,
        finding=text(document, "alert", "finding") or ", ".join(_findings(document)),
        title=text(document, "alert", "title") or "; ".join(reasons[:2]),
        severity=severity,
        class_=text(document, "alert", "class") or "security",
        state=text(document, "alert", "state") or "new",
        host=host(document)[1],
        container=container(document) if at(document, "container") is not None else None,
        who=caller(document),
        count=number(document, "alert", "count") or 1,
        wall=wall,
        seen=wall_of(text(document, "alert", "last")) or wall,
        facts=facts[:8],
        attack=texts(document, "alert", "attack") or texts(document, "verdict", "attack"),
        by=text(document, "alert", "by"),
        reason=text(document, "alert", "reason"),
        until=wall_of(text(document, "alert", "until")),
        start=text(document, "alert", "start"),
    )


def _with_what_it_lacks(row: AlertRow, other: AlertRow) -> AlertRow:
    """Return a row with what another event of the alert has and it lacks, as an acknowledgement."""
    return replace(
        row,
        container=row.container or other.container,
        who=row.who or other.who,
        facts=row.facts or other.facts,
        attack=row.attack or other.attack,
    )


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def _findings(document: Document) -> tuple[str, ...]:
    return texts(document, "verdict", "findings") or ("unknown",)
