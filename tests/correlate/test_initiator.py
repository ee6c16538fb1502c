"""Who caused a start, by the order of reasons at the top of initiator.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.correlate import initiator
from sensor.correlate.core import Correlator, Parsers
from sensor.correlate.decision import CANDIDATES_MAX
from sensor.correlate.kind import ENGINE_BOOT_WINDOW
from sensor.correlate.lifecycle import DESCRIPTION_WAIT
from sensor.correlate.question import CONNECT_WINDOW
from sensor.identity import cgroup
from sensor.identity.redact import redact_argv
from sensor.model.container import EngineRecord, Orchestrator
from sensor.model.events import Event, Initiator, InitiatorProcess
from sensor.model.observations import AccountsRead, CommandExec, InitExec, Observation
from sensor.model.process import CgroupPaths
from sensor.model.vocabulary import (
    Confidence,
    ContainerId,
    Engine,
    Lineage,
    Role,
    StartKind,
    Trigger,
    Witness,
)
from tests.correlate.scenario import (
    DB,
    DOCKER_SOCKET,
    HOST,
    MS,
    PLAIN,
    ROLES,
    SESSION,
    SHIM,
    WEB,
    Box,
    Core,
    ancestor,
    asks,
    audited,
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
    requests,
    supervised,
    talks,
    typed,
)

ANN, BOB = 50, 51
"""Pids of two people's processes."""

BOX = ContainerId("c0de" * 16)
IN_BOX = CgroupPaths(None, f"/docker/{BOX}")
POD_UID = "0a4d1c6e-0000-4000-8000-000000000001"
POD = Orchestrator("kubernetes", "default", "shop", POD_UID, "web", 0)
IN_POD = WEB.in_pod(POD_UID)
WAIT = DESCRIPTION_WAIT / MS
AGO = CONNECT_WINDOW / MS


@pytest.fixture
def core() -> Core:
    return Core()


def starts(box: Box, at: float, **identity: Any) -> list[Observation]:  # noqa: ANN401
    """An engine's container starts: its runtime runs below a shim."""
    return [
        below(box.create(at), SHIM),
        described(at + 1, box, **identity),
        box.execs(at + 5),
    ]


def runs(box: Box, at: float, **identity: Any) -> list[Observation]:  # noqa: ANN401
    """One whole run of an engine's container, ten milliseconds long."""
    return [*starts(box, at, **identity), box.exits(at + 10)]


def said(event: Event) -> tuple[Trigger, Confidence, Confidence]:
    """What a start says of its cause: the trigger, how sure that is, and how sure the initiator."""
    assert event.start is not None
    assert not (event.initiator is not None and event.candidates)
    return event.start.trigger, event.confidence.trigger, event.confidence.initiator


def process(who: Initiator | None) -> InitiatorProcess:
    assert who is not None
    assert who.process is not None
    return who.process


def pid(event: Event) -> int:
    return process(event.initiator).pid


def candidates(event: Event) -> list[int]:
    assert event.initiator is None
    return sorted(process(one).pid for one in event.candidates)


EXACT = (Trigger.USER_COMMAND, Confidence.EXACT, Confidence.EXACT)
INFERRED = (Trigger.USER_COMMAND, Confidence.INFERRED, Confidence.INFERRED)
UNKNOWN = (Trigger.UNKNOWN, Confidence.NONE, Confidence.NONE)
BOOT = (Trigger.ENGINE_BOOT, Confidence.INFERRED, Confidence.NONE)
BY_API = (Trigger.API_CLIENT, Confidence.INFERRED, Confidence.INFERRED)


# ------------------------------------------------------------------ the order of the reasons

PODMAN = ancestor("podman", BOB, 1450)
LAUNCHER = facts(33, 1400, comm="launcher", exe="launcher", cgroup=SESSION)
ANSWERS: dict[str, tuple[tuple[Trigger, Confidence, Confidence], int | None]] = {
    "by_request": ((Trigger.API_CLIENT, Confidence.EXACT, Confidence.EXACT), 60),
    "by_descent": (EXACT, BOB),
    "by_command": (EXACT, ANN),
    "by_policy": ((Trigger.RESTART_POLICY, Confidence.EXACT, Confidence.NONE), None),
    "by_orchestrator": ((Trigger.ORCHESTRATOR, Confidence.EXACT, Confidence.NONE), None),
    "by_engine_boot": (BOOT, None),
    "by_launcher": (INFERRED, 33),
    "by_elimination": (BY_API, 77),
    "nothing": (UNKNOWN, None),
}
ORDER = tuple(reason.__name__ for reason in initiator.REASONS)


def test_the_reasons_are_walked_below() -> None:
    assert (*ORDER, "nothing") == tuple(ANSWERS)


