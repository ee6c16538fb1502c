"""Transports as a configuration would make them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sensor.outputs.formats.native import FORMAT
from sensor.outputs.forward.output import ForwardSettings, make
from sensor.outputs.forward.transport import Forward
from sensor.outputs.registry import Surroundings
from tests.outputs.sample_events import HOST

SURROUNDINGS = Surroundings(HOST, "1.0", "test")
SECONDS = 30.0


def forward(*ports: int, **settings: Any) -> Forward:
    """Return a transport to servers on these ports of 127.0.0.1."""
    servers = tuple(f"127.0.0.1:{port}" for port in ports)
    own = ForwardSettings(**{"servers": servers, **settings})
    return make(own, FORMAT, SURROUNDINGS)


def run(made: Forward, scenario: Callable[[Forward], Awaitable[None]]) -> None:
    """Run a scenario in a loop of its own, and close the transport."""

    async def whole() -> None:
        try:
            await scenario(made)
        finally:
            await made.close()

    asyncio.run(asyncio.wait_for(whole(), SECONDS))
