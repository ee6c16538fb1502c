"""What can wait a moment is done on the tick, all of it together: a wake-up costs more than a look.

The tick is the same for all who read the same clock, so that their timers end at once.
"""

from __future__ import annotations

import math

TICK = 0.4
"""Seconds."""


def next_tick(now: float, after: float = 0.0) -> float:
    """Return the time of the first tick later than ``after`` seconds from ``now``."""
    return (math.floor((now + after) / TICK) + 1) * TICK
