"""Tasks of services and allocations: replacements are restarts of their slot."""

from __future__ import annotations

import pytest

from sensor.model.observations import Observation
from sensor.model.vocabulary import Trigger
from tests.correlate.cases import ANN, BOB, EXACT, INFERRED, cause, kind, poll, starts, task
from tests.correlate.observations import caller, connects, ended, requests, talks, typed
from tests.correlate.scenario import DB, PLAIN, WEB, Box, Core

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


def by_caller(pid: int, box: Box, at: float, exe: str, uid: int) -> list[Observation]:
    """A program asks Docker to start a container."""
    who = caller(pid, at - 20, comm=exe, exe=exe, uid=uid)
    return [connects(at - 2, who), requests(at - 1, who, f"POST /containers/{box.id}/start")]


@pytest.mark.parametrize("which", SLOTS)
def test_labels_that_the_maker_invented_follow_no_container(core: Core, which: str) -> None:
    """swarm-service: the labels are words of who asked for the container."""
    labels, next_labels = SLOTS[which]
    if which == "swarm":
        core >> starts(WEB, 0, labels=labels)
    else:
        core >> by_caller(ANN, WEB, 0, "agent", 0) >> starts(WEB, 0, labels=labels)
    core >> WEB.exits(1000) >> by_caller(BOB, DB, 6000, "python3", 1001)
    core >> starts(DB, 6000, labels=next_labels)
    _, forged = core.starts
    assert cause(forged) == (Trigger.API_CLIENT, EXACT, BOB)
    assert kind(forged) == "first"
    assert forged.start is not None
    assert forged.start.previous is None
    assert forged.orchestrator is None


def test_what_invented_labels_is_not_what_the_next_task_follows(core: Core) -> None:
    core >> starts(WEB, 0, labels=task("t1")) >> WEB.exits(1000)
    core >> by_caller(BOB, DB, 2000, "python3", 1001) >> starts(DB, 2000, labels=task("t2"))
    core >> DB.exits(3000) >> starts(PLAIN, 6000, labels=task("t3"))
    *_, last = core.starts
    assert last.start is not None
    assert last.start.previous is not None
    assert last.start.previous.id == WEB.id


def test_a_person_who_starts_a_task_again_is_not_its_orchestrator(core: Core) -> None:
    core >> by_caller(ANN, WEB, 0, "agent", 0) >> starts(WEB, 0, labels=NOMAD)
    core >> WEB.exits(1000) >> by_caller(BOB, WEB, 4000, "python3", 1001)
    again = WEB.again()
    core >> starts(again, 4000, labels=NOMAD) >> again.exits(5000)
    core >> by_caller(ANN, DB, 9000, "agent", 0) >> starts(DB, 9000, labels=NOMAD)
    assert [kind(event) for event in core.starts][::2] == ["first", "restart"]


@pytest.mark.parametrize("which", ["nomad", "ecs"])
def test_the_same_program_that_asks_again_replaces_its_task(core: Core, which: str) -> None:
    labels, next_labels = SLOTS[which]
    core >> by_caller(ANN, WEB, 0, "agent", 0) >> starts(WEB, 0, labels=labels)
    core >> WEB.exits(1000) >> by_caller(BOB, DB, 6000, "agent", 0)
    core >> starts(DB, 6000, labels=next_labels)
    assert [kind(event) for event in core.starts] == ["first", "restart"]
