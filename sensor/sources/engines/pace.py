"""Read an engine's stream seldom: it is the third source, and no start waits for it.

A start is four events of each engine, each a wake-up of its own; looked at on the tick they come a
few at a time. Docker drops an event that is not taken for 100 ms (moby
daemon/events/events.go), but a socket's buffer holds hundreds.
"""

from __future__ import annotations

import asyncio

from sensor.clock import next_tick


async def rest(transport: asyncio.BaseTransport, *, paced: bool) -> None:
    """Leave what comes in the socket until the next tick, if it is ``paced``."""
    if not paced or not isinstance(transport, asyncio.Transport) or transport.is_closing():
        return
    transport.pause_reading()
    loop = asyncio.get_running_loop()
    now = loop.time()
    try:
        await asyncio.sleep(next_tick(now) - now)
    finally:
        if not transport.is_closing():
            transport.resume_reading()
