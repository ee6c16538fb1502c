"""At which hours people start containers here: crashes, jobs and reschedulings have none.

An hour is written ``weekday 14`` or ``weekend 03``, in the host's own zone. One is unusual when
people have started ``hour_starts`` containers on ``hour_days`` days, and none within
``hours_around`` of it, the night running through.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sensor.judge.feature import Feature
from sensor.judge.findings.unusual_combination import HOUR_DAYS, HOUR_STARTS, HOURS_AROUND
from sensor.judge.profile import UNIT, Term

if TYPE_CHECKING:
    from datetime import tzinfo

    from sensor.judge.baseline import Baseline
    from sensor.judge.tuning import Tuning

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


def unusual_hour(baseline: Baseline, hour: str, at: int, tuning: Tuning) -> tuple[str, ...] | None:
    """Return the usual hours where this one is not among them; None where it is, or unknown."""
    terms = {value: term for value, term in baseline.node.items_of(Feature.HOUR) if term.known(at)}
    starts = sum(term.count for term in terms.values()) // UNIT
    everywhere = Term()
    for term in terms.values():
        everywhere.merge(term)
    few_days = everywhere.distinct_days < tuning.number(HOUR_DAYS)
    if starts < tuning.number(HOUR_STARTS) or few_days:
        return None
    kind, _, number = hour.partition(" ")
    near = tuning.number(HOURS_AROUND)
    around = {
        f"{kind} {(int(number) + shift) % HOURS_PER_DAY:02d}" for shift in range(-near, near + 1)
    }
    if around & set(terms):
        return None
    return tuple(sorted(terms))
