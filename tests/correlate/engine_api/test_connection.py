"""Whatever bytes a connection carries, its segments are survived and read alone where need be."""

from __future__ import annotations

import sys
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.correlate.engine_api.calls import Action, Segment
from sensor.correlate.engine_api.connection import Connection
from sensor.correlate.engine_api.connections import EngineCalls
from tests.correlate.engine_api.wire import ID, Grpc, Watched, field
from tests.correlate.engine_api.wire_samples import CRI, START


def test_bytes_of_no_known_protocol_are_one_unknown_call() -> None:
    watched = Watched()
    calls = watched.write_each([b"\xff\xfe" * 40] * 5)
    assert [call.action for call in calls] == [Action.UNKNOWN]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=600), max_size=20), st.lists(st.binary(max_size=300)))
def test_any_bytes_are_survived(sent: list[bytes], answers: list[bytes]) -> None:
    watched = Watched()
    for data in sent:
        watched.write(data)
    for data in answers:
        watched.answer(data)


@settings(deadline=None)
@given(st.data())
def test_damaged_frames_are_survived(data: st.DataObject) -> None:
    grpc, watched = Grpc(), Watched()
    for index in range(4):
        grpc.request(f"{CRI}/StartContainer", field(1, ID))
        damaged = bytearray(grpc.take())
        for _ in range(data.draw(st.integers(0, 4))):
            where = data.draw(st.integers(0, len(damaged) - 1))
            damaged[where] = data.draw(st.integers(0, 255))
        for call in watched.write(bytes(damaged)):
            assert len(call.targets) <= 16, index


def test_a_segment_without_a_connection_is_read_alone() -> None:
    calls = EngineCalls()
    (call,) = calls.sent(None, "owner", Segment(1, None, START))
    assert (call.connection, call.action) == (None, Action.START)
    (call,) = calls.sent(None, "owner", Segment(2, None, b"junk " + ID.encode()))
    assert (call.action, call.targets) == (Action.UNKNOWN, (ID,))


def test_a_call_that_was_answered_is_not_kept() -> None:
    connection = Connection(1, count(1))
    sent = connection.sent(Segment(1, 0, START))
    answers = connection.answered(Segment(2, 0, b"HTTP/1.1 204 No Content\r\n\r\n"))
    assert [answer.number for answer in answers] == [call.number for call in sent] == [1]
    # One for the tuple here, one for the argument.
    assert [sys.getrefcount(found[0]) for found in (sent, answers)] == [2, 2]
