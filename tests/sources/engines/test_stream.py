"""Faults that a real engine cannot be made to show: listeners that hang, lie or talk nonsense."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lab.waiting import until
from sensor.model.vocabulary import Witness
from sensor.model.witness_records import EngineEvent
from sensor.sources.engines import docker, stream, streams
from sensor.sources.engines.known import Api
from sensor.sources.engines.listeners import EngineSocket
from sensor.sources.engines.session import Counts, EngineLost, Session
from sensor.sources.engines.streams import target_of, witness_of
from tests.sources.engines.following import following, socket_at
from tests.walks import walked

ID = "cd" * 32
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
EMPTY_LIST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"

Answer = Callable[[socket.socket, bytes], None]


def event(action: str, wall: int = 1) -> bytes:
    actor = {"ID": ID, "Attributes": {"name": "x", "image": "y"}}
    message = {"Type": "container", "Action": action, "Actor": actor, "timeNano": wall}
    return json.dumps(message).encode() + b"\n"


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@contextmanager
def listener(path: Path, answer: Answer, backlog: int = 16) -> Iterator[EngineSocket]:
    """Accept connections for ever; ``answer`` gets each with the request's head, in a thread."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(backlog)
    with ExitStack() as connections:

        def serve(connection: socket.socket) -> None:
            try:
                answer(connection, connection.recv(65_536))
            except OSError:
                return

        def accept() -> None:
            while True:
                try:
                    connection = connections.enter_context(server.accept()[0])
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield socket_at(path)
        finally:
            server.shutdown(socket.SHUT_RDWR)
            server.close()
            thread.join(5)


def streaming(*parts: bytes) -> Answer:
    """Answer the list with an empty one, and a subscription with ``parts``, left open."""

    def answer(connection: socket.socket, request: bytes) -> None:
        if b"GET /events" not in request:
            connection.sendall(EMPTY_LIST)
            return
        connection.sendall(HEAD)
        for part in parts:
            connection.sendall(chunked(part))

    return answer


def saying(data: bytes) -> Answer:
    return lambda connection, _: connection.sendall(data)


def test_a_listener_that_never_answers_is_said_to_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "CONNECT_WAIT", 0.1)
    with (
        listener(tmp_path / "d.sock", lambda *_: None) as found,
        following(lambda: (found,)) as heard,
    ):
        lost = heard.await_source("docker", available=False)
        assert lost.reason == f"{tmp_path}/d.sock: no answer: the engine hangs"
        until(lambda: heard.counts().failures >= 2, "a second attempt")
        # Published once, however often it is tried.
        assert len(heard.changes("docker")) == 1


def test_stop_does_not_wait_for_a_hung_listener(tmp_path: Path) -> None:
    with (
        listener(tmp_path / "d.sock", lambda *_: None) as found,
        following(lambda: (found,)) as heard,
    ):
        until(heard.streams.status, "a stream")
    assert heard.stopped_in < 0.5
    assert heard.reported == []


def test_a_listener_that_does_not_even_accept_hinders_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "CONNECT_WAIT", 0.1)
    path = tmp_path / "d.sock"
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as waiting:
        server.bind(str(path))
        server.listen(0)
        waiting.connect(str(path))
        found = socket_at(path)
        with following(lambda: (found,)) as heard:
            heard.await_source("docker", available=False)
        assert heard.stopped_in < 0.5


def test_a_list_that_hangs_does_not_cost_the_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "LIST_WAIT", 0.1)

    def answer(connection: socket.socket, request: bytes) -> None:
        if b"GET /events" in request:
            streaming(event("start"))(connection, request)

    with (
        listener(tmp_path / "d.sock", answer) as found,
        following(lambda: (found,)) as heard,
    ):
        heard.await_actions(ID, "start")
        assert heard.changes("docker")[-1].available
        assert heard.counts().lists_failed == 1


@pytest.mark.parametrize(
    "answered",
    [
        b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b" " * 5_000_000,
    ],
    ids=["refused", "malformed", "too large"],
)
def test_a_list_that_is_no_use_does_not_cost_the_stream(tmp_path: Path, answered: bytes) -> None:
    def answer(connection: socket.socket, request: bytes) -> None:
        if b"GET /events" in request:
            streaming(event("start"))(connection, request)
        else:
            connection.sendall(answered)

    with (
        listener(tmp_path / "d.sock", answer) as found,
        following(lambda: (found,)) as heard,
    ):
        heard.await_actions(ID, "start")
        assert heard.counts().lists_failed == 1


