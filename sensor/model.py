"""The one vocabulary: observations that sources make, and events that the core derives from them.

Rules that hold for every type here:

- frozen and slotted; unknown is ``None``, never ``""`` or ``0``;
- ``time`` of an observation is nanoseconds since boot (CLOCK_BOOTTIME), the clock of the
  kernel's ``task->start_boottime``; wall-clock values are named ``…_wall`` and are nanoseconds
  since the Unix epoch, UTC;
- strings from the kernel and from files are decoded once, as UTF-8 with ``surrogateescape``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import NewType

ContainerId = NewType("ContainerId", str)
"""A container's full id as its runtime knows it: 64 hex digits, or any OCI id. Never truncated."""


# --------------------------------------------------------------------------- enums


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


# --------------------------------------------------------------------------- processes


@dataclass(frozen=True, slots=True)
class ProcessKey:
    """A process of this boot: a pid alone is reused, a pid with its start time is not.

    ``start_time`` is ``task->start_boottime`` in ns. procfs only tells clock ticks (10 ms), so
    keys from there are rounded down; compare with :meth:`same`.
    """

    pid: int
    start_time: int

    def same(self, other: ProcessKey) -> bool:
        """Tell whether both name one process, allowing for the 10 ms granularity of procfs."""
        return (
            self.pid == other.pid
            and self.start_time // NS_PER_TICK == other.start_time // NS_PER_TICK
        )


NS_PER_TICK = 10_000_000
"""Nanoseconds per USER_HZ tick, the unit of ``starttime`` in /proc/PID/stat (proc(5))."""


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One process of the chain above another: parent first."""

    pid: int
    start_time: int
    comm: str
    exe: str | None


@dataclass(frozen=True, slots=True)
class CgroupPaths:
    """A process's cgroup in the v1 hierarchy that containers use (pids, else memory) and in v2.

    Absolute from the hierarchy's root, as the kernel names it: never relative to a cgroup
    namespace. ``None`` for the hierarchy's root, and where the hierarchy does not exist.
    """

    v1: str | None
    v2: str | None


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What the kernel says of a process at the moment of a record."""

    key: ProcessKey
    uid: int
    gid: int
    loginuid: int | None
    session: int | None
    comm: str
    exe: str | None
    tty: str | None
    ns_pids: tuple[int, ...]
    """Its pid in each pid namespace, outermost first."""
    pid_ns: int
    mnt_ns: int
    cgroup_ns: int
    cgroup: CgroupPaths
    ancestors: tuple[Ancestor, ...]


# --------------------------------------------------------------------------- identity


@dataclass(frozen=True, slots=True)
class CgroupIdentity:
    """What a cgroup path alone tells about a container."""

    id: ContainerId
    engine: Engine | None
    parents: tuple[ContainerId, ...] = ()
    """Outer containers, outermost first."""
    pod_uid: str | None = None
    sandbox: bool = False
    """The path belongs to a pod's sandbox (pause) container."""
    exact: bool = True
    """False where the path's leaf only may be an id (``/default/test_container``)."""


RoleOf = Callable[[str], Role | None]
"""A pure function from a program's base name to its role among the watched programs."""

CgroupParser = Callable[[str], CgroupIdentity | None]
"""A pure function from an absolute cgroup path to the container that it names, if any."""


@dataclass(frozen=True, slots=True)
class Image:
    """The image as the engine names it; ``id`` and ``digest`` as ``sha256:…``."""

    name: str | None = None
    id: str | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Mount:
    """A sensitive mount: one that gives the container something of the host."""

    source: str
    destination: str
    writable: bool


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
    requested_by: str | None = None


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
    build_step: bool = False
    """It is a step of an image build (BuildKit, buildah), not a container that somebody runs."""
    record: EngineRecord | None = None
    problems: tuple[str, ...] = ()
    """What could not be read: ``<file kind>:<reason>`` as counted by the identity worker."""


