"""The Kafka output against librdkafka's mock cluster."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import sys
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sensor.errors import ConfigError
from sensor.outputs.delivery import Delivered, Outcome, Retry
from sensor.outputs.kafka import output, settings
from sensor.outputs.kafka.settings import KafkaCompression, KafkaSettings
from sensor.outputs.network.tls import TlsSettings
from sensor.outputs.registry import Surroundings, format_of
from tests.outputs.batches import NATIVE, batch_of, batches_of, golden_records, starts
from tests.outputs.kafka_cluster import Cluster, cluster
from tests.outputs.rsyslog import free_port
from tests.outputs.sample_events import HOST
from tests.outputs.syslog.sending import large
from tests.outputs.test_lines import BATCH as DAMAGED_BATCH

Result = TypeVar("Result")

SURROUNDINGS = Surroundings(HOST, "1.2.3", "bus")
NOT_ENOUGH_REPLICAS = 19
INVALID_RECORD = 87
UNKNOWN_TOPIC = 3
TOPIC_AUTHORIZATION_FAILED = 29


@pytest.fixture
def mock() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have librdkafka give up early."""
    monkeypatch.setattr(settings, "DELIVERY_SECONDS", 1)


def transport_to(*brokers: str, **keys: Any) -> output.KafkaTransport:
    return output._make(KafkaSettings(brokers, **keys), NATIVE, SURROUNDINGS)


