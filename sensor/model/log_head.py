"""The head of the event log: how far it goes, and the digest that stands for all before it."""

from __future__ import annotations

from sensor.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class LogHead:
    """Where the chain of a log stood. ``digest`` covers every event up to ``sequence``."""

    id: str
    """The log's own name: 16 hex digits, drawn when the file was made."""
    sequence: int
    """Number of the newest event on disk; 0 before the first."""
    digest: str
    """SHA-256 of the chain at that event, 64 hex digits."""
    oldest: int | None = None
    """Number of the oldest event that the log still holds; None for an empty log."""
    broken: str | None = None
    """Why the chain begins anew at this place, as a sentence; None where it goes on."""
    skipped: int | None = None
    """Numbers up to ``sequence`` that no event may ever have: given up with a damaged file."""
