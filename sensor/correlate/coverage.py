"""Hold the witnesses of each start against each other: who saw it, and who should have.

The kernel probes decide what a start is. An engine's own stream is a third witness: a start that
only the engine reports is a gap, with its evidence (the probes were blind, or the container is a
virtual machine); a start that the engine, while it was being listened to, did not report is marked
in the table.

Only engines of the host's root are listened to. They speak of no container of a user's own engine
or of an engine in a container, whatever id that container has.
"""

from __future__ import annotations

from collections import deque
from dataclasses import field
from typing import TYPE_CHECKING

from sensor.bounded import Bounded
from sensor.dataclass import dataclass
from sensor.model.events import Event, Gap
from sensor.model.requests import CoverageRow
from sensor.model.vocabulary import ContainerId, Engine, Witness
from sensor.shares import SharedTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.correlate.events import Clock, EventFactory
    from sensor.model.witness_records import EngineEvent, SourceChanged

STARTS_MAX = 4096
"""Starts of root's containers in the table; older ones are forgotten. Others have an eighth."""
_OTHERS = "others"

WAITING_MAX = 1024
"""Starts reported by an engine and not yet by the probes."""

GRACE = 3_000_000_000
"""Nanoseconds that one witness may be later than another."""

SILENCE = 60_000_000_000
"""Nanoseconds after which an engine that spoke of no start is silent: a busy one reports late."""

UNHEARD_MAX = 512
"""Starts of engines that are listened to and have not spoken of them yet."""

FAILURE_WINDOW = 60_000_000_000
"""Nanoseconds after a failed start in which an engine's word of a start is taken to be about it."""

_STREAMS = {
    Engine.DOCKER: Witness.DOCKER,
    Engine.CONTAINERD: Witness.CONTAINERD,
    Engine.PODMAN: Witness.PODMAN,
}
_STARTING = "start"
"""Docker reports a ``restart`` beside the ``start`` that it means."""


@dataclass(slots=True)
class _Seen:
    """A start and its witnesses."""

    id: ContainerId
    name: str | None
    time: int
    engine: Engine | None
    commanded: bool
    audited: bool
    of_root: bool
    """An engine that is listened to may speak of it."""
    reported_by: set[Witness] = field(default_factory=set)

    @property
    def reported(self) -> bool:
        """Whether any engine's stream reported it."""
        return bool(self.reported_by)


