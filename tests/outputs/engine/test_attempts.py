"""Attempts that hang, are given up, or fail by a defect of our own."""

from __future__ import annotations

import asyncio

from sensor.outputs.delivery import Batch, Delivered, Outcome, Retry
from sensor.outputs.engine.attempts import DEFECTS
from tests.outputs.virtual_loop import run
from tests.outputs.worker_world import FEW, Collector, World, until


def test_what_hangs_behind_a_retry_is_given_up_before_it_is_begun_again() -> None:
    async def main() -> None:
        world = World()
        ended: list[str] = []

        async def answer(batch: Batch) -> Outcome:
            first = batch.records[0].sequence
            if first == 1 and not ended:
                await until(lambda: collector.under_way == 2)
                return Retry("no")
            if first == 5 and not ended:
                try:
                    await asyncio.sleep(1e9)
                finally:
                    ended.append("5")
            return Delivered()

        collector = Collector(window=2, limits=FEW, answer=answer)
        world.append(*range(1, 9))
        worker = world.worker(collector)
        await until(lambda: worker.cursor == 8, limit=60)
        assert collector.taken == list(range(1, 9))
        assert ended == ["5"]
        await world.stop()

    run(main())


def test_a_transport_that_never_answers_is_given_up() -> None:
    async def main() -> None:
        world = World()
        hanging = iter([True, False])

        async def answer(_: Batch) -> Outcome:
            if next(hanging):
                await asyncio.sleep(1e9)
            return Delivered()

        world.append(1)
        worker = world.worker(Collector(answer=answer), answer_seconds=30.0)
        await until(lambda: worker.cursor == 1)
        error = worker.health().last_error
        assert error is not None
        assert error.text == "no answer within 30 s"
        await world.stop()

    run(main())


def test_an_error_of_ours_is_tried_a_few_times_and_then_costs_one_event() -> None:
    async def main() -> None:
        world = World()

        async def answer(batch: Batch) -> Outcome:
            if any(record.sequence == 2 for record in batch.records):
                message = "boom"
                raise KeyError(message)
            return Delivered()

        world.append(1, 2, 3)
        worker = world.worker(Collector(answer=answer), draw=lambda: 0.0)
        await until(lambda: worker.cursor == 3)
        assert list(world.pages.graves) == [("local", 2)]
        assert worker.health().counts.defects > DEFECTS
        await world.stop()

    run(main())
