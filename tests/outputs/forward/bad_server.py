"""A Forward server that misbehaves."""

from __future__ import annotations

import asyncio
from typing import Any

from sensor.outputs.delivery import Outcome, Retry
from tests.outputs.batches import batch_of, starts
from tests.outputs.forward.fake_server import Answer, Peer, fake_server
from tests.outputs.forward.made import forward

KEY = "a key that is unknown"
BATCH = batch_of(starts(1, 3))


def outcome(answer: Answer, batch: Any = BATCH, times: int = 1, **settings: Any) -> Outcome:
    """Return what becomes of a batch at such a server, the last of so many times."""

    async def run() -> Outcome:
        async with fake_server(answer) as port:
            made = forward(port, **{"connect_seconds": 0.5, "ack_seconds": 0.5, **settings})
            try:
                for _ in range(times - 1):
                    await made.deliver(batch)
                return await made.deliver(batch)
            finally:
                await made.close()

    return asyncio.run(asyncio.wait_for(run(), 30))


def retry(found: Outcome, reason: str, *, credentials: bool = False) -> None:
    assert isinstance(found, Retry), found
    assert reason in found.reason
    assert found.credentials is credentials
    assert found.reason.startswith("127.0.0.1:")
    assert KEY not in found.reason


async def silent(peer: Peer) -> None:
    await peer.reader.read()
