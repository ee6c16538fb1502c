"""``castoff normalize --config``: the service, from its configuration to its end."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING

from sensor.agent.aggregator import Aggregator, AggregatorSettings
from sensor.agent.config import Config
from sensor.agent.delivery import ShippingSettings
from sensor.sources import procfs
from sensor.store.log import StoreSettings

if TYPE_CHECKING:
    from pathlib import Path

    from sensor.model.control_plane import RequestSource
    from sensor.sources.controlplane.addresses import Proxies

SECONDS_PER_DAY = 86_400


def run(
    config: Path,
    directories: tuple[Path, ...],
    sources: frozenset[RequestSource] | None,
    proxies: Proxies,
) -> None:
    """Run until SIGTERM or SIGINT."""
    told = Config.load(config)
    logging.basicConfig(level=told.agent.log_level.upper(), format="%(levelname)s %(message)s")
    settings = AggregatorSettings(
        directories=directories,
        state_dir=told.agent.state_dir,
        store=StoreSettings(
            sync=told.store.sync,
            max_bytes=told.store.max_mib << 20,
            max_age=told.store.max_age_days * SECONDS_PER_DAY,
            dead_letters=told.delivery.dead_letters,
        ),
        shipping=ShippingSettings(
            outputs=told.outputs,
            flush_seconds=told.delivery.flush_seconds,
            dead_letters=told.delivery.dead_letters,
        ),
        heartbeat_seconds=told.agent.heartbeat_seconds,
        sources=sources,
        proxies=proxies,
    )
    asyncio.run(_run(settings, told.agent.node_name or None))


async def _run(settings: AggregatorSettings, node: str | None) -> None:
    aggregator = Aggregator(settings, procfs.host_facts(node=node))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, aggregator.stop)
    await aggregator.run()