@pytest.mark.parametrize("first", range(len(ANSWERS)), ids=ANSWERS)
def test_the_first_reason_that_answers_is_taken(core: Core, first: int) -> None:
    """Every reason from ``first`` on holds; those before it do not."""
    holds = set(tuple(ANSWERS)[first:])
    again = (WEB.in_pod(POD_UID) if "by_orchestrator" in holds else WEB).again()
    record = EngineRecord(has_run=True, restarting="by_policy" in holds)
    create = again.create(2000)
    execs = again.execs(2005)
    core >> runs(WEB, 0)
    if "by_engine_boot" in holds:
        core >> engine_boots(1000)
    if "by_launcher" in holds:
        # Known only where no runtime's command explains the container.
        execs = replace(
            again.execs(2005, lineage=Lineage.CGROUP),
            process=replace(execs.process, ancestors=(ancestor("launcher", 33, 1400),)),
        )
        core >> replace(again.birth(1900), maker=LAUNCHER, argv=("launcher", "--all"))
    if "by_elimination" in holds:
        core >> connects(1400, caller(77))
    if "by_descent" in holds:
        core >> typed(1450, "podman run other", BOB)
    if "by_command" in holds:
        core >> asks(1500, "docker start web", ANN)
    if "by_request" in holds:
        core >> requests(1600, caller(60), "POST /containers/web/start")
    if "by_descent" in holds:
        core >> below(create, PODMAN)
    elif "by_launcher" not in holds:
        core >> below(create, SHIM)
    (
        core
        >> execs
        >> described(2006, again, record=record, pod=POD if "by_orchestrator" in holds else None)
    )
    event = core.starts[-1]
    answer, cause = ANSWERS[tuple(ANSWERS)[first]]
    assert said(event) == answer
    assert (process(event.initiator).pid if event.initiator else None) == cause
    assert event.candidates == ()


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
def test_a_command_that_does_not_is_no_cause(core: Core, line: str) -> None:
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
def test_a_compose_command_of_another_is_no_cause(
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


def test_what_an_engine_asks_of_another_is_what_somebody_asked_of_it(core: Core) -> None:
    dockerd = caller(9, comm="dockerd", exe="/usr/bin/dockerd", login=None, uid=0)
    core >> connects(1, dockerd, "/run/containerd/containerd.sock")
    core >> requests(2, dockerd, WEB.id.encode(), "/run/containerd/containerd.sock")
    core >> starts(WEB, 10)
    assert said(core.start) == UNKNOWN


@pytest.mark.parametrize("comm", ["dockerd", "containerd", "containerd-shim-runc-v2", "runc"])
@pytest.mark.parametrize("told_by", ["comm", "exe"])
def test_no_part_of_an_engine_is_a_cause_by_connecting(core: Core, comm: str, told_by: str) -> None:
    part = caller(
        9,
        comm=comm[:15] if told_by == "comm" else "exe",
        exe=f"/usr/bin/{comm}" if told_by == "exe" else None,
        uid=0,
    )
    core >> connects(1, part, "/run/containerd/containerd.sock") >> starts(WEB, 10)
    assert said(core.start) == UNKNOWN


def test_a_name_makes_no_engine_of_who_asks_where_engines_do_not(core: Core) -> None:
    fake = caller(9, comm="dockerd", exe="/tmp/dockerd", login=1007)
    core >> connects(1, caller(77)) >> requests(2, fake, f"POST /containers/{WEB.id}/start")
    core >> starts(WEB, 10)
    assert said(core.start) == (Trigger.API_CLIENT, Confidence.EXACT, Confidence.EXACT)
    assert process(core.start.initiator).pid == 9


def test_who_is_called_as_an_engine_is_a_candidate_as_others_are(core: Core) -> None:
    fake = caller(9, comm="dockerd", exe="/tmp/dockerd")
    core >> connects(1, caller(77)) >> connects(2, fake) >> starts(WEB, 10)
    assert {process(who).pid for who in core.start.candidates} == {9, 77}


def test_a_client_that_ended_before_the_creation_is_no_cause(core: Core) -> None:
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


def test_a_client_that_began_after_the_creation_is_no_cause(core: Core) -> None:
    create, described_, execs = starts(WEB, 10)
    core >> create >> asks(12, "docker start web", ANN) >> execs >> described_
    assert said(core.start) == UNKNOWN


def test_two_people_who_name_the_same_container_are_candidates(core: Core) -> None:
    core >> runs(WEB, 0) >> asks(3000, "docker start web", ANN, login=1001)
    core >> asks(3001, f"docker start {WEB.id[:12]}", BOB, login=1002)
    core >> starts(WEB.again(), 3010)
    event = core.starts[-1]
    assert said(event) == (Trigger.USER_COMMAND, Confidence.INFERRED, Confidence.AMBIGUOUS)
    assert candidates(event) == [ANN, BOB]
    assert sorted(one.user.auid or 0 for one in event.candidates if one.user) == [1001, 1002]


def test_candidates_of_different_kinds_leave_the_trigger_open(core: Core) -> None:
    core >> asks(0, "docker run nginx", ANN) >> connects(1, caller(77))
    core >> starts(WEB, 10, image="nginx")
    assert said(core.start) == (Trigger.UNKNOWN, Confidence.AMBIGUOUS, Confidence.AMBIGUOUS)
    assert candidates(core.start) == [ANN, 77]


def test_one_person_who_names_it_twice_is_two_processes_but_a_second_witness_is_not(
    core: Core,
) -> None:
    core >> asks(0, "docker start web", ANN)
    core >> requests(2, caller(ANN, 0, comm="docker"), "POST /containers/web/start")
    core >> starts(WEB, 10)
    assert said(core.start) == EXACT
    assert {"docker command", "API request"} <= {one.what for one in core.start.evidence}


def test_a_client_that_has_its_container_does_not_get_another(core: Core) -> None:
    """A name is free again when its container is removed, before its client has ended."""
    other = replace(DB, name="web")
    core >> asks(0, "docker run --rm --name web nginx", ANN) >> runs(WEB, 10)
    core >> asks(100, "docker run --name web nginx", BOB) >> starts(other, 110)
    assert [pid(event) for event in core.starts] == [ANN, BOB]
    assert [said(event) for event in core.starts] == [EXACT, EXACT]


def test_a_client_that_is_tied_to_its_container_by_bytes_is_no_candidate_for_others(
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


def test_a_restart_of_an_earlier_run_is_no_cause_of_a_later_one(core: Core) -> None:
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


def test_a_runtime_that_somebody_ran_by_hand_is_the_cause_itself(core: Core) -> None:
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
def test_a_runtime_below_an_engine_is_nobodys_by_hand(core: Core, above: str) -> None:
    core >> below(WEB.create(0), ancestor("sh", 41), ancestor(above, 40))
    core >> described(1, WEB) >> WEB.execs(5)
    assert said(core.start) == UNKNOWN


def test_a_shim_that_named_the_container_proves_an_engine_above_a_runtime(core: Core) -> None:
    core >> supervised(
        0, WEB, "containerd-shim-runc-v2", "-id", WEB.id, above=ancestor("containerd", 8)
    )
    core >> WEB.create(2) >> described(3, WEB) >> WEB.execs(5)
    assert said(core.start) == UNKNOWN


# ------------------------------------------------------------------ 3 and 4: the engine's own word


def test_an_engine_that_restarts_by_policy_has_no_initiator(core: Core) -> None:
    record = EngineRecord(has_run=True, restarting=True, restart_policy="always")
    core >> runs(WEB, 0) >> connects(50, caller(77)) >> starts(WEB.again(), 100, record=record)
    event = core.starts[-1]
    assert said(event) == (Trigger.RESTART_POLICY, Confidence.EXACT, Confidence.NONE)
    assert event.initiator is None
    assert [one.source for one in event.evidence][-1] is Witness.DOCKER


def test_a_command_outranks_a_policy(core: Core) -> None:
    record = EngineRecord(has_run=True, restarting=True)
    core >> runs(WEB, 0) >> asks(50, "docker start web", ANN)
    core >> starts(WEB.again(), 100, record=record)
    assert said(core.starts[-1]) == EXACT


def test_a_pods_container_is_the_orchestrators(core: Core) -> None:
    core >> connects(0, caller(77)) >> starts(IN_POD, 10, engine=Engine.CONTAINERD, pod=POD)
    assert said(core.start) == (Trigger.ORCHESTRATOR, Confidence.EXACT, Confidence.NONE)
    assert core.start.initiator is None
    assert Witness.KUBERNETES in [one.source for one in core.start.evidence]


def test_a_kubelet_whose_requests_are_not_reported_is_the_initiator(
    core: Core,
) -> None:
    socket = "/run/containerd/containerd.sock"
    kubelet = caller(12, comm="kubelet", exe="/usr/bin/kubelet", login=None, uid=0)
    core >> replace(connects(0, kubelet, socket), connection=7)
    core >> starts(IN_POD, 100_000, engine=Engine.CONTAINERD, pod=POD)
    assert pid(core.start) == 12


@pytest.mark.parametrize("comm", ["kubelet", "k3s-server", "rke2"])
def test_a_kubelet_that_connected_is_inferred_as_the_initiator(core: Core, comm: str) -> None:
    socket = "/run/containerd/containerd.sock"
    kubelet = caller(12, comm=comm, exe=f"/usr/bin/{comm}", login=None, uid=0)
    core >> connects(0, kubelet, socket)
    core >> connects(1, caller(77), socket)
    core >> starts(IN_POD, 100_000, engine=Engine.CONTAINERD, pod=POD)
    assert said(core.start) == (Trigger.ORCHESTRATOR, Confidence.EXACT, Confidence.INFERRED)
    assert pid(core.start) == 12


# ------------------------------------------------------------------ 5: an engine's boot

INSIDE = replace(facts(9, 1000, comm="dockerd", exe="dockerd"), cgroup=IN_BOX)
BOOT_SECONDS = ENGINE_BOOT_WINDOW / MS
BOOTS: dict[str, tuple[Observation, float, str | None, tuple[Trigger, Confidence, Confidence]]] = {
    "between-stop-and-start": (engine_boots(1000), 2000, None, BOOT),
    "policy-always": (engine_boots(1000), 2000, "always", BOOT),
    "policy-unless-stopped": (engine_boots(1000), 2000, "unless-stopped", BOOT),
    "policy-on-failure": (engine_boots(1000), 2000, "on-failure", BOOT),
    "policy-no": (engine_boots(1000), 2000, "no", UNKNOWN),
    "long-ago": (engine_boots(1000), 1001 + BOOT_SECONDS, None, UNKNOWN),
    "before-the-stop": (engine_boots(5), 2000, None, UNKNOWN),
    "another-engine": (engine_boots(1000, "containerd"), 2000, None, UNKNOWN),
    "inside-a-container": (
        command(1000, ("dockerd",), role=Role.ENGINE, process=INSIDE),
        2000,
        None,
        UNKNOWN,
    ),
}


@pytest.mark.parametrize(("boots", "at", "policy", "answer"), BOOTS.values(), ids=BOOTS)
def test_an_engine_that_began_since_the_stop_started_it(
    core: Core,
    boots: Observation,
    at: float,
    policy: str | None,
    answer: tuple[Trigger, Confidence, Confidence],
) -> None:
    first = runs(WEB, 0)
    earlier = [one for one in first if one.time <= boots.time]  # type: ignore[union-attr]
    core >> [*earlier, boots, *first[len(earlier) :]]
    record = EngineRecord(has_run=True, restart_policy=policy)
    core >> starts(WEB.again(), at, record=record)
    assert said(core.starts[-1]) == answer
    assert core.starts[-1].initiator is None


def test_an_engines_boot_starts_nothing_for_the_first_time(core: Core) -> None:
    core >> engine_boots(0) >> starts(WEB, 100)
    assert said(core.start) == UNKNOWN


# ------------------------------------------------------------------ 6: elimination


def test_the_only_run_without_a_name_is_inferred(core: Core) -> None:
    core >> asks(0, "docker run nginx", ANN, login=1007) >> starts(WEB, 10, image="nginx")
    assert said(core.start) == INFERRED
    assert core.start.initiator is not None
    assert core.start.initiator.user is not None
    assert core.start.initiator.user.auid == 1007


def test_two_runs_without_a_name_of_the_same_image_are_candidates(core: Core) -> None:
    core >> asks(0, "docker run nginx", ANN) >> asks(1, "docker run -it nginx", BOB)
    core >> starts(WEB, 10, image="nginx")
    assert said(core.start) == (Trigger.USER_COMMAND, Confidence.INFERRED, Confidence.AMBIGUOUS)
    assert candidates(core.start) == [ANN, BOB]


def test_a_run_without_a_name_makes_no_second_run(core: Core) -> None:
    core >> runs(WEB, 0, image="nginx") >> asks(3000, "docker run nginx", ANN)
    core >> starts(WEB.again(), 3010, image="nginx")
    assert said(core.starts[-1]) == UNKNOWN


IMAGES = {
    "equal": ("nginx", "nginx", True),
    "tag-left-out": ("nginx", "nginx:latest", True),
    "spelled-out": ("nginx", "docker.io/library/nginx:latest", True),
    "registry-only": ("docker.io/nginx", "nginx", True),
    "of-a-user": ("ann/tool", "docker.io/ann/tool:latest", True),
    "with-a-port": ("localhost:5000/tool", "localhost:5000/tool:latest", True),
    "by-id": ("sha256:abcd", "nginx", True),
    "by-short-id": ("abcdef", "nginx", True),
    "unknown-image": ("nginx", None, True),
    "another": ("redis", "nginx", False),
    "another-tag": ("nginx:1", "nginx:2", False),
    "another-user": ("bob/tool", "docker.io/ann/tool:latest", False),
    "another-registry": ("quay.io/nginx", "nginx", False),
    "another-id": ("sha256:ffff", "nginx", False),
}


@pytest.mark.parametrize(("wanted", "has", "fits"), IMAGES.values(), ids=IMAGES)
def test_an_image_that_differs_excludes(
    core: Core, wanted: str, has: str | None, *, fits: bool
) -> None:
    core >> asks(0, f"docker run {wanted}", ANN)
    core >> starts(WEB, 10, image=has, image_id="sha256:abcdef0123" if has else None)
    assert said(core.start) == (INFERRED if fits else UNKNOWN)


REACH = {
    "docker-to-docker": ("docker", Engine.DOCKER, True),
    "docker-to-podman": ("docker", Engine.PODMAN, True),
    "podman-to-docker": ("podman", Engine.DOCKER, False),
    "podman-to-podman": ("podman", Engine.PODMAN, True),
    "nerdctl-to-docker": ("nerdctl", Engine.DOCKER, False),
    "nerdctl-to-containerd": ("nerdctl", Engine.CONTAINERD, True),
    "docker-to-cri-o": ("docker", Engine.CRIO, False),
}


@pytest.mark.parametrize(("program", "engine", "reaches"), REACH.values(), ids=REACH)
def test_a_program_that_cannot_reach_the_engine_is_excluded(
    core: Core, program: str, engine: Engine, *, reaches: bool
) -> None:
    core >> asks(0, f"{program} run nginx", ANN)
    core >> starts(WEB, 10, engine=engine, image="nginx")
    assert said(core.start) == (INFERRED if reaches else UNKNOWN)


def test_the_only_process_that_connected_is_inferred(core: Core) -> None:
    core >> connects(0, caller(77, login=1005)) >> starts(WEB, 10)
    assert said(core.start) == BY_API
    who = core.start.initiator
    assert who is not None
    assert who.user is not None
    assert (process(who).pid, who.user.auid, who.socket) == (77, 1005, DOCKER_SOCKET)
    assert f"connect {DOCKER_SOCKET}" in [one.what for one in core.start.evidence]


def test_a_process_that_connected_often_is_one(core: Core) -> None:
    for at in range(5):
        core >> connects(at, caller(77))
    core >> starts(WEB, 10)
    assert said(core.start) == BY_API


def hidden(observations: list[Observation]) -> list[Observation]:
    """The same where the rate limit held back commands of the seconds before."""
    return [
        replace(one, causes_lost=True) if isinstance(one, InitExec) else one for one in observations
    ]


def test_who_remains_is_not_the_only_one_where_others_were_held_back(core: Core) -> None:
    core >> connects(0, caller(77)) >> hidden(starts(WEB, 10))
    assert said(core.start) == (Trigger.UNKNOWN, Confidence.NONE, Confidence.AMBIGUOUS)
    assert [process(who).pid for who in core.start.candidates] == [77]
    assert "commands were held back: there may be others" in [
        one.what for one in core.start.evidence
    ]


def test_nobody_is_said_where_all_may_have_been_held_back(core: Core) -> None:
    core >> hidden(starts(WEB, 10))
    assert said(core.start) == (Trigger.UNKNOWN, Confidence.NONE, Confidence.NONE)
    assert core.start.candidates == ()


def test_a_name_ties_it_whatever_was_held_back(core: Core) -> None:
    core >> asks(0, "docker start web", ANN) >> hidden(starts(WEB, 10))
    assert said(core.start) == EXACT


TOO_EARLY_OR_LATE = {
    "in-the-window": (10_000 - AGO + 1, True),
    "before-the-window": (10_000 - AGO - 1, False),
    "after-the-creation": (10_000.5, False),
}


@pytest.mark.parametrize(("at", "counts"), TOO_EARLY_OR_LATE.values(), ids=TOO_EARLY_OR_LATE)
def test_a_connection_counts_for_a_while(core: Core, at: float, *, counts: bool) -> None:
    create, *rest = starts(WEB, 10_000)
    connect = connects(at, caller(77))
    core >> ([connect, create] if at < 10_000 else [create, connect]) >> rest
    assert said(core.start) == (BY_API if counts else UNKNOWN)


def test_a_connection_before_the_stop_counts_for_a_restart_only(core: Core) -> None:
    at_once, later = WEB.again(), WEB.again().again()
    core >> starts(WEB, 0) >> connects(50, caller(77)) >> WEB.exits(100) >> starts(at_once, 300)
    core >> at_once.exits(400) >> starts(later, 5000)
    assert [said(event) for event in core.starts] == [UNKNOWN, BY_API, UNKNOWN]


def test_a_client_whose_command_starts_nothing_is_no_caller(core: Core) -> None:
    core >> asks(0, "docker ps", ANN) >> connects(1, caller(ANN, 0, comm="docker"))
    core >> starts(WEB, 10)
    assert said(core.start) == UNKNOWN


def test_what_happened_inside_a_container_names_it(core: Core) -> None:
    core >> connects(0, caller(77, cgroup=IN_BOX, login=None)) >> starts(WEB, 10)
    assert said(core.start) == (Trigger.CONTAINER, Confidence.INFERRED, Confidence.INFERRED)
    assert core.start.initiator is not None
    assert core.start.initiator.container_id == BOX


INSIDERS: dict[str, list[Observation]] = {
    "command": asks(0, "docker start web", 77, cgroup=IN_BOX, login=None),
    "request": [
        requests(0, caller(77, cgroup=IN_BOX, login=None), "POST /v1.41/containers/web/start")
    ],
}


@pytest.mark.parametrize("asked", INSIDERS.values(), ids=INSIDERS)
def test_a_container_that_names_another_is_its_exact_cause(
    core: Core, asked: list[Observation]
) -> None:
    core >> asked >> starts(WEB, 10)
    assert said(core.start) == (Trigger.CONTAINER, Confidence.EXACT, Confidence.EXACT)
    assert core.start.initiator is not None
    assert core.start.initiator.container_id == BOX


def test_so_many_candidates_are_listed_and_no_more(core: Core) -> None:
    for number in range(3 * CANDIDATES_MAX):
        core >> connects(number / 10, caller(1000 + number))
    core >> starts(WEB, 10)
    event = core.start
    assert said(event) == (Trigger.API_CLIENT, Confidence.INFERRED, Confidence.AMBIGUOUS)
    assert len(event.candidates) == CANDIDATES_MAX
    assert event.initiator is None


# ------------------------------------------------------------------ 7: nobody


def test_nothing_is_guessed(core: Core) -> None:
    core >> starts(WEB, 0)
    assert said(core.start) == UNKNOWN
    assert (core.start.initiator, core.start.candidates) == (None, ())


# ------------------------------------------------------------------ services and people

SERVICE = CgroupPaths(None, "/system.slice/backup.service")
PLACES: dict[str, tuple[CgroupPaths, int | None, str | None, Trigger]] = {
    "session": (CgroupPaths(None, "/user.slice/session-3.scope"), 1000, None, Trigger.USER_COMMAND),
    "unit": (SERVICE, None, None, Trigger.SERVICE_MANAGER),
    "unit-v1": (
        CgroupPaths("/system.slice/backup.service", None), None, None, Trigger.SERVICE_MANAGER
    ),
    "unit-with-a-login": (SERVICE, 1000, None, Trigger.USER_COMMAND),
    "ssh": (CgroupPaths(None, "/system.slice/ssh.service"), None, None, Trigger.USER_COMMAND),
    "sshd": (CgroupPaths(None, "/system.slice/sshd.service"), None, None, Trigger.USER_COMMAND),
    "sshd-instance": (
        CgroupPaths(None, "/system.slice/sshd@1-10.0.0.1.service"), None, None,
        Trigger.USER_COMMAND,
    ),
    "user-manager": (
        CgroupPaths(None, "/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope"),
        None, None, Trigger.USER_COMMAND,
    ),
    "unit-of-a-user": (
        CgroupPaths(None, "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service"),
        None, None, Trigger.SERVICE_MANAGER,
    ),
    "console": (CgroupPaths(None, "/system.slice/getty@tty1.service"), None, None,
                Trigger.USER_COMMAND),
    "no-cgroup": (CgroupPaths(None, None), None, None, Trigger.USER_COMMAND),
    "cron": (CgroupPaths(None, None), 1000, "cron", Trigger.SERVICE_MANAGER),
    "crond": (CgroupPaths(None, None), 1000, "crond", Trigger.SERVICE_MANAGER),
    "at": (CgroupPaths(None, None), 1000, "atd", Trigger.SERVICE_MANAGER),
    "shell": (CgroupPaths(None, None), 1000, "bash", Trigger.USER_COMMAND),
}  # fmt: skip


@pytest.mark.parametrize(("place", "login", "above", "trigger"), PLACES.values(), ids=PLACES)
def test_a_service_is_told_from_a_person(
    core: Core, place: CgroupPaths, login: int | None, above: str | None, trigger: Trigger
) -> None:
    ancestors = (ancestor("sh", 41), ancestor(above, 40)) if above is not None else ()
    core >> asks(0, "docker start web", ANN, login=login, cgroup=place, above=ancestors)
    core >> starts(WEB, 10)
    assert said(core.start) == (trigger, Confidence.EXACT, Confidence.EXACT)


def test_the_unit_of_a_service_is_named_and_that_of_a_login_is_not(core: Core) -> None:
    service = CgroupPaths(None, "/system.slice/backup.service")
    core >> asks(0, "docker start web", ANN, login=None, cgroup=service) >> starts(WEB, 10)
    assert core.start.initiator is not None
    assert core.start.initiator.unit == "backup.service"


def test_a_login_is_in_no_unit(core: Core) -> None:
    session = CgroupPaths(None, "/system.slice/ssh.service")
    core >> asks(0, "docker start web", ANN, login=1000, cgroup=session) >> starts(WEB, 10)
    assert core.start.initiator is not None
    assert core.start.initiator.unit is None


# ------------------------------------------------------------------ one pid, several processes


def test_a_process_that_has_a_dead_clients_pid_is_not_that_client(core: Core) -> None:
    """The client's end was not seen, as when a record is lost; its pid is somebody else's now."""
    core >> asks(-2000, "docker ps", ANN) >> connects(0, caller(ANN, -100, login=1009))
    core >> starts(WEB, 10)
    assert said(core.start) == BY_API
    assert core.start.initiator is not None
    assert core.start.initiator.user is not None
    assert process(core.start.initiator).start_time == ns(-100)
    assert core.start.initiator.user.auid == 1009


def test_an_ancestor_that_has_a_dead_clients_pid_is_not_that_client(core: Core) -> None:
    core >> asks(0, "podman run nginx", ANN)
    core >> below(WEB.create(5000), ancestor("podman", ANN, 4000))
    core >> described(5001, WEB, engine=Engine.PODMAN, image="other") >> WEB.execs(5005)
    assert said(core.start) == UNKNOWN


def test_the_end_of_a_pids_next_process_does_not_end_the_client(core: Core) -> None:
    client = typed(0, "docker start web", ANN)
    core >> client >> talks(client) >> ended(5, typed(3, "docker ps", ANN)) >> starts(WEB, 10)
    assert said(core.start) == EXACT


def test_audit_is_joined_to_the_command_of_its_pid_and_time(core: Core) -> None:
    core >> asks(0, "docker start web", ANN) >> audited(0, ANN, "/opt/docker/docker")
    core >> audited(0, BOB, "/opt/evil")
    core >> connects(3, caller(ANN, None, comm="docker"), witness=Witness.AUDIT)
    core >> starts(WEB, 10)
    assert said(core.start) == EXACT
    assert process(core.start.initiator).exe == "/opt/docker/docker"
    audit = [one for one in core.start.evidence if one.source is Witness.AUDIT]
    assert [one.what for one in audit] == ["execve", f"connect {DOCKER_SOCKET}"]
    assert all(one.ref for one in audit)


@pytest.mark.parametrize("at", [-1000, 6000], ids=["before", "long-after"])
def test_audit_of_another_time_is_of_another_process(core: Core, at: float) -> None:
    core >> asks(0, "docker start web", ANN) >> audited(at, ANN, "/opt/evil")
    core >> starts(WEB, 8000)
    assert process(core.start.initiator).exe == "docker"
    assert Witness.AUDIT not in [one.source for one in core.start.evidence]


# ------------------------------------------------------------------ what is told of the initiator


SECRETIVE = ("docker", "run", "-e", "DB_PASSWORD=hunter2", "--name", "web", "nginx")
SECRETS: dict[str, list[Observation]] = {
    "command": [*asks(0, SECRETIVE, ANN), *starts(WEB, 10)],
    "caller": [connects(0, replace(caller(77), argv=SECRETIVE)), *starts(WEB, 10)],
    "runtime": [
        replace(WEB.create(10), argv=("runc", "--password=hunter2", "create", WEB.id)),
        described(11, WEB),
        WEB.execs(15),
    ],
}


@pytest.mark.parametrize("story", SECRETS.values(), ids=SECRETS)
def test_secrets_of_the_command_line_are_not_repeated(story: list[Observation]) -> None:
    core = Core()
    core.core = Correlator(Parsers(cgroup.parse, redact_argv, ROLES.of_name))
    core.feed([HOST])
    core >> story
    told = process(core.start.initiator).argv
    assert told is not None
    assert "hunter2" not in " ".join(told)
    assert told[-1] in {"nginx", WEB.id}


@pytest.mark.parametrize("asked", ["command", "connect"])
def test_accounts_are_named(core: Core, asked: str) -> None:
    core >> AccountsRead(ns(-9), ((0, "root"), (1000, "ann"), (1001, "bob")))
    core >> (
        asks(0, "docker start web", ANN, login=1001, uid=0)
        if asked == "command"
        else connects(0, replace(caller(ANN, login=1001), uid=0))
    )
    core >> starts(WEB, 10)
    who = core.start.initiator
    assert who is not None
    assert who.user is not None
    assert (who.user.uid, who.user.name) == (0, "root")
    assert (who.user.auid, who.user.auid_name) == (1001, "bob")


def test_an_account_that_nobody_knows_stays_a_number(core: Core) -> None:
    core >> AccountsRead(ns(-9), ((0, "root"),)) >> asks(0, "docker start web", ANN)
    core >> starts(WEB, 10)
    assert core.start.initiator is not None
    assert core.start.initiator.user is not None
    assert (core.start.initiator.user.auid, core.start.initiator.user.auid_name) == (1000, None)


def test_a_container_that_was_gone_takes_name_and_image_of_the_only_fitting_client(
    core: Core,
) -> None:
    core >> asks(0, "docker run --rm --name flash busybox:1", ANN)
    core >> below(WEB.create(10), SHIM) >> WEB.execs(15) >> WEB.exits(16)
    core.wait(until=2 * WAIT)
    container = core.start.container
    assert container is not None
    assert container.image is not None
    assert (container.name, container.image.name) == ("flash", "busybox:1")
    assert said(core.start) == INFERRED


def test_a_container_that_was_gone_takes_no_name_of_several_clients(core: Core) -> None:
    core >> asks(0, "docker run --rm --name flash busybox:1", ANN)
    core >> asks(1, "docker run --rm --name flush busybox:2", BOB)
    core >> below(WEB.create(10), SHIM) >> WEB.execs(15)
    core.wait(until=2 * WAIT)
    assert core.start.container is not None
    assert (core.start.container.name, core.start.container.image) == (None, None)
    assert candidates(core.start) == [ANN, BOB]


# ------------------------------------------------------------------ whatever the order

BOXES = tuple(numbered(number) for number in range(3))
PEOPLE = range(50, 56)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ("run", "name", "end", "connect", "request", "audit", "boot", "live", "stop")
        ),
        st.integers(0, len(BOXES) - 1),
        st.sampled_from(PEOPLE),
        st.booleans(),
    ),
    max_size=40,
)


