"""The syslog output against Debian's rsyslogd, and against servers that misbehave."""

from __future__ import annotations

import array
import asyncio
import contextlib
import fcntl
import json
import os
import socket
import struct
import termios
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sensor.outputs.delivery import Batch, Delivered, Outcome, Record, Refused, Retry
from sensor.outputs.network.tls import TlsSettings, TlsVersion
from sensor.outputs.registry import format_of
from sensor.outputs.syslog import output, settings
from sensor.outputs.syslog.output import SyslogTransport
from sensor.outputs.syslog.rfc5424 import Framing
from sensor.outputs.syslog.settings import Over, SyslogSettings
from tests.outputs import rsyslog
from tests.outputs.batches import NATIVE, batch_of, batches_of, golden_records, record_of, starts
from tests.outputs.certificates import Authority
from tests.outputs.rsyslog import Rsyslog
from tests.outputs.test_lines import BATCH as DAMAGED_BATCH

Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def running() -> Iterator[list[Rsyslog]]:
    servers: list[Rsyslog] = []
    yield servers
    for server in servers:
        server.stop()


def settings_for(over: Over, server: Rsyslog, authority: Authority) -> SyslogSettings:
    if over is Over.UNIX:
        return SyslogSettings(over, path=server.directory / "log")
    tls = TlsSettings(ca=authority.ca) if over is Over.TLS else None
    return SyslogSettings(over, host="127.0.0.1", port=server.port, tls=tls)


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


@asynccontextmanager
async def open_transport(settings: SyslogSettings) -> AsyncIterator[SyslogTransport]:
    transport = SyslogTransport(settings, NATIVE)
    try:
        yield transport
    finally:
        await transport.close()


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


def test_a_stalled_server_that_resets_gets_the_last_messages_again_with_the_same_ids() -> None:
    """The first connection is accepted and never read: all that its kernel took is lost with it."""
    records = starts(1, 20)
    connections: list[bytes] = []

    async def send() -> None:
        torn, mended = asyncio.Event(), asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(b"")
            if len(connections) == 1:
                reset = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, reset
                )
                await torn.wait()
                writer.transport.abort()
                return
            while data := await reader.read(65536):
                connections[-1] += data
                if connections[-1].count(b"castoff.event/1") == len(records):
                    mended.set()
            writer.close()

        async with serving(serve) as port, open_transport(tcp(port)) as transport:
            assert await transport.deliver(batch_of(records)) == Delivered()
            torn.set()
            # No batch comes after: the transport mends by itself.
            async with asyncio.timeout(10):
                await mended.wait()
                while transport.replayed != len(records):
                    await asyncio.sleep(0.001)
            assert transport.connection.connected

    asyncio.run(send())
    for record in records:
        assert record.id.encode() in connections[1]


def test_after_an_orderly_end_only_the_last_seconds_go_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(output, "REPLAY_ORDERLY_SECONDS", -1.0)
    served: list[bytes] = []

    async def send() -> None:
        first_read = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.append(await reader.read(1 << 20))
            if len(served) == 1:
                await first_read.wait()
            writer.close()

        first, second = starts(1, 1), starts(2, 1)
        async with serving(serve) as port, open_transport(tcp(port)) as transport:
            assert await transport.deliver(batch_of(first)) == Delivered()
            first_read.set()
            async with asyncio.timeout(10):
                while transport.connection.connected:
                    await asyncio.sleep(0.001)
                await transport.deliver(batch_of(second))
                while len(served) < 2:
                    await asyncio.sleep(0.001)
            assert transport.replayed == 0

    asyncio.run(send())
    assert served[1].count(b"castoff.event/1") == 1


def test_what_is_kept_to_go_again_is_bounded() -> None:
    tail = output._Tail()
    tail.add([b"x" * 1000] * 5000, now=1.0)
    assert tail.size <= output.REPLAY_BYTES
    assert tail.size == sum(len(one) for _, one in tail.kept)


def test_a_server_that_does_not_read_is_retried_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "SEND_SECONDS", 0.3)

    async def send() -> None:
        full = asyncio.Event()
        batch = batch_of(starts(1, 400))

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's
            await full.wait()
            writer.transport.abort()

        async with serving(serve) as port, open_transport(tcp(port)) as transport:
            async with asyncio.timeout(30):
                outcome = await transport.deliver(batch)
                while isinstance(outcome, Delivered):
                    outcome = await transport.deliver(batch)
            assert isinstance(outcome, Retry)
            assert "did not take" in outcome.reason
            full.set()

    asyncio.run(send())


