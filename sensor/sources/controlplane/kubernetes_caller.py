"""Who calls the Kubernetes API: kinds of identities, and what an audit event says of its client.

Few clients make most of the calls, and each writes the same of itself. So that part of an event is
parsed once for all events in which the same text stands.
"""

from __future__ import annotations

from functools import lru_cache

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.model.control_plane import Actor, ActorKind
from sensor.sources.controlplane.json_text import (
    Json,
    JsonInvalid,
    nested,
    parse,
    structured,
    table,
    text,
    texts,
)

NODE_USER = "system:node:"
SERVICE_ACCOUNT = "system:serviceaccount:"
_KUBE_SYSTEM = SERVICE_ACCOUNT + "kube-system:"
GROUPS_LIMIT = 64
KNOWN_LIMIT = 4096
"""Actors, texts and operations that records share, the latest."""
_CALLERS_LIMIT = 2048
"""Texts about a client that are kept with what they say, the latest."""
_TEXT_BYTES = 2048
"""The longest of these texts; a user agent has at most 1,024 characters."""

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
class Caller:
    """What an audit event says of its client."""

    actor: Actor | None
    """None where the event names no user."""
    addresses: tuple[str, ...]
    user_agent: str | None


def caller(value: Json) -> Caller:
    """Return what the members of an audit event say of its client."""
    who = nested(value, "user")
    agent = text(value, "userAgent")
    return Caller(
        actor(
            text(who, "username"),
            texts(who, "groups"),
            impersonated=text(nested(value, "impersonatedUser"), "username"),
            extra=table(who, "extra"),
        ),
        shared_addresses(texts({"": structured(value.get("sourceIPs"))}, "")),
        None if agent is None else shared(agent),
    )


MEMBERS = frozenset(
    {"user", "impersonatedUser", "authenticationMetadata", "sourceIPs", "userAgent"}
)
"""What an API server writes of a client, between the verb and the object of a call."""


def caller_in(members: bytes) -> Caller | None:
    """Return what these members of an object say of a client.

    None where they are not members, or others as well: then the whole object has to be read.
    """
    return _caller_in(members) if len(members) <= _TEXT_BYTES else None


@lru_cache(maxsize=_CALLERS_LIMIT)
def _caller_in(members: bytes) -> Caller | None:
    try:
        value = parse(b"{%b}" % members)
    except JsonInvalid:
        return None
    return caller(value) if type(value) is dict and value.keys() <= MEMBERS else None


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


def actor(
    name: str | None,
    groups: tuple[str, ...] = (),
    *,
    impersonated: str | None = None,
    on_behalf_of: tuple[str, ...] = (),
    extra: Json | None = None,
) -> Actor | None:
    """Return who makes calls under a name; None where there is none."""
    if name is None:
        return None
    more = _NO_EXTRA
    if extra and not _KNOWN_EXTRA.isdisjoint(extra):
        more = tuple([_first(extra.get(key)) for key in _EXTRA])
    return _actor(name, groups, impersonated, on_behalf_of, more)


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


@lru_cache(maxsize=KNOWN_LIMIT)
def shared_addresses(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Return an equal list of addresses that earlier records have."""
    return addresses


def _first(values: object) -> str | None:
    """Return the first value of an entry of ``user.extra``, which is a list of texts."""
    if type(values) is list and values and type(values[0]) is str:
        return values[0] or None
    return values if type(values) is str and values else None
