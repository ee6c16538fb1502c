"""The agent's report on itself: gathers ``/v1/status`` from the agent's parts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs

from sensor import __version__, clock
from sensor.api.coverage import report
from sensor.api.query import read_fields
from sensor.api.since import parse as parse_since
from sensor.api.status import DropCount, OutputState, ProbeSet, SourceState, Status
from sensor.bpf import pins
from sensor.errors import SensorImpaired
from sensor.model.vocabulary import EventType
from sensor.schema.times import rfc3339

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from sensor.agent.probe_watch import ProbeWatch
    from sensor.agent.sources import OptionalSourceState
    from sensor.api.status import DeliveryState
    from sensor.correlate.core import Correlator
    from sensor.linux.realtime import RealTime
    from sensor.sources.kernel import KernelSource
    from sensor.store.log import StoreHealth


@dataclass(frozen=True, slots=True)
class OutputHealth:
    """How an output is doing: bytes that wait, lines dropped, and why it is closed if it is."""

    name: str
    backlog: int
    dropped: int
    closed_reason: str | None


class Reported(Protocol):
    """What an agent shows of itself."""

    core: Correlator
    events: Counter[str]
    started: int
    probes_surviving: bool
    realtime_offset: int
    real_time: RealTime

    @property
    def pin_root(self) -> Path:
        """Where the probe sets are pinned."""

    @property
    def watch(self) -> ProbeWatch | None:
        """What watches the probes, once they are loaded."""

    @property
    def source(self) -> KernelSource | None:
        """The kernel source, once it is open."""

    def witness_states(self) -> tuple[OptionalSourceState, ...]:
        """How the sources beside the probes are doing."""

    def judge_counters(self) -> tuple[tuple[str, int], ...]:
        """What the judge counts."""

    def identity_problems(self) -> tuple[tuple[str, int], ...]:
        """What the identity worker could not read, counted."""

    def store_health(self) -> StoreHealth | None:
        """How the store is doing, once it is open."""

    def delivery_states(self) -> tuple[DeliveryState, ...]:
        """How the outputs that ship the log are doing."""

    def output_states(self) -> tuple[OutputHealth, ...]:
        """How the outputs are doing."""


DEFAULT_PERIOD = "1h"
_NS_PER_SECOND = 1_000_000_000


def _probes(agent: Reported) -> ProbeSet:
    sets = pins.loaded_sets(agent.pin_root)
    programs = agent.watch.attached() if agent.watch is not None else ()
    return ProbeSet(
        fingerprint=sets[-1].fingerprint if sets else None,
        loaded=bool(programs),
        surviving=agent.probes_surviving,
        programs=programs,
    )


def health(agent: Reported, query: str) -> bytes:
    """Return the document of ``/healthz``; raises :class:`SensorImpaired` when something is wrong.

    It says nothing of lost events: those are gaps.
    """
    read_fields(query, ())
    problems = agent.watch.problems() if agent.watch is not None else ()
    if problems:
        raise SensorImpaired("; ".join(problems), "See: castoff status, and the agent's log.")
    return b'{"status":"ok"}\n'


def _drops(agent: Reported) -> tuple[DropCount, ...]:
    if agent.source is None:
        return ()
    return tuple(
        DropCount(count.ring, count.kind.name.lower(), count.dropped, count.limited)
        for count in agent.source.counts()
    )


def _kernel(agent: Reported) -> SourceState:
    source = agent.source
    if source is None:
        return SourceState("kernel", "waiting", None, 0)
    seen = source.last_seen
    wall = rfc3339(seen + agent.realtime_offset) if seen is not None else None
    return SourceState("kernel", "running", wall, source.observations)


def _counters(agent: Reported) -> tuple[tuple[str, int], ...]:
    counters = [(f"ignored.{reason}", number) for reason, number in agent.core.ignored()]
    counters += [(f"identity.{problem}", number) for problem, number in agent.identity_problems()]
    if agent.source is not None:
        counters.append(("kernel.malformed", sum(agent.source.malformed.values())))
        counters.append(("kernel.backlog_bytes", agent.source.backlog()))
        counters += [(f"kernel.failed.{place}", n) for place, n in agent.source.failures()]
    if agent.watch is not None:
        counters.append(("probes.lost", agent.watch.losses))
        counters.append(("agent.stalled", agent.watch.stalls))
    counters += [(f"defect.{kind}", number) for kind, number in agent.core.defects.items()]
    counters += agent.judge_counters()
    store = agent.store_health()
    if store is not None:
        counters += [
            ("store.next", store.next),
            ("store.waiting_bytes", store.waiting_bytes),
            ("store.lost", store.lost),
            ("store.duplicates", store.duplicates),
            ("store.commits", store.commits),
            ("store.dead_letters_dropped", store.dead_dropped),
            ("store.failing", int(store.failing is not None)),
        ]
    counters.append(("realtime.active", int(agent.real_time.active)))
    counters.append(("realtime.withdrawn", agent.real_time.withdrawn))
    counters.append(("starts.waiting", int(agent.core.waiting())))
    counters.append(("containers.known", len(agent.core.table)))
    counters.append(("containers.forgotten", agent.core.table.forgotten))
    return tuple(counters)


def coverage(agent: Reported, query: str) -> bytes:
    """Return the coverage document for ``since=…`` (an hour without); raises ValueError."""
    now = clock.boottime()
    until = now + agent.realtime_offset
    since = parse_since(parse_qs(query).get("since", [DEFAULT_PERIOD])[-1], until)
    rows = agent.core.coverage(since - agent.realtime_offset)
    times = tuple(rfc3339(row.time + agent.realtime_offset) or "" for row in rows)
    return report(
        rows,
        times,
        since=rfc3339(since) or "",
        covers_since=rfc3339(max(since, agent.started + agent.realtime_offset)) or "",
        until=rfc3339(until) or "",
    ).to_json()


def line(agent: Reported) -> str:
    """Return one line for ``systemctl status``."""
    store = agent.store_health()
    parts = [
        f"{agent.events[EventType.START]} starts reported",
        f"{agent.core.table.running} containers running",
        f"{sum(count.dropped for count in _drops(agent))} kernel records lost",
    ]
    if store is not None and store.failing is not None:
        parts.append(f"event log failing: {store.failing}")
    return ", ".join(parts)


def status(agent: Reported) -> Status:
    """Return the agent as it is now."""
    now = clock.boottime()
    return Status(
        pid=os.getpid(),
        version=__version__,
        started=rfc3339(agent.started + agent.realtime_offset) or "",
        uptime_seconds=round((now - agent.started) / _NS_PER_SECOND, 3),
        probes=_probes(agent),
        drops=_drops(agent),
        sources=(
            _kernel(agent),
            *(
                SourceState(witness.name, witness.state, None, witness.observations)
                for witness in agent.witness_states()
            ),
        ),
        outputs=tuple(
            OutputState(output.name, output.backlog, output.dropped, output.closed_reason)
            for output in agent.output_states()
        ),
        starts=agent.events[EventType.START],
        containers_running=agent.core.table.running,
        counters=_counters(agent),
        deliveries=agent.delivery_states(),
        problems=agent.watch.problems() if agent.watch is not None else (),
    )
