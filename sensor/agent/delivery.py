"""Ship events: the outputs' side of the agent.

Makes the configured outputs, runs them in the delivery engine's thread, and shows them to the
socket. Nothing of it is loaded on a node that has no outputs.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Self

from sensor import __version__
from sensor.api.deliveries import Rewound
from sensor.api.status import DeliveryState
from sensor.dataclass import dataclass
from sensor.outputs.registry import Surroundings
from sensor.schema.times import rfc3339
from sensor.store.query import Query
from sensor.store.rows import DEAD_LETTERS

if TYPE_CHECKING:
    from sensor.agent.config import Config
    from sensor.agent.persistence import Persistence
    from sensor.model.agent_records import HostFacts
    from sensor.outputs.delivery import Transport
    from sensor.outputs.engine.engine import OutputEngine
    from sensor.outputs.engine.health import OutputHealth
    from sensor.outputs.settings import OutputSettings

log = logging.getLogger("castoff.outputs")


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """``[outputs.NAME]`` and ``[delivery]`` of the configuration."""

    outputs: tuple[OutputSettings, ...] = ()
    flush_seconds: float = 5.0
    dead_letters: int = DEAD_LETTERS

    @classmethod
    def of(cls, config: Config) -> Self:
        """Return what a configuration says."""
        delivery = config.delivery
        return cls(config.outputs, delivery.flush_seconds, delivery.dead_letters)


def transports(
    settings: DeliverySettings, host: HostFacts
) -> tuple[tuple[OutputSettings, Transport], ...]:
    """Make every output's transport; raises :class:`ConfigError` for what cannot work."""
    made = []
    for output in settings.outputs:
        transport, _ = output.transport(Surroundings(host, __version__, output.name))
        made.append((output, transport))
    return tuple(made)


class Delivery:
    """The outputs of one agent. Lives in the agent's loop."""

    def __init__(self, settings: DeliverySettings, host: HostFacts) -> None:
        """Raises :class:`ConfigError` for an output that cannot work."""
        self._settings = settings
        self._made = transports(settings, host)
        self._engine: OutputEngine | None = None
        self._keeper: Persistence | None = None

    def open(self, keeper: Persistence) -> None:
        """Begin to deliver what the keeper keeps."""
        self._keeper = keeper
        configured = {output.name for output in self._settings.outputs}
        for name in sorted(set(keeper.store.cursors) - configured):
            log.warning("output %s is configured no more: its place in the log is forgotten", name)
            keeper.store.forget(name)
        if not self._made:
            return
        from sensor.outputs.engine.engine import Output, OutputEngine  # for who has outputs

        engine = OutputEngine(keeper.store, [Output(*made) for made in self._made])
        self._engine = engine
        keeper.written, keeper.missed = engine.written, engine.missed
        engine.start()

    async def close(self) -> None:
        """Deliver for a while what can be, and end."""
        engine = self._engine
        if engine is None:
            return
        if not await asyncio.to_thread(engine.close, self._settings.flush_seconds):
            log.warning("not everything was delivered; the next agent goes on from there")

    def states(self) -> tuple[DeliveryState, ...]:
        """Return how the outputs are doing."""
        return () if self._engine is None else tuple(map(_state, self._engine.health()))

    async def rewind(self, output: str, since: int) -> Rewound:
        """Ship again what is kept since a wall time in ns.

        Raises KeyError for an unknown output, ValueError when it has not come so far.
        """
        if self._engine is None or self._keeper is None:
            raise KeyError(output)
        found = await asyncio.to_thread(self._keeper.reader.read, Query(since=since, rows=1))
        if not found.entries:
            message = "nothing is kept since then"
            raise ValueError(message)
        cursor = found.entries[0].sequence - 1
        await self._engine.rewind(output, cursor)
        lags = {one.name: one.lag_events for one in self._engine.health()}
        log.warning("output %s: ships again from cursor %d on", output, cursor)
        return Rewound(output, cursor, lags[output])

    async def retry_dead(self, output: str) -> int:
        """Ship dead letters again, and return how many there are. Raises KeyError."""
        if self._engine is None:
            raise KeyError(output)
        return await self._engine.retry_dead(output)


def _state(health: OutputHealth) -> DeliveryState:
    counts, error = health.counts, health.last_error
    return DeliveryState(
        name=health.name,
        type=health.kind,
        format=health.format,
        circuit=health.circuit,
        peer=health.connection.peer,
        connected=health.connection.connected,
        cursor=health.cursor,
        lag_events=health.lag_events,
        lag_seconds=round(health.lag_seconds, 3),
        in_flight=health.in_flight,
        delivered=counts.delivered,
        batches=counts.batches,
        retries=counts.retries,
        refused=counts.refused,
        dead=counts.dead,
        dead_letters=health.dead_letters,
        held=health.held,
        credentials=counts.credentials,
        configuration=counts.configuration,
        warnings=counts.warnings,
        defects=counts.defects,
        damaged=counts.damaged,
        resumes_in_seconds=None if health.resumes_in is None else round(health.resumes_in, 1),
        last_error=None if error is None else error.text,
        last_error_time=None if error is None else rfc3339(error.wall),
    )
