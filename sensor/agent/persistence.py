"""Keep events: the store's side of the agent.

Events are encoded once, given their place in the log, shown to followers, and written by the
store's own thread. When they are durable, the kernel's records that led to them may be released.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import field, replace
from typing import TYPE_CHECKING, cast

from sensor import clock
from sensor.dataclass import dataclass
from sensor.errors import StateUnusable
from sensor.model.agent_records import Notice, StoreLoss
from sensor.model.vocabulary import LastEnd
from sensor.store.callbacks import Callbacks
from sensor.store.entry import NewEntry
from sensor.store.log import Store, StoreSettings
from sensor.store.pages import Pages
from sensor.store.reader import LogReader
from sensor.store.time_range import NodeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from sensor.correlate.core import Correlator
    from sensor.model.events import Event
    from sensor.model.inventory import KnowledgeRestored, KnownContainer
    from sensor.model.log_head import LogHead
    from sensor.model.observations import Observation
    from sensor.sources.kernel import ReadUpTo
    from sensor.store.batch import JudgedRows, LostEntries
    from sensor.store.knowledge import Key
    from sensor.store.log import StoreHealth
    from sensor.store.retention import Dropped
    from sensor.store.salvage import Salvaged

RUNNING = "agent.running"
"""Counter that is 1 while an agent runs: the next one reads from it whether it was killed."""

LOG_OPENED = "log_opened"
AGENT_STOPPED = "agent_stopped"
"""Actions of ``sensor`` events that carry the head of the log's chain, as signs of life do."""

FLUSH_SECONDS = 5.0
"""How long a stopping agent waits for the disk."""

log = logging.getLogger("castoff")


RESUMED_MAX = 65_536
"""Newest events of the log that are known by their ids while a backlog is read: more than the
kernel's rings hold starts."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """What the log has already."""

    ids: frozenset[str] = frozenset()
    """Ids of its newest events."""
    realtime_offset: int | None = None
    """ns between wall clock and boot with which the newest event of this boot was made."""


@dataclass(frozen=True, slots=True)
class Published:
    """An event that is handed on: its line, and the judge's rows that follow from it."""

    event: Event
    line: bytes
    judged: JudgedRows | None
    """None for an alert: it is kept with the event before it, or not at all."""
    known: Mapping[Key, KnownContainer] = field(default_factory=dict)
    """Containers as the event left them."""


def _no_follower(_sequence: int, _line: bytes) -> None:
    pass


def _no_waiter(_sequence: int, _new: int) -> None:
    pass


def _no_output(_output: str, _count: int) -> None:
    pass


