"""Reads the audit log of the API server on this node and explains the starts of its pods.

The log is read and parsed in a thread, in slices, and handed to the loop in small batches: a large
log must not delay what the probes report. Records of a log that is older than ``RECENT`` are left
out; it has no cause of a start that is still to come.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from sensor import clock
from sensor.correlate.explainer import StartExplainer
from sensor.model.control_plane import ControlRecord
from sensor.sources.controlplane.follower import FileFollower
from sensor.sources.controlplane.reader import Counts, Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sensor.model.events import Event
    from sensor.sources.controlplane.follower import Found

BATCH = 100
"""Records that the loop takes at once: about a millisecond of its time."""
PAUSE_SECONDS = 0.002
"""Between two batches of a backlog."""
POLL_SECONDS = 1.0
RECENT_SECONDS = 86_400
log = logging.getLogger("castoff")


class Explaining:
    """Takes starts as a sink of the pipeline; ``run`` reads the log until it is cancelled."""

    def __init__(
        self,
        path: Path,
        publish: Callable[[Sequence[Event]], None],
        realtime_offset: Callable[[], int],
    ) -> None:
        directory = path if path.is_dir() else path.parent
        stem = None if path.is_dir() else path.name.partition(".")[0]
        self._log = str(path)
        self.counts = Counts()
        self.explainer = StartExplainer()
        self._publish = publish
        self._realtime_offset = realtime_offset
        self._follower = FileFollower(
            (directory,),
            lambda name: Reader(name, counts=self.counts),
            lambda file, changed: (
                (stem is None or file.name.startswith(stem))
                and changed > time.time() - RECENT_SECONDS
            ),
        )
        self._found: Iterator[Found] | None = None

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
