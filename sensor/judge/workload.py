"""The workload that a container is an instance of: the key that its past is kept under.

The first line that fits gives the key. A key never holds a container's id, a pod's name, a tag or a
digest: it is the same for the next instance.

====================================  ==================================
known of the container                key
====================================  ==================================
its pod                               ``k8s/<namespace>/<owner>``
labels of a compose project           ``compose/<project>/<service>``
label of a swarm service              ``swarm/<service>``
labels of an ECS task                 ``ecs/<family>/<container>``
labels of a Nomad job                 ``nomad/<job>/<task>``
label of a Podman unit                ``unit/<unit>``
a name that a person or script gave   ``name/<name>``, generated parts ``*``
its image, also where a CI runner     ``image/<repository>``
made the name of it
====================================  ==================================

The key of a container that is not of the host's root begins with its owner: ``uid 1000: name/web``.
Its maker chose all the rest, and may have chosen what root's container has. Without a name and an
image it is ``unnamed`` there.

Who started it, how, and with which privileges are features of a start and no part of the key: a new
initiator must not look like a new workload.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.judge import image_reference
from sensor.judge.job_pod import ANY, UUID, folded_owner, is_of_flow
from sensor.judge.maker_name import alias_of, folded, is_generated, sane, without_own_id
from sensor.model import pod_name
from sensor.model.account import of_owner
from sensor.model.container import KUBERNETES
from sensor.model.pod_name import GENERATED, RANDOM_LENGTH

if TYPE_CHECKING:
    from sensor.model.events import Container, Event
    from sensor.model.pod_name import PodName

COMPOSE_LABELS = (
    ("com.docker.compose.project", "com.docker.compose.service"),
    ("io.podman.compose.project", "io.podman.compose.service"),
)
SWARM_LABEL = "com.docker.swarm.service.name"
UNIT_LABEL = "PODMAN_SYSTEMD_UNIT"
ECS_LABELS = ("com.amazonaws.ecs.task-definition-family", "com.amazonaws.ecs.container-name")
NOMAD_LABELS = ("com.hashicorp.nomad.job_id", "com.hashicorp.nomad.task_name")
UNNAMED = "unnamed"
KEY_MAX = 300
"""Characters of a key; a longer one is cut, so that its maker does not choose its size."""

NAMES_CACHED = 512
"""Names of containers, and of images, whose workload is remembered."""

RANDOM_OF_RUNNER = len("_4f7c2a")
"""Characters at the end of a name that a runner of CI makes up."""

_MADE_UP = re.compile(rf"{UUID}|(?<![0-9a-z])[0-9a-f]{{12,}}(?![0-9a-z])")
"""What a builder makes up in an image's name, and an image that was named by its id."""

_DEBUGGER = "debugger-"
"""Begins the name that ``kubectl debug`` gives to a container; five letters of chance follow."""
_RANDOM_END = re.compile(rf"-[{GENERATED}]{{{RANDOM_LENGTH}}}\Z")

_OWN_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class WorkloadKey:
    """A key, and what a pod's name adds: its owner, and the container's name in the pod."""

    key: str
    owner: PodName | None = None
    container: str | None = None

    @property
    def row(self) -> str:
        """The key of the row of its past: each container of a pod has one of its own."""
        return self.key if self.container is None else f"{self.key}#{self.container}"


def workload_of(event: Event) -> WorkloadKey | None:
    """Return the workload of an event's container; None where nothing names it."""
    if event.container is None:
        return None
    if event.owner is None:
        return _named(event, event.container)
    found = _named(event, event.container) or WorkloadKey(UNNAMED)
    return replace(found, key=of_owner(event.owner, found.key))


def _named(event: Event, container: Container) -> WorkloadKey | None:
    pod = event.orchestrator
    if pod is not None and pod.pod is not None and pod.type == KUBERNETES:
        host = event.host
        node = (host.node or host.name) if host is not None else None
        owner = pod_name.parse(pod.pod, pod.pod_uid, node)
        of_flow = is_of_flow(pod.pod, owner.owner)
        key = _of_pod(pod.namespace or "?", owner.owner, of_flow=of_flow)
        inside = pod.container
        if inside is not None and inside.startswith(_DEBUGGER):
            inside = _RANDOM_END.sub(f"-{ANY}", inside)
        return WorkloadKey(key, owner, inside)
    labelled = _by_labels(dict(container.labels)) if container.labels else None
    if labelled is not None:
        return WorkloadKey(labelled)
    name = container.name
    if name is None and container.id is not None and _OWN_ID.fullmatch(container.id) is None:
        # Its maker chose the id, as with ctr and runc.
        name = container.id
    process = event.initiator.process if event.initiator is not None else None
    image = container.image.name if container.image is not None else None
    if name is not None and not is_generated(name, process.argv if process is not None else None):
        if image is not None and name[-RANDOM_OF_RUNNER:][:1] == "_":
            made_up = _of_runner(name, image)
            if made_up is not None:
                return made_up
        return _of_name(without_own_id(name, container.id))
    return _of_image(image) if image is not None else None


@lru_cache(maxsize=NAMES_CACHED)
def _of_pod(namespace: str, owner: str, *, of_flow: bool) -> str:
    return _key("k8s", namespace, folded_owner(owner, of_flow=of_flow))


@lru_cache(maxsize=NAMES_CACHED)
def _of_runner(name: str, image: str) -> WorkloadKey | None:
    reference = image_reference.parse(image)
    alias = alias_of(name, reference, image)
    if alias is None:
        return None
    if not alias:
        return _of_image(image)
    return WorkloadKey(_key("name", f"{folded(alias)}_{sane(reference.familiar)}_{ANY}"))


@lru_cache(maxsize=NAMES_CACHED)
def _of_name(name: str) -> WorkloadKey:
    return WorkloadKey(_key("name", folded(name)))


@lru_cache(maxsize=NAMES_CACHED)
def _of_image(name: str) -> WorkloadKey:
    return WorkloadKey(_key("image", _MADE_UP.sub(ANY, image_reference.parse(name).repository)))


def _by_labels(labels: dict[str, str]) -> str | None:
    for project, service in COMPOSE_LABELS:
        if labels.get(project) and labels.get(service):
            return _key("compose", folded(labels[project]), labels[service])
    if service_name := labels.get(SWARM_LABEL):
        return _key("swarm", folded(service_name))
    family, container = (labels.get(label) for label in ECS_LABELS)
    if family and container:
        return _key("ecs", family, container)
    job, task = (labels.get(label) for label in NOMAD_LABELS)
    if job and task:
        return _key("nomad", folded(job), task)
    if unit := labels.get(UNIT_LABEL):
        return _key("unit", folded(unit))
    return None


def _key(*parts: str) -> str:
    # A slash within a part would make one workload look like another.
    head, *rest = parts
    last = rest[-1] if head == "image" else rest[-1].replace("/", "_")
    return "/".join((head, *(part.replace("/", "_") for part in rest[:-1]), last))[:KEY_MAX]
