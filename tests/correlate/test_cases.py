"""Situations that people meet, each with its variants: who caused the start, and of what kind.

A test names the case that it shows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sensor.model.api_calls import (
    ApiAnswer,
    ApiConnect,
    ApiHop,
    ApiRequest,
    Caller,
    ConnectionClosed,
)
from sensor.model.container import EngineRecord
from sensor.model.events import Event, Initiator
from sensor.model.inventory import ContainerDescribed
from sensor.model.observations import Observation
from sensor.model.process import Ancestor, CgroupPaths, ProcessKey
from sensor.model.vocabulary import (
    Confidence,
    ContainerId,
    Engine,
    Role,
    StartKind,
    Trigger,
    Witness,
)
from sensor.model.witness_records import EngineEvent
from tests.correlate.scenario import (
    DB,
    DOCKER_SOCKET,
    SESSION,
    SHIM,
    WEB,
    Box,
    Core,
    ancestor,
    asks,
    below,
    caller,
    command,
    connects,
    described,
    ended,
    engine_boots,
    facts,
    ns,
    numbered,
    reported,
    requests,
    supervised,
    talks,
    typed,
    wall,
)

ANN, BOB, MALLORY = 50, 51, 52
CONTAINERD = "/run/containerd/containerd.sock"
EXACT, INFERRED, NONE = Confidence.EXACT, Confidence.INFERRED, Confidence.NONE
BY_PERSON, BY_API = Trigger.USER_COMMAND, Trigger.API_CLIENT


@pytest.fixture
def core() -> Core:
    return Core()


def starts(box: Box, at: float, **identity: Any) -> list[Observation]:
    """An engine's container starts: its runtime runs below a shim."""
    return [below(box.create(at), SHIM), described(at + 1, box, **identity), box.execs(at + 5)]


def cause(event: Event) -> tuple[Trigger, Confidence, int | None]:
    """The trigger, how sure the initiator is, and its pid."""
    assert event.start is not None
    return event.start.trigger, event.confidence.initiator, pid_of(event.initiator)


def pid_of(who: Initiator | None) -> int | None:
    return who.process.pid if who is not None and who.process is not None else None


def kind(event: Event) -> StartKind:
    assert event.start is not None
    return event.start.kind


def evidence(event: Event) -> list[str]:
    return [one.what for one in event.evidence]


# ------------------------------------------------------------------ compose-v2-up

PROJECT = (
    ("com.docker.compose.project", "proj"),
    ("com.docker.compose.service", "web"),
    ("com.docker.compose.project.working_dir", "/home/ann"),
)
PLUGIN_LINES = {
    "script": "/bin/sh docker-compose compose up -d",
    "binary": "docker-compose compose up -d",
}


def plugged(at: float, verb: str, line: str = "docker-compose compose") -> list[Observation]:
    """Compose v2: the typed command runs a plugin, and the plugin talks to the engine."""
    outer = typed(at, f"docker compose {verb}", ANN)
    above = (ancestor("docker", ANN, at), ancestor("bash", 40))
    argv = (*line.split(), *verb.split())
    inner = replace(typed(at + 1, argv, BOB, above=above, login=None), program="docker-compose")
    asked = replace(talks(inner).caller)
    post = requests(at + 3, asked, f"POST /v1.41/containers/{WEB.id}/start")
    return [outer, inner, talks(inner), post]


@pytest.mark.parametrize("read", [True, False], ids=["request-read", "request-not-read"])
def test_the_plugin_of_a_client_and_the_client_are_one_cause(core: Core, *, read: bool) -> None:
    """compose-v2-up."""
    story = plugged(0, "up -d")
    core >> (story if read else story[:-1]) >> starts(WEB, 10, labels=PROJECT)
    assert cause(core.start) == (BY_PERSON, EXACT, ANN)
    assert core.start.initiator is not None
    assert core.start.initiator.user is not None
    assert core.start.initiator.user.auid == 1000
    assert {"docker command", "docker-compose command"} <= set(evidence(core.start))


def test_compose_commands_say_of_which_kind_a_start_is(core: Core) -> None:
    core >> plugged(0, "up -d") >> starts(WEB, 10, labels=PROJECT)
    restart = plugged(1000, "restart web")[:-1]
    again, third = WEB.again(), WEB.again().again()
    core >> restart >> WEB.exits(1100) >> starts(again, 1200, labels=PROJECT)
    core >> again.exits(5000)
    core >> plugged(9000, "start web") >> starts(third, 9010, labels=PROJECT)
    assert [kind(event) for event in core.starts] == ["first", "restart", "reactivation"]
    assert [cause(event)[1] for event in core.starts] == [EXACT] * 3


def test_a_plugin_that_is_not_a_client_is_its_clients(core: Core) -> None:
    """The same kind: buildx, scout and others are the client's children, too."""
    outer = typed(0, "docker buildx build .", ANN)
    plugin = caller(BOB, 1, comm="docker-buildx", above=(ancestor("docker", ANN, 0),))
    core >> outer >> connects(2, plugin) >> starts(WEB, 10)
    assert cause(core.start) == (BY_PERSON, INFERRED, ANN)


# ------------------------------------------------------ classic-build, monitor-that-polls

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


def poll(at: float, pid: int) -> ApiConnect:
    """A connection that is followed, and asks for nothing that may start a container."""
    return replace(connects(at, caller(pid, at, comm="curl")), connection=pid)


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


