"""The agent's report on itself: gathers ``/v1/status`` from the agent's parts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from sensor import __version__, clock
from sensor.api.coverage import report
from sensor.api.query import read_fields
from sensor.api.since import parse as parse_since
from sensor.api.status import AgentStatus, DropCount, OutputState, ProbeSet, SourceState
from sensor.bpf import pins
from sensor.errors import SensorImpaired
from sensor.model.vocabulary import EventType
from sensor.schema.times import rfc3339

if TYPE_CHECKING:
    from sensor.agent.parts import Parts


DEFAULT_PERIOD = "1h"
_NS_PER_SECOND = 1_000_000_000


def _probes(parts: Parts) -> ProbeSet:
    sets = pins.loaded_sets(parts.config.pin_root)
    programs = parts.probes.attached()
    return ProbeSet(
        fingerprint=sets[-1].fingerprint if sets else None,
        loaded=bool(programs),
        surviving=parts.loaded_at < parts.started,
        programs=programs,
    )


def health(parts: Parts, query: str) -> bytes:
    """Return the document of ``/healthz``; raises :class:`SensorImpaired` when something is wrong.

    It says nothing of lost events: those are gaps.
    """
    read_fields(query, ())
    problems = _problems(parts)
    if problems:
        raise SensorImpaired("; ".join(problems), "See: castoff status, and the agent's log.")
    return b'{"status":"ok"}\n'


def _problems(parts: Parts) -> tuple[str, ...]:
    """Return what is wrong with the sensor itself, each with what helps."""
    found = parts.probes.problems() + parts.optional.problems()
    failing = parts.persistence.health().failing
    if failing is not None:
        help_ = "check the state directory's owner, space and mount options"
        found += (f"events wait in memory, the log cannot be written: {failing}; {help_}",)
    return found


def _drops(parts: Parts) -> tuple[DropCount, ...]:
    return tuple(
        DropCount(count.ring, count.kind.name.lower(), count.dropped, count.limited)
        for count in parts.source.counts()
    )


def _kernel(parts: Parts) -> SourceState:
    source = parts.source
    seen = source.last_seen
    wall = rfc3339(seen + parts.wall.offset) if seen is not None else None
    return SourceState("kernel", "running", wall, source.observations)


def _counters(parts: Parts) -> tuple[tuple[str, int], ...]:
    counters = [(f"ignored.{reason}", number) for reason, number in parts.pipeline.core.ignored()]
    counters += [
        (f"identity.{problem}", number) for problem, number in parts.describer.problem_counts()
    ]
    counters.append(("kernel.malformed", sum(parts.source.malformed.values())))
    counters.append(("kernel.backlog_bytes", parts.source.backlog()))
    counters += [(f"kernel.failed.{place}", n) for place, n in parts.source.failures()]
    counters.append(("probes.lost", parts.probes.losses))
    counters.append(("agent.stalled", parts.probes.stalls))
    counters += [(f"defect.{kind}", number) for kind, number in parts.pipeline.core.defects.items()]
    counters += parts.judging.counters()
    store = parts.persistence.health()
    counters += [
        ("store.next", store.next),
        ("store.waiting_bytes", store.waiting_bytes),
        ("store.lost", store.lost),
        ("store.duplicates", store.duplicates),
        ("store.commits", store.commits),
        ("store.dead_letters_dropped", store.dead_dropped),
        ("store.failing", int(store.failing is not None)),
    ]
    if store.head is not None:
        counters.append(("store.chain_sequence", store.head.sequence))
        counters.append(("store.chain_oldest", store.head.oldest or 0))
    counters.append(("realtime.active", int(parts.real_time.active)))
    counters.append(("realtime.withdrawn", parts.real_time.withdrawn))
    counters.append(("starts.waiting", int(parts.pipeline.core.waiting())))
    counters.append(("containers.known", len(parts.pipeline.core.table)))
    counters.append(("containers.forgotten", parts.pipeline.core.table.forgotten))
    return tuple(counters)


def coverage(parts: Parts, query: str) -> bytes:
    """Return the coverage document for ``since=…`` (an hour without); raises ValueError."""
    now = clock.boottime()
    until = now + parts.wall.offset
    since = parse_since(parse_qs(query).get("since", [DEFAULT_PERIOD])[-1], until)
    rows = parts.pipeline.core.coverage(since - parts.wall.offset)
    times = tuple(rfc3339(row.time + parts.wall.offset) or "" for row in rows)
    return report(
        rows,
        times,
        since=rfc3339(since) or "",
        covers_since=rfc3339(max(since, parts.started + parts.wall.offset)) or "",
        until=rfc3339(until) or "",
    ).to_json()


def line(parts: Parts) -> str:
    """Return one line for ``systemctl status``."""
    store = parts.persistence.health()
    facts = [
        f"starts reported: {parts.pipeline.events[EventType.START]}",
        f"containers running: {parts.pipeline.core.table.running}",
        f"kernel records lost: {sum(count.dropped for count in _drops(parts))}",
    ]
    if store.failing is not None:
        facts.append(f"event log failing: {store.failing}")
    return ", ".join(facts)


def status(parts: Parts) -> AgentStatus:
    """Return the agent as it is now."""
    now = clock.boottime()
    return AgentStatus(
        pid=os.getpid(),
        version=__version__,
        started=rfc3339(parts.started + parts.wall.offset) or "",
        uptime_seconds=round((now - parts.started) / _NS_PER_SECOND, 3),
        probes=_probes(parts),
        drops=_drops(parts),
        sources=(
            _kernel(parts),
            *(
                SourceState(witness.name, witness.state, None, witness.observations)
                for witness in parts.optional.states()
            ),
        ),
        outputs=tuple(
            OutputState(state.name, state.backlog, state.dropped, state.closed_reason)
            for state in (console.state() for console in parts.console)
        ),
        starts=parts.pipeline.events[EventType.START],
        containers_running=parts.pipeline.core.table.running,
        counters=_counters(parts),
        deliveries=parts.delivery.states(),
        problems=_problems(parts),
    )
