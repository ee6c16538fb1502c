"""The stream of one engine: what hangs, lies or fails costs no event of another."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from lab.waiting import until
from sensor.model.vocabulary import Witness
from sensor.model.witness_records import EngineEvent
from sensor.sources.engines import docker, stream
from sensor.sources.engines.session import EngineLost, EngineSession, StreamCounts
from tests.sources.engines.following import following, socket_at
from tests.sources.engines.listening import HEAD, Answer, listener, saying, streaming
from tests.walks import walked

ID = "cd" * 32


def event(action: str, wall: int = 1) -> bytes:
    actor = {"ID": ID, "Attributes": {"name": "x", "image": "y"}}
    message = {"Type": "container", "Action": action, "Actor": actor, "timeNano": wall}
    return json.dumps(message).encode() + b"\n"


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

        async def make(counts: StreamCounts) -> EngineSession:
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
