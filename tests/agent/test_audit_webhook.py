"""API servers' batches come over TLS with client certificates, and are answered when durable."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from sensor.agent.aggregator import Aggregator
from sensor.agent.aggregator_settings import AggregatorSettings
from sensor.agent.audit_webhook import AuditWebhook
from sensor.agent.config import Config
from sensor.agent.receivers import post_server
from sensor.agent.receivers.post_server import ListenSettings
from sensor.errors import ConfigError
from sensor.sources import procfs
from sensor.store.query import Query
from sensor.store.reader import LogReader
from sensor.store.time_range import NodeClock

BATCHES = (
    (Path(__file__).parents[1] / "corpora" / "controlplane" / "kubernetes" / "webhook.jsonl")
    .read_bytes()
    .splitlines()
)


@dataclass
class Place:
    """Certificates of one authority, and of a strange one."""

    directory: Path
    authority: trustme.CA
    stranger: trustme.CA

    def settings(self) -> ListenSettings:
        served = self.authority.issue_cert("localhost", "127.0.0.1")
        certificate, key = self.directory / "cert.pem", self.directory / "key.pem"
        certificate.write_bytes(b"".join(one.bytes() for one in served.cert_chain_pems))
        key.write_bytes(served.private_key_pem.bytes())
        client_ca = self.directory / "ca.pem"
        client_ca.write_bytes(self.authority.cert_pem.bytes())
        return ListenSettings("127.0.0.1", 0, certificate, key, client_ca)

    def client(self, of: trustme.CA | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.authority.cert_pem.bytes().decode())
        if of is not None:
            of.issue_cert("apiserver").configure_cert(context)
        return context


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, trustme.CA(), trustme.CA())


def posted(port: int, context: ssl.SSLContext, *bodies: bytes, method: str = "POST") -> list[int]:
    """Return the statuses of requests over one connection."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
    answers = []
    try:
        for body in bodies:
            connection.request(method, "/", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            answers.append(answer.status)
    finally:
        connection.close()
    return answers


@asynccontextmanager
async def listening(
    place: Place, take: Callable[[str, bytes], object]
) -> AsyncIterator[tuple[AuditWebhook, int]]:
    async def taken(peer: str, body: bytes) -> None:
        made = take(peer, body)
        if asyncio.iscoroutine(made):
            await made

    webhook = AuditWebhook(place.settings(), taken)
    port = await webhook.start()
    try:
        yield webhook, port
    finally:
        await webhook.close()


def test_batches_are_durable_when_they_are_answered(place: Place) -> None:
    config = Config()
    settings = AggregatorSettings.of(config, (), None, ())
    state = place.directory / "state"

    async def story() -> list[int]:
        wanted = AggregatorSettings(
            (), state, settings.store, settings.shipping, 0, webhook=place.settings()
        )
        aggregator = Aggregator(wanted, procfs.host_facts())
        started = asyncio.Event()
        task = asyncio.create_task(aggregator.run(started.set))
        async with asyncio.timeout(60):
            await started.wait()
            assert aggregator.port is not None
            client = place.client(place.authority)
            answers = await asyncio.to_thread(posted, aggregator.port, client, *BATCHES[:3])
            # Read by another connection to the file, while the service runs.
            log = LogReader(next(state.glob("*.db")), NodeClock("", lambda: 0))
            kept = await asyncio.to_thread(log.read, Query(rows=500))
            assert len([one for one in kept.entries if b'"request":{' in one.entry.body]) >= 8
            answers += await asyncio.to_thread(posted, aggregator.port, client, BATCHES[0], b"{")
        aggregator.stop()
        await task
        return answers

    assert asyncio.run(story()) == [200, 200, 200, 200, 400]


@pytest.mark.parametrize("of", ["nobody", "a stranger"])
def test_a_client_without_our_certificate_is_not_heard(place: Place, of: str) -> None:
    heard: list[bytes] = []

    async def story() -> None:
        async with listening(place, lambda _peer, body: heard.append(body)) as (_, port):
            client = place.client(None if of == "nobody" else place.stranger)
            with contextlib.suppress(OSError, http.client.HTTPException):
                assert await asyncio.to_thread(posted, port, client, BATCHES[0]) == []

    asyncio.run(story())
    assert heard == []


def test_what_is_not_a_batch_is_refused_with_a_reason(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post_server, "BODY_LIMIT", 1000)

    async def story() -> list[int]:
        async with listening(place, lambda _peer, _body: None) as (_, port):
            client = place.client(place.authority)
            answers = await asyncio.to_thread(posted, port, client, b"x" * 1001)
            answers += await asyncio.to_thread(posted, port, client, b"", method="PUT")
            return answers + await asyncio.to_thread(posted, port, client, b"x" * 1000)

    assert asyncio.run(story()) == [413, 405, 200]


def test_a_body_of_50_mb_is_refused_before_it_is_held(place: Place) -> None:
    heard: list[bytes] = []

    async def story() -> None:
        async with listening(place, lambda _peer, body: heard.append(body)) as (_, port):
            client = place.client(place.authority)
            answers: list[int] = []
            with contextlib.suppress(OSError, http.client.HTTPException):
                answers = await asyncio.to_thread(posted, port, client, b"x" * (50 << 20))
            # The connection may be closed while the client still sends.
            assert answers in ([], [413])
            assert await asyncio.to_thread(posted, port, client, BATCHES[0]) == [200]

    asyncio.run(story())
    assert [len(body) for body in heard] == [len(BATCHES[0])]


def test_a_disk_that_does_not_take_it_is_an_answer_to_try_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post_server, "DURABLE_SECONDS", 0.1)

    async def story() -> list[int]:
        never = asyncio.Event()
        async with listening(place, lambda _peer, _body: never.wait()) as (_, port):
            client = place.client(place.authority)
            return await asyncio.to_thread(posted, port, client, b"{}")

    assert asyncio.run(story()) == [503]


