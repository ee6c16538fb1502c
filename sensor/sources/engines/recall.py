"""What an engine remembers of the time while no agent ran: its own past events, asked for once.

Docker keeps the last 256 events in memory, Podman all in its log; containerd keeps none. Only names
and images are taken from them: whether a container started is for the kernel to say.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from sensor.model.witness_records import EngineRecalled
from sensor.sources.engines.docker_messages import Malformed, decode_event, events_target
from sensor.sources.engines.http import Exchange
from sensor.sources.engines.session import EngineLost
from sensor.sources.lines import LineSplitter

if TYPE_CHECKING:
    from sensor.model.vocabulary import ContainerId, Witness

BYTES_MAX = 4 << 20
"""Bytes of one engine's past that are read."""

LINE_MAX = 1 << 18
CONTAINERS_MAX = 2048


async def recall(
    path: str, witness: Witness, time: int, since_wall: int, until_wall: int
) -> tuple[EngineRecalled, ...]:
    """Ask the engine at a unix socket for its events of a stretch of time; the latest a container.

    ``time`` is now, ns since boot; the stretch is in ns since the epoch. The caller sets a
    deadline.

    :raises EngineLost: it does not answer as an engine does.
    """
    exchange = await Exchange.get(path, events_target(witness, since_wall, until_wall))
    try:
        if exchange.status != HTTPStatus.OK:
            raise EngineLost(f"/events answered {exchange.status}")
        lines = LineSplitter(LINE_MAX)
        found: dict[ContainerId, EngineRecalled] = {}
        size = 0
        while (data := await exchange.chunk()) is not None and size <= BYTES_MAX:
            size += len(data)
            for line in lines.feed(data):
                _take(line, witness, time, found)
        return tuple(found.values())
    finally:
        exchange.close()


def _take(
    line: bytes, witness: Witness, time: int, found: dict[ContainerId, EngineRecalled]
) -> None:
    try:
        event = decode_event(line, witness, time)
    except Malformed:
        return
    if event is None or (event.name is None and event.image is None):
        return
    if event.id in found or len(found) < CONTAINERS_MAX:
        found[event.id] = EngineRecalled(
            time, event.engine_wall, witness, event.action, event.id, event.name, event.image
        )