class Story:
    """Makes observations of steps, and keeps who has named or borne which container."""

    def __init__(self) -> None:
        self.core = Core()
        self.may: dict[str, set[int]] = {box.id: set() for box in BOXES}
        self._boxes = list(BOXES)
        self._clients: dict[int, CommandExec] = {}
        self._alive: set[int] = set()
        self._at = 0.0

    def step(self, what: str, number: int, who: int, *, flag: bool) -> None:
        self._at += 7
        make: dict[str, Callable[[], list[Observation]]] = {
            "run": lambda: self._type(who, "docker run nginx"),
            "name": lambda: self._name(number, who, flag=flag),
            "end": lambda: self._end(who),
            "connect": lambda: [connects(self._at, caller(who, -1))],
            "request": lambda: self._request(number, who),
            "audit": lambda: [audited(self._at, who)],
            "boot": lambda: [engine_boots(self._at)],
            "live": lambda: self._live(number, engine=flag),
            "stop": lambda: self._stop(number),
        }
        self.core >> make[what]()

    def _type(self, who: int, line: str) -> list[Observation]:
        self._clients[who] = client = typed(self._at, line, who)
        return [client, talks(client)]

    def _name(self, number: int, who: int, *, flag: bool) -> list[Observation]:
        box = self._boxes[number]
        self.may[box.id].add(who)
        return self._type(who, f"docker {'start' if flag else 'restart'} {box.name}")

    def _end(self, who: int) -> list[Observation]:
        client = self._clients.pop(who, None)
        return [ended(self._at, client)] if client is not None else []

    def _request(self, number: int, who: int) -> list[Observation]:
        box = self._boxes[number]
        self.may[box.id].add(who)
        return [requests(self._at, caller(who, -1), f"POST /containers/{box.id}/start")]

    def _live(self, number: int, *, engine: bool) -> list[Observation]:
        if number in self._alive:
            return self._stop(number)
        self._alive.add(number)
        box = self._boxes[number]
        create = box.create(self._at)
        if engine:
            create = below(create, SHIM)
        else:
            self.may[box.id].add(box.pid)
        self._at += 4
        return [create, described(self._at, box, image="nginx"), box.execs(self._at)]

    def _stop(self, number: int) -> list[Observation]:
        if number not in self._alive:
            return []
        self._alive.remove(number)
        box = self._boxes[number]
        self._boxes[number] = box.again()
        return [box.exits(self._at)]


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_whatever_happens_an_answer_is_exact_by_a_name_or_by_descent_only(
    steps: list[tuple[str, int, int, bool]],
) -> None:
    story = Story()
    for what, number, who, flag in steps:
        story.step(what, number, who, flag=flag)
    assert not story.core.core.defects
    for event in story.core.starts:
        trigger, trigger_confidence, confidence = said(event)
        assert event.container is not None
        if confidence is Confidence.EXACT:
            assert event.container.id is not None
            assert pid(event) in story.may[event.container.id]
            assert event.evidence
        assert (event.initiator is not None) == (
            confidence in (Confidence.EXACT, Confidence.INFERRED)
        )
        assert bool(event.candidates) == (confidence is Confidence.AMBIGUOUS)
        assert len(event.candidates) in {0, *range(2, CANDIDATES_MAX + 1)}
        assert (trigger is Trigger.UNKNOWN) == (
            trigger_confidence in (Confidence.NONE, Confidence.AMBIGUOUS)
        )


