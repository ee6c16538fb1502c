"""The vocabulary of delivery: what the engine hands to a transport, and what comes back.

The engine (``engine.py``) reads the log from an output's own cursor and owns order, retries, the
splitting of refused batches and the dead letters. A transport only knows how to talk to one kind of
collector: it takes a batch and says what became of it. It keeps no state that must outlast it.

Rules:

- a batch is a stretch of the log: its records stand in the order of their sequences;
- ``Batch.id`` depends on nothing but the log's stream and the records' sequences, so a batch that
  is sent again has the id that it had before, and a collector may drop the second. After a crash
  the log may be cut elsewhere: then only the events' own ids show what came twice;
- whatever goes wrong on the way is an outcome and not an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Protocol

from sensor.dataclass import dataclass

Document = Mapping[str, object]
"""What a format makes of an event: JSON values by name."""


@dataclass(frozen=True, slots=True)
class Record:
    """One event of the log. ``line`` is its native JSON line, newline and all.

    ``wall`` is the event's time in ns since the Unix epoch; ``id`` is the same in every delivery.
    """

    sequence: int
    id: str
    type: str
    wall: int
    line: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are delivered and acknowledged together. ``id`` has 16 bytes."""

    id: bytes
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How large a batch may be: its records, and the bytes of their native lines."""

    records: int = 500
    bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Rejection:
    """One record of a delivered batch that was not taken, and why.

    ``local``: Castoff itself could not encode it, as after damage to the disk. Otherwise it is the
    collector's answer.
    """

    sequence: int
    reason: str
    local: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """The collector acknowledged the batch; ``rejected`` become dead letters.

    ``warning`` is what it complained about without naming records (OTLP's partial success).
    ``distrusted`` counts the other servers that did not know us before this one took the batch.
    """

    rejected: tuple[Rejection, ...] = ()
    warning: str | None = None
    distrusted: int = 0


@dataclass(frozen=True, slots=True)
class Retry:
    """Nothing is known of the batch: it must be sent again, unchanged.

    ``after`` is the wait in seconds that the collector asked for. ``credentials``: no server knows
    us (wrong key, certificate, name), so trying again soon will not help. ``configuration``: a
    person has to correct a setting (URL, content type, index); likewise. ``distrusted`` counts the
    servers that did not know us, whatever happened at the others.
    """

    reason: str
    after: float | None = None
    credentials: bool = False
    configuration: bool = False
    distrusted: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """The collector will not take this batch as it is.

    The engine halves it until the record is alone that does not pass. That one becomes a dead
    letter once the collector has taken another (``engine/suspicion.py``). ``hint`` is which setting
    to look at if it takes none; ``local`` as in :class:`Rejection`.
    """

    reason: str
    hint: str | None = field(default=None, compare=False)
    local: bool = False


Outcome = Delivered | Retry | Refused


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """What a transport is connected to, for the status: ``peer`` without any secret."""

    peer: str | None
    connected: bool


class Transport(Protocol):
    """A way to one kind of collector. Everything here runs in the outputs' own loop and thread."""

    @property
    def window(self) -> int:
        """How many batches may be under way at once; they are begun in the order of the log."""

    @property
    def limits(self) -> BatchLimits:
        """The largest batch that it takes."""

    @property
    def connection(self) -> ConnectionStatus:
        """What it is connected to now."""

    async def deliver(self, batch: Batch) -> Outcome:
        """Send a batch and wait for the collector's word, connecting first where need be.

        Raises nothing but CancelledError; every wait in it has a limit of its own.
        """

    async def close(self) -> None:
        """Close what is open, without waiting for the collector."""


@dataclass(frozen=True, slots=True)
class Format:
    """How events look to a collector: ``native``, ``ocsf``, ``ecs``, ``otel`` or ``cef``.

    ``line`` gives the event as one line of text, newline and all, in printable characters only;
    ``document`` as named values, None for a format that is text only (CEF). Both are pure.
    """

    name: str
    content_type: str
    line: Callable[[Record], bytes]
    document: Callable[[Record], Document] | None
