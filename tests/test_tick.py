"""The beat: later than now, never much later, and the same for all who read the clock."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from sensor.tick import BEAT, next_beat

NOW = st.floats(0, 1e8)


@given(now=NOW, after=st.floats(0, 10))
def test_the_next_beat_is_the_first_one_later_than_asked_for(now: float, after: float) -> None:
    beat = next_beat(now, after)
    assert now + after < beat + 1e-6
    assert beat - (now + after) <= BEAT + 1e-6
    assert math.isclose(beat / BEAT, round(beat / BEAT), rel_tol=1e-9)


@given(now=NOW, share=st.floats(0.01, 0.98))
def test_whoever_asks_before_it_gets_the_same(now: float, share: float) -> None:
    beat = next_beat(now)
    assert next_beat(beat - share * BEAT) == beat
