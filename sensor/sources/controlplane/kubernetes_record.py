"""A call of the Kubernetes API as a record: who, what, on which object, with which outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.frozen import maker
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
from sensor.sources.controlplane.kubernetes_call import operation, shared_name
from sensor.sources.controlplane.kubernetes_effect import ruling
from sensor.sources.controlplane.kubernetes_objects import HASH, KINDS, is_foreign, owner
from sensor.sources.controlplane.kubernetes_ruling import Ruling
from sensor.sources.controlplane.kubernetes_write import write

if TYPE_CHECKING:
    from sensor.sources.controlplane.addresses import Proxies
    from sensor.sources.controlplane.kubernetes_call import Call

REFUSED = 400
_STREAMS = frozenset({"exec", "attach"})
_DUPLICATE = Ruling(Standing.NO, Effect.DUPLICATE_STAGE)
_ORIGIN = ChainPart.ORIGIN
_CHAINS = {ActorKind.CONTROL_PLANE: ChainPart.STEP, ActorKind.NODE: ChainPart.REPORT}
_KUBERNETES = RequestSource.KUBERNETES
_ASKS, _MAY = RequestCertainty.ASKS, RequestCertainty.MAY
_SUCCESS, _FAILURE = RequestOutcome.SUCCESS, RequestOutcome.FAILURE
_POSSIBLE, _OBSERVED = Standing.POSSIBLE, Standing.OBSERVED
_STATIC_POD, _SCHEDULED = Effect.STATIC_POD, Effect.SCHEDULED
"""Words as plain names: a member of an enumeration takes a tenth of a microsecond to be found."""
_NONE: Json = {}
_request, _workload, _record = maker(Request), maker(Workload), maker(ControlRecord)


def record(
    call: Call, ref: RecordRef, proxies: Proxies = (), source: RequestSource | None = None
) -> ControlRecord:
    """Return the record of a call."""
    who, code, stage = call.actor, call.code, call.stage
    whole = stage == "ResponseComplete"
    early = not whole and _early(call)
    ruled = _DUPLICATE if early else ruling(call)
    metadata = call.stored.get("metadata")
    if type(metadata) is not dict:
        metadata = _NONE
    workload = None if call.resource is None else _about(call, ruled, metadata, early=early)
    if whole and code is not None:
        outcome = _SUCCESS if code < REFUSED else _FAILURE
    else:
        outcome = _outcome(call, early=early)
    addresses = call.addresses
    # By position: names would cost more than all else here.
    request = _request(
        source or _KUBERNETES,
        call.id,
        call.action or operation(call.verb, call.resource, call.subresource),
        ruled.effect,
        _ORIGIN if who is None else _CHAINS.get(who.kind, _ORIGIN),
        outcome,
        _MAY if ruled.standing is _POSSIBLE else _ASKS,
        code,
        call.reason,
        call.received,
        None if early else call.finished,
        who,
        connection(addresses, proxies) if addresses else None,
        addresses,
        call.user_agent,
        call.cluster,
        workload,
        ruled.containers,
        call.truncated,
        ref,
    )
    return _record(
        ruled.standing,
        request,
        call.key,
        write(call, ruled, metadata) if ruled.touches else None,
        _observed(workload, ruled) if ruled.standing is _OBSERVED else None,
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


def _about(call: Call, ruled: Ruling, metadata: Json, *, early: bool) -> Workload:
    """Return what a call is about. ``metadata``: of the object as it is stored."""
    resource, answer, effect = call.resource or "", call.answer, ruled.effect
    group = call.group
    foreign = group is not None and is_foreign(resource, group)
    kind = resource if foreign else KINDS.get(resource, resource)
    answered = metadata if answer is call.stored else table(answer, "metadata")
    static = effect is _STATIC_POD
    # An Eviction or a Binding in the answer has the pod's name, and no uid of a pod.
    uid = text(answered, "uid") or (None if static or early else call.object_uid)
    name = given = call.name or text(answered, "name")
    scheduled = effect is _SCHEDULED
    wanted = table(call.request, "metadata") if name is None or static or scheduled else _NONE
    if scheduled and uid is None:
        uid = text(wanted, "uid")
    if name is None and kind in _NAMED_BY_BODY:
        given = text(wanted, "name")
    return _workload(
        kind,
        call.namespace,
        None if given is None else shared_name(given),
        None if early or uid is None else shared_name(uid),
        owner(metadata) if "ownerReferences" in metadata and kind not in _UNOWNED else None,
        ruled.replicas if kind in _REPLICATED else None,
        node=_bound_to(call) if scheduled else None,
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
    """Return what identifies a start that is reported."""
    if workload is None:
        return None
    ids = sorted(item.id or "" for item in ruled.containers)
    return "\x1f".join((workload.uid or f"{workload.namespace}/{workload.name}", *ids))
