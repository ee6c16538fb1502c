"""A connection to a Forward server: acks, ends, and whatever bytes come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.outputs.forward import protocol as protocol_module
from sensor.outputs.forward.protocol import (
    CONNECTION,
    IGNORED_LIMIT,
    Acked,
    Established,
    ForwardState,
    Ignored,
    Protocol,
    Send,
)
from tests.outputs.forward.peers import MINE, broken, fed, helo, packed, pong, protocol
from tests.walks import walked


def ack(chunk: bytes) -> bytes:
    return packed({"ack": chunk.decode()})


def opened() -> Protocol:
    made = protocol()
    list(made.receive(helo()))
    list(made.receive(pong()))
    return made


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


@given(st.lists(st.binary(max_size=200), max_size=20), st.booleans())
def test_arbitrary_bytes_break_a_connection_and_nothing_else(parts: list[bytes], key: bool) -> None:
    made = protocol(MINE if key else None)
    made.expect(b"a")
    for part in parts:
        before = made.state
        events, error = fed(made, part)
        assert all(isinstance(event, Send | Established | Acked | Ignored) for event in events)
        assert (error is not None) == (made.state is ForwardState.BROKEN)
        assert error is None or error.reason.isprintable()
        assert before is not ForwardState.BROKEN or events == []


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
        assert (error is not None) == (made.state is ForwardState.BROKEN)


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


def test_every_transition_of_a_connection_happens() -> None:
    with walked(protocol_module, "CONNECTION") as taken:
        for greeting in (b"", helo(), helo() + pong()):
            for _ in range(2):
                made = protocol()
                fed(made, greeting)
                made.end()
                made.end()
    assert taken == set(CONNECTION.table)
