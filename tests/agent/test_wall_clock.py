"""The wall clock of events: it drifts unnoticed a little, follows a step, and goes on as before."""

from __future__ import annotations

import pytest

from sensor import clock
from sensor.agent.wall_clock import STEP, TOLERANCE, WallClock
from sensor.model.agent_records import ClockStepped, ClockSynced
from sensor.model.observations import Observation


class Kernel:
    """The kernel's clocks, set by hand."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.offset = 1_000 * STEP
        self.boot = 5 * STEP
        patch.setattr(clock, "realtime_offset", lambda: self.offset)
        patch.setattr(clock, "boottime", lambda: self.boot)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


@pytest.mark.parametrize(
    ("moved", "kinds"),
    [
        (0, []),
        (TOLERANCE, []),
        (-TOLERANCE - 1, [ClockSynced]),
        (STEP + 1, [ClockSynced, ClockStepped]),
        (-STEP - 1, [ClockSynced, ClockStepped]),
    ],
)
def test_the_core_learns_of_a_clock_that_was_set(
    kernel: Kernel, moved: int, kinds: list[type[Observation]]
) -> None:
    wall = WallClock()
    before = wall.now()
    kernel.offset += moved
    found = wall.check()
    assert [type(one) for one in found] == kinds
    assert wall.now() - before == (moved if kinds else 0)
    assert wall.check() == [], "each change is reported once"
    steps = [one.step for one in found if isinstance(one, ClockStepped)]
    assert steps == [moved] * len(steps)


@pytest.mark.parametrize(("ahead", "is_kept"), [(None, False), (TOLERANCE, True), (STEP, False)])
def test_an_agent_goes_on_with_the_offset_of_the_log_unless_the_clock_was_set(
    kernel: Kernel, ahead: int | None, *, is_kept: bool
) -> None:
    wall = WallClock()
    kept = None if ahead is None else kernel.offset + ahead
    wall.resume(kept)
    assert wall.offset == (kept if is_kept else kernel.offset)
