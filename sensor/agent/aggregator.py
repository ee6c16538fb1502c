"""``castoff normalize --config``: control planes' records into the outputs, as a service.

    directories ─▶ Follower ──┬─▶ RequestEvents ─▶ store ─▶ the outputs of the configuration
    API server  ─▶ webhook  ──┘                      └─▶ the batch is answered

The store, the cursors of the outputs and the delivery are those of the agent: events are durable
before the place in the files is, so that nothing is lost by a crash. What is read again afterwards
has the ids that it had. No rights and no BPF are needed, only a directory of one's own.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import time
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.agent.audit_webhook import AuditWebhook, WebhookSettings
from sensor.agent.delivery import Delivery, DeliverySettings
from sensor.agent.persistence import Persistence, Published
from sensor.correlate.request_events import RequestEvents
from sensor.errors import CastoffError, ConfigError
from sensor.model.control_plane import ControlRecord
from sensor.model.events import Event, Gap, SensorNote
from sensor.model.observations import StoreLoss
from sensor.model.vocabulary import EventType
from sensor.schema.document import encode_line
from sensor.sources.controlplane.inputs import Follower, Places
from sensor.sources.controlplane.reader import BadRecord, Counts, Loss, Reader, read
from sensor.store.log import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sensor.agent.config import Config, WebhookSection
    from sensor.model.control_plane import RequestSource
    from sensor.model.observations import HostFacts, Observation
    from sensor.sources.controlplane.addresses import Proxies
    from sensor.sources.controlplane.inputs import Found

DURABLE_LOOK = 0.005
"""Seconds between two looks whether a batch is durable; a sync of the disk takes longer."""
END_SECONDS = 5.0
"""How long a service that ends waits for the disk."""
BATCH = 500
"""Records between two turns of the loop, which also writes events and places."""
POLL_SECONDS = 1.0
SECONDS_PER_DAY = 86_400
PLACES_FILE = "places.json"
PLACES_LIMIT = 16 << 20
BUSY = 75
log = logging.getLogger("castoff")


class AggregatorBusy(CastoffError):
    """Another process uses the state directory."""

    exit_code = BUSY


@dataclass(frozen=True, slots=True)
class AggregatorSettings:
    """What is read, where it is kept, and where it goes."""

    directories: tuple[Path, ...]
    state_dir: Path
    store: StoreSettings
    shipping: DeliverySettings
    heartbeat_seconds: float
    sources: frozenset[RequestSource] | None = None
    proxies: Proxies = ()
    webhook: WebhookSettings | None = None

    @classmethod
    def of(
        cls,
        config: Config,
        directories: tuple[Path, ...],
        sources: frozenset[RequestSource] | None,
        proxies: Proxies,
    ) -> AggregatorSettings:
        """Return what a configuration says."""
        return cls(
            directories=directories,
            state_dir=config.agent.state_dir,
            store=StoreSettings(
                sync=config.store.sync,
                max_bytes=config.store.max_mib << 20,
                max_age=config.store.max_age_days * SECONDS_PER_DAY,
                dead_letters=config.delivery.dead_letters,
            ),
            shipping=DeliverySettings(
                outputs=config.outputs,
                flush_seconds=config.delivery.flush_seconds,
                dead_letters=config.delivery.dead_letters,
            ),
            heartbeat_seconds=config.agent.heartbeat_seconds,
            sources=sources,
            proxies=proxies,
            webhook=_webhook(config.webhook),
        )


def _webhook(section: WebhookSection) -> WebhookSettings | None:
    """Return where the webhook listens; None where it is off. Raises :class:`ConfigError`."""
    if not section.listen:
        return None
    host, _, port = section.listen.rpartition(":")
    files = (section.certificate, section.key, section.client_ca)
    if not host or not port.isdecimal() or not all(files):
        raise ConfigError(
            "webhook: listen is HOST:PORT, and certificate, key and client_ca are files",
            "Give all four keys of [webhook], or none.",
        )
    certificate, key, client_ca = map(Path, files)
    return WebhookSettings(host.strip("[]"), int(port), certificate, key, client_ca)


@dataclass(frozen=True, slots=True)
class _Mark:
    """What is durable when the store says so: a batch's number, or places in files."""

    number: int
    places: Places | None = None


