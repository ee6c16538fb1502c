"""What a container is a part of, by the engine's own record."""

from __future__ import annotations

import pytest

from sensor.correlate.orchestrators import completed, place_of
from sensor.model.container import Description, Orchestrator
from sensor.model.control_plane import Owner
from sensor.model.vocabulary import ContainerId

ID = ContainerId("4f2d" * 16)
SWARM = {
    "com.docker.swarm.service.id": "s1",
    "com.docker.swarm.service.name": "svc",
    "com.docker.swarm.task.id": "t1",
    "com.docker.swarm.task.name": "svc.2.t1",
    "com.docker.stack.namespace": "shop",
}
NOMAD = {"com.hashicorp.nomad.alloc_id": "a1"}
ECS = {
    "com.amazonaws.ecs.task-arn": "arn:aws:ecs:eu-west-1:1:task/c/t",
    "com.amazonaws.ecs.container-name": "web",
}
PLACES = {
    "swarm": (SWARM, ("swarm s1", "svc.2")),
    "nomad": (NOMAD, ("nomad a1", "web")),
    "ecs": (ECS, ("ecs arn:aws:ecs:eu-west-1:1:task/c/t", "web")),
}


def described(labels: dict[str, str], pod: Orchestrator | None = None) -> Description:
    return Description(ID, name="web-a1", labels=tuple(labels.items()), orchestrator=pod)


@pytest.mark.parametrize(("labels", "key"), PLACES.values(), ids=PLACES)
def test_labels_name_the_slot_that_containers_follow_each_other_in(
    labels: dict[str, str], key: tuple[str, str]
) -> None:
    place = place_of(described(labels))
    assert place is not None
    assert place.key == key


@pytest.mark.parametrize("missing", ["com.docker.swarm.service.id", "com.docker.swarm.task.id"])
def test_labels_that_are_not_complete_name_nothing(missing: str) -> None:
    labels = {name: value for name, value in SWARM.items() if name != missing}
    assert place_of(described(labels)) is None


def test_a_pods_annotations_outweigh_labels() -> None:
    pod = Orchestrator("kubernetes", "default", "shop", "8d4a", "web", 0)
    place = place_of(described(SWARM, pod))
    assert place is not None
    assert place.key == ("8d4a", "web")
    assert completed(described(SWARM, pod)).orchestrator is pod


def test_the_event_names_the_orchestrator_that_the_labels_name() -> None:
    block = completed(described(SWARM)).orchestrator
    assert block is not None
    assert (block.type, block.namespace, block.pod, block.container) == (
        "swarm",
        "shop",
        "svc.2.t1",
        "svc",
    )
    plain = described({"com.docker.compose.project": "x"})
    assert completed(plain) is plain


def test_a_task_of_ecs_names_its_task_its_cluster_and_its_definition() -> None:
    more = {
        "com.amazonaws.ecs.cluster": "prod",
        "com.amazonaws.ecs.task-definition-family": "web",
        "com.amazonaws.ecs.task-definition-version": "7",
    }
    block = completed(described(ECS | more)).orchestrator
    assert block is not None
    assert (block.type, block.container, block.cluster) == ("ecs", "web", "prod")
    assert block.task_arn == "arn:aws:ecs:eu-west-1:1:task/c/t"
    assert block.owner == Owner("TaskDefinition", "web:7")


def test_the_file_of_the_ecs_agent_outweighs_labels() -> None:
    task = Orchestrator("ecs", container="api", task_arn="arn:task/2", owner=Owner("x", "web:7"))
    place = place_of(described(ECS, task))
    assert place is not None
    assert (place.key, place.service) == (("ecs arn:task/2", "api"), "web")
    assert completed(described(ECS, task)).orchestrator is task
