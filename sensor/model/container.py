"""What a container is: identity as read from its cgroup and from disk."""

from __future__ import annotations

from collections.abc import Callable

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.model.control_plane import Owner, RequestedBy
from sensor.model.vocabulary import ContainerId, ContainerType, Engine, PodSource


@quick
@dataclass(frozen=True, slots=True)
class CgroupIdentity:
    """What a cgroup path alone shows of a container."""

    id: ContainerId
    engine: Engine | None
    parents: tuple[ContainerId, ...] = ()
    """Outer containers, outermost first."""
    pod_uid: str | None = None
    sandbox: bool = False
    """The path belongs to a pod's sandbox (pause) container."""
    exact: bool = True
    """False where the path's leaf only may be an id (``/default/test_container``)."""


CgroupParser = Callable[[str], CgroupIdentity | None]
"""A pure function from an absolute cgroup path to the container that it names, if any."""


@quick
@dataclass(frozen=True, slots=True)
class Image:
    """The image as the engine names it; ``id`` and ``digest`` as ``sha256:…``."""

    name: str | None = None
    id: str | None = None
    digest: str | None = None
    pinned: bool | None = None
    """Whether the reference that the container was made from named a digest; None where unknown."""


@quick
@dataclass(frozen=True, slots=True)
class Mount:
    """A sensitive mount: one that gives the container something of the host."""

    source: str
    destination: str
    writable: bool


@quick
@dataclass(frozen=True, slots=True)
class Security:
    """The settings that decide how far a container is from its host."""

    privileged: bool | None = None
    capabilities: tuple[str, ...] | None = None
    """Capabilities beyond the default set of 14 that Docker, containerd and Podman grant."""
    host_namespaces: tuple[str, ...] | None = None
    """Namespaces shared with the host, by OCI name: pid, network, ipc, uts, cgroup, user, mount."""
    mounts: tuple[Mount, ...] | None = None
    seccomp: str | None = None
    """``unconfined`` or ``filtered``."""
    apparmor: str | None = None
    """The profile's name, or ``unconfined``."""
    no_new_privileges: bool | None = None
    devices: tuple[str, ...] | None = None
    """Device files of the host beyond those that every container has, by their path inside."""


KUBERNETES = "kubernetes"
"""Type of the orchestrator whose pods the kubelet starts."""


@quick
@dataclass(frozen=True, slots=True)
class Orchestrator:
    """The pod that a container belongs to."""

    type: str
    namespace: str | None = None
    pod: str | None = None
    pod_uid: str | None = None
    container: str | None = None
    attempt: int | None = None
    """Restart count that kubelet gave: 0 for the first container of that name in the pod."""
    requested_by: RequestedBy | None = None
    """Who asked the control plane for it."""
    cluster: str | None = None
    node: str | None = None
    owner: Owner | None = None
    """The controller that owns the pod: a ReplicaSet, a Job. The node infers it, and names what
    people name: a Deployment, a CronJob."""
    task_arn: str | None = None
    """The ECS task that the container belongs to."""
    source: PodSource | None = None
    """Where kubelet has the pod from."""
    late: bool | None = None
    """The container joined a pod whose sandbox is older than ten minutes; None where unknown."""
    container_type: ContainerType | None = None
    """What the container is within its pod; None where neither the kernel nor a record shows it."""


@quick
@dataclass(frozen=True, slots=True)
class EngineRecord:
    """What the engine wrote on disk about earlier runs of the container, read at create time."""

    has_run: bool | None = None
    """True when the engine says it ran before; None where the engine keeps no such record."""
    started_wall: int | None = None
    finished_wall: int | None = None
    exit_code: int | None = None
    restarting: bool | None = None
    """The engine is about to restart it by its restart policy (Docker State.Restarting)."""
    restart_count: int | None = None
    manually_stopped: bool | None = None
    restart_policy: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class Description:
    """A container's identity as read from the node's disk."""

    id: ContainerId
    engine: Engine | None = None
    name: str | None = None
    image: Image | None = None
    labels: tuple[tuple[str, str], ...] | None = None
    created_wall: int | None = None
    command: tuple[str, ...] | None = None
    user: str | None = None
    security: Security | None = None
    orchestrator: Orchestrator | None = None
    sandbox: bool = False
    sandbox_id: ContainerId | None = None
    """The sandbox that the container shares its pod's namespaces with, as its annotations say."""
    build_step: bool = False
    """It is a step of an image build (BuildKit, buildah), not a container that a user runs."""
    record: EngineRecord | None = None
    namespace: str | None = None
    """The engine's own namespace: containerd's ``k8s.io``, ``moby``, ``default``."""
    oci_runtime_path: str | None = None
    """The file of the OCI runtime's process, as procfs has it."""
    cwd: str | None = None
    """Working directory of the init, inside the container."""
    problems: tuple[str, ...] = ()
    """What could not be read: ``<file kind>:<reason>`` as counted by the identity worker."""
