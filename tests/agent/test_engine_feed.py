"""The engines' streams as a source: nothing is opened that the configuration does not follow."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from sensor.agent import engine_feed
from sensor.agent.config import SourcesSection
from sensor.agent.engine_feed import EngineFeed
from sensor.agent.engine_watch import EngineWatch
from sensor.model.observations import Observation
from sensor.model.vocabulary import Witness

NONE = SourcesSection(docker=False, containerd=False, podman=False)


class Streams:
    """Records what an agent asks of its streams."""

    def __init__(self, _emit: object, _find: object, followed: frozenset[Witness]) -> None:
        self.followed = [followed]
        self.woken = 0
        self.running = False

    def start(self) -> None:
        self.running = True

    def follow(self, followed: frozenset[Witness]) -> None:
        self.followed.append(followed)

    def wake(self) -> None:
        self.woken += 1

    def losses(self) -> tuple[Observation, ...]:
        return ()

    def status(self) -> tuple[object, ...]:
        return ()

    async def stop(self) -> None:
        self.running = False


class Watch:
    """Engines of a node without any."""

    class resolver:  # noqa: N801 - stands for an attribute
        @staticmethod
        def refresh() -> tuple[object, ...]:
            return ()


async def lifetime(made: list[Streams]) -> None:
    fed: list[Observation] = []
    feed = EngineFeed(NONE, cast("EngineWatch", Watch), fed.extend)
    await feed.start(0)
    feed.engine_began()
    assert made == []
    assert feed.states() == ()
    await feed.recall(0, 1)

    feed.follow(replace(NONE, docker=True), 0)
    (streams,) = made
    assert [streams.running] == [True]
    feed.engine_began()
    assert streams.woken == 1
    feed.follow(replace(NONE, podman=True), 0)
    assert streams.followed == [{Witness.DOCKER}, {Witness.PODMAN}]
    assert len(made) == 1, "the streams that stay are not interrupted"
    await feed.close()
    assert [streams.running] == [False]
    assert fed == feed.drain() == []


def test_streams_are_opened_when_an_engine_is_followed_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Streams] = []

    def make(emit: object, find: object, followed: frozenset[Witness]) -> Streams:
        made.append(Streams(emit, find, followed))
        return made[-1]

    monkeypatch.setattr(engine_feed, "EngineStreams", make)
    asyncio.run(lifetime(made))
