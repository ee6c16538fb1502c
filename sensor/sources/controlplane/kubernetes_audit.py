"""Kubernetes audit events (audit.k8s.io/v1, and v1beta1 in old files) as calls of the API."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeGuard

from sensor.sources.controlplane.identity import call_key
from sensor.sources.controlplane.json_text import (
    Json,
    JsonInvalid,
    fields,
    nested,
    number,
    parse,
    table,
    text,
    texts,
)
from sensor.sources.controlplane.kubernetes_call import Call, shared, shared_addresses
from sensor.sources.controlplane.kubernetes_effect import RESOURCES
from sensor.sources.controlplane.kubernetes_objects import api_group, only_tried
from sensor.sources.controlplane.kubernetes_query import asks_for_dry_run
from sensor.sources.controlplane.times import wall

if TYPE_CHECKING:
    from sensor.model.control_plane import Cluster

TRUNCATED = "audit.k8s.io/truncated"

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_HEAD = re.compile(
    rb'\{(?:"kind":"Event","apiVersion":"audit\.k8s\.io/v1(?:beta1)?",)?'
    rb'(?:"metadata":\{(?:"creationTimestamp":(?:null|"[^"\\]*"))?\},)?"level":"[A-Za-z]+",'
    rb'(?:"timestamp":"[^"\\]*",)?"auditID":' + _STRING + rb',"stage":"([A-Za-z]+)",'
    rb'"requestURI":' + _STRING + rb',"verb":"([a-z]+)"'
)
"""The beginning of an event as the API server writes it: to its log with a kind, and in the list
that its webhook backend posts without one. Anchored at the first byte:
a key inside of a body must not decide that a record is skipped."""
_OBJECT, _PART = b'"objectRef":{"resource":"', b'"subresource":"'
"""What the call is about. No text of a client holds it: the quotes in a text are escaped."""
_NAME = re.compile(rb"[a-z0-9.-]+")
_VERB, _STAGE, _OBJECT_REF, _RESOURCE = b'"verb"', b'"stage"', b'"objectRef"', b'"resource"'
_READS = frozenset({b"get", b"list", b"watch"})
_DELETIONS = frozenset({"delete", "deletecollection"})
_STATUSES = frozenset({b"pods", b"cronjobs"})
"""Whose status says something: which containers run, which version a schedule acted on."""
_OWN = ("auditID", "stage", "verb", "userAgent", "level")
_TARGET = ("resource", "subresource", "namespace", "name", "uid")
_WATCHED = frozenset(name.encode() for name in RESOURCES)


def skim(line: bytes) -> str | None:
    """Return the operation of a line that concerns no container; None where it must be read.

    It decodes nothing, so that reads, leases and events cost a tenth of a record. It looks at what
    the server itself made of a request, never at its URI, which a client may write in many ways.
    """
    head = _HEAD.match(line, 0, 4096)
    if head is None:
        return None
    stage, verb = head.groups()
    behind = head.end()
    begin = line.find(_OBJECT, behind)
    if begin < 0:
        found = line.find(_OBJECT_REF, behind) >= 0
        return None if found or _again(line, behind) else f"{verb.decode()} -"
    begin += len(_OBJECT)
    end, closed = line.find(b'"', begin), line.find(b"}", begin)
    resource = line[begin:end]
    at = line.rfind(_PART, end, closed)
    part = line[at + len(_PART) : line.find(b'"', at + len(_PART))] if at >= 0 else None
    if (
        resource in _WATCHED
        and verb not in _READS
        and stage != b"RequestReceived"
        and (part != b"status" or resource in _STATUSES)
    ):
        return None
    if not _plain(resource, part) or line.find(b"{", end, closed) >= 0 or closed < 0:
        return None
    if line.find(_RESOURCE, end, closed) >= 0 or line.find(_OBJECT_REF, closed) >= 0:
        return None
    if _again(line, behind):
        return None
    operation = f"{verb.decode()} {resource.decode()}"
    return operation if part is None else f"{operation}/{part.decode()}"


def _plain(resource: bytes, part: bytes | None) -> bool:
    """Return whether these are names as the API has them."""
    return _NAME.fullmatch(resource) is not None and (part is None or part.isalpha())


def _again(line: bytes, behind: int) -> bool:
    """Return whether a key that decides stands once more behind the place where it was read.

    Of two equal keys the last counts. A body may hold such keys as well: then the record is read.
    """
    return line.find(_VERB, behind) >= 0 or line.find(_STAGE, behind) >= 0


def is_event(value: object) -> TypeGuard[Json]:
    """Return whether a JSON object is an audit event; those of a list carry no kind."""
    return isinstance(value, dict) and "auditID" in value and "stage" in value


def read(value: Json, cluster: Cluster | None = None) -> Call:
    """Return the call of an audit event. Values of wrong types are unknown."""
    who, target = nested(value, "user"), nested(value, "objectRef")
    status, acting = nested(value, "responseStatus"), nested(value, "impersonatedUser")
    uri = value.get("requestURI")
    uri = uri if type(uri) is str else ""
    received = (
        wall(value.get("requestReceivedTimestamp"))
        or wall(value.get("timestamp"))
        or wall(value.get("stageTimestamp"))
    )
    body, answer = _body(value.get("requestObject")), _body(value.get("responseObject"))
    cut = type(answer) is str or type(body) is str  # AKS: skipped-too-big-size-object
    id_, stage, verb, agent, level = fields(value, _OWN)
    resource, subresource, namespace, name, uid = fields(target, _TARGET)
    username = text(who, "username")
    return Call(
        verb=verb,
        resource=resource,
        subresource=subresource,
        namespace=None if namespace is None else shared(namespace),
        name=name,
        object_uid=uid,
        username=username,
        # A client may choose the auditID, and send two requests under one.
        key=call_key(id_, stage, received, username, uri),
        id=id_,
        groups=texts(who, "groups"),
        extra=table(who, "extra"),
        impersonated=text(acting, "username") if acting else None,
        addresses=shared_addresses(texts({"": _body(value.get("sourceIPs"))}, "")),
        user_agent=None if agent is None else shared(agent),
        level=level,
        stage=stage,
        code=number(status, "code"),
        reason=text(status, "reason"),
        request=body if isinstance(body, dict | list) else None,
        response=answer if type(answer) is dict else None,
        dry_run=_dry_run(verb, uri, body),
        truncated=cut or nested(value, "annotations").get(TRUNCATED) == "true",
        received=received,
        finished=wall(value.get("stageTimestamp")),
        cluster=cluster,
        group=api_group(target),
    )


def _body(value: object) -> object:
    """Return an object or a list, also where a log store keeps it as a text of JSON."""
    if type(value) is not str or value[:1] not in {"{", "["}:
        return value
    try:
        return parse(value.encode("utf-8", "replace"))
    except JsonInvalid:
        return value


def _dry_run(verb: str | None, uri: str, body: object) -> bool:
    """Return whether the call changes nothing: asked for in the query, or in the body.

    The API server reads the query of a deletion only where it has no body.
    """
    if body and verb in _DELETIONS:
        return only_tried(body)
    return asks_for_dry_run(uri) or only_tried(body)
