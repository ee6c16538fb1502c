"""Requests without a container's name, refused ones, idle ones: which of them may be a cause."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.model.api_calls import ApiAnswer, ApiConnect, ApiRequest, Caller, ConnectionClosed
from sensor.model.vocabulary import Engine, Trigger
from tests.correlate.cases import (
    ANN,
    BOB,
    BY_API,
    BY_PERSON,
    EXACT,
    INFERRED,
    NONE,
    START,
    cause,
    evidence,
    poll,
    starts,
    task,
)
from tests.correlate.observations import (
    DOCKER_SOCKET,
    asks,
    caller,
    connects,
    ended,
    ns,
    requests,
    talks,
    typed,
)
from tests.correlate.scenario import DB, WEB, Core

OTHERS = [
    "docker build -t x .",
    "docker image build .",
    "docker stack deploy -c f s",
    "docker service scale svc=2",
    "docker plugin enable p",
    "docker swarm init",
    "podman --url unix:///run/podman/podman.sock kube play pod.yaml",
    "podman --url unix:///run/podman/podman.sock play kube pod.yaml",
    "podman quadlet install web.container",
]


@pytest.mark.parametrize("line", OTHERS)
def test_a_connected_client_of_another_verb_is_a_candidate(core: Core, line: str) -> None:
    """classic-build."""
    podman = line.startswith("podman")
    socket = "/run/podman/podman.sock" if podman else DOCKER_SOCKET
    core >> asks(0, line, ANN, socket=socket)
    core >> starts(WEB, 10, engine=Engine.PODMAN if podman else Engine.DOCKER)
    assert cause(core.start) == (BY_PERSON, INFERRED, ANN)


HARMLESS = ["docker ps", "docker logs -f x", "docker service ls", "docker events", "docker rm x"]


@pytest.mark.parametrize("line", HARMLESS)
def test_a_client_whose_verb_starts_nothing_is_none(core: Core, line: str) -> None:
    core >> asks(0, line, ANN) >> starts(WEB, 10)
    assert cause(core.start) == (Trigger.UNKNOWN, NONE, None)


def test_a_followed_build_that_asked_for_no_start_is_a_candidate_all_the_time_it_is_connected(
    core: Core,
) -> None:
    """Its request starts containers, and its path does not say so: it is not reported."""
    build = typed(0, "docker build .", ANN)
    core >> build >> replace(talks(build), connection=7) >> starts(WEB, 10)
    core >> ConnectionClosed(ns(20), "r", 7) >> starts(DB, 5000)
    assert [cause(event)[2] for event in core.starts] == [ANN, None]


def test_an_unconnected_client_of_another_verb_is_not_a_candidate(core: Core) -> None:
    core >> asks(0, "docker ps", BOB) >> typed(1, "docker build .", ANN) >> starts(WEB, 10)
    assert cause(core.start) == (Trigger.UNKNOWN, NONE, None)


def test_a_monitor_that_polls_started_nothing(core: Core) -> None:
    """monitor-that-polls: many short connections, and one that stays."""
    for number in range(9):
        core >> poll(number, 100 + number)
    core >> asks(4, "docker build .", ANN) >> starts(WEB, 10)
    assert cause(core.start) == (BY_PERSON, INFERRED, ANN)


def test_a_poller_alone_is_not_a_cause(core: Core) -> None:
    core >> poll(0, 100) >> ConnectionClosed(ns(1), "r", 100) >> poll(2, 101) >> starts(WEB, 10)
    assert cause(core.start) == (Trigger.UNKNOWN, NONE, None)


INDIRECT = ["/build?t=x", "/libpod/play/kube", "/libpod/pods/p/start", "/plugins/x/enable"]


@pytest.mark.parametrize("path", INDIRECT)
def test_a_request_that_names_no_container_may_have_caused_it(core: Core, path: str) -> None:
    """classic-build, the same kind: what a program asks itself, long before, beside a poller."""
    core >> followed(0, caller(77), 1) >> request(1, caller(77), f"POST {path}", 1)
    core >> poll(20_000, 100) >> starts(WEB, 20_500)
    assert cause(core.start) == (BY_API, INFERRED, 77)
    assert "API request" in evidence(core.start)


def test_a_build_of_docker_starts_no_container_of_podman(core: Core) -> None:
    """classic-build, the same kind: two engines on one host."""
    core >> replace(followed(0, caller(77), 1), engine=Engine.DOCKER)
    core >> request(1, caller(77), "POST /build", 1)
    core >> starts(WEB, 5_000, engine=Engine.PODMAN)
    assert cause(core.start) == (Trigger.UNKNOWN, NONE, None)


def test_a_caller_of_docker_is_not_a_candidate_for_a_container_of_podman(core: Core) -> None:
    """Podman's service may listen at that path, too: who listens decides."""
    core >> replace(connects(0, caller(77)), engine=Engine.DOCKER)
    core >> starts(WEB, 10, engine=Engine.PODMAN)
    core >> replace(connects(5_000, caller(78)), engine=Engine.PODMAN)
    core >> starts(DB, 5_010, engine=Engine.PODMAN)
    assert [cause(one)[2] for one in core.starts] == [None, 78]


