"""Encodes batches without holding up the loop for long.

Events are packed in the loop, ``SLICE`` at a time so that others have their turn, and the batch is
deflated in a thread. zlib works outside of the interpreter's lock; msgpack does not, more threads
would only wait for each other.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from sensor.outputs.forward.chunk import entry, id_of, sealed
from sensor.outputs.forward.wire import packer

if TYPE_CHECKING:
    from sensor.outputs.delivery import Batch
    from sensor.outputs.forward.chunk import Chunk, Encoding

SLICE = 50
"""Events that are packed before the loop turns: 2 ms."""

SMALL = 20
"""Events that are deflated at once, for that takes less than handing them to a thread."""


class Encoder:
    """Makes chunks of batches, in the order in which they are given."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._pack = packer()
        self._packing = asyncio.Lock()
        self._deflater = ThreadPoolExecutor(1, "castoff-deflate")

    def begin(self, batch: Batch) -> asyncio.Task[Chunk]:
        """Return the chunk that is being made; it raises Unencodable."""
        making = asyncio.get_running_loop().create_task(self._encoded(batch))
        # Who wanted it may have been cancelled before it failed.
        making.add_done_callback(lambda task: task.cancelled() or task.exception())
        return making

    def close(self) -> None:
        """End the thread."""
        self._deflater.shutdown(wait=False, cancel_futures=True)

    async def _encoded(self, batch: Batch) -> Chunk:
        entries: list[bytes] = []
        async with self._packing:
            for start in range(0, len(batch.records), SLICE):
                await asyncio.sleep(0)
                part = batch.records[start : start + SLICE]
                entries += [entry(record, self._encoding, self._pack) for record in part]
        if len(entries) <= SMALL:
            return sealed(id_of(batch), entries, self._encoding)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._deflater, sealed, id_of(batch), entries, self._encoding
        )
