"""The format ``ocsf``: Open Cybersecurity Schema Framework 1.8, schema.ocsf.io.

OCSF has no class for containers. What comes closest, and what is said of it:

=========================  =====================================================================
event                      class and activity
=========================  =====================================================================
``container.start``        Process Activity (1007), Launch: ``process`` is the container's init
``container.start_failed`` the same with status Failure: a launch was tried
``container.stop``         Process Activity, Terminate
``container.pause``        Process Activity, Other, named Pause; ``unpause`` likewise
``alert``                  Detection Finding (2004), Create, Update or Close by its state
``gap``                    Event Log Activity (1008), Other, named Gap, status Failure
``sensor``                 Event Log Activity, Start when the probes attach, else Other, named
``start_requested``        API Activity (6003), Create or Update: a request of a control plane
``stop_requested``         API Activity, Delete
``start_reported``         API Activity, Other, named Report; ``start_explained`` named Explain
=========================  =====================================================================

``actor`` is who caused it: ``actor.process`` the client's process, ``actor.user`` the person who
logged in (the audit login uid) or, where there was no login, the account of that process.
``actor.app_name`` is the start's trigger, ``unknown`` where there is none: the class wants an
actor even where none is known. What OCSF has no place for stands under ``unmapped``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor import __version__
from sensor.model.alert import AlertState
from sensor.model.vocabulary import EventType
from sensor.outputs.delivery import Format
from sensor.outputs.formats import jsontext, ocsf_objects, terms
from sensor.outputs.formats.ocsf_api import API_ACTIVITY, TYPES, api_activity
from sensor.outputs.formats.ocsf_api import activity as api_named
from sensor.outputs.formats.ocsf_api import profiles as api_profiles
from sensor.outputs.formats.reading import NS_PER_MS, EventReading, known, read, wall_of
from sensor.outputs.formats.terms import EventOutcome, Severity

if TYPE_CHECKING:
    from sensor.outputs.delivery import Document, Record

VERSION = "1.8.0"

SYSTEM_ACTIVITY, FINDINGS, APPLICATION_ACTIVITY = 1, 2, 6
PROCESS_ACTIVITY, EVENT_LOG_ACTIVITY, DETECTION_FINDING = 1007, 1008, 2004
LAUNCH, TERMINATE = 1, 2
CREATE, UPDATE, CLOSE = 1, 2, 3
LOG_START = 6
OTHER = 99
STATUS_SUCCESS, STATUS_FAILURE, STATUS_NEW = 1, 2, 1
RULE = 1
EXEC = 3

_CLASSES = {
    PROCESS_ACTIVITY: "Process Activity",
    EVENT_LOG_ACTIVITY: "Event Log Activity",
    DETECTION_FINDING: "Detection Finding",
    API_ACTIVITY: "API Activity",
}
_CATEGORIES = {
    SYSTEM_ACTIVITY: "System Activity",
    FINDINGS: "Findings",
    APPLICATION_ACTIVITY: "Application Activity",
}
_CATEGORY_OF = {DETECTION_FINDING: FINDINGS, API_ACTIVITY: APPLICATION_ACTIVITY}
_SEVERITIES = {severity: severity.name.capitalize() for severity in Severity}
_ACTIVITIES = {
    EventType.START: (PROCESS_ACTIVITY, LAUNCH, "Launch"),
    EventType.START_FAILED: (PROCESS_ACTIVITY, LAUNCH, "Launch"),
    EventType.STOP: (PROCESS_ACTIVITY, TERMINATE, "Terminate"),
    EventType.PAUSE: (PROCESS_ACTIVITY, OTHER, "Pause"),
    EventType.UNPAUSE: (PROCESS_ACTIVITY, OTHER, "Unpause"),
    EventType.GAP: (EVENT_LOG_ACTIVITY, OTHER, "Gap"),
}
_FINDING_ACTIVITIES: dict[str | None, tuple[int, str]] = {
    AlertState.UPDATE: (UPDATE, "Update"),
    AlertState.ACKNOWLEDGED: (UPDATE, "Update"),
    AlertState.SUPPRESSED: (UPDATE, "Update"),
    AlertState.RESOLVED: (CLOSE, "Close"),
}
_FINDING_STATUS: dict[str | None, tuple[int, str]] = {
    AlertState.ACKNOWLEDGED: (2, "In Progress"),
    AlertState.SUPPRESSED: (3, "Suppressed"),
    AlertState.RESOLVED: (4, "Resolved"),
}


def document(record: Record) -> Document:
    """Return the event as a document of OCSF. Raises LineDamaged."""
    event = read(record)
    class_uid, activity_id, activity = _activity(event)
    category = _CATEGORY_OF.get(class_uid, SYSTEM_ACTIVITY)
    severity = terms.severity(event)
    named = event.root.block("verdict").texts("attack")
    attacks = [ocsf_objects.attack(uid) for uid in named if not uid.startswith("DC")]
    fields: dict[str, Any] = {
        "class_uid": class_uid,
        "class_name": _CLASSES[class_uid],
        "category_uid": category,
        "category_name": _CATEGORIES[category],
        "activity_id": activity_id,
        "activity_name": activity,
        "type_uid": class_uid * 100 + activity_id,
        "type_name": f"{_CLASSES[class_uid]}: {activity if activity_id != OTHER else 'Other'}",
        "time": event.wall // NS_PER_MS,
        "severity_id": severity.value,
        "severity": _SEVERITIES[severity],
        "message": terms.message(event),
        "metadata": _metadata(event, attacked=bool(attacks)),
        "device": ocsf_objects.device(event.host) if event.host else None,
        "unmapped": _unmapped(event),
    }
    if class_uid == PROCESS_ACTIVITY:
        fields |= _process_activity(event)
        fields["attacks"] = attacks
    elif class_uid == API_ACTIVITY:
        fields |= api_activity(event)
    elif class_uid == DETECTION_FINDING:
        fields |= _finding(event, attacks)
    else:
        fields |= _log_activity(event)
    return known(fields)


def _activity(event: EventReading) -> tuple[int, int, str]:
    if event.type in TYPES:
        return API_ACTIVITY, *api_named(event)
    if event.type is EventType.ALERT:
        return DETECTION_FINDING, *_FINDING_ACTIVITIES.get(
            event.root.block("alert").text("state"), (CREATE, "Create")
        )
    if event.type is not EventType.SENSOR:
        return _ACTIVITIES[event.type]
    action = event.root.block("sensor").text("action") or "note"
    if action == "probes_attached":
        return EVENT_LOG_ACTIVITY, LOG_START, "Start"
    return EVENT_LOG_ACTIVITY, OTHER, action


def _metadata(event: EventReading, *, attacked: bool) -> dict[str, Any]:
    profiles = api_profiles(event) if event.type in TYPES else ["host"]
    if event.type not in {EventType.GAP, EventType.SENSOR} | TYPES:
        profiles += ["container", "linux/linux_users"]
    if attacked and event.type is not EventType.ALERT:
        profiles.append("security_control")
    return {
        "version": VERSION,
        "product": {"name": "Castoff", "vendor_name": "Castoff", "version": __version__},
        "profiles": profiles,
        "uid": event.id,
        "event_code": event.type.value,
        "log_name": event.root.text("schema"),
        "sequence": event.root.block("log").number("sequence"),
        "original_time": event.time,
        "logged_time": wall_of(event.observed) // NS_PER_MS,
        "is_truncated": event.cut or None,
        "untruncated_size": event.size if event.cut else None,
    }


def _process_activity(event: EventReading) -> dict[str, Any]:
    root = event.root
    stop = root.block("stop")
    fields: dict[str, Any] = {
        "actor": ocsf_objects.actor(root),
        "process": ocsf_objects.init(event),
    }
    outcome = terms.outcome(event)
    if outcome is not None:
        failed = outcome is EventOutcome.FAILURE
        fields["status_id"] = STATUS_FAILURE if failed else STATUS_SUCCESS
        fields["status"] = "Failure" if failed else "Success"
    if event.type in {EventType.START, EventType.START_FAILED}:
        fields |= {"launch_type_id": EXEC, "launch_type": "Exec"}
    if stop:
        seconds = stop.seconds("duration_seconds")
        signal = stop.number("signal")
        fields |= {
            "exit_code": stop.number("exit_code"),
            "status_code": None if signal is None else f"signal {signal}",
            "status_detail": stop.text("reason"),
            "duration": None if seconds is None else round(seconds * 1000),
        }
    return fields


def _finding(event: EventReading, attacks: list[dict[str, Any]]) -> dict[str, Any]:
    verdict, alert = event.root.block("verdict"), event.root.block("alert")
    reasons = verdict.texts("reasons")
    evidence = {"actor": ocsf_objects.actor(event.root)}
    if event.container:
        evidence["process"] = ocsf_objects.init(event)
    finding = alert.text("finding")
    status_id, status = _FINDING_STATUS.get(alert.text("state"), (STATUS_NEW, "New"))
    return {
        "finding_info": {
            "uid": alert.text("id") or event.id,
            "title": alert.text("title") or (reasons[0] if reasons else "container start"),
            "desc": "; ".join(reasons) or None,
            "types": None if finding is None else [finding],
            "analytic": None
            if finding is None
            else {"type_id": RULE, "type": "Rule", "name": finding, "uid": finding},
            "attacks": attacks,
            "created_time": event.wall // NS_PER_MS,
            "first_seen_time": _ms(alert.text("first")),
            "last_seen_time": _ms(alert.text("last")),
        },
        "count": alert.number("count") or None,
        "comment": alert.text("reason"),
        "is_alert": True,
        "status_id": status_id,
        "status": status,
        "evidences": [evidence],
    }


def _ms(time: str | None) -> int | None:
    return None if time is None else wall_of(time) // NS_PER_MS


def _log_activity(event: EventReading) -> dict[str, Any]:
    fields: dict[str, Any] = {"log_provider": "castoff"}
    if event.type is EventType.GAP:
        gap = event.root.block("gap")
        since, until = gap.text("since"), gap.text("until")
        fields |= {
            "log_name": gap.text("source"),
            "start_time": None if since is None else wall_of(since) // NS_PER_MS,
            "end_time": None if until is None else wall_of(until) // NS_PER_MS,
            "count": gap.number("lost"),
            "status_id": STATUS_FAILURE,
            "status": "Failure",
            "status_detail": gap.text("reason"),
        }
    return fields


def _unmapped(event: EventReading) -> dict[str, Any]:
    """Return what OCSF has no place for, under the names of the native format."""
    root, container, initiator = event.root, event.container, event.root.block("initiator")
    orchestrator = root.block("orchestrator")
    pod_uid = orchestrator.text("pod_uid") or ""
    return {
        "action": terms.action(event),
        "log": {"id": root.block("log").text("id")},
        "stop": terms.of_stop(root.block("stop")),
        "container": {
            **terms.of_container(container),
            "image": {
                "digest": container.block("image").text("digest"),
                "pinned": container.block("image").flag("pinned"),
            },
        },
        "host": {"lsm": event.host.texts("lsm")},
        "initiator": {"socket": initiator.text("socket"), "unit": initiator.text("unit")},
        "orchestrator": {
            "namespace": orchestrator.text("namespace"),
            "pod": orchestrator.text("pod"),
            "pod_uid": None if ocsf_objects.is_uuid(pod_uid) else pod_uid or None,
            "container": orchestrator.text("container"),
            "cluster": orchestrator.text("cluster"),
            "node": orchestrator.text("node"),
            **terms.of_pod(orchestrator),
        },
        **terms.of_event(root),
    }


def _line(record: Record) -> bytes:
    return jsontext.line(document(record))


FORMAT = Format("ocsf", "application/json", _line, document)