def test_garbage_between_events_is_counted_and_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "LINE_MAX", 10_000)
    start, die = event("start", 1), event("die", 2)
    parts = (
        *(b"{not json}\n", b"\xff\xfe\x00\n", start[:20], start[20:], b"[]\n", b"\n\n"),
        *(b"x" * 30_000, b"x" * 30_000, b"\n", event("exec_die", 3), start, die),
    )
    with (
        listener(tmp_path / "d.sock", streaming(*parts)) as found,
        following(lambda: (found,)) as heard,
    ):
        heard.await_actions(ID, "start", "die")
        counts = heard.counts()
        assert (counts.malformed, counts.oversized, counts.ignored) == (3, 1, 1)
        assert (counts.repeated, counts.events) == (1, 2)
        (loss,) = heard.streams.losses()
        assert (loss.source, loss.missed, loss.dropped) == ("docker", 0, 4)
        assert loss.since < loss.time
        assert heard.streams.losses() == ()


def test_events_that_cannot_follow_each_other_are_counted_as_missed(tmp_path: Path) -> None:
    later = 4_000_000_000_000_000_000
    parts = (event("start", later), event("start", later + 1), event("die", later + 2))
    with (
        listener(tmp_path / "d.sock", streaming(*parts, event("die", later + 3))) as found,
        following(lambda: (found,)) as heard,
    ):
        heard.await_actions(ID, "start", "start", "die", "die")
        assert heard.counts().missed == 2
        (loss,) = heard.streams.losses()
        assert (loss.source, loss.missed, loss.dropped) == ("docker", 2, 0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (saying(b"SSH-2.0-nothing\r\n\r\n"), "no HTTP: "),
        (saying(b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nnope"), "/events answered 500: nope"),
        (lambda connection, _: connection.shutdown(socket.SHUT_RDWR), "no HTTP"),
        (saying(HEAD + b"0\r\n\r\n"), "the engine ended the stream"),
        (saying(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000), "no HTTP: "),
    ],
    ids=["other protocol", "refused", "hangs up", "ends", "endless head"],
)
def test_what_is_not_an_engine_is_tried_again_with_its_reason(
    tmp_path: Path, answer: Answer, reason: str
) -> None:
    with (
        listener(tmp_path / "d.sock", answer) as found,
        following(lambda: (found,)) as heard,
    ):
        lost = heard.await_source("docker", available=False)
        assert reason in (lost.reason or "")
        until(lambda: heard.counts().failures >= 2, "another attempt")


@pytest.mark.parametrize(
    "answer",
    [saying(b"HTTP/1.1 400 Bad\r\n\r\n"), saying(b"\0" * 9000), lambda *_: None],
    ids=["http/1", "zeros", "hangs"],
)
def test_what_speaks_no_grpc_is_tried_again(
    tmp_path: Path, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "CONNECT_WAIT", 0.2)
    with listener(tmp_path / "c.sock", answer) as found:
        grpc = replace(found, engine="containerd", api="grpc")
        with following(lambda: (grpc,)) as heard:
            heard.await_source("containerd", available=False)
            until(lambda: heard.counts().failures >= 2, "another attempt")
        assert heard.stopped_in < 0.5


def test_a_refused_connection_is_tried_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "d.sock"
    with listener(path, streaming()) as found:
        pass
    with following(lambda: (found,)) as heard:
        lost = heard.await_source("docker", available=False)
        assert lost.reason == f"{path}: Connection refused"
        path.unlink()
        with listener(path, streaming()):
            found = socket_at(path)
            heard.await_source("docker", available=True)


def test_back_off_is_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BACK_OFF_FIRST", 0.01)
    monkeypatch.setattr(stream, "BACK_OFF_MAX", 0.05)
    with (
        listener(tmp_path / "d.sock", saying(b"no\r\n\r\n")) as found,
        following(lambda: (found,)) as heard,
    ):
        until(lambda: heard.counts().failures >= 8, "many attempts", 5)


def test_one_of_two_sockets_that_fails_makes_the_source_unavailable(tmp_path: Path) -> None:
    with (
        listener(tmp_path / "a.sock", streaming()) as good,
        listener(tmp_path / "b.sock", saying(b"no\r\n\r\n")) as bad,
        following(lambda: (good, bad)) as heard,
    ):
        lost = heard.await_source("docker", available=False)
        assert lost.reason is not None
        assert str(tmp_path / "b.sock") in lost.reason
        assert str(tmp_path / "a.sock") not in lost.reason


def test_sockets_beyond_the_limit_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "STREAMS_MAX", 1)
    with (
        listener(tmp_path / "a.sock", streaming()) as first,
        listener(tmp_path / "b.sock", streaming()) as second,
        following(lambda: (first, second)) as heard,
    ):
        heard.await_source("docker", available=True)
        assert heard.streams.beyond_limit == 1
        assert len(heard.streams.status()) == 1


