"""The API server's audit log on the node explains the starts of its pods while it grows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

from sensor import clock
from sensor.agent.explaining import Explaining
from sensor.model.agent_records import HostFacts
from sensor.model.container import Orchestrator
from sensor.model.events import Container, Event, Start
from sensor.model.vocabulary import ContainerId, EventType, StartKind

OFFSET = time.time_ns() - clock.boottime()


def line(uid: str, name: str) -> bytes:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() - 10))
    record = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse",
        "auditID": f"a-{uid}",
        "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/shop/pods",
        "verb": "create",
        "user": {"username": "alice"},
        "objectRef": {"resource": "pods", "namespace": "shop", "name": name},
        "responseStatus": {"code": 201},
        "responseObject": {
            "kind": "Pod",
            "metadata": {"name": name, "uid": uid},
            "spec": {"containers": [{"name": "web", "image": "web:1"}]},
        },
        "requestReceivedTimestamp": stamp,
    }
    return json.dumps(record).encode() + b"\n"


def start() -> Event:
    return Event(
        EventType.START,
        "start-1",
        clock.boottime(),
        clock.boottime(),
        OFFSET,
        HostFacts("node-a", "boot", None, "6.1", None),
        Container(ContainerId("c1")),
        Start(StartKind.FIRST),
        orchestrator=Orchestrator("kubernetes", "shop", "one", "uid-1", "web"),
    )


def test_a_start_is_explained_when_its_record_comes(tmp_path: Path) -> None:
    published: list[Event] = []
    done = asyncio.Event()

    def publish(events: Sequence[Event]) -> None:
        published.extend(events)
        done.set()

    async def story() -> None:
        log = tmp_path / "audit.log"
        log.write_bytes(line("uid-0", "other") + b"not json\n")
        (tmp_path / "unrelated.log").write_bytes(line("uid-1", "one"))
        explaining = Explaining(log, publish, lambda: OFFSET)
        task = asyncio.create_task(explaining.run())
        try:
            explaining.take(start(), b"", more=False)
            with log.open("ab") as more:
                more.write(line("uid-1", "one"))
            async with asyncio.timeout(30):
                await done.wait()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        assert explaining.counts.bad == 1

    asyncio.run(story())
    (event,) = published
    assert event.start_id == "start-1"
    assert event.orchestrator is not None
    assert event.orchestrator.requested_by is not None
    assert event.orchestrator.requested_by.actor == "alice"
