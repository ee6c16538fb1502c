"""What is remembered of workloads and containers: by what their first start was explained.

A container's origin is its last start that no engine and no orchestrator did by itself: restarts by
policy, by the kubelet and at an engine's boot inherit from it. A workload's origin is its first
start that had an explanation, else its first start: new instances of it inherit from that.
"""

from __future__ import annotations

import json
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted

from sensor.dataclass import dataclass
from sensor.frozen import quick


@quick
@dataclass(frozen=True, slots=True)
class PastStart:
    """A start that others may inherit an explanation from. ``wall`` is its time in ns."""

    wall: int
    basis: str | None
    """``change CHG-123``, ``policy rule shop``; None for a start without an explanation."""
    repository: str | None
    atoms: frozenset[str]
    reported: bool = False
    """That it has no explanation was reported: its restarts do not report it again."""
    again: bool = False
    """The container was started more than once: newcomers do not push it out."""


@quick
@dataclass(frozen=True, slots=True)
class WorkloadRecord:
    """What was seen of a workload. Times are wall-clock ns."""

    origin: PastStart
    starts: int
    explained: int
    """Starts that had an explanation."""
    first: int
    last: int
    image: str | None = None
    explanation: str | None = None
    """Of the last start."""
    expected: bool | None = None
    """Of the last start."""
    revisions: tuple[str, ...] = ()
    """ReplicaSets seen, the one that started last at the end."""
    last_event: str | None = None
    """Id of the last event counted: a start that is read again after a kill counts once."""


_FLAGS = {True: "true", False: "false"}

ORIGINS_CACHED = 128
"""Origins of workloads whose text is remembered."""
REVISIONS_MAX = 8
"""Revisions of a workload that are remembered."""


def origin_row(origin: PastStart) -> bytes:
    """Return an origin as the store keeps it."""
    return _origin_text(origin).encode()


def origin_of_row(row: bytes) -> PastStart:
    """Read an origin that the store kept; raises ValueError for any other row."""
    return _origin(json.loads(row))


def workload_row(record: WorkloadRecord) -> bytes:
    """Return a workload's record as the store keeps it."""
    expected = "null" if record.expected is None else _FLAGS[record.expected]
    revisions = ",".join(map(_quoted, record.revisions))
    return (
        f"[{_first_start(record.origin)},{record.starts},{record.explained},{record.first}"
        f",{record.last},{_text(record.image)},{_text(record.explanation)},{expected}"
        f",[{revisions}],{_text(record.last_event)}]"
    ).encode()


def workload_of_row(row: bytes) -> WorkloadRecord:
    """Read a record that the store kept; raises ValueError for any other row."""
    try:
        origin, starts, explained, first, last, image, explanation, expected, revisions, event = (
            json.loads(row)
        )
        return WorkloadRecord(
            _origin(origin),
            int(starts),
            int(explained),
            int(first),
            int(last),
            image,
            explanation,
            expected,
            tuple(map(str, revisions)),
            event,
        )
    except TypeError as error:
        message = f"not a workload's record: {error!r}"
        raise ValueError(message) from error


def running_row(key: str, pod: str | None) -> bytes:
    """Return what a running container is an instance of, as the store keeps it."""
    return f"[{_quoted(key)},{_text(pod)}]".encode()


def running_of_row(row: bytes) -> tuple[str, str | None]:
    """Read the workload's key and the pod; raises ValueError for any other row."""
    values = json.loads(row)
    match values:
        case [str(key), None | str() as pod]:
            return key, pod
        case _:
            message = "not a running container"
            raise ValueError(message)


def _origin_text(origin: PastStart) -> str:
    """Return an origin as JSON: written out, since rows are written with every start."""
    atoms = ",".join(map(_quoted, sorted(origin.atoms))) if origin.atoms else ""
    return (
        f"[{origin.wall},{_text(origin.basis)},{_text(origin.repository)},[{atoms}]"
        f",{_FLAGS[origin.reported]},{_FLAGS[origin.again]}]"
    )


_first_start = lru_cache(maxsize=ORIGINS_CACHED)(_origin_text)
"""Of a workload's: it stays the same, and is written with every start."""


def _text(text: str | None) -> str:
    return "null" if text is None else _quoted(text)


def _origin(values: object) -> PastStart:
    if not isinstance(values, list):
        raise ValueError("not an origin: not a list")
    try:
        wall, basis, repository, atoms, reported, *later = values
        again = bool(later and later[0])
        return PastStart(
            int(wall), basis, repository, frozenset(map(str, atoms)), bool(reported), again
        )
    except TypeError as error:
        message = f"not an origin: {error!r}"
        raise ValueError(message) from error
