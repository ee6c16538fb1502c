"""Alerts with their newest state: an acknowledgement is an event of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sensor.report.bounded import Table
from sensor.report.event_view import (
    Document,
    blocks,
    caller,
    container,
    host,
    number,
    text,
    texts,
)
from sensor.report.moments import day

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
    container: str
    who: str | None
    count: int
    wall: int
    facts: tuple[str, ...]
    attack: tuple[str, ...]
    by: str | None
    reason: str | None
    until: str | None
    start: str | None


class Alerts:
    """All alerts, fed event by event."""

    def __init__(self) -> None:
        self.table: Table[tuple[str, str], AlertRow | None] = Table(ALERTS_MAX)
        self.days: dict[str, Counter[str]] = {}

    @property
    def rows(self) -> list[AlertRow]:
        """Alerts, the gravest and newest first."""
        found = [row for row in self.table.rows.values() if row is not None]
        return sorted(found, key=lambda row: (_rank(row.severity), -row.wall))

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
        if before is not None and before.wall > wall:
            return
        facts = tuple(
            f"{text(fact, 'feature')}: expected {text(fact, 'expected')}, seen {text(fact, 'seen')}"
            for fact in blocks(document, "alert", "facts")
        )
        reasons = texts(document, "verdict", "reasons")
        self.table.rows[key] = AlertRow(
            id=id_,
            finding=text(document, "alert", "finding") or ", ".join(_findings(document)),
            title=text(document, "alert", "title") or "; ".join(reasons[:2]),
            severity=severity,
            class_=text(document, "alert", "class") or "security",
            state=text(document, "alert", "state") or "new",
            host=host(document)[1],
            container=container(document),
            who=caller(document),
            count=number(document, "alert", "count") or 1,
            wall=wall,
            facts=facts[:8] or (before.facts if before is not None else ()),
            attack=texts(document, "alert", "attack") or texts(document, "verdict", "attack"),
            by=text(document, "alert", "by"),
            reason=text(document, "alert", "reason"),
            until=text(document, "alert", "until"),
            start=text(document, "alert", "start"),
        )


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def _findings(document: Document) -> tuple[str, ...]:
    return texts(document, "verdict", "findings") or ("unknown",)
