r"""The native encoding: one event is one JSON document of schema ``castoff.event/1`` on one line.

Rules of the document (``docs/schema/castoff.event.1.schema.json`` is the same in JSON Schema):

- every key of the schema is there in every event: a block that does not belong to the event's
  type, and every value that is unknown, is ``null``; a list that is known to be empty is ``[]``;
- times are RFC 3339, UTC, with nine digits; what a file claims outside of the years 1 to 9999 is
  unknown;
- the line is printable ASCII: control characters, bidi marks and everything else beyond ASCII are
  ``\u`` escapes of JSON, so a line may be shown on a terminal as it is;
- bytes that are not valid UTF-8, which :mod:`sensor.model` carries as surrogates, become the text
  ``\xNN``: a lone surrogate would make the document unreadable for strict parsers.
"""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING

from sensor.schema.alert_block import alert_block
from sensor.schema.request_block import owner_block, request_block, requested_by_block
from sensor.schema.text import json_escaped
from sensor.schema.times import rfc3339

if TYPE_CHECKING:
    from sensor.model.agent_records import HostFacts
    from sensor.model.container import Image, Orchestrator, Security
    from sensor.model.events import (
        Certainty,
        Container,
        Event,
        Gap,
        Initiator,
        PreviousRun,
        SensorNote,
        Start,
        Stop,
        Verdict,
    )
    from sensor.model.log_head import LogHead

SCHEMA = "castoff.event/1"

Document = dict[str, object]


def document(event: Event) -> Document:
    """Return the event as the document that the schema describes, strings not yet escaped."""
    offset = event.realtime_offset
    return {
        "schema": SCHEMA,
        "type": event.type,
        "id": event.id,
        "time": rfc3339(event.time + offset),
        "observed": rfc3339(event.observed + offset),
        "host": None if event.host is None else host_block(event.host),
        "container": None if event.container is None else _container(event.container),
        "start": None if event.start is None else start_block(event.start),
        "stop": None if event.stop is None else stop_block(event.stop),
        "initiator": None if event.initiator is None else initiator_block(event.initiator, offset),
        "orchestrator": None
        if event.orchestrator is None
        else orchestrator_block(event.orchestrator),
        "request": None if event.request is None else request_block(event.request),
        "start_id": event.start_id,
        "verdict": None if event.verdict is None else verdict_block(event.verdict),
        "confidence": _confidence(event.confidence),
        "candidates": [initiator_block(candidate, offset) for candidate in event.candidates],
        "evidence": [
            {
                "source": witness.source,
                "kind": witness.kind,
                "what": witness.what,
                "time": rfc3339(witness.time + offset),
                "ref": witness.ref,
            }
            for witness in event.evidence
        ],
        "gap": None if event.gap is None else gap_block(event.gap, offset),
        "sensor": None if event.sensor is None else _sensor(event.sensor),
        "alert": None if event.alert is None else alert_block(event.alert),
        # Filled in where the event is read from the log: see log_stamp.py.
        "log": None,
    }


def encode_line(event: Event) -> bytes:
    """Return the event as one line of JSON: printable ASCII and a newline."""
    return as_line(dumps(document(event)))


def dumps(value: object) -> str:
    """Return a part of the document as JSON that is not yet escaped."""
    return _ENCODER.encode(value)


def as_line(text: str) -> bytes:
    """Return a document's JSON as a line: what is not ASCII as escapes, and a newline."""
    # JSON allows DEL as it is, a terminal does not have to.
    return text.replace("\x7f", "\\u007f").encode("ascii", _ESCAPE) + b"\n"


def host_block(host: HostFacts) -> Document:
    """Return the block of a node."""
    return {
        "name": host.name,
        "boot_id": host.boot_id,
        "machine_id": host.machine_id,
        "kernel": host.kernel,
        "node": host.node,
        "lsm": host.lsm,
    }


def _container(container: Container) -> Document:
    labels = container.labels
    return {
        "id": container.id,
        "name": container.name,
        "runtime": container.runtime,
        "oci_runtime": container.oci_runtime,
        "image": None if container.image is None else image_block(container.image),
        "labels": None if labels is None else dict(labels),
        "created": rfc3339(container.created_wall),
        "pid": container.pid,
        "cgroup": container.cgroup,
        "command": container.command,
        "user": container.user,
        "parents": container.parents,
        "sandbox": container.sandbox,
        "security": None if container.security is None else security_block(container.security),
        "namespace": container.namespace,
        "restart_policy": container.restart_policy,
        "oci_runtime_path": container.oci_runtime_path,
        "cwd": container.cwd,
    }


def image_block(image: Image) -> Document:
    """Return the block of an image."""
    return {
        "name": image.name,
        "id": image.id,
        "digest": image.digest,
        "pinned": image.pinned,
    }


