"""Topics are consumed from the begin, and offsets are committed after events are durable."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest

from sensor.agent.aggregator import Aggregator
from sensor.agent.aggregator_settings import AggregatorSettings
from sensor.agent.config import Config
from sensor.agent.receivers import kafka_input
from sensor.agent.receivers.kafka_input import KafkaInput, Taken, librdkafka
from sensor.agent.receivers.settings import KafkaSection
from sensor.settings.secret import Secret
from sensor.sources import procfs
from tests.outputs.kafka_cluster import TOPIC, Cluster, cluster

LINES = (
    (Path(__file__).parents[2] / "corpora/controlplane/aws/cloudtrail.jsonl")
    .read_bytes()
    .splitlines()
)


PROMPT = {"session.timeout.ms": 1000, "heartbeat.interval.ms": 200, "fetch.wait.max.ms": 50}
"""The mock keeps a member that left until its session ends, and answers no sooner than asked."""


@pytest.fixture
def mock() -> Iterator[Cluster]:
    with cluster(1, 2) as running:
        yield running


def section(mock: Cluster, group: str = "castoff") -> KafkaSection:
    return KafkaSection(tuple(mock.addresses), (TOPIC,), group, encrypted=False)


def produced(mock: Cluster, *values: bytes | None) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": mock.addresses[0]})
    for value in values:
        producer.produce(TOPIC, value, partition=0)
    assert producer.flush(20) == 0


async def consumed(
    mock: Cluster, enough: Callable[[list[Taken]], bool], failures: int = 0
) -> list[Taken]:
    """Consume until it is enough; the first batches fail as on a full disk."""
    taken: list[Taken] = []
    done = asyncio.Event()
    left = failures

    async def take(messages: list[Taken]) -> None:
        nonlocal left
        if left:
            left -= 1
            raise TimeoutError
        taken.extend(messages)
        if enough(taken):
            done.set()

    reading = KafkaInput(section(mock), take)
    reading._settings.update(PROMPT)
    task = asyncio.create_task(reading.run())
    async with asyncio.timeout(60):
        await done.wait()
        while reading.messages < len(taken):
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait((task,))
    return taken


def test_messages_come_from_the_begin_in_their_order(mock: Cluster) -> None:
    produced(mock, b"one", None, b"two", b"three")
    taken = asyncio.run(consumed(mock, lambda found: len(found) >= 3))
    assert [one.data for one in taken] == [b"one", b"two", b"three"]
    assert [one.offset for one in taken] == [0, 2, 3]


def test_what_was_taken_is_not_consumed_again(mock: Cluster) -> None:
    produced(mock, b"one", b"two")
    asyncio.run(consumed(mock, lambda found: len(found) >= 2))
    produced(mock, b"three")
    taken = asyncio.run(consumed(mock, lambda found: len(found) >= 1))
    assert [one.data for one in taken] == [b"three"]


def test_a_disk_that_does_not_take_a_batch_gets_it_again(
    mock: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_input, "PAUSE_SECONDS", 0.01)
    produced(mock, b"one")
    taken = asyncio.run(consumed(mock, lambda found: len(found) >= 1, failures=2))
    assert [one.data for one in taken] == [b"one"]


def test_the_service_makes_events_of_messages(mock: Cluster, tmp_path: Path) -> None:
    hub = json.dumps({"records": [json.loads(line) for line in LINES[:2]]}).encode()
    produced(mock, LINES[2], b"no JSON", gzip.compress(LINES[3]), hub)
    settings = AggregatorSettings.of(Config(), (), None, ())
    out: list[str | None] = []

    async def story() -> None:
        wanted = AggregatorSettings(
            (), tmp_path, settings.store, settings.shipping, 0, kafka=section(mock)
        )
        service = Aggregator(wanted, procfs.host_facts())
        keep = service._keep

        def kept(keeper: Any, events: Any) -> None:
            out.extend(one.request.id for one in events if one.request)
            keep(keeper, events)

        service._keep = kept  # type: ignore[method-assign]  # it looks on
        task = asyncio.create_task(service.run())
        async with asyncio.timeout(60):
            while len(out) < 4:
                await asyncio.sleep(0.02)
        service.stop()
        await task
        assert service._counts.bad == 1

    asyncio.run(story())
    assert sorted(map(str, out)) == sorted(json.loads(line)["eventID"] for line in LINES[:4])


def test_event_hubs_want_sasl_over_tls() -> None:
    hubs = KafkaSection(
        ("ns.servicebus.windows.net:9093",),
        ("audit",),
        user="$ConnectionString",
        password=Secret("Endpoint=sb://ns"),
    )
    settings_of_library = librdkafka(hubs)
    assert (settings_of_library["security.protocol"], settings_of_library["sasl.mechanism"]) == (
        "sasl_ssl",
        "PLAIN",
    )
    assert settings_of_library["ssl.endpoint.identification.algorithm"] == "https"
    assert settings_of_library["enable.auto.commit"] is False
