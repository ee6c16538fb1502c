"""The calendar of a made-up node: days of local time, in nanoseconds of the wall clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from random import Random

SECOND = 1_000_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
ZONE = ZoneInfo("Europe/Berlin")
LEARNING = 7
"""Days in which the judge learns."""
SATURDAY, SUNDAY = 5, 6


class Calendar:
    """The days of one node, from 0. Where a time has a spread, the seed chooses within it."""

    def __init__(self, random: Random, begin: datetime, days: int) -> None:
        self.begin = int(begin.timestamp()) * SECOND
        self.days = days
        self._random = random

    def at(self, day: int, hour: float, spread: float = 0.0) -> int:
        """Return a local time of a day, in wall-clock ns."""
        moment = datetime.fromtimestamp(self.begin // SECOND, ZONE).replace(hour=0, minute=0)
        local = moment + timedelta(days=day)
        shift = self._random.uniform(-spread, spread)
        return int(local.timestamp()) * SECOND + int((hour + shift) * HOUR)

    def is_workday(self, day: int) -> bool:
        """Return whether people work on a day."""
        return self._weekday(day) < SATURDAY

    def is_sunday(self, day: int) -> bool:
        """Return whether a day is a Sunday."""
        return self._weekday(day) == SUNDAY

    def _weekday(self, day: int) -> int:
        return datetime.fromtimestamp(self.at(day, 12) // SECOND, ZONE).weekday()
