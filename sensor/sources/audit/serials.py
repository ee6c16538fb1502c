"""Serial numbers that never came: the one trace that a lost audit event leaves.

The kernel takes a serial from one counter for each event that it writes (audit_serial() of
kernel/audit.c), and does not serialise the writers, so events arrive out of order. Rules:

- a serial ahead of the highest one makes those between missing, with a deadline;
- one that arrives later is missing no more;
- one that is still missing at its deadline is lost;
- a gap too wide to remember is lost at once, and one too wide to be a gap is another boot or
  another counter: the watch starts again and says nothing;
- the counter rolls over at 2^32, and 0 may be skipped.

Pure: time is passed in, nanoseconds of any monotonic clock.
"""

from __future__ import annotations

PATIENCE = 2_000_000_000
"""Nanoseconds that an event may come late."""

MISSING_MAX = 4096
"""Serials remembered as missing."""

GAP_MAX = 1 << 20
"""Serials between two neighbours beyond which the counter is taken for another."""

_MODULUS = 1 << 32
_HALF = 1 << 31


class SerialWatch:
    """Counts the events of one node that are given up as missing."""

    def __init__(self) -> None:
        self._highest: int | None = None
        self._missing: dict[int, int] = {}
        self._lost = 0
        self.restarts = 0

    def note(self, serial: int, now: int) -> None:
        """Hear of an event."""
        if self._highest is None:
            self._highest = serial
            return
        ahead = (serial - self._highest) % _MODULUS
        if ahead == 0:
            return
        if ahead < _HALF:
            self._forward(serial, ahead, now)
        elif self._missing.pop(serial, None) is None and _MODULUS - ahead > GAP_MAX:
            self._restart(serial)

    def _forward(self, serial: int, ahead: int, now: int) -> None:
        previous = self._highest or 0
        self._highest = serial
        if ahead == 1:
            return
        if ahead > GAP_MAX:
            self._restart(serial)
            return
        between = [(previous + step) % _MODULUS for step in range(1, min(ahead, MISSING_MAX + 1))]
        between = [number for number in between if number != 0]
        room = MISSING_MAX - len(self._missing)
        self._lost += max(0, ahead - 1 - MISSING_MAX) + max(0, len(between) - room)
        deadline = now + PATIENCE
        for number in between[:room]:
            self._missing[number] = deadline

    def _restart(self, serial: int) -> None:
        self._highest = serial
        self._missing.clear()
        self.restarts += 1

    def take_lost(self, now: int) -> int:
        """Return how many serials are given up since the last call."""
        while self._missing:
            oldest = next(iter(self._missing))
            if self._missing[oldest] > now:
                break
            del self._missing[oldest]
            self._lost += 1
        lost, self._lost = self._lost, 0
        return lost
