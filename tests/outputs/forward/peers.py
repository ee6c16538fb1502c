"""Both sides of a Forward connection, without a socket."""

from __future__ import annotations

import hashlib

import msgpack

from sensor.outputs.forward.handshake import Credentials
from sensor.outputs.forward.protocol import Broken, Event, ForwardState, Protocol

MINE = Credentials("sensor", "key", "user", "password")
NONCE, AUTH = b"\xff\xfe\x00nonce\x80", b"\x93salt\xff"
SALT = "5a17"


def digest(*parts: bytes) -> str:
    return hashlib.sha512(b"".join(parts)).hexdigest()


def packed(value: object, *, old: bool = False) -> bytes:
    """With ``old`` random bytes are sent as text, as some servers do."""
    data: bytes = msgpack.packb(value, use_bin_type=not old)
    return data


def helo(nonce: bytes = NONCE, auth: bytes = AUTH, *, old: bool = False) -> bytes:
    return packed(["HELO", {"nonce": nonce, "auth": auth, "keepalive": True}], old=old)


def pong(hostname: str = "server", key: bytes = b"key", *, ok: bool = True) -> bytes:
    proof = digest(SALT.encode(), hostname.encode(), NONCE, key)
    return packed(["PONG", ok, "" if ok else "no\x1b[31m such key", hostname, proof])


def protocol(credentials: Credentials | None = MINE) -> Protocol:
    return Protocol(credentials, SALT)


def fed(made: Protocol, data: bytes) -> tuple[list[Event], Broken | None]:
    """Return what the bytes say, and how that ended."""
    events = []
    try:
        for event in made.receive(data):
            events.append(event)  # noqa: PERF402 - those before an error, too
    except Broken as error:
        return events, error
    return events, None


def broken(made: Protocol, data: bytes) -> Broken:
    _, error = fed(made, data)
    assert error is not None
    assert made.state is ForwardState.BROKEN
    return error
