"""``castoff normalize --config``: the service, from its configuration to its end."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING

from sensor.agent.aggregator import Aggregator
from sensor.agent.aggregator_settings import AggregatorSettings
from sensor.agent.config import Config
from sensor.errors import ConfigError
from sensor.sources import procfs

if TYPE_CHECKING:
    from pathlib import Path

    from sensor.model.control_plane import RequestSource
    from sensor.sources.controlplane.addresses import Proxies


def run(
    config: Path,
    directories: tuple[Path, ...],
    sources: frozenset[RequestSource] | None,
    proxies: Proxies,
) -> None:
    """Run until SIGTERM or SIGINT."""
    loaded = Config.load(config)
    logging.basicConfig(level=loaded.agent.log_level.upper(), format="%(levelname)s %(message)s")
    settings = AggregatorSettings.of(loaded, directories, sources, proxies)
    if not directories and not settings.receives:
        raise ConfigError(
            f"{config}: nothing to read",
            "Name a directory, or configure [webhook], [push] or [kafka].",
        )
    asyncio.run(_run(settings, loaded.agent.node_name or None))


async def _run(settings: AggregatorSettings, node: str | None) -> None:
    aggregator = Aggregator(settings, procfs.host_facts(node=node))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, aggregator.stop)
    await aggregator.run()
