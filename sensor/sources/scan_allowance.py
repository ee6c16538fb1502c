"""How often one user's connects may have the node's processes scanned.

A scan reads a few lines of procfs for each process. A user who connects to ever new sockets, or
from ever new mount namespaces, could keep the sensor busy with scans. So each account has a few,
and then one a second. No user has less because of another.
"""

from __future__ import annotations

from sensor.bounded import Bounded
from sensor.shares import account_of

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
        self._owed: Bounded[str | None, float] = Bounded(USERS_MAX)
        """When each account will have all of its share again."""

    def take(self, share: str | None, now: float) -> bool:
        """Count a scan on the account of a share; false when that is used up. None is root's."""
        account = account_of(share) if share is not None else None
        full = max(now, self._owed.get(account) or now) + SECONDS_EACH
        if full > now + BURST * SECONDS_EACH:
            self.refused += 1
            return False
        self._owed.put(account, full)
        return True
