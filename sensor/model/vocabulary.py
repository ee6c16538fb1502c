"""Closed sets of words and ids that every stage shares."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum, unique
from typing import NewType

ContainerId = NewType("ContainerId", str)
"""A container's full id as its runtime knows it: 64 hex digits, or any OCI id. Never truncated."""


@unique
class Engine(StrEnum):
    """Who manages the container (event field ``container.runtime``)."""

    DOCKER = "docker"
    CONTAINERD = "containerd"
    CRIO = "cri-o"
    PODMAN = "podman"
    BUILDAH = "buildah"
    ECS = "ecs"
    LXC = "lxc"
    NSPAWN = "nspawn"


@unique
class Role(StrEnum):
    """What a watched program is to a container start (``probes/watched.toml``)."""

    RUNTIME = "runtime"
    SHIM = "shim"
    MONITOR = "monitor"
    ENGINE = "engine"
    CLIENT = "client"
    ORCHESTRATOR = "orchestrator"
    """It asks engines for what a cluster wants: kubelet, alone or inside another program."""


@unique
class Lineage(StrEnum):
    """Why the kernel probes took a process for a container's init."""

    RUNTIME = "runtime"
    """It descends from an OCI runtime that the probes know by name."""
    SUPERVISOR = "supervisor"
    """It descends from a shim, a monitor or an engine, but from no runtime known by name."""
    CGROUP_MAKER = "cgroup_maker"
    """It descends from a process that made a cgroup."""
    CGROUP = "cgroup"
    """Its cgroup is not its parent's."""


@unique
class EventType(StrEnum):
    """The event's ``type``."""

    START = "container.start"
    START_FAILED = "container.start_failed"
    STOP = "container.stop"
    PAUSE = "container.pause"
    UNPAUSE = "container.unpause"
    START_REQUESTED = "container.start_requested"
    """A client asked a control plane for what makes containers start. Never a start."""
    START_REPORTED = "container.start_reported"
    """A component of a control plane reports that a container runs. Never a start."""
    STOP_REQUESTED = "container.stop_requested"
    START_EXPLAINED = "container.start_explained"
    """Who asked the control plane for an earlier start, or for a pod."""
    ALERT = "alert"
    GAP = "gap"
    SENSOR = "sensor"


@unique
class StartKind(StrEnum):
    """How a start relates to earlier runs of the same container."""

    FIRST = "first"
    REACTIVATION = "reactivation"
    RESTART = "restart"
    RESTORE = "restore"


@unique
class Trigger(StrEnum):
    """Who pulled it."""

    USER_COMMAND = "user_command"
    API_CLIENT = "api_client"
    CONTAINER = "container"
    RESTART_POLICY = "restart_policy"
    ENGINE_BOOT = "engine_boot"
    ORCHESTRATOR = "orchestrator"
    SERVICE_MANAGER = "service_manager"
    DIRECT_RUNTIME = "direct_runtime"
    UNKNOWN = "unknown"


@unique
class Explanation(StrEnum):
    """Why a start was expected (``verdict.explanation``)."""

    CHANGE = "change"
    """An approved change covers it."""
    POLICY = "policy"
    """A rule of the policy expects it."""
    RESTART_POLICY = "restart_policy"
    ENGINE_BOOT = "engine_boot"
    HEALTH_CHECK = "health_check"
    """The kubelet had ended it itself, as after a failed health check."""
    ATTEMPT = "attempt"
    RESCHEDULE = "reschedule"
    ROLLOUT = "rollout"
    SCALING = "scaling"
    BASELINE = "baseline"
    """Everything about it is known from earlier starts."""


@unique
class BaselineState(StrEnum):
    """Whether the node's past is long enough to compare with (``verdict.baseline``)."""

    LEARNING = "learning"
    ACTIVE = "active"


