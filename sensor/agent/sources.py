"""The sources beside the probes' rings: calls to engines, audit, the engines' own streams.

Nothing here delays a start: audit is drained before the rings are handed to the core, connects and
streams come in when they come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.agent.audit_feed import AuditFeed
from sensor.agent.call_feed import CallFeed
from sensor.agent.engine_feed import EngineFeed
from sensor.agent.engine_watch import EngineWatch
from sensor.bpf import loader, watched
from sensor.model.vocabulary import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensor.agent.config import SourcesSection
    from sensor.agent.optional_source import Feed, OptionalSource, OptionalSourceState
    from sensor.bpf.pins import PinSet
    from sensor.model.observations import Observation


class OptionalSources:
    """All of them, in the order of their start. ``feed`` is called in the loop."""

    def __init__(self, section: SourcesSection, pin_set: PinSet, feed: Feed) -> None:
        programs = watched.read(loader.SOURCES / "watched.toml")

        def called(role: Role) -> frozenset[str]:
            return frozenset(one.name for one in programs if one.role is role)

        engines = EngineWatch(called(Role.ENGINE), pin_set)
        self._calls = CallFeed(
            engines, watched.Roles(programs).of_name, called(Role.ORCHESTRATOR), pin_set, feed
        )
        names = frozenset(one.name for one in programs)
        self._audit = AuditFeed(section, names, lambda path: path in engines.paths, feed)
        self._streams = EngineFeed(section, engines, feed)
        self._all: tuple[OptionalSource, ...] = (self._calls, self._audit, self._streams)

    async def start(self, realtime_offset: int) -> None:
        """Open what is available."""
        for one in self._all:
            await one.start(realtime_offset)

    async def recall(self, since_wall: int, until_wall: int) -> None:
        """Ask the engines for their past events between two times, in ns since the epoch."""
        await self._streams.recall(since_wall, until_wall)

    def sift(self, observations: Sequence[Observation]) -> list[Observation]:
        """Take the connects without a verdict out of a batch of the probes."""
        return self._calls.sift(observations)

    def drain(self) -> list[Observation]:
        """Return what the sources have of the time up to now and that belongs before a start."""
        return [found for one in self._all for found in one.drain()]

    def losses(self, realtime_offset: int) -> list[Observation]:
        """Return what they lost since the last call."""
        return [loss for one in self._all for loss in one.losses(realtime_offset)]

    def follow(self, section: SourcesSection, realtime_offset: int) -> None:
        """Apply a changed configuration."""
        for one in self._all:
            one.follow(section, realtime_offset)

    def engine_began(self) -> None:
        """Take note that an engine was executed."""
        for one in self._all:
            one.engine_began()

    def states(self) -> tuple[OptionalSourceState, ...]:
        """Return how each is doing."""
        return tuple(state for one in self._all for state in one.states())

    def problems(self) -> tuple[str, ...]:
        """Return what was taken away from them, each with what helps."""
        return self._audit.problems()

    async def close(self) -> None:
        """Close everything, the last one first."""
        for one in reversed(self._all):
            await one.close()
