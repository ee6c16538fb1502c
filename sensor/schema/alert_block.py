"""The block ``alert`` of an event's document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.schema.times import rfc3339

if TYPE_CHECKING:
    from sensor.model.alert import Alert, Fact


def alert_block(alert: Alert) -> dict[str, object]:
    """Return an alert as the schema has it."""
    return {
        "id": alert.id,
        "finding": alert.finding,
        "title": alert.title,
        "class": alert.class_,
        "severity": alert.severity,
        "state": alert.state,
        "group": alert.group,
        "start": alert.start,
        "workload": alert.workload,
        "count": alert.count,
        "first": rfc3339(alert.first),
        "last": rfc3339(alert.last),
        "facts": [_fact(fact) for fact in alert.facts],
        "attack": alert.attack,
        "by": alert.by,
        "reason": alert.reason,
        "until": rfc3339(alert.until),
    }


def _fact(fact: Fact) -> dict[str, object]:
    return {
        "feature": fact.feature,
        "expected": fact.expected,
        "seen": fact.seen,
        "level": fact.level,
        "strength": fact.strength,
    }
