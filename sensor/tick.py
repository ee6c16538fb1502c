"""What can wait a moment is done on the beat, all of it together: a wake-up costs more than a look.

The beat is the same for all who read the same clock, so that their timers end at once.
"""

from __future__ import annotations

import math

BEAT = 0.2
"""Seconds."""


def next_beat(now: float, after: float = 0.0) -> float:
    """Return the time of the first beat later than ``after`` seconds from ``now``."""
    return (math.floor((now + after) / BEAT) + 1) * BEAT
