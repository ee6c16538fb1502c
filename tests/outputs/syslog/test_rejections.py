"""What cannot be sent is rejected, and the others go."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from sensor.outputs.delivery import Delivered, Outcome, Record
from sensor.outputs.registry import format_of
from sensor.outputs.syslog.output import SyslogTransport
from sensor.outputs.syslog.settings import Over, SyslogSettings
from tests.outputs.batches import batch_of, starts
from tests.outputs.syslog.sending import large, open_transport
from tests.outputs.test_lines import BATCH as DAMAGED_BATCH


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


def rejected(settings: SyslogSettings, records: list[Record]) -> tuple[Delivered, str]:
    async def send() -> Delivered:
        async with open_transport(settings) as transport:
            outcome = await transport.deliver(batch_of(records))
            assert isinstance(outcome, Delivered), outcome
            return outcome

    outcome = asyncio.run(send())
    assert len(outcome.rejected) == 1
    return outcome, outcome.rejected[0].reason
