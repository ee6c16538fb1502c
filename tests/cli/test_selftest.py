"""``castoff selftest`` waits for an agent that is starting, for as long as it is asked to."""

from __future__ import annotations

from typing import cast

import pytest

from sensor.api.client import AgentClient
from sensor.cli import selftest
from sensor.errors import AgentUnreachable


class Starting:
    """An agent that answers from a moment on, and a clock that only sleeping moves."""

    def __init__(self, answers_at: float) -> None:
        self.answers_at = answers_at
        self.now = 0.0
        self.asked = 0

    def status(self) -> None:
        self.asked += 1
        if self.now < self.answers_at:
            raise AgentUnreachable("no agent", "Start it.")

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def monotonic(self) -> float:
        return self.now


def wait(agent: Starting, seconds: float, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(selftest, "time", agent)
    selftest._await_agent(cast("AgentClient", agent), seconds)


def test_an_agent_that_starts_in_time_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Starting(answers_at=3)
    wait(agent, 60, monkeypatch)
    assert 3 <= agent.now < 3.5, "no longer than needed"


def test_no_agent_in_time_is_the_error_with_its_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Starting(answers_at=100)
    with pytest.raises(AgentUnreachable):
        wait(agent, 5, monkeypatch)
    assert 5 <= agent.now < 5.5


def test_without_a_wait_the_agent_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Starting(answers_at=1)
    with pytest.raises(AgentUnreachable):
        wait(agent, 0, monkeypatch)
    assert (agent.asked, agent.now) == (1, 0.0)
