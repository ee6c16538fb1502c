"""The table of connections and its shares."""

from __future__ import annotations

import time

from sensor.correlate.engine_api.calls import Action, Segment
from sensor.correlate.engine_api.connections import (
    CONNECTIONS_MAX,
    EARLY_MAX,
    SHARE_MAX,
    EngineCalls,
    Known,
)

START = b"POST /containers/web/start HTTP/1.1\r\n\r\n"


def sent(
    calls: EngineCalls, connection: int, share: str | None, data: bytes, offset: int = 0
) -> Action:
    (call,) = calls.sent(connection, share, Segment(1, offset, data))
    return call.action


def test_an_owner_with_many_connections_loses_its_own_oldest() -> None:
    calls = EngineCalls()
    sent(calls, 1, None, START)
    for connection in range(2, SHARE_MAX + 12):
        sent(calls, connection, "mallory", START)
    assert calls.forgotten == 10
    (answer,) = calls.answered(1, Segment(2, 0, b"HTTP/1.1 204 No Content\r\n\r\n"))
    assert answer.number == 1
    assert calls.answered(2, Segment(2, 0, b"HTTP/1.1 204 No Content\r\n\r\n")) == ()


def test_many_owners_take_from_the_one_with_the_most() -> None:
    calls = EngineCalls()
    owners = CONNECTIONS_MAX // 8
    connection = 0
    for owner in range(owners):
        for _ in range(8):
            connection += 1
            sent(calls, connection, f"user {owner}", START)
    assert calls.forgotten == 0
    for _ in range(8):
        connection += 1
        sent(calls, connection, "greedy", START)
    assert calls.forgotten == 8


def test_roots_connections_are_never_taken_from_by_others() -> None:
    calls = EngineCalls()
    for connection in range(10):
        sent(calls, connection, None, START)
    for connection in range(CONNECTIONS_MAX + 100):
        sent(calls, 100 + connection, f"uid {connection}", START)
    (answer,) = calls.answered(0, Segment(2, 0, b"HTTP/1.1 204 No Content\r\n\r\n"))
    assert answer.number == 1


ANSWER = Segment(2, 0, b"HTTP/1.1 204 No Content\r\n\r\n")


def test_early_answers_to_others_push_out_none_to_root() -> None:
    calls = EngineCalls()
    calls.answered(1, ANSWER, Known(None))
    for connection in range(100, 100 + EARLY_MAX):
        calls.answered(connection, ANSWER, Known("uid 1001"))
        calls.answered(connection + EARLY_MAX, ANSWER)
    assert calls.early(1, Segment(3, 0, START)) == ANSWER


def test_a_number_that_is_used_again_is_another_connection() -> None:
    calls = EngineCalls()
    assert sent(calls, 1, None, START) is Action.START
    calls.closed(1)
    assert sent(calls, 1, "mallory", START) is Action.START
    calls.closed(1)
    calls.closed(1)
    assert calls.answered(1, Segment(2, 0, b"HTTP/1.1 204 No Content\r\n\r\n")) == ()


def test_the_cost_of_a_connection_is_linear_in_its_bytes() -> None:
    def seconds(count: int, data: bytes) -> float:
        best = 10.0
        for _ in range(3):
            calls = EngineCalls()
            begin = time.process_time()
            for index in range(count):
                calls.sent(1, "x", Segment(1, index * len(data), data))
            best = min(best, time.process_time() - begin)
        return best

    for data in (b"A" * 512, b"GET / HTTP/1.1\r\nx:y\r\n\r\n", b"x: y\r\n" * 80):
        assert seconds(800, data) <= max(10 * seconds(200, data), 0.05)
