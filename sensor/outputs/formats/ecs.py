"""The format ``ecs``: Elastic Common Schema 9.

- ``process`` is the container's init, ``user`` who asked for it: the person who logged in (the
  audit login uid) with the account in ``user.effective``, or just the account where there was no
  login.
- The process that asked is not the init's parent (that is a shim) and stands, with all that ECS
  has no name for, under ``castoff``.
- ``event.action`` is one word of ``terms``: ``container-started``, ``container-restarted``, ….
- ``event.severity`` has the numbers of OCSF, 1 to 5.
- Of an alert, ``rule`` has the finding and ``event.kind`` is ``alert``.
- Keys of labels have ``_`` for ``.``, as Beats do: a field cannot be text (``app``) and have fields
  in it (``app.version``), and one container could keep another's events out of an index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor import __version__
from sensor.model.vocabulary import EventType
from sensor.outputs.delivery import Format
from sensor.outputs.formats import ecs_request, jsontext, terms
from sensor.outputs.formats.image import repository_of, tag_of
from sensor.outputs.formats.reading import NS_PER_SECOND, Block, EventReading, known, read
from sensor.outputs.formats.terms import Severity

if TYPE_CHECKING:
    from sensor.outputs.delivery import Document, Record

VERSION = "9.4.0"

CONTROL_PLANE = (
    EventType.START_REQUESTED,
    EventType.START_REPORTED,
    EventType.STOP_REQUESTED,
    EventType.START_EXPLAINED,
)

_KINDS = {EventType.ALERT: "alert"}
_CATEGORIES = {
    EventType.ALERT: ["process", "intrusion_detection"],
    EventType.GAP: ["host"],
    EventType.SENSOR: ["host"],
    **{kind: ["api"] for kind in CONTROL_PLANE},
}
_TYPES = {
    EventType.START: ["start"],
    EventType.START_FAILED: ["start"],
    EventType.STOP: ["end"],
    EventType.PAUSE: ["change"],
    EventType.UNPAUSE: ["change"],
    EventType.START_REQUESTED: ["start"],
    EventType.STOP_REQUESTED: ["end"],
}
_LEVELS = {
    Severity.INFORMATIONAL: "info",
    Severity.LOW: "notice",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "alert",
    Severity.CRITICAL: "critical",
}


def document(record: Record) -> Document:
    """Return the event as a document of ECS. Raises LineDamaged."""
    event = read(record)
    severity = terms.severity(event)
    request = event.root.block("request")
    user = event.root.block("initiator").block("user")
    fields: dict[str, Any] = {
        "@timestamp": event.time,
        "ecs": {"version": VERSION},
        "message": terms.message(event),
        "event": _event(event, severity),
        "log": {"level": _LEVELS[severity]},
        "observer": {
            "vendor": "Castoff",
            "product": "Castoff",
            "type": "sensor",
            "version": __version__,
        },
        "host": _host(event.host) if event.host else None,
        "container": _container(event.container),
        "orchestrator": ecs_request.orchestrator(request)
        if request
        else _orchestrator(event.root.block("orchestrator")),
        "process": _process(event),
        "user": ecs_request.user(request) if request else _user(user),
        **ecs_request.parts(request),
        "rule": _rule(event.root.block("alert")),
        "threat": _threat(event.root.block("verdict").texts("attack")),
        "castoff": _castoff(event),
    }
    return known(fields)


def _event(event: EventReading, severity: Severity) -> dict[str, Any]:
    root = event.root
    stop, gap = root.block("stop"), root.block("gap")
    seconds = stop.seconds("duration_seconds")
    reasons = root.block("verdict").texts("reasons")
    outcome = terms.outcome(event)
    return {
        "id": event.id,
        "kind": _KINDS.get(event.type, "event"),
        "category": _CATEGORIES.get(event.type, ["process"]),
        "type": _TYPES.get(event.type, ["info"]),
        "action": terms.action(event),
        "outcome": None if outcome is None else outcome.value,
        "code": event.type.value,
        "module": "castoff",
        "dataset": "castoff.events",
        "provider": gap.text("source") or root.block("request").text("source"),
        "severity": severity.value,
        "reason": stop.text("reason")
        or gap.text("reason")
        or root.block("request").text("reason")
        or "; ".join(reasons)
        or None,
        "created": event.observed,
        "sequence": root.block("log").number("sequence"),
        "start": gap.text("since"),
        "end": gap.text("until"),
        "duration": None if seconds is None else round(seconds * NS_PER_SECOND),
    }


def _host(host: Block) -> dict[str, Any]:
    return {
        "name": host.text("name"),
        "hostname": host.text("name"),
        "id": host.text("machine_id"),
        "boot": {"id": host.text("boot_id")},
        "os": {"type": "linux", "kernel": host.text("kernel")},
    }


def _container(container: Block) -> dict[str, Any]:
    image = container.block("image")
    name, digest = image.text("name"), image.text("digest")
    tag = tag_of(name)
    return {
        "id": container.text("id"),
        "name": container.text("name"),
        "runtime": container.text("runtime"),
        "image": {
            "name": None if name is None else repository_of(name),
            "tag": None if tag is None else [tag],
            "hash": {"all": None if digest is None else [digest]},
        },
        "labels": {_key(key): value for key, value in container.pairs("labels")},
        "security_context": {"privileged": container.block("security").flag("privileged")},
    }


def _key(name: str) -> str:
    return name.replace(".", "_").strip() or "_"


def _orchestrator(orchestrator: Block) -> dict[str, Any]:
    pod = orchestrator.text("pod")
    return {
        "type": orchestrator.text("type"),
        "namespace": orchestrator.text("namespace"),
        "cluster": {"name": orchestrator.text("cluster")},
        "resource": {
            "type": None if pod is None else "pod",
            "name": pod,
            "id": orchestrator.text("pod_uid"),
            "parent": {"type": orchestrator.block("owner").text("kind")},
        },
    }


def _process(event: EventReading) -> dict[str, Any]:
    container, stop = event.container, event.root.block("stop")
    command = container.texts("command")
    return {
        "pid": container.number("pid"),
        "name": command[0].rpartition("/")[2] or None if command else None,
        "args": command,
        "args_count": len(command) or None,
        "command_line": terms.command_line(command),
        "start": event.time if event.type is EventType.START else None,
        "end": event.time if event.type is EventType.STOP else None,
        "exit_code": stop.number("exit_code"),
    }


def _user(user: Block) -> dict[str, Any]:
    account = {"id": _text(user.number("uid")), "name": user.text("name")}
    auid = user.number("auid")
    if auid is None:
        return account
    return {"id": str(auid), "name": user.text("auid_name"), "effective": account}


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _rule(alert: Block) -> dict[str, Any]:
    return {
        "id": alert.text("finding"),
        "name": alert.text("finding"),
        "description": alert.text("title"),
        "category": alert.text("class"),
        "uuid": alert.text("id"),
        "ruleset": "castoff" if alert else None,
    }


def _threat(attack: list[str]) -> dict[str, Any]:
    if not attack:
        return {}
    techniques = [uid for uid in attack if uid.startswith("T") and not uid.startswith("TA")]
    return {
        "framework": "MITRE ATT&CK",
        "tactic": {"id": [uid for uid in attack if uid.startswith("TA")]},
        "technique": {
            "id": list(dict.fromkeys(uid.partition(".")[0] for uid in techniques)),
            "subtechnique": {"id": [uid for uid in techniques if "." in uid]},
        },
    }


def _castoff(event: EventReading) -> dict[str, Any]:
    """Return what ECS has no field for, under the names of the native format."""
    root, container = event.root, event.container
    image, orchestrator = container.block("image"), root.block("orchestrator")
    return {
        "schema": root.text("schema"),
        "truncated": event.cut or None,
        "container": {
            **terms.of_container(container),
            "image": {
                "name": image.text("name"),
                "id": image.text("id"),
                "pinned": image.flag("pinned"),
            },
        },
        "host": {"node": event.host.text("node"), "lsm": event.host.texts("lsm")},
        "stop": terms.of_stop(root.block("stop")),
        "initiator": root.raw("initiator"),
        "orchestrator": {
            "container": orchestrator.text("container"),
            "node": orchestrator.text("node"),
            **terms.of_pod(orchestrator),
        },
        **terms.of_event(root),
        "gap": {"lost": root.block("gap").number("lost")},
        "log": {"id": root.block("log").text("id")},
    }


def _line(record: Record) -> bytes:
    return jsontext.line(document(record))


FORMAT = Format("ecs", "application/json", _line, document)
