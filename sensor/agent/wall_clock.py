"""The wall clock of the agent's events: how far it is from the time since boot, and its steps."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sensor import clock
from sensor.model.agent_records import ClockStepped, ClockSynced

if TYPE_CHECKING:
    from sensor.model.observations import Observation

TOLERANCE = 1_000_000
"""Nanoseconds that the wall clock may drift before the core gets a new offset."""

STEP = 1_000_000_000
"""Nanoseconds from which a change of the wall clock is an event."""

log = logging.getLogger("castoff")


class WallClock:
    """Holds the offset that times of events are computed with, in ns since the epoch at boot."""

    def __init__(self) -> None:
        self.offset = clock.realtime_offset()

    def now(self) -> int:
        """Return the wall time in ns, by this offset."""
        return clock.boottime() + self.offset

    def resume(self, kept: int | None) -> None:
        """Take the offset of the log's newest event, if the clock has not moved since.

        A start that was reported and not yet kept then has the same time again.
        """
        self.offset = clock.realtime_offset()
        if kept is not None and abs(kept - self.offset) <= TOLERANCE:
            self.offset = kept

    def check(self) -> list[Observation]:
        """Compare with the kernel's clock; return what the core must know of a change."""
        offset = clock.realtime_offset()
        step = offset - self.offset
        found: list[Observation] = []
        if abs(step) > TOLERANCE:
            self.offset = offset
            found.append(ClockSynced(clock.boottime(), offset))
        if abs(step) > STEP:
            log.warning("the wall clock was set by %+.3f s", step / 1e9)
            found.append(ClockStepped(clock.boottime(), step))
        return found
