"""How many starts, failures and unnamed containers one user may have reported.

Root of the host has no limit. What is beyond a limit is counted and becomes a gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.bounded import Bounded
from sensor.shares import Budget

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITED_EVERY = 60_000_000_000
"""Nanoseconds between two gaps about one user's starts."""
LIMITED_USERS = 256

FAILURES_BURST, FAILURES_EVERY = 32, 20.0
"""Failed starts that a user other than root of the host may cause: so many, then one in so many
seconds. An event takes half a kibibyte of the log."""

UNNAMED_BURST, UNNAMED_EVERY = 32, 20.0
"""The same for containers of unknown id."""

STARTS_BURST, STARTS_EVERY = 256, 3.0
"""The same for starts of that user's own containers. What is beyond it becomes a gap."""


class StartLimits:
    """The budgets of each user. ``report`` makes the gap of a user at a time."""

    def __init__(self, report: Callable[[str, int], None]) -> None:
        self.failures = Budget(FAILURES_BURST, FAILURES_EVERY)
        self.unnamed = Budget(UNNAMED_BURST, UNNAMED_EVERY)
        self.starts = Budget(STARTS_BURST, STARTS_EVERY)
        self._report = report
        self._reported: Bounded[str, int] = Bounded(LIMITED_USERS)

    def exceeded(self, domain: str, time: int) -> None:
        """Report, once a minute at most, that a user starts more containers than are reported."""
        last = self._reported.get(domain)
        if last is not None and time - last < LIMITED_EVERY:
            return
        self._reported.put(domain, time)
        self._report(domain, time)