class Aggregator:
    """Reads directories until it is stopped."""

    def __init__(self, settings: AggregatorSettings, host: HostFacts) -> None:
        self._settings = settings
        self._host = host
        self._made = RequestEvents()
        self._counts = Counts()
        self._shipping = Delivery(settings.shipping, host)
        self._stopping = asyncio.Event()
        self._losses: deque[StoreLoss] = deque(maxlen=100)
        self._reported = 0
        self._beaten: float | None = None
        self._found: Iterator[Found] | None = None
        self._marks = self._durable = 0
        self._awaited: dict[int, asyncio.Future[None]] = {}
        """Batches of the webhook that are answered when they are durable, by their marks."""
        self.port: int | None = None
        """Where the webhook listens."""

    def stop(self) -> None:
        """Ask it to end."""
        self._stopping.set()

    async def run(self) -> None:
        """Read, keep and ship until :meth:`stop`."""
        settings = self._settings
        settings.state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            stack.callback(os.close, _lock(settings.state_dir))
            keeper = Persistence(
                settings.state_dir, settings.store, self._host.boot_id, self._observed
            )
            stack.callback(keeper.close)
            self._shipping.open(keeper)
            stack.push_async_callback(self._shipping.close)
            follower = Follower(
                settings.directories, self._reader, places=_read_places(settings.state_dir)
            )
            if settings.webhook is not None:
                webhook = AuditWebhook(settings.webhook, partial(self._pushed, keeper))
                self.port = await webhook.start()
                stack.push_async_callback(webhook.close)
                log.info("the audit webhook listens on port %d", self.port)
            while not self._stopping.is_set():
                ended = await self._turn(keeper, follower)
                if ended:
                    try:
                        async with asyncio.timeout(POLL_SECONDS):
                            await self._stopping.wait()
                    except TimeoutError:
                        pass
            ended = await self._turn(keeper, follower)
            self._keep(keeper, list(self._made.close(time.time_ns())))
            if ended:
                await self._note_the_end(keeper, follower)

    async def _note_the_end(self, keeper: Persistence, follower: Follower) -> None:
        """Wait until all that was read is durable, so that the next run repeats nothing."""
        number = self._mark(keeper, follower.where())
        deadline = time.monotonic() + END_SECONDS
        while self._durable < number and time.monotonic() < deadline:
            await asyncio.sleep(DURABLE_LOOK)
            self._settle(keeper)

    async def _turn(self, keeper: Persistence, follower: Follower) -> bool:
        """Take what is there, at most a batch; return whether it is all for now."""
        found, ended = await asyncio.to_thread(self._batch, follower)
        now = time.time_ns()
        events: list[Event] = []
        for one in found:
            if isinstance(one, ControlRecord):
                events += self._made.feed(one, now)
            elif isinstance(one, Loss):
                events.append(self._gap(one.source, one.reason, None, one.ref))
            elif isinstance(one, BadRecord):
                log.warning("%s:%d cannot be read: %s", one.ref.file, one.ref.line, one.reason)
        if ended:
            events += self._made.settle(now)
            if self._counts.bad > self._reported:
                lost = self._counts.bad - self._reported
                self._reported = self._counts.bad
                events.append(self._gap("normalize", "records that cannot be read", lost, now))
        while self._losses:
            loss = self._losses.popleft()
            events.append(self._gap("store", loss.reason, loss.lost, loss.time))
        events += self._alive()
        self._keep(keeper, events)
        if ended:
            self._mark(keeper, follower.where())
        self._settle(keeper)
        return ended

    def _mark(self, keeper: Persistence, places: Places | None = None) -> int:
        self._marks += 1
        keeper.store.mark(_Mark(self._marks, places))
        return self._marks

    def _settle(self, keeper: Persistence) -> None:
        """Note what has become durable: a later mark covers all before it."""
        durable: object = keeper.released()
        if not isinstance(durable, _Mark):
            return
        self._durable = durable.number
        if durable.places is not None:
            _write_places(self._settings.state_dir, durable.places)
        for number in [number for number in self._awaited if number <= durable.number]:
            future = self._awaited.pop(number)
            if not future.done():
                future.set_result(None)

    async def _pushed(self, keeper: Persistence, peer: str, body: bytes) -> None:
        """Take a batch of the webhook and return when it is durable. Raises ValueError."""
        found = await asyncio.to_thread(self._parsed, peer, body)
        now = time.time_ns()
        events: list[Event] = []
        for one in found:
            if isinstance(one, ControlRecord):
                events += self._made.feed(one, now)
        self._keep(keeper, events)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        number = self._mark(keeper)
        self._awaited[number] = future
        try:
            while not future.done():
                await asyncio.sleep(DURABLE_LOOK)
                self._settle(keeper)
        finally:
            self._awaited.pop(number, None)

    def _parsed(self, peer: str, body: bytes) -> list[Found]:
        counts = Counts()
        settings = self._settings
        reader = Reader(f"webhook {peer}", proxies=settings.proxies, counts=counts)
        found = list(read([body], reader))
        self._counts.bad += counts.bad
        if counts.bad and not counts.records:
            raise ValueError("the body holds no record")
        return found

    def _batch(self, follower: Follower) -> tuple[list[Found], bool]:
        if self._found is None:
            self._found = follower.poll()
        taken: list[Found] = []
        for found in self._found:
            taken.append(found)
            if len(taken) >= BATCH:
                return taken, False
        self._found = None
        return taken, True

    def _reader(self, name: str) -> Reader:
        settings = self._settings
        return Reader(name, proxies=settings.proxies, sources=settings.sources, counts=self._counts)

    @staticmethod
    def _keep(keeper: Persistence, events: Sequence[Event]) -> None:
        if events:
            keeper.keep([Published(event, encode_line(event), {}) for event in events])

    def _observed(self, observations: list[Observation]) -> None:
        self._losses.extend(one for one in observations if isinstance(one, StoreLoss))

    def _alive(self) -> list[Event]:
        now = time.monotonic()
        period = self._settings.heartbeat_seconds
        if self._beaten is not None and (period <= 0 or now - self._beaten < period):
            return []
        self._beaten = now
        return [self._own(EventType.SENSOR, "alive", sensor=SensorNote("alive"))]

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


def _lock(directory: Path) -> int:
    handle = os.open(
        directory / "normalize.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
    )
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise AggregatorBusy(
            f"{directory} is in use by another castoff normalize",
            "Give each service a state directory of its own: agent.state_dir.",
        ) from None
    return handle


def _read_places(directory: Path) -> Places:
    """Return where an earlier run has come; from the begin where that cannot be read."""
    try:
        with (directory / PLACES_FILE).open("rb") as stream:
            return Places.from_document(json.loads(stream.read(PLACES_LIMIT)))
    except FileNotFoundError:
        return Places()
    except (OSError, ValueError) as error:
        log.warning("the places in the files are unknown, they are read again: %s", error)
        return Places()


def _write_places(directory: Path, places: Places) -> None:
    """Replace the file in one step: it is whole after a crash."""
    beside = directory / f"{PLACES_FILE}.new"
    with beside.open("w", encoding="ascii") as stream:
        json.dump(places.document(), stream)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(directory / PLACES_FILE)
