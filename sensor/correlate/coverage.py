"""Hold the witnesses of each start against each other: who saw it, and who should have.

The kernel probes decide what a start is. An engine's own stream is a third witness: a start that
only the engine tells of is a gap, with its evidence (the probes were blind, or the container is a
virtual machine); a start that the engine, while it was being listened to, never spoke of is marked
in the table.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sensor.model.events import Event, Gap
from sensor.model.requests import CoverageRow
from sensor.model.vocabulary import ContainerId, Engine, Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.correlate.events import Clock, EventFactory
    from sensor.model.observations import EngineEvent, SourceChanged

STARTS_MAX = 4096
"""Starts in the table; older ones are forgotten."""

WAITING_MAX = 1024
"""Starts told by an engine that the probes have not told yet."""

GRACE = 3_000_000_000
"""Nanoseconds that one witness may be later than another."""

FAILURE_WINDOW = 60_000_000_000
"""Nanoseconds after a failed start in which an engine's word of a start is taken to be about it."""

_STREAMS = {
    Engine.DOCKER: Witness.DOCKER,
    Engine.CONTAINERD: Witness.CONTAINERD,
    Engine.PODMAN: Witness.PODMAN,
}
_STARTING = "start"
"""Docker tells a ``restart`` beside the ``start`` that it means."""


@dataclass(slots=True)
class _Seen:
    """A start and its witnesses."""

    id: ContainerId
    name: str | None
    time: int
    engine: Engine | None
    commanded: bool
    audited: bool
    told_by: set[Witness] = field(default_factory=set)

    @property
    def told(self) -> bool:
        """Whether any engine's stream told of it."""
        return bool(self.told_by)


@dataclass(slots=True)
class Coverage:
    """The table of starts by witness, and the gaps that follow from it."""

    clock: Clock
    factory: EventFactory
    emit: Callable[[Event], None]
    _starts: deque[_Seen] = field(default_factory=lambda: deque(maxlen=STARTS_MAX))
    _untold: OrderedDict[tuple[str, int], EngineEvent] = field(default_factory=OrderedDict)
    _failed: OrderedDict[ContainerId, int] = field(default_factory=OrderedDict)
    _only_engine: deque[CoverageRow] = field(default_factory=lambda: deque(maxlen=STARTS_MAX))
    _listening: dict[str, int] = field(default_factory=dict)

    def on_source(self, changed: SourceChanged) -> None:
        """Take note whether a source can be heard."""
        if changed.available:
            self._listening[changed.source] = changed.time
        else:
            self._listening.pop(changed.source, None)

    def on_start(self, event: Event, *, commanded: bool) -> None:
        """Take note of a start that the probes told."""
        container = event.container
        if container is None or container.id is None:
            return
        audited = Witness.AUDIT in [evidence.source for evidence in event.evidence]
        seen = _Seen(
            container.id, container.name, event.time, container.runtime, commanded, audited
        )
        if self._untold:
            for key in [key for key, told in self._untold.items() if told.id == container.id]:
                seen.told_by.add(self._untold.pop(key).witness)
        self._starts.append(seen)

    def on_failure(self, id_: ContainerId, time: int) -> None:
        """Take note of a start that failed: an engine may have told of it as a start."""
        self._failed[id_] = time
        if len(self._failed) > WAITING_MAX:
            self._failed.popitem(last=False)
        for key in [key for key, told in self._untold.items() if told.id == id_]:
            del self._untold[key]

    def on_engine(self, told: EngineEvent) -> None:
        """Take note of a start that an engine tells."""
        if told.action != _STARTING:
            return
        for seen in reversed(self._starts):
            # Engines tell late when the node is busy: a word about a container with a start that
            # this one has not told of yet is about that start, however old.
            if seen.id == told.id and told.witness not in seen.told_by:
                seen.told_by.add(told.witness)
                return
        failed = self._failed.get(told.id)
        if failed is not None and told.time - failed <= FAILURE_WINDOW:
            # An execve that the kernel refuses comes after the engine has told of the start.
            return
        self._untold[told.id, told.time] = told
        if len(self._untold) > WAITING_MAX:
            self._untold.popitem(last=False)

    def deadline(self) -> int | None:
        """When the first engine's word becomes a gap, in ns since boot."""
        first = next(iter(self._untold.values()), None)
        return first.time + GRACE if first is not None else None

    def expire(self) -> None:
        """Report what only an engine has told."""
        while self._untold:
            key, told = next(iter(self._untold.items()))
            if told.time + GRACE > self.clock.now:
                return
            del self._untold[key]
            reason = (
                f"{told.witness} tells of a start that the probes did not see: "
                "they were blind to it, or the container is a virtual machine"
            )
            gap = Gap(told.witness, reason, told.time, self.clock.now, lost=1)
            self.emit(self.factory.engine_gap(gap, told))
            self._only_engine.append(
                CoverageRow(
                    told.id,
                    told.name,
                    told.time,
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
        rows = [self._row(seen) for seen in self._starts if seen.time >= since]
        rows += [row for row in self._only_engine if row.time >= since]
        rows.sort(key=lambda row: row.time)
        return tuple(rows)

    def _row(self, seen: _Seen) -> CoverageRow:
        stream = _STREAMS.get(seen.engine) if seen.engine is not None else None
        since = self._listening.get(stream) if stream is not None else None
        listening = since is not None and since <= seen.time
        return CoverageRow(
            seen.id,
            seen.name,
            seen.time,
            kernel=True,
            runtime=seen.commanded,
            audit=seen.audited,
            engine=seen.told,
            engine_listening=listening,
            reason=self._reason(seen, listening=listening),
        )

    def _reason(self, seen: _Seen, *, listening: bool) -> str | None:
        if listening and not seen.told and self.clock.now - seen.time > GRACE:
            return "the engine never spoke of it: started behind its back, or its events are lossy"
        if not seen.commanded:
            return "the runtime's command was not seen: unknown runtime name, or started before"
        return None
