"""An alert as the store keeps it."""

from __future__ import annotations

import json
from typing import Any

from sensor.dataclass import dataclass
from sensor.judge.feature import Feature
from sensor.judge.lesson import TermKey
from sensor.model.alert import AlertSeverity, AlertState, Fact, Strength
from sensor.model.vocabulary import Finding

_ENCODER = json.JSONEncoder(separators=(",", ":"))
VERSION = 1
OF_FIRST = 17
"""Values of a row of the first version."""


@dataclass(frozen=True, slots=True)
class AlertEntry:
    """An alert and what became of it. Times are wall-clock ns."""

    id: str
    finding: Finding
    value: str
    """The novel value: with the finding it names the group."""
    severity: AlertSeverity
    state: AlertState
    start: str | None
    workload: str | None
    count: int
    first: int
    last: int
    days: int
    """Days on which it was seen."""
    reported: int
    facts: tuple[Fact, ...] = ()
    terms: tuple[TermKey, ...] = ()
    """What is not learnt because of it."""
    by: str | None = None
    reason: str | None = None
    until: int | None = None
    starts: tuple[str, ...] = ()
    """Event ids of the first starts that it is about."""


def entry_row(entry: AlertEntry) -> bytes:
    """Return an alert as a row."""
    values: list[Any] = [
        VERSION,
        entry.id,
        entry.finding,
        entry.value,
        entry.severity,
        entry.state,
        entry.start,
        entry.workload,
        entry.count,
        entry.first,
        entry.last,
        entry.days,
        entry.reported,
        [[one.feature, one.expected, one.seen, one.level, one.strength] for one in entry.facts],
        [[one.profile, one.feature, one.value] for one in entry.terms],
        entry.by,
        entry.reason,
        entry.until,
        list(entry.starts),
    ]
    return _ENCODER.encode(values).encode()


def entry_of_row(row: bytes) -> AlertEntry:
    """Read a row; raises ValueError for any other."""
    try:
        version, *values = json.loads(row)
        (id_, finding, value, severity, state, start, workload) = values[:7]
        (count, first, last, days, reported, facts, terms, by, reason, until) = values[7:OF_FIRST]
        if version != VERSION:
            message = f"an alert of version {version}"
            raise ValueError(message)
        return AlertEntry(
            id=str(id_),
            finding=Finding(finding),
            value=str(value),
            severity=AlertSeverity(severity),
            state=AlertState(state),
            start=start,
            workload=workload,
            count=int(count),
            first=int(first),
            last=int(last),
            days=int(days),
            reported=int(reported),
            facts=tuple(
                Fact(str(feature), str(expected), str(seen), level, Strength(strength))
                for feature, expected, seen, level, strength in facts
            ),
            terms=tuple(TermKey(profile, Feature(name), str(one)) for profile, name, one in terms),
            by=by,
            reason=reason,
            until=until,
            # A row of an earlier version has none.
            starts=tuple(map(str, values[OF_FIRST] if len(values) > OF_FIRST else ())),
        )
    except TypeError as error:
        message = f"not an alert: {error!r}"
        raise ValueError(message) from error
