"""Chunks are made in the order of their batches, beside the loop where they are large."""

from __future__ import annotations

import asyncio
import threading

import pytest

from sensor.outputs.delivery import Batch, Record
from sensor.outputs.forward.chunk import Unencodable, encode
from sensor.outputs.forward.encoder import SLICE, SMALL, Encoder
from tests.outputs.batches import batch_of, starts
from tests.outputs.forward.records import PLAIN


@pytest.mark.parametrize("count", [1, SMALL, SMALL + 1, SLICE + 1])
def test_a_chunk_is_the_same_as_one_that_is_made_at_once(count: int) -> None:
    batch = batch_of(starts(1, count))

    async def main() -> None:
        made = Encoder(PLAIN)
        assert await made.begin(batch) == encode(batch, PLAIN)
        made.close()

    asyncio.run(main())


@pytest.mark.parametrize(("count", "threads"), [(SMALL, set()), (SMALL + 1, {"castoff-deflate"})])
def test_only_large_chunks_are_handed_to_the_thread(count: int, threads: set[str]) -> None:
    async def main() -> set[str]:
        before = set(threading.enumerate())
        made = Encoder(PLAIN)
        await made.begin(batch_of(starts(1, count)))
        new = {one.name.rpartition("_")[0] for one in set(threading.enumerate()) - before}
        made.close()
        return new

    assert asyncio.run(main()) == threads


def test_a_batch_that_cannot_be_encoded_harms_no_other() -> None:
    damaged = Batch(bytes(16), (Record(1, "a", "container.start", 0, b"{\n"),))

    async def main() -> None:
        made = Encoder(PLAIN)
        bad, good = made.begin(damaged), made.begin(batch_of(starts(2, 1)))
        with pytest.raises(Unencodable):
            await bad
        assert (await good).size == 1
        made.close()

    asyncio.run(main())
