"""Tasks of ECS, from the file that the ECS agent writes about a container on its host.

With ``ECS_ENABLE_CONTAINER_METADATA`` the agent binds
``<data>/metadata/<cluster>/<task>/<container>`` to ``/opt/ecs/metadata/<random>``. The file there
names the task before the container starts; the container's own id is added afterwards
(ECS developer guide, *container metadata file*). Labels say the same where the file is off.

A container that binds another one's directory does not get its task: that file has another id.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from sensor.identity.reading import FileKind
from sensor.model.container import Orchestrator
from sensor.model.control_plane import task_definition

if TYPE_CHECKING:
    from sensor.identity.oci import Bundle
    from sensor.identity.reading import RootReader

ECS = "ecs"
FILE = "ecs-container-metadata.json"
_INSIDE = "/opt/ecs/metadata/"


def task_of(bundle: Bundle, container: str, reading: RootReader) -> Orchestrator | None:
    """Return the ECS task of a container; None where no file of the agent names one."""
    for mount in bundle.mounts:
        if mount.destination.startswith(_INSIDE) and mount.source.startswith("/"):
            path = f"{posixpath.normpath(mount.source)}/{FILE}"
            return _task(path, container, reading)
    return None


def _task(path: str, container: str, reading: RootReader) -> Orchestrator | None:
    found = reading.document(FileKind.ECS_METADATA, path, optional=True)
    task = None if found is None else found.text("TaskARN")
    if found is None or task is None or found.text("ContainerID") not in (None, container):
        return None
    return Orchestrator(
        type=ECS,
        container=found.text("ContainerName"),
        cluster=found.text("Cluster"),
        node=found.text("ContainerInstanceARN"),
        owner=task_definition(
            found.text("TaskDefinitionFamily"), found.text("TaskDefinitionRevision")
        ),
        task_arn=task,
    )
