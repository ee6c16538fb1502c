"""The terms that the formats share: an event's action, severity, outcome and message.

They are the same whatever engine ran the container, so that one search finds the starts of Docker,
Podman and Kubernetes alike.
"""

from __future__ import annotations

import shlex
from enum import IntEnum, StrEnum, unique
from typing import TYPE_CHECKING, Any

from sensor.model.alert import AlertSeverity, AlertState
from sensor.model.control_plane import RequestOutcome
from sensor.model.vocabulary import EventType, StartKind
from sensor.schema.text import visible

if TYPE_CHECKING:
    from sensor.outputs.formats.reading import Block, EventReading

MESSAGE_LIMIT = 1000
"""Characters of a message: CEF's ``msg`` takes 1,023."""
COMMAND_LIMIT = 200
"""Characters of a command in it."""


@unique
class Severity(IntEnum):
    """How much an event asks for attention; the numbers are those of OCSF."""

    INFORMATIONAL = 1
    """It happened: starts, stops, pauses, the sensor's own doings."""
    LOW = 2
    """Something went wrong: a start that failed, a container killed for want of memory."""
    MEDIUM = 3
    """Look at it: an unexpected start; a gap, in which anything may have started."""
    HIGH = 4
    """An alert of that severity."""
    CRITICAL = 5


@unique
class EventOutcome(StrEnum):
    """Whether what the event reports succeeded."""

    SUCCESS = "success"
    FAILURE = "failure"


_ACTIONS = {
    EventType.START_FAILED: "container-start-failed",
    EventType.STOP: "container-stopped",
    EventType.PAUSE: "container-paused",
    EventType.UNPAUSE: "container-unpaused",
    EventType.START_REQUESTED: "container-start-requested",
    EventType.START_REPORTED: "container-start-reported",
    EventType.STOP_REQUESTED: "container-stop-requested",
    EventType.START_EXPLAINED: "container-start-explained",
    EventType.ALERT: "alert",
    EventType.GAP: "sensor-gap",
}
_REQUESTED: dict[str | None, EventOutcome] = {
    RequestOutcome.SUCCESS: EventOutcome.SUCCESS,
    RequestOutcome.PARTIAL: EventOutcome.SUCCESS,
    RequestOutcome.FAILURE: EventOutcome.FAILURE,
}
_ALERTED: dict[str | None, Severity] = {
    AlertSeverity.LOW: Severity.LOW,
    AlertSeverity.MEDIUM: Severity.MEDIUM,
    AlertSeverity.HIGH: Severity.HIGH,
    AlertSeverity.CRITICAL: Severity.CRITICAL,
}
_ALERT_ACTIONS: dict[str | None, str] = {
    state: f"alert-{state}" for state in AlertState if state is not AlertState.NEW
}
_START_ACTIONS: dict[str | None, str] = {
    StartKind.FIRST: "container-started",
    StartKind.REACTIVATION: "container-reactivated",
    StartKind.RESTART: "container-restarted",
    StartKind.RESTORE: "container-restored",
}


def action(event: EventReading) -> str:
    """Return what happened as one word: ``container-restarted``, ``sensor-inventory-taken``."""
    if event.type is EventType.START:
        return _START_ACTIONS.get(event.root.block("start").text("kind"), "container-started")
    if event.type is EventType.SENSOR:
        word = event.root.block("sensor").text("action") or "note"
        return f"sensor-{word.replace('_', '-')}"
    if event.type is EventType.ALERT:
        return _ALERT_ACTIONS.get(event.root.block("alert").text("state"), "alert")
    return _ACTIONS[event.type]


def severity(event: EventReading) -> Severity:
    """Return the severity that the event itself speaks for."""
    if event.type is EventType.ALERT:
        return _ALERTED.get(event.root.block("alert").text("severity"), Severity.HIGH)
    if event.type is EventType.GAP:
        return Severity.MEDIUM
    if event.root.block("verdict").flag("expected") is False:
        return Severity.MEDIUM
    if event.type is EventType.START_FAILED or event.root.block("stop").flag("oom_killed"):
        return Severity.LOW
    if event.root.block("request").text("outcome") == RequestOutcome.FAILURE:
        return Severity.LOW
    return Severity.INFORMATIONAL


def outcome(event: EventReading) -> EventOutcome | None:
    """Return whether it succeeded; None for what is neither, as a stop."""
    if event.type in {EventType.START_FAILED, EventType.GAP}:
        return EventOutcome.FAILURE
    if event.type in {EventType.START, EventType.PAUSE, EventType.UNPAUSE}:
        return EventOutcome.SUCCESS
    return _REQUESTED.get(event.root.block("request").text("outcome"))


def message(event: EventReading) -> str:
    """Return the event in words, on one printable line."""
    text = visible(" ".join(_words(event)))
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 1] + "…"


def command_line(words: list[str]) -> str | None:
    """Return arguments as one text, as a shell would take them; None for none."""
    return shlex.join(words) if words else None


