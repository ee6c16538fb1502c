"""Feed the core, and hand on what comes out: events and requests.

    observations ─▶ Correlator ─ each event ─▶ sinks, at once
                        │                  (each start with the judge's verdict)
                        ├── events ─▶ Persistence: appended, with what each left behind
                        ├── requests ─▶ DescriptionService
                        └── on the tick: what changed is noted, the kernel's records are released

Everything here runs in the loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from sensor import clock
from sensor.agent.persistence import Published
from sensor.clock import TICK, next_tick
from sensor.correlate.core import Correlator
from sensor.schema.line import LineEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sensor.agent.descriptions import DescriptionService
    from sensor.agent.judging import Judging
    from sensor.agent.persistence import Persistence
    from sensor.correlate.core import Parsers
    from sensor.model.events import Event
    from sensor.model.inventory import KnownContainer
    from sensor.model.observations import Observation
    from sensor.sources.kernel import KernelSource, ReadUpTo
    from sensor.store.knowledge import Key

CHECKPOINT_PACE = 2 * TICK
"""Seconds until what was fed is noted and released, unless a look at the rings comes first: a start
makes a handful of batches, and each note is a transaction's worth of work."""

_NS_PER_SECOND = 1_000_000_000


class Sink(Protocol):
    """Takes events while they are made."""

    def take(self, event: Event, line: bytes, *, more: bool) -> None:
        """Take an event and its JSON line; with ``more`` it may wait for the next or the push."""

    def push(self) -> None:
        """Let go of what waits: nothing follows for now."""


class Pipeline:
    """Owns the core, and hands on what comes out of it."""

    def __init__(
        self,
        parsers: Parsers,
        *,
        persistence: Persistence,
        source: KernelSource,
        descriptions: DescriptionService,
        judging: Judging,
        sinks: Iterable[Sink] = (),
        record: Callable[[int, tuple[Observation, ...]], object] | None = None,
    ) -> None:
        """``record`` is called with each batch and the time of its arrival, in ns since boot."""
        self._encoder = LineEncoder()
        self.core = Correlator(parsers, self._publish, self._encoder.foresee)
        self.events: Counter[str] = Counter()
        """Events by type."""
        self.sinks = [*sinks]
        self.reported: frozenset[str] = frozenset()
        """Ids of events that an earlier agent reported and kept: they are not reported again."""
        self._persistence = persistence
        self._source = source
        self._descriptions = descriptions
        self._judging = judging
        self._record = record
        self._published: list[Published] = []
        """The events of the batch that is being fed."""
        self._left: dict[Key, KnownContainer] = {}
        """Containers as the latest of them left them."""
        self._marked: ReadUpTo | None = None
        self._released: ReadUpTo | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._checkpoint_timer: asyncio.TimerHandle | None = None
        self._releasing: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def feed(self, observations: Sequence[Observation]) -> None:
        """Feed one batch."""
        now = clock.boottime()
        if self._record is not None:
            self._record(now, tuple(observations))
        try:
            outcome = self.core.feed(now, observations)
        finally:
            published, self._published = self._published, []
        if len(published) > 1:
            for sink in self.sinks:
                sink.push()
        self._descriptions.submit(outcome.requests)
        self._descriptions.expect(awaited=self.core.waiting())
        self._arm_timer(now)
        self._keep(published)

    def publish(self, events: Sequence[Event]) -> None:
        """Hand on events that the core did not make, and keep them."""
        try:
            for event in events:
                self._publish(event)
        finally:
            published, self._published = self._published, []
        for sink in self.sinks:
            sink.push()
        self._keep(published)

    def _publish(self, event: Event) -> None:
        """Hand an event on; the first of a batch at once, the others together at its end."""
        if event.id in self.reported:
            # An earlier agent reported and kept it.
            return
        event = self._judging.judge(event)
        line = self._hand_on(event)
        # What the judge remembers, and what the event before it left, is not to delay its line.
        follows = self._judging.conclude(event)
        if self._published:
            self._learn()
        self._left = {}
        self._published.append(Published(event, line, follows.rows, self._left))
        for alert in follows.alerts:
            self._published.append(Published(alert, self._hand_on(alert), None))

    def _hand_on(self, event: Event) -> bytes:
        line = self._encoder.encode(event)
        for sink in self.sinks:
            sink.take(event, line, more=bool(self._published))
        self.events[event.type] += 1
        return line

    def _keep(self, published: Sequence[Published]) -> None:
        """Store the events of a batch; what is known since is noted a little later."""
        if published:
            self._learn()
            self._persistence.keep(published)
            self._judging.settle()
        if len(published) > 1 and not self.core.waiting():
            # Of a backlog: on the tick the next ones would be waiting.
            self.checkpoint()
        elif self._checkpoint_timer is None:
            self._checkpoint_timer = self._loop.call_later(CHECKPOINT_PACE, self.checkpoint)
        if self._source.is_filling():
            # The disk does not keep up: rather lose the insurance than new records.
            self._source.release(self._source.read_up_to())

    def _learn(self) -> None:
        """Have what changed since the latest event kept with it: after a power cut it is known."""
        self._left.update(self._persistence.learn(self.core))

    def on_tick(self) -> None:
        """Make a checkpoint if anything waits for one."""
        if self._checkpoint_timer is not None:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Note what changed, and have the kernel's records go when that is durable.

        Not while one of their starts waits: a successor would have to read them again.
        """
        self.release()
        if self._checkpoint_timer is not None:
            self._checkpoint_timer.cancel()
            self._checkpoint_timer = None
        self._persistence.note(self.core)
        if not self.core.waiting():
            read = self._source.read_up_to()
            if read != self._marked:
                self._marked = read
                self._persistence.mark(read)
                self._release_later()

    def release(self) -> None:
        """Give the kernel's records back whose events are durable."""
        read = self._persistence.released()
        if read is not None:
            self._source.release(read)
            self._released = read

    def _release_later(self) -> None:
        """Look on the ticks whether what was marked is durable: that alone wakes no task."""
        if self._releasing is None:
            self._releasing = self._loop.call_at(next_tick(self._loop.time()), self._look)

    def _look(self) -> None:
        self._releasing = None
        self.release()
        if self._released != self._marked:
            self._release_later()

    def _arm_timer(self, now: int) -> None:
        deadline = self.core.deadline()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            delay = max(0, deadline - now) / _NS_PER_SECOND
            self._timer = self._loop.call_later(delay, self.feed, ())

    def stop(self) -> None:
        """Do nothing more by itself, and note what is left."""
        self.checkpoint()
        for timer in (self._timer, self._releasing):
            if timer is not None:
                timer.cancel()