@pytest.mark.parametrize(
    "line", ["podman start web", f"podman start {WEB.id}", "podman restart web"]
)
def test_a_name_given_to_another_engine_names_another_container(core: Core, line: str) -> None:
    core >> asks(0, line, 50) >> starts(WEB, 10)
    assert said(core.starts[-1]) == (Trigger.UNKNOWN, Confidence.NONE, Confidence.NONE)


def test_dockers_container_is_named_to_the_containerd_below_by_its_full_id(core: Core) -> None:
    core >> asks(0, f"ctr -n moby tasks start {WEB.id}", 50) >> starts(WEB, 10)
    assert pid(core.starts[-1]) == 50


@pytest.mark.parametrize("line", ["docker start /web", "docker restart /web"])
def test_docker_takes_a_name_with_its_slash(core: Core, line: str) -> None:
    core >> asks(0, line, 50) >> starts(WEB, 10)
    assert said(core.starts[-1])[2] is Confidence.EXACT


def test_a_caller_that_two_witnesses_saw_is_one(core: Core) -> None:
    core >> connects(0, caller(77)) >> connects(0.1, caller(77, None), witness=Witness.AUDIT)
    core >> starts(WEB, 10)
    assert said(core.starts[-1])[2] is Confidence.INFERRED
    assert pid(core.starts[-1]) == 77