# ------------------------------------------------------------------ relay-to-the-socket


def relay(at: float, pid: int, comm: str = "socat") -> Caller:
    return caller(pid, at, comm=comm, exe=f"/usr/bin/{comm}", login=None, uid=0)


def hop(at: float, through: Caller, who: Caller) -> ApiHop:
    assert through.start_time is not None
    key = ProcessKey(through.pid, through.start_time)
    return ApiHop(ns(at), Witness.KERNEL, f"r:{at:g}", key, who, "tcp:127.0.0.1:23750")


START = f"POST /v1.41/containers/{WEB.id}/start"


def test_a_client_behind_a_relay_is_the_cause_and_the_relay_its_evidence(core: Core) -> None:
    """relay-to-the-socket."""
    client = typed(0, "docker -H tcp://127.0.0.1:23750 run -d --name web bb", ANN)
    through = relay(2, 80)
    core >> client >> connects(2, through) >> hop(3, through, talks(client).caller)
    core >> requests(4, through, START) >> starts(WEB, 10)
    assert cause(core.start) == (BY_PERSON, EXACT, ANN)
    assert "passed on by socat" in evidence(core.start)


def test_a_relay_that_forks_for_each_connection_is_followed_by_its_parent(core: Core) -> None:
    parent = relay(0, 79)
    child = replace(relay(12, 80), ancestors=(ancestor("socat", 79, 0),))
    curl, other = caller(77, 1, comm="curl"), caller(78, 1, comm="curl")
    core >> hop(5, parent, other) >> hop(11, parent, curl) >> connects(13, child)
    core >> requests(14, child, START) >> starts(WEB, 20)
    assert cause(core.start) == (BY_API, EXACT, 77)


PANEL = replace(caller(79, -60_000, comm="jenkins"), exe="python3")
"""A program that asks an engine of its own accord, and listens itself."""

BELOW_PANEL = (ancestor("python3", 79, -60_000),)


def test_what_a_program_executes_was_not_asked_by_who_is_connected_to_it(core: Core) -> None:
    """relay-to-the-socket, the other way: a build server that runs a script of the same file."""
    script = replace(caller(80, 5_000, above=BELOW_PANEL), exe="python3")
    core >> connects(0, PANEL) >> hop(1, PANEL, caller(77, -90_000)) >> connects(5_001, script)
    core >> requests(5_002, script, START) >> starts(WEB, 5_010)
    assert cause(core.start) == (BY_API, EXACT, 80)


def test_a_command_below_a_program_was_not_asked_by_who_is_connected_to_it(core: Core) -> None:
    run = typed(5_000, "docker run -d --name web bb", ANN, above=BELOW_PANEL)
    core >> connects(0, PANEL) >> hop(4_990, PANEL, caller(77, -90_000)) >> run
    core >> talks(run) >> requests(5_002, talks(run).caller, START) >> starts(WEB, 5_010)
    assert cause(core.start) == (BY_PERSON, EXACT, ANN)


def test_a_relay_that_another_one_executes_is_followed_by_its_parent(core: Core) -> None:
    """The same kind: ``socat TCP-LISTEN:…,fork EXEC:"nc -U …"``."""
    child = replace(relay(12, 80, "nc"), ancestors=(ancestor("socat", 79, 0),))
    core >> hop(11, relay(0, 79), caller(77, 1, comm="curl")) >> connects(13, child)
    core >> requests(14, child, START) >> starts(WEB, 20)
    assert cause(core.start) == (BY_API, EXACT, 77)


def test_a_caller_behind_two_relays_is_the_cause(core: Core) -> None:
    """The same kind: haproxy before socat."""
    curl, front, back = caller(77, 0, comm="curl"), relay(1, 80, "haproxy"), relay(1, 81)
    core >> connects(2, back) >> hop(3, back, front) >> hop(3, front, curl)
    core >> requests(4, back, START) >> starts(WEB, 10)
    assert cause(core.start) == (BY_API, EXACT, 77)
    assert {"passed on by socat", "passed on by haproxy"} <= set(evidence(core.start))


def test_a_client_that_procfs_finds_behind_a_relay_is_that_client(core: Core) -> None:
    """Procfs rounds start times down to clock ticks."""
    client = typed(3, "docker -H tcp://127.0.0.1:23750 run -d --name web bb", ANN)
    found = replace(talks(client).caller, start_time=ns(0), argv=client.argv)
    through = relay(2, 80)
    seen = replace(hop(6, through, found), witness=Witness.PROCFS)
    core >> client >> connects(5, through) >> requests(5.5, through, START) >> seen
    core >> starts(WEB, 10)
    assert cause(core.start) == (BY_PERSON, EXACT, ANN)


def looked(at: float, through: Caller, who: Caller) -> ApiHop:
    """What a look at the relay's sockets shows, when a request of that time is read."""
    return replace(hop(at, through, who), witness=Witness.PROCFS)


