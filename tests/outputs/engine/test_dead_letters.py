"""Refused events: which become dead letters, which wait for a proof, which are tried again."""

from __future__ import annotations

import asyncio
from collections import deque

from sensor.outputs.delivery import (
    Batch,
    BatchLimits,
    Delivered,
    Outcome,
    Refused,
    Rejection,
    Retry,
)
from sensor.outputs.engine.backoff import Circuit
from sensor.outputs.engine.suspicion import HELD_FIRST, HELD_MOST, REFUSALS_PER_PROOF
from tests.outputs.virtual_loop import run
from tests.outputs.worker_world import FEW, Collector, World, until


def test_a_refused_batch_is_halved_until_the_poison_is_alone() -> None:
    async def main() -> None:
        world = World()

        async def answer(batch: Batch) -> Outcome:
            await asyncio.sleep(0.01)
            poison = any(record.sequence == 6 for record in batch.records)
            return Refused("400: bad field") if poison else Delivered()

        collector = Collector(window=2, limits=BatchLimits(records=8), answer=answer)
        world.append(*range(1, 17))
        worker = world.worker(collector)
        await until(lambda: worker.cursor == 16)
        assert list(world.pages.graves) == [("local", 6)]
        assert world.pages.graves["local", 6].reason == "400: bad field"
        delivered = list(dict.fromkeys(collector.taken))
        assert sorted(delivered) == [n for n in range(1, 17) if n != 6]
        health = worker.health()
        assert (health.counts.dead, health.dead_letters) == (1, 1)
        assert health.circuit is Circuit.CLOSED
        await world.stop()

    run(main())


def test_a_size_that_is_refused_is_not_tried_again_at_once() -> None:
    async def main() -> None:
        world = World()

        async def answer(batch: Batch) -> Outcome:
            await asyncio.sleep(0.01)
            return Refused("413") if len(batch.records) > 3 else Delivered()

        collector = Collector(limits=BatchLimits(records=8), answer=answer)
        world.append(*range(1, 41))
        worker = world.worker(collector)
        await until(lambda: worker.cursor == 40)
        assert collector.taken == list(range(1, 41))
        assert worker.health().counts.refused == 3  # 8, and both halves of it
        world.append(*range(41, 1041))
        await until(lambda: worker.cursor == 1040)
        assert worker.health().counts.refused < 20
        assert not world.pages.graves
        await world.stop()

    run(main())


def test_rejected_records_of_a_delivered_batch_are_dead_letters() -> None:
    async def main() -> None:
        world = World()
        rejections = (Rejection(2, "mapping"), Rejection(99, "not of this batch"))
        collector = Collector(outcomes=deque([Delivered(rejections, warning="1 rejected")]))
        world.append(1, 2, 3)
        worker = world.worker(collector)
        await until(lambda: worker.cursor == 3)
        assert list(world.pages.graves) == [("local", 2)]
        counts = worker.health().counts
        assert (counts.delivered, counts.dead, counts.warnings) == (2, 1, 1)
        await world.stop()

    run(main())


def test_a_collector_that_refuses_everything_makes_no_dead_letter_and_is_asked_seldom() -> None:
    async def main() -> None:
        world = World()

        async def answer(_: Batch) -> Outcome:
            return Refused("400: invalid Content-Type", hint='Try body = "array"')

        world.append(*range(1, 1001))
        collector = Collector(limits=FEW, answer=answer)
        worker = world.worker(collector)
        await until(lambda: worker.circuit is Circuit.OPEN)
        assert len(collector.begun) < 3 * HELD_FIRST
        assert worker.health().held == HELD_FIRST + 1
        await asyncio.sleep(24 * 3600)
        assert not world.pages.graves
        assert worker.cursor == 0
        health = worker.health()
        assert health.last_error is not None
        assert "accepted no event since the agent began" in health.last_error.text
        assert "400: invalid Content-Type. Try body" in health.last_error.text
        assert health.counts.configuration > 10
        assert health.counts.credentials == 0
        # A day of it: each event alone, up to a limit, and then one every ten minutes.
        assert len(collector.begun) < 2 * HELD_MOST
        await world.stop()

    run(main())


def test_one_refused_event_on_a_quiet_node_waits_for_a_proof() -> None:
    """A single event proves nothing: it may be the event or the configuration."""

    async def main() -> None:
        world = World()
        bad = {1}

        async def answer(batch: Batch) -> Outcome:
            await asyncio.sleep(0.01)
            return Refused("400") if bad & {r.sequence for r in batch.records} else Delivered()

        world.append(1)
        worker = world.worker(Collector(answer=answer))
        await until(lambda: worker.circuit is Circuit.OPEN)
        assert not world.pages.graves
        world.append(2)
        await until(lambda: worker.cursor == 2)
        assert list(world.pages.graves) == [("local", 1)]
        assert worker.circuit is Circuit.CLOSED
        await world.stop()

    run(main())


def test_what_a_corrected_collector_takes_is_not_a_dead_letter() -> None:
    """Held events are tried again after the proof: the fault may have been mended meanwhile."""

    async def main() -> None:
        world = World()
        refusing = True

        async def answer(_: Batch) -> Outcome:
            await asyncio.sleep(0.01)
            return Refused("400") if refusing else Delivered()

        world.append(*range(1, 51))
        collector = Collector(limits=FEW, answer=answer)
        worker = world.worker(collector)
        await until(lambda: worker.health().held > 3)
        refusing = False
        await until(lambda: worker.cursor == 50)
        assert sorted(set(collector.taken)) == list(range(1, 51))
        assert not world.pages.graves
        await world.stop()

    run(main())


