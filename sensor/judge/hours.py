"""At which hours people start containers here: crashes, jobs and reschedulings have none.

An hour is written ``weekday 14`` or ``weekend 03``, in the host's own zone. One is unusual when
people have started ``STARTS_MIN`` containers on ``DAYS_MIN`` days, and none within ``AROUND`` hours
of it, the night running through.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sensor.judge.feature import Feature
from sensor.judge.profile import UNIT, Term

if TYPE_CHECKING:
    from datetime import tzinfo

    from sensor.judge.baseline import Baseline

STARTS_MIN = 20
DAYS_MIN = 5
AROUND = 2
HOURS_PER_DAY = 24
SATURDAY = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def hour_of(at: int, zone: tzinfo) -> str | None:
    """Return the hour of a wall-clock second; None for a year that no calendar has."""
    try:
        moment = (_EPOCH + timedelta(seconds=at)).astimezone(zone)
    except (OverflowError, ValueError):
        return None
    kind = "weekend" if moment.weekday() >= SATURDAY else "weekday"
    return f"{kind} {moment.hour:02d}"


def unusual_hour(baseline: Baseline, hour: str, at: int) -> tuple[str, ...] | None:
    """Return the usual hours where this one is not among them; None where it is, or unknown."""
    terms = {
        value: term
        for feature, value, term in baseline.node_terms_of(Feature.HOUR)
        if term.known(at)
    }
    starts = sum(term.count for term in terms.values()) // UNIT
    everywhere = Term()
    for term in terms.values():
        everywhere.merge(term)
    if starts < STARTS_MIN or everywhere.distinct_days < DAYS_MIN:
        return None
    kind, _, number = hour.partition(" ")
    around = {
        f"{kind} {(int(number) + shift) % HOURS_PER_DAY:02d}"
        for shift in range(-AROUND, AROUND + 1)
    }
    if around & set(terms):
        return None
    return tuple(sorted(terms))
