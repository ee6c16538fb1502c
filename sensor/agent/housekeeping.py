"""The agent's periodic work: losses, the clock, the probes, signs of life, what it has seen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sensor import clock
from sensor.agent import status
from sensor.model.agent_records import Heartbeat

if TYPE_CHECKING:
    from sensor.agent.parts import Parts
    from sensor.linux.systemd import Notifier
    from sensor.model.observations import Observation

PERIOD = 2.0
"""Seconds between two rounds while the probes report anything."""

QUIET_PERIOD = 4.0
"""Seconds after a round in which nothing was new: a round is most of what an idle agent costs."""

STATUS_ROUNDS = 5
"""Rounds between two lines for ``systemctl status``: one costs as much as the rest of a round."""

SEEN_PERIOD = 60.0
"""Seconds between notes of until when the agent has seen, on a node where nothing happens."""


class Housekeeping:
    """One round every ``PERIOD`` or ``QUIET_PERIOD``, in the loop.

    ``heartbeat_seconds`` 0: no signs of life.
    """

    def __init__(self, parts: Parts, notifier: Notifier, heartbeat_seconds: float) -> None:
        self.heartbeat_seconds = heartbeat_seconds
        self._parts = parts
        self._notifier = notifier
        self._loop = asyncio.get_running_loop()
        self._noted = self._reported = self._loop.time()
        self._rounds = 0
        self._seen = 0
        """Observations of the probes up to the latest round."""

    async def run(self) -> None:
        """Go on until cancelled."""
        pause = PERIOD
        while True:
            await asyncio.sleep(pause)
            pause = PERIOD if self.round() else QUIET_PERIOD

    def round(self) -> bool:
        """Poll the rings, report losses and changes, and notify systemd.

        Return whether anything was new since the round before.
        """
        parts = self._parts
        parts.ring_reader.poll()
        parts.pipeline.release()
        losses = parts.source.losses()
        observations: list[Observation] = [*losses, *parts.wall.check()]
        parts.source.see(clock.boottime())
        observations += parts.probes.tick()
        observations += parts.optional.losses(parts.wall.offset)
        observations += self._heartbeat()
        if observations:
            parts.pipeline.feed(observations)
        parts.judging.on_silent(parts.pipeline.core.silent_starts(parts.judging.silence))
        parts.judging.tick()
        due = self._loop.time() - self._noted >= SEEN_PERIOD
        if due:
            self._noted = self._loop.time()
            parts.persistence.note_seen()
        if losses or due:
            parts.persistence.count(parts.source.reported())
        # Here, since the loop has turned and the rings were polled.
        if self._notifier.is_heard:
            self._notifier.beat(status.line(parts) if self._rounds % STATUS_ROUNDS == 0 else None)
        self._rounds += 1
        before, self._seen = self._seen, parts.source.observations
        return bool(observations) or self._seen != before

    def _heartbeat(self) -> list[Observation]:
        if not 0 < self.heartbeat_seconds <= self._loop.time() - self._reported:
            return []
        self._reported = self._loop.time()
        return [Heartbeat(clock.boottime(), self._parts.persistence.health().head)]
