"""The parts of a running agent, each whole from its construction.

    probes ─▶ KernelSource ─▶ RingReader ─▶ Pipeline ─▶ Persistence ─▶ Delivery
                                 ▲             │   ▲
                   OptionalSources ──┘         ▼   │
                                         DescriptionService (threads)

:func:`sensor.agent.opening.open_parts` makes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sensor.agent.pipeline import Sink
from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sensor.agent.config import Config
    from sensor.agent.delivery import Delivery
    from sensor.agent.descriptions import DescriptionService
    from sensor.agent.judging import Judging
    from sensor.agent.persistence import Persistence
    from sensor.agent.pipeline import Pipeline
    from sensor.agent.probe_watch import ProbeWatch
    from sensor.agent.ring_reader import RingReader
    from sensor.agent.sources import OptionalSources
    from sensor.agent.wall_clock import WallClock
    from sensor.api.server import ControlServer
    from sensor.correlate.core import Parsers
    from sensor.identity.describer import Describer
    from sensor.linux.realtime import RealTime
    from sensor.model.agent_records import HostFacts
    from sensor.model.observations import Observation
    from sensor.sources.kernel import KernelSource

    Feed = Callable[[Sequence[Observation]], None]


@dataclass(frozen=True, slots=True)
class ConsoleState:
    """The console: bytes that wait, lines dropped, and why it is closed if it is."""

    name: str
    backlog: int
    dropped: int
    closed_reason: str | None


class Console(Sink, Protocol):
    """Shows events to the person who runs the agent in the foreground."""

    def state(self) -> ConsoleState:
        """Return how its reader keeps up."""

    async def close(self) -> None:
        """Write what waits, for a bounded time."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that runs. ``started``, ``loaded_at`` in ns since boot."""

    config: Config
    host: HostFacts
    started: int
    loaded_at: int
    """When the probes were attached, perhaps by an earlier agent."""
    lacking: tuple[str, ...]
    """What an earlier agent's probe set lacked."""
    wall: WallClock
    probes: ProbeWatch
    source: KernelSource
    persistence: Persistence
    delivery: Delivery
    judging: Judging
    describer: Describer
    descriptions: DescriptionService
    pipeline: Pipeline
    optional: OptionalSources
    ring_reader: RingReader
    real_time: RealTime
    control: ControlServer
    parsers: Parsers
    console: tuple[Console, ...] = ()
