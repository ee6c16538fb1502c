"""For each finding a true story and a false one: events before a judge, and what it made of them.

Everything that the rules read is what the agent would write: the judge's verdicts and alerts, in
the lines of the encoder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sensor.judge.change import Change
from sensor.judge.findings import burst, crash_loop
from sensor.judge.judge import Judge
from sensor.model.container import Image
from sensor.model.events import Event, Stop
from sensor.model.vocabulary import Engine, EventType, Finding, StartKind, Trigger
from sensor.schema.document import encode_line
from tests.judge.past import DAY, WEB, caller, known_node, pod, running, web
from tests.judge.samples import (
    HOUR,
    NOW,
    PLAIN,
    SECOND,
    container_id,
    initiator,
    pod_start,
    policy,
    restarted,
    start,
)
from tests.judge.test_tampering import noted
from tests.judge.test_verdict import change

Document = dict[str, Any]
Events = tuple[Event, ...]

LATER = NOW + 20 * HOUR
"""Long after the boot of the sample node."""
PRIVILEGED = replace(PLAIN, privileged=True)


@dataclass(frozen=True)
class Story:
    """What raises a finding, and what is nearly the same and does not."""

    true: Events
    false: Events
    rules: str = ""
    """The policy, for both."""
    changes: tuple[tuple[Change, ...], tuple[Change, ...]] = ((), ())
    """What was approved, in the true story and in the false one."""
    judge: Callable[[], Judge] = known_node
    hidden: bool = False
    """The engine says nothing of the true story's starts."""


def written(story: Story, *, true: bool) -> list[Document]:
    """Return the lines that an agent writes of a story."""
    events, alerts = _judged(story, true=true)
    return [json.loads(encode_line(one)) for one in (*events, *alerts)]


def _judged(story: Story, *, true: bool) -> tuple[list[Event], list[Event]]:
    judge = story.judge()
    judge.policy = policy(story.rules)
    for one in story.changes[0 if true else 1]:
        judge.ledger.add(one, NOW)
    events: list[Event] = []
    alerts: list[Event] = []
    for event in story.true if true else story.false:
        events.append(judge.judge(event))
        if story.hidden and true:
            judge.hidden(event)
        alerts += judge.take_alerts()
    return events, alerts


def alert_of(finding: Finding) -> Event:
    """Return the first alert of a finding's true story, as the judge raises it."""
    _, alerts = _judged(STORIES[finding], true=True)
    return next(one for one in alerts if one.alert is not None and one.alert.finding is finding)


def _kind(kind: StartKind, dormant: float | None = None) -> Event:
    event = web()
    assert event.start is not None
    return replace(event, start=replace(event.start, kind=kind, dormant_seconds=dormant))


def _made(event: Event, **fields: Any) -> Event:
    assert event.container is not None
    return replace(event, container=replace(event.container, **fields))


def _loop(count: int, step: int) -> Events:
    first = start("web", at=LATER)
    return first, *(restarted(first, after=number * step) for number in range(1, count + 1))


def _storm(count: int) -> Events:
    found: list[Event] = []
    for number in range(count):
        first = start(f"service-{'abcdefghijklmnop'[number]}", at=LATER)
        found += [first, restarted(first, after=number * SECOND)]
    return tuple(found)


def _failures(count: int) -> Events:
    return tuple(
        replace(
            start("broken", at=LATER + number * SECOND),
            type=EventType.START_FAILED,
            start=None,
            stop=Stop(exit_code=127),
        )
        for number in range(count)
    )


def _burst(count: int) -> Events:
    return tuple(
        running(start(f"job-{number}", at=NOW + number * SECOND, by=initiator("alice")), "x")
        for number in range(count)
    )


def _tools(count: int, days: int) -> Events:
    """Return new workloads of one person, one every so many days."""
    return tuple(
        running(
            start(
                f"tool-{'abcde'[number]}",
                f"registry.example.com/shop/tool{number}:1",
                by=initiator("alice"),
                at=NOW + number * days * DAY,
            ),
            "x",
        )
        for number in range(count)
    )


def _flood(count: int) -> Events:
    letters = "bcdfghjklm"
    return tuple(
        start(
            "".join(letters[int(digit)] for digit in f"{number:04d}"),
            WEB,
            by=initiator("alice"),
            at=NOW + number * SECOND // 2,
        )
        for number in range(count)
    )


def _static(uid: str) -> Event:
    return running(pod_start("intruder-node-1", "intruder", namespace="kube-system", uid=uid))


BY_HAND = start("box", trigger=Trigger.DIRECT_RUNTIME, runtime=Engine.CONTAINERD)
UNPINNED = _made(start(image="a/b:1"), image=Image("a/b:1", pinned=False))
LOCAL = running(start("own", "localhost/own:1", by=initiator("alice")), "own")

