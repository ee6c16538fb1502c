"""Kubernetes audit events (audit.k8s.io/v1, and v1beta1 in old files) as calls of the API."""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING, TypeGuard

from sensor.frozen import maker
from sensor.sources.controlplane.identity import call_key
from sensor.sources.controlplane.json_text import (
    TEXT_LIMIT,
    Json,
    JsonInvalid,
    Keys,
    fields,
    nested,
    number,
    parse,
    structured,
    text,
)
from sensor.sources.controlplane.kubernetes_call import Call, answered, stored
from sensor.sources.controlplane.kubernetes_caller import MEMBERS, caller, caller_in, shared
from sensor.sources.controlplane.kubernetes_effect import RESOURCES
from sensor.sources.controlplane.kubernetes_objects import only_tried, target_of
from sensor.sources.controlplane.kubernetes_query import asks_for_dry_run
from sensor.sources.controlplane.kubernetes_text import (
    answers,
    without_managed_fields,
    without_request,
)
from sensor.sources.controlplane.times import wall

if TYPE_CHECKING:
    from sensor.model.control_plane import Cluster
    from sensor.sources.controlplane.kubernetes_caller import Caller

TRUNCATED = "audit.k8s.io/truncated"

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_HEAD = (
    rb'\{(?:"kind":"Event","apiVersion":"audit\.k8s\.io/v1(?:beta1)?",)?'
    rb'(?:"metadata":\{(?:"creationTimestamp":(?:null|"[^"\\]*"))?\},)?"level":"[A-Za-z]+",'
    rb'(?:"timestamp":"[^"\\]*",)?"auditID":%b,"stage":"([A-Za-z]+)",'
    rb'"requestURI":%b,"verb":"([a-z]+)"'
)
"""The beginning of an event as the API server writes it: to its log with a kind, and in the list
that its webhook backend posts without one. Anchored at the first byte:
a key inside of a body must not decide that a record is skipped."""
_HEAD_ESCAPED = re.compile(_HEAD % (_STRING, _STRING))
_HEAD_PLAIN = re.compile(_HEAD % (rb'"[^"]*+"', rb'"[^"]*+"'))
"""The same where no text has an escape; it is found in half of the time."""
_HEAD_BYTES = 4096
_CALLER, _CALLER_END = b',"user":{', b',"objectRef":{'
_OBJECT, _PART = b'"objectRef":{"resource":"', b'"subresource":"'
"""What the call is about. No text of a client holds it: the quotes in a text are escaped."""
_NAME = re.compile(rb"[a-z0-9.-]+")
_VERB, _STAGE, _OBJECT_REF, _RESOURCE = b'"verb"', b'"stage"', b'"objectRef"', b'"resource"'
_READS = frozenset({b"get", b"list", b"watch"})
_CODES = 1000
"""No code of HTTP has four digits."""
_DELETIONS = frozenset({"delete", "deletecollection"})
_STATUSES = frozenset({b"pods", b"cronjobs"})
"""Whose status says something: which containers run, which version a schedule acted on."""
_OWN = Keys("auditID", "stage", "verb", "level")
_WATCHED = frozenset(name.encode() for name in RESOURCES)


def head_of(line: bytes) -> re.Match[bytes] | None:
    """Return the beginning of a line that begins as the API server begins an event."""
    head = _HEAD_PLAIN.match(line, 0, _HEAD_BYTES)
    if head is not None and line.find(b"\\", 0, head.end()) < 0:
        return head
    return _HEAD_ESCAPED.match(line, 0, _HEAD_BYTES)


def skim(line: bytes) -> str | None:
    """Return the operation of a line that concerns no container; None where it must be read."""
    head = head_of(line)
    return None if head is None else skipped(line, head)


def skipped(line: bytes, head: re.Match[bytes]) -> str | None:
    """Return what ``skim`` does for a line whose beginning is known.

    It decodes nothing, so that reads, leases and events cost a tenth of a record. It looks at what
    the server itself made of a request, never at its URI, which a client may write in many ways.
    """
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


