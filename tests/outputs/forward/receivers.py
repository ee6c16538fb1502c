"""Forward servers that behave like the known ones, for ``fake_server``.

Sources: Fluent Bit's plugins/in_forward/fw_prot.c (and a run of 5.1.1), Fluentd's in_forward.rb,
Vector's ``fluent`` source, the OpenTelemetry Collector's fluentforwardreceiver.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import socket
import ssl
import struct
from dataclasses import dataclass, field
from typing import Any

import msgpack

from tests.outputs.forward.fake_server import Answer, Peer

SERVER = "logs-1"
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, with no time: closing sends a reset."""


def digest(*parts: bytes) -> str:
    return hashlib.sha512(b"".join(parts)).hexdigest()


@dataclass
class Intake:
    """What a server took: each chunk once it was stored, acknowledged or not."""

    ids: list[str] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    users: list[str] = field(default_factory=list)
    refused: int = 0

    def take(self, message: list[Any]) -> None:
        data = message[1]
        if message[2].get("compressed") == "gzip":
            data = gzip.decompress(data)
        unpacker = msgpack.Unpacker()
        unpacker.feed(data)
        self.tags.add(message[0])
        for _, record in unpacker:
            self.ids.append(record["id"])
            self.records.append(record)


async def _takes(peer: Peer, intake: Intake) -> None:
    while True:
        message = await peer.message()
        intake.take(message)
        peer.ack(message)
        await peer.writer.drain()


async def _shakes(
    peer: Peer,
    intake: Intake,
    key: str,
    users: dict[str, str],
    salt: bytes,
    *,
    closes: bool,
    keepalive: bool = True,
) -> bool:
    """Shake hands; ``closes``: a wrong key gets no PONG (Fluent Bit)."""
    nonce = os.urandom(16)
    # Fluent Bit packs random bytes as text.
    helo = ["HELO", {"nonce": nonce, "auth": salt, "keepalive": keepalive}]
    peer.writer.write(msgpack.packb(helo, use_bin_type=False))
    ping = await peer.message()
    _, hostname, shared_salt, proof, user, password = ping
    assert all(isinstance(part, str) for part in ping)
    intake.users.append(user)

    def pong(reason: str) -> list[object]:
        if reason:
            return ["PONG", False, reason, "", ""]
        mine = digest(shared_salt.encode(), SERVER.encode(), nonce, key.encode())
        return ["PONG", True, "", SERVER, mine]

    if proof != digest(shared_salt.encode(), hostname.encode(), nonce, key.encode()):
        intake.refused += 1
        if not closes:
            peer.say(pong("shared_key mismatch"))
        return False
    if users and password != digest(salt, user.encode(), users.get(user, "").encode()):
        intake.refused += 1
        peer.say(pong("username/password mismatch"))
        return False
    peer.say(pong(""))
    return True


def fluent_bit(intake: Intake, key: str, **users: str) -> Answer:
    """Fluent Bit: HELO always has a salt, and a wrong key is a close without a PONG."""

    async def answer(peer: Peer) -> None:
        if await _shakes(peer, intake, key, users, os.urandom(16), closes=True):
            await _takes(peer, intake)

    return answer


def fluentd(intake: Intake, key: str, **users: str) -> Answer:
    """Fluentd: a salt only where there are users, and every refusal is a PONG."""

    async def answer(peer: Peer) -> None:
        salt = os.urandom(16) if users else b""
        if await _shakes(peer, intake, key, users, salt, closes=False):
            await _takes(peer, intake)

    return answer


def fluentd_without_keepalive(intake: Intake, key: str) -> Answer:
    """Fluentd with ``deny_keepalive``: HELO says so, and each connection ends after one answer."""

    async def answer(peer: Peer) -> None:
        if await _shakes(peer, intake, key, {}, b"", closes=False, keepalive=False):
            message = await peer.message()
            intake.take(message)
            peer.ack(message)
            await peer.writer.drain()

    return answer


def plain(intake: Intake) -> Answer:
    """Vector, the OpenTelemetry Collector, and Fluent Bit without a key: no handshake."""

    async def answer(peer: Peer) -> None:
        await _takes(peer, intake)

    return answer


def vector_that_rejects(intake: Intake, rejections: int) -> Answer:
    """Vector answers ``{}`` to what its sinks did not take, and the client sends it again."""
    left = rejections

    async def answer(peer: Peer) -> None:
        nonlocal left
        while True:
            message = await peer.message()
            if left > 0:
                left -= 1
                peer.say({})
                return
            intake.take(message)
            peer.ack(message)
            await peer.writer.drain()

    return answer


def full_now_and_then(intake: Intake, room: int) -> Answer:
    """Fluent Bit at ``mem_buf_limit``: it stores ``room`` chunks, then pauses.

    A pause resets every connection, with the chunks on them stored or not and acknowledged or not.
    """
    stored = 0

    async def answer(peer: Peer) -> None:
        nonlocal stored
        while True:
            message = await peer.message()
            intake.take(message)
            stored += 1
            if stored % room == 0:
                raw: socket.socket = peer.writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                peer.writer.transport.abort()
                return
            peer.ack(message)
            await peer.writer.drain()

    return answer


def slow_tls(intake: Intake, context: ssl.SSLContext, seconds: float) -> Answer:
    """A busy server: it accepts at once and begins TLS only after so many seconds."""

    async def answer(peer: Peer) -> None:
        # What comes meanwhile stays in the kernel: it is TLS's, not ours.
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # typed as one that only writes
        await asyncio.sleep(seconds)
        await peer.writer.start_tls(context)
        await _takes(peer, intake)

    return answer
