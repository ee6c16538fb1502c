"""One engine's socket, followed for ever: subscribe, list, listen, and begin again when it is lost.

``STREAM`` is the table of its states; docs/architecture.md has it drawn.

- Nothing is connected to unless the last scan found an engine's process behind it: a socket that
  systemd holds for a stopped engine would start it.
- Every step has a deadline, and silence is broken by a question: an engine that hangs is lost.
- A failed target is tried again after a back-off; another inode or process at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from enum import Enum, auto, unique
from typing import TYPE_CHECKING

from sensor import clock
from sensor.dataclass import dataclass
from sensor.model.transitions import Machine
from sensor.model.witness_records import EngineLoss
from sensor.sources.engines.continuity import Continuity
from sensor.sources.engines.session import EngineLost, ListRefused, StreamCounts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sensor.model.observations import Observation
    from sensor.model.vocabulary import Witness
    from sensor.sources.engines.session import EngineSession

CONNECT_WAIT = 10.0
"""Seconds for connecting, subscribing and a first sign of life."""

LIST_WAIT = 10.0
"""Seconds for the list of what runs; the stream goes on without it."""

SILENCE = 30.0
"""Seconds without an event after which the engine is asked whether it lives."""

PING_WAIT = 10.0
"""Seconds for that answer."""

BACK_OFF_FIRST = 0.5
BACK_OFF_MAX = 30.0
"""Seconds between attempts at the same target: doubled from the first to the last."""

log = logging.getLogger("castoff")


@unique
class StreamState(Enum):
    """What a stream does now."""

    WAITING = auto()
    """For a socket with an engine behind it, or for the end of the back-off."""
    CONNECTING = auto()
    LISTENING = auto()
    ASKING = auto()
    """It asked a silent engine whether it lives."""


@unique
class StreamStep(Enum):
    """What moves a stream from one state to another."""

    AIMED = "an engine was found and its time has come"
    SUBSCRIBED = "connected, subscribed and listed"
    SILENT = "30 s without an event"
    ANSWERED = "the engine lives"
    LOST = "lost, or another engine's socket"


STREAM = Machine(
    "stream of an engine",
    (StreamState.WAITING,),
    {
        (StreamState.WAITING, StreamStep.AIMED): StreamState.CONNECTING,
        (StreamState.CONNECTING, StreamStep.SUBSCRIBED): StreamState.LISTENING,
        (StreamState.LISTENING, StreamStep.SILENT): StreamState.ASKING,
        (StreamState.ASKING, StreamStep.ANSWERED): StreamState.LISTENING,
        (StreamState.CONNECTING, StreamStep.LOST): StreamState.WAITING,
        (StreamState.LISTENING, StreamStep.LOST): StreamState.WAITING,
        (StreamState.ASKING, StreamStep.LOST): StreamState.WAITING,
    },
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where an engine is reached: a path for connect(2), and what was found behind it."""

    path: str
    device: int
    inode: int
    pid: int


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """How one stream is doing; ``available`` is None before the first attempt has ended."""

    witness: Witness
    path: str
    available: bool | None
    reason: str | None
    counts: StreamCounts