def test_delivered_means_that_the_kernel_of_the_server_has_every_byte(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(output, "SEND_SECONDS", 0.3)

    async def send() -> int:
        taken = 0
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            async with open_transport(tcp(listener.getsockname()[1])) as transport:
                batch = batch_of(starts(1, 5))
                await transport.deliver(batch)
                accepted, _ = listener.accept()
                with accepted:
                    size = unread(accepted)
                    outcome: Outcome = Delivered()
                    while isinstance(outcome, Delivered):
                        taken += 1
                        assert unread(accepted) == taken * size
                        outcome = await transport.deliver(batch)
        return taken

    assert asyncio.run(send()) > 1


@pytest.mark.parametrize(
    ("name", "server_name", "reason"),
    [
        ("127.0.0.1", None, "certificate has expired"),
        ("other.example", None, "IP address mismatch"),
        ("127.0.0.1", "collector.example", "Hostname mismatch"),
    ],
    ids=["expired", "another-host", "another-name"],
)
def test_a_wrong_certificate_is_a_matter_of_credentials(
    name: str,
    server_name: str | None,
    reason: str,
    tmp_path: Path,
    authority: Authority,
    running: list[Rsyslog],
) -> None:
    files = authority.issue(name, expired="expired" in reason)
    server = rsyslog.over_tls(tmp_path, driver="ossl", files=files)
    running.append(server)
    server.start()
    tls = TlsSettings(ca=authority.ca, server_name=server_name)
    outcome = delivered_over_tls(tls, server.port)
    assert isinstance(outcome, Retry)
    assert outcome.credentials
    assert reason in outcome.reason


def test_an_authority_of_another_user_is_not_trusted(
    tmp_path: Path, authority: Authority, running: list[Rsyslog]
) -> None:
    server = started(Over.TLS, tmp_path, authority, running)
    outcome = delivered_over_tls(TlsSettings(), server.port)
    assert isinstance(outcome, Retry)
    assert outcome.credentials
    assert "not accepted" in outcome.reason


def test_a_server_without_tls_is_distinguished() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(b"220 hello, this is no TLS\r\n")
        await writer.drain()
        writer.close()

    async def send() -> Delivered | Retry | Refused:
        async with serving(speak) as port:
            settings = SyslogSettings(Over.TLS, host="127.0.0.1", port=port)
            async with open_transport(settings) as transport:
                return await transport.deliver(batch_of(starts(1, 1)))

    outcome = asyncio.run(send())
    assert isinstance(outcome, Retry)
    assert "does not speak TLS" in outcome.reason


def test_a_client_certificate_is_shown_when_the_server_asks(
    tmp_path: Path, authority: Authority, running: list[Rsyslog]
) -> None:
    files = authority.issue("127.0.0.1")
    server = rsyslog.over_tls(tmp_path, driver="ossl", files=files, mode="x509/certvalid")
    running.append(server)
    server.start()
    client = authority.issue("node-7")
    tls = TlsSettings(authority.ca, client.certificate, client.key, minimum_version=TlsVersion.V1_3)
    assert delivered_over_tls(tls, server.port) == Delivered()
    assert server.await_ids({starts(1, 1)[0].id})


@pytest.mark.parametrize("what", ["missing", "fifo", "garbage"])
def test_a_file_that_cannot_be_used_is_named(what: str, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if what == "fifo":
        os.mkfifo(path)
    elif what == "garbage":
        path.write_text("nothing")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        outcome = delivered_over_tls(TlsSettings(ca=path), listener.getsockname()[1])
    assert isinstance(outcome, Retry)
    assert outcome.credentials
    assert str(path) in outcome.reason


@pytest.mark.parametrize("over", [Over.UNIX, Over.TCP])
def test_an_absent_server_is_retried(over: Over, tmp_path: Path) -> None:
    settings = (
        SyslogSettings(path=tmp_path / "none")
        if over is Over.UNIX
        else SyslogSettings(over, host="127.0.0.1", port=rsyslog.free_port())
    )

    async def send() -> None:
        async with open_transport(settings) as transport:
            outcome = await transport.deliver(batch_of(starts(1, 1)))
            assert isinstance(outcome, Retry)
            assert not outcome.credentials
            assert not transport.connection.connected

    asyncio.run(send())


def test_an_udp_port_that_no_server_listens_on_is_noticed() -> None:
    port = rsyslog.free_port(socket.SOCK_DGRAM)

    async def send() -> Delivered | Retry | Refused:
        settings = SyslogSettings(Over.UDP, host="127.0.0.1", port=port)
        async with open_transport(settings) as transport:
            return await transport.deliver(batch_of(starts(1, 100)))

    outcome = asyncio.run(send())
    assert isinstance(outcome, Retry)
    assert "refused" in outcome.reason


def test_a_message_over_the_limit_is_rejected_and_the_others_go(tmp_path: Path) -> None:
    records = [*starts(1, 1), large(2, 70_000), *starts(3, 1)]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "log"))
        outcome, rejection = rejected(SyslogSettings(path=tmp_path / "log"), records)
        assert [receiver.recv(1 << 20).count(b"castoff@") for _ in range(2)] == [1, 1]
    assert outcome.rejected[0].sequence == 2
    assert "more than the 65536 of max_bytes" in rejection