def parsed(line: bytes, head: re.Match[bytes] | None) -> tuple[object, Caller | None]:
    """Return the value of a line, and apart what it says of its client where that is known.

    Raises :class:`JsonInvalid`. The head ends behind a member of the outermost object. So where the
    text that follows up to the call's object is members by itself, and the line is an object
    without it, the line is an object with both. Keys that stand in both are not taken apart: of
    two equal keys the last counts. What no reading needs is not in the value.
    """
    begin = -1 if head is None else head.end()
    if head is not None and line.startswith(_CALLER, begin):
        end = line.find(_CALLER_END, begin)
        who = caller_in(line[begin + 1 : end]) if end >= 0 else None
        if who is not None:
            left = line[:begin] + line[end:]
            try:
                value = _needed(left, head[2], who)
            except JsonInvalid:
                return parse(line), None
            if type(value) is dict and MEMBERS.isdisjoint(value):
                return value, who
    return parse(line), None


def _needed(line: bytes, verb: bytes, who: Caller) -> object:
    """Return the value of a line, without what no reading needs where that is sure."""
    rest = without_request(line, verb)
    short = without_managed_fields(rest)
    if short is not line:
        try:
            value = parse(short)
        except JsonInvalid:
            return parse(line)
        # An answer that was cut may stand inside of what a client sent.
        if type(value) is dict and (
            "responseObject" in value if rest is line else answers(value, who.actor)
        ):
            return value
    return parse(line)


def read(value: Json, cluster: Cluster | None = None, who: Caller | None = None) -> Call:
    """Return an audit event's call; wrong types are unknown. ``who``: its client, if read apart."""
    if who is None:
        who = caller(value)
    id_, stage, verb, level, uri, began, finished = _own(value)
    status, target = value.get("responseStatus"), value.get("objectRef")
    if type(status) is not dict:
        status = nested(value, "responseStatus")
    if type(target) is not dict:
        target = nested(value, "objectRef")
    code, notes = status.get("code"), value.get("annotations")
    if type(notes) is not dict:
        notes = nested(value, "annotations")
    ended = wall(finished)
    received = wall(began) or wall(value.get("timestamp")) or ended
    body, said = value.get("requestObject"), value.get("responseObject")
    if type(body) is not dict:
        body = structured(body)
    if type(said) is not dict:
        said = structured(said)
    cut = type(said) is str or type(body) is str  # AKS: skipped-too-big-size-object
    request = body if type(body) is dict or type(body) is list else None
    response = said if type(said) is dict else None
    answer = answered(response)
    resource, subresource, namespace, name, uid, group = target_of(target)
    actor = who.actor
    # A client may choose the auditID, and send two requests under one.
    key = call_key(id_, stage, received, None if actor is None else actor.name, uri)
    # By position: names would cost more than all else here.
    return _call(
        verb,
        resource,
        subresource,
        None if namespace is None else shared(namespace),
        name,
        uid,
        id_,
        key,
        actor,
        who.addresses,
        who.user_agent,
        level,
        stage,
        code if type(code) is int and 0 <= code < _CODES else number(status, "code"),
        None,
        text(status, "reason") if "reason" in status else None,
        request,
        response,
        answer,
        stored(request, answer),
        _dry_run(verb, uri, body),
        cut or notes.get(TRUNCATED) == "true",
        received,
        ended,
        None,
        cluster,
        group,
    )


_call = maker(Call)
_MEMBERS = itemgetter(
    *("auditID", "stage", "verb", "level", "requestURI"),
    *("requestReceivedTimestamp", "stageTimestamp"),
)
_Own = tuple[str | None, str | None, str | None, str | None, str, object, object]


def _own(value: Json) -> _Own:
    """Return the members of an event that are texts: its id, stage, verb, level, URI and times."""
    try:
        found: tuple[str, str, str, str, str, str, str] = _MEMBERS(value)
        # One call says of all of them that they are texts, and that none is to be cut.
        if len("".join(found)) <= TEXT_LIMIT and "" not in found:
            return found
    except (KeyError, TypeError):
        pass
    id_, stage, verb, level = fields(value, _OWN)
    uri = value.get("requestURI")
    began, finished = value.get("requestReceivedTimestamp"), value.get("stageTimestamp")
    return id_, stage, verb, level, uri if type(uri) is str else "", began, finished


def _dry_run(verb: str | None, uri: str, body: object) -> bool:
    """Return whether the call changes nothing: asked for in the query, or in the body.

    The API server reads the query of a deletion only where it has no body.
    """
    if body and verb in _DELETIONS:
        return only_tried(body)
    if "?" in uri and asks_for_dry_run(uri):
        return True
    return body is not None and only_tried(body)
