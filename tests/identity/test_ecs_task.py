"""The file that the ECS agent writes about a container names its task."""

from __future__ import annotations

from typing import Any

import pytest

from sensor.identity.document import JsonDocument
from sensor.identity.ecs_task import task_of
from sensor.identity.oci import Bundle, bundle_of
from sensor.identity.reading import RootReader
from sensor.model.container import Orchestrator
from sensor.model.control_plane import Owner
from tests.identity.sample_node import ID, Node, oci_config

TASK = "arn:aws:ecs:eu-central-1:111122223333:task/prod/0f1e2d"
INSTANCE = "arn:aws:ecs:eu-central-1:111122223333:container-instance/prod/9a8b"
DIRECTORY = "/var/lib/ecs/data/metadata/prod/0f1e2d/web"
BEFORE: dict[str, Any] = {
    "Cluster": "prod",
    "ContainerInstanceARN": INSTANCE,
    "TaskARN": TASK,
    "TaskDefinitionFamily": "web",
    "TaskDefinitionRevision": "7",
    "ContainerName": "web",
}
"""As the file is before the container starts."""
READY = BEFORE | {
    "ContainerID": ID,
    "DockerContainerName": "/ecs-web-7",
    "MetadataFileStatus": "READY",
}


def bound(source: str = DIRECTORY, destination: str = "/opt/ecs/metadata/2f0a") -> Bundle:
    mounts = [{"destination": destination, "type": "bind", "source": source}]
    return bundle_of(JsonDocument(oci_config(mounts=mounts)))


@pytest.mark.parametrize("content", [BEFORE, READY], ids=["before the start", "ready"])
def test_a_task_is_named_before_and_after_the_start(
    node: Node, reading: RootReader, content: dict[str, Any]
) -> None:
    node.write(f"{DIRECTORY}/ecs-container-metadata.json", content)
    assert task_of(bound(), ID, reading) == Orchestrator(
        "ecs",
        container="web",
        cluster="prod",
        node=INSTANCE,
        owner=Owner("TaskDefinition", "web:7"),
        task_arn=TASK,
    )


@pytest.mark.parametrize(
    "content",
    [READY | {"ContainerID": "another"}, {"Cluster": "prod"}, {"TaskARN": 7}, [], b"{"],
    ids=["another container's", "no task", "a wrong type", "a list", "cut"],
)
def test_a_file_that_is_not_this_containers_names_no_task(
    node: Node, reading: RootReader, content: object
) -> None:
    node.write(f"{DIRECTORY}/ecs-container-metadata.json", content)
    assert task_of(bound(), ID, reading) is None


def test_a_file_that_another_user_may_write_is_not_read(node: Node, reading: RootReader) -> None:
    path = node.write(f"{DIRECTORY}/ecs-container-metadata.json", READY)
    path.parent.chmod(0o777)
    assert task_of(bound(), ID, reading) is None
    assert reading.problems == ["ecs_metadata:untrusted"]


def test_a_container_without_the_file_has_no_task(reading: RootReader) -> None:
    assert task_of(bound(), ID, reading) is None
    assert task_of(bound("/srv", "/data"), ID, reading) is None
    assert reading.problems == []
