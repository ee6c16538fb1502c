"""How many alerts are reported an hour: those of root, and those of each other account."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensor.model.alert import AlertState

NEW_PER_HOUR = 60
"""New alerts of root's an hour, and as many with something new; all other accounts together have
as many."""
SHARE_PER_HOUR = 15
"""Those of one account but root. Others wait for the next hour, and none of root's waits."""
NS_PER_HOUR = 3_600_000_000_000


class AlertRate:
    """What was reported in this hour of the wall clock, by state and account."""

    def __init__(self) -> None:
        self._hour: int | None = None
        self._reported: Counter[tuple[AlertState, str | None]] = Counter()
        self._by_others: Counter[AlertState] = Counter()

    def allows(self, wall: int, state: AlertState, share: str | None) -> bool:
        """Take one of an account's for this hour; False when it has none left."""
        hour = wall // NS_PER_HOUR
        if hour != self._hour:
            self._hour = hour
            self._reported.clear()
            self._by_others.clear()
        reported = self._reported[state, share]
        if share is None:
            if reported >= NEW_PER_HOUR:
                return False
        elif reported >= SHARE_PER_HOUR or self._by_others[state] >= NEW_PER_HOUR:
            return False
        else:
            self._by_others[state] += 1
        self._reported[state, share] = reported + 1
        return True
