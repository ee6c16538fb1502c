"""How pages of the log become batches."""

from __future__ import annotations

from collections import deque

from sensor.outputs.delivery import Batch, BatchLimits, Retry
from sensor.outputs.engine.cutting import Cutter
from sensor.outputs.engine.window import make_batch
from sensor.schema.filters import Filters
from sensor.store.pages import LogPage, Row
from tests.outputs.virtual_loop import run
from tests.outputs.worker_world import Collector, MemoryPages, World, until


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


def test_a_batch_may_reach_the_limit_and_each_row_is_in_one_stretch() -> None:
    rows = tuple(Row(n, f"{n:032x}", "container.start", n, b"x" * 100) for n in range(1, 6))
    cutter = Cutter(Filters())
    stretches = list(cutter.cut(LogPage("stream", rows, 7, damaged=2), 200))
    assert [(stretch.rows, stretch.through) for stretch in stretches] == [(2, 2), (2, 4), (3, 7)]
    assert [len(one.batch.records) for one in stretches if one.batch is not None] == [2, 2, 1]
    assert cutter.unreadable == 0


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
