"""The client's side of a connection: each line of the table, and any bytes a server may send."""

from __future__ import annotations

import hashlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.outputs.forward import protocol as protocol_module
from sensor.outputs.forward.handshake import Credentials
from sensor.outputs.forward.protocol import (
    CONNECTION,
    IGNORED_LIMIT,
    Acked,
    Broken,
    Established,
    Event,
    Ignored,
    Protocol,
    Send,
    State,
)
from sensor.outputs.forward.wire import ITEMS_LIMIT, MESSAGE_LIMIT, STRING_LIMIT, Messages
from tests.walks import walked

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


def ack(chunk: bytes) -> bytes:
    return packed({"ack": chunk.decode()})


def protocol(credentials: Credentials | None = MINE) -> Protocol:
    return Protocol(credentials, SALT)


def opened() -> Protocol:
    made = protocol()
    list(made.receive(helo()))
    list(made.receive(pong()))
    return made


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
    assert made.state is State.BROKEN
    return error


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
    assert made.state is State.OPEN


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


def test_a_server_that_asks_for_a_key_that_is_not_configured_is_reported() -> None:
    error = broken(protocol(None), helo())
    assert "asks for a shared key" in error.reason
    assert error.credentials


def test_the_end_after_a_ping_is_a_wrong_key_and_otherwise_is_none() -> None:
    assert not protocol().end().credentials
    made = protocol()
    list(made.receive(helo()))
    assert made.end().credentials
    assert not opened().end().credentials
    assert not protocol(None).end().credentials


def test_only_the_acks_of_chunks_that_are_under_way_count_and_each_once() -> None:
    made = protocol(None)
    for chunk in (b"a", b"b", b"c"):
        made.expect(chunk)
    data = ack(b"other") + ack(b"b") + packed({}) + ack(b"b") + packed({"ack": 1}) + ack(b"a")
    assert list(made.receive(data)) == [
        Ignored(),
        Acked(b"b"),
        Ignored(),
        Ignored(),
        Ignored(),
        Acked(b"a"),
    ]
    assert made.ignored == 4


def test_what_was_acknowledged_before_garbage_is_acknowledged() -> None:
    made = protocol(None)
    made.expect(b"a")
    events, error = fed(made, ack(b"a") + b"\xc1")
    assert events == [Acked(b"a")]
    assert error is not None


def test_a_server_that_talks_without_end_is_left() -> None:
    made = protocol(None)
    made.expect(b"a")
    assert len(list(made.receive(packed(None) * IGNORED_LIMIT + ack(b"a")))) == IGNORED_LIMIT + 1
    list(made.receive(packed(None) * IGNORED_LIMIT))
    assert "too many messages" in broken(made, packed(None)).reason


@pytest.mark.parametrize(
    "bomb",
    [
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x05",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\x91" * 100_000,
        packed("x" * (STRING_LIMIT + 1)),
        packed([0] * (ITEMS_LIMIT + 1)),
        b"\x81\x90\xc0",
        b"\x81\x01\xc0",
        b"\xd7\xff" + b"\xff" * 8,
        b"\xc1",
    ],
    ids=lambda bomb: bomb[:6].hex(),
)
def test_bombs_are_refused_within_the_limit_of_a_message(bomb: bytes) -> None:
    error = broken(protocol(None), bomb + b"\x00" * MESSAGE_LIMIT)
    assert "speaks no Forward" in error.reason
    assert not error.credentials
    assert len(error.reason) < 200


def test_a_message_that_never_ends_is_refused_although_each_part_is_small() -> None:
    made = protocol(None)
    # Arrays in arrays, each complete but for its last element, which is the next array.
    level = b"\x9f" + (b"\xd9\xff" + b"x" * 255) * 14
    error = next(error for error in (fed(made, level)[1] for _ in range(MESSAGE_LIMIT)) if error)
    assert "more than" in error.reason


@given(st.lists(st.binary(max_size=200), max_size=20), st.booleans())
def test_arbitrary_bytes_break_a_connection_and_nothing_else(parts: list[bytes], key: bool) -> None:
    made = protocol(MINE if key else None)
    made.expect(b"a")
    for part in parts:
        before = made.state
        events, error = fed(made, part)
        assert all(isinstance(event, Send | Established | Acked | Ignored) for event in events)
        assert (error is not None) == (made.state is State.BROKEN)
        assert error is None or error.reason.isprintable()
        assert before is not State.BROKEN or events == []


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=50)
    | st.text(max_size=50),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(st.lists(VALUES, max_size=10), st.booleans())
def test_arbitrary_messages_are_ignored_or_break_a_connection(
    messages: list[object],
    key: bool,
) -> None:
    made = protocol(MINE if key else None)
    for message in messages:
        _, error = fed(made, packed(message))
        assert (error is not None) == (made.state is State.BROKEN)


@given(st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), max_size=12), st.data())
def test_acks_are_reported_alike_however_the_stream_is_cut(
    chunks: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(map(ack, chunks))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    made = protocol(None)
    for chunk in (b"a", b"b", b"c"):
        made.expect(chunk)
    reported = [
        event
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for event in made.receive(stream[start:end])
    ]
    seen: set[bytes] = set()
    for event, chunk in zip(reported, chunks, strict=True):
        counts = chunk != b"d" and chunk not in seen
        assert event == (Acked(chunk) if counts else Ignored())
        seen.add(chunk)


def test_messages_are_not_larger_than_their_limits_say() -> None:
    (message,) = Messages().feed(packed(["x" * STRING_LIMIT] * (ITEMS_LIMIT - 1)))
    assert message == [b"x" * STRING_LIMIT] * (ITEMS_LIMIT - 1)


def test_every_transition_of_a_connection_happens() -> None:
    with walked(protocol_module, "CONNECTION") as taken:
        for greeting in (b"", helo(), helo() + pong()):
            for _ in range(2):
                made = protocol()
                fed(made, greeting)
                made.end()
                made.end()
    assert taken == set(CONNECTION.table)