def test_a_client_that_left_a_relay_asked_for_nothing_later(core: Core) -> None:
    """relay-to-the-socket: haproxy sends what several ask over one connection."""
    through = relay(0, 80, "haproxy")
    run = typed(0, "docker -H tcp://127.0.0.1:23750 run -d --name web bb", ANN)
    core >> connects(0, through) >> run >> hop(1, through, talks(run).caller)
    core >> requests(2, through, START) >> starts(WEB, 10) >> ended(20, run)
    core >> hop(1000, through, caller(77, 999, comm="curl"))
    core >> requests(1001, through, f"POST /containers/{WEB.id}/restart?t=0")
    core >> WEB.exits(1100) >> starts(WEB.again(), 1200)
    assert cause(core.starts[-1]) == (BY_API, EXACT, 77)


def test_who_left_a_relay_before_it_was_looked_at_makes_the_others_inferred(core: Core) -> None:
    through, there, gone = relay(0, 80, "haproxy"), caller(77, 1), caller(78, 2)
    core >> connects(0, through) >> hop(1, through, gone) >> hop(2, through, there)
    core >> requests(4, through, START) >> looked(4, through, there) >> starts(WEB, 10)
    assert cause(core.start) == (BY_API, INFERRED, 77)


def test_who_is_only_connected_to_a_program_asked_it_for_nothing(core: Core) -> None:
    """relay-to-the-socket, the other way: a panel that listens acts of its own accord, too."""
    panel, scraper = caller(80, -60_000, comm="portainer"), caller(78, -90_000)
    core >> connects(0, panel) >> hop(1, panel, scraper)
    core >> requests(60_000, panel, START) >> looked(60_000, panel, scraper)
    core >> starts(WEB, 60_010)
    assert cause(core.start) == (BY_API, INFERRED, 80)


def test_who_came_to_a_program_right_before_its_request_is_the_cause(core: Core) -> None:
    panel, scraper = caller(80, -60_000, comm="portainer"), caller(78, -90_000)
    core >> connects(0, panel) >> hop(1, panel, scraper)
    core >> hop(59_900, panel, caller(77, -500, comm="firefox"))
    core >> requests(60_000, panel, START) >> looked(60_000, panel, scraper)
    core >> looked(60_000, panel, caller(77, -500, comm="firefox")) >> starts(WEB, 60_010)
    assert cause(core.start) == (BY_API, INFERRED, 77)


def test_a_client_that_waits_behind_a_program_may_have_asked(core: Core) -> None:
    program = caller(80, -60_000, comm="python3")
    run = typed(0, "docker -H tcp://127.0.0.1:23750 run -d bb", ANN)
    core >> connects(0, program) >> run >> hop(1, program, talks(run).caller)
    core >> requests(60_000, program, START) >> looked(60_000, program, talks(run).caller)
    core >> starts(WEB, 60_010)
    assert cause(core.start)[1:] == (Confidence.AMBIGUOUS, None)
    assert {one.process.pid for one in core.start.candidates if one.process} == {80, ANN}


def test_beside_a_client_of_another_host_no_client_behind_a_relay_is_certain(core: Core) -> None:
    through = relay(0, 80, "haproxy")
    core >> connects(0, through) >> hop(1, through, caller(77, 0))
    core >> requests(4, through, START)
    core >> replace(looked(4, through, caller(77, 0)), alone=False) >> starts(WEB, 10)
    assert cause(core.start) == (BY_API, INFERRED, 77)


def test_of_several_behind_a_relay_the_one_whose_command_names_it_is_the_cause(core: Core) -> None:
    through, panel = relay(0, 80, "haproxy"), caller(77, 1)
    start = typed(2, "docker -H tcp://127.0.0.1:23750 start web", ANN)
    core >> connects(0, through) >> start
    core >> requests(4, through, START)
    core >> looked(4, through, panel) >> looked(4, through, talks(start).caller)
    core >> starts(WEB, 10)
    assert cause(core.start) == (BY_PERSON, EXACT, ANN)


def test_a_second_request_beside_that_of_a_relay_stays_a_candidate(core: Core) -> None:
    through = relay(0, 80, "haproxy")
    start = typed(2, "docker -H tcp://127.0.0.1:23750 start web", ANN)
    core >> connects(0, through) >> start >> requests(4, through, START)
    core >> looked(4, through, talks(start).caller)
    core >> connects(5, caller(77)) >> requests(6, caller(77), START) >> starts(WEB, 10)
    assert cause(core.start)[1:] == (Confidence.AMBIGUOUS, None)


@pytest.mark.parametrize("comm", ["socat", "haproxy", "sshd", "nginx"])
def test_a_relay_that_cannot_be_followed_is_inferred(core: Core, comm: str) -> None:
    core >> connects(2, relay(2, 80, comm)) >> requests(4, relay(2, 80, comm), START)
    core >> starts(WEB, 10)
    assert cause(core.start) == (BY_API, INFERRED, 80)


def test_the_far_end_of_an_ssh_connection_is_inferred(core: Core) -> None:
    """The same kind: DOCKER_HOST=ssh:// runs ``docker system dial-stdio`` on this node."""
    dial = typed(0, "docker system dial-stdio", ANN, above=(ancestor("sshd", 30),))
    core >> dial >> talks(dial) >> requests(4, talks(dial).caller, START) >> starts(WEB, 10)
    assert cause(core.start) == (BY_PERSON, INFERRED, ANN)


# ------------------------------------------------------------------ podman's helpers

POD = replace(WEB, path=f"/machine.slice/libpod-{WEB.id}.scope")


