"""What a control plane's record says: a request that causes containers, or a report about them.

A control-plane record says that a client asked, or that a component reports. Only the kernel says
that a container ran. Times are wall-clock nanoseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.frozen import quick

if TYPE_CHECKING:
    from sensor.model.ecs_facts import EcsFacts


@unique
class RequestSource(StrEnum):
    """Which family of control planes wrote the record (``request.source``)."""

    KUBERNETES = "kubernetes"
    AWS = "aws"
    AZURE = "azure"
    GCP = "gcp"
    DOCKER = "docker"


@unique
class Standing(StrEnum):
    """What one record is to a container start."""

    REQUESTED = "requested"
    """A client asked for what makes containers start. The request may have failed."""
    OBSERVED = "observed"
    """A component reports that a container runs."""
    RELATED = "related"
    """Part of such a story, no start by itself: a binding, a mirror pod, an eviction."""
    POSSIBLE = "possible"
    """The record alone does not show it: Metadata level, or a new replica count without the old."""
    NO = "no"


@unique
class Effect(StrEnum):
    """What the operation does to containers (``request.effect``)."""

    START = "start"
    RESTART = "restart"
    ROLLOUT = "rollout"
    SCALE_UP = "scale_up"
    SCALE_DOWN = "scale_down"
    SCALE = "scale"
    """A new replica count without the old one."""
    EPHEMERAL = "ephemeral"
    """A container added to a running pod."""
    SCHEDULE = "schedule"
    """A time table: containers start later."""
    SCHEDULED = "scheduled"
    """A pod was given its node."""
    REPLACEMENT = "replacement"
    """A pod in place of one that was deleted, evicted or lost with its node."""
    STATIC_POD = "static_pod"
    STOP = "stop"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    CREATE = "create"
    """A container was made and did not start yet."""
    EXEC = "exec"
    CONFIG = "config"
    """A change of a workload that starts nothing."""
    CLUSTER = "cluster"
    NODES = "nodes"
    NODE_JOIN = "node_join"
    NODE_LEAVE = "node_leave"
    DRY_RUN = "dry_run"
    DUPLICATE_STAGE = "duplicate_stage"
    """An earlier stage of a request that a later record reports whole."""
    UNKNOWN = "unknown"
    NONE = "none"


@unique
class ChainPart(StrEnum):
    """Where in the causal chain the record's actor stands (``request.chain``)."""

    ORIGIN = "origin"
    """A person, a service account or an unknown client: no component of the control plane."""
    STEP = "step"
    """A controller or a cloud service that acts on behalf of another."""
    REPORT = "report"
    """A node, an agent or an event that reports."""


@unique
class RequestOutcome(StrEnum):
    """What became of the request (``request.outcome``)."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILURE = "failure"
    ACCEPTED = "accepted"
    """The control plane took the request; its end is not known yet."""
    UNKNOWN = "unknown"


@unique
class ActorKind(StrEnum):
    """What kind of identity made the request (``request.actor.kind``)."""

    USER = "user"
    SERVICE_ACCOUNT = "service_account"
    NODE = "node"
    CONTROL_PLANE = "control_plane"
    CLOUD_SERVICE = "cloud_service"
    ANONYMOUS = "anonymous"


@unique
class RequestCertainty(StrEnum):
    """Whether the request asks for a start, or may have (``request.certainty``)."""

    ASKS = "asks"
    MAY = "may"


@quick
@dataclass(frozen=True, slots=True)
class Actor:
    """Who made the request, as the control plane authenticated it."""

    name: str
    kind: ActorKind
    id: str | None = None
    """A stable id: an ARN, an object id of Entra."""
    groups: tuple[str, ...] = ()
    impersonated: str | None = None
    """The account that the actor acted as, where it used impersonation."""
    on_behalf_of: tuple[str, ...] = ()
    """The delegation chain, in the order of the record."""
    role: str | None = None
    """The role that an AWS session assumed."""
    session: str | None = None
    """The name of a session: of an assumed role of AWS, of an EKS user."""
    source_identity: str | None = None
    """Who set up an AWS session, kept through every role that it assumes (``sourceIdentity``)."""
    service: str | None = None
    """The cloud service that made the call (``events.amazonaws.com``)."""
    cloud_principal: str | None = None
    """The cloud identity behind a Kubernetes user (EKS: ``user.extra.arn``)."""
    pod: str | None = None
    """The pod whose bound token made the request."""
    pod_uid: str | None = None
    node: str | None = None
    """The node of that pod."""


@quick
@dataclass(frozen=True, slots=True)
class Owner:
    """The controller that owns an object (``metadata.ownerReferences[controller]``)."""

    kind: str
    name: str
    uid: str | None = None


def task_definition(family: str | None, revision: str | None) -> Owner | None:
    """Return the ECS task definition as the owner of its tasks: ``family:revision``."""
    if not family:
        return None
    return Owner("TaskDefinition", family if not revision else f"{family}:{revision}")


@quick
@dataclass(frozen=True, slots=True)
class Workload:
    """What the request is about."""

    kind: str
    namespace: str | None = None
    """A Kubernetes namespace, or an Azure resource group."""
    name: str | None = None
    uid: str | None = None
    owner: Owner | None = None
    replicas: int | None = None
    definition: str | None = None
    """ECS task definition as ``family:revision``."""
    group: str | None = None
    """ECS task group: ``service:NAME`` or ``family:NAME``."""
    task: str | None = None
    """ECS task ARN."""
    service: str | None = None
    """ECS service ARN."""
    started_by: str | None = None
    """ECS ``startedBy``: the deployment, rule or text that started the task."""
    resource: str | None = None
    """The cloud's own path or id of the resource."""
    node: str | None = None
    node_uid: str | None = None
    """A static pod's uid on its node: the hash of its manifest."""
    generate_name: str | None = None
    sandbox: str | None = None
    """The id of the pod's sandbox container."""
    attempt: int | None = None