# --------------------------------------------------------------------------- observations


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The node. First observation of every run and capture."""

    name: str
    boot_id: str
    machine_id: str | None
    kernel: str
    node: str | None
    """Kubernetes node name, where known."""


@dataclass(frozen=True, slots=True)
class ClockSynced:
    """CLOCK_REALTIME - CLOCK_BOOTTIME in ns, which makes wall times of kernel times."""

    time: int
    realtime_offset: int


@dataclass(frozen=True, slots=True)
class InitExec:
    """An execve by a process that the probes take for a container's init."""

    time: int
    sequence: int
    process: ProcessFacts
    argv: tuple[str, ...]
    argv_truncated: bool
    lineage: Lineage
    root: ProcessKey | None
    """The runtime, supervisor or cgroup maker that the process descends from."""
    causes_lost: bool = False
    """Some commands, connects or requests of the seconds before were held back or dropped."""


@dataclass(frozen=True, slots=True)
class InitExit:
    """A container's init ended; with ``started`` false it never got to its first execve."""

    time: int
    sequence: int
    process: ProcessKey
    status: int
    """As wait(2) gives it: low 7 bits the signal, next 8 the exit code."""
    started: bool
    root: ProcessKey | None
    cgroup: CgroupPaths
    oom_killed: bool = False


@dataclass(frozen=True, slots=True)
class CommandExec:
    """An execve of a watched program."""

    time: int
    sequence: int
    role: Role
    program: str
    """The watched name that matched: the base name of the file."""
    process: ProcessFacts
    argv: tuple[str, ...]
    argv_truncated: bool
    cwd: str | None = None
    again: bool = False
    """An earlier agent was told, and what followed is accounted for: background for what comes."""


