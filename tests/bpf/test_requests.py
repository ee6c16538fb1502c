"""The probes read what is asked of an engine, whichever way the host allows."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.bpf import loader, pins
from sensor.bpf.record import KernelObservation
from sensor.bpf.socket_filter import EngineSockets
from sensor.model.api_calls import ApiAnswer, ApiConnect, ApiRequest, ConnectionClosed
from tests.bpf.engine_server import (
    ANSWER,
    ENGINES,
    FORGED_ANSWERS,
    IN_PAGES,
    IN_PIECES,
    MANY,
    PAYLOAD_MAX,
    POST,
    PYTHON,
    REFUSED,
    SEND,
    SEND_BY,
    TAKES_AT_ONCE,
    WAYS,
    Server,
)
from tests.bpf.live import Probes


def exchange(probes: Probes, server: Server, *pieces: bytes) -> list[KernelObservation]:
    """Have a process send the pieces through one connection; returns what that was seen of."""
    server.until, server.answer = b"\r\n\r\n", ANSWER
    probes.drain()
    words = [piece.hex() for piece in pieces]
    client = subprocess.Popen([sys.executable, "-I", "-c", IN_PIECES, server.path, *words])
    assert client.wait(30) == 0
    seen = probes.drain()
    (connect,) = (
        one for one in seen if isinstance(one, ApiConnect) and one.caller.pid == client.pid
    )
    assert connect.connection is not None
    kinds = (ApiConnect, ApiRequest, ApiAnswer, ConnectionClosed)
    return [one for one in seen if isinstance(one, kinds) and one.connection == connect.connection]


def sent(seen: list[KernelObservation]) -> list[tuple[int | None, bytes]]:
    """Offsets and bytes of the requests."""
    return [(one.offset, one.payload) for one in seen if isinstance(one, ApiRequest)]


@pytest.fixture
def server(probes: Probes, tmp_path: Path) -> Iterator[Server]:
    if not {"on_data_ready", "kfunc__unix_stream_sendmsg"} & set(probes.pins.links()):
        pytest.skip("cannot run here: this kernel does not let probes read requests")
    sockets = EngineSockets(probes.pins.map("engine_sockets"))
    made = Server(tmp_path / "engine.sock", sockets)
    yield made
    made.close()
    sockets.replace([])
    sockets.close()


def asked(
    probes: Probes, server: Server, *sent: bytes, program: tuple[str, ...] = PYTHON
) -> list[tuple[int, ApiRequest]]:
    """Have a process send each, and return what was reported of them with its pid."""
    probes.drain()
    pids = []
    for data in sent:
        client = subprocess.Popen([*program, server.path, data.hex()])
        assert client.wait(30) == 0
        pids.append(client.pid)
    reported = [one for one in probes.drain() if isinstance(one, ApiRequest)]
    return [(one.caller.pid, one) for one in reported if one.caller.pid in pids]


@pytest.mark.kernel
def test_a_request_is_reported_with_its_caller_and_its_bytes(
    probes: Probes, server: Server
) -> None:
    server.watched_as(EngineSockets.HTTP)

    found = asked(probes, server, *[POST] * 5)
    assert len(found) == 5
    _, request = found[0]
    assert request.payload == POST
    assert request.socket == str(server.path)
    assert request.caller.argv is not None
    assert request.caller.argv[-1] == POST.hex()


def unread(probes: Probes) -> int:
    return dict(probes.counters.failures())["request_read"]


@pytest.mark.kernel
def test_a_request_that_the_engine_takes_at_once_is_read_where_its_caller_has_it(
    probes: Probes, server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "hasty.sock"
    before = unread(probes)
    words = [sys.executable, "-I", "-c", TAKES_AT_ONCE, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as hasty:
        try:
            assert hasty.stdout is not None
            hasty.stdout.readline()
            status = path.stat()
            server.sockets.replace([(status.st_dev, status.st_ino, EngineSockets.HTTP)])
            reported = []
            for _ in range(10):
                many = [sys.executable, "-I", "-c", MANY, str(path), POST.hex(), "10"]
                subprocess.run(many, check=True, timeout=60)
                seen = [one for one in probes.drain() if isinstance(one, ApiRequest)]
                reported += [one for one in seen if one.socket == str(path)]
        finally:
            hasty.kill()
    assert [one.payload for one in reported] == [POST] * 1000
    assert {one.length for one in reported} == {len(POST)}
    assert unread(probes) == before


@pytest.mark.kernel
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_request_whose_bytes_lie_in_pages_is_read_whichever_way_it_is_sent(
    probes: Probes, server: Server, way: str
) -> None:
    server.watched_as(EngineSockets.HTTP)
    program = (sys.executable, "-I", "-c", SEND_BY.format(way=way))
    ((_, request),) = asked(probes, server, IN_PAGES, program=program)
    assert IN_PAGES.startswith(request.payload)
    assert request.payload.startswith(b"POST /v1.43/containers/web/start HTTP/1.1\r\n")
    assert request.length == len(IN_PAGES)


@pytest.mark.kernel
def test_what_is_sent_by_splice_is_reported_without_its_bytes(
    probes: Probes, server: Server
) -> None:
    server.watched_as(EngineSockets.HTTP)
    way = (
        "inlet, outlet = os.pipe(); os.write(outlet, data);"
        " os.splice(inlet, connection.fileno(), len(data))"
    )
    program = (sys.executable, "-I", "-c", SEND_BY.format(way=way))
    ((_, request),) = asked(probes, server, POST, program=program)
    assert request.payload == b""


@pytest.mark.kernel
def test_of_a_long_request_the_beginning_is_reported(probes: Probes, server: Server) -> None:
    server.watched_as(EngineSockets.HTTP)
    long = POST + b"x" * 3000
    reported = [request.payload for _, request in asked(probes, server, *[long] * 5)]
    assert reported == [long[:PAYLOAD_MAX]] * 5


@pytest.mark.kernel
def test_only_what_asks_an_engine_for_something_is_reported(probes: Probes, server: Server) -> None:
    server.watched_as(EngineSockets.HTTP)
    assert asked(probes, server, b"GET /v1.43/containers/json HTTP/1.1\r\n\r\n", b"Po") == []
    server.watched_as(EngineSockets.RPC)
    assert asked(probes, server, b"x" * 2000) == []
    (short,) = {request.payload for _, request in asked(probes, server, *[b"frame"] * 5)}
    assert short == b"frame"


RPC_MAX = 2047
FRAMES = {"headers": 1, "settings": 4, "ping": 6, "window-update": 8}


@pytest.mark.kernel
@pytest.mark.parametrize("kind", FRAMES.values(), ids=FRAMES)
def test_of_grpc_a_long_write_that_headers_may_begin_or_follow_is_reported(
    probes: Probes, server: Server, kind: int
) -> None:
    server.watched_as(EngineSockets.RPC)
    long = bytes((0, 0, 8, kind)) + b"x" * 3000
    assert {request.payload for _, request in asked(probes, server, *[long] * 5)} == {
        long[:RPC_MAX]
    }
    assert asked(probes, server, bytes((0, 7, 208, 0)) + b"x" * 2000) == []


def request_to(path: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: docker\r\n\r\n".encode()


@pytest.mark.kernel
def test_of_requests_those_that_may_start_something_are_reported(
    probes: Probes, server: Server
) -> None:
    server.watched_as(EngineSockets.HTTP)
    for path in ("create?name=start", "web/attach?stream=1", "web/wait", "web/stop", "prune"):
        assert asked(probes, server, *[request_to(f"/v1.43/containers/{path}")] * 2) == [], path
    long = "x" * PAYLOAD_MAX
    for path in ("web/start?detachKeys=", "web/restart", "web/%73tart", f"{long}/kill"):
        assert asked(probes, server, *[request_to(f"/containers/{path}")] * 5), path


@pytest.mark.kernel
@pytest.mark.parametrize(
    "path",
    [
        "/v1.43/build?t=x",
        "/services/create",
        "/v1.43/services/abc/update?version=3",
        "/v4.0.0/libpod/play/kube?start=1",
        "/v4.0.0/libpod/kube/play",
        "/v4.0.0/libpod/pods/web/start",
        "/plugins/x/enable?timeout=0",
    ],
)
def test_what_starts_containers_without_naming_them_is_reported(
    probes: Probes, server: Server, path: str
) -> None:
    server.watched_as(EngineSockets.HTTP)
    assert asked(probes, server, *[request_to(path)] * 5)


@pytest.mark.kernel
def test_a_connect_a_request_and_its_answer_share_a_connection(
    probes: Probes, server: Server
) -> None:
    server.watched_as(EngineSockets.HTTP)
    seen = exchange(probes, server, POST)
    connect, request, answer = seen[:3]
    assert isinstance(connect, ApiConnect)
    assert (connect.socket, connect.confirmed) == (str(server.path), True)
    assert isinstance(request, ApiRequest)
    assert (request.payload, request.offset, request.length) == (POST, 0, len(POST))
    assert isinstance(answer, ApiAnswer)
    assert (answer.payload, answer.offset, answer.length) == (ANSWER, 0, len(ANSWER))
    assert connect.time < request.time < answer.time


@pytest.mark.kernel
@pytest.mark.parametrize("cut", [1, 4, 5, 12, 30, len(POST) - 2])
def test_a_request_in_pieces_is_reported_piece_by_piece(
    probes: Probes, server: Server, cut: int
) -> None:
    server.watched_as(EngineSockets.HTTP)
    seen = exchange(probes, server, POST[:cut], POST[cut:])
    assert sent(seen) == [(0, POST[:cut]), (cut, POST[cut:])]
    assert len([one for one in seen if isinstance(one, ApiAnswer)]) == 1


@pytest.mark.kernel
def test_a_request_behind_another_one_is_reported(probes: Probes, server: Server) -> None:
    server.watched_as(EngineSockets.HTTP)
    ping = b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\n"
    assert sent(exchange(probes, server, ping + POST)) == [(0, ping + POST)]
    assert sent(exchange(probes, server, ping, POST)) == [(len(ping), POST)]
    create = b"POST /containers/create HTTP/1.1\r\nContent-Length: 2\n\n{}"
    assert sent(exchange(probes, server, create + POST)) == [(0, create + POST)]


@pytest.mark.kernel
def test_of_a_connection_that_speaks_http_2_all_is_reported(probes: Probes, server: Server) -> None:
    server.watched_as(EngineSockets.HTTP)
    preface = b"PRI * HTTP/2.0\r"
    seen = exchange(probes, server, preface, b"\n\r", b"\nSM")
    assert sent(seen) == [(0, preface), (15, b"\n\r"), (17, b"\nSM")]


@pytest.mark.kernel
@pytest.mark.parametrize(("name", "user", "seen"), ENGINES.values(), ids=ENGINES)
def test_the_first_request_to_an_engine_that_no_agent_knows_yet_is_read(
    probes: Probes, server: Server, name: str, user: int, seen: list[bytes]
) -> None:
    if "on_connect_unix" not in probes.pins.links():
        pytest.skip("cannot run here: connects are reported once the agent knows the engine")
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o777)
        program, path = Path(place) / name, Path(place) / "engine.sock"
        program.write_text(f"#!{sys.executable} -I\n{TAKES_AT_ONCE}", encoding="utf-8")
        program.chmod(0o755)
        with subprocess.Popen([program, path], stdout=subprocess.PIPE, user=user) as engine:
            try:
                assert engine.stdout is not None
                engine.stdout.readline()
                probes.drain()
                client = subprocess.Popen([*PYTHON, str(path), POST.hex()])
                assert client.wait(30) == 0
            finally:
                engine.kill()
        found = [one for one in probes.drain() if isinstance(one, ApiConnect | ApiRequest)]
        own = [one for one in found if one.caller.pid == client.pid]
        (connect,) = (one for one in own if isinstance(one, ApiConnect))
        assert (connect.socket, connect.mnt_ns is None) == (str(path), False)
        asked = [one for one in own if isinstance(one, ApiRequest)]
        assert [one.payload for one in asked] == seen
        assert {one.connection for one in asked} <= {connect.connection}
    server.sockets.replace([])


@pytest.mark.kernel
def test_who_asks_for_nothing_that_starts_is_known_by_the_connect_alone(
    probes: Probes, server: Server
) -> None:
    server.watched_as(EngineSockets.HTTP)
    (only,) = exchange(probes, server, b"GET /containers/json HTTP/1.1\r\n\r\n")
    assert isinstance(only, ApiConnect)


@pytest.mark.kernel
def test_a_connect_that_is_refused_is_not_reported(probes: Probes, server: Server) -> None:
    server.watched_as(EngineSockets.HTTP)
    server.path.parent.chmod(0o755)
    for parent in server.path.parents:
        if parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(parent.stat().st_mode | 0o005)
    server.path.chmod(0o600)
    probes.drain()
    client = subprocess.Popen([sys.executable, "-I", "-c", REFUSED, server.path])
    assert client.wait(30) == 7
    seen = [one for one in probes.drain() if isinstance(one, ApiConnect)]
    assert [one for one in seen if one.caller.pid == client.pid] == []


@pytest.mark.kernel
def test_what_takes_the_place_of_a_closed_connection_answers_nothing(
    probes: Probes, server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "alone.sock"
    words = [sys.executable, "-I", "-c", FORGED_ANSWERS, str(path), POST.hex()]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as both:
        assert both.stdin is not None
        assert both.stdout is not None
        both.stdout.readline()
        status = path.stat()
        server.sockets.replace([(status.st_dev, status.st_ino, EngineSockets.HTTP)])
        probes.drain()
        both.communicate(b"go", timeout=60)
    answers = [one for one in probes.drain() if isinstance(one, ApiAnswer)]
    seen = {one.payload for one in answers if one.socket in (str(path), "")}
    assert seen == {ANSWER}


@pytest.mark.kernel
def test_what_is_said_on_other_sockets_is_not_reported(probes: Probes, server: Server) -> None:
    assert asked(probes, server, POST) == []


@pytest.mark.kernel
def test_what_engines_ask_of_each_other_is_not_read(
    probes: Probes, server: Server, tmp_path: Path
) -> None:
    programs = {}
    for name in ("dockerd", "docker", "somebody"):
        script = tmp_path / name
        script.write_text(f"#!{sys.executable} -I\n{SEND}", encoding="utf-8")
        script.chmod(0o755)
        programs[name] = (str(script),)
    for api, silent in ((EngineSockets.RPC, {"dockerd"}), (EngineSockets.HTTP, set[str]())):
        server.watched_as(api)
        for name, program in programs.items():
            found = asked(probes, server, *[POST] * 3, program=program)
            assert bool(found) is (name not in silent), (api, name)


@pytest.mark.kernel
def test_without_requests_nothing_is_attached_to_what_is_sent() -> None:
    root = pins.BPFFS / f"castoff-test-quiet-{os.getpid()}"
    try:
        loaded = loader.load(root, requests=False)
        assert not {"on_data_ready", "kfunc__unix_stream_sendmsg"} & set(loaded.links())
        assert loaded.fingerprint == loader.fingerprint(requests=False)
        assert loader.status(root)[0].current
    finally:
        loader.unload(root)
