"""The kernel's clocks agree with each other, and the tick is the same for all who read one."""

from __future__ import annotations

import math
import time

from hypothesis import given
from hypothesis import strategies as st

from sensor import clock
from sensor.clock import TICK, next_tick

MS = 1_000_000
NOW = st.floats(0, 1e8)


def test_boot_time_and_offset_make_the_wall_clock() -> None:
    wall = clock.boottime() + clock.realtime_offset()
    assert abs(wall - time.time_ns()) < 50 * MS


def test_the_time_since_boot_has_what_was_suspended_and_only_rises() -> None:
    first = clock.boottime()
    assert first <= clock.boottime()
    assert clock.monotonic() <= clock.boottime()


@given(now=NOW, after=st.floats(0, 10))
def test_the_next_tick_is_the_first_one_later_than_asked_for(now: float, after: float) -> None:
    tick = next_tick(now, after)
    assert now + after < tick + 1e-6
    assert tick - (now + after) <= TICK + 1e-6
    assert math.isclose(tick / TICK, round(tick / TICK), rel_tol=1e-9)


@given(now=NOW, share=st.floats(0.01, 0.98))
def test_who_asks_before_it_gets_the_same(now: float, share: float) -> None:
    tick = next_tick(now)
    assert next_tick(tick - share * TICK) == tick
