"""When the rings are read: at once for what is urgent, seldom for the rest, not while behind.

    urgent record ──▶ drain ──▶ records came: look again on the next tick
                       ▲  ▲         │ nothing new: after twice as long, up to LOOK_LAST
                       │  └─────────┘
                       └── every two or four seconds, by the agent's housekeeping

What waits in the rings is safe there, so while describers or the disk are behind nothing is drained
unless starts and ends fill half of their ring.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from sensor.clock import TICK, next_tick
from sensor.correlate.supervision import begins_engine
from sensor.model.kernel_records import CommandExec, InitExec, InitExit

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.agent.descriptions import DescriptionService
    from sensor.agent.persistence import Persistence
    from sensor.agent.sources import OptionalSources
    from sensor.model.observations import Observation
    from sensor.sources.kernel import KernelSource

LOOK_LAST = 0.8
"""Seconds until the rings are looked at again, at most, while they hold nothing new: most commands,
the ends of all, and the end of a container younger than 1 s do not wake the reader."""

SWITCH_SECONDS = 0.0005
"""After how long a thread that waits for the interpreter gets it: a describer waits anew after each
of some twenty system calls, and the loop for the describer."""

SWITCH_SELDOM = 0.005
"""The same while there is a backlog, as CPython has it: a fifth less for all of them together."""

REST = 0.02
"""Seconds between looks at whether the disk has caught up; describers wake the loop themselves."""

FLUSH_SECONDS = 2.0
"""Seconds that a last drain waits for a disk that is behind, each time."""


_EFFECTS = frozenset({InitExec, InitExit})
"""Records after which a cause may be asked for at once."""


class RingReader:
    """Reads the rings in the loop, with all that belongs in front of their records."""

    def __init__(
        self,
        source: KernelSource,
        optional: OptionalSources,
        descriptions: DescriptionService,
        persistence: Persistence,
        feed: Callable[[list[Observation]], None],
        account: Callable[[], None] = lambda: None,
        on_tick: Callable[[], None] = lambda: None,
    ) -> None:
        """``account`` is called after each poll, ``on_tick`` after one that was not asked for."""
        self._account = account
        self._on_tick = on_tick
        self._loop = asyncio.get_running_loop()
        self._source = source
        self._optional = optional
        self._descriptions = descriptions
        self._persistence = persistence
        self._feed = feed
        self._hurried = True
        self._behind = False
        """As of the end of the last poll: nothing is asked while a start may be waiting."""
        self._looking: asyncio.TimerHandle | None = None
        self._resting: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Read whenever there is something urgent."""
        sys.setswitchinterval(SWITCH_SECONDS)
        self._descriptions.on_taken = self._go_on
        self._loop.add_reader(self._source.descriptor, self.poll)

    def poll(self) -> None:
        """Take what is there, a batch of bounded size; the next follows by itself."""
        if self._behind and self._is_behind() and not self._source.is_pressing():
            self._hurry(wanted=False)
            self._rest()
            return
        records = self._records()
        answers = self._descriptions.taken()
        if records or answers:
            self._feed(answers + records)
            if any(_begins_engine(record) for record in records):
                self._optional.engine_began()
                self._descriptions.look_for_engines()
        # After the batch, which may hold a start. What came meanwhile is seen by the next line.
        self._source.rearm()
        if self._source.has_more:
            self._loop.call_soon(self.poll)
        else:
            self._hurry(wanted=True)
            if records:
                self._look_soon()
        self._behind = self._is_behind()
        self._account()

    def _hurry(self, *, wanted: bool) -> None:
        """Have threads hand the interpreter over soon, or seldom, as a backlog does best."""
        if wanted != self._hurried:
            self._hurried = wanted
            sys.setswitchinterval(SWITCH_SECONDS if wanted else SWITCH_SELDOM)

    def _records(self) -> list[Observation]:
        """Drain the rings; audit's records go in front of a start: causes before effects."""
        drained: list[Observation] = list(self._source.drain())
        rest = self._optional.sift(drained)
        for record in drained:
            if type(record) in _EFFECTS:
                return self._optional.drain() + rest
        return rest

    def _look_soon(self) -> None:
        """Poll again on the next tick: the end of a short container does not wake the loop."""
        at = next_tick(self._loop.time())
        if self._looking is not None:
            if self._looking.when() <= at:
                return
            self._looking.cancel()
        self._looking = self._loop.call_at(at, self._look_again, TICK)

    def _look_again(self, waited: float) -> None:
        self._looking = None
        before = self._source.observations
        self.poll()
        self._on_tick()
        if self._source.observations == before and waited < LOOK_LAST:
            at = next_tick(self._loop.time(), 2 * waited - TICK)
            self._looking = self._loop.call_at(at, self._look_again, 2 * waited)

    def _is_behind(self) -> bool:
        """Whether what was read already keeps the disk or the describers busy."""
        return self._descriptions.is_busy or self._persistence.is_behind()

    def _rest(self) -> None:
        if self._resting is None:
            # What waits in the rings would have the loop call again and again.
            self._loop.remove_reader(self._source.descriptor)
            self._resting = self._loop.call_later(REST, self._rested)

    def _rested(self) -> None:
        self._resting = None
        self._loop.add_reader(self._source.descriptor, self.poll)
        self.poll()

    def _go_on(self) -> None:
        """Rest no longer: answers were taken."""
        if self._resting is not None and not self._is_behind():
            self._resting.cancel()
            self._resting = None
            self._loop.add_reader(self._source.descriptor, self.poll)
            self._loop.call_soon(self.poll)

    async def drain_all(self) -> None:
        """Return once everything that was in the rings when this was called is read."""
        self.poll()
        while self._source.has_more:
            self.poll()
            await asyncio.sleep(REST if self._resting is not None else 0)

    async def stop(self) -> None:
        """Read no more by itself, and take what is left."""
        self._loop.remove_reader(self._source.descriptor)
        for timer in (self._looking, self._resting):
            if timer is not None:
                timer.cancel()
        while records := self._records():
            self._feed(records)
            if self._persistence.is_behind():
                await asyncio.to_thread(self._persistence.store.flush, FLUSH_SECONDS)


def _begins_engine(observation: Observation) -> bool:
    return isinstance(observation, CommandExec) and begins_engine(observation)
