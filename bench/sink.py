"""``python -m bench.sink``: a Forward server that acknowledges chunks and does nothing else.

What a fast collector takes from this machine's processor is not the sensor's, so the throughput
with this one is shown, too. Prints its port; ends with its input.
"""

from __future__ import annotations

import asyncio
import sys

import msgpack

READ_SIZE = 1 << 18
MESSAGE_LIMIT = 8 << 20


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    unpacker = msgpack.Unpacker(max_buffer_size=MESSAGE_LIMIT)
    while data := await reader.read(READ_SIZE):
        unpacker.feed(data)
        for _, _, options in unpacker:
            writer.write(msgpack.packb({"ack": options["chunk"]}))
        await writer.drain()
    writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, limit=READ_SIZE)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_main())
