"""How often one user's connects may have the node's processes scanned.

A scan reads a few lines of procfs for each process. A user who connects to ever new sockets could
keep the sensor busy with scans. So each user has a few, and then one a second. No user has less
because of another.
"""

from __future__ import annotations

from collections import OrderedDict

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
        self._owed: OrderedDict[int | None, float] = OrderedDict()
        """When each user will have all of its share again."""

    def take(self, uid: int | None, now: float) -> bool:
        """Count a scan on a user's account; false when its share is used up."""
        full = max(now, self._owed.get(uid, now)) + SECONDS_EACH
        if full > now + BURST * SECONDS_EACH:
            self.refused += 1
            return False
        self._owed[uid] = full
        self._owed.move_to_end(uid)
        if len(self._owed) > USERS_MAX:
            self._owed.popitem(last=False)
        return True
