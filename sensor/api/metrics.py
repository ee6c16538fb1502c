"""``GET /metrics``: the agent in OpenMetrics 1.0 text, for Prometheus and its kin.

Written by hand: the client library costs an agent 5 MiB for what are forty lines. Units are seconds
and bytes; names of the process are the standard ones.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.linux.process import boot_time, stat_of, usage_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sensor.api.status import AgentStatus

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Labels = tuple[tuple[str, str], ...]
Sample = tuple[Labels, float]

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_NS = 1_000_000_000


def exposition(
    status: AgentStatus,
    events: Iterable[tuple[str, int]],
    control: Mapping[str, tuple[str, str, float]],
    judged: Iterable[tuple[str, str, int]] = (),
) -> bytes:
    """Return the metrics of an agent.

    ``events`` counts events by type; ``control`` has, by name, the kind (gauge or counter), the
    help and the value of what the server counts itself. ``judged`` counts starts by explanation and
    by finding.
    """
    family = _Families()
    _add_agent(family, status, events)
    _add_judged(family, tuple(judged))
    _add_health(family, status)
    _add_sources(family, status)
    _add_deliveries(family, status)
    family.add(
        "castoff_internal",
        "unknown",
        "What the agent counts of itself, by name.",
        [((("name", name),), number) for name, number in status.counters],
    )
    for name, (kind, text, value) in control.items():
        family.add(name, kind, text, _one(value))
    _add_process(family)
    return family.text()


def _add_agent(family: _Families, status: AgentStatus, events: Iterable[tuple[str, int]]) -> None:
    family.add(
        "castoff_build", "info", "The agent's version.", [((("version", status.version),), 1)]
    )
    family.add("castoff_uptime_seconds", "gauge", "Age of the agent.", _one(status.uptime_seconds))
    family.add(
        "castoff_events",
        "counter",
        "Events since the agent began.",
        [((("type", kind),), number) for kind, number in events],
    )


def _add_health(family: _Families, status: AgentStatus) -> None:
    running = _one(status.containers_running)
    family.add("castoff_containers_running", "gauge", "Containers whose init runs.", running)
    loaded = _one(status.probes.loaded)
    family.add("castoff_probes_loaded", "gauge", "Whether the probes are attached.", loaded)
    impaired = _one(bool(status.problems))
    text = "Whether the sensor itself has a problem: lost probes, an agent that stalled."
    family.add("castoff_impaired", "gauge", text, impaired)
    family.add(
        "castoff_kernel_records_lost",
        "counter",
        "Records that the kernel could not hand over since the probes were loaded.",
        [
            ((("ring", drop.ring), ("kind", drop.kind), ("reason", reason)), number)
            for drop in status.drops
            for reason, number in (("full", drop.dropped), ("limited", drop.limited))
        ],
    )


def _add_judged(family: _Families, judged: tuple[tuple[str, str, int], ...]) -> None:
    for kind, name, text in (
        ("explanation", "castoff_starts_judged", "Starts by explanation, none without one."),
        ("finding", "castoff_findings", "Starts by finding; one start may have several."),
    ):
        samples = [(((kind, value),), number) for one, value, number in judged if one == kind]
        family.add(name, "counter", text, samples)
    open_ = [((("severity", value),), number) for one, value, number in judged if one == "alert"]
    if open_:
        text = "Alerts that are neither resolved nor settled."
        family.add("castoff_alerts_open", "gauge", text, open_)


def _add_sources(family: _Families, status: AgentStatus) -> None:
    family.add(
        "castoff_source_running",
        "gauge",
        "Whether a source is being read.",
        [((("source", one.name),), one.state == "running") for one in status.sources],
    )
    family.add(
        "castoff_source_observations",
        "counter",
        "Observations of a source.",
        [((("source", one.name),), one.observations) for one in status.sources],
    )
    family.add(
        "castoff_output_backlog_bytes",
        "gauge",
        "Bytes that wait for an output's reader.",
        [((("output", one.name),), one.backlog_bytes) for one in status.outputs],
    )
    family.add(
        "castoff_output_dropped_events",
        "counter",
        "Events that an output dropped.",
        [((("output", one.name),), one.dropped) for one in status.outputs],
    )


_DELIVERY_COUNTERS = (
    ("delivered_events", "delivered", "Events that the collector acknowledged."),
    ("delivered_batches", "batches", "Batches that the collector acknowledged."),
    ("retried_batches", "retries", "Attempts of which nothing is known."),
    ("refused_batches", "refused", "Batches that were refused and halved."),
    ("dead_events", "dead", "Events that the collector refused and that are not sent again."),
    ("credentials_failures", "credentials", "Servers that did not know us, at each attempt."),
    ("configuration_failures", "configuration", "Attempts that failed for a wrong setting."),
    ("warnings", "warnings", "Complaints about delivered batches."),
    ("defects", "defects", "Errors of the output itself."),
    ("damaged_entries", "damaged", "Entries of the log that could not be read."),
)
_DELIVERY_GAUGES = (
    ("lag_events", "lag_events", "Events that are not acknowledged."),
    ("lag_seconds", "lag_seconds", "Age of the oldest event under way."),
    ("in_flight_batches", "in_flight", "Batches under way."),
    ("dead_letters", "dead_letters", "Events that are kept as dead letters."),
    ("held_events", "held", "Refused events that wait until the collector takes another."),
    ("connected", "connected", "Whether there is a connection."),
)


def _add_deliveries(family: _Families, status: AgentStatus) -> None:
    for kind, metrics in (("gauge", _DELIVERY_GAUGES), ("counter", _DELIVERY_COUNTERS)):
        for name, attribute, text in metrics:
            samples = [
                ((("output", one.name),), float(getattr(one, attribute)))
                for one in status.deliveries
            ]
            family.add(f"castoff_output_{name}", kind, text, samples)
    family.add(
        "castoff_output_circuit",
        "stateset",
        "Whether an output sends, waits after a failure, or tries one batch.",
        [
            ((("output", one.name), ("castoff_output_circuit", state)), one.circuit == state)
            for one in status.deliveries
            for state in ("closed", "open", "half-open")
        ],
    )


def _add_process(family: _Families) -> None:
    """Add what the kernel says of this process (proc(5))."""
    stat, usage = stat_of(os.getpid()), usage_of(os.getpid())
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    family.add(
        "process_cpu_seconds",
        "counter",
        "User and system time spent.",
        _one(round(used.ru_utime + used.ru_stime, 3)),
    )
    if usage is not None:
        virtual, resident = _one(usage.virtual), _one(usage.resident)
        family.add("process_virtual_memory_bytes", "gauge", "Virtual memory.", virtual)
        family.add("process_resident_memory_bytes", "gauge", "Resident memory.", resident)
    # One of them is that of the listing itself.
    opened = _one(sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1)
    family.add("process_open_fds", "gauge", "Open file descriptors.", opened)
    family.add("process_max_fds", "gauge", "Most file descriptors.", _one(soft))
    booted = boot_time()
    if stat is not None and booted is not None:
        began = _one(round(booted + stat.start_time / _NS, 2))
        family.add("process_start_time_seconds", "gauge", "When it began.", began)


def _one(value: float) -> list[Sample]:
    return [((), value)]


class _Families:
    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, name: str, kind: str, text: str, samples: Iterable[Sample]) -> None:
        """Add a family of metrics: its description and one line a sample."""
        self._lines.append(f"# TYPE {name} {kind}")
        if name.endswith(("_seconds", "_bytes")):
            self._lines.append(f"# UNIT {name} {name.rpartition('_')[2]}")
        self._lines.append(f"# HELP {name} {text.translate(_ESCAPES)}")
        suffix = {"counter": "_total", "info": "_info"}.get(kind, "")
        for labels, value in samples:
            joined = ",".join(f'{key}="{_shown(text)}"' for key, text in labels)
            braced = f"{{{joined}}}" if joined else ""
            self._lines.append(f"{name}{suffix}{braced} {float(value):.15g}")

    def text(self) -> bytes:
        """Return all of it."""
        return "\n".join((*self._lines, "# EOF\n")).encode("utf-8", "backslashreplace")


def _shown(text: str) -> str:
    return text.translate(_ESCAPES)
