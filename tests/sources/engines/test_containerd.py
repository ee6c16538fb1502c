"""containerd's events: the wire messages, and a real containerd."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from lab.containerd import Containerd
from lab.engines import Lab, unique
from lab.image import IMAGE
from lab.waiting import until
from sensor.bounded import Bounded
from sensor.model.vocabulary import Witness
from sensor.sources.engines import stream
from sensor.sources.engines.containerd import (
    DOCKERS_NAMESPACE,
    Images,
    decode_event,
    decode_namespaces,
    decode_tasks,
)
from sensor.sources.engines.streams import IMAGES_MAX
from sensor.sources.engines.wire import WireError
from tests.sources.engines.following import following, sockets_below

START = bytes.fromhex("0a076e67696e782d3110b90a")
"""TaskStart {container_id: "nginx-1", pid: 1337}, as containerd 1.6 encodes it."""


def field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value


def envelope(topic: str, event: bytes, namespace: str = "k8s.io") -> bytes:
    any_event = field(1, b"containerd.events.X") + field(2, event)
    stamp = b"\x08\x80\x92\xb8\xc3\x06\x10\x07"  # 1752041728 s, 7 ns
    return (
        field(1, stamp)
        + field(2, namespace.encode())
        + field(3, topic.encode())
        + field(4, any_event)
    )


def test_start_is_read_with_namespace_and_time() -> None:
    event = decode_event(envelope("/tasks/start", START), 5, Bounded(8))
    assert event is not None
    assert (event.action, event.id, event.namespace) == ("start", "nginx-1", "k8s.io")
    assert (event.time, event.engine_wall) == (5, 1_752_041_728_000_000_007)
    assert event.image is None


def test_exit_of_the_init_is_an_end_and_that_of_an_exec_is_none() -> None:
    init = field(1, b"c1") + field(2, b"c1") + b"\x18\x07\x20\x89\x01"
    other = field(1, b"c1") + field(2, b"exec-9") + b"\x18\x07\x20\x00"
    event = decode_event(envelope("/tasks/exit", init), 0, Bounded(8))
    assert event is not None
    assert (event.action, event.exit_code) == ("die", 137)
    assert decode_event(envelope("/tasks/exit", other), 0, Bounded(8)) is None


def test_image_is_known_from_the_creation_within_the_namespace() -> None:
    images: Images = Bounded(8)
    creation = field(1, b"nginx-1") + field(2, b"docker.io/library/nginx:1")
    assert decode_event(envelope("/containers/create", creation), 0, images) is None
    here = decode_event(envelope("/tasks/start", START), 0, images)
    there = decode_event(envelope("/tasks/start", START, "other"), 0, images)
    assert here is not None
    assert here.image == "docker.io/library/nginx:1"
    assert there is not None
    assert there.image is None


def test_remembered_images_are_bounded() -> None:
    images: Images = Bounded(IMAGES_MAX)
    for number in range(3000):
        creation = field(1, f"c{number}".encode()) + field(2, b"i")
        decode_event(envelope("/containers/create", creation), 0, images)
    assert len(images) == IMAGES_MAX
    assert ("k8s.io", "c2999") in images


@pytest.mark.parametrize(
    "data",
    [b"\xff", b"\x0a\x05ab", envelope("/tasks/start", b""), envelope("/tasks/start", b"\xff" * 12)],
)
def test_garbage_is_a_wire_error(data: bytes) -> None:
    with pytest.raises(WireError):
        decode_event(data, 0, Bounded(8))


def test_lists_are_read() -> None:
    assert decode_namespaces(field(1, field(1, b"moby")) + field(1, field(1, b"k8s.io"))) == (
        "moby",
        "k8s.io",
    )
    tasks = b"".join(
        field(1, field(2, name) + bytes([0x20, status]))
        for name, status in ((b"made", 1), (b"up", 2), (b"ended", 3), (b"paused", 4))
    )
    found = decode_tasks(tasks, "default", 3, Bounded(8))
    assert [(event.id, event.action) for event in found] == [
        ("up", "running"),
        ("paused", "running"),
    ]
    assert decode_namespaces(b"") == ()


# ---------------------------------------------------------------------- with a real containerd


@pytest.mark.e2e
def test_life_of_a_container_is_reported(lab: Lab, containerd: Containerd) -> None:
    with following(sockets_below(lab.directory / "containerd")) as heard:
        heard.await_source("containerd", available=True)
        identity = unique("life")
        containerd.run(identity, options=("--detach",))
        containerd.ctr("tasks", "pause", identity)
        containerd.ctr("tasks", "resume", identity)
        containerd.ctr("tasks", "exec", "--exec-id=e1", identity, "true")
        containerd.ctr("tasks", "kill", "--signal=SIGKILL", identity)
        heard.await_actions(identity, "create", "start", "pause", "unpause", "die")
        containerd.ctr("tasks", "rm", identity, check=False)
        events = heard.await_actions(
            identity, "create", "start", "pause", "unpause", "die", "destroy"
        )
        assert {event.namespace for event in events} == {"default"}
        assert {event.image for event in events} == {IMAGE}
        assert events[4].exit_code == 137
        walls = [event.engine_wall or 0 for event in events]
        assert walls == sorted(walls)
        assert walls[0] > 1_700_000_000_000_000_000
        assert heard.counts().missed == 0


@pytest.mark.e2e
def test_dockers_namespace_is_left_to_docker_while_that_is_followed(
    lab: Lab, containerd: Containerd
) -> None:
    containerd.import_image(lab.directory / "image" / "docker.tar", DOCKERS_NAMESPACE)

    def run(name: str, namespace: str) -> str:
        runc = f"--runc-root={containerd.runc_root}"
        containerd.ctr("run", "--rm", runc, IMAGE, name, "true", namespace=namespace)
        return name

    with following(sockets_below(lab.directory / "containerd")) as heard:
        heard.await_source("containerd", available=True)
        dockers = run(unique("dockers"), DOCKERS_NAMESPACE)
        heard.await_actions(run(unique("own"), "default"), "create", "start", "die", "destroy")
        assert not heard.actions(dockers)
        heard.in_loop(lambda: heard.streams.follow(frozenset({Witness.CONTAINERD})))
        until(lambda: heard.counts().connects and heard.counts().events == 0, "another stream")
        again = run(unique("dockers"), DOCKERS_NAMESPACE)
        heard.await_actions(again, "create", "start", "die", "destroy")


@pytest.mark.e2e
def test_what_runs_is_listed_and_a_restarted_engine_is_heard_again(
    lab: Lab, containerd: Containerd
) -> None:
    identity = unique("stays")
    containerd.run(identity, options=("--detach",))
    with following(sockets_below(lab.directory / "containerd")) as heard:
        heard.await_source("containerd", available=True)
        assert heard.actions(identity) == ["running"]
        assert heard.events(identity)[0].namespace == "default"
        containerd.daemon.stop(signal.SIGKILL)
        heard.await_source("containerd", available=False)
        containerd.start()
        heard.await_source("containerd", available=True, timeout=30)
        assert heard.actions(identity) == ["running", "running"]
        another = unique("after")
        containerd.run(another, "true")
        heard.await_actions(another, "create", "start", "die", "destroy")


@pytest.mark.e2e
def test_a_hung_engine_is_lost_and_hinders_no_other(
    lab: Lab, containerd: Containerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "SILENCE", 0.2)
    monkeypatch.setattr(stream, "PING_WAIT", 0.5)
    monkeypatch.setattr(stream, "CONNECT_WAIT", 0.5)
    with following(sockets_below(lab.directory / "containerd")) as heard:
        heard.await_source("containerd", available=True)
        os.kill(containerd.daemon.pid, signal.SIGSTOP)
        try:
            heard.await_source("containerd", available=False)
        finally:
            os.kill(containerd.daemon.pid, signal.SIGCONT)
        heard.await_source("containerd", available=True, timeout=30)
        os.kill(containerd.daemon.pid, signal.SIGSTOP)
    os.kill(containerd.daemon.pid, signal.SIGCONT)
    assert heard.stopped_in < 0.5


@pytest.mark.e2e
@pytest.mark.usefixtures("containerd")
def test_the_source_says_what_to_install(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h2", None)
    for name in ("containerd", "grpc"):
        monkeypatch.delitem(sys.modules, f"sensor.sources.engines.{name}")
    with following(sockets_below(lab.directory / "containerd")) as heard:
        lost = heard.await_source("containerd", available=False)
        assert lost.reason is not None
        assert lost.reason.endswith("apt-get install python3-h2")