def by_conmon(box: Box, at: float, *above: Ancestor) -> list[Observation]:
    """A container of podman starts below its monitor."""
    return [
        below(box.create(at), ancestor("conmon", box.pid + 7, at - 5), *above),
        described(at + 1, box, engine=Engine.PODMAN),
        box.execs(at + 5),
    ]


CLEANUPS = {
    "as-podman-4": "/usr/bin/podman --root /r --runroot /x --log-level warning --cgroup-manager "
    "cgroupfs --tmpdir /t --runtime runc --storage-driver vfs --events-backend file container "
    "cleanup {id}",
    "with-rm": "podman --log-level=info container cleanup --rm {id}",
    "of-another-release": "podman --network-backend cni --new-option x container cleanup {id}",
}


@pytest.mark.parametrize("line", CLEANUPS.values(), ids=CLEANUPS)
def test_podmans_cleanup_below_its_monitor_is_the_restart_policy(core: Core, line: str) -> None:
    """podman-restart-policy."""
    box = POD
    core >> typed(0, "podman run -d --restart=on-failure:2 --name web bb false", ANN)
    core >> by_conmon(box, 10, ancestor("podman", ANN, 0)) >> box.exits(30, 1)
    again = box.again()
    monitor = ancestor("conmon", box.pid + 7, 5)
    helper = typed(40, line.format(id=box.id), BOB, above=(monitor,), uid=0)
    helper = replace(helper, program="podman")
    core >> helper >> by_conmon(again, 60, ancestor("podman", BOB, 40), monitor)
    first, second = core.starts
    assert cause(first) == (BY_PERSON, EXACT, ANN)
    assert cause(second) == (Trigger.RESTART_POLICY, NONE, None)
    assert second.confidence.trigger is EXACT
    assert kind(second) == "restart"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("podman start web", "reactivation"),
        ("podman start --attach {id}", "reactivation"),
        ("podman restart web", "restart"),
        ("podman ps", "restart"),
    ],
)
def test_podman_needs_no_connection_to_ask_for_a_start(
    core: Core, line: str, expected: str
) -> None:
    """podman-start-after-stop, on a node where connections to other engines are seen."""
    core >> asks(-100, "docker run -d --name other bb", BOB)
    core >> typed(0, "podman run --name web bb false", ANN)
    core >> by_conmon(POD, 10, ancestor("podman", ANN, 0))
    asked = typed(25, line.format(id=POD.id), MALLORY, uid=0)
    if "restart" in line:
        core >> asked >> POD.exits(30, 1)
    else:
        core >> POD.exits(20, 1) >> asked
    above = () if line == "podman ps" else (ancestor("podman", MALLORY, 25),)
    core >> by_conmon(POD.again(), 300, *above)
    assert kind(core.starts[-1]) == expected


@pytest.mark.parametrize("uid", [0, 1001])
def test_podman_of_another_user_asks_for_no_start(core: Core, uid: int) -> None:
    """podman-start-after-stop, typed by root and by a user who does not own it."""
    core >> asks(-100, "docker run -d --name other bb", BOB)
    core >> by_conmon(POD, 10, ancestor("podman", ANN, 0)) >> POD.exits(20, 1)
    core >> typed(25, "podman start web", MALLORY, uid=uid)
    core >> by_conmon(POD.again(), 300, ancestor("podman", ANN, 0))
    assert kind(core.starts[-1]) == ("reactivation" if uid == 0 else "restart")


SERVICES = [
    "podman system service --time 0 unix:///tmp/pod.sock",
    "podman --log-level error system service --time 0 unix:///tmp/pod.sock",
    "podman --log-level=error --root /r system service",
    "podman --cgroup-manager cgroupfs --events-backend none system service -t 0",
]


@pytest.mark.parametrize("line", SERVICES)
def test_podmans_service_is_an_engine_whatever_its_options(core: Core, line: str) -> None:
    """podman-service-options."""
    socket = "/tmp/pod.sock"
    core >> typed(0, line, ANN)
    core >> asks(5, "podman --url unix:///tmp/pod.sock run -d --name web bb", BOB, socket=socket)
    core >> by_conmon(POD, 10, ancestor("podman", ANN, 0)) >> POD.exits(30)
    curl = caller(77, 900, comm="curl")
    core >> connects(1000, curl, socket)
    core >> requests(1001, curl, "POST /v4.0.0/libpod/containers/web/restart?t=0", socket)
    core >> by_conmon(POD.again(), 1010, ancestor("podman", ANN, 0))
    first, second = core.starts
    assert cause(first) == (BY_PERSON, EXACT, BOB)
    assert cause(second) == (BY_API, EXACT, 77)


# ------------------------------------------------------------------ swarm-service and its like

SWARM = (
    ("com.docker.swarm.node.id", "n1"),
    ("com.docker.swarm.service.id", "s1"),
    ("com.docker.swarm.service.name", "svc"),
    ("com.docker.swarm.task", ""),
)


def task(id_: str, slot: str = "1") -> tuple[tuple[str, str], ...]:
    name = f"svc.{slot}.{id_}"
    return (*SWARM, ("com.docker.swarm.task.id", id_), ("com.docker.swarm.task.name", name))


NOMAD = (("com.hashicorp.nomad.alloc_id", "a1"), ("com.hashicorp.nomad.task_name", "web"))
ECS = (("com.amazonaws.ecs.task-arn", "arn:aws:ecs:x:1:task/t1"),
       ("com.amazonaws.ecs.container-name", "web"))  # fmt: skip
