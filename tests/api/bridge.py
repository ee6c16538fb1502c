"""A server in a thread, and a TCP port before its socket for tools that know no unix sockets."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sensor.api.deliveries import Deliveries
from sensor.api.judgement import JudgeView
from sensor.api.limits import LIMITS, Limits
from sensor.api.resources import Resource
from sensor.api.server import ControlServer
from tests.api.sample_agent import Log, View, socket_path
from tests.api.test_status import STATUS


class Running:
    """A server that answers in a thread until the test ends."""

    def __init__(self, path: Path, server: ControlServer, loop: asyncio.AbstractEventLoop) -> None:
        self.path = path
        self.server = server
        self.port = 0
        self.loop = loop

    def publish(self, sequence: int, line: bytes) -> None:
        self.loop.call_soon_threadsafe(self.server.publish, sequence, lambda: line)


@contextmanager
def running(
    view: View | None = None,
    log: Log | None = None,
    limits: Limits = LIMITS,
    resources: dict[str, Resource] | None = None,
    deliveries: Deliveries | None = None,
    judgement: JudgeView | None = None,
) -> Iterator[Running]:
    ready = threading.Event()
    box: list[Running] = []
    stop: list[asyncio.Event] = []

    async def serve(path: Path) -> None:
        server = ControlServer(
            path,
            lambda: STATUS,
            view=view,
            log=log,
            limits=limits,
            resources=resources,
            deliveries=deliveries,
            judgement=judgement,
            group=None,
        )
        await server.start()
        stop.append(asyncio.Event())
        tcp = await asyncio.start_server(lambda r, w: _join(path, r, w), "127.0.0.1", 0)
        box.append(Running(path, server, asyncio.get_running_loop()))
        box[0].port = tcp.sockets[0].getsockname()[1]
        ready.set()
        await stop[0].wait()
        tcp.close()
        await server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    with socket_path() as path:
        thread = threading.Thread(target=lambda: asyncio.run(serve(path)))
        thread.start()
        assert ready.wait(10)
        try:
            yield box[0]
        finally:
            box[0].loop.call_soon_threadsafe(stop[0].set)
            thread.join()


async def _join(path: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    inner_reader, inner_writer = await asyncio.open_unix_connection(str(path))

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(1 << 16):
                target.write(data)
                await target.drain()
        target.close()

    try:
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))
    finally:
        for one in (writer, inner_writer):
            one.transport.abort()
