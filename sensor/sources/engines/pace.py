"""Read an engine's stream seldom: it is the third witness, and nobody waits for it.

A start is four events of each engine, each a wake-up of its own; looked at five times a second
they come a few at a time.
"""

from __future__ import annotations

import asyncio

PACE = 0.2
"""Seconds between two looks at a stream that is being listened to. Docker gives up on an event that
nobody takes for 100 ms (moby daemon/events/events.go), but a socket's buffer holds hundreds."""


async def rest(transport: asyncio.BaseTransport, seconds: float) -> None:
    """Leave what comes in the socket for so long; not at all for 0."""
    if not seconds or not isinstance(transport, asyncio.Transport) or transport.is_closing():
        return
    transport.pause_reading()
    try:
        await asyncio.sleep(seconds)
    finally:
        if not transport.is_closing():
            transport.resume_reading()
