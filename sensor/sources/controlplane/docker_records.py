"""Docker's own records: its event stream as JSON lines, and the debug log of dockerd.

Neither names a caller. An event ``start`` is a start; ``restart`` follows a ``start`` of the same
operation and is not a second one. A start that fails leaves ``create`` and nothing more. The debug
log gives requests without their results, and the bodies of ``create`` hold environments in clear:
a line ``form data`` is dropped unread.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote

from sensor.model.control_plane import (
    ChainPart,
    ControlRecord,
    Effect,
    RecordRef,
    Request,
    RequestContainer,
    RequestOutcome,
    RequestSource,
    Standing,
    Workload,
)
from sensor.sources.controlplane.identity import key
from sensor.sources.controlplane.json_text import Json, clean, number, table, text
from sensor.sources.controlplane.times import NS_PER_SECOND, wall

_ACTIONS = {
    "create": (Standing.RELATED, Effect.CREATE),
    "start": (Standing.OBSERVED, Effect.START),
    "restart": (Standing.RELATED, Effect.RESTART),
    "die": (Standing.NO, Effect.STOP),
    "kill": (Standing.NO, Effect.STOP),
    "stop": (Standing.NO, Effect.STOP),
    "oom": (Standing.NO, Effect.STOP),
    "pause": (Standing.NO, Effect.PAUSE),
    "unpause": (Standing.NO, Effect.UNPAUSE),
    "exec_create": (Standing.NO, Effect.EXEC),
    "exec_start": (Standing.NO, Effect.EXEC),
    "exec_die": (Standing.NO, Effect.EXEC),
    "exec_detach": (Standing.NO, Effect.EXEC),
}
_NONE = (Standing.NO, Effect.NONE)
_SERVICE_ACTIONS = {
    "create": (Standing.RELATED, Effect.START),
    "remove": (Standing.NO, Effect.STOP),
}
_SCALED_UP = (Standing.RELATED, Effect.SCALE_UP)
_SCALED_DOWN = (Standing.NO, Effect.SCALE_DOWN)

_LINE = re.compile(
    rb'time="?([0-9T:.Z+-]{20,40})"? level=debug msg="?Calling '
    rb'([A-Z]{3,8}) (?:/v\d{1,2}\.\d{1,3})?(/[^"\s]*)"?'
)
_CALLING = re.compile(r"Calling ([A-Z]{3,8}) (/[^\s]*)")
_FIELD = rb'([a-z-]+)=("(?:[^"\\]|\\.)*+"|[^\s"]*+)'
_HANDLING = re.compile(
    rb'time="?([0-9T:.Z+-]{20,40})"? level=debug msg="handling [A-Z]{3,8} request"((?: '
    + _FIELD.replace(b"(", b"(?:", 1).replace(b"=(", b"=(?:", 1)
    + rb")*+)"
)
"""As dockerd writes it from version 28 on (api/server/middleware/debug.go). One of its fields may
be the body, in which the names of the others can stand: so all fields are walked."""
_FIELDS = re.compile(_FIELD)
_VERSION = re.compile(rb"/v\d{1,2}\.\d{1,3}(?=/)")
_PATH = re.compile(r"/containers/([^/]+)/([a-z]+)")
_REMOVED = re.compile(r"/containers/([^/]+)")
_FORCED = frozenset({"1", "true", "True", "TRUE", "t", "T"})
"""How dockerd reads a switch of a query (strconv.ParseBool)."""
_EXEC = re.compile(r"/exec/([^/]+)/([a-z]+)")
_LINE_LIMIT = 1 << 16
"""Bytes of a line that are searched; a body may be longer, and its line is then no record."""
_QUERY_LIMIT = 4096
_FULL_ID = re.compile(r"[0-9a-f]{64}")
_CALLS = {
    "start": (Standing.REQUESTED, Effect.START),
    "restart": (Standing.REQUESTED, Effect.RESTART),
    "stop": (Standing.NO, Effect.STOP),
    "kill": (Standing.NO, Effect.STOP),
    "pause": (Standing.NO, Effect.PAUSE),
    "unpause": (Standing.NO, Effect.UNPAUSE),
    "exec": (Standing.NO, Effect.EXEC),
}


def is_event(value: Json) -> bool:
    """Return whether a JSON object is an event of Docker."""
    return "Type" in value and "Action" in value and "Actor" in value


def read_event(value: Json, ref: RecordRef) -> ControlRecord:
    """Return the record of an event. The action of an exec carries its command: it is cut off."""
    kind, named = text(value, "Type") or "-", text(value, "Action") or "-"
    if kind == "service":
        return _service(value, named, ref)
    action = named.partition(":")[0].strip()
    attributes = table(table(value, "Actor"), "Attributes")
    standing, effect = _ACTIONS.get(action, _NONE) if kind == "container" else _NONE
    ours = kind == "container"
    id_ = text(table(value, "Actor"), "ID")
    name = text(attributes, "name") if ours else None
    when = _when(value)
    request = Request(
        source=RequestSource.DOCKER,
        id=None,
        action=f"docker {kind} {action}",
        effect=effect,
        chain=ChainPart.REPORT,
        outcome=RequestOutcome.SUCCESS,
        code=number(attributes, "exitCode") if action == "die" else None,
        requested=when,
        workload=Workload(kind="Container", name=name),
        containers=(RequestContainer(name=name, image=text(attributes, "image"), id=id_),)
        if ours
        else (),
        ref=ref,
    )
    return ControlRecord(
        standing=standing,
        request=request,
        key=key(RequestSource.DOCKER, kind, named, id_, when),
        observed_key=f"{id_}\x1f{when}" if standing is Standing.OBSERVED else None,
    )


def _when(value: Json) -> int | None:
    """Return when an event was, in ns; what carried it on may have kept the second alone."""
    when, seconds = number(value, "timeNano"), number(value, "time")
    return seconds * NS_PER_SECOND if when is None and seconds is not None else when


def _service(value: Json, action: str, ref: RecordRef) -> ControlRecord:
    """Return the record of an event about a service of Swarm: what its containers come from."""
    id_, attributes = text(table(value, "Actor"), "ID"), table(table(value, "Actor"), "Attributes")
    new, old = number(attributes, "replicas.new"), number(attributes, "replicas.old")
    standing, effect = _SERVICE_ACTIONS.get(action, _NONE)
    if action == "update" and new is not None and old is not None and new != old:
        standing, effect = _SCALED_UP if new > old else _SCALED_DOWN
    elif action == "update" and text(attributes, "image.new") is not None:
        standing, effect = Standing.RELATED, Effect.ROLLOUT
    when = _when(value)
    request = Request(
        source=RequestSource.DOCKER,
        id=None,
        action=f"docker service {action}",
        effect=effect,
        chain=ChainPart.REPORT,
        outcome=RequestOutcome.SUCCESS,
        requested=when,
        workload=Workload(kind="Service", name=text(attributes, "name"), uid=id_, replicas=new),
        ref=ref,
    )
    return ControlRecord(
        standing=standing,
        request=request,
        key=key(RequestSource.DOCKER, "service", action, id_, when),
    )


def is_debug_line(line: bytes) -> bool:
    """Return whether a line is of the debug log of dockerd."""
    return line.startswith(b"time=") and b" level=" in line[:80]


def read_line(line: bytes, ref: RecordRef) -> ControlRecord | None:
    """Return the record of a line about a call of the API; None for every other line."""
    found = _LINE.match(line)
    called = _handled(line) if found is None else found.groups()
    if called is None:
        return None
    stamp, method, target = (part.decode("utf-8", "replace") for part in called)
    return _called(stamp, method, target, ref)


def read_object(value: Json, ref: RecordRef) -> ControlRecord | None:
    """Return the record of a line of dockerd with ``"log-format": "json"``; else None."""
    said, stamp = text(value, "msg") or "", text(value, "time")
    if value.get("level") != "debug" or stamp is None:
        return None
    if said.startswith("handling ") and said.endswith(" request"):
        method, target = text(value, "method"), text(value, "request-url")
    else:
        found = _CALLING.fullmatch(said)
        method, target = (None, None) if found is None else found.groups()
    if method is None or target is None or not target.startswith("/"):
        return None
    begin = _VERSION.match(target.encode())
    return _called(stamp, method, target if begin is None else target[begin.end() :], ref)


def _called(stamp: str, method: str, target: str, ref: RecordRef) -> ControlRecord:
    """Return the record of a call of the API."""
    path, _, query = target.partition("?")
    standing, effect = _NONE
    shown, subject = path, None
    chain: ChainPart | None = None
    if (of := _PATH.fullmatch(path)) is not None:
        subject, verb = unquote(of.group(1)), of.group(2)
        shown = f"/containers/{{id}}/{verb}"
        if method == "POST":
            standing, effect = _CALLS.get(verb, _NONE)
        if standing is Standing.REQUESTED:
            chain = ChainPart.ORIGIN
    elif method == "DELETE" and (of := _REMOVED.fullmatch(path)) is not None:
        subject, shown = unquote(of.group(1)), "/containers/{id}"
        # Without force dockerd refuses to remove a container that runs.
        forced = parse_qs(query[:_QUERY_LIMIT]).get("force", [""])[0]
        effect = Effect.STOP if forced in _FORCED else Effect.NONE
    elif (of := _EXEC.fullmatch(path)) is not None:
        shown, effect = f"/exec/{{id}}/{of.group(2)}", Effect.EXEC
    elif method == "POST" and path == "/containers/create":
        names = parse_qs(query[:_QUERY_LIMIT]).get("name")
        subject = names[0] if names else None
        standing, effect, chain = Standing.RELATED, Effect.CREATE, ChainPart.ORIGIN
    subject = clean(subject)
    full = subject is not None and _FULL_ID.fullmatch(subject) is not None
    about = shown.startswith("/containers/") and (subject is not None or effect is Effect.CREATE)
    when = wall(stamp)
    name = None if full else subject
    request = Request(
        source=RequestSource.DOCKER,
        id=None,
        action=f"{method} {shown}",
        effect=effect,
        chain=chain,
        outcome=RequestOutcome.UNKNOWN,
        requested=when,
        workload=Workload(kind="Container", name=name) if about else None,
        containers=(RequestContainer(name=name, id=subject if full else None),)
        if subject is not None
        else (),
        ref=ref,
    )
    return ControlRecord(
        standing=standing,
        request=request,
        key=key(RequestSource.DOCKER, "call", stamp, method, target),
    )


def _handled(line: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return time, method and target of a line ``handling METHOD request``."""
    found = _HANDLING.match(line, 0, _LINE_LIMIT)
    if found is None:
        return None
    said = {one.group(1): one.group(2).strip(b'"') for one in _FIELDS.finditer(found.group(2))}
    method, target = said.get(b"method"), said.get(b"request-url")
    if not method or not target:
        return None
    begin = _VERSION.match(target)
    return found.group(1), method, target if begin is None else target[begin.end() :]