def test_a_collector_that_begins_to_refuse_costs_a_few_events_at_most() -> None:
    async def main() -> None:
        world = World()

        async def answer(batch: Batch) -> Outcome:
            await asyncio.sleep(0.01)
            return Delivered() if batch.records[-1].sequence <= 100 else Refused("mapping")

        world.append(*range(1, 501))
        worker = world.worker(Collector(limits=FEW, answer=answer))
        await until(lambda: worker.circuit is Circuit.OPEN)
        await asyncio.sleep(3600)
        assert len(world.pages.graves) <= REFUSALS_PER_PROOF
        error = worker.health().last_error
        assert error is not None
        assert "accepted no event any more" in error.text
        await world.stop()

    run(main())


def test_a_long_run_of_bad_events_blocks_no_output_forever() -> None:
    async def main() -> None:
        world = World()
        bad = set(range(1, 61))

        async def answer(batch: Batch) -> Outcome:
            await asyncio.sleep(0.01)
            return Refused("400") if bad & {r.sequence for r in batch.records} else Delivered()

        collector = Collector(limits=FEW, answer=answer)
        world.append(*range(1, 101))
        worker = world.worker(collector)
        await until(lambda: worker.cursor == 100)
        assert set(collector.taken) == set(range(61, 101))
        assert {sequence for _, sequence in world.pages.graves} == bad
        await world.stop()

    run(main())


def test_rejections_of_all_events_of_a_batch_count_as_refusals() -> None:
    """As with a bulk API whose index takes none of the documents."""

    async def main() -> None:
        world = World()
        taking = False

        async def answer(batch: Batch) -> Outcome:
            await asyncio.sleep(0.01)
            if taking:
                return Delivered()
            return Delivered(tuple(Rejection(r.sequence, "mapping") for r in batch.records))

        world.append(*range(1, 501))
        worker = world.worker(Collector(limits=BatchLimits(records=100), answer=answer))
        await until(lambda: worker.circuit is Circuit.OPEN)
        assert (len(world.pages.graves), worker.cursor) == (0, 0)
        taking = True
        await until(lambda: worker.cursor == 500)
        assert not world.pages.graves
        await world.stop()

    run(main())


def test_what_castoff_itself_cannot_encode_needs_no_proof() -> None:
    async def main() -> None:
        world = World()
        local = tuple(Rejection(n, "no JSON", local=True) for n in range(1, 31))
        collector = Collector(outcomes=deque([Delivered(local)]))
        world.append(*range(1, 31))
        worker = world.worker(collector)
        await until(lambda: worker.cursor == 30)
        assert len(world.pages.graves) == 30
        assert worker.circuit is Circuit.CLOSED
        await world.stop()

    run(main())


def test_servers_that_do_not_know_us_are_counted_whatever_the_others_do() -> None:
    async def main() -> None:
        world = World()
        world.append(1, 2)
        outcomes: deque[Outcome] = deque(
            [
                Retry("a: wrong key; b: not found", distrusted=1),
                Delivered(warning="delivered to b, but: a: wrong key", distrusted=1),
            ]
        )
        worker = world.worker(Collector(outcomes=outcomes), draw=lambda: 0.0)
        await until(lambda: worker.cursor == 2)
        health = worker.health()
        assert health.counts.credentials == 2
        assert health.last_error is not None
        assert "a: wrong key" in health.last_error.text
        await world.stop()

    run(main())


def test_after_a_lost_connection_one_batch_goes_alone_and_copies_stay_few() -> None:
    """A receiver that is full resets the connection every ten batches, with all that is on it."""

    async def main() -> None:
        world = World()
        room, flying = 10, 0

        async def answer(_: Batch) -> Outcome:
            nonlocal room, flying
            flying += 1
            mine = room
            await asyncio.sleep(0.01)
            flying -= 1
            # What was under way together is lost together.
            if mine <= 0 or room <= 0:
                if not flying:
                    room = 10
                return Retry("the connection was reset")
            room -= 1
            return Delivered()

        collector = Collector(window=4, limits=FEW, answer=answer)
        world.append(*range(1, 1601))
        worker = world.worker(collector, draw=lambda: 0.0)
        await until(lambda: worker.cursor == 1600)
        sent = sum(len(batch.records) for batch in collector.begun)
        assert sent / 1600 < 1.25
        assert sorted(set(collector.taken)) == list(range(1, 1601))
        await world.stop()

    run(main())


def test_dead_letters_are_tried_again_and_removed() -> None:
    async def main() -> None:
        world = World()
        poison = {2, 5}

        async def answer(batch: Batch) -> Outcome:
            await asyncio.sleep(0.01)
            bad = poison & {record.sequence for record in batch.records}
            return Delivered(tuple(Rejection(n, "no") for n in sorted(bad)))

        collector = Collector(limits=FEW, answer=answer)
        world.append(*range(1, 7))
        worker = world.worker(collector)
        await until(lambda: worker.cursor == 6)
        assert set(world.pages.graves) == {("local", 2), ("local", 5)}
        poison.remove(2)
        worker.retry_dead(5)
        world.append(7)
        await until(lambda: worker.cursor == 7)
        assert set(world.pages.graves) == {("local", 5)}
        assert worker.health().dead_letters == 1
        poison.clear()
        worker.retry_dead(5)
        await until(lambda: not world.pages.graves)
        assert collector.taken == [1, 3, 4, 6, 2, 7, 5]
        await until(lambda: world.ledger.cursors["local"] == 7)
        await world.stop()

    run(main())
