"""Events by syslog, to a real rsyslog: each arrives whole, and an absent server is retried."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from sensor.outputs.delivery import Batch, Delivered, Refused, Retry
from sensor.outputs.network.tls import TlsSettings
from sensor.outputs.syslog.output import SyslogTransport
from sensor.outputs.syslog.rfc5424 import Framing
from sensor.outputs.syslog.settings import Over, SyslogSettings
from tests.outputs import rsyslog
from tests.outputs.batches import batch_of, batches_of, golden_records, starts
from tests.outputs.certificates import Authority
from tests.outputs.rsyslog import Rsyslog
from tests.outputs.syslog.sending import open_transport, started


def settings_for(over: Over, server: Rsyslog, authority: Authority) -> SyslogSettings:
    if over is Over.UNIX:
        return SyslogSettings(over, path=server.directory / "log")
    tls = TlsSettings(ca=authority.ca) if over is Over.TLS else None
    return SyslogSettings(over, host="127.0.0.1", port=server.port, tls=tls)


async def deliver_until_taken(transport: SyslogTransport, batch: Batch) -> Delivered:
    async with asyncio.timeout(30):
        while True:
            outcome = await transport.deliver(batch)
            if isinstance(outcome, Delivered):
                return outcome
            assert isinstance(outcome, Retry)
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("over", "driver"),
    [(Over.UNIX, ""), (Over.UDP, ""), (Over.TCP, ""), (Over.TLS, "ossl"), (Over.TLS, "gtls")],
)
def test_every_event_arrives_whole(
    over: Over, driver: str, tmp_path: Path, authority: Authority, running: list[Rsyslog]
) -> None:
    server = started(over, tmp_path, authority, running, driver)
    records = golden_records()

    async def send() -> None:
        async with open_transport(settings_for(over, server, authority)) as transport:
            for batch in batches_of(records, 20):
                assert await transport.deliver(batch) == Delivered()
            assert transport.connection.connected

    asyncio.run(send())
    server.await_ids({record.id for record in records})
    received = {json.loads(row[-1])["id"]: row for row in server.received()}
    for record in records:
        *_, host, app, process, kind, data, time, text = received[record.id]
        event = json.loads(record.line)
        assert json.loads(text) == event
        assert (host, app, process, kind) == (event["host"]["name"], "castoff", "-", event["type"])
        assert f'id="{event["id"]}"' in data
        assert time.startswith("2023-11-14T22:13:20.123456")


@pytest.mark.parametrize("over", [Over.UNIX, Over.TCP, Over.TLS])
@pytest.mark.parametrize("how", ["terminated", "killed"])
def test_nothing_is_lost_when_the_server_is_restarted_in_the_middle(
    over: Over, how: str, tmp_path: Path, authority: Authority, running: list[Rsyslog]
) -> None:
    server = started(over, tmp_path, authority, running)
    records = starts(1, 3000)

    async def send() -> None:
        async with open_transport(settings_for(over, server, authority)) as transport:
            for number, batch in enumerate(batches_of(records)):
                if number in {7, 15}:
                    server.stop(kill=how == "killed")
                    assert isinstance(await transport.deliver(batch), Retry)
                    await asyncio.to_thread(server.start)
                await deliver_until_taken(transport, batch)

    asyncio.run(send())
    wanted = {record.id for record in records}
    assert wanted <= set(server.await_ids(wanted))


def test_an_udp_port_that_no_server_listens_on_is_noticed() -> None:
    port = rsyslog.free_port(socket.SOCK_DGRAM)

    async def send() -> Delivered | Retry | Refused:
        settings = SyslogSettings(Over.UDP, host="127.0.0.1", port=port)
        async with open_transport(settings) as transport:
            return await transport.deliver(batch_of(starts(1, 100)))

    outcome = asyncio.run(send())
    assert isinstance(outcome, Retry)
    assert "refused" in outcome.reason


@pytest.mark.parametrize("framing", list(Framing))
def test_a_unix_stream_is_found_where_there_are_no_datagrams(
    framing: Framing, tmp_path: Path
) -> None:
    records = starts(1, 3)
    received = bytearray()

    async def send() -> None:
        done = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                received.extend(data)
            writer.close()
            done.set()

        path = tmp_path / "log"
        server = await asyncio.start_unix_server(serve, path)
        async with server:
            async with open_transport(SyslogSettings(path=path, framing=framing)) as transport:
                assert await transport.deliver(batch_of(records)) == Delivered()
            await done.wait()

    asyncio.run(send())
    if framing is Framing.NEWLINE:
        assert [b"castoff@" in line for line in received.split(b"\n")] == [True] * 3 + [False]
    else:
        length = int(received[: received.index(b" ")])
        assert received[len(str(length)) + 1 + length :].split(b" ")[0].isdigit()
