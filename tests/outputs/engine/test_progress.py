"""How far an output is: its cursor, its last error, what it counts."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from sensor.outputs.delivery import Batch, Delivered, Outcome, Retry
from sensor.outputs.engine.progress import CURSOR_SECONDS
from tests.outputs.virtual_loop import run
from tests.outputs.worker_world import FEW, Collector, World, until


def test_errors_are_shown_without_control_characters_and_bounded() -> None:
    async def main() -> None:
        world = World()
        world.append(1)
        worker = world.worker(Collector(outcomes=deque([Retry("\x1b[2J" + "x" * 10_000)])))
        await until(lambda: worker.cursor == 1)
        error = worker.health().last_error
        assert error is not None
        assert error.text.startswith("\\x1b[2Jxxx")
        assert len(error.text) == 600
        await world.stop()

    run(main())


def test_rewinding_ships_again_what_was_shipped_and_gives_up_what_is_under_way() -> None:
    async def main() -> None:
        world = World()
        collector = Collector(limits=FEW)
        world.append(*range(1, 9))
        worker = world.worker(collector)
        await until(lambda: worker.cursor == 8)
        await worker.rewind(3)
        assert world.ledger.cursors["local"] == 3
        assert worker.health().lag_events == 5
        await until(lambda: worker.cursor == 8)
        assert collector.taken == [*range(1, 9), *range(4, 9)]
        with pytest.raises(ValueError, match="nothing since"):
            await worker.rewind(8)
        await world.stop()

    run(main())


def test_the_cursor_is_written_about_once_a_second() -> None:
    async def main() -> None:
        world = World()
        worker = world.worker(Collector())
        for number in range(1, 201):
            world.append(number)
            await asyncio.sleep(0.05)
        await until(lambda: world.ledger.cursors.get("local") == 200)
        assert worker.cursor == 200
        assert len(world.ledger.acknowledged) <= 200 * 0.05 / CURSOR_SECONDS + 2
        assert world.ledger.acknowledged == sorted(world.ledger.acknowledged)
        await world.stop()

    run(main())


def test_what_was_not_delivered_in_time_stays_before_the_cursor() -> None:
    async def main() -> None:
        world = World()
        world.append(1)
        collector = Collector()
        worker = world.worker(collector)
        await until(lambda: worker.cursor == 1)

        async def never(_: Batch) -> Outcome:
            await asyncio.sleep(1e9)
            return Delivered()

        collector.answer = never
        world.append(2)
        finishing = asyncio.create_task(worker.finish())
        done, _ = await asyncio.wait([finishing], timeout=5)
        assert not done
        finishing.cancel()
        await world.stop()
        assert world.ledger.cursors == {"local": 1}
        assert collector.closed

    run(main())


@pytest.mark.parametrize("down", [False, True])
def test_finishing_ends_when_all_is_shipped_or_when_one_more_attempt_fails(down: bool) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        world = World()

        async def answer(_: Batch) -> Outcome:
            return Retry("connection refused") if down else Delivered()

        collector = Collector(answer=answer, limits=FEW)
        world.append(*range(1, 10))
        worker = world.worker(collector)
        if down:
            await until(lambda: worker.attempts > 8)
        begun, attempts = loop.time(), worker.attempts
        await worker.finish()
        assert loop.time() - begun < 1
        assert worker.cursor == (0 if down else 9)
        assert not down or worker.attempts == attempts + 1
        await world.stop()

    run(main())
