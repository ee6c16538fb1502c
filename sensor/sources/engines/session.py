"""What every engine's protocol offers to the stream that drives it, and what is counted of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from sensor.model.witness_records import EngineEvent

TEXT_MAX = 4096
"""Longest name, image or label value taken from an engine; a longer one is left unknown."""


class EngineLost(Exception):
    """The conversation with an engine is over; ``reason`` is for a person to read."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ListRefused(Exception):
    """The engine gave no usable list of containers, while its stream may go on."""


@dataclass(slots=True)
class StreamCounts:
    """What one engine's stream has done since it was first followed."""

    connects: int = 0
    """Times that the engine was subscribed to."""
    failures: int = 0
    """Times that it could not be, or was lost again."""
    events: int = 0
    """Observations made of its events, without those of lists."""
    lists_failed: int = 0
    """Lists that the engine refused, did not finish in time, or that were too large."""
    ignored: int = 0
    """Events about something else than a container's life."""
    malformed: int = 0
    """Events that do not follow the engine's own format."""
    oversized: int = 0
    """Events larger than the limit, skipped."""
    repeated: int = 0
    """Events that a new subscription repeated, skipped."""
    dropped: int = 0
    """Events thrown away here because too many waited."""
    missed: int = 0
    """Events that never came, as the others show: an end without its start, a start without an end
    of the run before. Engines drop events of slow readers without a word (Docker after 100 ms)."""

    @property
    def unread(self) -> int:
        """Events that came and could not be used."""
        return self.malformed + self.oversized + self.dropped


class EngineSession(Protocol):
    """One connection to one engine. The caller sets all deadlines and closes it in any case.

    Every method may raise :class:`EngineLost` or OSError, after which only ``close`` is called.
    """

    async def open(self, path: str, since_wall: int, /) -> None:
        """Connect to the unix socket at ``path`` and subscribe.

        Engines that keep old events repeat those from ``since_wall`` (ns since the epoch) on.
        """

    async def running(self) -> tuple[EngineEvent, ...]:
        """List what runs now, as events with the action ``running``.

        :raises ListRefused: the list is of no use; the stream goes on.
        """

    async def receive(self) -> tuple[EngineEvent, ...]:
        """Wait for data and return the events in it, often none. May be cancelled and repeated."""

    async def ping(self) -> None:
        """Ask for any answer at all."""

    def close(self) -> None:
        """Let go of the socket at once, whatever the engine does."""
