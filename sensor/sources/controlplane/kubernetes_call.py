"""One call of the Kubernetes API, whatever envelope it was recorded in."""

from __future__ import annotations

from dataclasses import field
from functools import lru_cache
from typing import Any

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.model.control_plane import Actor, ActorKind, Cluster

NODE_USER = "system:node:"
SERVICE_ACCOUNT = "system:serviceaccount:"
_KUBE_SYSTEM = SERVICE_ACCOUNT + "kube-system:"
GROUPS_LIMIT = 64
KNOWN_LIMIT = 4096
"""Actors, texts and operations that records share, the latest."""

CONTROLLERS = frozenset(
    {
        "attachdetach-controller",
        "certificate-controller",
        "clusterrole-aggregation-controller",
        "cronjob-controller",
        "daemon-set-controller",
        "deployment-controller",
        "device-taint-eviction-controller",
        "disruption-controller",
        "endpoint-controller",
        "endpointslice-controller",
        "endpointslicemirroring-controller",
        "ephemeral-volume-controller",
        "expand-controller",
        "generic-garbage-collector",
        "horizontal-pod-autoscaler",
        "job-controller",
        "legacy-service-account-token-cleaner",
        "namespace-controller",
        "node-controller",
        "persistent-volume-binder",
        "pod-garbage-collector",
        "pv-protection-controller",
        "pvc-protection-controller",
        "replicaset-controller",
        "replication-controller",
        "resource-claim-controller",
        "resourcequota-controller",
        "root-ca-cert-publisher",
        "route-controller",
        "selinux-warning-controller",
        "service-account-controller",
        "service-cidrs-controller",
        "service-controller",
        "statefulset-controller",
        "storage-version-migrator-controller",
        "taint-eviction-controller",
        "token-cleaner",
        "ttl-after-finished-controller",
        "ttl-controller",
        "validatingadmissionpolicy-status-controller",
        "volumeattributesclass-protection-controller",
    }
)
"""The service accounts of kube-controller-manager (pkg/controller, ``InitialClientBuilder``).
A closed list: another account of kube-system may belong to anything that was installed there."""

REPLACERS = frozenset(
    _KUBE_SYSTEM + name
    for name in (
        "daemon-set-controller",
        "statefulset-controller",
        "taint-eviction-controller",
        "device-taint-eviction-controller",
        "node-controller",
    )
)
"""Controllers whose deletes of pods make room for others: a rolling update, a lost node."""

_COMPONENTS = frozenset(
    {
        "aksService",
        "eks:addon-manager",
        "eks:certificate-controller",
        "eks:cloud-controller-manager",
        "eks:fargate-manager",
        "eks:fargate-scheduler",
        "eks:node-manager",
        "eks:vpc-resource-controller",
        "system:addon-manager",
        "system:apiserver",
        "system:cloud-controller-manager",
        "system:cluster-autoscaler",
        "system:gcp-controller-manager",
        "system:kube-controller-manager",
        "system:kube-proxy",
        "system:kube-scheduler",
        "system:volume-scheduler",
    }
)


@quick
@dataclass(frozen=True, slots=True)
class Call:
    """A call as the API server recorded it; bodies are untrusted JSON."""

    verb: str | None
    resource: str | None
    subresource: str | None
    namespace: str | None
    name: str | None
    object_uid: str | None
    """``objectRef.uid``: filled from the request's body, so empty for what the call creates."""
    username: str | None
    id: str | None
    key: str
    groups: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    impersonated: str | None = None
    on_behalf_of: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    user_agent: str | None = None
    level: str | None = None
    stage: str | None = None
    code: int | None = None
    failed: bool | None = None
    """The outcome where there is no HTTP code."""
    reason: str | None = None
    request: dict[str, Any] | list[Any] | None = None
    response: dict[str, Any] | None = None
    dry_run: bool = False
    truncated: bool = False
    received: int | None = None
    finished: int | None = None
    action: str | None = None
    """The envelope's own name of the operation, where it has one."""
    cluster: Cluster | None = None
    group: str | None = None
    """The API group of the resource; None for the core, or where the record has none."""

    @property
    def operation(self) -> str:
        """Name the operation: ``patch deployments/scale``."""
        return operation(self.verb, self.resource, self.subresource)


def actor_kind(username: str, groups: tuple[str, ...]) -> ActorKind:
    """Return what kind of identity a Kubernetes user is."""
    if username == "system:anonymous" or "system:unauthenticated" in groups:
        return ActorKind.ANONYMOUS
    if username.startswith(NODE_USER):
        return ActorKind.NODE
    if username.startswith(_KUBE_SYSTEM) and username[len(_KUBE_SYSTEM) :] in CONTROLLERS:
        return ActorKind.CONTROL_PLANE
    if username.startswith(SERVICE_ACCOUNT):
        return ActorKind.SERVICE_ACCOUNT
    if username in _COMPONENTS:
        return ActorKind.CONTROL_PLANE
    if username.endswith(".gserviceaccount.com"):
        return ActorKind.SERVICE_ACCOUNT
    return ActorKind.USER


def actor(call: Call) -> Actor | None:
    """Return who made the call."""
    if call.username is None:
        return None
    extra = call.extra
    more = _NO_EXTRA
    if extra and not _KNOWN_EXTRA.isdisjoint(extra):
        more = tuple([_first(extra.get(key)) for key in _EXTRA])
    return _actor(call.username, call.groups, call.impersonated, call.on_behalf_of, more)


_EXTRA = (
    "sessionName",
    "arn",
    "authentication.kubernetes.io/pod-name",
    "authentication.kubernetes.io/pod-uid",
    "authentication.kubernetes.io/node-name",
)
_KNOWN_EXTRA = frozenset(_EXTRA)
_NO_EXTRA: tuple[str | None, ...] = (None,) * len(_EXTRA)


@lru_cache(maxsize=KNOWN_LIMIT)
def _actor(
    name: str,
    groups: tuple[str, ...],
    impersonated: str | None,
    on_behalf_of: tuple[str, ...],
    more: tuple[str | None, ...],
) -> Actor:
    """Return an actor; the same object for the same one, since few make most of the calls."""
    session, principal, pod, pod_uid, node = more
    return Actor(
        name=name,
        kind=actor_kind(name, groups),
        groups=groups[:GROUPS_LIMIT],
        impersonated=impersonated,
        on_behalf_of=on_behalf_of,
        session=session,
        cloud_principal=principal,
        pod=pod,
        pod_uid=pod_uid,
        node=node,
    )


@lru_cache(maxsize=KNOWN_LIMIT)
def shared(text: str) -> str:
    """Return an equal text that earlier records have: names, user agents and images repeat."""
    return text


@lru_cache(maxsize=2 * KNOWN_LIMIT)
def shared_name(text: str) -> str:
    """Return an equal name or uid that earlier records have: an object has several records."""
    return text


@lru_cache(maxsize=KNOWN_LIMIT)
def shared_addresses(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Return an equal list of addresses that earlier records have."""
    return addresses


@lru_cache(maxsize=KNOWN_LIMIT)
def operation(verb: str | None, resource: str | None, subresource: str | None) -> str:
    """Name an operation: ``patch deployments/scale``."""
    return f"{verb or '-'} {resource or '-'}" + (f"/{subresource}" if subresource else "")


def _first(values: object) -> str | None:
    """Return the first value of an entry of ``user.extra``, which is a list of texts."""
    if type(values) is list and values and type(values[0]) is str:
        return values[0] or None
    return values if type(values) is str and values else None
