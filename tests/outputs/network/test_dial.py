"""Connections: each wait has an end, each failure a reason, and what is unsent is known."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from sensor.outputs.network import dial as module
from sensor.outputs.network.dial import Address, NetworkStream, Unreachable, dial, dial_unix
from sensor.outputs.network.lookup import Lookups
from sensor.outputs.network.tls import TlsSettings
from tests.outputs.certificates import Authority
from tests.outputs.rsyslog import free_port


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    monkeypatch.setattr(module, "LOOKUPS", Lookups(lambda _host, _port: list(addresses)))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


async def talk(stream: NetworkStream, data: bytes) -> bytes:
    stream.write(data)
    await stream.drain()
    return await stream.reader.readexactly(len(data))


def reason_of(address: Address, tls: TlsSettings | None = None, seconds: float = 10.0) -> str:
    async def attempt() -> str:
        with pytest.raises(Unreachable) as failed:
            await dial(address, tls, seconds)
        return failed.value.reason

    return asyncio.run(attempt())


def test_an_address_is_written_as_in_an_url() -> None:
    assert str(Address("::1", 514)) == "[::1]:514"
    assert str(Address("siem.example", 514)) == "siem.example:514"


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_bytes_go_both_ways(*, secure: bool, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.issue("collector.example")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    settings = TlsSettings(ca=authority.ca, server_name="collector.example")

    async def scenario() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context if secure else None)
        port = server.sockets[0].getsockname()[1]
        stream = await dial(Address("127.0.0.1", port), settings if secure else None)
        data = bytes(300_000)
        assert await talk(stream, data[:10]) == data[:10]
        writing = asyncio.create_task(talk(stream, data))
        assert await writing == data
        while stream.unsent:
            await asyncio.sleep(0.001)
        stream.close()
        server.close()
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionResetError):
            _ = stream.unsent

    asyncio.run(scenario())


def test_what_the_peer_has_no_room_for_is_unsent() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            stream = await dial(Address("127.0.0.1", listener.getsockname()[1]))
            stream.write(bytes(32 << 20))
            await asyncio.sleep(0.05)
            assert stream.unsent > 1 << 20
            stream.close()
            await asyncio.sleep(0)

    asyncio.run(scenario())


def test_a_second_address_is_tried_when_the_first_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        resolving(monkeypatch, "127.9.9.9", "127.0.0.1")
        stream = await dial(Address("collector.example", port))
        assert await talk(stream, b"x") == b"x"
        stream.close()
        server.close()
        await asyncio.sleep(0.01)

    asyncio.run(scenario())


def test_a_lookup_that_hangs_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(_host: str, _port: int) -> list[str]:
        release.wait(10)
        return []

    monkeypatch.setattr(module, "LOOKUPS", Lookups(hang))
    began = time.monotonic()
    assert "does not answer within 0.1 s" in reason_of(Address("slow.example", 1), seconds=0.1)
    assert time.monotonic() - began < 5
    release.set()


def test_a_server_that_never_shakes_hands_has_an_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address("127.0.0.1", listener.getsockname()[1])
        assert "no TLS handshake within 0.2 s" in reason_of(address, TlsSettings(), seconds=0.2)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (Address("127.0.0.1", free_port()), "Connection refused"),
        (Address("a" * 64 + ".example", 1), "is not a host name"),
        (Address("", 1), ""),
    ],
)
def test_a_failure_names_the_peer_and_the_reason(address: Address, reason: str) -> None:
    reported = reason_of(address)
    assert str(address) in reported or repr(address.host) in reported
    assert reason in reported


def test_a_unix_socket_is_found_or_its_path_named(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "log"
        with pytest.raises(Unreachable, match=f"{path}: No such file"):
            await dial_unix(path)
        server = await asyncio.start_unix_server(echo, path)
        stream = await dial_unix(path)
        assert await talk(stream, b"x") == b"x"
        assert stream.unsent == 0
        stream.close()
        server.close()
        await asyncio.sleep(0.01)

    asyncio.run(scenario())
