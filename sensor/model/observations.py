"""What sources report to the core."""

from __future__ import annotations

from dataclasses import dataclass

from sensor.model.container import Description
from sensor.model.log_head import LogHead
from sensor.model.process import Ancestor, CgroupPaths, Namespaces, ProcessFacts, ProcessKey
from sensor.model.vocabulary import ContainerId, LastEnd, Lineage, Role, Witness


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The node. First observation of every run and capture."""

    name: str
    boot_id: str
    machine_id: str | None
    kernel: str
    node: str | None
    """Kubernetes node name, where known."""
    lsm: tuple[str, ...] | None = None
    """Security modules that the kernel has active, in their order; None where it does not report
    them."""
    namespaces: Namespaces | None = None
    """The host's own, those of its first process; None in older captures."""


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
    namespaces: Namespaces | None = None
    """As of its execve; None in older captures."""


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
    """An earlier agent read it and handled what followed: background for later records."""


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

    Audit has no start time and no cgroup; the kernel probes have all but the path of ``exe``.
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
    euid: int | None = None
    """Effective uid, as the first user namespace numbers it."""
    user_ns: int | None = None
    """Inode number of its user namespace."""


@dataclass(frozen=True, slots=True)
class ApiConnect:
    """A process connected to a socket that an engine listens on, and was let in."""

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
    connection: int | None = None
    """Names the pair of sockets while it lives. Where it is set, the connection's requests are
    searched from their first byte, and those that may start something are reported."""
    confirmed: bool = True
    """False where the host lets no program see whether a connect was let in."""
    port: int | None = None
    """The caller's own port, of a connect to ``tcp:127.0.0.1:…``."""
    foreign: bool = False
    """The engine that listens is not root's of the host, or runs in a container: what is asked
    there is about its own containers."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """The first bytes of one write to an engine's socket, of a request that may start something.

    What a client writes before the engine answers follows as further requests of the same
    connection. Requests that cannot start anything are not reported.
    """

    time: int
    ref: str
    caller: Caller
    socket: str
    payload: bytes
    """At most 512 bytes; none where the engine took them before they could be read."""
    connection: int | None = None
    offset: int | None = None
    """Of the payload in what the client sent since it connected; None where that is unknown."""
    length: int | None = None
    """Bytes of the write; more than the payload has when it was cut."""


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """The first bytes of one write of an engine to a client whose requests were reported.

    HTTP/1: the four writes after a request at most, so its status line. gRPC and ttrpc: the eight
    writes after each of the client's.
    """

    time: int
    ref: str
    connection: int
    socket: str
    payload: bytes
    """At most 512 bytes."""
    offset: int | None = None
    """Of the payload in what the engine sent on this connection."""
    length: int | None = None


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """A connection whose requests were reported was closed by either end.

    Only hosts that allow fentry report it.
    """

    time: int
    ref: str
    connection: int


@dataclass(frozen=True, slots=True)
class ApiHop:
    """A process that talks to an engine passes on what another process of this node sends it.

    ``caller`` is connected to ``address``, where ``relay`` (or a process above it) listens.
    """

    time: int
    witness: Witness
    """KERNEL: the connect was seen. PROCFS: the pair of sockets was found."""
    ref: str
    relay: ProcessKey
    caller: Caller
    address: str
    """``tcp:127.0.0.1:2375``, or the path of a unix socket."""


@dataclass(frozen=True, slots=True)
class CgroupFrozen:
    """A cgroup of the v2 hierarchy was frozen or thawed. The v1 freezer has no tracepoint."""

    time: int
    ref: str
    path: str
    """Absolute from the hierarchy's root."""
    frozen: bool
    settled: bool
    """The kernel says that all of its tasks are; else a process asked for it."""
    process: ProcessKey | None
    """Who asked; of a settled one a task of the cgroup, or who asked."""


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
    """``start``, ``die``, ``create``, ``destroy``, ``restart``, ``pause``, ``unpause``, ``rename``
    (to ``name``), ``running`` (listed as running after a connect)."""
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
    """It is time for a sign of life. ``log`` is where the log's chain stands."""

    time: int
    log: LogHead | None = None


@dataclass(frozen=True, slots=True)
class ProbesAttached:
    """The probes report from ``time`` on; ``surviving`` when an earlier agent loaded them."""

    time: int
    surviving: bool


@dataclass(frozen=True, slots=True)
class ProbesLost:
    """Something that the probes need was taken away: until ``ProbesRestored`` they may be blind."""

    time: int
    since: int
    """When all of it was seen last."""
    programs: tuple[str, ...]
    """Programs that are detached, whose pins are gone, or that others replaced."""
    reason: str
    blind: bool = True
    """False when they went on recording: only what the next agent needs was gone."""


@dataclass(frozen=True, slots=True)
class ProbesRestored:
    """The probes report again from ``time`` on."""

    time: int
    since: int
    """When they were lost, at the earliest."""
    programs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AgentStalled:
    """The agent did not run between ``since`` and ``time``: stopped by a signal, or starved."""

    time: int
    since: int


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The wall clock was set: by ``step`` ns, forward or (negative) back."""

    time: int
    step: int


@dataclass(frozen=True, slots=True)
class Notice:
    """What another part of the agent did or refused, for a ``sensor`` event."""

    time: int
    action: str
    """``policy_loaded``, ``change_added``, …: the event's ``sensor.action``."""
    detail: str | None = None
    by: str | None = None
    """Login or account of who did it, by the kernel's word."""
    log: LogHead | None = None
    """Where the log's chain stands, if the note is about that."""


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
    """The runtime root that a name (an id other than 64 hex digits) belongs to, where known."""
    init: ProcessKey
    cgroup: CgroupPaths
    parents: tuple[ContainerId, ...]
    argv: tuple[str, ...]
    description: Description | None
    supervisor_uid: int | None = None
    """Effective user, as the host numbers it, of the process that supervises the container; None
    where none was found."""


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
    seen_wall: int | None = None
    """``seen`` as wall-clock ns."""
    ended: LastEnd | None = None
    """How that agent ended; None where it left no record of it."""


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
    | ApiAnswer
    | ConnectionClosed
    | ApiHop
    | CgroupFrozen
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
    | ProbesLost
    | ProbesRestored
    | AgentStalled
    | ClockStepped
    | Notice
    | ContainerDescribed
    | InventoryTaken
    | KnowledgeRestored
)
