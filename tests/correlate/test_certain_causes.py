"""Causes that tie a process to this container: requests, descent, command lines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.model.kernel_records import CommandExec
from sensor.model.observations import Observation
from sensor.model.process import CgroupPaths
from sensor.model.vocabulary import Confidence, Engine, Trigger
from tests.correlate.causes import (
    ANN,
    BOB,
    BY_API,
    EXACT,
    INFERRED,
    UNKNOWN,
    pid,
    process,
    runs,
    said,
    starts,
)
from tests.correlate.observations import (
    DOCKER_SOCKET,
    ancestor,
    asks,
    below,
    caller,
    connects,
    ended,
    requests,
    talks,
    typed,
)
from tests.correlate.scenario import DB, PLAIN, WEB, Core, described, supervised

# ------------------------------------------------------------------ 1: identifiers

NAMING = {
    "run-name": "docker run -d --name web nginx",
    "run-name-joined": "docker run --name=web nginx",
    "start-name": "docker start web",
    "start-full-id": f"docker start {WEB.id}",
    "start-short-id": f"docker start {WEB.id[:12]}",
    "start-one-digit": f"docker start {WEB.id[0]}",
    "start-among-others": "docker container start db web cache",
    "start-behind-options": "docker -H unix:///x start -a web",
    "restart": "docker restart -t 0 web",
}


@pytest.mark.parametrize("line", NAMING.values(), ids=NAMING)
def test_a_command_that_names_the_container_is_the_exact_cause(core: Core, line: str) -> None:
    core >> asks(0, line, ANN) >> asks(1, "docker start other", BOB)
    core >> connects(2, caller(77)) >> starts(WEB, 10, image="nginx")
    assert said(core.start) == EXACT
    assert pid(core.start) == ANN


NOT_NAMING = {
    "another-name": "docker start db",
    "a-longer-name": "docker start web-2",
    "a-prefix-of-the-name": "docker start we",
    "a-tail-of-the-id": f"docker start {WEB.id[4:]}x",
    "create-only": "docker create --name web nginx",
    "run-of-another-name": "docker run --name db nginx",
    "stop": "docker stop web",
    "exec": "docker exec web sh",
    "nothing-to-start": "docker ps",
}


@pytest.mark.parametrize("line", NOT_NAMING.values(), ids=NOT_NAMING)
def test_a_command_that_does_not_is_not_a_cause(core: Core, line: str) -> None:
    core >> asks(0, line, ANN) >> starts(WEB, 10, image="nginx")
    assert said(core.start) == UNKNOWN


def test_an_id_that_is_a_name_has_no_prefixes(core: Core) -> None:
    named = replace(PLAIN, name="something")
    core >> asks(0, "ctr tasks start pla", ANN) >> asks(1, "ctr tasks start plain", BOB)
    core >> starts(named, 10, engine=Engine.CONTAINERD)
    assert said(core.start) == EXACT
    assert pid(core.start) == BOB


PROJECT = (
    ("com.docker.compose.project", "shop"),
    ("com.docker.compose.service", "front"),
    ("com.docker.compose.project.working_dir", "/srv/shop"),
)
COMPOSING = {
    "by-option": ("docker compose -p shop up -d", "/home/ann"),
    "by-long-option": ("docker-compose --project-name=shop up", "/home/ann"),
    "by-working-directory": ("docker compose up", "/srv/shop"),
    "by-service": ("docker compose up front", "/srv/shop"),
    "restart": ("docker compose restart", "/srv/shop"),
}


@pytest.mark.parametrize(("line", "cwd"), COMPOSING.values(), ids=COMPOSING)
def test_a_compose_command_of_its_project_is_the_exact_cause(
    core: Core, line: str, cwd: str
) -> None:
    core >> asks(0, line, ANN, cwd=cwd) >> starts(WEB, 10, labels=PROJECT)
    assert said(core.start) == EXACT
    assert pid(core.start) == ANN


OTHER_PROJECTS = {
    "another-project": ("docker compose -p blog up", "/srv/shop", PROJECT),
    "another-directory": ("docker compose up", "/srv/blog", PROJECT),
    "another-service": ("docker compose up back", "/srv/shop", PROJECT),
    "no-project": ("docker compose -p shop up", "/srv/shop", ()),
}


@pytest.mark.parametrize(("line", "cwd", "labels"), OTHER_PROJECTS.values(), ids=OTHER_PROJECTS)
def test_a_compose_command_of_another_is_not_a_cause(
    core: Core, line: str, cwd: str, labels: tuple[tuple[str, str], ...]
) -> None:
    core >> asks(0, line, ANN, cwd=cwd) >> starts(WEB, 10, labels=labels)
    assert said(core.start) == UNKNOWN


def test_a_compose_command_whose_directory_is_unknown_is_inferred(core: Core) -> None:
    core >> asks(0, "docker compose up", ANN, cwd=None) >> starts(WEB, 10, labels=PROJECT)
    assert said(core.start) == INFERRED


REQUESTS = {
    "name": f"POST /v1.43/containers/{WEB.name}/start",
    "id": f"POST /v1.43/containers/{WEB.id}/start",
    "prefix": f"POST /containers/{WEB.id[:12]}/start?detachKeys=",
    "restart": f"POST /containers/{WEB.id}/restart",
    "libpod": "POST /v4.0.0/libpod/containers/web/start",
}


@pytest.mark.parametrize("line", REQUESTS.values(), ids=REQUESTS)
def test_a_request_that_names_the_container_is_the_exact_cause(
    core: Core, line: str | bytes
) -> None:
    core >> connects(0, caller(77)) >> connects(1, caller(78)) >> requests(2, caller(78), line)
    core >> starts(WEB, 10)
    assert said(core.start) == (Trigger.API_CLIENT, Confidence.EXACT, Confidence.EXACT)
    assert pid(core.start) == 78
    assert core.start.initiator is not None
    assert core.start.initiator.socket == DOCKER_SOCKET
    assert "API request" in [evidence.what for evidence in core.start.evidence]


def test_a_request_whose_method_is_not_known_is_inferred(core: Core) -> None:
    message = b"\x0a\x40" + WEB.id.encode() + b"\x12\x00"
    core >> connects(1, caller(78)) >> requests(2, caller(78), message) >> starts(WEB, 10)
    assert said(core.start) == BY_API
    assert pid(core.start) == 78


def test_a_request_of_a_client_without_a_name_is_the_clients(core: Core) -> None:
    client = typed(0, "docker run nginx", ANN)
    sender = caller(ANN, 0, comm="docker", exe="docker")
    core >> client >> asks(1, "docker run nginx", BOB)
    core >> requests(2, sender, f"POST /containers/{WEB.id}/start") >> starts(WEB, 10)
    assert said(core.start) == EXACT
    found = process(core.start.initiator)
    assert (found.pid, found.argv) == (ANN, client.argv)


def test_a_client_that_ended_before_the_creation_is_not_a_cause(core: Core) -> None:
    gone, stays = typed(0, "docker start web", ANN), typed(1, "docker start web", BOB)
    core >> gone >> talks(gone) >> stays >> talks(stays) >> ended(5, gone) >> starts(WEB, 10)
    assert said(core.start) == EXACT
    assert pid(core.start) == BOB


def test_a_client_that_ended_after_the_creation_is_the_cause(core: Core) -> None:
    client = typed(0, "docker run -d --name web nginx", ANN)
    create, described_, execs = starts(WEB, 10)
    core >> client >> talks(client) >> create >> execs >> ended(17, client) >> described_
    assert said(core.start) == EXACT
    assert pid(core.start) == ANN


def test_a_client_that_began_after_the_creation_is_not_a_cause(core: Core) -> None:
    create, described_, execs = starts(WEB, 10)
    core >> create >> asks(12, "docker start web", ANN) >> execs >> described_
    assert said(core.start) == UNKNOWN


def test_a_client_that_has_its_container_does_not_get_another(core: Core) -> None:
    """A name is free again when its container is removed, before its client has ended."""
    other = replace(DB, name="web")
    core >> asks(0, "docker run --rm --name web nginx", ANN) >> runs(WEB, 10)
    core >> asks(100, "docker run --name web nginx", BOB) >> starts(other, 110)
    assert [pid(event) for event in core.starts] == [ANN, BOB]
    assert [said(event) for event in core.starts] == [EXACT, EXACT]


def test_a_client_that_is_tied_to_its_container_by_bytes_is_not_a_candidate_for_others(
    core: Core,
) -> None:
    core >> asks(0, "docker run nginx", ANN)
    core >> requests(1, caller(ANN, 0, comm="docker"), f"POST /containers/{WEB.id}/start")
    core >> starts(WEB, 10, image="nginx") >> starts(DB, 20, image="nginx")
    assert said(core.starts[0]) == EXACT
    assert said(core.starts[1]) == UNKNOWN


def test_a_command_that_starts_many_is_the_cause_of_each(core: Core) -> None:
    core >> asks(0, "docker start web db", ANN) >> starts(WEB, 10) >> starts(DB, 20)
    assert [said(event) for event in core.starts] == [EXACT, EXACT]
    assert [pid(event) for event in core.starts] == [ANN, ANN]


# ------------------------------------------------------------------ before the stop, after it

BEFORE_THE_STOP: dict[str, tuple[list[Observation], bool]] = {
    "restart-command": (asks(1000, "docker restart web", ANN), True),
    "start-command": (asks(1000, "docker start web", ANN), False),
    "restart-request": (
        [requests(1000, caller(ANN), "POST /v1.41/containers/web/restart?t=0")],
        True,
    ),
    "start-request": ([requests(1000, caller(ANN), "POST /v1.41/containers/web/start")], False),
}


@pytest.mark.parametrize(("asked", "counts"), BEFORE_THE_STOP.values(), ids=BEFORE_THE_STOP)
def test_only_a_restart_is_asked_for_before_the_stop(
    core: Core, asked: list[Observation], *, counts: bool
) -> None:
    again = WEB.again()
    core >> starts(WEB, 0) >> asked
    if isinstance(asked[0], CommandExec) and not counts:
        # Answered, since the container runs: it waits for nothing any more.
        core >> ended(1050, asked[0])
    core >> WEB.exits(1100) >> starts(again, 1200)
    event = core.starts[-1]
    assert (event.initiator is not None and process(event.initiator).pid == ANN) is counts
    assert (event.confidence.initiator is Confidence.EXACT) is counts


def test_a_restart_of_an_earlier_run_is_not_a_cause_of_a_later_one(core: Core) -> None:
    second, third = WEB.again(), WEB.again().again()
    core >> starts(WEB, 0) >> asks(1000, "docker restart web", ANN)
    core >> WEB.exits(1100) >> starts(second, 1200) >> second.exits(5000)
    core >> starts(third, 9000)
    assert said(core.starts[-1]) == UNKNOWN


# ------------------------------------------------------------------ 2: descent


def test_podman_is_the_ancestor_of_its_containers_monitor(core: Core) -> None:
    box = replace(WEB, path=f"/machine.slice/libpod-{WEB.id}.scope")
    core >> asks(0, "podman run nginx", ANN)
    core >> supervised(
        5, box, "conmon", "-c", box.id, "-n", "web", above=ancestor("podman", ANN, 0)
    )
    core >> below(box.create(10), ancestor("conmon", box.pid + 7, 5))
    core >> described(11, box, engine=Engine.PODMAN, image="quay.io/other") >> box.execs(15)
    assert said(core.start) == EXACT
    assert pid(core.start) == ANN


@pytest.mark.parametrize("program", ["podman", "buildah"])
def test_a_client_above_the_runtime_is_the_cause(core: Core, program: str) -> None:
    core >> asks(0, f"{program} run box true", ANN)
    core >> below(WEB.create(10), ancestor("bash", 40), ancestor(program, ANN, 0))
    core >> described(11, WEB, engine=Engine.PODMAN) >> WEB.execs(15)
    assert said(core.start) == EXACT
    assert pid(core.start) == ANN


def test_podman_as_a_service_is_an_engine_and_no_cause(core: Core) -> None:
    core >> asks(0, "podman system service -t 0", ANN, login=None)
    core >> below(WEB.create(10), ancestor("podman", ANN, 0))
    core >> described(11, WEB, engine=Engine.PODMAN) >> WEB.execs(15)
    assert said(core.start) == UNKNOWN


def test_a_runtime_that_a_user_ran_by_hand_is_the_cause_itself(core: Core) -> None:
    process_ = replace(
        PLAIN.runtime, uid=1000, loginuid=1000, cgroup=CgroupPaths(None, "/user.slice")
    )
    create = replace(PLAIN.create(0, "run"), process=process_, cwd="/home/ann")
    core >> below(create, ancestor("bash", 40), ancestor("sshd", 30)) >> described(1, PLAIN)
    core >> PLAIN.execs(5)
    assert said(core.start) == (Trigger.DIRECT_RUNTIME, Confidence.EXACT, Confidence.EXACT)
    found = process(core.start.initiator)
    assert (found.pid, found.argv, found.cwd) == (PLAIN.pid, create.argv, "/home/ann")
    assert [one.what for one in core.start.evidence].count("runc run") == 1


def test_a_runtime_by_hand_below_cron_is_the_service_managers(core: Core) -> None:
    core >> below(PLAIN.create(0), ancestor("sh", 41), ancestor("cron", 40))
    core >> described(1, PLAIN) >> PLAIN.execs(5)
    assert said(core.start) == (Trigger.SERVICE_MANAGER, Confidence.EXACT, Confidence.EXACT)


@pytest.mark.parametrize(
    "above",
    ["containerd-shim-runc-v2", "conmon", "dockerd", "containerd", "crio", "podman"],
)
def test_a_runtime_below_an_engine_was_not_run_by_hand(core: Core, above: str) -> None:
    core >> below(WEB.create(0), ancestor("sh", 41), ancestor(above, 40))
    core >> described(1, WEB) >> WEB.execs(5)
    assert said(core.start) == UNKNOWN


def test_a_shim_that_named_the_container_proves_an_engine_above_a_runtime(core: Core) -> None:
    core >> supervised(
        0, WEB, "containerd-shim-runc-v2", "-id", WEB.id, above=ancestor("containerd", 8)
    )
    core >> WEB.create(2) >> described(3, WEB) >> WEB.execs(5)
    assert said(core.start) == UNKNOWN