def test_a_slow_sender_is_not_waited_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post_server, "REQUEST_SECONDS", 0.5)

    async def story() -> bytes:
        async with listening(place, lambda _peer, _body: None) as (_, port):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=place.client(place.authority)
            )
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nslow")
            async with asyncio.timeout(20):
                answers = await reader.read()
            writer.close()
            return answers

    assert asyncio.run(story()).startswith(b"HTTP/1.1 408")


def test_certificates_that_cannot_be_used_are_named(place: Place) -> None:
    settings = place.settings()
    settings.key.write_text("no key")
    with pytest.raises(ConfigError, match="certificates"):
        settings.context()


def test_events_a_second_are_in_the_range_that_an_api_server_sends(place: Place) -> None:
    """Its default is 10 batches a second of 400; what is measured here is only that it is fast.

    By the processor time of sender and service together: how busy the machine is does not count.
    """
    batch = json.loads(BATCHES[1])
    batch["items"] *= 100
    body = json.dumps(batch).encode()
    count = len(batch["items"])
    settings = AggregatorSettings.of(Config(), (), None, ())

    async def story() -> float:
        wanted = AggregatorSettings(
            (),
            place.directory / "state",
            settings.store,
            settings.shipping,
            0,
            webhook=place.settings(),
        )
        aggregator = Aggregator(wanted, procfs.host_facts())
        started = asyncio.Event()
        task = asyncio.create_task(aggregator.run(started.set))
        await started.wait()
        assert aggregator.port is not None
        client = place.client(place.authority)
        began = time.process_time()
        answers = await asyncio.to_thread(posted, aggregator.port, client, *[body] * 5)
        assert answers == [200] * 5
        spent = time.process_time() - began
        aggregator.stop()
        await task
        return 5 * count / spent

    assert asyncio.run(story()) > 200