@dataclass(slots=True)
class Coverage:
    """The table of starts by witness, and the gaps that follow from it."""

    clock: Clock
    factory: EventFactory
    emit: Callable[[Event], None]
    _starts: SharedTable[int, _Seen] = field(default_factory=lambda: SharedTable(STARTS_MAX))
    _number: int = 0
    _unreported: Bounded[tuple[str, int], EngineEvent] = field(
        default_factory=lambda: Bounded(WAITING_MAX)
    )
    _failed: Bounded[ContainerId, int] = field(default_factory=lambda: Bounded(WAITING_MAX))
    _only_engine: deque[CoverageRow] = field(default_factory=lambda: deque(maxlen=STARTS_MAX))
    _listening: dict[str, int] = field(default_factory=dict)
    _unheard: Bounded[str, Event] = field(default_factory=lambda: Bounded(UNHEARD_MAX))

    def on_source(self, changed: SourceChanged) -> None:
        """Take note whether a source can be heard."""
        if changed.available:
            self._listening[changed.source] = changed.time
        else:
            self._listening.pop(changed.source, None)

    def on_start(self, event: Event, *, commanded: bool, of_root: bool) -> None:
        """Take note of a start that the probes reported. ``of_root``: the host's root made it."""
        container = event.container
        if container is None or container.id is None:
            return
        audited = Witness.AUDIT in [evidence.source for evidence in event.evidence]
        seen = _Seen(
            container.id, container.name, event.time, container.runtime, commanded, audited, of_root
        )
        if self._unreported and of_root:
            waiting = [*self._unreported.items()]
            for key, report in waiting:
                if report.id == container.id:
                    self._unreported.pop(key)
                    seen.reported_by.add(report.witness)
        self._number += 1
        self._starts.put(self._number, seen, None if of_root else _OTHERS)
        if not seen.reported and self._is_listened_to(seen) and not container.sandbox:
            self._unheard.put(container.id, event)

    def take_silent(self, after: int) -> tuple[Event, ...]:
        """Return the starts whose engine was listened to all the while and said nothing, once."""
        silent = []
        while (oldest := self._unheard.oldest()) is not None:
            id_, event = oldest
            if event.time + after > self.clock.now:
                break
            self._unheard.pop(id_)
            engine = event.container.runtime if event.container is not None else None
            stream = _STREAMS.get(engine) if engine is not None else None
            since = self._listening.get(stream) if stream is not None else None
            if since is not None and since <= event.time:
                silent.append(event)
        return tuple(silent)

    def _is_listened_to(self, seen: _Seen) -> bool:
        stream = _STREAMS.get(seen.engine) if seen.engine is not None else None
        return seen.of_root and stream is not None and stream in self._listening

    def on_failure(self, id_: ContainerId, time: int) -> None:
        """Take note of a start that failed: an engine may have reported it as a start."""
        self._failed.put(id_, time)
        for key in [key for key, report in self._unreported.items() if report.id == id_]:
            self._unreported.pop(key)

    def on_engine(self, report: EngineEvent) -> None:
        """Take note of a start that an engine reports."""
        if report.action != _STARTING:
            return
        self._unheard.pop(report.id)
        for seen in self._starts.latest_first():
            # Engines report late when the node is busy. An event of an engine that has not yet
            # reported a start of this container is about that start, however old.
            if not seen.of_root or seen.id != report.id:
                continue
            if report.witness not in seen.reported_by:
                seen.reported_by.add(report.witness)
                return
        failed = self._failed.get(report.id)
        if failed is not None and report.time - failed <= FAILURE_WINDOW:
            # An execve that the kernel refuses comes after the engine has reported the start.
            return
        self._unreported.put((report.id, report.time), report)

    def deadline(self) -> int | None:
        """When the first engine's word becomes a gap, in ns since boot."""
        first = self._unreported.oldest()
        return first[1].time + GRACE if first is not None else None

    def expire(self) -> None:
        """Report what only an engine has reported."""
        while (oldest := self._unreported.oldest()) is not None:
            key, report = oldest
            if report.time + GRACE > self.clock.now:
                return
            self._unreported.pop(key)
            reason = (
                f"{report.witness} reports a start that the probes did not see: "
                "they were blind to it, or the container is a virtual machine"
            )
            gap = Gap(report.witness, reason, report.time, self.clock.now, lost=1)
            self.emit(self.factory.engine_gap(gap, report))
            self._only_engine.append(
                CoverageRow(
                    report.id,
                    report.name,
                    report.time,
                    kernel=False,
                    runtime=False,
                    audit=False,
                    engine=True,
                    engine_listening=True,
                    reason="the probes were blind to it, or it is a virtual machine",
                )
            )

    def rows(self, since: int) -> tuple[CoverageRow, ...]:
        """Return the starts since a time (ns since boot), oldest first."""
        rows = [self._row(seen) for seen in self._starts.values() if seen.time >= since]
        rows += [row for row in self._only_engine if row.time >= since]
        rows.sort(key=lambda row: row.time)
        return tuple(rows)

    def _row(self, seen: _Seen) -> CoverageRow:
        stream = _STREAMS.get(seen.engine) if seen.engine is not None else None
        since = self._listening.get(stream) if stream is not None else None
        listening = seen.of_root and since is not None and since <= seen.time
        return CoverageRow(
            seen.id,
            seen.name,
            seen.time,
            kernel=True,
            runtime=seen.commanded,
            audit=seen.audited,
            engine=seen.reported,
            engine_listening=listening,
            reason=self._reason(seen, listening=listening),
        )

    def _reason(self, seen: _Seen, *, listening: bool) -> str | None:
        if listening and not seen.reported and self.clock.now - seen.time > GRACE:
            return "the engine did not report it: started behind its back, or its events are lossy"
        if not seen.commanded:
            return "the runtime's command was not seen: unknown runtime name, or started before"
        return None
