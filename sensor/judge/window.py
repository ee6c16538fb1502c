"""Hours of the week in which something is allowed, in a zone's own time.

A window belongs to the day on which it begins: ``22:00`` to ``06:00`` on Friday ends on Saturday.
Local clock time decides, so a change to or from summer time needs no care: an hour that does not
exist is never in a window, and one that occurs twice is in it twice.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from datetime import tzinfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_PER_DAY = 1440
_NS_PER_SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """``start`` and ``end`` in minutes of the day; ``end`` at or before ``start`` is next day's."""

    name: str
    zone: tzinfo
    zone_name: str
    days: frozenset[int] = frozenset(range(7))
    start: int = 0
    end: int = MINUTES_PER_DAY
    excepted: frozenset[date] = frozenset()

    def holds(self, wall: int) -> bool:
        """Whether a wall-clock time in ns lies within; False for a year that no calendar has."""
        try:
            moment = (_EPOCH + timedelta(seconds=wall // _NS_PER_SECOND)).astimezone(self.zone)
            yesterday = moment.date() - timedelta(days=1)
        except (OverflowError, ValueError):
            return False
        minute = moment.hour * 60 + moment.minute
        if self.start < self.end:
            return self.start <= minute < self.end and self._begins_on(moment.date())
        if minute >= self.start:
            return self._begins_on(moment.date())
        return minute < self.end and self._begins_on(yesterday)

    def _begins_on(self, day: date) -> bool:
        return day.weekday() in self.days and day not in self.excepted

    def __str__(self) -> str:
        names = ",".join(DAYS[day] for day in sorted(self.days))
        return f"{self.name} ({names} {_clock(self.start)}-{_clock(self.end)} {self.zone_name})"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