def run(scenario: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(asyncio.wait_for(scenario, 60))


def delivered(transport: output.KafkaTransport, records: list[Any]) -> Outcome:
    async def scenario() -> Outcome:
        try:
            return await transport.deliver(batch_of(records))
        finally:
            await transport.close()

    return run(scenario())


@pytest.mark.parametrize("compression", list(KafkaCompression))
def test_every_event_is_stored_whole_in_order_in_the_partition_of_its_host(
    compression: KafkaCompression, mock: Cluster
) -> None:
    records = golden_records()

    async def scenario() -> None:
        transport = transport_to(*mock.addresses, compression=compression)
        first, second, *rest = batches_of(records, 40)
        outcomes = [*await asyncio.gather(transport.deliver(first), transport.deliver(second))]
        outcomes += [await transport.deliver(batch) for batch in rest]
        assert outcomes == [Delivered()] * len(outcomes)
        assert transport.connection.connected
        await transport.close()

    run(scenario())
    messages = mock.stored(len(records))
    assert [json.loads(one.value() or b"") for one in messages] == [
        json.loads(record.line) for record in records
    ]
    assert len({one.partition() for one in messages}) == 1
    assert messages[0].key() == (HOST.machine_id or "").encode()
    assert messages[0].timestamp()[1] == 1_700_000_000_123
    assert dict(messages[0].headers() or []) == {
        "castoff-id": records[0].id.encode(),
        "castoff-type": records[0].type.encode(),
    }


def test_nothing_is_lost_or_doubled_when_the_brokers_go_and_come_back(mock: Cluster) -> None:
    records = starts(1, 1500)

    async def scenario() -> None:
        transport = transport_to(*mock.addresses)
        for number, batch in enumerate(batches_of(records)):
            if number == 6:
                mock.down()
                under_way = asyncio.create_task(transport.deliver(batch))
                await asyncio.sleep(0)
                mock.up()
                assert await under_way == Delivered()
            else:
                assert await transport.deliver(batch) == Delivered()
        await transport.close()

    run(scenario())
    stored = [dict(one.headers() or [])["castoff-id"] for one in mock.stored(len(records))]
    assert stored == [record.id.encode() for record in records]


def test_an_error_that_passes_is_mended_by_the_library(mock: Cluster) -> None:
    mock.fail_next(NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS)
    records = starts(1, 10)
    assert delivered(transport_to(*mock.addresses), records) == Delivered()
    assert len(mock.stored(len(records))) == len(records)


def test_an_event_over_the_limit_is_rejected_and_the_others_are_stored(mock: Cluster) -> None:
    records = [*starts(1, 1), large(2, 70_000), *starts(3, 1)]
    outcome = delivered(transport_to(*mock.addresses, max_bytes=60_000), records)
    assert isinstance(outcome, Delivered)
    (rejection,) = outcome.rejected
    assert rejection.sequence == 2
    assert "too large" in rejection.reason.lower()
    stored = [dict(one.headers() or [])["castoff-id"] for one in mock.stored(2)]
    assert stored == [records[0].id.encode(), records[2].id.encode()]


def test_what_a_broker_calls_invalid_is_rejected(mock: Cluster) -> None:
    mock.fail_next(INVALID_RECORD)
    outcome = delivered(transport_to(*mock.addresses), starts(1, 1))
    assert isinstance(outcome, Delivered)
    assert [one.sequence for one in outcome.rejected] == [1]


@pytest.mark.usefixtures("hasty")
def test_a_forbidden_topic_is_a_matter_of_credentials(mock: Cluster) -> None:
    mock.forget(TOPIC_AUTHORIZATION_FAILED)
    outcome = delivered(transport_to(*mock.addresses), starts(1, 1))
    assert isinstance(outcome, Retry)
    assert outcome.credentials


@pytest.mark.usefixtures("hasty")
def test_an_unknown_topic_costs_no_event(mock: Cluster) -> None:
    mock.forget(UNKNOWN_TOPIC)
    outcome = delivered(transport_to(*mock.addresses), starts(1, 1))
    assert isinstance(outcome, Retry)
    assert not outcome.credentials


@pytest.mark.usefixtures("hasty")
def test_absent_brokers_are_retried_with_the_reason(capfd: pytest.CaptureFixture[str]) -> None:
    outcome = delivered(transport_to(f"127.0.0.1:{free_port()}"), starts(1, 3))
    assert isinstance(outcome, Retry)
    assert "refused" in outcome.reason.lower() or "down" in outcome.reason.lower()
    assert capfd.readouterr().err == ""


def test_a_file_that_cannot_be_used_is_named(tmp_path: Any) -> None:
    tls = TlsSettings(ca=tmp_path / "none.pem")
    outcome = delivered(transport_to("127.0.0.1:1", tls=tls), starts(1, 1))
    assert isinstance(outcome, Retry)
    assert outcome.configuration
    assert "ssl.ca.location" in outcome.reason


def test_batches_that_begin_together_are_stored_in_their_order(mock: Cluster) -> None:
    """The engine begins a window of them at once, also with a producer that is yet to be made."""
    records = starts(1, 400)

    async def scenario() -> None:
        transport = transport_to(*mock.addresses)
        batches = batches_of(records)
        outcomes = await asyncio.gather(*(transport.deliver(batch) for batch in batches))
        assert outcomes == [Delivered()] * len(batches)
        await transport.close()

    run(scenario())
    stored = [dict(one.headers() or [])["castoff-id"] for one in mock.stored(len(records))]
    assert stored == [record.id.encode() for record in records]
    assert [one.name for one in threading.enumerate() if one.name == "castoff-kafka"] == []


def threads_of_the_library() -> int:
    """How many there are in this process; librdkafka names them ``rdk:…``."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            names.append((task / "comm").read_text())
    return sum(name.startswith("rdk:") for name in names)


@pytest.mark.usefixtures("hasty")
def test_no_thread_of_the_library_is_left_after_a_failure() -> None:
    async def scenario() -> None:
        before = threads_of_the_library()
        transport = transport_to(f"127.0.0.1:{free_port()}")
        for _ in range(3):
            delivery = asyncio.create_task(transport.deliver(batch_of(starts(1, 1))))
            async with asyncio.timeout(10):
                while threads_of_the_library() <= before:
                    await asyncio.sleep(0.01)
            assert isinstance(await delivery, Retry)
        await transport.close()
        async with asyncio.timeout(10):
            while threads_of_the_library() > before:
                await asyncio.sleep(0.01)

    gc.disable()
    try:
        run(scenario())
    finally:
        gc.enable()


def test_closing_ends_the_thread_and_what_waits(mock: Cluster) -> None:
    async def scenario() -> None:
        transport = transport_to(*mock.addresses)
        await transport.deliver(batch_of(starts(1, 1)))
        mock.down()
        under_way = asyncio.create_task(transport.deliver(batch_of(starts(2, 1))))
        await asyncio.sleep(0)
        producer = transport._producer
        assert producer is not None
        await transport.close()
        assert not producer._thread.is_alive()
        outcome = await asyncio.wait_for(under_way, 5)
        assert isinstance(outcome, Retry)

    run(scenario())


def test_what_is_not_an_event_is_rejected_and_the_others_are_stored(mock: Cluster) -> None:
    settings = KafkaSettings(tuple(mock.addresses))
    transport = output._make(settings, format_of("ecs"), SURROUNDINGS)
    outcome = delivered(transport, list(DAMAGED_BATCH.records))
    assert isinstance(outcome, Delivered)
    assert [one.sequence for one in outcome.rejected] == [2]
    assert len(mock.stored(2)) == 2


def test_a_missing_library_is_reported_with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(ConfigError) as missing:
        transport_to("x:1")
    assert "python3-confluent-kafka" in missing.value.fix
