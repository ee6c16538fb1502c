"""What an event says of the initiator: no secret, names of accounts, the right process."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.core import Correlator, Parsers
from sensor.identity import cgroup
from sensor.identity.redact import redact_argv
from sensor.model.agent_records import AccountsRead
from sensor.model.observations import Observation
from sensor.model.vocabulary import Engine, Witness
from tests.correlate.causes import (
    ANN,
    BOB,
    BY_API,
    EXACT,
    INFERRED,
    UNKNOWN,
    WAIT,
    candidates,
    process,
    said,
    starts,
)
from tests.correlate.observations import (
    DOCKER_SOCKET,
    HOST,
    ROLES,
    SHIM,
    ancestor,
    asks,
    audited,
    below,
    caller,
    connects,
    ended,
    ns,
    talks,
    typed,
)
from tests.correlate.scenario import WEB, Core, described


def test_a_process_that_has_a_dead_clients_pid_is_not_that_client(core: Core) -> None:
    """The client's end was not seen, as when a record is lost; its pid is another process now."""
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
    reported = process(core.start.initiator).argv
    assert reported is not None
    assert "hunter2" not in " ".join(reported)
    assert reported[-1] in {"nginx", WEB.id}


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


def test_an_account_that_is_unknown_stays_a_number(core: Core) -> None:
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
