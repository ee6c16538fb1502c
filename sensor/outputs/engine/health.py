"""How an output is doing, at one moment."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from sensor.outputs.delivery import ConnectionStatus
    from sensor.outputs.engine.backoff import Circuit


@dataclass(slots=True)
class OutputCounts:
    """What an output counts since the agent began."""

    batches: int = 0
    delivered: int = 0
    """Events that the collector acknowledged."""
    retries: int = 0
    """Attempts of which nothing is known: the batch was sent again, or will be."""
    refused: int = 0
    """Batches that were refused as a whole, and halved."""
    dead: int = 0
    """Events that became dead letters."""
    credentials: int = 0
    """Servers that did not know us, counted at each attempt."""
    configuration: int = 0
    """Attempts that failed for a setting that a person has to correct."""
    warnings: int = 0
    defects: int = 0
    """Errors of our own in the transport."""
    damaged: int = 0
    """Entries of the log that could not be read."""


@dataclass(frozen=True, slots=True)
class LastError:
    """What went wrong last: when, in wall ns, and a text without secrets or control characters."""

    wall: int
    text: str


@dataclass(frozen=True, slots=True)
class OutputHealth:
    """One output. ``cursor`` is the last sequence that it is done with."""

    name: str
    kind: str
    format: str
    circuit: Circuit
    cursor: int
    lag_events: int
    """Entries beyond the cursor, also those that its filter leaves out; holes count."""
    lag_seconds: float
    """Age of the oldest event that is read and not done with."""
    in_flight: int
    held: int
    """Events that were refused, and wait for a proof that the collector takes any."""
    dead_letters: int
    resumes_in: float | None
    """Seconds until the next attempt while the circuit is open."""
    connection: ConnectionStatus
    last_error: LastError | None
    counts: OutputCounts = field(default_factory=OutputCounts)
