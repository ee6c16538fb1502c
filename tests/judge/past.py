"""A judge that has seen a node for ten days, and starts that follow."""

from __future__ import annotations

from dataclasses import replace

from sensor.judge.judge import Judge
from sensor.model.alert import Alert
from sensor.model.container import Orchestrator
from sensor.model.events import Event, Initiator, Verdict
from sensor.model.vocabulary import ContainerId, Engine, Trigger
from tests.judge.samples import HOUR, NOW, by_itself, initiator, judged, start

DAY = 24 * HOUR
DAYS = 10
WEB = "registry.example.com/shop/web:1.2"
COMMAND = ("/app/server",)


def running(event: Event, *command: str) -> Event:
    """Return a start whose init runs a command."""
    assert event.container is not None
    return replace(event, container=replace(event.container, command=command))


def web(*command: str, at: int = NOW, by: Initiator | None = None, image: str = WEB) -> Event:
    """Return a start of the service that is known."""
    event = start("web", image, at=at, by=by or initiator("deploy"))
    return running(event, *(command or COMMAND))


def pod(
    container: str,
    image: str = "registry.example.com/shop/front:1",
    *,
    owner: str = "front",
    namespace: str = "shop",
    late: bool | None = None,
    at: int = NOW,
) -> Event:
    """Return a start by the kubelet."""
    place = Orchestrator(
        "kubernetes", namespace, f"{owner}-7d4b9c6f5d-bcdfg", "eb05", container, late=late
    )
    event = start(
        container, image, trigger=Trigger.ORCHESTRATOR, pod=place, at=at, runtime=Engine.CONTAINERD
    )
    return running(by_itself(event), *COMMAND)


def known_node() -> Judge:
    """Return a judge that has seen a service, a pod, a timer and a person for ten days."""
    judge = Judge()
    for day in range(DAYS, 0, -1):
        for event in (
            web(at=NOW - day * DAY),
            pod("main", at=NOW - day * DAY + HOUR),
            running(
                start(
                    "job",
                    "registry.example.com/ops/job:1",
                    by=initiator(None, unit="job.service"),
                    trigger=Trigger.SERVICE_MANAGER,
                    at=NOW - day * DAY,
                ),
                "job",
            ),
            web(at=NOW - day * DAY + HOUR, by=initiator("alice")),
        ):
            judge.judge(event)
    judge.take_alerts()
    judge.take_rows()
    return judge


def verdict_of(judge: Judge, event: Event) -> Verdict:
    """Judge one start."""
    return judged(judge, event)


def alerts_of(judge: Judge) -> list[Alert]:
    """Return the alerts that were raised since the last call."""
    return [one.alert for one in judge.take_alerts() if one.alert is not None]


def caller(id_: ContainerId) -> Initiator:
    """Return a client inside of a container."""
    return replace(initiator(None), container_id=id_)


def rows_of(judge: Judge) -> dict[tuple[str, str], bytes]:
    """Return the rows that were left since the last call, those that were removed left out."""
    found: dict[tuple[str, str], bytes] = {}
    for kind, key, value in judge.take_rows():
        if value is None:
            found.pop((kind, key), None)
        else:
            found[kind, key] = value
    return found
