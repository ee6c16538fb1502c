"""Servers that lie, hang or flood cost no event."""

from __future__ import annotations

import asyncio
import os
import socket
import time

import msgpack
import pytest

from sensor.outputs.delivery import Outcome, Refused, Retry
from sensor.outputs.forward.output import ForwardCompression
from sensor.outputs.network import dial, lookup
from sensor.settings.secret import Secret
from tests.outputs.batches import batch_of, starts
from tests.outputs.forward.bad_server import BATCH, KEY, outcome, retry, silent
from tests.outputs.forward.fake_server import Peer, fake_server
from tests.outputs.forward.made import forward

LARGE = batch_of(starts(1, 450))


async def greet(peer: Peer) -> None:
    peer.say(["HELO", {"nonce": os.urandom(16), "auth": b"", "keepalive": True}])


def test_a_server_that_acks_another_chunk_did_not_take_this_one() -> None:
    async def answer(peer: Peer) -> None:
        await peer.message()
        peer.say({"ack": "AAAAAAAAAAAAAAAAAAAAAA=="})
        await silent(peer)

    retry(outcome(answer), "no acknowledgement within 0.5 s")


def test_an_answer_without_an_ack_is_none() -> None:
    async def answer(peer: Peer) -> None:
        await peer.message()
        peer.say({})
        await silent(peer)

    retry(outcome(answer), "no acknowledgement within 0.5 s")


@pytest.mark.parametrize(
    ("flood", "reason"),
    [
        (msgpack.packb(None) * 4096, "too many messages that are not acknowledgements"),
        (msgpack.packb({"ack": "x"}) * 1024, "too many messages that are not acknowledgements"),
        (b"\xdb\xff\xff\xff\xff" + bytes(4096), "speaks no Forward"),
        (b"\xdd\xff\xff\xff\xff" + bytes(4096), "speaks no Forward"),
        (b"\x91" * 4096, "speaks no Forward"),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100,
            "too many messages that are not acknowledgements",
        ),
    ],
    ids=["nil", "acks", "string bomb", "array bomb", "nested bomb", "HTTP"],
)
def test_endless_bytes_end_the_connection_and_not_the_memory(flood: bytes, reason: str) -> None:
    async def answer(peer: Peer) -> None:
        await peer.message()
        while True:
            peer.writer.write(flood)
            await peer.writer.drain()

    retry(outcome(answer, ack_seconds=10.0), reason)


def test_a_server_that_reads_nothing_is_left() -> None:
    async def answer(_peer: Peer) -> None:
        await asyncio.Event().wait()

    began = time.monotonic()
    found = outcome(answer, LARGE, compression=ForwardCompression.NONE)
    retry(found, "no acknowledgement within 0.5 s")
    assert time.monotonic() - began < 10


def test_a_plain_close_after_the_ping_is_a_wrong_key() -> None:
    async def answer(peer: Peer) -> None:
        await greet(peer)
        await peer.message()

    found = outcome(answer, shared_key=Secret(KEY))
    retry(found, "closed the connection after our PING", credentials=True)


def test_a_close_before_the_greeting_is_not_a_wrong_key() -> None:
    async def answer(peer: Peer) -> None:
        pass

    retry(outcome(answer, shared_key=Secret(KEY)), "instead of greeting")


def test_a_server_that_does_not_greet_may_want_no_key() -> None:
    retry(outcome(silent, shared_key=Secret(KEY)), "no handshake within 0.5 s")


def test_a_server_that_echoes_what_it_got_proves_nothing() -> None:
    async def answer(peer: Peer) -> None:
        await greet(peer)
        ping = await peer.message()
        peer.say(["PONG", True, KEY, "server", ping[3]])
        await silent(peer)

    found = outcome(answer, shared_key=Secret(KEY))
    retry(found, "does not know the shared key", credentials=True)


def test_a_server_that_asks_for_a_key_gets_no_event_counted() -> None:
    async def answer(peer: Peer) -> None:
        await greet(peer)
        await silent(peer)

    retry(outcome(answer), "asks for a shared key and none is configured", credentials=True)


def test_a_port_without_a_listener_is_a_retry() -> None:
    async def run() -> Outcome:
        async with fake_server(silent) as port:
            pass
        made = forward(port)
        try:
            return await made.deliver(BATCH)
        finally:
            await made.close()

    retry(asyncio.run(run()), "Connection refused")


def resolved_by(monkeypatch: pytest.MonkeyPatch, resolve: lookup.Resolve) -> None:
    monkeypatch.setattr(dial, "LOOKUPS", lookup.Lookups(resolve))


def test_a_name_that_is_not_found_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    resolved_by(monkeypatch, fails)

    async def run() -> Outcome:
        made = forward(servers=("collector.invalid",))
        try:
            return await made.deliver(BATCH)
        finally:
            await made.close()

    found = asyncio.run(run())
    assert found == Retry("collector.invalid:24224: Name or service not known")


def test_an_event_that_cannot_be_encoded_is_refused_alone() -> None:
    record = starts(1, 1)[0]
    for line in (b"{", b'"text"\n', b'{"a":1e400,"b":' + b"9" * 30 + b"}\n", b"\xff\n"):
        made = batch_of([type(record)(1, record.id, record.type, 0, line)])
        found = outcome(silent, made)
        assert isinstance(found, Refused), found
        assert found.reason.isprintable()
