"""One account's alerts keep no other's from being reported."""

from __future__ import annotations

from sensor.judge.alert_rate import NEW_PER_HOUR, NS_PER_HOUR, SHARE_PER_HOUR, AlertRate
from sensor.model.alert import AlertState

NEW, UPDATE = AlertState.NEW, AlertState.UPDATE


def taken(rate: AlertRate, share: str | None, wall: int = 0, state: AlertState = NEW) -> int:
    """Return how many of two hundred are allowed."""
    return sum(rate.allows(wall, state, share) for _ in range(200))


def test_each_account_has_a_share_and_root_its_own() -> None:
    rate = AlertRate()
    assert taken(rate, "uid 1000") == SHARE_PER_HOUR
    assert taken(rate, None) == NEW_PER_HOUR
    assert taken(rate, "uid 1001") == SHARE_PER_HOUR
    assert taken(rate, None, state=UPDATE) == NEW_PER_HOUR


def test_many_accounts_together_have_as_many_as_root() -> None:
    rate = AlertRate()
    assert sum(taken(rate, f"uid {number}") for number in range(20)) == NEW_PER_HOUR
    assert taken(rate, None) == NEW_PER_HOUR


def test_another_hour_begins_anew_a_clock_that_was_set_back_too() -> None:
    rate = AlertRate()
    assert taken(rate, "uid 1000", wall=NS_PER_HOUR) == SHARE_PER_HOUR
    assert taken(rate, "uid 1000", wall=2 * NS_PER_HOUR) == SHARE_PER_HOUR
    assert taken(rate, "uid 1000", wall=NS_PER_HOUR) == SHARE_PER_HOUR
