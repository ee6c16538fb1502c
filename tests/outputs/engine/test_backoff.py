"""The waits after failures: they grow, they have limits, and they differ from node to node."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from sensor.outputs.delivery import Retry
from sensor.outputs.engine.backoff import (
    ASKED_MOST,
    LAST,
    LEAST,
    MENDING_FIRST,
    MENDING_LAST,
    Backoff,
)

DOWN = Retry("connection refused")


def test_the_limit_doubles_up_to_the_last_and_begins_again_after_success() -> None:
    backoff = Backoff(lambda: 1.0)
    waits = [backoff.failed(DOWN) for _ in range(9)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    backoff.succeeded()
    assert backoff.failed(DOWN) == 0.5


def test_a_node_waits_anything_below_the_limit() -> None:
    assert Backoff(lambda: 0.0).failed(DOWN) == LEAST
    assert Backoff(lambda: 0.5).failed(DOWN) == 0.25


def test_wrong_credentials_wait_long() -> None:
    wrong = Retry("wrong key", credentials=True)
    assert Backoff(lambda: 0.0).failed(wrong) == MENDING_FIRST / 2
    backoff = Backoff(lambda: 1.0)
    assert [backoff.failed(wrong) for _ in range(9)][-1] == MENDING_LAST


@given(
    asked=st.floats(allow_nan=True, allow_infinity=True) | st.none(),
    drawn=st.floats(0, 1),
    failures=st.integers(0, 100),
    credentials=st.booleans(),
)
def test_every_wait_is_bounded_whatever_a_collector_asks(
    asked: float | None, drawn: float, failures: int, *, credentials: bool
) -> None:
    backoff = Backoff(lambda: drawn)
    for _ in range(failures):
        backoff.failed(DOWN)
    wait = backoff.failed(Retry("429", after=asked, credentials=credentials))
    assert LEAST <= wait <= max(ASKED_MOST, LAST, MENDING_LAST)
    if asked is not None and not math.isnan(asked):
        assert wait >= min(asked, ASKED_MOST)
