"""Reads the audit log of the API server on this node and explains the starts of its pods.

Instead of a log it takes the batches that API servers post. The agent keeps no requests: a batch is
answered once it is taken for explanations, and an agent that ends forgets it.

The log is read and parsed in a thread, in slices, and handed to the loop in small batches: a large
log must not delay what the probes report. Records of a log that is older than ``RECENT`` are left
out; it has no cause of a start that is still to come.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sensor import clock
from sensor.agent.config import WEBHOOK
from sensor.correlate.explainer import StartExplainer
from sensor.model.control_plane import ControlRecord
from sensor.sources.controlplane.follower import FileFollower
from sensor.sources.controlplane.reader import Counts, Reader, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sensor.agent.config import Config
    from sensor.agent.receivers.post_server import ListenSettings
    from sensor.model.events import Event
    from sensor.sources.controlplane.follower import Found

BATCH = 100
"""Records that the loop takes at once: about a millisecond of its time."""
PAUSE_SECONDS = 0.002
"""Between two batches of a backlog."""
POLL_SECONDS = 1.0
RECENT_SECONDS = 86_400
log = logging.getLogger("castoff")


def sources_of(config: Config) -> tuple[Path | None, ListenSettings | None]:
    """Return the log that is read, or where batches are taken."""
    given = config.sources.kubernetes_audit
    if given != WEBHOOK:
        return Path(given), None
    # OpenSSL takes some MiB.
    from sensor.agent.audit_webhook import listens

    return None, listens(config.webhook)


class Explaining:
    """Takes starts as a sink of the pipeline; ``run`` reads the log until it is cancelled."""

    def __init__(
        self,
        path: Path | None,
        publish: Callable[[Sequence[Event]], None],
        realtime_offset: Callable[[], int],
    ) -> None:
        self._log = None if path is None else str(path)
        self.counts = Counts()
        self.explainer = StartExplainer()
        self._publish = publish
        self._realtime_offset = realtime_offset
        self._follower = FileFollower(
            () if path is None else (path if path.is_dir() else path.parent,),
            lambda name: Reader(name, counts=self.counts),
            _wanted(None if path is None or path.is_dir() else path.name.partition(".")[0]),
        )
        self._found: Iterator[Found] | None = None
        self.port: int | None = None
        """Where batches are taken."""

    def take(self, event: Event, line: bytes, *, more: bool) -> None:
        """Take an event of the pipeline."""
        del line, more
        self.explainer.started(event)

    def push(self) -> None:
        """Nothing waits here for more."""

    async def run(self) -> None:
        """Read the log and publish explanations."""
        try:
            await self._read()
        finally:
            for _ in self._follower.close():
                pass  # The rest of a line that was being written.

    async def listen(self, settings: ListenSettings) -> None:
        """Take batches of API servers until it is cancelled. Raises :class:`ConfigError`."""
        from sensor.agent.audit_webhook import AuditWebhook

        webhook = AuditWebhook(settings, self._received)
        self.port = await webhook.start()
        log.info("the audit webhook listens on port %d", self.port)
        try:
            await asyncio.Event().wait()
        finally:
            await webhook.close()

    async def _received(self, peer: str, body: bytes) -> None:
        """Take a batch. Raises ValueError where it holds no record."""
        counts = Counts()
        records = await asyncio.to_thread(_records, Reader(peer, counts=counts), body)
        self.counts.bad += counts.bad
        self.counts.records += counts.records
        if counts.bad and not counts.records:
            raise ValueError("the body holds no record")
        now = clock.boottime() + self._realtime_offset()
        for begin in range(0, len(records), BATCH):
            for record in records[begin : begin + BATCH]:
                # Batches of several servers come in any order.
                self.explainer.add(record, now)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _read(self) -> None:
        bad = 0
        while True:
            records, ended = await asyncio.to_thread(self._batch)
            now = clock.boottime() + self._realtime_offset()
            for record in records:
                self.explainer.add(record, now, self._log)
            events = (
                list(self.explainer.settle(now)) if ended or len(self.explainer) < BATCH else []
            )
            if events:
                self._publish(events)
            if self.counts.bad > bad:
                log.warning("%d records of the audit log cannot be read", self.counts.bad - bad)
                bad = self.counts.bad
            await asyncio.sleep(POLL_SECONDS if ended else PAUSE_SECONDS)

    def _batch(self) -> tuple[list[ControlRecord], bool]:
        """Return the next records, and whether these are all for now."""
        if self._found is None:
            self._found = self._follower.poll()
        records: list[ControlRecord] = []
        for found in self._found:
            if isinstance(found, ControlRecord):
                records.append(found)
                if len(records) >= BATCH:
                    return records, False
        self._found = None
        return records, True


def _wanted(stem: str | None) -> Callable[[Path, float], bool]:
    """Return which files are read: the recent ones, with this begin of their names."""

    def wanted(file: Path, changed: float) -> bool:
        named = stem is None or file.name.startswith(stem)
        return named and changed > time.time() - RECENT_SECONDS

    return wanted


def _records(reader: Reader, body: bytes) -> list[ControlRecord]:
    return [one for one in read([body], reader) if isinstance(one, ControlRecord)]
