"""Deliveries to syslog servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sensor.outputs.delivery import Delivered, Record, Refused, Retry
from sensor.outputs.network.tls import TlsSettings
from sensor.outputs.syslog.output import SyslogTransport
from sensor.outputs.syslog.settings import Over, SyslogSettings
from tests.outputs import rsyslog
from tests.outputs.batches import NATIVE, batch_of, record_of, starts
from tests.outputs.certificates import Authority
from tests.outputs.rsyslog import Rsyslog

Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def started(
    over: Over, directory: Path, authority: Authority, running: list[Rsyslog], driver: str = "ossl"
) -> Rsyslog:
    if over is Over.TLS:
        files = authority.issue("127.0.0.1")
        server = rsyslog.over_tls(directory, driver=driver, files=files)
    else:
        make = {
            Over.UNIX: rsyslog.over_unix,
            Over.UDP: rsyslog.over_udp,
            Over.TCP: rsyslog.over_tcp,
        }
        server = make[over](directory)
    running.append(server)
    server.start()
    return server


def large(sequence: int, size: int) -> Record:
    event = json.loads(starts(sequence, 1)[0].line)
    event["container"]["labels"] = {"x": "y" * size}
    return record_of(sequence, json.dumps(event).encode() + b"\n")


@asynccontextmanager
async def open_transport(settings: SyslogSettings) -> AsyncIterator[SyslogTransport]:
    transport = SyslogTransport(settings, NATIVE)
    try:
        yield transport
    finally:
        await transport.close()


def delivered_over_tls(tls: TlsSettings, port: int | None) -> Delivered | Retry | Refused:
    async def send() -> Delivered | Retry | Refused:
        settings = SyslogSettings(Over.TLS, host="127.0.0.1", port=port, tls=tls)
        async with open_transport(settings) as transport:
            return await transport.deliver(batch_of(starts(1, 1)))

    return asyncio.run(send())


@asynccontextmanager
async def serving(serve: Server) -> AsyncIterator[int]:
    """Serve each connection until the end of the block, and leave none open."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError):
            await serve(reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)
