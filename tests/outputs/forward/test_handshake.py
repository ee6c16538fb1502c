"""Both sides prove the key, and the client its password."""

from __future__ import annotations

import msgpack
import pytest

from sensor.outputs.forward.handshake import Credentials
from sensor.outputs.forward.protocol import Established, ForwardState, Protocol, Send
from tests.outputs.forward.peers import (
    AUTH,
    MINE,
    NONCE,
    SALT,
    broken,
    digest,
    helo,
    packed,
    pong,
    protocol,
)


@pytest.mark.parametrize("old", [True, False], ids=["as text", "as bytes"])
def test_a_handshake_proves_key_and_password_with_whatever_bytes_the_nonces_have(
    *, old: bool
) -> None:
    made = protocol()
    (sent,) = made.receive(helo(old=old))
    assert isinstance(sent, Send)
    # strict: a bin would be bytes here, and Fluent Bit closes the connection on it.
    assert msgpack.unpackb(sent.data, raw=False) == [
        "PING",
        "sensor",
        SALT,
        digest(SALT.encode(), b"sensor", NONCE, b"key"),
        "user",
        digest(AUTH, b"user", b"password"),
    ]
    assert list(made.receive(pong())) == [Established()]
    assert made.state is ForwardState.OPEN


def test_no_user_is_sent_to_a_server_that_asks_for_none() -> None:
    (sent,) = protocol().receive(helo(auth=b""))
    assert isinstance(sent, Send)
    assert msgpack.unpackb(sent.data)[4:] == ["", ""]


def test_a_secret_that_is_not_text_is_proven_by_its_bytes() -> None:
    secret = b"\xffkey".decode("utf-8", "surrogateescape")
    made = protocol(Credentials("sensor", secret, "user", secret))
    (sent,) = made.receive(helo())
    assert isinstance(sent, Send)
    ping = msgpack.unpackb(sent.data)
    assert ping[3] == digest(SALT.encode(), b"sensor", NONCE, b"\xffkey")
    assert ping[5] == digest(AUTH, b"user", b"\xffkey")


def test_salts_are_of_one_handshake() -> None:
    pings = {
        sent.data
        for _ in range(2)
        for sent in Protocol(MINE).receive(helo())
        if isinstance(sent, Send)
    }
    assert len(pings) == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (pong(ok=False), "the server refuses us: no\\x1b[31m such key".replace("\\x1b", "?")),
        (pong(key=b"other"), "does not know the shared key"),
        (pong("sensor"), "our own name"),
        (packed(["PONG", True, "", "server", ""]), "does not know the shared key"),
        (packed(["PONG", True, "", "server", 7]), "malformed"),
        (packed(["PONG", 1, "", "server", ""]), "refuses us"),
        (packed(["PONG", True]), "something else than PONG"),
        (packed({"ack": "x"}), "something else than PONG"),
        (packed(None), "something else than PONG"),
        (helo(), "something else than PONG"),
    ],
)
def test_a_server_that_cannot_prove_itself_gets_nothing(answer: bytes, reason: str) -> None:
    made = protocol()
    list(made.receive(helo()))
    error = broken(made, answer)
    assert reason in error.reason
    assert error.credentials
    assert error.reason.isprintable()


@pytest.mark.parametrize(
    "greeting",
    [
        packed({"ack": "x"}),
        packed(["HELO"]),
        packed(["HELO", []]),
        packed(["HELO", {"nonce": 1}]),
        packed(["HELO", {"nonce": b"", "auth": [1]}]),
        pong(),
    ],
)
def test_only_a_greeting_begins_a_handshake(greeting: bytes) -> None:
    assert broken(protocol(), greeting).credentials


@pytest.mark.parametrize("auth", [b"", AUTH, None], ids=["fluentd", "fluent-bit", "nil"])
def test_a_salt_does_not_ask_for_a_user(auth: bytes | None) -> None:
    """Fluent Bit sends a salt whether it has users or not; only its PONG decides."""
    made = protocol(Credentials("sensor", "key"))
    greeting = packed(["HELO", {"nonce": NONCE, "auth": auth, "keepalive": True}])
    (ping,) = made.receive(greeting)
    assert isinstance(ping, Send)
    reported = msgpack.unpackb(ping.data)
    assert reported[3] == digest(SALT.encode(), b"sensor", NONCE, b"key")
    assert reported[4:] == ["", digest(auth) if auth else ""]
    assert list(made.receive(pong())) == [Established()]


def test_a_refusal_names_the_user_that_may_be_missing() -> None:
    made = protocol(Credentials("sensor", "key"))
    list(made.receive(helo()))
    error = broken(made, packed(["PONG", False, "username/password mismatch", "", ""]))
    assert error.reason.startswith("the server refuses us: username/password mismatch")
    assert "none is configured" in error.reason
    assert error.credentials
