"""A call of the Kubernetes API as a record: who, what, on which object, with which outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.model.control_plane import (
    ActorKind,
    ChainPart,
    ControlRecord,
    Effect,
    RecordRef,
    Request,
    RequestCertainty,
    RequestOutcome,
    RequestSource,
    Standing,
    Workload,
)
from sensor.sources.controlplane.addresses import connection
from sensor.sources.controlplane.json_text import Json, table, text
from sensor.sources.controlplane.kubernetes_call import Call, actor, shared_name
from sensor.sources.controlplane.kubernetes_effect import ruling, stored
from sensor.sources.controlplane.kubernetes_objects import (
    HASH,
    KINDS,
    is_foreign,
    is_status,
    owner,
)
from sensor.sources.controlplane.kubernetes_ruling import Ruling
from sensor.sources.controlplane.kubernetes_write import write

if TYPE_CHECKING:
    from sensor.sources.controlplane.addresses import Proxies

REFUSED = 400
_STREAMS = frozenset({"exec", "attach"})
_CHAINS = {ActorKind.CONTROL_PLANE: ChainPart.STEP, ActorKind.NODE: ChainPart.REPORT}


def record(
    call: Call, ref: RecordRef, proxies: Proxies = (), source: RequestSource | None = None
) -> ControlRecord:
    """Return the record of a call."""
    who = actor(call)
    early = _early(call)
    ruled = Ruling(Standing.NO, Effect.DUPLICATE_STAGE) if early else ruling(call)
    value = stored(call)
    workload = None if call.resource is None else _workload(call, ruled, value, early=early)
    request = Request(
        source=source or RequestSource.KUBERNETES,
        id=call.id,
        action=call.action or call.operation,
        effect=ruled.effect,
        chain=ChainPart.ORIGIN if who is None else _CHAINS.get(who.kind, ChainPart.ORIGIN),
        outcome=_outcome(call, early=early),
        certainty=RequestCertainty.MAY
        if ruled.standing is Standing.POSSIBLE
        else RequestCertainty.ASKS,
        code=call.code,
        reason=call.reason,
        requested=call.received,
        completed=None if early else call.finished,
        actor=who,
        address=connection(call.addresses, proxies),
        addresses=call.addresses,
        user_agent=call.user_agent,
        cluster=call.cluster,
        workload=workload,
        containers=ruled.containers,
        truncated=call.truncated,
        ref=ref,
    )
    return ControlRecord(
        standing=ruled.standing,
        request=request,
        key=call.key,
        write=write(call, ruled, value) if ruled.touches else None,
        observed_key=_observed(workload, ruled),
    )


def _early(call: Call) -> bool:
    """Return whether a later record of the same request says all that this one does, and more."""
    if call.stage == "RequestReceived":
        return True
    return call.stage == "ResponseStarted" and call.subresource not in _STREAMS


def _outcome(call: Call, *, early: bool) -> RequestOutcome:
    if early:
        return RequestOutcome.UNKNOWN
    if call.stage == "Panic":
        return RequestOutcome.FAILURE
    if call.code is not None:
        return RequestOutcome.FAILURE if call.code >= REFUSED else RequestOutcome.SUCCESS
    if call.failed is not None:
        return RequestOutcome.FAILURE if call.failed else RequestOutcome.SUCCESS
    return RequestOutcome.UNKNOWN


def _workload(call: Call, ruled: Ruling, value: Json, *, early: bool) -> Workload:
    resource = call.resource or ""
    kind = resource if is_foreign(resource, call.group) else KINDS.get(resource, resource)
    answer = call.response if call.response is not None and not is_status(call.response) else None
    asked = call.request if isinstance(call.request, dict) else None
    answered = table(answer, "metadata")
    static = ruled.effect is Effect.STATIC_POD
    # An Eviction or a Binding in the answer has the pod's name, and no uid of a pod.
    uid = text(answered, "uid") or (None if static or early else call.object_uid)
    name = call.name or text(answered, "name")
    wanted = table(asked, "metadata")
    given = text(wanted, "name") if name is None and kind in _NAMED_BY_BODY else name
    return Workload(
        kind=kind,
        namespace=call.namespace,
        name=None if given is None else shared_name(given),
        uid=None if early or uid is None else shared_name(uid),
        owner=None if kind in _UNOWNED else owner(value),
        replicas=ruled.replicas if kind in _REPLICATED else None,
        node=_bound_to(call) if ruled.effect is Effect.SCHEDULED else None,
        node_uid=_node_uid(call, answered, wanted) if static else None,
        generate_name=text(wanted, "generateName") if name is None else None,
    )


_UNOWNED = frozenset({"Node", "CronJob", "Deployment", "DaemonSet", "StatefulSet"})
_NAMED_BY_BODY = frozenset(KINDS.values())
_REPLICATED = frozenset(
    {"Deployment", "DeploymentConfig", "ReplicaSet", "StatefulSet", "ReplicationController"}
)


def _bound_to(call: Call) -> str | None:
    return text(table(call.request, "target"), "name")


def _node_uid(call: Call, answered: Json, wanted: Json) -> str | None:
    """Return the uid that the node itself gives a static pod, and that its cgroups carry."""
    for metadata in (answered, wanted):
        if (hashed := text(table(metadata, "annotations"), HASH)) is not None:
            return hashed
    given = text(wanted, "uid") or call.object_uid
    return given if given != text(answered, "uid") else None


def _observed(workload: Workload | None, ruled: Ruling) -> str | None:
    if ruled.standing is not Standing.OBSERVED or workload is None:
        return None
    ids = sorted(item.id or "" for item in ruled.containers)
    return "\x1f".join((workload.uid or f"{workload.namespace}/{workload.name}", *ids))
