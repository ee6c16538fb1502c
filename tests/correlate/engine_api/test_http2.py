"""HTTP/2 and gRPC on an engine's socket: calls, paired with their answers."""

from __future__ import annotations

from sensor.correlate.engine_api.calls import Action, CallOutcome, EngineCall, PodReference
from tests.correlate.engine_api.wire import (
    ID,
    OTHER_ID,
    Grpc,
    Watched,
    create_request,
    field,
    prefixed,
    sandbox_request,
)
from tests.correlate.engine_api.wire_samples import CRI


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
            assert (answer.number, answer.outcome) == (call.number, CallOutcome.REFUSED)
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
    assert (call.action, call.pod) == (Action.RUN, PodReference("shop", "web-0", "u-1"))
    assert call.attempt == 2
    grpc.accept(stream, field(1, ID))
    (answer,) = watched.answer(grpc.take_answer())
    assert (answer.outcome, answer.made) == (CallOutcome.ACCEPTED, ID)


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
        (calls[0].number, CallOutcome.ACCEPTED),
        (calls[1].number, CallOutcome.REFUSED),
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
    assert (answer.outcome, answer.status) == (CallOutcome.ACCEPTED, 204)


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
