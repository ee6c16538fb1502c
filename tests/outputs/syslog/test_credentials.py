"""Certificates and keys between an output and a syslog server."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from sensor.outputs.delivery import Delivered, Refused, Retry
from sensor.outputs.network.tls import TlsSettings, TlsVersion
from sensor.outputs.syslog.settings import Over, SyslogSettings
from tests.outputs import rsyslog
from tests.outputs.batches import batch_of, starts
from tests.outputs.certificates import Authority
from tests.outputs.rsyslog import Rsyslog
from tests.outputs.syslog.sending import delivered_over_tls, open_transport, serving, started


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
