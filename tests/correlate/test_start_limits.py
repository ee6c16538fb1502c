"""What one user may have reported, and the gap beyond it."""

from __future__ import annotations

from sensor.correlate.start_limits import (
    LIMITED_EVERY,
    LIMITED_USERS,
    STARTS_BURST,
    StartLimits,
)


def test_a_gap_about_one_user_comes_once_a_minute() -> None:
    gaps: list[tuple[str, int]] = []
    limits = StartLimits(lambda domain, time: gaps.append((domain, time)))
    for time in (0, 1, LIMITED_EVERY - 1, LIMITED_EVERY, LIMITED_EVERY + 1):
        limits.exceeded("uid 1000", time)
    limits.exceeded("uid 1001", 1)
    assert gaps == [("uid 1000", 0), ("uid 1000", LIMITED_EVERY), ("uid 1001", 1)]


def test_the_users_that_are_remembered_are_bounded() -> None:
    gaps: list[str] = []
    limits = StartLimits(lambda domain, _: gaps.append(domain))
    for number in range(LIMITED_USERS + 1):
        limits.exceeded(f"uid {number}", 0)
    limits.exceeded("uid 1", 1)
    limits.exceeded("uid 0", 1)
    assert gaps[LIMITED_USERS + 1 :] == ["uid 0"]


def test_one_users_starts_take_nothing_from_another() -> None:
    limits = StartLimits(lambda *_: None)
    allowed = [limits.starts.allows("uid 1000", 0) for _ in range(2 * STARTS_BURST)]
    assert allowed.count(True) == STARTS_BURST
    assert limits.starts.allows("uid 1001", 0)
