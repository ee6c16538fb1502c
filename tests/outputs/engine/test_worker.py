"""One output: order, retries, halving, dead letters, and what it does when nothing can be done."""

from __future__ import annotations

import asyncio
import random
from collections import deque

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sensor.outputs.delivery import (
    Batch,
    BatchLimits,
    Delivered,
    Outcome,
    Refused,
    Rejection,
    Retry,
)
from sensor.outputs.engine import worker
from sensor.outputs.engine.attempts import DEFECTS
from sensor.outputs.engine.backoff import CIRCUIT, Circuit
from sensor.outputs.engine.progress import CURSOR_SECONDS
from sensor.outputs.engine.suspicion import HELD_FIRST, HELD_MOST, REFUSALS_PER_PROOF
from sensor.outputs.engine.window import make_batch
from sensor.schema import filters
from tests.outputs.virtual_loop import VirtualLoop, run
from tests.outputs.worker_world import Collector, MemoryLedger, MemoryPages, World, until
from tests.walks import walked

FEW = BatchLimits(records=4)


def test_what_is_in_the_log_is_delivered_in_its_order_and_acknowledged() -> None:
    async def main() -> None:
        world = World()
        world.append(*range(1, 11))
        collector = Collector(window=2, limits=FEW)
        worker = world.worker(collector)
        await until(lambda: worker.cursor == 10)
        assert collector.sequences == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
        world.append(11)
        await until(lambda: world.ledger.cursors == {"local": 11})
        await world.stop()
        assert collector.closed
        health = worker.health()
        assert (health.lag_events, health.counts.delivered, health.in_flight) == (0, 11, 0)

    run(main())


def test_full_batches_fill_the_window_and_a_partial_one_waits_for_it() -> None:
    async def main() -> None:
        world = World()
        gate = asyncio.Event()

        async def wait(_: Batch) -> Outcome:
            await gate.wait()
            return Delivered()

        collector = Collector(window=3, limits=FEW, answer=wait)
        world.append(*range(1, 11))
        world.worker(collector)
        await until(lambda: collector.under_way == 2)
        await asyncio.sleep(10)
        assert collector.sequences == [[1, 2, 3, 4], [5, 6, 7, 8]]
        world.append(*range(11, 31))
        await until(lambda: collector.under_way == 3)
        assert collector.sequences[2] == [9, 10, 11, 12]
        gate.set()
        await until(lambda: len(collector.taken) == 30)
        assert collector.taken == list(range(1, 31))
        assert collector.most_under_way == 3
        await world.stop()

    run(main())


def test_batches_keep_to_the_bytes_of_the_transport() -> None:
    async def main() -> None:
        world = World()
        collector = Collector(limits=BatchLimits(records=100, bytes=250))
        world.append(1, 2, 3, body=b"x" * 100)
        world.append(4, body=b"y" * 300)
        world.append(5, body=b"z" * 100)
        worker = world.worker(collector)
        await until(lambda: worker.cursor == 5)
        assert collector.sequences == [[1, 2], [3], [4], [5]]
        await world.stop()

    run(main())


def test_a_batch_has_the_same_id_whenever_it_is_made() -> None:
    pages = MemoryPages()
    pages.append(1, 2, 3)

    async def main() -> list[Batch]:
        world = World(pages)
        collector = Collector(outcomes=deque([Retry("no")]))
        worker = world.worker(collector)
        await until(lambda: worker.cursor == 3)
        await world.stop()
        return collector.begun

    batches = [*run(main()), *run(main())]
    assert len({batch.id for batch in batches}) == 1
    assert len(batches) == 4
    assert len(batches[0].id) == 16
    assert make_batch("another", batches[0].records).id != batches[0].id
    assert make_batch("stream", batches[0].records[:2]).id != batches[0].id


# ----------------------------------------------------------------------------------------- trouble


def test_a_retry_begins_everything_again_from_the_first_that_is_not_acknowledged() -> None:
    async def main() -> None:
        world = World()
        cut = iter([True])

        async def answer(batch: Batch) -> Outcome:
            first = batch.records[0].sequence
            await asyncio.sleep(first / 1000)
            return Retry("cut off") if first == 5 and next(cut, False) else Delivered()

        collector = Collector(window=3, limits=FEW, answer=answer)
        world.append(*range(1, 13))
        worker = world.worker(collector)
        await until(lambda: worker.cursor == 12)
        firsts = [sequences[0] for sequences in collector.sequences]
        assert firsts == [1, 5, 9, 5, 9]
        health = worker.health()
        assert health.counts.retries == 1
        assert health.last_error is not None
        assert health.last_error.text == "cut off"
        assert (health.circuit, health.counts.delivered) == (Circuit.CLOSED, 12)
        await world.stop()

    run(main())


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


def test_while_a_collector_is_down_nothing_is_read_kept_or_tried_but_at_the_end_of_a_wait() -> None:
    async def main() -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        world = World()

        async def down(_: Batch) -> Outcome:
            return Retry("connection refused")

        collector = Collector(window=4, limits=FEW, answer=down)
        world.append(*range(1, 101))
        worker = world.worker(collector, draw=lambda: 0.5)
        await until(lambda: worker.circuit is Circuit.OPEN)
        await asyncio.sleep(3600)
        turns, reads, attempts = loop.turns, world.pages.reads, worker.attempts
        for number in range(101, 1101):
            world.append(number)
        woken = world.tail.wakes
        await asyncio.sleep(86_400)
        assert world.pages.reads == reads
        assert world.tail.wakes == woken
        health = worker.health()
        assert health.circuit is Circuit.OPEN
        assert health.lag_events == 1100
        assert health.resumes_in is not None
        assert health.resumes_in <= 30
        assert len(worker._window) <= 4
        await world.stop()
        return worker.attempts - attempts, loop.turns - turns

    attempts, turns = run(main())
    # A day of waits of half a minute: one attempt each, and a few turns of the loop for it.
    assert attempts == pytest.approx(86_400 / 30, abs=2)
    assert turns < 8 * attempts


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