STORIES: dict[Finding, Story] = {
    Finding.HIDDEN_START: Story((web(),), (web(),), hidden=True),
    Finding.DIRECT_RUNTIME: Story((BY_HAND,), (start("box"),)),
    Finding.ENGINE_NAMESPACE: Story(
        (start(namespace="moby", runtime=Engine.CONTAINERD),),
        (start(namespace="moby", runtime=Engine.DOCKER),),
    ),
    Finding.UNKNOWN_RUNTIME: Story(
        (_made(web(), oci_runtime_path="/usr/local/bin/helper"),),
        (_made(web(), oci_runtime_path="/usr/bin/runc"),),
    ),
    Finding.SENSOR_TAMPERING: Story((web(), noted("probes_lost")), (web(), noted("alive"))),
    Finding.ENGINE_SOCKET: Story((replace(web(), initiator=caller(container_id())),), (web(),)),
    Finding.RESTORED: Story((_kind(StartKind.RESTORE),), (_kind(StartKind.RESTART),)),
    Finding.DORMANT: Story(
        (_kind(StartKind.REACTIVATION, 40 * 86_400.0),),
        (_kind(StartKind.REACTIVATION, 86_400.0),),
    ),
    Finding.NEW_PRIVILEGE: Story((_made(web(), security=PRIVILEGED),), (web(),)),
    Finding.NEW_INITIATOR: Story(
        (web(by=initiator(None, unit="php-fpm.service")),),
        (web(by=initiator(None, unit="job.service")),),
    ),
    Finding.NEW_PERSON: Story((web(by=initiator("mallory")),), (web(by=initiator("alice")),)),
    Finding.NEW_ENTRYPOINT: Story((web("/bin/sh", "-c", "x"),), (web("/app/server2"),)),
    Finding.NEW_CONTAINER_IN_POD: Story(
        (pod("logger", "docker.io/strange/logger:1"),),
        (pod("proxy", "registry.example.com/shop/front:1"),),
    ),
    Finding.LATE_CONTAINER: Story((pod("shell", late=True),), (pod("main", late=False),)),
    Finding.STATIC_POD: Story(
        (_static("0123456789abcdef" * 2),),
        (_static("eb052b63-ea96-4728-ab4a-64ab3babccd7"),),
    ),
    Finding.LOCAL_IMAGE: Story(
        (LOCAL,), (running(start("own", WEB, by=initiator("alice")), "own"),)
    ),
    Finding.CHANGED_REGISTRY: Story(
        (web(image="registry.evil.example/shop/web:1.2"),),
        (web(image="registry.example.com/shop/web:1.3"),),
    ),
    Finding.UNUSUAL_COMBINATION: Story(
        (running(start("other", "quay.io/strange/other:1", by=initiator("alice")), "other"),),
        (
            running(
                start("tool", "registry.example.com/shop/tool:1", by=initiator("alice")), "tool"
            ),
        ),
    ),
    Finding.SLOW_CHANGE: Story(_tools(5, 1), _tools(5, 3)),
    Finding.BURST: Story(_burst(burst.STARTS.default + 1), _burst(burst.STARTS.default - 1)),
    Finding.WORKLOAD_FLOOD: Story(_flood(5000), _flood(300)),
    Finding.FORBIDDEN: Story(
        (web(by=initiator("alice")),), (web(),), rules="[forbid.alice]\nlogin = 'alice'\n"
    ),
    Finding.OUTSIDE_WINDOW: Story(
        (web(),), (web(at=NOW - 2 * HOUR),), rules="[window.early]\nto = '10:00'\nname = 'web'\n"
    ),
    Finding.UNAPPROVED_IMAGE: Story(
        (web(image="registry.example.com/other/web:1"),),
        (web(),),
        rules="[approve.shop]\nrepository = 'registry.example.com/shop/*'\n",
    ),
    Finding.UNPINNED_IMAGE: Story(
        (UNPINNED,),
        (_made(UNPINNED, image=Image("a/b:1", pinned=True)),),
        rules="[approve.all]\npinned = true\n",
        judge=Judge,
    ),
    Finding.NO_EXPLANATION: Story(
        (start("web"),),
        (start("db"),),
        rules="[require_explanation.web]\nname = 'web'\n",
        judge=Judge,
    ),
    Finding.WIDE_CHANGE: Story((web(),), (web(),), changes=((change(),), (change(name="web"),))),
    Finding.ENGINE_CONFIG: Story(
        (web(), noted("engine_config_written", detail="/etc/docker/daemon.json by vi")),
        (web(), noted("policy_loaded")),
    ),
    Finding.CRASH_LOOP: Story(
        _loop(crash_loop.RESTARTS.default, 60 * SECOND),
        _loop(crash_loop.RESTARTS.default + 4, 200 * SECOND),
        judge=Judge,
    ),
    Finding.RESTART_STORM: Story(_storm(15), _storm(8), judge=Judge),
    Finding.FAILED_STARTS: Story(_failures(5), _failures(4), judge=Judge),
}
