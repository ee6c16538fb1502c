"""One round of the agent's periodic work: what is fed, counted, checkpointed and notified."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast
from unittest.mock import MagicMock

import pytest

from sensor.agent import status
from sensor.agent.housekeeping import (
    PERIOD,
    QUIET_PERIOD,
    SEEN_PERIOD,
    STATUS_ROUNDS,
    Housekeeping,
)
from sensor.agent.parts import Parts
from sensor.linux.systemd import Notifier
from sensor.model.agent_records import Heartbeat
from sensor.model.kernel_records import KernelLoss

NOTICED_WITHIN = 5.0
HALF_A_SECOND = 0.5
LOSS = KernelLoss(2, 1, "commands", "exec", 3, 0)


class Agent:
    """Parts that are quiet until a test says otherwise, and a clock that is set by hand."""

    def __init__(self, heartbeat_seconds: float) -> None:
        self.parts = MagicMock(spec_set=Parts)
        self.parts.source.losses.return_value = ()
        self.parts.source.observations = 0
        self.parts.wall.check.return_value = []
        self.parts.probes.tick.return_value = []
        self.parts.optional.losses.return_value = []
        self.notifier = MagicMock(spec_set=Notifier)
        self.now = 1_000.0
        loop = asyncio.get_running_loop()
        loop.time = lambda: self.now  # type: ignore[method-assign]  # a clock to turn by hand
        self.work = Housekeeping(cast("Parts", self.parts), self.notifier, heartbeat_seconds)

    @property
    def fed(self) -> list[object]:
        return [one for call in self.parts.pipeline.feed.call_args_list for one in call.args[0]]


def with_agent(heartbeat_seconds: float, check: Callable[[Agent], None]) -> None:
    async def session() -> None:
        check(Agent(heartbeat_seconds))

    asyncio.run(session())


@pytest.fixture(autouse=True)
def _line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "line", lambda _: "3 starts reported")


def test_a_quiet_round_polls_releases_and_notifies() -> None:
    def check(agent: Agent) -> None:
        agent.work.round()
        agent.parts.ring_reader.poll.assert_called_once_with()
        agent.parts.pipeline.release.assert_called_once_with()
        agent.notifier.beat.assert_called_once_with("3 starts reported")
        assert agent.fed == []
        agent.parts.persistence.note_seen.assert_not_called()
        agent.parts.persistence.count.assert_not_called()

    with_agent(0, check)


def test_every_round_feeds_the_watchdog_and_some_rounds_the_status() -> None:
    def check(agent: Agent) -> None:
        for _ in range(STATUS_ROUNDS + 1):
            agent.work.round()
        lines = [call.args[0] for call in agent.notifier.beat.call_args_list]
        assert lines == ["3 starts reported", *(None,) * (STATUS_ROUNDS - 1), "3 starts reported"]

    with_agent(0, check)


def test_rounds_are_seldom_while_nothing_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, pauses = iter([0, 5, 5, 5, 9]), []

    async def session() -> None:
        agent = Agent(0)

        async def rest(seconds: float) -> None:
            pauses.append(seconds)
            agent.parts.source.observations = next(seen, None)
            if agent.parts.source.observations is None:
                raise asyncio.CancelledError

        monkeypatch.setattr(asyncio, "sleep", rest)
        await agent.work.run()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(session())
    assert pauses == [PERIOD, QUIET_PERIOD, PERIOD, QUIET_PERIOD, QUIET_PERIOD, PERIOD]


def test_probes_that_went_away_are_noticed_within_five_seconds() -> None:
    """A node on which they see nothing has the longer pauses."""
    assert QUIET_PERIOD + HALF_A_SECOND <= NOTICED_WITHIN


def test_without_a_service_manager_no_status_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(agent: Agent) -> None:
        monkeypatch.setattr(status, "line", pytest.fail)
        agent.notifier.is_heard = False
        agent.work.round()
        agent.notifier.beat.assert_not_called()

    with_agent(0, check)


def test_a_loss_is_reported_and_counted_in_the_same_round() -> None:
    def check(agent: Agent) -> None:
        agent.parts.source.losses.return_value = (LOSS,)
        agent.work.round()
        assert agent.fed == [LOSS]
        agent.parts.persistence.count.assert_called_once_with(
            agent.parts.source.reported.return_value
        )

    with_agent(0, check)


def test_the_time_that_was_seen_is_noted_each_minute_though_nothing_happens() -> None:
    def check(agent: Agent) -> None:
        for _ in range(int(2 * SEEN_PERIOD / PERIOD)):
            agent.now += PERIOD
            agent.work.round()
        assert agent.parts.persistence.note_seen.call_count == 2

    with_agent(0, check)


def test_signs_of_life_come_at_their_period_and_stop_at_zero() -> None:
    def check(agent: Agent) -> None:
        for _ in range(10):
            agent.now += PERIOD
            agent.work.round()
        assert [type(one) for one in agent.fed] == [Heartbeat] * 2
        agent.work.heartbeat_seconds = 0
        agent.now += 100 * PERIOD
        agent.work.round()
        assert len(agent.fed) == 2

    with_agent(5 * PERIOD, check)