def test_a_collector_that_asks_for_time_gets_it() -> None:
    async def main() -> None:
        world = World()
        world.append(1)
        collector = Collector(outcomes=deque([Retry("429", after=120.0)]))
        worker = world.worker(collector, draw=lambda: 0.0)
        await until(lambda: worker.circuit is Circuit.OPEN)
        await asyncio.sleep(119)
        assert len(collector.begun) == 1
        await until(lambda: worker.cursor == 1, limit=2)
        await world.stop()

    run(main())


def test_a_collector_that_does_not_know_us_is_asked_rarely_and_counted_apart() -> None:
    async def main() -> None:
        world = World()
        world.append(1)
        collector = Collector(outcomes=deque([Retry("wrong key", credentials=True)]))
        worker = world.worker(collector, draw=lambda: 0.0)
        await until(lambda: worker.circuit is Circuit.OPEN)
        await asyncio.sleep(29)
        assert len(collector.begun) == 1
        assert worker.health().counts.credentials == 1
        await until(lambda: worker.cursor == 1, limit=2)
        await world.stop()

    run(main())


def test_half_open_sends_one_batch_and_then_more() -> None:
    async def main() -> None:
        world = World()
        probing: list[int] = []

        async def answer(_: Batch) -> Outcome:
            await asyncio.sleep(1)
            probing.append(collector.under_way)
            return Retry("down") if len(probing) <= 3 else Delivered()

        collector = Collector(window=3, limits=FEW, answer=answer)
        world.append(*range(1, 41))
        worker = world.worker(collector)
        await until(lambda: worker.cursor == 40)
        assert probing[3] == 1
        assert max(probing[4:]) == 2
        await world.stop()

    run(main())


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


# ------------------------------------------------------------------------------------ dead letters


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


# ---------------------------------------------------------------------------- filters and commands


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


# ------------------------------------------------------------------------------------ the property

SCRIPT = st.lists(
    st.sampled_from(["delivered", "delivered", "retry", "refused", "reject", "hang", "raise"]),
    max_size=40,
)


@hypothesis_settings(max_examples=150, deadline=None)
@given(
    events=st.lists(st.integers(1, 3), min_size=1, max_size=60),
    script=SCRIPT,
    window=st.integers(1, 4),
    records=st.integers(1, 6),
    crashes=st.lists(st.floats(0.01, 200.0), max_size=4),
    poison=st.sets(st.integers(1, 120), max_size=3),
    seed=st.integers(0, 1 << 30),
)
def test_whatever_happens_every_event_is_delivered_or_a_dead_letter_in_order(  # noqa: C901, PLR0915 - a model is one piece
    events: list[int],
    script: list[str],
    window: int,
    records: int,
    crashes: list[float],
    poison: set[int],
    seed: int,
) -> None:
    pages = MemoryPages()
    sequence = 0
    for step in events:
        sequence += step
        pages.append(sequence)
    # The last one is accepted: refused events at the end of the log wait for a proof.
    poison -= {sequence}
    last = sequence
    ledger = MemoryLedger(pages)
    steps = iter(script)
    ids: dict[tuple[int, ...], bytes] = {}
    taken: list[int] = []

    async def answer(batch: Batch) -> Outcome:
        sequences = tuple(record.sequence for record in batch.records)
        assert list(sequences) == sorted(set(sequences))
        assert len(sequences) <= records
        assert ids.setdefault(sequences, batch.id) == batch.id
        what = next(steps, "delivered")
        await asyncio.sleep(0.05 if what != "hang" else 1e9)
        bad = poison & set(sequences)
        if what == "retry":
            return Retry("no", after=1.0)
        if what == "raise":
            message = "boom"
            raise RuntimeError(message)
        if what == "refused" or (bad and seed % 2):
            return Refused("no")
        return Delivered(tuple(Rejection(n, "no") for n in sorted(bad)))

    async def life(seconds: float | None) -> bool:
        world = World(pages, ledger)
        collector = Collector(window=window, limits=BatchLimits(records=records), answer=answer)
        worker = world.worker(collector, draw=random.Random(seed).random, answer_seconds=60.0)
        try:
            async with asyncio.timeout(seconds):
                await until(lambda: worker.cursor == last, step=0.5)
            finished = True
        except TimeoutError:
            finished = False
        assert len(worker._window) <= 2 * window + 2 * records
        if finished:
            await world.stop()
        else:
            # Killed: nothing of what it would write on the way out counts.
            kept = dict(ledger.cursors)
            await world.stop()
            ledger.cursors = kept
        taken.extend(collector.taken)
        return finished

    for seconds in crashes:
        if run(life(seconds)):
            break
    run(life(None))
    everything = {row.sequence for row in pages.rows}
    buried = {number for _, number in pages.graves}
    assert set(taken) | buried == everything
    assert poison & everything <= buried
    # What a collector got last of each event is in the order of the log.
    final = sorted(set(taken) - buried, key=lambda number: len(taken) - taken[::-1].index(number))
    assert final == sorted(final), (taken, buried, events, script, window, records, crashes)
    assert ledger.cursors["local"] == last


def test_every_transition_of_a_circuit_happens() -> None:
    with walked(worker, "CIRCUIT") as taken:
        test_half_open_sends_one_batch_and_then_more()
        test_while_a_collector_is_down_nothing_is_read_kept_or_tried_but_at_the_end_of_a_wait()
    assert taken == set(CIRCUIT.table)
