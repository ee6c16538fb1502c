"""What a container is a part of: a pod, a swarm task, a Nomad allocation, an ECS task.

The engine's own record has it: the CRI's annotations, and the labels that swarm
(moby, daemon/cluster/executor/container/container.go), Nomad (drivers/docker) and the ECS agent
(agent/engine/docker_task_engine.go) give to each container that they make. A restart is tied to the
slot: the place that one container after the other fills.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.container import KUBERNETES, Orchestrator
from sensor.model.control_plane import task_definition
from sensor.model.vocabulary import EvidenceKind, Witness

if TYPE_CHECKING:
    from sensor.correlate.containers import ContainerState
    from sensor.model.container import Description

SWARM = "swarm"
_SWARM = "com.docker.swarm."
_NOMAD = "com.hashicorp.nomad."
_ECS = "com.amazonaws.ecs."


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a container stands with its orchestrator."""

    type: str
    owner: str
    """Pod uid, swarm service id, Nomad allocation, ECS task ARN."""
    slot: str | None
    """The name within the owner: a pod's container, a service's slot."""
    service: str | None
    witness: Witness
    what: str
    stack: str | None = None
    """What the service was deployed with."""

    @property
    def kubernetes(self) -> bool:
        """Whether a kubelet manages it."""
        return self.type == KUBERNETES

    @property
    def kind(self) -> EvidenceKind:
        """Which kind of evidence names it."""
        return EvidenceKind.POD if self.kubernetes else EvidenceKind.ENGINE_RECORD

    @property
    def key(self) -> tuple[str, str | None]:
        """What containers that follow each other share."""
        return (self.owner if self.kubernetes else f"{self.type} {self.owner}", self.slot)


def place_of(description: Description) -> Placement | None:
    """Return the place of a container by its engine's record; None when none names one."""
    pod = description.orchestrator
    if pod is not None and pod.type == KUBERNETES:
        what = "pod annotations of the container"
        return Placement(pod.type, pod.pod_uid or "", pod.container, None, Witness.KUBERNETES, what)
    if pod is not None and pod.task_arn is not None:
        what = "ECS metadata file of the container"
        family = None if pod.owner is None else pod.owner.name.partition(":")[0]
        return Placement(pod.type, pod.task_arn, pod.container, family, Witness.DOCKER, what)
    if not description.labels:
        return None
    labels = dict(description.labels)
    return _swarm(labels) or _nomad(labels, description) or _ecs(labels)


def place_in(state: ContainerState) -> Placement | None:
    """Return the place of a container, unless who asked for it shows that its labels lie."""
    if state.description is None or state.placeless:
        return None
    return place_of(state.description)


def completed(description: Description) -> Description:
    """Add the orchestrator that the engine's labels name, where no annotation names a pod."""
    if description.orchestrator is not None:
        return description
    place = place_of(description)
    if place is None:
        return description
    labels = dict(description.labels or ())
    block = Orchestrator(
        type=place.type,
        namespace=labels.get("com.docker.stack.namespace"),
        pod=labels.get(f"{_SWARM}task.name") or labels.get(f"{_NOMAD}task_group_name"),
        container=place.service if place.type == SWARM else place.slot,
    )
    if place.type == "ecs":
        block = replace(
            block,
            cluster=labels.get(f"{_ECS}cluster"),
            task_arn=place.owner,
            owner=task_definition(place.service, labels.get(f"{_ECS}task-definition-version")),
        )
    return replace(description, orchestrator=block)


def _swarm(labels: dict[str, str]) -> Placement | None:
    service, task = labels.get(f"{_SWARM}service.id"), labels.get(f"{_SWARM}task.id")
    if not service or not task:
        return None
    name = labels.get(f"{_SWARM}task.name") or ""
    # "web.2.<task id>": the second replica of the service.
    slot = name.removesuffix(f".{task}") or None
    return Placement(
        SWARM,
        service,
        slot,
        labels.get(f"{_SWARM}service.name"),
        Witness.DOCKER,
        "swarm labels of the container",
        labels.get("com.docker.stack.namespace"),
    )


def _nomad(labels: dict[str, str], description: Description) -> Placement | None:
    allocation = labels.get(f"{_NOMAD}alloc_id")
    if not allocation:
        return None
    task = labels.get(f"{_NOMAD}task_name")
    if task is None and description.name is not None:
        # The driver calls it "<task>-<allocation>".
        task = description.name.removesuffix(f"-{allocation}")
    job = labels.get(f"{_NOMAD}job_id")
    return Placement(
        "nomad", allocation, task, job, Witness.DOCKER, "Nomad labels of the container"
    )


def _ecs(labels: dict[str, str]) -> Placement | None:
    task = labels.get(f"{_ECS}task-arn")
    if not task:
        return None
    return Placement(
        "ecs",
        task,
        labels.get(f"{_ECS}container-name"),
        labels.get(f"{_ECS}task-definition-family"),
        Witness.DOCKER,
        "ECS labels of the container",
    )
