"""A start's document as an event again, whole enough to be judged: the log is judged with it.

What is unknown to this version, or of another type than the schema has, reads as unknown. Times are
wall-clock ns with an offset of 0.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from sensor.model.agent_records import HostFacts
from sensor.model.container import Image, Mount, Orchestrator, Security
from sensor.model.control_plane import Owner
from sensor.model.events import (
    Certainty,
    Container,
    Event,
    Initiator,
    InitiatorProcess,
    InitiatorUser,
    PreviousRun,
    Start,
    Stop,
)
from sensor.model.process import Ancestor
from sensor.model.vocabulary import (
    Confidence,
    ContainerId,
    Engine,
    EventType,
    StartCause,
    StartKind,
    Trigger,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

    Document = Mapping[str, Any]

NS_PER_SECOND = 1_000_000_000
HOSTS_CACHED = 16
"""Nodes that are remembered: a log is of one, or of a few."""
SECONDS_END = 19
"""Characters of a time of the schema up to its seconds; nine digits follow the dot."""

_Member = TypeVar("_Member", bound="StrEnum")
_KINDS = {"container.start": EventType.START, "container.stop": EventType.STOP}


def event_of(document: Document) -> Event | None:
    """Return a start or a stop; None for any other event, and for what has no time."""
    kind = _KINDS.get(_text(document.get("type")) or "")
    wall = wall_of(document.get("time"))
    if kind is None or wall is None:
        return None
    sure = _block(document, "confidence")
    return Event(
        type=kind,
        id=_text(document.get("id")) or "",
        time=wall,
        observed=wall,
        realtime_offset=0,
        host=_host(_block(document, "host")),
        container=_container(_block(document, "container")),
        start=_start(_block(document, "start")),
        stop=_stop(_block(document, "stop")),
        initiator=_initiator(_block(document, "initiator")),
        orchestrator=_orchestrator(_block(document, "orchestrator")),
        candidates=_candidates(document),
        confidence=Certainty(
            _member(Confidence, sure.get("container")) or Confidence.NONE,
            _member(Confidence, sure.get("trigger")) or Confidence.NONE,
            _member(Confidence, sure.get("initiator")) or Confidence.NONE,
        ),
    )


def wall_of(text: object) -> int | None:
    """Return a time of the schema as wall-clock ns."""
    if not isinstance(text, str):
        return None
    try:
        return _seconds(text[:SECONDS_END]) * NS_PER_SECOND + int(text[SECONDS_END + 1 : -1])
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def _host(block: Document) -> HostFacts:
    get = block.get
    named = (get("name"), get("boot_id"), get("machine_id"), get("kernel"), get("node"))
    return _host_of(*map(_text, named), _texts(get("lsm")))


@lru_cache(maxsize=HOSTS_CACHED)
def _host_of(
    name: str | None,
    boot_id: str | None,
    machine_id: str | None,
    kernel: str | None,
    node: str | None,
    lsm: tuple[str, ...] | None,
) -> HostFacts:
    return HostFacts(name or "", boot_id or "", machine_id, kernel or "", node, lsm=lsm)


def _container(block: Document) -> Container | None:
    if not block:
        return None
    image, labels = _block(block, "image"), _block(block, "labels")
    id_ = _text(block.get("id"))
    return Container(
        id=ContainerId(id_) if id_ is not None else None,
        name=_text(block.get("name")),
        runtime=_member(Engine, block.get("runtime")),
        oci_runtime=_text(block.get("oci_runtime")),
        image=_image(image) if image else None,
        labels=tuple((key, value) for key, value in labels.items() if isinstance(value, str)),
        command=_texts(block.get("command")),
        sandbox=block.get("sandbox") is True,
        security=_security(_block(block, "security")),
        namespace=_text(block.get("namespace")),
        restart_policy=_text(block.get("restart_policy")),
        oci_runtime_path=_text(block.get("oci_runtime_path")),
        cwd=_text(block.get("cwd")),
    )


def _image(block: Document) -> Image:
    return Image(
        _text(block.get("name")),
        _text(block.get("id")),
        _text(block.get("digest")),
        _flag(block.get("pinned")),
    )


def _security(block: Document) -> Security | None:
    if not block:
        return None
    return Security(
        privileged=_flag(block.get("privileged")),
        capabilities=_texts(block.get("capabilities")),
        host_namespaces=_texts(block.get("host_namespaces")),
        mounts=tuple(
            Mount(
                _text(one.get("source")) or "",
                _text(one.get("destination")) or "",
                one.get("writable") is True,
            )
            for one in _list(block, "mounts")
            if isinstance(one, dict)
        ),
        seccomp=_text(block.get("seccomp")),
        apparmor=_text(block.get("apparmor")),
        no_new_privileges=_flag(block.get("no_new_privileges")),
        devices=_texts(block.get("devices")),
    )


def _start(block: Document) -> Start | None:
    kind = _member(StartKind, block.get("kind"))
    if kind is None:
        return None
    previous = _block(block, "previous")
    earlier = _text(previous.get("id"))
    return Start(
        kind=kind,
        trigger=_member(Trigger, block.get("trigger")) or Trigger.UNKNOWN,
        attempt=_number(block.get("attempt")),
        dormant_seconds=_seconds_of(block.get("dormant_seconds")),
        cause=_member(StartCause, block.get("cause")),
        previous=PreviousRun(
            ContainerId(earlier),
            exit_code=_number(previous.get("exit_code")),
            signal=_number(previous.get("signal")),
            oom_killed=_flag(previous.get("oom_killed")),
        )
        if earlier is not None
        else None,
    )


def _stop(block: Document) -> Stop | None:
    return Stop(oom_killed=_flag(block.get("oom_killed"))) if block else None


def _initiator(block: Document) -> Initiator | None:
    if not block:
        return None
    process, user = _block(block, "process"), _block(block, "user")
    inside = _text(block.get("container_id"))
    return Initiator(
        process=InitiatorProcess(
            pid=_number(process.get("pid")) or 0,
            start_time=None,
            exe=_text(process.get("exe")),
            argv=_texts(process.get("argv")),
            cwd=_text(process.get("cwd")),
            tty=_text(process.get("tty")),
        )
        if process
        else None,
        user=InitiatorUser(
            uid=_number(user.get("uid")),
            name=_text(user.get("name")),
            auid=_number(user.get("auid")),
            auid_name=_text(user.get("auid_name")),
            session=_number(user.get("session")),
        )
        if user
        else None,
        container_id=ContainerId(inside) if inside is not None else None,
        socket=_text(block.get("socket")),
        ancestors=tuple(
            Ancestor(
                pid=_number(one.get("pid")) or 0,
                start_time=0,
                comm=_text(one.get("comm")) or "",
                exe=_text(one.get("exe")),
            )
            for one in _list(block, "ancestors")
            if isinstance(one, dict)
        ),
        unit=_text(block.get("unit")),
    )


def _candidates(document: Document) -> tuple[Initiator, ...]:
    listed = _list(document, "candidates")
    if not listed:
        return ()
    made = (_initiator(one) for one in listed if isinstance(one, dict))
    return tuple(one for one in made if one is not None)


def _orchestrator(block: Document) -> Orchestrator | None:
    kind = _text(block.get("type"))
    if kind is None:
        return None
    owner = _block(block, "owner")
    owner_kind, name = _text(owner.get("kind")), _text(owner.get("name"))
    return Orchestrator(
        type=kind,
        namespace=_text(block.get("namespace")),
        pod=_text(block.get("pod")),
        pod_uid=_text(block.get("pod_uid")),
        container=_text(block.get("container")),
        owner=Owner(owner_kind, name) if owner_kind and name else None,
        late=_flag(block.get("late")),
    )


_NOTHING: Document = {}


def _block(document: Document, key: str) -> Document:
    value = document.get(key)
    return value if isinstance(value, dict) else _NOTHING


def _list(document: Document, key: str) -> list[object]:
    value = document.get(key)
    return value if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    return tuple(one for one in value if isinstance(one, str))


def _number(value: object) -> int | None:
    return value if type(value) is int else None


def _seconds_of(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _member(kind: type[_Member], text: object) -> _Member | None:
    # Called seven times a start: calling the enum takes five times as long.
    found = _members(kind).get(text) if isinstance(text, str) else None
    return found if isinstance(found, kind) else None


@lru_cache
def _members(kind: type[StrEnum]) -> dict[str, StrEnum]:
    return {one.value: one for one in kind}
