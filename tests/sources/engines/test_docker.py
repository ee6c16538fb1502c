"""Docker's events: the API's messages, and a real dockerd that dies, hangs and moves away."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import pytest

from lab.dockerd import Dockerd
from lab.engines import Lab, unique
from lab.image import IMAGE
from lab.waiting import until
from sensor.model.vocabulary import Witness
from sensor.sources.engines import stream
from sensor.sources.engines.docker_messages import (
    Malformed,
    decode_event,
    decode_list,
    events_target,
)
from sensor.sources.engines.listeners import EngineSocket
from tests.sources.engines.following import following, sockets_below

ID = "ab" * 32
BASE: dict[str, Any] = {
    "Type": "container",
    "Action": "start",
    "Actor": {"ID": ID, "Attributes": {"image": "busybox:1", "name": "web"}},
    "timeNano": 1_795_495_109_606_974_445,
}


def line(**changes: object) -> bytes:
    return json.dumps({**BASE, **changes}).encode()


def test_event_is_read_with_its_name_image_and_time() -> None:
    event = decode_event(line(), Witness.DOCKER, 7)
    assert event is not None
    assert (event.action, event.id, event.name, event.image) == ("start", ID, "web", "busybox:1")
    assert (event.time, event.engine_wall) == (7, 1_795_495_109_606_974_445)
    assert event.exit_code is None
    assert event.labels == ()


def test_compose_labels_are_kept_and_others_are_not() -> None:
    labels = {"com.docker.compose.project": "shop", "secret": "x", "com.docker.compose.service": 3}
    actor = {"ID": ID, "Attributes": labels}
    event = decode_event(line(Actor=actor), Witness.DOCKER, 0)
    assert event is not None
    assert event.labels == (("com.docker.compose.project", "shop"),)
    assert event.name is None
    assert event.image is None


def test_exit_code_belongs_to_an_end_alone() -> None:
    actor = {"ID": ID, "Attributes": {"exitCode": "137"}}
    died = decode_event(line(Action="die", Actor=actor), Witness.DOCKER, 0)
    started = decode_event(line(Actor=actor), Witness.DOCKER, 0)
    assert died is not None
    assert died.exit_code == 137
    assert started is not None
    assert started.exit_code is None


@pytest.mark.parametrize(
    ("action", "expected"),
    [("died", "die"), ("remove", "destroy"), ("restore", "start"), ("unpause", "unpause")],
)
def test_podmans_words_are_dockers(action: str, expected: str) -> None:
    event = decode_event(line(Action=action), Witness.PODMAN, 0)
    assert event is not None
    assert event.action == expected


@pytest.mark.parametrize("action", ["exec_start: sh", "attach", "health_status: healthy", "top"])
def test_other_actions_are_of_no_interest(action: str) -> None:
    assert decode_event(line(Action=action), Witness.DOCKER, 0) is None


def test_events_about_other_things_are_of_no_interest() -> None:
    assert decode_event(line(Type="network"), Witness.DOCKER, 0) is None


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"{",
        b"[]",
        b"17",
        b"\xff\xfe",
        b"[" * 100_000,
        line(Actor=None),
        line(Actor={"ID": ID, "Attributes": 3}),
        line(Actor={"ID": ID[:12], "Attributes": {}}),
        line(Actor={"ID": "../../etc", "Attributes": {}}),
        line(Actor={"ID": 5, "Attributes": {}}),
    ],
)
def test_garbage_is_malformed(garbage: bytes) -> None:
    with pytest.raises(Malformed):
        decode_event(garbage, Witness.DOCKER, 0)


def test_overlong_text_is_unknown() -> None:
    actor = {"ID": ID, "Attributes": {"name": "n" * 5000, "image": "i"}}
    event = decode_event(line(Actor=actor), Witness.DOCKER, 0)
    assert event is not None
    assert event.name is None
    assert event.image == "i"


def test_list_shows_what_runs_by_its_own_name() -> None:
    def container(state: str, number: int) -> dict[str, object]:
        identity = f"{number:064x}"
        return {"Id": identity, "State": state, "Names": ["/other/db", "/db"], "Image": "b:1"}

    body = json.dumps(
        [container("running", 1), container("paused", 2), container("restarting", 3)]
    ).encode()
    found = decode_list(body, Witness.DOCKER, 9)
    assert [(event.id, event.action) for event in found] == [
        (f"{1:064x}", "running"),
        (f"{2:064x}", "running"),
    ]
    assert found[0].name == "db"
    assert found[0].engine_wall is None


@pytest.mark.parametrize("body", [b"{}", b"null", b"[3]", b'[{"State": "running"}]'])
def test_a_list_that_is_none_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        decode_list(body, Witness.DOCKER, 0)


def test_subscription_overlaps_with_what_was_heard_before() -> None:
    target = events_target(Witness.PODMAN, 1_700_000_000_500_000_000)
    filters = quote('{"type":["container"]}', safe="")
    assert target == f"/events?since=1700000000.499000000&filters={filters}"


def test_docker_is_not_asked_for_what_its_health_checks_do() -> None:
    filters = json.loads(parse_qs(events_target(Witness.DOCKER, 0))["filters"][0])
    assert {"start", "restart", "die", "restore"} < set(filters["event"])
    assert not {"exec_create", "exec_start", "exec_die", "attach"} & set(filters["event"])
    past = json.loads(parse_qs(events_target(Witness.DOCKER, 0, 9))["filters"][0])
    assert past == {"type": ["container"]}, "of its past all that it remembers is of use"


# ------------------------------------------------------------------------- with a real dockerd


@pytest.mark.e2e
def test_life_of_a_container_is_reported(lab: Lab, dockerd: Dockerd) -> None:
    with following(sockets_below(lab.directory / "docker")) as heard:
        heard.await_source("docker", available=True)
        label = "com.docker.compose.project=shop"
        container = dockerd.run("--name=web", f"--label={label}", "--net=none", IMAGE)
        dockerd.cli("pause", container)
        dockerd.cli("unpause", container)
        dockerd.cli("restart", "--time=0", container)
        dockerd.cli("exec", container, "true")
        dockerd.cli("kill", container)
        dockerd.cli("start", container)
        dockerd.remove([container])
        events = heard.await_actions(
            container,
            *("start", "pause", "unpause", "die", "start", "restart", "die", "start", "die"),
        )
        assert {event.name for event in events} == {"web"}
        assert {event.image for event in events} == {IMAGE}
        assert {event.labels for event in events} == {(("com.docker.compose.project", "shop"),)}
        assert [event.exit_code for event in events if event.action == "die"] == [137, 137, 137]
        counts = heard.counts()
        assert (counts.malformed, counts.missed, counts.repeated) == (0, 0, 0)
        # The exec and the kill are not even sent.
        assert counts.ignored == 0


@pytest.mark.e2e
def test_what_runs_is_listed_after_each_connect(lab: Lab, dockerd: Dockerd) -> None:
    running = dockerd.run("--name=up", "--net=none", IMAGE)
    paused = dockerd.run("--net=none", IMAGE)
    dockerd.cli("pause", paused)
    ended = dockerd.run("--net=none", IMAGE, "true")
    dockerd.await_exit(ended)
    with following(sockets_below(lab.directory / "docker")) as heard:
        heard.await_source("docker", available=True)
        assert {(e.id, e.action, e.name == "up") for e in heard.events()} == {
            (running, "running", True),
            (paused, "running", False),
        }
    dockerd.cli("unpause", paused)


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_restarted_engine_is_heard_again(
    lab: Lab, dockerd: Dockerd, number: signal.Signals
) -> None:
    with following(sockets_below(lab.directory / "docker")) as heard:
        heard.await_source("docker", available=True)
        inode = dockerd.address.stat().st_ino
        # Kept in use: the file system could give the next socket the number of this one.
        (lab.directory / "docker" / unique("socket")).hardlink_to(dockerd.address)
        dockerd.stop(number)
        lost = heard.await_source("docker", available=False)
        assert lost.reason is not None
        assert lost.reason.startswith(f"{dockerd.address}: ")
        dockerd.start()
        heard.await_source("docker", available=True, timeout=30)
        container = dockerd.run("--net=none", IMAGE)
        heard.await_actions(container, "start")
        if number is signal.SIGTERM:
            assert dockerd.address.stat().st_ino != inode
        dockerd.remove([container])


@pytest.mark.e2e
def test_events_of_a_lost_connection_are_reported_once(lab: Lab, dockerd: Dockerd) -> None:
    scan = sockets_below(lab.directory / "docker")
    moved = [False]

    def scan_twice() -> tuple[EngineSocket, ...]:
        """From the switch on, show the same sockets behind another process: all is dialled anew."""
        found = scan()
        return tuple(replace(one, pid=os.getpid()) for one in found) if moved[0] else found

    with following(scan_twice) as heard:
        heard.await_source("docker", available=True)
        first = dockerd.run("--net=none", IMAGE, "true")
        heard.await_actions(first, "start", "die")
        dockerd.await_exit(first)
        moved[0] = True
        heard.loop.call_soon_threadsafe(heard.streams.wake)
        until(lambda: heard.counts().connects == 2, "a second subscription")
        second = dockerd.run("--net=none", IMAGE, "true")
        heard.await_actions(second, "start", "die")
        assert heard.actions(first) == ["start", "die"]
        counts = heard.counts()
        assert counts.repeated > 0
        assert counts.missed == 0


@pytest.mark.e2e
def test_a_hung_engine_is_lost_and_hinders_no_other(
    lab: Lab, dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "SILENCE", 0.2)
    monkeypatch.setattr(stream, "PING_WAIT", 0.5)
    monkeypatch.setattr(stream, "CONNECT_WAIT", 0.5)
    with following(sockets_below(lab.directory / "docker")) as heard:
        heard.await_source("docker", available=True)
        os.kill(dockerd.daemon.pid, signal.SIGSTOP)
        try:
            lost = heard.await_source("docker", available=False)
            assert lost.reason == f"{dockerd.address}: no answer: the engine hangs"
            failures = heard.counts().failures
            until(lambda: heard.counts().failures > failures, "another attempt")
        finally:
            os.kill(dockerd.daemon.pid, signal.SIGCONT)
        heard.await_source("docker", available=True, timeout=30)
        os.kill(dockerd.daemon.pid, signal.SIGSTOP)
    os.kill(dockerd.daemon.pid, signal.SIGCONT)
    assert heard.stopped_in < 0.5


@pytest.mark.e2e
def test_a_socket_that_was_replaced_is_noticed(lab: Lab, dockerd: Dockerd) -> None:
    with following(sockets_below(lab.directory / "docker")) as heard:
        heard.await_source("docker", available=True)
        dockerd.stop(signal.SIGKILL)
        heard.await_source("docker", available=False)
        Path(dockerd.address).unlink()
        dockerd.start()
        heard.loop.call_soon_threadsafe(heard.streams.wake)
        heard.await_source("docker", available=True, timeout=30)
