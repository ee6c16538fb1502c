"""The tick: later than now, never much later, and the same for all who read the clock."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from sensor.tick import TICK, next_tick

NOW = st.floats(0, 1e8)


@given(now=NOW, after=st.floats(0, 10))
def test_the_next_beat_is_the_first_one_later_than_asked_for(now: float, after: float) -> None:
    tick = next_tick(now, after)
    assert now + after < tick + 1e-6
    assert tick - (now + after) <= TICK + 1e-6
    assert math.isclose(tick / TICK, round(tick / TICK), rel_tol=1e-9)


@given(now=NOW, share=st.floats(0.01, 0.98))
def test_who_asks_before_it_gets_the_same(now: float, share: float) -> None:
    tick = next_tick(now)
    assert next_tick(tick - share * TICK) == tick