def _words(event: EventReading) -> list[str]:
    root = event.root
    if event.type is EventType.GAP:
        gap = root.block("gap")
        lost = gap.number("lost")
        parts = [f"gap of {gap.text('source')}: {gap.text('reason')}"]
        return parts if lost is None else [*parts, f"({lost} lost)"]
    if event.type is EventType.SENSOR:
        return ["sensor:", (root.block("sensor").text("action") or "note").replace("_", " ")]
    if event.type is EventType.ALERT:
        return [f"{action(event).replace('-', ' ')}:", *_alerted(event)]
    if request := root.block("request"):
        return _request(request)
    if event.type is EventType.START_EXPLAINED:
        return _explained(root.block("orchestrator"))
    past = action(event).removeprefix("container-").replace("-", " ")
    return [
        "container",
        *_container(event),
        past.replace("start failed", "failed to start"),
        *_how(root),
    ]


def _alerted(event: EventReading) -> list[str]:
    alert = event.root.block("alert")
    reasons = "; ".join(event.root.block("verdict").texts("reasons"))
    title = alert.text("title")
    words = [reasons] if title is None else [f"{title}: {reasons}" if reasons else title]
    return [*words, *_container(event)]


def _request(request: Block) -> list[str]:
    workload = request.block("workload")
    path = (workload.text("namespace"), workload.text("name") or workload.text("definition"))
    about = "/".join(part for part in path if part is not None)
    who = request.block("actor").text("name") or request.text("source") or "unknown"
    parts = [f"{who}:", request.text("action") or "unknown"]
    if about:
        parts.append(f"({workload.text('kind')} {about})")
    parts.append(f"asks for {request.text('effect')}")
    outcome = request.text("outcome")
    return parts if outcome is None else [*parts, f": {outcome}"]


def _explained(orchestrator: Block) -> list[str]:
    requested = orchestrator.block("requested_by")
    pod = (orchestrator.text("namespace"), orchestrator.text("pod"))
    about = "/".join(part for part in pod if part is not None)
    who = requested.text("actor") or " or ".join(requested.texts("candidates")) or "unknown"
    return [
        f"container of {about or orchestrator.text('task_arn') or 'unknown'}",
        f"requested by {who}",
        f"({requested.text('effect')}, {requested.text('confidence')})",
    ]


def _container(event: EventReading) -> list[str]:
    container = event.container
    if not container:
        return []
    image = container.block("image").text("name")
    name = container.text("name") or (container.text("id") or "")[:12]
    return [name if image is None else f"{name} ({image})"]


def _how(root: Block) -> list[str]:
    start, stop = root.block("start"), root.block("stop")
    if start:
        return [f"by {start.text('trigger')}", *_initiator(root.block("initiator"))]
    parts: list[str] = []
    if (reason := stop.text("reason")) is not None:
        parts.append(f": {reason}")
    if (signal := stop.number("signal")) is not None:
        parts.append(f"by signal {signal}")
    elif (code := stop.number("exit_code")) is not None:
        parts.append(f"with exit code {code}")
    if stop.flag("oom_killed"):
        parts.append("out of memory")
    return parts


def _initiator(initiator: Block) -> list[str]:
    user, process = initiator.block("user"), initiator.block("process")
    parts: list[str] = []
    login = user.text("auid_name") or user.text("name")
    if login is not None:
        parts.append(f"of {login}")
    command = command_line(process.texts("argv")) or process.text("exe")
    if command is not None:
        parts.append(f"({command[:COMMAND_LIMIT]})")
    return parts


def judged(verdict: Block) -> dict[str, Any]:
    """Return a verdict under the names of the native format, for what has no field for it."""
    return {
        "expected": verdict.flag("expected"),
        "reasons": verdict.texts("reasons"),
        "change": verdict.text("change"),
        "attack": verdict.texts("attack"),
        "explanation": verdict.text("explanation"),
        "findings": verdict.texts("findings"),
        "workload": verdict.text("workload"),
        "level": verdict.text("level"),
        "baseline": verdict.text("baseline"),
    }


def of_event(root: Block) -> dict[str, Any]:
    """Return the blocks that no format has fields for."""
    return {
        "start": root.raw("start"),
        "request": root.raw("request"),
        "start_id": root.text("start_id"),
        "verdict": judged(root.block("verdict")),
        "alert": root.raw("alert"),
        "confidence": root.raw("confidence"),
        "candidates": root.raw("candidates"),
        "evidence": root.raw("evidence"),
        "sensor": root.raw("sensor"),
    }


def of_container(container: Block) -> dict[str, Any]:
    """Return what no format has a field for of a container."""
    return {
        "oci_runtime": container.text("oci_runtime"),
        "created": container.text("created"),
        "cgroup": container.text("cgroup"),
        "user": container.text("user"),
        "parents": container.texts("parents"),
        "sandbox": container.flag("sandbox"),
        "security": container.raw("security"),
        "namespace": container.text("namespace"),
        "restart_policy": container.text("restart_policy"),
        "oci_runtime_path": container.text("oci_runtime_path"),
        "cwd": container.text("cwd"),
    }


def of_stop(stop: Block) -> dict[str, Any]:
    """Return what no format has a field for of a stop."""
    return {
        "signal": stop.number("signal"),
        "oom_killed": stop.flag("oom_killed"),
        "message": stop.text("message"),
        "count": stop.number("count"),
    }


def of_pod(orchestrator: Block) -> dict[str, Any]:
    """Return what no format has a field for of a pod, a task or who asked for it."""
    return {
        "owner": orchestrator.raw("owner"),
        "task_arn": orchestrator.text("task_arn"),
        "source": orchestrator.text("source"),
        "late": orchestrator.flag("late"),
        "container_type": orchestrator.text("container_type"),
        "requested_by": orchestrator.raw("requested_by"),
    }
