"""A connection to a syslog server: what goes again when it ends, and when the server has it."""

from __future__ import annotations

import array
import asyncio
import fcntl
import socket
import struct
import termios
from pathlib import Path

import pytest

from sensor.outputs.delivery import Delivered, Outcome, Retry
from sensor.outputs.network.tls import TlsSettings
from sensor.outputs.syslog import output
from sensor.outputs.syslog.settings import Over, SyslogSettings
from tests.outputs import rsyslog
from tests.outputs.batches import batch_of, starts
from tests.outputs.certificates import Authority
from tests.outputs.rsyslog import Rsyslog
from tests.outputs.syslog.sending import delivered_over_tls, open_transport, serving


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


def unread(connection: socket.socket) -> int:
    """Return the bytes that the kernel holds for the reader of the connection."""
    held = array.array("i", [0])
    fcntl.ioctl(connection.fileno(), termios.FIONREAD, held)
    return held[0]


def tcp(port: int) -> SyslogSettings:
    return SyslogSettings(Over.TCP, host="127.0.0.1", port=port)
