"""``castoff normalize --config``: control planes' records into the outputs, as a service.

    directories ─▶ Follower ──┐
    API servers ─▶ webhook  ──┤
    clouds      ─▶ pushes   ──┼─▶ RequestEvents ─▶ store ─▶ the outputs of the configuration
    Kafka       ─▶ consumer ──┘                      └─▶ what was received is answered

The store, the cursors of the outputs and the delivery are those of the agent: events are durable
before the place in the files is, so that nothing is lost by a crash. What is read again afterwards
has the ids that it had. No rights and no BPF are needed, only a directory of one's own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from contextlib import AsyncExitStack
from hashlib import blake2b
from typing import TYPE_CHECKING

from sensor.agent.aggregator_state import DurableMarks, lock, read_places
from sensor.agent.audit_webhook import AuditWebhook
from sensor.agent.delivery import Delivery
from sensor.agent.persistence import Persistence, Published
from sensor.agent.receivers.cloud_push import CloudPush
from sensor.agent.receivers.kafka_input import KafkaInput, Taken
from sensor.correlate.request_events import RequestEvents
from sensor.model.agent_records import StoreLoss
from sensor.model.control_plane import ControlRecord
from sensor.model.events import Event, Gap, SensorNote
from sensor.model.vocabulary import EventType
from sensor.schema.document import encode_line
from sensor.sources.controlplane.follower import FileFollower
from sensor.sources.controlplane.reader import BadRecord, Counts, Loss, Reader, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sensor.agent.aggregator_settings import AggregatorSettings
    from sensor.model.agent_records import HostFacts
    from sensor.model.observations import Observation
    from sensor.sources.controlplane.follower import Found

END_SECONDS = 5.0
"""How long a service that ends waits for the disk."""
BATCH = 500
"""Records between two turns of the loop, which also writes events and places."""
TIMELINE = ""
"""One for all events of the log: records may be years old, and are kept from when they came."""
POLL_SECONDS = 1.0
FORGOTTEN_LEAST = 1000
"""So many forgotten objects are logged, and again twice as many."""
KAFKA_SECONDS = 60.0
"""How long a batch of Kafka waits for the disk before it is tried again."""
log = logging.getLogger("castoff")


class Aggregator:
    """Reads directories, and takes what is received, until it is stopped."""

    def __init__(self, settings: AggregatorSettings, host: HostFacts) -> None:
        self._settings = settings
        self._host = host
        self._made = RequestEvents()
        self._counts = Counts()
        self._shipping = Delivery(settings.shipping, host)
        self._stopping = asyncio.Event()
        self._losses: deque[StoreLoss] = deque(maxlen=100)
        self._reported = 0
        self._forgotten = 0
        self._beaten: float | None = None
        self._found: Iterator[Found] | None = None
        self.port: int | None = None
        """Where the webhook listens."""
        self.push_port: int | None = None
        """Where pushes of clouds are taken."""

    def stop(self) -> None:
        """Ask it to end."""
        self._stopping.set()

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Read, keep and ship until :meth:`stop`; ``started`` is called once the ports listen."""
        settings = self._settings
        settings.state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            stack.callback(os.close, lock(settings.state_dir))
            keeper = Persistence(
                settings.state_dir,
                settings.store,
                self._host.boot_id,
                self._observed,
                timeline=TIMELINE,
            )
            stack.callback(keeper.close)
            self._shipping.open(keeper)
            stack.push_async_callback(self._shipping.close)
            marks = DurableMarks(keeper, settings.state_dir)
            follower = FileFollower(
                settings.directories, self._reader, places=read_places(settings.state_dir)
            )
            consuming = await self._receive(stack, keeper, marks)
            started()
            while not self._stopping.is_set():
                ended = await self._turn(keeper, marks, follower)
                if consuming is not None and consuming.done():
                    consuming.result()  # A setting that librdkafka does not take.
                if ended:
                    try:
                        async with asyncio.timeout(POLL_SECONDS):
                            await self._stopping.wait()
                    except TimeoutError:
                        pass
            ended = await self._turn(keeper, marks, follower)
            self._keep(keeper, list(self._made.close(time.time_ns())))
            if ended:
                marks.mark(follower.where())
                try:
                    async with asyncio.timeout(END_SECONDS):
                        await marks.wait()
                except TimeoutError:
                    log.warning("the disk did not take the last events in time")

    async def _receive(
        self, stack: AsyncExitStack, keeper: Persistence, marks: DurableMarks
    ) -> asyncio.Task[None] | None:
        """Open the receivers that are configured; return the consumer of Kafka."""
        settings = self._settings

        async def pushed(origin: str, body: bytes) -> None:
            found = await asyncio.to_thread(self._parsed, origin, body)
            await self._kept(keeper, marks, found)

        async def consumed(messages: list[Taken]) -> None:
            found = await asyncio.to_thread(self._messages, messages)
            async with asyncio.timeout(KAFKA_SECONDS):
                await self._kept(keeper, marks, found)

        if settings.webhook is not None:
            webhook = AuditWebhook(settings.webhook, pushed)
            self.port = await webhook.start()
            stack.push_async_callback(webhook.close)
            log.info("the audit webhook listens on port %d", self.port)
        if settings.push.server.listen:
            server = CloudPush(settings.push, pushed).server()
            self.push_port = await server.start()
            stack.push_async_callback(server.close)
            log.info("pushes are taken on port %d", self.push_port)
        if not settings.kafka.brokers:
            return None
        task = asyncio.create_task(KafkaInput(settings.kafka, consumed).run())
        stack.push_async_callback(_cancelled, task)
        return task

    async def _turn(self, keeper: Persistence, marks: DurableMarks, follower: FileFollower) -> bool:
        """Take what is there, at most a batch; return whether it is all for now."""
        await marks.has_room()
        found, ended = await asyncio.to_thread(self._batch, follower)
        # A sign of life first: what comes behind it ages from then.
        events = [*self._alive(keeper), *self._events(found, grows=True)]
        if ended:
            events += self._made.settle(time.time_ns())
            if self._counts.bad > self._reported:
                lost = self._counts.bad - self._reported
                self._reported = self._counts.bad
                events.append(self._gap("normalize", "records that cannot be read", lost))
            self._say_forgotten()
        while self._losses:
            loss = self._losses.popleft()
            events.append(self._gap("store", loss.reason, loss.lost, loss.time))
        self._keep(keeper, events)
        if ended:
            marks.mark(follower.where())
        marks.settle()
        return ended

    def _events(self, found: Sequence[Found], *, grows: bool = False) -> list[Event]:
        """Return the events of what was read; ``grows``: from files that grow."""
        now = time.time_ns()
        events: list[Event] = []
        for one in found:
            if isinstance(one, ControlRecord):
                log_ = one.request.ref.file if grows and one.request.ref is not None else None
                events += self._made.feed(one, now, log_)
            elif isinstance(one, Loss):
                events.append(self._gap(one.source, one.reason, None, one.ref))
            elif isinstance(one, BadRecord):
                log.warning("%s:%d cannot be read: %s", one.ref.file, one.ref.line, one.reason)
        return events

    def _say_forgotten(self) -> None:
        """Log when there is more than can be remembered: pods then have no requester."""
        forgotten = self._made.forgotten()
        if forgotten >= 2 * max(self._forgotten, FORGOTTEN_LEAST):
            log.warning("%d pods, tasks, workloads and writes are forgotten by now", forgotten)
            self._forgotten = forgotten

    async def _kept(self, keeper: Persistence, marks: DurableMarks, found: Sequence[Found]) -> None:
        """Keep the events of records that were received; return when they are durable."""
        await marks.has_room()
        self._keep(keeper, self._events(found))
        await marks.wait()

    def _parsed(self, origin: str, body: bytes) -> list[Found]:
        """Return the records of a body. Raises ValueError where it holds none."""
        counts = Counts()
        found = list(read([body], self._reader(origin, counts)))
        self._counts.bad += counts.bad
        if counts.bad and not counts.records:
            raise ValueError("the body holds no record")
        return found

    def _messages(self, messages: Sequence[Taken]) -> list[Found]:
        found: list[Found] = []
        for one in messages:
            reader = self._reader(f"{one.topic}/{one.partition}", self._counts)
            reader.goes_on_at(one.offset)
            found += read([one.data], reader)
        return found

    def _batch(self, follower: FileFollower) -> tuple[list[Found], bool]:
        if self._found is None:
            self._found = follower.poll()
        taken: list[Found] = []
        for found in self._found:
            taken.append(found)
            if len(taken) >= BATCH:
                return taken, False
        self._found = None
        return taken, True

    def _reader(self, name: str, counts: Counts | None = None) -> Reader:
        settings = self._settings
        return Reader(
            name,
            proxies=settings.proxies,
            sources=settings.sources,
            counts=self._counts if counts is None else counts,
        )

    @staticmethod
    def _keep(keeper: Persistence, events: Sequence[Event]) -> None:
        if events:
            keeper.keep([Published(event, encode_line(event), {}) for event in events])

    def _observed(self, observations: list[Observation]) -> None:
        self._losses.extend(one for one in observations if isinstance(one, StoreLoss))

    def _alive(self, keeper: Persistence) -> list[Event]:
        now = time.monotonic()
        period = self._settings.heartbeat_seconds
        if self._beaten is not None and (period <= 0 or now - self._beaten < period):
            return []
        self._beaten = now
        note = SensorNote("alive", log=keeper.health().head)
        return [self._own(EventType.SENSOR, "alive", sensor=note)]

    def _gap(self, source: str, reason: str, lost: int | None, *place: object) -> Event:
        now = time.time_ns()
        gap = Gap(source, reason, now, now, lost)
        return self._own(EventType.GAP, source, reason, *place, gap=gap)

    def _own(
        self,
        kind: EventType,
        *parts: object,
        gap: Gap | None = None,
        sensor: SensorNote | None = None,
    ) -> Event:
        now = time.time_ns()
        identity = "\x1f".join(str(part) for part in (self._host.boot_id, now, kind, *parts))
        return Event(
            type=kind,
            id=blake2b(identity.encode("utf-8", "replace"), digest_size=16).hexdigest(),
            time=now,
            observed=now,
            realtime_offset=0,
            host=self._host,
            gap=gap,
            sensor=sensor,
        )


async def _cancelled(task: asyncio.Task[None]) -> None:
    """End a task and wait for its end."""
    task.cancel()
    await asyncio.wait((task,))
