"""GKE's audit entries (Cloud Logging, service ``k8s.io``) as calls of the Kubernetes API.

An entry has no groups, level or stage. ``status.code`` is a gRPC code; the HTTP code stands in the
response only, where that is a Status.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sensor.model.control_plane import Cluster, RequestSource
from sensor.sources.controlplane.identity import key
from sensor.sources.controlplane.json_text import Json, number, rows, table, text
from sensor.sources.controlplane.kubernetes_call import Call, answered, stored
from sensor.sources.controlplane.kubernetes_caller import actor
from sensor.sources.controlplane.kubernetes_objects import only_tried
from sensor.sources.controlplane.times import wall

if TYPE_CHECKING:
    from collections.abc import Iterable

SERVICE = "k8s.io"
_OWN_GROUPS, _CORE = "io.k8s.", "core"
_METHOD = re.compile(
    r"((?:[a-zA-Z0-9-]+\.)+)v\d+(?:(?:alpha|beta)\d+)?\.([a-z0-9-]+)(?:\.([a-z]+))?\.([a-z]+)"
)


def read(entry: Json) -> Call:
    """Return the call of a LogEntry whose service is ``k8s.io``."""
    payload = table(entry, "protoPayload")
    method = text(payload, "methodName")
    group, resource, subresource, verb = _method(method)
    path = _path(text(payload, "resourceName") or "", resource)
    body, response = payload.get("request"), payload.get("response")
    body = body if isinstance(body, dict | list) else None
    response = response if isinstance(response, dict) else None
    answer = answered(response)
    refusal = response if answer is None else None
    status = number(table(payload, "status"), "code") or 0
    caller = text(table(payload, "requestMetadata"), "callerIp")
    who = table(payload, "authenticationInfo")
    insert, stamp, log = (text(entry, name) for name in ("insertId", "timestamp", "logName"))
    return Call(
        verb=verb,
        resource=resource,
        subresource=subresource,
        namespace=path.get("namespace"),
        name=path.get("name"),
        object_uid=text(table(body, "metadata"), "uid"),
        id=text(table(entry, "operation"), "id") or insert,
        key=key(RequestSource.GCP, insert, stamp, log),
        actor=actor(
            text(who, "principalEmail") or text(who, "principalSubject"),
            on_behalf_of=delegation(who),
        ),
        addresses=() if caller is None else (caller,),
        user_agent=text(table(payload, "requestMetadata"), "callerSuppliedUserAgent"),
        level=_level(body, response),
        code=number(refusal, "code"),
        failed=status != 0,
        reason=text(refusal, "reason"),
        request=body,
        response=response,
        answer=answer,
        stored=stored(body, answer),
        dry_run="dryRun" in table(body, "metadata") or only_tried(body),
        received=wall(stamp),
        finished=wall(stamp),
        action=method,
        cluster=cluster_of(entry),
        group=group,
    )


def _method(method: str | None) -> tuple[str | None, str | None, str | None, str | None]:
    """Return group, resource, subresource and verb of ``io.k8s.apps.v1.deployments.patch``."""
    found = _METHOD.fullmatch(method or "")
    if found is None:
        return None, None, None, None
    package, resource, subresource, verb = found.groups()
    group = package.removeprefix(_OWN_GROUPS).rstrip(".")
    return None if group == _CORE else group, resource, subresource, verb


def _path(name: str, resource: str | None) -> dict[str, str]:
    """Return namespace and name from ``apps/v1/namespaces/NS/deployments/NAME[/sub]``.

    Names are read by their places: a namespace may be called ``pods``, and a pod as well.
    """
    names: dict[str, str] = {}
    behind = name.split("/")[_VERSION:]
    if len(behind) > _NAMED and behind[0] == "namespaces" and resource != "namespaces":
        names["namespace"] = behind[1]
        behind = behind[_NAMED:]
    if len(behind) >= _NAMED and behind[0] == resource and behind[1]:
        names["name"] = behind[1]
    return names


_VERSION, _NAMED = 2, 2
"""Parts of ``GROUP/VERSION``, and of ``RESOURCE/NAME``."""


def _level(body: object, answer: Json | None) -> str:
    if answer is not None:
        return "RequestResponse"
    return "Metadata" if body is None else "Request"


def delegation(who: Json) -> tuple[str, ...]:
    """Return who acted through a service account, in the order of the delegations."""
    return tuple(_named(rows(who, "serviceAccountDelegationInfo")))


def _named(delegations: list[Json]) -> Iterable[str]:
    for item in delegations:
        name = (
            text(table(item, "firstPartyPrincipal"), "principalEmail")
            or text(item, "principalSubject")
            or text(table(item, "thirdPartyPrincipal"), "principalSubject")
        )
        if name is not None:
            yield name


def cluster_of(entry: Json) -> Cluster | None:
    """Return the cluster of a LogEntry; None where its resource is not in a cluster."""
    labels = table(table(entry, "resource"), "labels")
    name, project = text(labels, "cluster_name"), text(labels, "project_id")
    where = text(labels, "location")
    if name is None:
        return Cluster(provider="gcp", account=project, region=where) if project else None
    id_ = f"projects/{project}/locations/{where}/clusters/{name}" if project and where else None
    return Cluster(name=name, id=id_, provider="gcp", account=project, region=where)