def test_a_socket_that_vanished_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "FORGET_AFTER", 0.1)
    with listener(tmp_path / "d.sock", saying(b"no\r\n\r\n")) as found:
        present = [found]
        with following(lambda: tuple(present)) as heard:
            heard.await_source("docker", available=False)
            present.clear()
            until(lambda: not heard.streams.status(), "the stream is forgotten")


def test_an_engine_that_is_switched_off_is_left_and_switched_on_again_is_followed(
    tmp_path: Path,
) -> None:
    with (
        listener(tmp_path / "d.sock", streaming()) as found,
        following(lambda: (found,)) as heard,
    ):
        heard.await_source("docker", available=True)
        heard.in_loop(lambda: heard.streams.follow(frozenset({Witness.PODMAN})))
        assert heard.await_source("docker", available=False).reason == "switched off"
        until(lambda: not heard.streams.status(), "nothing is followed")
        heard.in_loop(lambda: heard.streams.follow(frozenset({Witness.DOCKER})))
        heard.await_source("docker", available=True)


def test_a_socket_without_an_engine_is_not_woken(tmp_path: Path) -> None:
    with listener(tmp_path / "d.sock", streaming()) as found:
        assert target_of(replace(found, pid=None)) is None
        assert target_of(found) is not None
        assert target_of(replace(found, inode=found.inode + 1)) is None


def test_a_path_that_means_something_else_here_is_reached_through_the_engine(
    tmp_path: Path,
) -> None:
    with listener(tmp_path / "d.sock", streaming()) as found:
        through = target_of(replace(found, path=f"/proc/self/root{found.path}"))
        assert through is not None
        elsewhere = EngineSocket("/d.sock", "docker", found.device, found.inode, "docker", 1)
        assert target_of(elsewhere) is None


@pytest.mark.parametrize(
    ("engine", "api", "nested", "expected"),
    [
        ("docker", "docker", False, "docker"),
        ("docker", "docker", True, None),
        ("podman", "libpod", False, "podman"),
        ("containerd", "grpc", False, "containerd"),
        ("containerd", "ttrpc", False, None),
        ("cri-o", "grpc", False, None),
        ("balenad", "docker", False, "docker"),
        ("kubelet", "unknown", False, None),
    ],
)
def test_engines_of_the_host_are_followed(
    engine: str,
    api: Api,
    nested: bool,
    expected: str | None,
) -> None:
    found = EngineSocket("/x", engine, 1, 2, api, os.getpid(), nested=nested)
    assert witness_of(found) == expected


class Scripted:
    """A session whose engine is silent, answers questions, and is lost where the test says so."""

    def __init__(self, loses: str) -> None:
        self.loses = loses
        self.waits = 0

    def _reach(self, where: str) -> None:
        if where == self.loses:
            raise EngineLost("lost")

    async def open(self, path: str, since_wall: int) -> None:
        del path, since_wall
        self._reach("open")

    async def running(self) -> tuple[EngineEvent, ...]:
        return ()

    async def receive(self) -> tuple[EngineEvent, ...]:
        self.waits += 1
        if self.waits > 1:
            self._reach("receive")
        await asyncio.Event().wait()
        return ()

    async def ping(self) -> None:
        self._reach("ping")

    def close(self) -> None:
        pass


def test_every_transition_of_a_stream_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SILENCE", 0.01)
    monkeypatch.setattr(stream, "BACK_OFF_FIRST", 0.0)

    async def lose(where: str) -> None:
        over = asyncio.Event()

        async def make(counts: Counts) -> Session:
            del counts
            return Scripted(where)

        def changed() -> None:
            if followed.available is False:
                over.set()

        followed = stream.EngineStream(Witness.DOCKER, "/x", make, lambda _: None, changed)
        task = asyncio.create_task(followed.run())
        followed.aim(stream.Target("/x", 1, 2, 3))
        await asyncio.wait_for(over.wait(), 10)
        task.cancel()
        await asyncio.wait({task})

    with walked(stream, "STREAM") as taken:
        for where in ("open", "receive", "ping"):
            asyncio.run(lose(where))
    assert taken == set(stream.STREAM.table)
