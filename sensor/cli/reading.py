"""Makes an event of its JSON document again, as far as tables show it.

What a newer agent says and this command does not know is left out, never a reason to fail.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, TypeVar

from sensor.model.agent_records import HostFacts
from sensor.model.alert import Alert, AlertClass, AlertSeverity, AlertState
from sensor.model.container import Image, Orchestrator
from sensor.model.control_plane import (
    Actor,
    ActorKind,
    ChainConfidence,
    Effect,
    Request,
    RequestedBy,
    RequestOutcome,
    RequestSource,
    Workload,
)
from sensor.model.events import (
    Certainty,
    Container,
    Event,
    Gap,
    Initiator,
    InitiatorProcess,
    InitiatorUser,
    SensorNote,
    Start,
    Stop,
    Verdict,
)
from sensor.model.vocabulary import (
    Confidence,
    ContainerId,
    Engine,
    EventType,
    Explanation,
    Finding,
    StartKind,
    Trigger,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

    Document = Mapping[str, Any]

_Member = TypeVar("_Member", bound="StrEnum")
_NOWHERE = HostFacts("", "", None, "", None)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def event_of(document: Document) -> Event | None:
    """Return the event; None when its type is not known here."""
    kind = _member(EventType, document.get("type"))
    if kind is None:
        return None
    time = nanoseconds(document.get("time")) or 0
    verdict = document.get("verdict")
    gap = document.get("gap")
    note = document.get("sensor")
    sure = document.get("confidence") or {}
    return Event(
        type=kind,
        id=str(document.get("id")),
        time=time,
        observed=time,
        realtime_offset=0,
        host=_NOWHERE,
        container=_container(document.get("container")),
        start=_start(document.get("start")),
        stop=_stop(document.get("stop")),
        initiator=_initiator(document.get("initiator")),
        verdict=_verdict(verdict),
        confidence=Certainty(
            trigger=_member(Confidence, sure.get("trigger")) or Confidence.NONE,
        ),
        gap=Gap(str(gap.get("source")), str(gap.get("reason")), 0, 0, gap.get("lost"))
        if gap
        else None,
        sensor=SensorNote(
            str(note.get("action")), note.get("containers"), detail=note.get("detail")
        )
        if note
        else None,
        alert=_alert(document.get("alert")),
        request=_request(document.get("request")),
        orchestrator=_orchestrator(document.get("orchestrator")),
    )


def _verdict(block: Document | None) -> Verdict | None:
    if not block:
        return None
    expected = block.get("expected")
    return Verdict(
        expected=expected if isinstance(expected, bool) else None,
        reasons=tuple(block.get("reasons") or ()),
        explanation=_member(Explanation, block.get("explanation")),
        findings=tuple(
            found
            for one in block.get("findings") or ()
            if (found := _member(Finding, one)) is not None
        ),
    )


def _alert(block: Document | None) -> Alert | None:
    finding = _member(Finding, block.get("finding")) if block else None
    if not block or finding is None:
        return None
    return Alert(
        id=str(block.get("id")),
        finding=finding,
        title=str(block.get("title")),
        class_=_member(AlertClass, block.get("class")) or AlertClass.SECURITY,
        severity=_member(AlertSeverity, block.get("severity")) or AlertSeverity.LOW,
        state=_member(AlertState, block.get("state")) or AlertState.NEW,
        group=str(block.get("group")),
        start=block.get("start"),
        workload=block.get("workload"),
        count=int(block.get("count") or 1),
        first=nanoseconds(block.get("first")) or 0,
        last=nanoseconds(block.get("last")) or 0,
    )


def nanoseconds(text: object) -> int | None:
    """Return a time of RFC 3339 in ns since the Unix epoch, to the microsecond."""
    try:
        moment = dt.datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if moment is None or moment.tzinfo is None:
        return None
    return (moment - _EPOCH) // dt.timedelta(microseconds=1) * 1000


def _member(kind: type[_Member], text: object) -> _Member | None:
    return next((one for one in kind if one == text), None)


def _container(block: Document | None) -> Container | None:
    if not block:
        return None
    image = block.get("image")
    return Container(
        id=ContainerId(str(block["id"])) if block.get("id") is not None else None,
        name=block.get("name"),
        runtime=_member(Engine, block.get("runtime")),
        oci_runtime=block.get("oci_runtime"),
        image=Image(image.get("name"), image.get("id")) if image else None,
        sandbox=block.get("sandbox") is True,
    )


def _request(block: Document | None) -> Request | None:
    if not block:
        return None
    workload, actor = block.get("workload") or {}, block.get("actor")
    return Request(
        source=_member(RequestSource, block.get("source")) or RequestSource.KUBERNETES,
        id=block.get("id"),
        action=block.get("action"),
        effect=_member(Effect, block.get("effect")) or Effect.UNKNOWN,
        chain=None,
        outcome=_member(RequestOutcome, block.get("outcome")),
        actor=Actor(str(actor.get("name")), ActorKind.USER) if actor else None,
        workload=Workload(
            kind=str(workload.get("kind")),
            namespace=workload.get("namespace"),
            name=workload.get("name"),
            definition=workload.get("definition"),
            task=workload.get("task"),
        )
        if workload
        else None,
    )


def _orchestrator(block: Document | None) -> Orchestrator | None:
    if not block:
        return None
    asked = block.get("requested_by")
    return Orchestrator(
        type=str(block.get("type")),
        namespace=block.get("namespace"),
        pod=block.get("pod"),
        pod_uid=block.get("pod_uid"),
        container=block.get("container"),
        task_arn=block.get("task_arn"),
        requested_by=RequestedBy(
            actor=asked.get("actor"),
            kind=_member(ActorKind, asked.get("kind")),
            confidence=_member(ChainConfidence, asked.get("confidence"))
            or ChainConfidence.INFERRED,
            effect=_member(Effect, asked.get("effect")),
            candidates=tuple(asked.get("candidates") or ()),
        )
        if isinstance(asked, dict)
        else None,
    )


def _start(block: Document | None) -> Start | None:
    if not block:
        return None
    return Start(
        kind=_member(StartKind, block.get("kind")) or StartKind.FIRST,
        trigger=_member(Trigger, block.get("trigger")) or Trigger.UNKNOWN,
        attempt=block.get("attempt"),
        dormant_seconds=block.get("dormant_seconds"),
    )


def _stop(block: Document | None) -> Stop | None:
    if not block:
        return None
    return Stop(**{name: block.get(name) for name in Stop.__slots__})


def _initiator(block: Document | None) -> Initiator | None:
    if not block:
        return None
    process, user = block.get("process"), block.get("user")
    return Initiator(
        process=InitiatorProcess(
            pid=process.get("pid") or 0,
            start_time=None,
            exe=process.get("exe"),
            argv=tuple(process.get("argv") or ()),
            cwd=None,
            tty=None,
        )
        if process
        else None,
        user=InitiatorUser(**{name: user.get(name) for name in InitiatorUser.__slots__})
        if user
        else None,
        container_id=None,
        socket=None,
        ancestors=(),
    )
