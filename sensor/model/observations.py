"""What sources report to the core."""

from __future__ import annotations

from dataclasses import dataclass

from sensor.model.container import Description
from sensor.model.process import Ancestor, CgroupPaths, ProcessFacts, ProcessKey
from sensor.model.vocabulary import ContainerId, Lineage, Role, Witness


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
