"""What an agent reports of itself: ``GET /v1/status``, and ``castoff status`` that shows it.

The JSON document has the fields of :class:`AgentStatus` by name. A client ignores keys that it does
not know and refuses a document that lacks one, so fields may be added but never taken away.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Self

from sensor.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ProbeSet:
    """The probes of this node: ``fingerprint`` names source and kernel that they were made for."""

    fingerprint: str | None
    loaded: bool
    surviving: bool
    """They were loaded by an earlier agent and kept recording in between."""
    programs: tuple[str, ...]
    """Names of the programs that are attached."""


@dataclass(frozen=True, slots=True)
class DropCount:
    """Records that the kernel could not hand over since the probes were loaded, by ring and kind.

    ``dropped`` found the ring full; ``limited`` were held back by the rate limit.
    """

    ring: str
    kind: str
    dropped: int
    limited: int


@dataclass(frozen=True, slots=True)
class SourceState:
    """One source: ``state`` is ``running``, ``waiting`` or ``failed: <why>``."""

    name: str
    state: str
    last_seen: str | None
    """RFC 3339 time of its last observation."""
    observations: int


@dataclass(frozen=True, slots=True)
class OutputState:
    """One output: bytes that wait, lines that were dropped, and why it is closed if it is."""

    name: str
    backlog_bytes: int
    dropped: int
    closed: str | None


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """One output that ships the log; counts are of events since the agent began, unless stated.

    ``lag_seconds`` is the age of the oldest event that is under way. Times are RFC 3339.
    """

    name: str
    type: str
    format: str
    circuit: str
    """``closed``, ``open`` (waiting after a failure) or ``half-open`` (trying one batch)."""
    peer: str | None
    connected: bool
    cursor: int
    lag_events: int
    lag_seconds: float
    in_flight: int
    """Batches."""
    delivered: int
    batches: int
    retries: int
    """Batches."""
    refused: int
    """Batches that were halved."""
    dead: int
    """Events that became dead letters."""
    dead_letters: int
    """Dead letters that are kept."""
    held: int
    """Events that were refused and wait: the collector has to take another event first."""
    credentials: int
    """Servers that did not know us, counted at each attempt."""
    configuration: int
    """Attempts that failed for a setting that a person has to correct."""
    warnings: int
    defects: int
    damaged: int
    resumes_in_seconds: float | None
    last_error: str | None
    last_error_time: str | None

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Read one of ``/v1/outputs``; raises ValueError when it lacks a field."""
        try:
            return cls(**_known(cls, document))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"no output's document: {error}") from error


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """An agent at one moment. ``counters`` holds what has no field of its own, by name."""

    pid: int
    version: str
    started: str
    """RFC 3339."""
    uptime_seconds: float
    probes: ProbeSet
    drops: tuple[DropCount, ...]
    sources: tuple[SourceState, ...]
    outputs: tuple[OutputState, ...]
    starts: int
    """``container.start`` events since the agent began."""
    containers_running: int
    counters: tuple[tuple[str, int], ...] = ()
    deliveries: tuple[DeliveryState, ...] = ()
    problems: tuple[str, ...] = ()
    """What is wrong with the sensor itself, or was a moment ago: an operator has to look."""

    def to_json(self) -> bytes:
        """Return the document on one line."""
        document = dataclasses.asdict(self) | {"counters": dict(self.counters)}
        return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read a document.

        :raises ValueError: it is not JSON, or lacks a field.
        """
        document = json.loads(data)
        try:
            known = _known(cls, document) | {
                "probes": ProbeSet(
                    **_known(ProbeSet, document["probes"])
                    | {"programs": tuple(document["probes"]["programs"])}
                ),
                "drops": tuple(DropCount(**_known(DropCount, one)) for one in document["drops"]),
                "sources": tuple(
                    SourceState(**_known(SourceState, one)) for one in document["sources"]
                ),
                "outputs": tuple(
                    OutputState(**_known(OutputState, one)) for one in document["outputs"]
                ),
                "problems": tuple(document.get("problems", ())),
                "counters": tuple(document["counters"].items()),
                "deliveries": tuple(
                    DeliveryState.from_document(one) for one in document.get("deliveries", ())
                ),
            }
            return cls(**known)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"no status document: {error}") from error


def _known(cls: type, document: dict[str, Any]) -> dict[str, Any]:
    return {
        item.name: document[item.name]
        for item in dataclasses.fields(cls)  # only dataclasses of this file come here
        if item.name in document
    }
