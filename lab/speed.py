"""How fast the machine is at this moment, for tests that limit what work may take."""

from __future__ import annotations

import time

UNIT_MS = 1.2
"""What the piece of work takes on the machine that limits are for, an Intel Xeon at 2.0 GHz."""


def unit_ms() -> float:
    """Return the CPU time of a fixed piece of work, in ms.

    A processor that others use, too, has half the speed from one moment to the next.
    """
    begin = time.thread_time()
    sum(number & 3 for number in range(20_000))
    return (time.thread_time() - begin) * 1000


def slowness(*units: float) -> float:
    """Return how many times slower the machine was than the one that limits are for, 1 at least.

    ``units`` were measured around the work; the least counts.
    """
    return max(1.0, min(units) / UNIT_MS)
