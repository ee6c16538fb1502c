"""The format ``otel``: OTLP's JSON encoding of logs, with the names of semantic conventions 1.44.

A record's ``eventName`` is the event's type; there is no convention yet for the start of a
container. The resource is the host of the sensor, the container that it saw is on the record:
``container.*``, ``k8s.*``, and ``process.*`` for the container's init. ``user.*`` is who asked for
it: the person who logged in, or the account of the process where there was no login. What the
conventions have no name for stands under ``castoff.*``.

A line is a whole ``ExportLogsServiceRequest`` with one record, as the collector's file exporter and
its Kafka receiver (``otlp_json``) have it.

Encoding: opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding": lowerCamelCase, enums as
numbers, 64-bit integers as strings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor import __version__
from sensor.model.vocabulary import EventType
from sensor.outputs.delivery import Format
from sensor.outputs.formats import jsontext, terms
from sensor.outputs.formats.image import repository_of, tag_of
from sensor.outputs.formats.reading import Block, EventReading, read, wall_of
from sensor.outputs.formats.terms import Severity

if TYPE_CHECKING:
    from sensor.outputs.delivery import Document, Record

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
_SCOPE = {"scope": {"name": "castoff", "version": __version__}, "schemaUrl": SCHEMA_URL}

_SEVERITIES = {
    Severity.INFORMATIONAL: (9, "INFO"),
    Severity.LOW: (13, "WARN"),
    Severity.MEDIUM: (14, "WARN2"),
    Severity.HIGH: (17, "ERROR"),
    Severity.CRITICAL: (21, "FATAL"),
}
"""SeverityNumber and its short name, opentelemetry.io/docs/specs/otel/logs/data-model."""

_OWN = (
    "start",
    "stop",
    "initiator",
    "orchestrator",
    "request",
    "start_id",
    "verdict",
    "confidence",
    "candidates",
    "evidence",
    "gap",
    "sensor",
    "alert",
    "log",
)
"""Blocks that are taken over as they are, but for:"""
_KUBERNETES = ("namespace", "pod", "pod_uid", "container", "cluster")
"""What the conventions have names for when the orchestrator is Kubernetes."""

Attributes = list[dict[str, Any]]


def document(record: Record) -> Document:
    """Return a request with this one event. Raises LineDamaged."""
    event = read(record)
    return {
        "resourceLogs": [
            {**_group(event), "scopeLogs": [{**_SCOPE, "logRecords": [log_record(event)]}]}
        ]
    }


class RequestWriter:
    """Writes the request of a batch piece by piece: it is never in memory as a whole.

    Records of the same host that follow each other share a resource; the order stays.
    """

    def __init__(self, *, body_is_event: bool = False) -> None:
        """``body_is_event``: the body is the native document instead of a sentence."""
        self._host: object = None
        self._body_is_event = body_is_event

    def add(self, event: EventReading) -> bytes:
        """Return what comes next. Raises LineDamaged, and then nothing is to be written."""
        record = jsontext.line(log_record(event, body_is_event=self._body_is_event))[:-1]
        host = event.root.raw("host")
        if self._host is not None and self._host == host:
            return b"," + record
        group, scope = jsontext.line(_group(event))[:-2], jsontext.line(_SCOPE)[:-2]
        before = _BEGIN if self._host is None else _END_OF_GROUP + b","
        self._host = host or {}
        return before + group + b',"scopeLogs":[' + scope + b',"logRecords":[' + record

    def end(self) -> bytes:
        """Return the last piece."""
        return (_BEGIN if self._host is None else _END_OF_GROUP) + b"]}"


_BEGIN = b'{"resourceLogs":['
_END_OF_GROUP = b"]}]}"


def _group(event: EventReading) -> dict[str, Any]:
    return {"resource": {"attributes": resource(event)}, "schemaUrl": SCHEMA_URL}


def resource(event: EventReading) -> Attributes:
    """Return the attributes of the host that the sensor runs on."""
    host = event.host
    return _attributes(
        {
            "service.name": "castoff",
            "service.version": __version__,
            "host.name": host.text("name"),
            "host.id": host.text("machine_id"),
            "os.type": "linux",
            "k8s.node.name": host.text("node"),
            "castoff.host.boot_id": host.text("boot_id"),
            "castoff.host.kernel": host.text("kernel"),
            "castoff.host.lsm": host.texts("lsm"),
        }
    )


def log_record(event: EventReading, *, body_is_event: bool = False) -> dict[str, Any]:
    """Return the event as a LogRecord."""
    number, text = _SEVERITIES[terms.severity(event)]
    return {
        "timeUnixNano": str(max(event.wall, 0)),
        "observedTimeUnixNano": str(max(wall_of(event.observed), 0)),
        "severityNumber": number,
        "severityText": text,
        "eventName": event.type.value,
        "body": _any(event.root.whole()) if body_is_event else _any(terms.message(event)),
        "attributes": _attributes(
            {"log.record.uid": event.id}
            | _container(event.container)
            | _kubernetes(event)
            | _process(event)
            | _user(event.root.block("initiator").block("user"))
            | _request(event.root.block("request"))
            | _castoff(event)
        ),
    }


def _container(container: Block) -> dict[str, Any]:
    image = container.block("image")
    name, digest = image.text("name"), image.text("digest")
    tag = tag_of(name)
    fields: dict[str, Any] = {
        "container.id": container.text("id"),
        "container.name": container.text("name"),
        "container.runtime.name": container.text("runtime"),
        "container.image.name": None if name is None else repository_of(name),
        "container.image.tags": [] if tag is None else [tag],
        "container.image.id": image.text("id"),
        "container.image.repo_digests": []
        if digest is None or name is None
        else [f"{repository_of(name)}@{digest}"],
    }
    for key, value in container.pairs("labels"):
        fields[f"container.label.{key}"] = value
    return fields


def _kubernetes(event: EventReading) -> dict[str, Any]:
    orchestrator = event.root.block("orchestrator")
    if not _is_kubernetes(event.root):
        return {}
    return {
        "k8s.namespace.name": orchestrator.text("namespace"),
        "k8s.pod.name": orchestrator.text("pod"),
        "k8s.pod.uid": orchestrator.text("pod_uid"),
        "k8s.container.name": orchestrator.text("container"),
        "k8s.cluster.name": orchestrator.text("cluster"),
        "k8s.container.restart_count": event.root.block("start").number("attempt"),
    }


def _is_kubernetes(root: Block) -> bool:
    return root.block("orchestrator").text("type") == "kubernetes"


def _process(event: EventReading) -> dict[str, Any]:
    container = event.container
    command = container.texts("command")
    return {
        "process.pid": container.number("pid"),
        "process.command_args": command,
        "process.command_line": terms.command_line(command),
        "process.linux.cgroup": container.text("cgroup"),
        "process.creation.time": event.time if event.type is EventType.START else None,
        "process.exit.time": event.time if event.type is EventType.STOP else None,
        "process.exit.code": event.root.block("stop").number("exit_code"),
    }


def _user(user: Block) -> dict[str, Any]:
    login = user.number("auid")
    number, name = (login, "auid_name") if login is not None else (user.number("uid"), "name")
    return {"user.id": None if number is None else str(number), "user.name": user.text(name)}


def _request(request: Block) -> dict[str, Any]:
    """Return what the conventions have names for; all of it stands under ``castoff.request``."""
    if not request:
        return {}
    cluster, workload = request.block("cluster"), request.block("workload")
    pod = workload.text("kind") == "Pod"
    fields = {
        "user.name": request.block("actor").text("name"),
        "user.id": request.block("actor").text("id"),
        "client.address": request.text("address"),
        "user_agent.original": request.text("user_agent"),
        "cloud.provider": cluster.text("provider"),
        "cloud.account.id": cluster.text("account"),
        "cloud.region": cluster.text("region"),
        "aws.ecs.task.arn": workload.text("task"),
    }
    if request.text("source") == "aws":
        return fields | {"aws.ecs.cluster.arn": cluster.text("id")}
    return fields | {
        "k8s.cluster.name": cluster.text("name"),
        "k8s.namespace.name": workload.text("namespace"),
        "k8s.pod.name": workload.text("name") if pod else None,
        "k8s.pod.uid": (workload.text("node_uid") or workload.text("uid")) if pod else None,
    }


def _castoff(event: EventReading) -> dict[str, Any]:
    root, container = event.root, event.container
    image = container.block("image")
    named = image.text("name")
    fields: dict[str, Any] = {
        "castoff.schema": root.text("schema"),
        "castoff.action": terms.action(event),
        "castoff.truncated": event.cut or None,
        "castoff.container.oci_runtime": container.text("oci_runtime"),
        "castoff.container.image.name": named,
        "castoff.container.image.digest": image.text("digest") if named is None else None,
        "castoff.container.image.pinned": image.flag("pinned"),
        "castoff.container.created": container.text("created"),
        "castoff.container.user": container.text("user"),
        "castoff.container.parents": container.texts("parents"),
        "castoff.container.sandbox": container.flag("sandbox"),
        "castoff.container.namespace": container.text("namespace"),
        "castoff.container.restart_policy": container.text("restart_policy"),
        "castoff.container.oci_runtime_path": container.text("oci_runtime_path"),
        "castoff.container.cwd": container.text("cwd"),
    }
    _flatten("castoff.container.security", container.raw("security"), fields)
    for name in _OWN:
        _flatten(f"castoff.{name}", root.raw(name), fields)
    fields.pop("castoff.stop.exit_code", None)  # process.exit.code
    if _is_kubernetes(root):
        for name in _KUBERNETES:
            fields.pop(f"castoff.orchestrator.{name}", None)
    return fields


def _flatten(name: str, value: object, fields: dict[str, Any]) -> None:
    """Give each value of a block an attribute of its own; lists of blocks stay lists."""
    if isinstance(value, dict):
        for key, item in value.items():
            _flatten(f"{name}.{key}", item, fields)
    else:
        fields[name] = value


def _attributes(fields: dict[str, Any]) -> Attributes:
    """Return KeyValues of what is known."""
    return [
        {"key": key, "value": _any(value)}
        for key, value in fields.items()
        if value is not None and value != []
    ]


def _any(value: object) -> dict[str, Any]:
    """Return a value as an AnyValue. bool before int: it is one in Python."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, int):
        return (
            {"intValue": str(value)}
            if -(1 << 63) <= value < 1 << 63
            else {"stringValue": str(value)}
        )
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_any(item) for item in value]}}
    # An AnyValue without a value is null.
    return {"kvlistValue": {"values": _attributes(value)}} if isinstance(value, dict) else {}


def _line(record: Record) -> bytes:
    return jsontext.line(document(record))


FORMAT = Format("otel", "application/json", _line, document)
