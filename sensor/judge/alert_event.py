"""An alert as an event, and the ids by which it, its group and its changes are known."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.judge.findings.registry import KINDS
from sensor.model.alert import Alert
from sensor.model.events import Event, Verdict
from sensor.model.vocabulary import EventType

if TYPE_CHECKING:
    from sensor.judge.alert_row import AlertEntry
    from sensor.model.vocabulary import Finding

REASONS_MAX = 8
"""Facts that are the reasons of an alert without a start."""


def group_of(finding: Finding, value: str) -> str:
    """Return the name of a group: the same on every host."""
    return _digest(finding, value)[:16]


def alert_id(source: Event, group: str, wall: int) -> str:
    """Return the id of a new alert, by the host and what raised it at ``wall`` (ns)."""
    host = source.host
    name = (host.machine_id or host.boot_id) if host is not None else ""
    return _digest(name, group, str(wall), source.id)


def alert_event(group: str, entry: AlertEntry, source: Event) -> Event:
    """Return an alert as an event that says what its start, or another source, said."""
    kind = KINDS[entry.finding]
    alert = Alert(
        id=entry.id,
        finding=entry.finding,
        title=kind.title,
        class_=kind.class_,
        severity=entry.severity,
        state=entry.state,
        group=group,
        start=entry.start,
        workload=entry.workload,
        count=entry.count,
        first=entry.first,
        last=entry.last,
        facts=entry.facts,
        attack=kind.techniques,
        by=entry.by,
        reason=entry.reason,
        until=entry.until,
    )
    verdict = source.verdict or Verdict(
        expected=None,
        reasons=tuple(fact.sentence for fact in entry.facts[:REASONS_MAX]),
        attack=kind.techniques,
        findings=(entry.finding,),
        workload=entry.workload,
    )
    return replace(
        source,
        type=EventType.ALERT,
        id=_digest(entry.id, entry.state, str(entry.count), str(entry.last), source.id),
        stop=None,
        gap=None,
        sensor=None,
        verdict=verdict,
        alert=alert,
    )


def _digest(*parts: str) -> str:
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:32]
