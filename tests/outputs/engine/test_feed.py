"""What an output reads of the log: what fits its filters, and what it can read."""

from __future__ import annotations

import asyncio

from sensor.outputs.delivery import Batch, Delivered, Outcome
from sensor.schema import filters
from tests.outputs.virtual_loop import run
from tests.outputs.worker_world import FEW, Collector, World, until


def test_a_log_that_cannot_be_read_is_read_later() -> None:
    async def main() -> None:
        world = World()
        world.append(1)
        world.pages.broken = True
        collector = Collector()
        worker = world.worker(collector)
        await asyncio.sleep(10)
        assert world.pages.reads <= 11
        error = worker.health().last_error
        assert error is not None
        assert "disk I/O error" in error.text
        world.pages.broken = False
        await until(lambda: worker.cursor == 1)
        await world.stop()

    run(main())


def test_only_what_fits_is_shipped_and_the_cursor_passes_the_rest() -> None:
    async def main() -> None:
        world = World()
        world.append(1, kind="container.stop")
        world.append(2, body=b'{"type":"container.start","container":{"name":"web"}}\n')
        world.append(3, body=b'{"type":"container.start","container":{"name":"db"}}\n')
        world.append(4, body=b'{"container":{"name":"web"}}\n', kind="container.stop")
        collector = Collector()
        wanted = filters.parse(["name=web"], ["start"])
        worker = world.worker(collector, filters=wanted)
        await until(lambda: world.ledger.cursors.get("local") == 4)
        assert collector.taken == [2]
        assert worker.health().lag_events == 0
        await world.stop()

    run(main())


def test_a_long_stretch_that_no_output_wants_does_not_hold_up_another_output() -> None:
    async def main() -> None:
        world = World()
        world.pages.append(*range(1, 5001), kind="gap")
        world.tail.written(5000, 5000)
        seen: list[int] = []

        async def answer(_: Batch) -> Outcome:
            seen.append(first.cursor)
            return Delivered()

        quiet, busy = Collector(limits=FEW), Collector(limits=FEW, answer=answer)
        first = world.worker(quiet, "quiet", filters.parse([], ["stop"]))
        second = world.worker(busy, "busy")
        await until(lambda: first.cursor == second.cursor == 5000)
        assert not quiet.begun
        assert seen[100] < 1000
        await world.stop()

    run(main())


def test_a_slow_output_does_not_delay_another() -> None:
    async def main() -> None:
        world = World()

        async def never(_: Batch) -> Outcome:
            await asyncio.sleep(1e9)
            return Delivered()

        slow = world.worker(Collector(answer=never), "slow", answer_seconds=1e6)
        quick = world.worker(Collector(), "quick")
        for number in range(1, 101):
            world.append(number)
            await until(lambda number=number: quick.cursor == number, limit=1)  # type: ignore[misc]  # mypy infers no default of a lambda
        assert slow.cursor == 0
        await world.stop()

    run(main())
