"""The API server's audit log on the node explains the starts of its pods while it grows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sensor import clock
from sensor.agent.config import Config, SourcesSection, WebhookSection
from sensor.agent.explaining import Explaining, sources_of
from sensor.model.agent_records import HostFacts
from sensor.model.container import Orchestrator
from sensor.model.events import Container, Event, Start
from sensor.model.vocabulary import ContainerId, EventType, StartKind
from tests.agent.test_audit_webhook import Place, place, posted

__all__ = ["place"]

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


def test_a_start_is_explained_by_a_batch_that_an_api_server_posts(place: Place) -> None:
    published: list[Event] = []

    async def story() -> None:
        done = asyncio.Event()

        def publish(events: Sequence[Event]) -> None:
            published.extend(events)
            done.set()

        explaining = Explaining(None, publish, lambda: OFFSET)
        tasks = [
            asyncio.create_task(one)
            for one in (explaining.run(), explaining.listen(place.settings()))
        ]
        explaining.take(start(), b"", more=False)
        batch = b'{"kind":"EventList","items":[' + line("uid-1", "one").strip() + b"]}"
        async with asyncio.timeout(60):
            while explaining.port is None:
                await asyncio.sleep(0)
            client = place.client(place.authority)
            answers = await asyncio.to_thread(posted, explaining.port, client, batch, b"not json")
            assert answers == [200, 400]
            await done.wait()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    asyncio.run(story())
    (event,) = published
    assert event.start_id == "start-1"
    assert event.orchestrator is not None
    assert event.orchestrator.requested_by is not None
    assert event.orchestrator.requested_by.actor == "alice"


def test_the_webhook_is_asked_for_by_its_name() -> None:
    file = Config(sources=SourcesSection(kubernetes_audit="/var/log/audit.log"))
    assert sources_of(file) == (Path("/var/log/audit.log"), None)
    wanted = Config(sources=SourcesSection(kubernetes_audit="webhook"))
    section = WebhookSection("127.0.0.1:8443", "cert.pem", "key.pem", "ca.pem")
    log, listening = sources_of(replace(wanted, webhook=section))
    assert log is None
    assert listening is not None
    assert (listening.host, listening.port) == ("127.0.0.1", 8443)