def test_a_build_goes_on_when_it_was_answered(core: Core) -> None:
    core >> followed(0, caller(77), 1) >> request(1, caller(77), "POST /build", 1)
    core >> answer(50, "200 OK", 1) >> starts(WEB, 20_500) >> ConnectionClosed(ns(21_000), "r", 1)
    core >> starts(DB, 22_000)
    first, second = core.starts
    assert cause(first) == (BY_API, INFERRED, 77)
    assert cause(second) == (Trigger.UNKNOWN, NONE, None)


def test_a_build_whose_client_ended_is_over(core: Core) -> None:
    """Where no program sees the end of its connection."""
    build = typed(0, "docker build .", ANN)
    core >> build >> replace(talks(build), connection=1)
    core >> request(1, talks(build).caller, "POST /build", 1) >> answer(50, "200 OK", 1)
    core >> ended(3000, build) >> starts(WEB, 5000)
    assert cause(core.start) == (Trigger.UNKNOWN, NONE, None)


def test_a_build_is_not_a_cause_for_ever(core: Core) -> None:
    core >> followed(0, caller(77), 1) >> request(1, caller(77), "POST /build", 1)
    core >> answer(50, "200 OK", 1) >> starts(WEB, 120_000)
    assert cause(core.start) == (Trigger.UNKNOWN, NONE, None)


def test_what_was_refused_or_done_started_nothing(core: Core) -> None:
    for number, status in enumerate(("500 Internal Server Error", "200 OK"), start=1):
        core >> followed(number, caller(70 + number), number)
        core >> request(number, caller(70 + number), "POST /libpod/pods/p/start", number)
        core >> answer(number + 10, status, number)
        core >> ConnectionClosed(ns(number + 11), "r", number)
    core >> starts(WEB, 200)
    assert cause(core.start) == (Trigger.UNKNOWN, NONE, None)


@pytest.mark.parametrize("path", ["/services/create", "/services/svc/update?version=2"])
def test_a_program_may_have_asked_for_a_service(core: Core, path: str) -> None:
    """swarm-service, the same kind: by the engine's API."""
    core >> followed(0, caller(77), 1) >> request(1, caller(77), f"POST {path}", 1)
    core >> answer(5, "201 Created", 1) >> ConnectionClosed(ns(6), "r", 1)
    core >> starts(WEB, 900, labels=task("t1"))
    assert cause(core.start) == (Trigger.ORCHESTRATOR, INFERRED, 77)


@pytest.mark.parametrize("ours", [True, False])
def test_the_answer_shows_which_service_a_request_made(core: Core, *, ours: bool) -> None:
    """swarm-service, the same kind: two programs make a service each."""
    made, other = "8zents19wjdve0t37wgj2lmxu", "gtm2efz1nncxe3vq2fj0qmnbz"
    for number, (pid, id_) in enumerate(((77, made), (78, other)), start=1):
        core >> followed(number, caller(pid), number)
        core >> request(number, caller(pid), "POST /services/create", number)
        body = f'{{"ID":"{id_}"}}\n'
        text = f"HTTP/1.1 201 Created\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        core >> ApiAnswer(ns(number + 5), "r", number, DOCKER_SOCKET, text, offset=0)
    labels = dict(task("t1")) | {"com.docker.swarm.service.id": made if ours else other}
    core >> starts(WEB, 900, labels=tuple(labels.items()))
    assert cause(core.start) == (Trigger.ORCHESTRATOR, INFERRED, 77 if ours else 78)


def test_a_request_about_another_service_asked_for_no_task_of_this_one(core: Core) -> None:
    core >> followed(0, caller(77), 1)
    core >> request(1, caller(77), "POST /services/other/update?version=2", 1)
    core >> starts(WEB, 900, labels=task("t1"))
    assert cause(core.start) == (Trigger.ORCHESTRATOR, NONE, None)


def request(at: float, who: Caller, line: str, connection: int) -> ApiRequest:
    text = f"{line} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n".encode()
    return replace(requests(at, who, text), connection=connection, offset=0)


def followed(at: float, who: Caller, connection: int) -> ApiConnect:
    return replace(connects(at, who), connection=connection)


def answer(at: float, status: str, connection: int) -> ApiAnswer:
    text = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    return ApiAnswer(ns(at), f"r:{at:g}", connection, DOCKER_SOCKET, text, offset=0)


REFUSALS = ["400 Bad Request", "404 Not Found", "409 Conflict", "500 Internal Server Error"]


@pytest.mark.parametrize("status", REFUSALS)
def test_a_request_that_was_refused_is_not_a_cause(core: Core, status: str) -> None:
    """sec-refused-request-is-exact."""
    alice, bob = caller(ANN), caller(BOB)
    core >> followed(0, alice, 1) >> request(1, alice, START, 1) >> answer(2, status, 1)
    core >> followed(5000, bob, 2)
    restart = request(5001, bob, "POST /v1.41/containers/web/restart?t=0", 2)
    core >> replace(restart, payload=restart.payload[:1])
    core >> replace(restart, time=ns(5050), payload=restart.payload[1:], offset=1)
    core >> starts(WEB, 5060)
    assert cause(core.start)[2] == BOB


def test_a_request_that_was_answered_is_used_up(core: Core) -> None:
    """A start that failed in the morning does not cause the one in the afternoon."""
    core >> followed(0, caller(ANN), 1) >> request(1, caller(ANN), START, 1)
    core >> answer(20, "204 No Content", 1)
    core >> followed(5000, caller(BOB), 2) >> request(5001, caller(BOB), START, 2)
    core >> starts(WEB, 5060)
    assert cause(core.start) == (BY_API, EXACT, BOB)
