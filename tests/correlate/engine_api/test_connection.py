"""Whole connections, as clients and engines write them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.correlate.engine_api.calls import Action, EngineCall, Outcome, PodName, Segment
from sensor.correlate.engine_api.connections import EngineCalls
from tests.correlate.engine_api.wire import (
    COPIED,
    ID,
    OTHER_ID,
    Grpc,
    Watched,
    create_request,
    field,
    prefixed,
    sandbox_request,
    ttrpc,
    ttrpc_request,
)

CRI = "/runtime.v1.RuntimeService"
START = b"POST /v1.41/containers/web/start HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n"
GET = b"GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\nServer: Docker\r\n\r\n"


# --------------------------------------------------------------------------- HTTP/1.1


def test_a_request_is_read_and_its_answer_is_paired() -> None:
    watched = Watched()
    (call,) = watched.write(START)
    assert (call.action, call.targets, call.sound) == (Action.START, ("web",), True)
    (answer,) = watched.answer(NO_CONTENT)
    assert (answer.number, answer.outcome, answer.status) == (call.number, Outcome.ACCEPTED, 204)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (b"204 No Content", Outcome.ACCEPTED),
        (b"200 OK", Outcome.ACCEPTED),
        (b"304 Not Modified", Outcome.UNCHANGED),
        (b"301 Moved Permanently", Outcome.REFUSED),
        (b"400 Bad Request", Outcome.REFUSED),
        (b"404 Not Found", Outcome.REFUSED),
        (b"500 Internal Server Error", Outcome.REFUSED),
    ],
)
def test_the_status_decides_whether_a_request_was_accepted(status: bytes, outcome: Outcome) -> None:
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
    assert (answer.outcome, answer.made) == (Outcome.ACCEPTED, ID)


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


# --------------------------------------------------------------------------- gRPC


def test_the_method_decides_whether_an_id_is_asked_to_start() -> None:
    grpc, watched = Grpc(), Watched()
    for _ in range(3):
        for path, action in [
            ("/containerd.services.containers.v1.Containers/Get", Action.NOTHING),
            ("/containerd.services.tasks.v1.Tasks/Create", Action.PREPARE),
            ("/containerd.services.tasks.v1.Tasks/Start", Action.START),
            ("/containerd.services.tasks.v1.Tasks/Kill", Action.STOP),
            (f"{CRI}/ContainerStatus", Action.NOTHING),
            (f"{CRI}/StartContainer", Action.START),
        ]:
            stream = grpc.request(path, field(1, ID))
            (call,) = watched.write(grpc.take())
            assert (call.action, call.method, call.sound) == (action, path[1:], True)
            assert call.targets == (() if action is Action.NOTHING else (ID,))
            grpc.refuse(stream, 5)
            (answer,) = watched.answer(grpc.take_answer())
            assert (answer.number, answer.outcome) == (call.number, Outcome.REFUSED)
            assert (answer.status, answer.message) == (5, "no such container")


def test_the_start_of_an_exec_starts_no_container() -> None:
    grpc = Grpc()
    grpc.request("/containerd.services.tasks.v1.Tasks/Start", field(1, ID) + field(2, "exec-1"))
    (call,) = Watched().write(grpc.take())
    assert call.action is Action.NOTHING


def test_a_sandbox_is_tied_to_its_pod_and_its_answer_to_its_id() -> None:
    grpc, watched = Grpc(), Watched()
    stream = grpc.request(f"{CRI}/RunPodSandbox", sandbox_request("shop", "web-0", "u-1", 2))
    (call,) = watched.write(grpc.take())
    assert (call.action, call.pod) == (Action.RUN, PodName("shop", "web-0", "u-1"))
    assert call.attempt == 2
    grpc.accept(stream, field(1, ID))
    (answer,) = watched.answer(grpc.take_answer())
    assert (answer.outcome, answer.made) == (Outcome.ACCEPTED, ID)


def test_a_created_container_is_tied_to_its_sandbox() -> None:
    grpc = Grpc()
    grpc.request(f"{CRI}/CreateContainer", create_request(OTHER_ID, "app", 3))
    (call,) = Watched().write(grpc.take())
    assert (call.sandbox, call.targets, call.attempt) == (OTHER_ID, ("app",), 3)


def test_a_pod_with_the_longest_names_is_read_as_far_as_it_was_copied() -> None:
    grpc = Grpc()
    request = sandbox_request("n" * 63, "p" * 253, "6" * 36, 1)
    grpc.request(f"{CRI}/RunPodSandbox", request)
    (call,) = Watched().write(grpc.take())
    assert call.pod is not None
    assert call.pod.name == "p" * 253


def test_a_connection_joined_in_the_middle_gives_candidates_until_a_path_is_spelled_out() -> None:
    grpc, watched = Grpc(), Watched()
    grpc.request(f"{CRI}/StartContainer", field(1, ID))
    watched.unseen(len(grpc.take()))
    grpc.request(f"{CRI}/StartContainer", field(1, ID))
    (unknown,) = watched.write(grpc.take())
    assert (unknown.action, unknown.method, unknown.targets) == (Action.UNKNOWN, None, (ID,))
    grpc.request(f"{CRI}/StopContainer", field(1, ID))
    (known,) = watched.write(grpc.take())
    assert (known.action, known.sound) == (Action.STOP, False)
    grpc.request(f"{CRI}/StopContainer", field(1, OTHER_ID))
    (again,) = watched.write(grpc.take())
    assert (again.action, again.targets) == (Action.STOP, (OTHER_ID,))


def test_a_message_in_another_write_than_its_headers_is_read() -> None:
    grpc, watched = Grpc(), Watched()
    grpc.request(f"{CRI}/StartContainer", field(1, ID))
    data = grpc.take()
    head = data.index(prefixed(field(1, ID))) - 9
    assert watched.write(data[:head]) == ()
    (call,) = watched.write(data[head:])
    assert (call.action, call.targets) == (Action.START, (ID,))


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.randoms())
def test_frames_cut_anywhere_give_the_same_calls(sizes: list[int], random_: random.Random) -> None:
    grpc = Grpc()
    for name in ("StartContainer", "ContainerStatus", "StopContainer"):
        grpc.request(f"{CRI}/{name}", field(1, ID))
    data = grpc.take()
    watched = Watched()
    found: list[EngineCall] = []
    while data:
        size = random_.choice(sizes)
        found += watched.write(data[:size])
        data = data[size:]
    assert [call.action for call in found] == [Action.START, Action.NOTHING, Action.STOP]
    assert all(call.sound for call in found)


UPDATE = bytes((0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 9))
PING = bytes((0, 0, 8, 6, 0, 0, 0, 0, 0)) + bytes(8)
BEHIND = {
    "update": UPDATE,
    "ping": PING,
    "both": UPDATE + PING,
    "two-pings": PING + PING,
}


@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize("copied", [0, 1, 5, 30], ids=lambda more: f"copied-{more}")
def test_control_frames_behind_a_message_that_was_not_copied_cost_no_method(
    behind: bytes, copied: int
) -> None:
    """What is known of the header table stays, so that the next path is known by its index."""
    grpc, watched = Grpc(), Watched()
    grpc.request(f"{CRI}/StartContainer", field(1, ID))
    watched.write(grpc.take())
    grpc.request(f"{CRI}/RunPodSandbox", sandbox_request("shop", "web-0", "u-1"))
    data = grpc.take()
    whole = min(len(data) + copied, len(data + behind) - 1) if copied else COPIED
    watched.write(data + behind, whole)
    grpc.request(f"{CRI}/StartContainer", field(1, OTHER_ID))
    (call,) = watched.write(grpc.take())
    assert (call.action, call.targets, call.sound) == (Action.START, (OTHER_ID,), True)


def test_a_request_behind_a_message_that_was_not_copied_ends_what_is_known() -> None:
    grpc, watched = Grpc(), Watched()
    grpc.request(f"{CRI}/StartContainer", field(1, ID))
    watched.write(grpc.take())
    grpc.request(f"{CRI}/RunPodSandbox", sandbox_request("shop", "web-0", "u-1"))
    grpc.request(f"{CRI}/StopContainer", b"")
    watched.write(grpc.take())
    grpc.request(f"{CRI}/StartContainer", field(1, OTHER_ID))
    (call,) = watched.write(grpc.take())
    assert (call.action, call.method, call.sound) == (Action.UNKNOWN, None, False)


def test_a_message_of_16_mebibytes_is_skipped() -> None:
    watched = Watched()
    grpc = Grpc()
    watched.write(grpc.take())
    frame = b"\0\x40\0" + b"\0\0" + (9).to_bytes(4) + b"x" * 16384
    for _ in range(1024):
        assert watched.write(frame, copied=512) == ()
    grpc.request(f"{CRI}/StartContainer", field(1, ID))
    (call,) = watched.write(grpc.take())
    assert (call.action, call.sound) == (Action.START, True)


def test_an_answer_whose_status_is_in_the_unknown_table_is_decided_by_its_shape() -> None:
    grpc, watched = Grpc(), Watched()
    calls: tuple[EngineCall, ...] = ()
    data = b""
    for _ in range(2):
        accepted = grpc.request(f"{CRI}/StartContainer", field(1, ID))
        refused = grpc.request(f"{CRI}/StartContainer", field(1, OTHER_ID))
        calls = watched.write(grpc.take())
        grpc.accept(accepted)
        grpc.refuse(refused, 5)
        data = grpc.take_answer()
        if watched.time == 1:
            watched.answer_unseen(len(data))
    answers = watched.answer(data)
    assert [(one.number, one.outcome) for one in answers] == [
        (calls[0].number, Outcome.ACCEPTED),
        (calls[1].number, Outcome.REFUSED),
    ]


def test_dockers_api_over_http2_with_prior_knowledge_is_read() -> None:
    grpc, watched = Grpc(), Watched()
    stream = grpc.client.get_next_available_stream_id()
    grpc.client.send_headers(
        stream,
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/v1.41/containers/web/restart?t=0"),
            (":authority", "d"),
        ],
        end_stream=True,
    )
    (call,) = watched.write(grpc.take())
    assert (call.action, call.targets, call.sound) == (Action.RESTART, ("web",), True)
    grpc.server.send_headers(stream, [(":status", "204")], end_stream=True)
    (answer,) = watched.answer(grpc.take_answer())
    assert (answer.outcome, answer.status) == (Outcome.ACCEPTED, 204)


def test_a_compressed_message_keeps_its_method() -> None:
    grpc = Grpc()
    stream = grpc.client.get_next_available_stream_id()
    grpc.client.send_headers(
        stream,
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", f"{CRI}/StartContainer"),
            (":authority", "d"),
        ],
    )
    grpc.client.send_data(stream, b"\1\0\0\0\x05abcde", end_stream=True)
    (call,) = Watched().write(grpc.take())
    assert (call.action, call.targets) == (Action.START, ())


# --------------------------------------------------------------------------- ttrpc


@pytest.mark.parametrize(
    ("service", "method", "action"),
    [
        ("containerd.task.v2.Task", "Create", Action.PREPARE),
        ("containerd.task.v2.Task", "Start", Action.START),
        ("containerd.task.v2.Task", "State", Action.NOTHING),
        ("containerd.services.events.ttrpc.v1.Events", "Forward", Action.NOTHING),
    ],
)
def test_ttrpc_is_read_by_service_and_method(service: str, method: str, action: Action) -> None:
    watched = Watched()
    (call,) = watched.write(ttrpc_request(1, service, method, field(1, ID)))
    assert (call.action, call.method) == (action, f"{service}/{method}")
    (answer,) = watched.answer(ttrpc(2, 1, field(1, field(1, 5) + field(2, "not found"))))
    assert (answer.number, answer.outcome, answer.status) == (call.number, Outcome.REFUSED, 5)


def test_a_ttrpc_request_in_two_segments_is_one_request() -> None:
    data = ttrpc_request(3, "containerd.task.v2.Task", "Start", field(1, ID))
    (call,) = Watched().write_each([data[:20], data[20:]])
    assert (call.action, call.targets) == (Action.START, (ID,))


def test_a_ttrpc_answer_without_a_status_is_accepted() -> None:
    watched = Watched()
    watched.write(ttrpc_request(1, "containerd.task.v2.Task", "Start", field(1, ID)))
    (answer,) = watched.answer(ttrpc(2, 1, field(2, field(1, 4711))))
    assert answer.outcome is Outcome.ACCEPTED


# --------------------------------------------------------------------------- bad input


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
