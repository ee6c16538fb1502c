"""Who can start containers on this node: placeholder of the shapes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Way:
    """A way to start a container. ``last_use`` is wall time in ns."""

    kind: str
    who: str
    evidence: str
    grave: bool = False
    """It leads to root."""
    used_by_log: bool = False
    """Whether the log can say when it was used."""
    last_use: int | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """All ways on one node, and what could not be read."""

    host: str
    ways: tuple[Way, ...]
    unread: tuple[str, ...]