SLOTS = {"swarm": (task("t1"), task("t2")), "nomad": (NOMAD, NOMAD), "ecs": (ECS, ECS)}


@pytest.mark.parametrize(("labels", "next_labels"), SLOTS.values(), ids=SLOTS)
def test_an_orchestrators_replacement_is_a_restart_of_the_slot(
    core: Core, labels: tuple[tuple[str, str], ...], next_labels: tuple[tuple[str, str], ...]
) -> None:
    """swarm-service."""
    core >> starts(WEB, 0, labels=labels) >> WEB.exits(1000, signal=9)
    core >> starts(DB, 6000, labels=next_labels)
    first, second = core.starts
    assert [kind(event) for event in core.starts] == ["first", "restart"]
    assert [event.start.trigger for event in core.starts if event.start] == [
        Trigger.ORCHESTRATOR
    ] * 2
    assert [event.confidence.trigger for event in core.starts] == [EXACT] * 2
    assert second.start is not None
    assert second.start.previous is not None
    assert second.start.previous.id == WEB.id
    assert first.orchestrator is not None


def test_another_slot_of_a_service_is_a_first_start(core: Core) -> None:
    core >> starts(WEB, 0, labels=task("t1")) >> WEB.exits(1000)
    core >> starts(DB, 6000, labels=task("t2", slot="2"))
    assert [kind(event) for event in core.starts] == ["first", "first"]


def test_the_command_that_asked_for_the_service_is_inferred(core: Core) -> None:
    create = typed(0, "docker service create -q -d --name svc --network host bb sleep 9", ANN)
    other = typed(1, "docker service create --name other bb", BOB)
    core >> create >> talks(create) >> other >> talks(other) >> poll(2, 100) >> ended(40, create)
    core >> starts(WEB, 900, labels=task("t1"))
    assert cause(core.start) == (Trigger.ORCHESTRATOR, INFERRED, ANN)


def test_the_command_that_deployed_a_stack_is_inferred(core: Core) -> None:
    """swarm-service, the same kind: its services are called after the stack."""
    deploy = typed(0, "docker stack deploy -c stack.yml shop", ANN)
    labels = (*task("t1"), ("com.docker.stack.namespace", "shop"))
    core >> deploy >> talks(deploy) >> ended(40, deploy) >> starts(WEB, 900, labels=labels)
    assert cause(core.start) == (Trigger.ORCHESTRATOR, INFERRED, ANN)


@pytest.mark.parametrize("verb", ["scale -d svc=3", "update --force svc", "rollback svc"])
def test_a_command_about_a_service_may_have_asked_for_its_task(core: Core, verb: str) -> None:
    ask = typed(0, f"docker service {verb}", ANN)
    core >> ask >> talks(ask) >> ended(40, ask) >> starts(WEB, 900, labels=task("t1"))
    assert cause(core.start) == (Trigger.ORCHESTRATOR, INFERRED, ANN)


# ------------------------------------------------------------------ engine-crash-boot


def test_an_engine_that_was_killed_ends_and_starts_its_orphans(core: Core) -> None:
    """engine-crash-boot: the container ends after the engine has begun again."""
    record = EngineRecord(has_run=True, restart_policy="always")
    core >> starts(WEB, 0) >> engine_boots(60_000) >> WEB.exits(60_900, signal=9)
    core >> starts(WEB.again(), 61_500, record=record)
    event = core.starts[-1]
    assert kind(event) == "restart"
    assert cause(event) == (Trigger.ENGINE_BOOT, NONE, None)


NO_BOOTS: dict[str, tuple[list[Observation], float]] = {
    "the-run-began-after-the-boot": ([engine_boots(-20_000)], 300),
    "long-after-the-boot": ([engine_boots(1000)], 70_000),
    "a-boot-by-a-user": (
        [command(1000, ("dockerd",), role=Role.ENGINE, process=facts(9, 1000, uid=1001))],
        1500,
    ),
    "a-stop-was-asked-for": ([engine_boots(1000), *asks(1200, "docker stop web", ANN)], 1500),
}


@pytest.mark.parametrize(("story", "ends"), NO_BOOTS.values(), ids=NO_BOOTS)
def test_it_is_not_an_engine_boot_otherwise(
    core: Core, story: list[Observation], ends: float
) -> None:
    record = EngineRecord(has_run=True, restart_policy="always")
    before = [one for one in story if one.time < ns(0)]  # type: ignore[union-attr]  # each of these has a time
    core >> before >> starts(WEB, 0) >> [one for one in story if one not in before]
    core >> WEB.exits(ends, signal=9) >> starts(WEB.again(), ends + 5000, record=record)
    assert cause(core.starts[-1])[0] is Trigger.UNKNOWN


# ------------------------------------------------------------------ api-stop-then-start

ACTIONS = {
    "stop-and-start": (["stop?t=0", "start"], "reactivation"),
    "kill-and-start": (["kill", "start"], "reactivation"),
    "restart": (["restart?t=0"], "restart"),
}