def test_a_run_makes_one_container_and_is_no_suspect_for_the_next(core: Core) -> None:
    core >> asks(0, "docker run nginx", 50) >> starts(WEB, 10, image="nginx")
    core >> starts(DB, 2000, image="nginx")
    first, second = core.starts
    assert pid(first) == 50
    assert said(second)[2] is Confidence.NONE


def test_a_caller_of_another_engines_socket_is_no_cause(core: Core) -> None:
    core >> connects(0, caller(77), socket="/run/podman/podman.sock") >> starts(WEB, 10)
    assert said(core.starts[-1])[2] is Confidence.NONE


def test_a_restart_asked_for_before_the_first_execve_is_its_cause(core: Core) -> None:
    """An engine says that a container is started before its init has executed anything."""
    core >> asks(0, "docker run --name web nginx", 50)
    core >> [below(WEB.create(10), SHIM), described(11, WEB)]
    core >> asks(14, "docker restart web", 51) >> WEB.execs(15) >> WEB.exits(30)
    core >> starts(WEB.again(), 40)
    event = core.starts[-1]
    assert event.start is not None
    assert (event.start.kind, pid(event)) == (StartKind.RESTART, 51)


def test_who_still_waits_for_a_start_after_the_run_that_another_got_is_inferred(core: Core) -> None:
    first, second = typed(0, "docker start web", 50), typed(0, "docker start web", 51)
    core >> first >> talks(first) >> second >> talks(second)
    core >> starts(WEB, 10) >> ended(16, first) >> WEB.exits(20)
    core >> starts(WEB.again(), 40)
    earlier, later = core.starts
    assert candidates(earlier) == [50, 51]
    assert (said(later)[2], pid(later)) == (Confidence.INFERRED, 51)
