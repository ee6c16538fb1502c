"""A server at a path, and bytes that are sent to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from sensor.api.server import ControlServer
from tests.api.test_status import STATUS


def serving(path: Path, scenario: Callable[[ControlServer], Awaitable[None]]) -> None:
    """Run the scenario while a server listens."""

    async def run() -> None:
        server = ControlServer(path, lambda: STATUS, group=None)
        await server.start()
        try:
            await asyncio.wait_for(scenario(server), 20)
        finally:
            await server.close()

    asyncio.run(run())
