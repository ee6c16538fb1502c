"""What the core makes of observations: one document of castoff.event/1 each."""

from __future__ import annotations

from dataclasses import field

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.model.agent_records import HostFacts
from sensor.model.alert import Alert
from sensor.model.container import Image, Orchestrator, Security
from sensor.model.control_plane import Request
from sensor.model.log_head import LogHead
from sensor.model.process import Ancestor
from sensor.model.vocabulary import (
    BaselineState,
    Confidence,
    ContainerId,
    EndedBy,
    Engine,
    EventType,
    EvidenceKind,
    Explanation,
    Finding,
    LastEnd,
    StartCause,
    StartKind,
    Trigger,
    Witness,
)


@quick
@dataclass(frozen=True, slots=True)
class Container:
    """The observed container."""

    id: ContainerId | None
    """None where nothing trustworthy names it."""
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
    namespace: str | None = None
    """The engine's own namespace: containerd's ``k8s.io``, ``moby``, ``default``."""
    restart_policy: str | None = None
    oci_runtime_path: str | None = None
    cwd: str | None = None


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """The run of the container (or of its Kubernetes predecessor) before this start."""

    id: ContainerId
    started_wall: int | None = None
    stopped_wall: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    oom_killed: bool | None = None
    ended_by: EndedBy | None = None
    """Who ended it, where that was seen."""


@quick
@dataclass(frozen=True, slots=True)
class Start:
    """What kind of start it was."""

    kind: StartKind
    trigger: Trigger = Trigger.UNKNOWN
    attempt: int | None = None
    dormant_seconds: float | None = None
    previous: PreviousRun | None = None
    cause: StartCause | None = None
    """Why it had to be started again; None if it is not a restart."""
    failures: int | None = None
    """Failed starts of the same container of the pod right before this one; None for none."""


@quick
@dataclass(frozen=True, slots=True)
class Stop:
    """How a container ended, or why it never started; signal and exit code exclude each other."""

    exit_code: int | None = None
    signal: int | None = None
    oom_killed: bool | None = None
    duration_seconds: float | None = None
    reason: str | None = None
    message: str | None = None
    """The runtime's own words of a start that failed."""
    count: int | None = None
    """How often the start of this container of the pod has failed so far, for a start that failed
    again; None for the first time."""


@quick
@dataclass(frozen=True, slots=True)
class InitiatorProcess:
    """The process that caused the start; audit alone does not have its start time."""

    pid: int
    start_time: int | None
    exe: str | None
    argv: tuple[str, ...] | None
    cwd: str | None
    tty: str | None


@quick
@dataclass(frozen=True, slots=True)
class InitiatorUser:
    """The person or account behind the process; ``auid`` is the audit login uid."""

    uid: int | None
    name: str | None
    auid: int | None
    auid_name: str | None
    session: int | None


@quick
@dataclass(frozen=True, slots=True)
class Initiator:
    """Who or what caused the start."""

    process: InitiatorProcess | None
    user: InitiatorUser | None
    container_id: ContainerId | None
    socket: str | None
    ancestors: tuple[Ancestor, ...]
    unit: str | None = None
    """The systemd service that the process is in, but for those that people log in through."""


@quick
@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the start was expected."""

    expected: bool | None
    reasons: tuple[str, ...] = ()
    change: str | None = None
    attack: tuple[str, ...] = ()
    explanation: Explanation | None = None
    findings: tuple[Finding, ...] = ()
    workload: str | None = None
    """Key of the workload that the container is an instance of."""
    level: str | None = None
    """At which level its past was found: ``workload``, ``image`` or ``node``."""
    baseline: BaselineState | None = None
    """Whether the node's baseline was still learning; None where none was asked."""


@quick
@dataclass(frozen=True, slots=True)
class Certainty:
    """The event's ``confidence``."""

    container: Confidence = Confidence.NONE
    trigger: Confidence = Confidence.NONE
    initiator: Confidence = Confidence.NONE
    pod: Confidence = Confidence.NONE
    owner: Confidence = Confidence.NONE


@quick
@dataclass(frozen=True, slots=True)
class Evidence:
    """One witness: what it saw, when (ns since boot), and where to find it again."""

    source: Witness
    kind: EvidenceKind
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
    down_seconds: float | None = None
    """Of an agent that begins: how long no agent ran before it."""
    last_end: LastEnd | None = None
    """Of an agent that begins: how the one before it ended."""
    detail: str | None = None
    """What happened, as a sentence: which policy, which change."""
    by: str | None = None
    """The login or account that did it, by the kernel's word."""
    log: LogHead | None = None
    """Where the chain of the event log stood: signs of life, the agent's start and stop."""


@quick
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
    host: HostFacts | None
    """The node that saw it; None where a control plane's record was read elsewhere."""
    container: Container | None = None
    start: Start | None = None
    stop: Stop | None = None
    initiator: Initiator | None = None
    orchestrator: Orchestrator | None = None
    request: Request | None = None
    """The control plane's record that a request or a report was read from."""
    start_id: str | None = None
    """The id of the start that is explained."""
    verdict: Verdict | None = None
    confidence: Certainty = field(default_factory=Certainty)
    candidates: tuple[Initiator, ...] = ()
    """All who may have caused the start, when several may: the initiator is None then."""
    evidence: tuple[Evidence, ...] = ()
    gap: Gap | None = None
    sensor: SensorNote | None = None
    alert: Alert | None = None
    owner: str | None = None
    """The account whose the container is, by the kernel's word: ``uid 1000``, ``in <container>``.

    None for root of the host. The document has it as the beginning of ``verdict.workload``.
    """


def kernel_reference(sequence: int) -> str:
    """Name a kernel record in evidence: its CPU and its number there."""
    return f"cpu{sequence >> 48}:{sequence & (1 << 48) - 1}"
