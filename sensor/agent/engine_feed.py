"""The engines' own event streams as a source of the agent, and the past that engines remember."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from sensor import clock
from sensor.agent.optional_source import OptionalSourceState
from sensor.model.vocabulary import Witness
from sensor.sources.engines.streams import EngineStreams, target_of, witness_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensor.agent.config import SourcesSection
    from sensor.agent.engine_watch import EngineWatch
    from sensor.agent.optional_source import Feed
    from sensor.model.observations import Observation
    from sensor.sources.engines.stream import StreamStatus

_REMEMBERING = frozenset({Witness.DOCKER, Witness.PODMAN})

RECALL_SECONDS = 0.5
"""Longest time (s) for engines to list their past events; the kernel's records wait meanwhile."""

RECALLED_MAX = 8
"""Engines that are asked for their past."""

log = logging.getLogger("castoff")


class EngineFeed:
    """Follows the streams of the engines that are configured. An :class:`OptionalSource`."""

    def __init__(self, section: SourcesSection, engines: EngineWatch, feed: Feed) -> None:
        self._followed = section.engines
        self._engines = engines
        self._feed = feed
        self._streams: EngineStreams | None = None

    async def start(self, realtime_offset: int) -> None:
        """Follow the engines, if any is configured."""
        del realtime_offset
        if self._followed:
            self._open()

    def _open(self) -> None:
        self._streams = EngineStreams(
            self._on_events, self._engines.resolver.refresh, self._followed
        )
        self._streams.start()

    def follow(self, section: SourcesSection, realtime_offset: int) -> None:
        """Follow other engines; the streams of those that stay are not interrupted."""
        del realtime_offset
        self._followed = section.engines
        if self._streams is not None:
            self._streams.follow(self._followed)
        elif self._followed:
            self._open()

    def _on_events(self, observations: Sequence[Observation]) -> None:
        self._feed([*observations])

    def drain(self) -> list[Observation]:
        """Streams come when they come: nothing waits here."""
        return []

    def losses(self, realtime_offset: int) -> Sequence[Observation]:
        """Return what the streams missed."""
        del realtime_offset
        return self._streams.losses() if self._streams is not None else ()

    def engine_began(self) -> None:
        """Look for its stream at once."""
        if self._streams is not None:
            self._streams.wake()

    def states(self) -> Sequence[OptionalSourceState]:
        """Return how each stream is doing."""
        return [_state(one) for one in self._streams.status()] if self._streams is not None else ()

    async def close(self) -> None:
        """End the streams."""
        if self._streams is not None:
            await self._streams.stop()

    async def recall(self, since_wall: int, until_wall: int) -> None:
        """Ask the engines for their past events between two times, in ns since the epoch.

        Takes ``RECALL_SECONDS`` at most, and costs nothing where it fails.
        """
        try:
            async with asyncio.timeout(RECALL_SECONDS):
                sockets = await asyncio.to_thread(self._engines.resolver.refresh)
                wanted = [
                    (target.path, witness)
                    for socket in sockets
                    if (witness := witness_of(socket)) in self._followed & _REMEMBERING
                    and (target := target_of(socket)) is not None
                ]
                await asyncio.gather(
                    *(self._recall(*one, since_wall, until_wall) for one in wanted[:RECALLED_MAX])
                )
        except TimeoutError:
            log.info("an engine took too long to list its past events")

    async def _recall(self, path: str, witness: Witness, since_wall: int, until_wall: int) -> None:
        # Not loaded where there is nothing to catch up with.
        from sensor.sources.engines.recall import recall  # for a backlog only
        from sensor.sources.engines.session import EngineLost

        try:
            recalled = await recall(path, witness, clock.boottime(), since_wall, until_wall)
        except (EngineLost, OSError) as error:
            log.info("%s does not list its past events: %s", path, error)
            return
        self._feed([*recalled])


def _state(status: StreamStatus) -> OptionalSourceState:
    if status.available is None:
        state = "waiting"
    else:
        state = "running" if status.available else f"failed: {status.reason}"
    return OptionalSourceState(f"{status.witness}:{status.path}", state, status.counts.events)