class Persistence:
    """Owns the store. ``feed`` is called in the loop."""

    def __init__(
        self,
        directory: Path,
        settings: StoreSettings,
        boot_id: str,
        feed: Callable[[list[Observation]], None],
        publish: Callable[[int, bytes], None] = _no_follower,
        timeline: str | None = None,
    ) -> None:
        """``publish`` is called with each event's sequence and line.

        ``timeline``: all events have wall-clock times, also of past years, and age from when they
        came. It stands for the boot of each.
        """
        self._loop = asyncio.get_running_loop()
        self._boot_id = boot_id
        self._feed = feed
        self._safe: ReadUpTo | None = None
        """Written by the writer's thread."""
        self._given: ReadUpTo | None = None
        self._publish = publish
        self._timeline = timeline
        self.written: Callable[[int, int], None] = _no_waiter
        """Called by the writer's thread with the sequence up to which the log can be read."""
        self.missed: Callable[[str, int], None] = _no_output
        """Called by the writer's thread with the number of events that an output missed."""
        self._opening: LogHead | None = None
        """The head of the log as it was opened, until it is reported."""
        self._introduced = False
        self._unnoted: dict[Key, KnownContainer | None] = {}
        """What changed since the last note: as many containers as the core knows, at most."""
        self.store = Store(
            directory,
            settings,
            Callbacks(
                durable=self._durable,
                written=self._written,
                failing=self._failing,
                recovered=self._recovered,
                dropped=self._dropped,
                opened=self._opened,
                moved_aside=self._moved_aside,
            ),
        )
        self.reader = LogReader(self.store.path, NodeClock(boot_id, clock.realtime_offset))

    def restored(self) -> KnowledgeRestored | None:
        """Return what an earlier agent knew and how it ended, and note that this one runs."""
        restored = self.store.restored(clock.boottime(), self._boot_id)
        running = self.store.last_counter(RUNNING)
        self.count({RUNNING: 1})
        if restored is None or running is None:
            return restored
        return replace(restored, ended=LastEnd.KILLED if running else LastEnd.CLEAN)

    def opened(self) -> list[Observation]:
        """Return the note of the log's head as it was opened; later ones report themselves."""
        self._introduced = True
        head, self._opening = self._opening, None
        return [] if head is None else [_opened_note(head)]

    def stopped(self) -> list[Observation]:
        """Return the note of an agent that stops: where the log's chain stands."""
        self.store.flush(FLUSH_SECONDS)
        return [Notice(clock.boottime(), AGENT_STOPPED, log=self.store.health().head)]

    def resume(self) -> Resumed:
        """Return what an agent must know so as not to report an event of the log again."""
        pages = Pages(self.store.path)
        try:
            return Resumed(pages.newest_ids(RESUMED_MAX), pages.offset(self._boot_id))
        except StateUnusable as error:
            log.warning("events of the log may be reported again: %s", error.problem)
            return Resumed()
        finally:
            pages.close()

    def note_clean_end(self) -> None:
        """Record for the next agent that this one ended cleanly."""
        self.count({RUNNING: 0})

    def keep(self, published: Sequence[Published]) -> None:
        """Append events, each in one transaction with what follows from it.

        That is what the judge remembers, and how the event left its containers.
        """
        entries = [_entry(one.event, one.line, self._timeline) for one in published]
        judged, known = [one.judged for one in published], [one.known for one in published]
        sequences = self.store.append(entries, judged, known)
        for sequence, one in zip(sequences, published, strict=True):
            self._publish(sequence, one.line)

    def learn(self, core: Correlator) -> dict[Key, KnownContainer]:
        """Take what changed in the core's knowledge; the next note has it all."""
        if not core.table.dirty:
            return {}
        changed, forgotten = core.changes()
        learnt = {(known.id, known.scope): known for known in changed}
        for key in (*learnt, *forgotten):
            # At the end: the note keeps the order in which containers changed.
            self._unnoted.pop(key, None)
            self._unnoted[key] = learnt.get(key)
        return learnt

    def note(self, core: Correlator) -> None:
        """Write what changed in the core's knowledge, behind the events that it followed from."""
        self.learn(core)
        if self._unnoted:
            changed = tuple(known for known in self._unnoted.values() if known is not None)
            forgotten = tuple(key for key, known in self._unnoted.items() if known is None)
            self._unnoted.clear()
            self.store.note(self._boot_id, clock.boottime(), changed, forgotten)

    def note_seen(self) -> None:
        """Write until when this agent has seen."""
        self.store.note(self._boot_id, clock.boottime(), (), ())

    def counters(self) -> dict[str, int]:
        """Return the counters of this boot as an earlier agent left them."""
        return self.store.counters(self._boot_id)

    def count(self, counters: Mapping[str, int]) -> None:
        """Write counters, together with the events that reported them."""
        self.store.count(self._boot_id, counters)

    def is_behind(self) -> bool:
        """Return whether reading more now would only fill the queue to a disk that works."""
        return self.store.is_behind()

    def mark(self, read: ReadUpTo) -> None:
        """Have :meth:`released` return these records once everything before is durable."""
        self.store.mark(read)

    def released(self) -> ReadUpTo | None:
        """Return which of the kernel's records are not needed any more, once each time."""
        safe = self._safe
        if safe is self._given:
            return None
        self._given = safe
        return safe

    def health(self) -> StoreHealth:
        """Return how the store is doing."""
        return self.store.health()

    def close(self) -> None:
        """Write what waits and end."""
        if not self.store.close(FLUSH_SECONDS):
            log.warning("the store could not write everything in %.0f s", FLUSH_SECONDS)

    # ----------------------------------------------------------------- from the writer's thread

    def _durable(self, token: object) -> None:
        # No wake-up for it: the kernel keeps its records a moment longer.
        self._safe = cast("ReadUpTo", token)

    def _written(self, sequence: int, new: int) -> None:
        # Its waiters come after the store.
        self.written(sequence, new)

    def _failing(self, reason: str) -> None:
        fix = "Check the state directory's owner, space and mount options."
        log.warning("events wait in memory: %s; %s", reason, fix)

    def _recovered(self, loss: LostEntries | None) -> None:
        if loss is not None:
            reason = "events could not be written and did not fit in memory"
            self._tell(StoreLoss(loss.until, loss.since, reason, loss.lost))

    def _dropped(self, dropped: Dropped) -> None:
        # What is older than this boot has a negative time since boot: a gap may begin there.
        offset = clock.realtime_offset()
        for output, missed in dropped.unshipped.items():
            reason = f"retention took events that {output} had not shipped"
            self.missed(output, missed.count)
            until = missed.until - offset
            self._tell(StoreLoss(until, missed.since - offset, reason, missed.count))

    def _opened(self, head: LogHead) -> None:
        if self._introduced:
            note: list[Observation] = [_opened_note(head)]
            self._loop.call_soon_threadsafe(self._feed, note)
        else:
            self._opening = head

    def _moved_aside(self, path: Path, salvaged: Salvaged) -> None:
        """Report what is missing of a damaged log; nothing is where all of it was salvaged."""
        log.warning("event store corrupted; moved to %s, %d events kept", path, salvaged.events)
        if salvaged.lost == 0:
            return
        offset = clock.realtime_offset()
        now = clock.boottime()
        since = salvaged.since - offset if salvaged.since is not None else 0
        until = salvaged.until - offset if salvaged.until is not None else now
        reason = f"damaged database moved aside to {path}; {salvaged.events} events salvaged"
        if not salvaged.complete:
            reason += "; castoff salvage reads the rest"
        self._tell(StoreLoss(until, min(since, until), reason, salvaged.lost))

    def _tell(self, loss: StoreLoss) -> None:
        observations: list[Observation] = [loss]
        self._loop.call_soon_threadsafe(self._feed, observations)


def _opened_note(head: LogHead) -> Notice:
    return Notice(clock.boottime(), LOG_OPENED, detail=head.broken, log=head)


def _entry(event: Event, line: bytes, timeline: str | None) -> NewEntry:
    container = event.container
    boot_id = "" if event.host is None else event.host.boot_id
    return NewEntry(
        id=event.id,
        type=event.type,
        time=event.time,
        wall=event.time + event.realtime_offset,
        boot_id=boot_id if timeline is None else timeline,
        container_id=container.id if container is not None else None,
        name=container.name if container is not None else None,
        body=line,
    )