@unique
class Finding(StrEnum):
    """What is wrong (``verdict.findings``, ``alert.finding``); ``docs/findings`` has each."""

    HIDDEN_START = "hidden-start"
    DIRECT_RUNTIME = "direct-runtime"
    ENGINE_NAMESPACE = "engine-namespace"
    UNKNOWN_RUNTIME = "unknown-runtime"
    SENSOR_TAMPERING = "sensor-tampering"
    ENGINE_SOCKET = "engine-socket"
    RESTORED = "restored"
    DORMANT = "dormant"
    NEW_PRIVILEGE = "new-privilege"
    NEW_INITIATOR = "new-initiator"
    NEW_PERSON = "new-person"
    NEW_ENTRYPOINT = "new-entrypoint"
    NEW_CONTAINER_IN_POD = "new-container-in-pod"
    LATE_CONTAINER = "late-container"
    STATIC_POD = "static-pod"
    LOCAL_IMAGE = "local-image"
    CHANGED_REGISTRY = "changed-registry"
    UNUSUAL_COMBINATION = "unusual-combination"
    SLOW_CHANGE = "slow-change"
    BURST = "burst"
    WORKLOAD_FLOOD = "workload-flood"
    FORBIDDEN = "forbidden"
    OUTSIDE_WINDOW = "outside-window"
    UNAPPROVED_IMAGE = "unapproved-image"
    UNPINNED_IMAGE = "unpinned-image"
    NO_EXPLANATION = "no-explanation"
    WIDE_CHANGE = "wide-change"
    ENGINE_CONFIG = "engine-config"
    CRASH_LOOP = "crash-loop"
    RESTART_STORM = "restart-storm"
    FAILED_STARTS = "failed-starts"


@unique
class LastEnd(StrEnum):
    """How the agent before this one ended (``sensor.last_end``)."""

    CLEAN = "clean"
    KILLED = "killed"


@unique
class PodSource(StrEnum):
    """Where kubelet has a pod from (``orchestrator.source``; ``kubernetes.io/config.source``)."""

    API = "api"
    FILE = "file"
    HTTP = "http"


@unique
class ContainerType(StrEnum):
    """What a container is within its pod (``orchestrator.container_type``)."""

    MAIN = "main"
    INIT = "init"
    SIDECAR = "sidecar"
    """An init container that is restarted always."""
    EPHEMERAL = "ephemeral"


@unique
class StartCause(StrEnum):
    """Why a container had to be started again (``start.cause``)."""

    CRASH = "crash"
    """Its earlier run ended by itself."""
    OOM = "oom"
    """The kernel killed the earlier run because its memory limit was reached."""
    KILLED_BY_ORCHESTRATOR = "killed_by_orchestrator"
    """kubelet asked the runtime to end the earlier run: a failed probe, a changed pod."""
    SANDBOX_DIED = "sandbox_died"
    """The pod's sandbox had ended, so that all of its containers were started anew."""
    ENGINE_BOOT = "engine_boot"
    """The engine began, and started what had run before."""
    UNKNOWN = "unknown"


@unique
class EndedBy(StrEnum):
    """Who ended a run (``start.previous.ended_by``), where it was seen."""

    ITSELF = "itself"
    """It exited by itself: an exit code, and no process was seen to ask for its end."""
    KERNEL = "kernel"
    """The kernel, for want of memory."""
    ORCHESTRATOR = "orchestrator"
    """kubelet asked the runtime to end it."""
    REQUEST = "request"
    """Another request to the engine, or a client's command, asked for its end."""


@unique
class Confidence(StrEnum):
    """How sure a statement is."""

    EXACT = "exact"
    INFERRED = "inferred"
    AMBIGUOUS = "ambiguous"
    NONE = "none"


@unique
class Witness(StrEnum):
    """Where a piece of evidence comes from (``evidence[].source``)."""

    KERNEL = "kernel"
    AUDIT = "audit"
    DOCKER = "docker"
    CONTAINERD = "containerd"
    PODMAN = "podman"
    PROCFS = "procfs"
    KUBERNETES = "kubernetes"


@unique
class EvidenceKind(StrEnum):
    """What a piece of evidence shows (``evidence[].kind``); ``what`` says it in words."""

    INIT_EXEC = "init_exec"
    """The init's first execve; of a restored container, that the restore succeeded."""
    INIT_EXIT = "init_exit"
    """The end of an init, or that it is gone."""
    INIT_FOUND = "init_found"
    """The init runs already: its execve was not seen."""
    RUNTIME_COMMAND = "runtime_command"
    """The runtime's command about the container, or its result."""
    CLIENT_COMMAND = "client_command"
    """The execve of a client, or of a program that starts containers by itself."""
    CONNECTION = "connection"
    """A connection to an engine's socket."""
    REQUEST = "request"
    """A request to an engine that was read."""
    RELAY = "relay"
    """A connection to a process that passes requests on."""
    CGROUP = "cgroup"
    """Who made the container's cgroup, or what its path holds."""
    ENGINE_RECORD = "engine_record"
    """The engine's own record of the container, on disk."""
    ENGINE_EVENT = "engine_event"
    """An event of the engine's stream."""
    POD = "pod"
    """What the container's annotations say of its pod, or what contradicts them."""
    LOSS = "loss"
    """Some of what may have caused the start was not recorded."""


RoleOf = Callable[[str], Role | None]
"""A pure function from a program's base name to its role among the watched programs."""