@quick
@dataclass(frozen=True, slots=True)
class RequestContainer:
    """One container that the record names."""

    name: str | None = None
    image: str | None = None
    digest: str | None = None
    id: str | None = None
    """The runtime's id, without its scheme."""
    role: str | None = None
    """``init`` or ``ephemeral``; None for a main container."""
    arn: str | None = None
    started: int | None = None
    restart_count: int | None = None


@quick
@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster, or the account, that the record is from."""

    name: str | None = None
    id: str | None = None
    provider: str | None = None
    account: str | None = None
    region: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class RecordRef:
    """Where the record stands: file as given, line from 1, item of the line's envelope from 0."""

    file: str
    line: int
    item: int = 0


@quick
@dataclass(frozen=True, slots=True)
class Request:
    """The event block ``request``."""

    source: RequestSource
    id: str | None
    """The control plane's own id: auditID, eventID, correlationId, operation id. May be chosen
    by the client (Kubernetes), so it is shown and never a key."""
    action: str | None
    """The source's own name of the operation."""
    effect: Effect
    chain: ChainPart | None
    outcome: RequestOutcome | None
    certainty: RequestCertainty = RequestCertainty.ASKS
    code: int | None = None
    reason: str | None = None
    requested: int | None = None
    completed: int | None = None
    actor: Actor | None = None
    address: str | None = None
    """The connection's own address; None where the record gives a service's name instead."""
    addresses: tuple[str, ...] = ()
    user_agent: str | None = None
    """The client's own claim."""
    cluster: Cluster | None = None
    workload: Workload | None = None
    containers: tuple[RequestContainer, ...] = ()
    truncated: bool = False
    """The control plane cut the record."""
    ref: RecordRef | None = None


@unique
class Touch(StrEnum):
    """What a Kubernetes write changed, as far as the causal chain needs it."""

    CREATE = "create"
    TEMPLATE = "template"
    REPLICAS = "replicas"
    RESUME = "resume"
    ANY = "any"
    """A write of which the record does not say what it changed."""
    DELETE = "delete"
    TAINT = "taint"
    """A node was given a taint that ends the pods on it (``NoExecute``)."""
    NODE = "node"
    """A node's labels or taints, or a write of a node that does not say what it changed."""
    BIND = "bind"
    EPHEMERAL = "ephemeral"
    IMAGE = "image"
    """A new image, or a resize that restarts, of a container in a running pod."""
    STATUS = "status"
    MIRROR = "mirror"


@quick
@dataclass(frozen=True, slots=True)
class KubernetesWrite:
    """What the causal chain needs of one Kubernetes record beyond its ``request`` block."""

    resource: str
    subresource: str | None
    verb: str
    level: str | None
    touches: tuple[Touch, ...]
    replicas: int | None = None
    """``spec.replicas`` after the write; of a Job how many pods may run at once."""
    old_replicas: int | None = None
    """``status.replicas`` at the write: how many there were."""
    generation: int | None = None
    """The version of the object's spec after the write (``metadata.generation``)."""
    template: str | None = None
    """A digest of the pod template as it is stored. A ReplicaSet has that of its Deployment."""
    desired: int | None = None
    """Of a ReplicaSet: the replicas of its Deployment, as its controller knew them."""
    revision: str | None = None
    """Of a pod of a DaemonSet or StatefulSet: which revision of the template it has."""
    slot: str | None = None
    """Of a DaemonSet's pod: the node that it is for."""
    ended: tuple[Workload, ...] | None = None
    """The pods that a deletion of a whole collection names; None where it names none."""


@quick
@dataclass(frozen=True, slots=True)
class ControlRecord:
    """One record of a control plane, as read."""

    standing: Standing
    request: Request
    key: str
    """A hash of the source and its native ids: the same record read again has the same key."""
    write: KubernetesWrite | None = None
    observed_key: str | None = None
    """For reports of a start: what identifies that start, so that repeats count once."""
    operation: str | None = None
    """For operations of several records: what they share, so that they fold into one event."""
    ecs: EcsFacts | None = None


@quick
@dataclass(frozen=True, slots=True)
class ChainStep:
    """One record of the walk from a container back to its requester, nearest first."""

    action: str
    actor: str | None
    request_id: str | None
    time: int | None
    ref: RecordRef | None = None
    kind: ActorKind | None = None
    workload: str | None = None
    """``Kind/name`` of what the record was about."""


@unique
class ChainConfidence(StrEnum):
    """How sure the requester is (``requested_by.confidence``)."""

    EXACT = "exact"
    """A uid met a uid at every step, and no record that is missing can change the answer."""
    INFERRED = "inferred"
    """A name and a time window met at one step at least, or a missing record could change it."""
    AMBIGUOUS = "ambiguous"
    """Two writes fit."""


@quick
@dataclass(frozen=True, slots=True)
class RequestedBy:
    """Who asked the control plane for the container (``orchestrator.requested_by``)."""

    actor: str | None
    kind: ActorKind | None
    confidence: ChainConfidence
    impersonated: str | None = None
    request_id: str | None = None
    effect: Effect | None = None
    time: int | None = None
    pod_uid: str | None = None
    """The pod from which the actor called, where a bound token says so."""
    candidates: tuple[str, ...] = ()
    """The actors of all writes that fit, where several do."""
    chain: tuple[ChainStep, ...] = ()
