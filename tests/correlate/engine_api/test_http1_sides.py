"""HTTP/1.1 on an engine's socket: requests, paired with their answers."""

from __future__ import annotations

import pytest

from sensor.correlate.engine_api.calls import Action, CallOutcome, Segment
from sensor.correlate.engine_api.connections import EngineCalls
from tests.correlate.engine_api.wire import ID, Watched
from tests.correlate.engine_api.wire_samples import START

GET = b"GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\nServer: Docker\r\n\r\n"


def test_a_request_is_read_and_its_answer_is_paired() -> None:
    watched = Watched()
    (call,) = watched.write(START)
    assert (call.action, call.targets, call.sound) == (Action.START, ("web",), True)
    (answer,) = watched.answer(NO_CONTENT)
    assert (answer.number, answer.outcome, answer.status) == (
        call.number,
        CallOutcome.ACCEPTED,
        204,
    )


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (b"204 No Content", CallOutcome.ACCEPTED),
        (b"200 OK", CallOutcome.ACCEPTED),
        (b"304 Not Modified", CallOutcome.UNCHANGED),
        (b"301 Moved Permanently", CallOutcome.REFUSED),
        (b"400 Bad Request", CallOutcome.REFUSED),
        (b"404 Not Found", CallOutcome.REFUSED),
        (b"500 Internal Server Error", CallOutcome.REFUSED),
    ],
)
def test_the_status_decides_whether_a_request_was_accepted(
    status: bytes, outcome: CallOutcome
) -> None:
    watched = Watched()
    watched.write(START)
    (answer,) = watched.answer(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
    assert answer.outcome is outcome


@pytest.mark.parametrize("cut", range(1, len(START)))
def test_a_request_in_two_segments_is_one_request(cut: int) -> None:
    calls = Watched().write_each([START[:cut], START[cut:]])
    assert [(call.action, call.targets, call.sound) for call in calls] == [
        (Action.START, ("web",), True)
    ]


def test_a_request_behind_a_write_of_unknown_length_is_read() -> None:
    calls = EngineCalls()
    create = b"POST /v1.41/containers/create HTTP/1.1\r\nContent-Length: 90000\r\n\r\n"
    (made,) = calls.sent(1, "owner", Segment(1, 0, create))
    assert calls.sent(1, "owner", Segment(2, len(create), b"", cut=True)) == ()
    (call,) = calls.sent(1, "owner", Segment(3, None, START))
    assert (made.action, made.sound) == (Action.CREATE, True)
    assert (call.action, call.targets, call.sound) == (Action.START, ("web",), False)


def test_a_request_byte_by_byte_is_one_request() -> None:
    calls = Watched().write_each(bytes([byte]) for byte in START)
    assert [(call.action, call.targets) for call in calls] == [(Action.START, ("web",))]


def test_pipelined_requests_are_paired_with_their_answers_in_order() -> None:
    watched = Watched()
    first, second, third = watched.write(START + GET + START.replace(b"web", b"db"))
    assert [first.action, second.action, third.action] == [
        Action.START,
        Action.NOTHING,
        Action.START,
    ]
    body = b"x" * 300
    answers = watched.answer(
        NO_CONTENT + b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n" + body, copied=1000
    ) + watched.answer(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    assert [(one.number, one.status) for one in answers] == [
        (first.number, 204),
        (second.number, 200),
        (third.number, 404),
    ]


def test_a_chunked_body_is_not_a_second_request() -> None:
    body = b"POST /containers/db/start HTTP/1.1\r\n\r\n"
    chunked = (
        b"POST /containers/web/start HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"%x;a=b\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (len(body), body)
    )
    watched = Watched()
    for size in (1, 7, len(chunked)):
        pieces = [chunked[i : i + size] for i in range(0, len(chunked), size)]
        (call,) = watched.write_each(pieces)
        assert call.targets == ("web",)
    (call,) = watched.write(GET)
    assert (call.action, call.sound) == (Action.NOTHING, True)


def test_a_body_that_was_copied_in_part_is_skipped() -> None:
    body = b'{"Image":"bb"}' + b" " * 100_000
    head = b"POST /containers/create?name=web HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    watched = Watched()
    (call,) = watched.write(head + body)
    assert (call.action, call.targets) == (Action.CREATE, ("web",))
    (call,) = watched.write(START)
    assert (call.action, call.sound) == (Action.START, True)


def test_bytes_missing_from_a_head_make_what_follows_unsound() -> None:
    watched = Watched()
    watched.write(b"GET /_ping HTTP/1.1\r\nX: " + b"x" * 600 + b"\r\n\r\n")
    (call,) = watched.write(START)
    assert (call.action, call.sound) == (Action.START, False)


def test_the_text_of_a_request_within_unseen_bytes_is_not_taken_for_sound() -> None:
    watched = Watched()
    watched.write(b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" + b"x" * 300)
    watched.unseen(5000)
    calls = watched.write(START)
    assert all(not call.sound for call in calls)


def test_an_absolute_uri_and_percent_encoding_are_resolved() -> None:
    (call,) = Watched().write(
        b"POST http://d/v1.41/containers/w%65b/%73tart?x=1 HTTP/1.1\r\nHost: d\r\n\r\n"
    )
    assert (call.action, call.targets) == (Action.START, ("web",))


def test_lines_that_end_with_lf_alone_end_a_head_as_in_go() -> None:
    calls = Watched().write(START.replace(b"\r\n", b"\n") * 2)
    assert [call.sound for call in calls] == [True, True]


def test_an_interim_answer_answers_nothing() -> None:
    watched = Watched()
    (call,) = watched.write(START)
    assert watched.answer(b"HTTP/1.1 100 Continue\r\n\r\n") == ()
    (answer,) = watched.answer(NO_CONTENT)
    assert answer.number == call.number


def test_the_answer_to_create_gives_the_container_that_was_made() -> None:
    watched = Watched()
    watched.write(b"POST /v1.41/containers/create?name=web HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
    body = b'{"Id":"%b","Warnings":[]}\n' % ID.encode()
    (answer,) = watched.answer(
        b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % len(body)
        + body
    )
    assert (answer.outcome, answer.made) == (CallOutcome.ACCEPTED, ID)


def test_what_is_typed_into_an_attached_container_is_not_a_request() -> None:
    watched = Watched()
    watched.write(
        b"POST /v1.41/containers/x/attach?stdin=1 HTTP/1.1\r\nUpgrade: tcp\r\n"
        b"Connection: Upgrade\r\n\r\n"
    )
    watched.answer(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n")
    assert watched.write(START) == ()


def test_a_refused_upgrade_goes_on_with_http() -> None:
    watched = Watched()
    watched.write(b"POST /v1.41/exec/x/start HTTP/1.1\r\nUpgrade: tcp\r\n\r\n")
    watched.answer(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    (call,) = watched.write(START)
    assert (call.action, call.sound) == (Action.START, False)


def test_answers_that_were_missed_are_paired_with_nothing() -> None:
    watched = Watched()
    watched.write(START + START)
    watched.answer(b"HTTP/1.1 204 No Co", copied=5)
    watched.answer_unseen(1000)
    assert watched.answer(b"HTTP/1.1 404 Not Found\r\n\r\n") == ()


def test_an_answers_body_that_looks_like_a_status_answers_nothing() -> None:
    watched = Watched()
    watched.write(GET)
    body = b"HTTP/1.1 204 No Content\r\n\r\n"
    answers = watched.answer(b"HTTP/1.1 500 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert [answer.status for answer in answers] == [500]


def test_the_engines_own_words_of_a_refusal_are_kept() -> None:
    watched = Watched()
    watched.write(START)
    body = b'{"message":"exec: \\"/nope\\": no such file"}\n'
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(body)
    (answer,) = watched.answer(head + body)
    assert answer.message == 'exec: "/nope": no such file'