def security_block(security: Security) -> Document:
    """Return the block of what a container may do."""
    mounts = security.mounts
    return {
        "privileged": security.privileged,
        "capabilities": security.capabilities,
        "host_namespaces": security.host_namespaces,
        "mounts": None
        if mounts is None
        else [
            {
                "source": mount.source,
                "destination": mount.destination,
                "writable": mount.writable,
            }
            for mount in mounts
        ],
        "seccomp": security.seccomp,
        "apparmor": security.apparmor,
        "no_new_privileges": security.no_new_privileges,
        "devices": security.devices,
    }


def start_block(start: Start) -> Document:
    """Return the block of a start."""
    return {
        "kind": start.kind,
        "trigger": start.trigger,
        "attempt": start.attempt,
        "dormant_seconds": start.dormant_seconds,
        "cause": start.cause,
        "failures": start.failures,
        "previous": None if start.previous is None else _previous(start.previous),
    }


def _previous(previous: PreviousRun) -> Document:
    return {
        "id": previous.id,
        "started": rfc3339(previous.started_wall),
        "stopped": rfc3339(previous.stopped_wall),
        "exit_code": previous.exit_code,
        "signal": previous.signal,
        "oom_killed": previous.oom_killed,
        "ended_by": previous.ended_by,
    }


def stop_block(stop: Stop) -> Document:
    """Return the block of an end."""
    return {
        "exit_code": stop.exit_code,
        "signal": stop.signal,
        "oom_killed": stop.oom_killed,
        "duration_seconds": stop.duration_seconds,
        "reason": stop.reason,
        "message": stop.message,
        "count": stop.count,
    }


def initiator_block(initiator: Initiator, offset: int) -> Document:
    """Return the block of an initiator, or of a candidate."""
    process, user = initiator.process, initiator.user
    return {
        "process": None
        if process is None
        else {
            "pid": process.pid,
            "start_time": None
            if process.start_time is None
            else rfc3339(process.start_time + offset),
            "exe": process.exe,
            "argv": process.argv,
            "cwd": process.cwd,
            "tty": process.tty,
        },
        "user": None
        if user is None
        else {
            "uid": user.uid,
            "name": user.name,
            "auid": user.auid,
            "auid_name": user.auid_name,
            "session": user.session,
        },
        "container_id": initiator.container_id,
        "socket": initiator.socket,
        "ancestors": [
            {"pid": ancestor.pid, "exe": ancestor.exe, "comm": ancestor.comm}
            for ancestor in initiator.ancestors
        ],
        "unit": initiator.unit,
    }


def orchestrator_block(orchestrator: Orchestrator) -> Document:
    """Return the block of a pod, a task or an allocation."""
    return {
        "type": orchestrator.type,
        "namespace": orchestrator.namespace,
        "pod": orchestrator.pod,
        "pod_uid": orchestrator.pod_uid,
        "container": orchestrator.container,
        "cluster": orchestrator.cluster,
        "node": orchestrator.node,
        "owner": owner_block(orchestrator.owner),
        "task_arn": orchestrator.task_arn,
        "source": orchestrator.source,
        "late": orchestrator.late,
        "container_type": orchestrator.container_type,
        "requested_by": requested_by_block(orchestrator.requested_by),
    }


def verdict_block(verdict: Verdict) -> Document:
    """Return the block of a verdict."""
    return {
        "expected": verdict.expected,
        "reasons": verdict.reasons,
        "change": verdict.change,
        "attack": verdict.attack,
        "explanation": verdict.explanation,
        "findings": verdict.findings,
        "workload": verdict.workload,
        "level": verdict.level,
        "baseline": verdict.baseline,
    }


def _confidence(confidence: Certainty) -> Document:
    return {
        "container": confidence.container,
        "trigger": confidence.trigger,
        "initiator": confidence.initiator,
        "pod": confidence.pod,
        "owner": confidence.owner,
    }


def gap_block(gap: Gap, offset: int) -> Document:
    """Return the block of a gap."""
    return {
        "source": gap.source,
        "reason": gap.reason,
        "since": rfc3339(gap.since + offset),
        "until": rfc3339(gap.until + offset),
        "lost": gap.lost,
    }


def _sensor(note: SensorNote) -> Document:
    return {
        "action": note.action,
        "containers": note.containers,
        "probes_surviving": note.probes_surviving,
        "down_seconds": note.down_seconds,
        "last_end": note.last_end,
        "detail": note.detail,
        "by": note.by,
        "log": None if note.log is None else _log_head(note.log),
    }


def _log_head(head: LogHead) -> Document:
    return {
        "id": head.id,
        "sequence": head.sequence,
        "digest": head.digest,
        "oldest": head.oldest,
        "broken": head.broken,
        "skipped": head.skipped,
    }


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: what stands in a JSON string and is not ASCII, as escapes.

    It runs for such stretches only, so an event of plain ASCII pays nothing for it.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    stretch = error.object[error.start : error.end]
    return "".join([json_escaped(ord(character)) for character in stretch]), error.end


_ESCAPE = "castoff.json"
codecs.register_error(_ESCAPE, _escape)
# A document is a tree by construction: looking for cycles would cost a fifth of the time.
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
)