@pytest.mark.parametrize(("actions", "expected"), ACTIONS.values(), ids=ACTIONS)
@pytest.mark.parametrize("how", ["request", "command"])
def test_the_request_decides_and_not_the_gap(
    core: Core, actions: list[str], expected: str, how: str
) -> None:
    """api-stop-then-start: both take less than a second."""
    core >> starts(WEB, 0)
    at = 1000.0
    for action in actions:
        verb = action.partition("?")[0]
        if verb == "start":
            core >> WEB.exits(at - 100)
        if how == "request":
            core >> requests(at, caller(77, at), f"POST /containers/web/{action}")
        else:
            core >> asks(at, f"docker {verb} web", 77)
        at += 400
    if len(actions) == 1:
        core >> WEB.exits(at - 100)
    core >> starts(WEB.again(), at)
    event = core.starts[-1]
    assert kind(event) == expected
    assert cause(event)[1:] == (EXACT, 77)


@pytest.mark.parametrize("how", ["request", "command", "shell"])
@pytest.mark.parametrize("apart", [500, 60_000])
def test_a_restart_of_a_container_that_had_ended_is_a_reactivation(
    core: Core, how: str, apart: int
) -> None:
    """api-stop-then-start, the same kind: there is nothing to stop."""
    core >> starts(WEB, 0) >> WEB.exits(1000, 1)
    at = 1000.0 + apart
    if how == "request":
        core >> requests(at, caller(77, 0), "POST /containers/web/restart")
    elif how == "command":
        core >> asks(at, "docker restart web", 77)
    else:
        # A process that ran before, and becomes the client by execve.
        exec_ = typed(at, "docker restart web", 77)
        older = replace(exec_.process, key=ProcessKey(77, ns(0)))
        exec_ = replace(exec_, process=older)
        core >> exec_ >> replace(talks(exec_), time=ns(at + 1))
    core >> starts(WEB.again(), at + 100)
    assert kind(core.starts[-1]) == "reactivation"
    assert cause(core.starts[-1])[1:] == (EXACT, 77)


def test_a_restart_that_ends_its_container_late_is_a_restart(core: Core) -> None:
    core >> starts(WEB, 0) >> asks(1000, "docker restart -t 30 web", 77) >> WEB.exits(31_000)
    core >> starts(WEB.again(), 31_200)
    assert kind(core.starts[-1]) == "restart"


@pytest.mark.parametrize(("unit", "expected"), [(None, "reactivation"), ("a.service", "restart")])
def test_a_runtime_that_is_run_again_at_once_is_a_request_of_its_own(
    core: Core, unit: str | None, expected: str
) -> None:
    """The same kind: runc by hand. A service that restarts it is one operation with its end."""
    place = CgroupPaths(None, f"/system.slice/{unit}") if unit is not None else SESSION
    web = replace(WEB, place=place)
    core >> web.life(0) >> web.again().life(500)
    later = replace(web, run=20, pid=800)
    core >> later.create(700) >> later.described(701) >> later.execs(705)
    assert kind(core.starts[-1]) == expected


# ------------------------------------------------------------------ sec-reactivation-disguised


def test_a_restart_command_that_never_connected_disguises_nothing(core: Core) -> None:
    """sec-reactivation-disguised (a)."""
    core >> starts(WEB, 0)
    core >> typed(1000, ["docker", "restart", *"0123456789abcdef"], MALLORY, uid=1001)
    core >> asks(1001, "docker ps", BOB) >> WEB.exits(20_000)
    core >> requests(40_000, caller(77), START) >> starts(WEB.again(), 40_010)
    assert kind(core.starts[-1]) == "reactivation"


def test_a_restart_command_that_ended_before_the_stop_restarted_nothing(core: Core) -> None:
    core >> starts(WEB, 0)
    early = typed(1000, "docker restart web", BOB)
    core >> early >> talks(early) >> ended(1100, early) >> WEB.exits(20_000)
    core >> requests(40_000, caller(77), START) >> starts(WEB.again(), 40_010)
    assert kind(core.starts[-1]) == "reactivation"


def test_an_engine_that_a_user_began_starts_nothing_of_roots(core: Core) -> None:
    """sec-reactivation-disguised (b)."""
    record = EngineRecord(has_run=True, restart_policy="always")
    core >> starts(WEB, 0) >> WEB.exits(1000)
    core >> command(2000, ("dockerd",), role=Role.ENGINE, process=facts(9, 2000, uid=1001))
    core >> connects(20_000, caller(77)) >> starts(WEB.again(), 21_000, record=record)
    assert kind(core.starts[-1]) == "reactivation"
    assert cause(core.starts[-1]) == (BY_API, INFERRED, 77)


# ------------------------------------------------------------------ sec-forged-client-is-exact


@pytest.mark.parametrize("real", ["request", "command", "connect"])
def test_a_process_that_is_only_called_a_client_is_not_a_candidate(core: Core, real: str) -> None:
    """sec-forged-client-is-exact."""
    core >> typed(0, "docker start web", MALLORY, uid=1001)
    if real == "request":
        core >> connects(1, caller(77)) >> requests(2, caller(77), START)
    elif real == "command":
        core >> asks(1, "docker start web", 77)
    else:
        core >> connects(1, caller(77))
    core >> starts(WEB, 10)
    assert cause(core.start)[1:] == (INFERRED if real == "connect" else EXACT, 77)


def test_where_connects_cannot_be_seen_a_command_line_is_inferred(core: Core) -> None:
    core >> typed(0, "docker start web", ANN) >> starts(WEB, 10)
    assert cause(core.start) == (BY_PERSON, INFERRED, ANN)


