"""Starts for the tests of the judge: an ordinary one, and what differs from it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sensor.judge.case import Facts, facts_of
from sensor.judge.feature import Features, Who, WhoKind
from sensor.judge.judge import Judge
from sensor.judge.policy import Policy
from sensor.judge.policy_text import SourceText, read
from sensor.model.agent_records import HostFacts
from sensor.model.container import Image, Mount, Orchestrator, Security
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
    Verdict,
)
from sensor.model.vocabulary import (
    Confidence,
    ContainerId,
    Engine,
    EventType,
    StartKind,
    Trigger,
)

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
NOW = int(datetime(2026, 11, 30, 10, 0, tzinfo=UTC).timestamp()) * SECOND
"""A Monday, 11:00 in Berlin."""
OFFSET = NOW - 1000 * SECOND
HOST = HostFacts("node-1", "boot", "machine", "6.1", None, ("capability", "apparmor"))
PLAIN = Security(
    privileged=False,
    capabilities=(),
    host_namespaces=(),
    mounts=(),
    seccomp="filtered",
    apparmor="docker-default",
    no_new_privileges=False,
    devices=(),
)
_numbers = itertools.count(1)


def container_id(number: int | None = None) -> ContainerId:
    return ContainerId(f"{next(_numbers) if number is None else number:064x}")


def user(login: str | None = "alice", account: str = "root") -> InitiatorUser:
    return InitiatorUser(
        uid=0 if account == "root" else 33,
        name=account,
        auid=1000 if login is not None else None,
        auid_name=login,
        session=3 if login is not None else None,
    )


def initiator(
    login: str | None = "alice",
    *argv: str,
    account: str = "root",
    unit: str | None = None,
) -> Initiator:
    process = InitiatorProcess(77, None, "/usr/bin/docker", argv or None, None, None)
    return Initiator(process, user(login, account), None, None, (), unit)


def start(
    name: str | None = "web",
    image: str | None = "registry.example.com/shop/web:1.2",
    *,
    id_: ContainerId | None = None,
    labels: tuple[tuple[str, str], ...] = (),
    kind: StartKind = StartKind.FIRST,
    trigger: Trigger = Trigger.USER_COMMAND,
    by: Initiator | None = None,
    candidates: tuple[Initiator, ...] = (),
    pod: Orchestrator | None = None,
    security: Security | None = PLAIN,
    previous: PreviousRun | None = None,
    attempt: int | None = None,
    at: int = NOW,
    namespace: str | None = None,
    runtime_path: str | None = "/usr/bin/runc",
    restart_policy: str | None = None,
    digest: str | None = None,
    sandbox: bool = False,
    offset: int = OFFSET,
    runtime: Engine = Engine.DOCKER,
    sure: Confidence = Confidence.EXACT,
) -> Event:
    return Event(
        type=EventType.START,
        id=f"event-{next(_numbers)}",
        time=at - offset,
        observed=at - offset,
        realtime_offset=offset,
        host=HOST,
        container=Container(
            id=id_ or container_id(),
            name=name,
            runtime=runtime,
            oci_runtime="runc",
            image=Image(image, None, digest) if image is not None else None,
            labels=labels,
            security=security,
            namespace=namespace,
            oci_runtime_path=runtime_path,
            restart_policy=restart_policy,
            sandbox=sandbox,
        ),
        start=Start(kind, trigger, attempt, None, previous),
        initiator=by if by is not None or candidates else initiator(),
        candidates=candidates,
        orchestrator=pod,
        confidence=Certainty(Confidence.EXACT, sure, sure),
    )


def by_itself(event: Event) -> Event:
    """Return a start without a request."""
    return replace(event, initiator=None, candidates=())


def restarted(
    event: Event, trigger: Trigger = Trigger.RESTART_POLICY, after: int = 60 * SECOND
) -> Event:
    """Return the next start of an event's container, by its engine."""
    assert event.start is not None
    again = replace(event.start, kind=StartKind.RESTART, trigger=trigger)
    return replace(
        by_itself(event), id=f"event-{next(_numbers)}", time=event.time + after, start=again
    )


def pod_start(
    pod: str,
    container: str = "main",
    *,
    namespace: str = "shop",
    image: str = "registry.example.com/shop/web:1.2",
    previous: PreviousRun | None = None,
    attempt: int = 0,
    at: int = NOW,
    security: Security | None = PLAIN,
    uid: str = "eb052b63-ea96-4728-ab4a-64ab3babccd7",
    sandbox: bool = False,
) -> Event:
    """Return a start by the kubelet."""
    event = start(
        container,
        image,
        kind=StartKind.FIRST if previous is None else StartKind.RESTART,
        trigger=Trigger.ORCHESTRATOR,
        pod=Orchestrator("kubernetes", namespace, pod, uid, container),
        previous=previous,
        attempt=attempt,
        at=at,
        security=security,
        sandbox=sandbox,
        runtime=Engine.CONTAINERD,
        namespace="k8s.io",
    )
    return by_itself(event)


def stop(event: Event, *, oom: bool = False, after: int = SECOND) -> Event:
    """Return the end of a start's container."""
    return replace(
        event,
        type=EventType.STOP,
        id=f"event-{next(_numbers)}",
        time=event.time + after,
        start=None,
        stop=Stop(signal=9 if oom else None, exit_code=None if oom else 0, oom_killed=oom),
    )


def mounted(source: str, *, writable: bool = True) -> Security:
    return replace(PLAIN, mounts=(Mount(source, "/x", writable),))


def facts(event: Event) -> Facts:
    found = facts_of(event)
    assert found is not None
    return found


def zone_of(name: str | None) -> tzinfo:
    try:
        return ZoneInfo(name or "Europe/Berlin")
    except (ZoneInfoNotFoundError, ValueError) as error:
        message = f"{name!r} is not a known zone"
        raise ValueError(message) from error


def policy(text: str, now: int = NOW) -> Policy:
    return read([SourceText("policy.toml", text.encode())], zone_of, now)


def judged(judge: Judge, event: Event) -> Verdict:
    verdict = judge.judge(event).verdict
    assert verdict is not None
    return verdict


def features(name: str = "web", **more: Any) -> Features:
    """The features of a plain start by alice."""
    plain = Features(
        workload=f"name/{name}",
        instance=f"name/{name}",
        container=None,
        namespace=None,
        static=False,
        repository="registry.example.com/web",
        organisation="registry.example.com",
        base="web",
        tag=None,
        entrypoint="server",
        shell=False,
        strong_atoms=frozenset(),
        weak_atoms=frozenset(),
        whos=(Who(WhoKind.PERSON, "login alice"),),
        late=False,
        special=None,
    )
    return replace(plain, **more)
