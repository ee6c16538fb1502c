"""The core: observations and time in, events and describe requests out. No I/O, no own clock.

Feed it batches with the time of their arrival; call :meth:`Correlator.feed` with an empty batch
when :meth:`Correlator.deadline` has come. The same batches at the same times give the same output
to the byte, on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensor.correlate.containers import ContainerState, ContainerTable
from sensor.correlate.events import Clock, EventFactory
from sensor.correlate.inventory import Inventory
from sensor.correlate.lifecycle import Lifecycle, Output
from sensor.model import (
    CgroupBirth,
    CgroupParser,
    ClockSynced,
    CommandExec,
    CommandExit,
    ContainerDescribed,
    ContainerId,
    DescribeRequest,
    Event,
    Gap,
    HostFacts,
    InitExec,
    InitExit,
    InventoryTaken,
    KernelLoss,
    KnowledgeRestored,
    KnownContainer,
    Observation,
    OutputLoss,
    ProbesAttached,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Parsers:
    """The pure functions that the core takes from ``sensor.identity``."""

    cgroup: CgroupParser
    redact: Callable[[tuple[str, ...]], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one batch led to, in order."""

    events: tuple[Event, ...]
    requests: tuple[DescribeRequest, ...]


class Correlator:
    """Holds all state between batches; everything in it is bounded."""

    def __init__(self, parsers: Parsers) -> None:
        self._clock = Clock()
        self._outputs: list[Output] = []
        self._factory = EventFactory(self._clock, parsers.redact)
        self.table = ContainerTable()
        emit = self._outputs.append
        self._lifecycle = Lifecycle(self._clock, self._factory, self.table, parsers.cgroup, emit)
        self._inventory = Inventory(self._clock, self._factory, self.table, self._lifecycle, emit)
        self._handlers: dict[type, Callable[[Observation], None]] = {
            HostFacts: self._on_host,  # type: ignore[dict-item]
            ClockSynced: self._on_clock,  # type: ignore[dict-item]
            KernelLoss: self._on_loss,  # type: ignore[dict-item]
            OutputLoss: self._on_output_loss,  # type: ignore[dict-item]
            InitExec: self._lifecycle.on_init_exec,  # type: ignore[dict-item]
            InitExit: self._lifecycle.on_init_exit,  # type: ignore[dict-item]
            CommandExec: self._lifecycle.on_command,  # type: ignore[dict-item]
            CommandExit: self._lifecycle.on_command_exit,  # type: ignore[dict-item]
            CgroupBirth: self._lifecycle.on_birth,  # type: ignore[dict-item]
            ContainerDescribed: self._lifecycle.on_described,  # type: ignore[dict-item]
            ProbesAttached: self._inventory.on_attached,  # type: ignore[dict-item]
            InventoryTaken: self._inventory.on_inventory,  # type: ignore[dict-item]
            KnowledgeRestored: self._inventory.on_knowledge,  # type: ignore[dict-item]
        }

    def feed(self, now: int, observations: Sequence[Observation]) -> Outcome:
        """Take a batch that arrived at ``now`` (ns since boot), in order."""
        self._clock.now = now
        handlers = self._handlers
        for observation in observations:
            handlers[type(observation)](observation)
        self._lifecycle.expire()
        if not self._outputs:
            return _NOTHING
        events = tuple(o for o in self._outputs if isinstance(o, Event))
        requests = tuple(o for o in self._outputs if isinstance(o, DescribeRequest))
        self._outputs.clear()
        return Outcome(events, requests)

    def deadline(self) -> int | None:
        """When to feed again even if nothing arrives, in ns since boot."""
        return self._lifecycle.deadline()

    def ignored(self) -> tuple[tuple[str, int], ...]:
        """Observations that concerned no container, counted by reason."""
        return tuple(sorted(self._lifecycle.ignored.items()))

    def changes(
        self,
    ) -> tuple[tuple[KnownContainer, ...], tuple[tuple[ContainerId, str | None], ...]]:
        """Containers that changed since the last call, and those that were forgotten."""
        changed: list[KnownContainer] = []
        gone: list[tuple[ContainerId, str | None]] = []
        for key in self.table.dirty:
            state = self.table.get(key)
            if state is None:
                gone.append((key.id, key.scope))
            else:
                changed.append(self._known(state))
        self.table.dirty.clear()
        return tuple(changed), tuple(gone)

    def _known(self, state: ContainerState) -> KnownContainer:
        run = state.last_run
        return KnownContainer(
            id=state.key.id,
            scope=state.key.scope,
            boot_id=self._clock.host.boot_id,
            init=state.init if state.alive else None,
            running=state.alive,
            starts=state.starts,
            started_wall=run.started_wall if run is not None else None,
            stopped_wall=run.stopped_wall if run is not None else None,
            exit_code=run.exit_code if run is not None else None,
            signal=run.signal if run is not None else None,
            pod_uid=state.pod_uid,
            pod_container=state.pod_container,
        )

    def _on_host(self, host: HostFacts) -> None:
        self._clock.host = host

    def _on_clock(self, synced: ClockSynced) -> None:
        self._clock.realtime_offset = synced.realtime_offset

    def _on_loss(self, loss: KernelLoss) -> None:
        if loss.dropped:
            gap = Gap(
                source=f"kernel.{loss.ring}",
                reason=f"ring buffer full: {loss.kind} records dropped",
                since=loss.since,
                until=loss.time,
                lost=loss.dropped,
            )
            self._outputs.append(self._factory.gap(gap))
        if loss.limited:
            gap = Gap(
                source=f"kernel.{loss.ring}",
                reason=f"rate limit: {loss.kind} records held back",
                since=loss.since,
                until=loss.time,
                lost=loss.limited,
            )
            self._outputs.append(self._factory.gap(gap))

    def _on_output_loss(self, loss: OutputLoss) -> None:
        gap = Gap(
            source=f"output.{loss.output}",
            reason="the reader is too slow",
            since=loss.since,
            until=loss.time,
            lost=loss.lost,
        )
        self._outputs.append(self._factory.gap(gap))


_NOTHING = Outcome((), ())
