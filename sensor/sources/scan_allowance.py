"""How often one user's connects may have the node's processes scanned.

A scan reads a few lines of procfs for each process. A user who connects to ever new sockets could
keep the sensor busy with scans. So each user has a few, and then one a second. No user has less
because of another.
"""

from __future__ import annotations

from sensor.bounded import Bounded

BURST = 8
"""Scans that one user may cause at once."""

SECONDS_EACH = 1.0
"""Seconds after which one more is allowed."""

USERS_MAX = 256
"""Users remembered; the one that asked longest ago goes first, and is new when it comes back."""


class ScanAllowance:
    """A share of the scans for each user. Times are seconds of one clock that never goes back."""

    def __init__(self) -> None:
        self.refused = 0
        """Scans that were not made, since their user had had its share."""
        self._owed: Bounded[int | None, float] = Bounded(USERS_MAX)
        """When each user will have all of its share again."""

    def take(self, uid: int | None, now: float) -> bool:
        """Count a scan on a user's account; false when its share is used up."""
        full = max(now, self._owed.get(uid) or now) + SECONDS_EACH
        if full > now + BURST * SECONDS_EACH:
            self.refused += 1
            return False
        self._owed.put(uid, full)
        return True