def test_a_refused_connect_makes_no_candidate(core: Core) -> None:
    """sec-connect-refused-is-candidate: what was not let in is not reported at all."""
    core >> connects(0, caller(77)) >> typed(1, "docker start web", MALLORY, uid=1001)
    core >> starts(WEB, 10)
    assert cause(core.start) == (BY_API, INFERRED, 77)


FOREIGN: dict[str, list[Observation]] = {
    "request": [
        replace(connects(1, caller(MALLORY)), foreign=True),
        requests(2, caller(MALLORY), f"POST /containers/{WEB.id}/start"),
    ],
    "followed-request": [
        replace(connects(1, caller(MALLORY)), foreign=True, connection=9),
        replace(
            requests(2, caller(MALLORY), f"POST /containers/{WEB.id}/start"), connection=9, offset=0
        ),
    ],
    "command": [
        typed(0, "docker start web", MALLORY),
        replace(talks(typed(0, "docker start web", MALLORY)), foreign=True),
    ],
    "connect": [replace(connects(1, caller(MALLORY)), foreign=True)],
}


@pytest.mark.parametrize("story", FOREIGN.values(), ids=FOREIGN)
def test_what_is_asked_of_a_users_own_engine_explains_nothing_of_roots(
    core: Core, story: list[Observation]
) -> None:
    core >> story >> starts(WEB, 10)
    assert cause(core.start) == (Trigger.UNKNOWN, NONE, None)


# ------------------------------------------------------------------ sec-refused-request-is-exact


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


# ------------------------------------------------------ sec-sixteen-digits-name-every-container


def test_a_beginning_that_fits_several_containers_names_none(core: Core) -> None:
    """sec-sixteen-digits-name-every-container."""
    core >> starts(DB, 0) >> asks(5000, f"docker start {'4f2d' * 3}", ANN)
    core >> starts(WEB, 5010)
    assert cause(core.starts[-1]) == (BY_PERSON, EXACT, ANN), "it fits no other"
    alike = replace(numbered(7), id=ContainerId("9a7b" * 15 + "ffff"))
    core >> asks(9000, f"docker start {'9a7b' * 3}", BOB) >> starts(alike, 9010)
    assert cause(core.starts[-1]) == (Trigger.UNKNOWN, NONE, None), "it fits two"


# ------------------------------------------------------------------ name-used-again


def test_a_request_means_the_container_that_existed_then(core: Core) -> None:
    """name-used-again."""
    old, new = replace(WEB, name="job"), replace(DB, name="job")
    core >> requests(0, caller(ANN, comm="docker"), "POST /containers/job/start")
    core >> made(old, 10, created=-50)
    core >> old.exits(900)
    core >> asks(60_000, "docker run -d --name job bb sleep 60", BOB)
    core >> made(new, 60_100, created=60_050)
    first, second = core.starts
    assert cause(first)[2] == ANN
    assert cause(second) == (BY_PERSON, EXACT, BOB)


def made(box: Box, at: float, created: float) -> list[Observation]:
    """A container starts whose engine made it at that time."""
    create, seen, execs = starts(box, at)
    assert isinstance(seen, ContainerDescribed)
    description = replace(seen.description, created_wall=wall(created))
    return [create, replace(seen, description=description), execs]


def test_a_command_that_makes_a_container_made_none_that_was_there_before(core: Core) -> None:
    """The same kind: the old container's ``docker run`` waits still, in the foreground."""
    old, new = replace(WEB, name="job"), replace(DB, name="job")
    core >> asks(0, "docker run --name job bb sleep 60", ANN) >> made(old, 100, created=50)
    core >> asks(5000, "docker run --name job bb sleep 60", BOB) >> made(new, 5100, created=5050)
    assert [cause(event)[2] for event in core.starts] == [ANN, BOB]


# ------------------------------------------------------------------ docker-rename


def renamed(at: float, box: Box, name: str) -> EngineEvent:
    return replace(reported(at, box, "rename"), name=name)


def test_a_renamed_container_answers_to_each_name_in_its_time(core: Core) -> None:
    """docker-rename."""
    core >> starts(replace(WEB, name="tmp"), 0) >> renamed(1000, WEB, "web") >> WEB.exits(2000)
    stop = core.events[-1]
    assert stop.container is not None
    assert stop.container.name == "web"
    again = replace(WEB.again(), name="web")
    core >> asks(5000, "docker start tmp", MALLORY) >> asks(5001, "docker start web", ANN)
    core >> starts(again, 5010)
    assert cause(core.starts[-1]) == (BY_PERSON, EXACT, ANN)


@pytest.mark.parametrize(
    ("line", "status", "uid", "name"),
    [
        ("podman rename tmp web", 0, 0, "web"),
        ("podman --log-level error container rename tmp web", 0, 0, "web"),
        ("podman rename tmp web", 1, 0, "tmp"),
        ("podman rename other web", 0, 0, "tmp"),
        ("podman rename tmp web", 0, 1001, "tmp"),
        ("docker rename tmp web", 0, 0, "tmp"),
    ],
)
def test_podman_renames_without_a_stream(
    core: Core, line: str, status: int, uid: int, name: str
) -> None:
    """docker-rename, the same kind: the command is the engine."""
    box = replace(POD, name="tmp")
    command = typed(500, line, MALLORY, uid=uid)
    core >> by_conmon(box, 10) >> command >> ended(600, command, status) >> box.exits(1000)
    stop = core.events[-1]
    assert stop.container is not None
    assert stop.container.name == name
    core >> by_conmon(box.again(), 5000)
    again = core.events[-1]
    assert again.container is not None
    assert again.container.name == name, "its bundle has the name before"


