"""A start's document as an event again, whole enough to be judged: the log is judged with it.

What is unknown to this version, or of another type than the schema has, reads as unknown. Times are
wall-clock ns with an offset of 0. What nothing asks for when a start is judged is left out: its
evidence, and the ids of the processes above a client.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sensor.model.account import owner_in
from sensor.model.container import Orchestrator
from sensor.model.control_plane import Owner
from sensor.model.events import (
    Container,
    Event,
    Initiator,
    InitiatorProcess,
    PreviousRun,
    Start,
    Stop,
)
from sensor.model.vocabulary import ContainerId, Engine, EventType
from sensor.schema import start_parts as parts
from sensor.schema.values import block, flag, member, number, text, texts

if TYPE_CHECKING:
    from sensor.schema.values import Document

NS_PER_SECOND = 1_000_000_000
MINUTES_CACHED = 256
MINUTE_END, SECOND_END = 16, 19
"""Characters of a time of the schema up to its minute, and up to its second; then nine digits."""
EVIDENCE, AFTER_EVIDENCE = b',"evidence":[', b'],"gap":'
"""What the evidence of an event begins with in its line, and what follows it."""

_KINDS = {"container.start": EventType.START, "container.stop": EventType.STOP}
_SECONDS = {f"{second:02}": second for second in range(60)}


def document_of(line: bytes) -> dict[str, Any]:
    """Return the document of a line of the log without its evidence, a fifth of a start.

    No text in a line can look like the beginning of the evidence: its quotes have backslashes.
    Raises ValueError for what is not JSON.
    """
    begin = line.find(EVIDENCE)
    end = line.find(AFTER_EVIDENCE, begin) if begin > 0 else -1
    if end > 0:
        line = line[:begin] + line[end + 1 :]
    document: dict[str, Any] = json.loads(line)
    return document


def event_of(document: Document) -> Event | None:
    """Return a start or a stop; None for any other event, and for what has no time."""
    get = document.get
    named = get("type")
    kind = _KINDS.get(named) if isinstance(named, str) else None
    wall = wall_of(get("time"))
    if kind is None or wall is None:
        return None
    orchestrator, stop = get("orchestrator"), get("stop")
    workload = block(document, "verdict").get("workload")
    return Event(
        kind,
        text(get("id")) or "",
        wall,
        wall,
        0,
        parts.host(block(document, "host")),
        _container(block(document, "container")),
        _start(block(document, "start")),
        stop=_stop(stop) if isinstance(stop, dict) else None,
        initiator=_initiator(block(document, "initiator")),
        orchestrator=_orchestrator(orchestrator) if isinstance(orchestrator, dict) else None,
        candidates=_candidates(get("candidates")),
        confidence=parts.certainty(block(document, "confidence")),
        owner=owner_in(workload) if isinstance(workload, str) else None,
    )


def wall_of(time: object) -> int | None:
    """Return a time of the schema as wall-clock ns."""
    if not isinstance(time, str):
        return None
    try:
        second = _SECONDS[time[MINUTE_END + 1 : SECOND_END]]
        return (_minute(time[:MINUTE_END]) + second) * NS_PER_SECOND + int(
            time[SECOND_END + 1 : -1]
        )
    except (ValueError, KeyError):
        return None


@lru_cache(maxsize=MINUTES_CACHED)
def _minute(time: str) -> int:
    """Return a minute as Unix seconds: most starts share theirs with another one."""
    return int(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp())


def _container(of: Document) -> Container | None:
    if not of:
        return None
    get = of.get
    image, security, labels = get("image"), get("security"), get("labels")
    id_ = text(get("id"))
    return Container(
        ContainerId(id_) if id_ is not None else None,
        text(get("name")),
        member(Engine, get("runtime")),
        text(get("oci_runtime")),
        parts.image(image) if isinstance(image, dict) and image else None,
        tuple([one for one in labels.items() if isinstance(one[1], str)])
        if isinstance(labels, dict)
        else (),
        pid=number(get("pid")),
        command=texts(get("command")),
        sandbox=get("sandbox") is True,
        security=parts.security(security) if isinstance(security, dict) and security else None,
        namespace=text(get("namespace")),
        restart_policy=text(get("restart_policy")),
        oci_runtime_path=text(get("oci_runtime_path")),
        cwd=text(get("cwd")),
    )


def _start(of: Document) -> Start | None:
    start = parts.plain_start(of)
    previous = of.get("previous")
    if start is None or not isinstance(previous, dict):
        return start
    earlier = text(previous.get("id"))
    if earlier is None:
        return start
    return replace(
        start,
        previous=PreviousRun(
            ContainerId(earlier),
            exit_code=number(previous.get("exit_code")),
            signal=number(previous.get("signal")),
            oom_killed=flag(previous.get("oom_killed")),
        ),
    )


def _stop(of: Document) -> Stop | None:
    return Stop(oom_killed=flag(of.get("oom_killed"))) if of else None


def _initiator(of: Document) -> Initiator | None:
    if not of:
        return None
    get = of.get
    process, user, above = get("process"), get("user"), get("ancestors")
    inside = text(get("container_id"))
    return Initiator(
        _process(process) if isinstance(process, dict) and process else None,
        parts.user(user) if isinstance(user, dict) and user else None,
        ContainerId(inside) if inside is not None else None,
        text(get("socket")),
        tuple([parts.ancestor(one) for one in above if isinstance(one, dict)])
        if isinstance(above, list)
        else (),
        text(get("unit")),
    )


def _process(of: Document) -> InitiatorProcess:
    get = of.get
    return InitiatorProcess(
        number(get("pid")) or 0,
        None,
        text(get("exe")),
        texts(get("argv")),
        text(get("cwd")),
        text(get("tty")),
    )


def _candidates(listed: object) -> tuple[Initiator, ...]:
    if not isinstance(listed, list) or not listed:
        return ()
    made = [_initiator(one) for one in listed if isinstance(one, dict)]
    return tuple([one for one in made if one is not None])


def _orchestrator(of: Document) -> Orchestrator | None:
    kind = text(of.get("type"))
    if kind is None:
        return None
    owner = block(of, "owner")
    owner_kind, name = text(owner.get("kind")), text(owner.get("name"))
    return Orchestrator(
        type=kind,
        namespace=text(of.get("namespace")),
        pod=text(of.get("pod")),
        pod_uid=text(of.get("pod_uid")),
        container=text(of.get("container")),
        owner=Owner(owner_kind, name) if owner_kind and name else None,
        late=flag(of.get("late")),
    )