def test_a_datagram_that_the_kernel_does_not_carry_is_rejected() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        port = receiver.getsockname()[1]
        settings = SyslogSettings(Over.UDP, host="127.0.0.1", port=port, max_bytes=1 << 20)
        _, rejection = rejected(settings, [*starts(1, 1), large(2, 70_000)])
    assert "Message too long" in rejection


def test_a_line_that_cannot_be_read_is_rejected(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "log"))
        settings = SyslogSettings(path=tmp_path / "log")
        _, rejection = rejected(settings, [Record(1, "x", "gap", 0, b"{")])
    assert "not readable" in rejection


def test_what_a_format_makes_nothing_of_is_rejected_and_the_others_go(tmp_path: Path) -> None:
    async def send(settings: SyslogSettings) -> Outcome:
        transport = SyslogTransport(settings, format_of("cef"))
        outcome = await transport.deliver(DAMAGED_BATCH)
        await transport.close()
        return outcome

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "log"))
        outcome = asyncio.run(send(SyslogSettings(path=tmp_path / "log")))
        assert [receiver.recv(1 << 20).count(b"CEF:0") for _ in range(2)] == [1, 1]
    assert isinstance(outcome, Delivered)
    assert [one.sequence for one in outcome.rejected] == [2]


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


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"over": Over.UDP}, "host is for"),
        ({"host": "x"}, "host is for"),
        ({"over": Over.TCP, "host": "x", "tls": TlsSettings()}, "tls is for"),
        ({"over": Over.TCP, "host": "x", "port": 0}, "port is between"),
        ({"max_bytes": 10}, "max_bytes is between"),
        ({"enterprise": -1}, "enterprise is between"),
    ],
)
def test_settings_that_cannot_work_are_refused(keys: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        SyslogSettings(**keys)


def test_ports_are_those_of_the_rfcs() -> None:
    ports = [SyslogSettings(over, host="x").address.port for over in list(Over)[1:]]
    assert ports == [514, 514, 6514]
    assert SyslogSettings(Over.UDP, host="x").largest == settings.DATAGRAM_BYTES


def unread(connection: socket.socket) -> int:
    """Return the bytes that the kernel holds for the reader of the connection."""
    held = array.array("i", [0])
    fcntl.ioctl(connection.fileno(), termios.FIONREAD, held)
    return held[0]


def large(sequence: int, size: int) -> Record:
    event = json.loads(starts(sequence, 1)[0].line)
    event["container"]["labels"] = {"x": "y" * size}
    return record_of(sequence, json.dumps(event).encode() + b"\n")


def rejected(settings: SyslogSettings, records: list[Record]) -> tuple[Delivered, str]:
    async def send() -> Delivered:
        async with open_transport(settings) as transport:
            outcome = await transport.deliver(batch_of(records))
            assert isinstance(outcome, Delivered), outcome
            return outcome

    outcome = asyncio.run(send())
    assert len(outcome.rejected) == 1
    return outcome, outcome.rejected[0].reason


def delivered_over_tls(tls: TlsSettings, port: int | None) -> Delivered | Retry | Refused:
    async def send() -> Delivered | Retry | Refused:
        settings = SyslogSettings(Over.TLS, host="127.0.0.1", port=port, tls=tls)
        async with open_transport(settings) as transport:
            return await transport.deliver(batch_of(starts(1, 1)))

    return asyncio.run(send())


def tcp(port: int) -> SyslogSettings:
    return SyslogSettings(Over.TCP, host="127.0.0.1", port=port)


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
