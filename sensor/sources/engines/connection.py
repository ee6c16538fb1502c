"""A connection to an engine of the host: what listens must be root's, as the kernel says.

An event stream counts as the engine's word. A path can lead to another listener by the time that it
is used, so the listener is asked for its credentials after the connection is made.
"""

from __future__ import annotations

import asyncio
import os

from sensor.linux.peer import peer_uid
from sensor.sources.engines.session import EngineLost


async def connect(path: str, limit: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the engine at a unix socket; ``limit`` bounds the reader's buffer, in bytes.

    :raises EngineLost: what listens there is another user's.
    """
    reader, writer = await asyncio.open_unix_connection(path, limit=limit)
    uid = peer_uid(writer.get_extra_info("socket"))
    if uid not in {0, os.geteuid()}:
        writer.transport.abort()
        raise EngineLost(f"what listens at {path} belongs to uid {uid}, not to root")
    return reader, writer
