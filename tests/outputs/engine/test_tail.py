"""An output waits at the end of the log without work."""

from __future__ import annotations

import asyncio

from tests.outputs.virtual_loop import VirtualLoop, run
from tests.outputs.worker_world import Collector, World, until


def test_an_idle_output_does_not_wake() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        world = World()
        world.append(1)
        worker = world.worker(Collector())
        await until(lambda: world.ledger.cursors.get("local") == 1)
        assert worker.attempts == 1
        turns = loop.turns
        await asyncio.sleep(86_400)
        return loop.turns - turns

    assert run(main()) <= 3
