"""Which process is a candidate: by what it did, not by its name. The hands of a request are one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.model.api_calls import Caller
from sensor.model.observations import Observation
from sensor.model.vocabulary import Engine, Role, Trigger
from tests.correlate.cases import (
    ANN,
    BOB,
    BY_API,
    BY_PERSON,
    EXACT,
    INFERRED,
    MALLORY,
    NONE,
    START,
    cause,
    evidence,
    kind,
    starts,
)
from tests.correlate.observations import (
    SESSION,
    ancestor,
    asks,
    below,
    caller,
    command,
    connects,
    facts,
    requests,
    talks,
    typed,
)
from tests.correlate.scenario import WEB, Core, described, supervised

CONTAINERD = "/run/containerd/containerd.sock"
PROJECT = (
    ("com.docker.compose.project", "proj"),
    ("com.docker.compose.service", "web"),
    ("com.docker.compose.project.working_dir", "/home/ann"),
)


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


def below_plugin(line: str, uid: int) -> list[Observation]:
    """A script is the client's plugin, and runs a program that asks the engine."""
    script = ancestor("docker-foo", 61, 1, exe="sh")
    worker = caller(BOB, 2, uid=uid, above=(script, ancestor("docker", ANN, 0)))
    return [typed(0, line, ANN), connects(3, worker), requests(4, worker, START)]


def test_what_a_plugin_runs_works_for_its_client(core: Core) -> None:
    """compose-v2-up: the plugin is a script."""
    core >> below_plugin("docker foo bar", 1000) >> starts(WEB, 10)
    assert cause(core.start) == (BY_PERSON, EXACT, ANN)


@pytest.mark.parametrize(
    ("line", "uid"), [("docker foo bar", 0), ("docker unshare sh", 1000), ("docker ps", 1000)]
)
def test_a_program_below_a_client_that_it_does_not_work_for_is_itself_the_cause(
    core: Core, line: str, uid: int
) -> None:
    """compose-v2-up, the other way: another user's (sudo), or one that starts nothing."""
    core >> below_plugin(line, uid) >> starts(WEB, 10)
    assert cause(core.start) == (BY_API, EXACT, BOB)


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


def test_a_runtime_below_a_shell_called_a_shim_is_run_by_hand(core: Core) -> None:
    """sec-below-a-shell-called-runc, the shell called containerd-shim-x."""
    argv = ("/tmp/x/containerd-shim-x", "-c", "runc run -b /tmp/b e21; true")
    shell = facts(40, 0, comm="containerd-shim", exe="containerd-shim-x", cgroup=SESSION)
    core >> command(0, argv, role=Role.SHIM, program="containerd-shim", process=shell)
    above = ancestor("containerd-shim-x", 40, 0)
    core >> below(WEB.create(5, "run"), above) >> described(6, WEB, engine=None) >> WEB.execs(9)
    assert cause(core.start) == (Trigger.SERVICE_MANAGER, EXACT, WEB.pid)


def test_supervised_containers_are_not_run_by_hand(core: Core) -> None:
    shim = supervised(0, WEB, "containerd-shim-runc-v2", "-id", WEB.id, above=ancestor("x", 8))
    core >> shim >> below(WEB.create(5), ancestor("containerd-shim", shim.process.key.pid, 0))
    core >> described(6, WEB) >> WEB.execs(9)
    assert cause(core.start) == (Trigger.UNKNOWN, NONE, None)
