"""What each source beside the probes' rings offers to the agent: one shape for all of them.

Each may be missing. One that is not available says so once, with the fix, and the rest goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sensor.agent.config import SourcesSection
    from sensor.model.observations import Observation

    Feed = Callable[[list[Observation]], None]


@dataclass(frozen=True, slots=True)
class OptionalSourceState:
    """How one is doing, for ``castoff status``."""

    name: str
    state: str
    """``running``, ``waiting`` or ``failed: REASON``."""
    observations: int


class OptionalSource(Protocol):
    """Called in the loop, from its start to its close. What it finds it feeds by itself, too."""

    async def start(self, realtime_offset: int) -> None:
        """Open it where it is available. ``realtime_offset`` in ns."""

    def drain(self) -> list[Observation]:
        """Return what it has of the time up to now and that belongs before a start."""

    def losses(self, realtime_offset: int) -> Sequence[Observation]:
        """Return what it lost since the last call, and take over the clock's offset."""

    def follow(self, section: SourcesSection, realtime_offset: int) -> None:
        """Apply a changed configuration; what stays is not interrupted."""

    def engine_began(self) -> None:
        """Take note that an engine was executed."""

    def states(self) -> Sequence[OptionalSourceState]:
        """Return how it is doing."""

    async def close(self) -> None:
        """Let go of everything."""