def test_a_name_given_before_the_rename_counts_for_what_was_asked_then(core: Core) -> None:
    core >> starts(replace(WEB, name="tmp"), 0) >> asks(500, "docker restart tmp", ANN)
    core >> renamed(600, WEB, "web") >> WEB.exits(700)
    core >> starts(replace(WEB.again(), name="web"), 800)
    assert (kind(core.starts[-1]), cause(core.starts[-1])[2]) == ("restart", ANN)


# ------------------------------------------------------------------ sec-caller-called-dockerd

FAKES = {
    "file-of-a-user": caller(700, comm="dockerd", exe="/home/x/dockerd"),
    "comm-only": caller(700, comm="containerd-shim", exe="python3", uid=0),
}


@pytest.mark.parametrize("fake", FAKES.values(), ids=FAKES)
def test_a_caller_that_is_called_dockerd_is_a_cause_like_any_other(
    core: Core, fake: Caller
) -> None:
    """sec-caller-called-dockerd."""
    core >> connects(0, fake, CONTAINERD) >> requests(1, fake, tasks_start(), CONTAINERD)
    core >> starts(WEB, 10, engine=Engine.CONTAINERD)
    assert cause(core.start)[2] == 700


def tasks_start() -> bytes:
    return b"\x0a\x40" + WEB.id.encode()


def test_root_who_runs_a_client_under_an_engines_name_is_the_cause(core: Core) -> None:
    fake = caller(700, 0, comm="dockerd", exe="dockerd", uid=0, login=None)
    argv = ("/tmp/x/dockerd", "-n", "moby", "tasks", "start", WEB.id)
    process = facts(700, 0, comm="dockerd", exe="dockerd")
    core >> command(0, argv, role=Role.ENGINE, program="dockerd", process=process)
    core >> connects(1, fake, CONTAINERD) >> requests(2, fake, tasks_start(), CONTAINERD)
    core >> starts(WEB, 10)
    assert cause(core.start)[2] == 700


def test_an_engine_that_was_seen_to_begin_passes_on_what_it_is_asked(core: Core) -> None:
    real = caller(700, 0, comm="dockerd", exe="dockerd", uid=0, login=None)
    argv = ("/usr/sbin/dockerd", "-H", "fd://", "--containerd", CONTAINERD)
    process = facts(700, 0, comm="dockerd", exe="dockerd")
    core >> command(0, argv, role=Role.ENGINE, program="dockerd", process=process)
    core >> connects(1, real, CONTAINERD) >> requests(2, real, tasks_start(), CONTAINERD)
    core >> starts(WEB, 10)
    assert cause(core.start) == (Trigger.UNKNOWN, NONE, None)


# ------------------------------------------------------------------ sec-below-a-shell-called-runc


def test_a_runtime_below_a_shell_called_a_shim_is_run_by_hand(core: Core) -> None:
    """sec-below-a-shell-called-runc, the shell called containerd-shim-x."""
    argv = ("/tmp/x/containerd-shim-x", "-c", "runc run -b /tmp/b e21; true")
    shell = facts(40, 0, comm="containerd-shim", exe="containerd-shim-x", cgroup=SESSION)
    core >> command(0, argv, role=Role.SHIM, program="containerd-shim", process=shell)
    above = ancestor("containerd-shim-x", 40, 0)
    core >> below(WEB.create(5, "run"), above) >> described(6, WEB, engine=None) >> WEB.execs(9)
    assert cause(core.start) == (Trigger.SERVICE_MANAGER, EXACT, WEB.pid)


# ------------------------------------------------------------------ bundled-short-options


def test_bundled_options_hide_neither_name_nor_image(core: Core) -> None:
    """bundled-short-options: the container was gone before it could be described."""
    line = "docker run --rm --network none -itde TOKEN=hunter2 --name r5b bb true"
    core >> asks(0, line, ANN) >> below(WEB.create(10), SHIM) >> WEB.execs(15) >> WEB.exits(16)
    core.wait(until=5000)
    container = core.start.container
    assert container is not None
    assert container.image is not None
    assert (container.name, container.image.name) == ("r5b", "bb")


IN_BOX = CgroupPaths(None, f"/docker/{DB.id}")


def test_a_relay_in_a_container_is_said_to_be_in_it(core: Core) -> None:
    proxy = caller(80, 0, comm="haproxy", login=None, cgroup=IN_BOX)
    core >> connects(1, proxy) >> requests(2, proxy, START) >> starts(WEB, 10)
    assert cause(core.start) == (Trigger.CONTAINER, INFERRED, 80)


def test_supervised_containers_are_not_run_by_hand(core: Core) -> None:
    shim = supervised(0, WEB, "containerd-shim-runc-v2", "-id", WEB.id, above=ancestor("x", 8))
    core >> shim >> below(WEB.create(5), ancestor("containerd-shim", shim.process.key.pid, 0))
    core >> described(6, WEB) >> WEB.execs(9)
    assert cause(core.start) == (Trigger.UNKNOWN, NONE, None)