class EngineStream:
    """Follows one socket. ``path`` is its name for people."""

    def __init__(
        self,
        witness: Witness,
        path: str,
        make: Callable[[StreamCounts], Awaitable[EngineSession]],
        emit: Callable[[Sequence[Observation]], None],
        changed: Callable[[], None],
    ) -> None:
        self.witness = witness
        self.path = path
        self.available: bool | None = None
        self.reason: str | None = None
        self.state = StreamState.WAITING
        self.counts = StreamCounts()
        self._make = make
        self._emit = emit
        self._changed = changed
        self._target: Target | None = None
        self._attempted: Target | None = None
        self._aimed = asyncio.Event()
        self._conversation: asyncio.Task[None] | None = None
        self._back_off = BACK_OFF_FIRST
        self._not_before = 0.0
        self._since_wall = time.time_ns()
        self._continuity = Continuity()
        self._losses_reported = (0, 0)
        self._losses_until = clock.boottime()

    def losses(self, now: int) -> EngineLoss | None:
        """Take what was lost since the last call; ``now`` in ns since boot."""
        missed, unread = self.counts.missed, self.counts.unread
        reported, self._losses_reported = self._losses_reported, (missed, unread)
        since, self._losses_until = self._losses_until, now
        if self._losses_reported == reported:
            return None
        return EngineLoss(now, since, self.witness, missed - reported[0], unread - reported[1])

    @property
    def status(self) -> StreamStatus:
        """A copy of how it is doing."""
        return StreamStatus(
            self.witness, self.path, self.available, self.reason, replace(self.counts)
        )

    @property
    def seeking(self) -> bool:
        """Whether it needs a scan to go on: it is not connected, nor about to be."""
        return self._conversation is None and self._target is None

    def aim(self, target: Target) -> None:
        """Return what the last scan found; another target than the current one ends its talk."""
        if self._conversation is not None and target != self._attempted:
            self._conversation.cancel()
        self._target = target
        self._aimed.set()

    async def run(self) -> None:
        """Follow the engine until cancelled."""
        while True:
            self._attempted = await self._due()
            self._move(StreamStep.AIMED)
            self._conversation = asyncio.create_task(self._converse(self._attempted))
            try:
                await asyncio.wait({self._conversation})
            except asyncio.CancelledError:
                self._conversation.cancel()
                await asyncio.wait({self._conversation})
                raise
            self._end(self._conversation)

    async def _due(self) -> Target:
        """Wait for a target and for its time."""
        loop = asyncio.get_running_loop()
        while True:
            self._aimed.clear()
            target = self._target
            wait = None
            if target is not None:
                wait = self._not_before - loop.time()
                if target != self._attempted or wait <= 0:
                    return target
            try:
                async with asyncio.timeout(wait):
                    await self._aimed.wait()
            except TimeoutError:
                continue

    def _end(self, conversation: asyncio.Task[None]) -> None:
        """Say why a conversation ended, and when the next may begin."""
        self._move(StreamStep.LOST)
        self._conversation = None
        if self._target == self._attempted:
            # Its server may be gone: the next scan shows it.
            self._target = None
        if conversation.cancelled():
            reason = "another socket or process took its place"
        else:
            error = conversation.exception()
            if isinstance(error, EngineLost):
                reason = error.reason
            elif isinstance(error, TimeoutError):
                reason = "no answer: the engine hangs"
            elif isinstance(error, OSError):
                reason = error.strerror or str(error)
            elif error is not None:
                raise error
            else:
                reason = "ended"
        self.counts.failures += 1
        self._not_before = asyncio.get_running_loop().time() + self._back_off
        self._back_off = min(2 * self._back_off, BACK_OFF_MAX)
        self._tell(available=False, reason=reason)

    async def _converse(self, target: Target) -> None:
        session = await self._make(self.counts)
        try:
            async with asyncio.timeout(CONNECT_WAIT):
                await session.open(target.path, self._since_wall)
            self.counts.connects += 1
            await self._list(session)
            self._back_off = BACK_OFF_FIRST
            self._move(StreamStep.SUBSCRIBED)
            self._tell(available=True, reason=None)
            while True:
                await self._listen(session)
        finally:
            session.close()

    async def _list(self, session: EngineSession) -> None:
        try:
            async with asyncio.timeout(LIST_WAIT):
                running = await session.running()
        except (ListRefused, TimeoutError) as error:
            self.counts.lists_failed += 1
            self._continuity.listed(None, time.time_ns())
            log.warning("%s: no list of what runs: %s", self.path, str(error) or "no answer")
            return
        self._continuity.listed(running, time.time_ns())
        self._emit(running)

    async def _listen(self, session: EngineSession) -> None:
        try:
            async with asyncio.timeout(SILENCE):
                events = await session.receive()
        except TimeoutError:
            self._move(StreamStep.SILENT)
            async with asyncio.timeout(PING_WAIT):
                await session.ping()
            self._move(StreamStep.ANSWERED)
            return
        for event in events:
            self.counts.events += 1
            if event.engine_wall is not None:
                self._since_wall = max(self._since_wall, event.engine_wall)
            if self._continuity.missed(event):
                self.counts.missed += 1
        if events:
            self._emit(events)

    def _move(self, step: StreamStep) -> None:
        self.state = STREAM.after(self.state, step)

    def _tell(self, *, available: bool, reason: str | None) -> None:
        self.available, self.reason = available, reason
        self._changed()
