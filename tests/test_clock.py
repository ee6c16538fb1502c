"""The kernel's clocks agree with each other."""

from __future__ import annotations

import time

from sensor import clock

MS = 1_000_000


def test_boot_time_and_offset_make_the_wall_clock() -> None:
    wall = clock.boottime() + clock.realtime_offset()
    assert abs(wall - time.time_ns()) < 50 * MS


def test_the_time_since_boot_has_what_was_suspended_and_only_rises() -> None:
    first = clock.boottime()
    assert first <= clock.boottime()
    assert clock.monotonic() <= clock.boottime()
