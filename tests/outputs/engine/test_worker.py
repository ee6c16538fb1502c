"""One output: order, retries, circuit, and what it does when nothing can be done."""

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
from sensor.outputs.engine.backoff import CIRCUIT, Circuit
from tests.outputs.virtual_loop import VirtualLoop, run
from tests.outputs.worker_world import FEW, Collector, MemoryLedger, MemoryPages, World, until
from tests.walks import walked


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
