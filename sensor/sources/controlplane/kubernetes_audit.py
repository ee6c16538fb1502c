"""Kubernetes audit events (audit.k8s.io/v1, and v1beta1 in old files) as calls of the API."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeGuard

from sensor.model.control_plane import RequestSource
from sensor.sources.controlplane.identity import key
from sensor.sources.controlplane.json_text import Json, number, table, text, texts
from sensor.sources.controlplane.kubernetes_call import Call, shared
from sensor.sources.controlplane.kubernetes_effect import RESOURCES
from sensor.sources.controlplane.kubernetes_objects import only_tried
from sensor.sources.controlplane.times import wall

if TYPE_CHECKING:
    from sensor.model.control_plane import Cluster

TRUNCATED = "audit.k8s.io/truncated"
_DRY_RUN = re.compile(r"[?&]dryRun=[^&]")

_STRING = rb'"(?:[^"\\]|\\.)*"'
_HEAD = re.compile(
    rb'\{"kind":"Event","apiVersion":"audit\.k8s\.io/v1(?:beta1)?",'
    rb'(?:"metadata":\{[^{}]*\},)?"level":"[A-Za-z]+",'
    rb'(?:"timestamp":"[^"\\]*",)?"auditID":' + _STRING + rb',"stage":"([A-Za-z]+)",'
    rb'"requestURI":"((?:[^"\\]|\\.)*)","verb":"([a-z]+)"'
)
"""The beginning of an event as the API server's log backend writes it. Anchored at the first byte:
a key inside of a body must not decide that a record is skipped."""
_PATH = re.compile(
    rb"/(?:api|apis/[^/]+)/[^/]+/(?:watch/)?(?:namespaces/[^/]+/(?!status$|finalize$))?([a-z0-9.-]+)"
)
_READS = frozenset({b"get", b"list", b"watch"})
_STATUSES = frozenset({b"pods", b"cronjobs"})
"""Whose status says something: which containers run, which version a schedule acted on."""
_STREAMS = (b"/exec", b"/attach")
_WATCHED = frozenset(name.encode() for name in RESOURCES)


def skim(line: bytes) -> str | None:
    """Return the operation of a line that concerns no container; None where it must be read.

    It reads the head of a line only, so that reads, leases and events cost a tenth of a record.
    """
    head = _HEAD.match(line, 0, min(len(line), 4096))
    if head is None:
        return None
    stage, uri, verb = head.groups()
    path = uri.partition(b"?")[0]
    found = _PATH.match(path)
    resource = found.group(1) if found is not None else b"-"
    if verb in _READS:
        if path.endswith(_STREAMS):
            return None
    elif path.endswith(b"/status") and found is not None and resource not in _STATUSES:
        # Controllers and nodes write these all the time; none says that a container starts.
        return f"{verb.decode()} {resource.decode()}/status"
    elif stage != b"RequestReceived" and (
        resource in _WATCHED if found is not None else path.startswith(b"/api")
    ):
        return None
    return f"{verb.decode()} {resource.decode()}"


def is_event(value: object) -> TypeGuard[Json]:
    """Return whether a JSON object is an audit event; those of a list carry no kind."""
    return isinstance(value, dict) and "auditID" in value and "stage" in value


def read(value: Json, cluster: Cluster | None = None) -> Call:
    """Return the call of an audit event. Values of wrong types are unknown."""
    who = table(value, "user")
    target = table(value, "objectRef")
    status = table(value, "responseStatus")
    uri = value.get("requestURI")
    uri = uri if type(uri) is str else ""
    received = (
        wall(value.get("requestReceivedTimestamp"))
        or wall(value.get("timestamp"))
        or wall(value.get("stageTimestamp"))
    )
    answer = value.get("responseObject")
    body = value.get("requestObject")
    cut = type(answer) is str or type(body) is str  # AKS: skipped-too-big-size-object
    id_, stage, username = text(value, "auditID"), text(value, "stage"), text(who, "username")
    return Call(
        verb=text(value, "verb"),
        resource=text(target, "resource"),
        subresource=text(target, "subresource"),
        namespace=_shared(target, "namespace"),
        name=text(target, "name"),
        object_uid=text(target, "uid"),
        username=username,
        # A client may choose the auditID, and send two requests under one.
        key=key(RequestSource.KUBERNETES, id_, stage, received, username, uri),
        id=id_,
        groups=texts(who, "groups"),
        extra=table(who, "extra"),
        impersonated=text(table(value, "impersonatedUser"), "username"),
        addresses=texts(value, "sourceIPs"),
        user_agent=_shared(value, "userAgent"),
        level=text(value, "level"),
        stage=stage,
        code=number(status, "code"),
        reason=text(status, "reason"),
        request=body if isinstance(body, dict | list) else None,
        response=answer if type(answer) is dict else None,
        dry_run=_dry_run(uri, body),
        truncated=cut or table(value, "annotations").get(TRUNCATED) == "true",
        received=received,
        finished=wall(value.get("stageTimestamp")),
        cluster=cluster,
    )


def _shared(value: Json, key: str) -> str | None:
    found = text(value, key)
    return None if found is None else shared(found)


def _dry_run(uri: str, body: Any) -> bool:  # noqa: ANN401 - any value of JSON
    """Return whether the call changes nothing: asked for in the query, or in the body."""
    return _DRY_RUN.search(uri) is not None or only_tried(body)