@dataclass(frozen=True, slots=True)
class CommandExit:
    """A watched runtime's or client's own process ended."""

    time: int
    sequence: int
    process: ProcessKey
    status: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class CgroupBirth:
    """A cgroup was made by a process of a runtime's, supervisor's or other maker's lineage."""

    time: int
    sequence: int
    path: str
    maker: ProcessFacts
    argv: tuple[str, ...]
    argv_truncated: bool
    again: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """A process that talks to an engine, as far as the witness knows it.

    Audit tells no start time and no cgroup; the kernel probes tell all but the path of ``exe``.
    """

    pid: int
    start_time: int | None
    uid: int | None
    loginuid: int | None
    session: int | None
    comm: str | None
    exe: str | None
    tty: str | None = None
    parent: int | None = None
    argv: tuple[str, ...] | None = None
    cwd: str | None = None
    cgroup: CgroupPaths | None = None
    ancestors: tuple[Ancestor, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiConnect:
    """A process connected to a socket that an engine listens on."""

    time: int
    witness: Witness
    """KERNEL or AUDIT."""
    ref: str
    """Kernel record (``cpu0:12``) or audit serial (``1780000000.123:456``)."""
    caller: Caller
    socket: str
    """The listener's path as the caller wrote it: ``/run/docker.sock`` or ``/var/run/…``."""
    mnt_ns: int | None = None
    """The caller's mount namespace, in which the path holds; None when it is the listener's own."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """The first bytes that a process sent to an engine's socket in one call."""

    time: int
    ref: str
    caller: Caller
    socket: str
    payload: bytes
    """At most 512 bytes."""


@dataclass(frozen=True, slots=True)
class AuditExec:
    """An execve of a watched program, as the audit subsystem recorded it."""

    time: int
    ref: str
    key: str | None
    """The audit rule's key(s), joined by commas."""
    caller: Caller
    success: bool


@dataclass(frozen=True, slots=True)
class AuditLoss:
    """Audit events that did not reach us whole since the last such observation."""

    time: int
    since: int
    reason: str
    """``overrun`` (ENOBUFS), ``serials_missing``, ``in_flight_limit``, ``partial``."""
    lost: int | None


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """A container event from an engine's own stream, or from its list after a (re)connect."""

    time: int
    """When it arrived, ns since boot."""
    engine_wall: int | None
    """The engine's own time of it."""
    witness: Witness
    action: str
    """``start``, ``die``, ``create``, ``destroy``, ``restart``, ``pause``, ``unpause``, ``running``
    (listed as running after a connect)."""
    id: ContainerId
    name: str | None
    image: str | None
    exit_code: int | None = None
    namespace: str | None = None
    """containerd's namespace."""
    labels: tuple[tuple[str, str], ...] = ()
    """Of the compose project only: ``com.docker.compose.*``."""


@dataclass(frozen=True, slots=True)
class EngineRecalled:
    """What an engine remembers of a container from before its stream was listened to."""

    time: int
    """When it was asked, ns since boot."""
    engine_wall: int | None
    witness: Witness
    action: str
    id: ContainerId
    name: str | None
    image: str | None


@dataclass(frozen=True, slots=True)
class EngineLoss:
    """Events of an engine's stream that did not reach us since the last such observation."""

    time: int
    since: int
    source: str
    missed: int
    """Events that must have been, as a later one proves."""
    dropped: int
    """Events that were too large or malformed."""


@dataclass(frozen=True, slots=True)
class SourceChanged:
    """A source other than the probes became available or unavailable."""

    time: int
    source: str
    """``audit``, ``docker``, ``containerd``, ``podman``."""
    available: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class KernelLoss:
    """Records that the kernel could not hand over since the last such observation."""

    time: int
    since: int
    ring: str
    """``lifecycle`` or ``commands``."""
    kind: str
    """The record kind, as in ``record.h``."""
    dropped: int
    """Lost because the ring was full."""
    limited: int
    """Held back by the rate limit."""


@dataclass(frozen=True, slots=True)
class AccountsRead:
    """The node's accounts, from its passwd file: uid and name."""

    time: int
    names: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class OutputLoss:
    """Events that an output dropped because its reader was too slow."""

    time: int
    since: int
    output: str
    lost: int


@dataclass(frozen=True, slots=True)
class StoreLoss:
    """Events that the store could not keep, or keeps no more."""

    time: int
    since: int
    reason: str
    lost: int | None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """It is time for a sign of life."""

    time: int


@dataclass(frozen=True, slots=True)
class ProbesAttached:
    """The probes report from ``time`` on; ``surviving`` when an earlier agent loaded them."""

    time: int
    surviving: bool


@dataclass(frozen=True, slots=True)
class ContainerDescribed:
    """The identity worker's answer to a :class:`DescribeRequest`."""

    time: int
    id: ContainerId
    description: Description
    scope: str | None = None
    """The request's; None in captures that are older than it."""


@dataclass(frozen=True, slots=True)
class FoundContainer:
    """A container that runs now, found in procfs."""

    id: ContainerId
    scope: str | None
    """The runtime root that a name (an id that is no 64 hex digits) belongs to, where known."""
    init: ProcessKey
    cgroup: CgroupPaths
    parents: tuple[ContainerId, ...]
    argv: tuple[str, ...]
    description: Description | None


@dataclass(frozen=True, slots=True)
class InventoryTaken:
    """Everything that runs on the node, taken once the probes are attached and drained."""

    time: int
    containers: tuple[FoundContainer, ...]


@dataclass(frozen=True, slots=True)
class KnownContainer:
    """What is remembered of a container across agents and boots."""

    id: ContainerId
    scope: str | None
    boot_id: str
    init: ProcessKey | None
    running: bool
    starts: int
    started_wall: int | None
    stopped_wall: int | None
    exit_code: int | None
    signal: int | None
    pod_uid: str | None
    pod_container: str | None


@dataclass(frozen=True, slots=True)
class KnowledgeRestored:
    """What the last agent on this host knew when it ended; ``seen`` is the last time it saw."""

    time: int
    boot_id: str
    seen: int
    containers: tuple[KnownContainer, ...]


Observation = (
    HostFacts
    | ClockSynced
    | InitExec
    | InitExit
    | CommandExec
    | CommandExit
    | CgroupBirth
    | ApiConnect
    | ApiRequest
    | AuditExec
    | AuditLoss
    | EngineEvent
    | EngineRecalled
    | EngineLoss
    | SourceChanged
    | KernelLoss
    | AccountsRead
    | OutputLoss
    | StoreLoss
    | Heartbeat
    | ProbesAttached
    | ContainerDescribed
    | InventoryTaken
    | KnowledgeRestored
)


@dataclass(frozen=True, slots=True)
class DescribeRequest:
    """The core's wish that the identity worker reads a container's description from disk.

    ``reader`` is the runtime's own process: paths are as that process sees them, so a nested
    runtime's bundle is read through /proc/PID/root.
    """

    id: ContainerId
    engine: Engine | None
    bundle: str | None
    runtime_root: str | None
    containerd_namespace: str | None
    reader: ProcessKey | None
    reader_mnt_ns: int | None
    reader_uid: int | None
    cgroup: str | None
    scope: str | None = None
    """The runtime root that the id belongs to where it is a name; the answer bears it again."""


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One start, and which witnesses told of it. ``time`` in ns since boot."""

    id: ContainerId
    name: str | None
    time: int
    kernel: bool
    """The probes saw the init's first execve."""
    runtime: bool
    """The runtime's creating command was seen."""
    audit: bool
    engine: bool
    """The engine's own stream told of it."""
    engine_listening: bool
    """That stream was being listened to."""
    reason: str | None
    """Why witnesses disagree, where they do."""


# --------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Container:
    """The observed container."""

    id: ContainerId
    name: str | None = None
    runtime: Engine | None = None
    oci_runtime: str | None = None
    image: Image | None = None
    labels: tuple[tuple[str, str], ...] | None = None
    created_wall: int | None = None
    pid: int | None = None
    cgroup: str | None = None
    command: tuple[str, ...] | None = None
    user: str | None = None
    parents: tuple[ContainerId, ...] = ()
    sandbox: bool = False
    security: Security | None = None


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """The run of the container (or of its Kubernetes predecessor) before this start."""

    id: ContainerId
    started_wall: int | None = None
    stopped_wall: int | None = None
    exit_code: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """What kind of start it was."""

    kind: StartKind
    trigger: Trigger = Trigger.UNKNOWN
    attempt: int | None = None
    dormant_seconds: float | None = None
    previous: PreviousRun | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """How a container ended, or why it never started; signal and exit code exclude each other."""

    exit_code: int | None = None
    signal: int | None = None
    oom_killed: bool | None = None
    duration_seconds: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class InitiatorProcess:
    """The process that caused the start; audit alone does not tell its start time."""

    pid: int
    start_time: int | None
    exe: str | None
    argv: tuple[str, ...] | None
    cwd: str | None
    tty: str | None


@dataclass(frozen=True, slots=True)
class InitiatorUser:
    """The person or account behind the process; ``auid`` is the audit login uid."""

    uid: int | None
    name: str | None
    auid: int | None
    auid_name: str | None
    session: int | None


@dataclass(frozen=True, slots=True)
class Initiator:
    """Who or what caused the start."""

    process: InitiatorProcess | None
    user: InitiatorUser | None
    container_id: ContainerId | None
    socket: str | None
    ancestors: tuple[Ancestor, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the start was expected."""

    expected: bool | None
    reasons: tuple[str, ...] = ()
    change: str | None = None
    attack: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Certainty:
    """The event's ``confidence``."""

    container: Confidence = Confidence.NONE
    trigger: Confidence = Confidence.NONE
    initiator: Confidence = Confidence.NONE


@dataclass(frozen=True, slots=True)
class Evidence:
    """One witness: what it saw, when (ns since boot), and where to find it again."""

    source: Witness
    what: str
    time: int
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time in which something may have gone unseen, and how much is known lost."""

    source: str
    reason: str
    since: int
    until: int
    lost: int | None = None


@dataclass(frozen=True, slots=True)
class SensorNote:
    """Something about the sensor itself."""

    action: str
    """``probes_attached``, ``inventory_taken``, ``alive``."""
    containers: int | None = None
    probes_surviving: bool | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One document of schema ``castoff.event/1``. Which parts are set depends on ``type``.

    ``time`` and ``observed`` are ns since boot; ``realtime_offset`` makes wall times of them.
    """

    type: EventType
    id: str
    time: int
    observed: int
    realtime_offset: int
    host: HostFacts
    container: Container | None = None
    start: Start | None = None
    stop: Stop | None = None
    initiator: Initiator | None = None
    orchestrator: Orchestrator | None = None
    verdict: Verdict | None = None
    confidence: Certainty = field(default_factory=Certainty)
    candidates: tuple[Initiator, ...] = ()
    """Everybody who may have caused the start, when several may: the initiator is None then."""
    evidence: tuple[Evidence, ...] = ()
    gap: Gap | None = None
    sensor: SensorNote | None = None


def kernel_reference(sequence: int) -> str:
    """Name a kernel record in evidence: its CPU and its number there."""
    return f"cpu{sequence >> 48}:{sequence & (1 << 48) - 1}"
