"""The outputs in the agent's loop: from events that are kept to lines in a collector's file."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from sensor import clock
from sensor.agent.delivery import Delivery, DeliverySettings
from sensor.agent.persistence import Persistence, Published
from sensor.errors import ConfigError
from sensor.model.agent_records import Notice, StoreLoss
from sensor.model.events import Event
from sensor.model.observations import Observation
from sensor.outputs.file.jsonl import JsonlSettings
from sensor.outputs.kafka.settings import KafkaSettings
from sensor.outputs.settings import OutputSettings, StartAt
from sensor.schema import document
from sensor.schema.filters import Filters
from sensor.store.log import StoreSettings
from tests.outputs.sample_events import HOST, START

SECOND = 1_000_000_000
PATIENCE = 20.0


def events(*numbers: int) -> tuple[Event, ...]:
    return tuple(
        replace(START, id=f"{number:032x}", time=START.time + number * SECOND) for number in numbers
    )


def local(directory: Path, name: str = "local") -> OutputSettings:
    own = JsonlSettings(directory / f"{name}.jsonl")
    return OutputSettings(name, "jsonl", own, "native", Filters(), StartAt.OLDEST)


class Node:
    """A keeper and the outputs on it."""

    def __init__(
        self, directory: Path, *outputs: OutputSettings, settings: StoreSettings | None = None
    ) -> None:
        self.fed: list[Observation] = []
        self.keeper = Persistence(
            directory,
            settings or StoreSettings(sync="normal"),
            HOST.boot_id,
            self.fed.extend,
        )
        self.shipping = Delivery(DeliverySettings(outputs, flush_seconds=5.0), HOST)
        self.shipping.open(self.keeper)

    def keep(self, kept: tuple[Event, ...]) -> None:
        self.keeper.keep([Published(event, document.encode_line(event), {}) for event in kept])

    async def close(self) -> None:
        await asyncio.to_thread(self.keeper.store.flush, PATIENCE)
        await self.shipping.close()
        self.keeper.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def shipped(path: Path) -> list[int]:
    if not path.exists():
        return []
    # A line that is being written may be there in part.
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return [int(json.loads(line)["id"], 16) for line in whole.splitlines()]


def test_what_is_kept_is_shipped_while_the_agent_runs(tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path, local(tmp_path))
        node.keep(events(1, 2, 3))
        await until(lambda: shipped(tmp_path / "local.jsonl") == [1, 2, 3])
        node.keep(events(4))
        await until(lambda: shipped(tmp_path / "local.jsonl") == [1, 2, 3, 4])
        (state,) = node.shipping.states()
        assert (state.name, state.type, state.circuit) == ("local", "jsonl", "closed")
        await node.close()

    asyncio.run(main())


def test_what_was_kept_at_the_end_is_shipped_before_it(tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path, local(tmp_path))
        node.keep(events(*range(1, 1001)))
        await node.close()

    asyncio.run(main())
    assert shipped(tmp_path / "local.jsonl") == list(range(1, 1001))


def test_an_operator_has_everything_since_a_time_shipped_again(tmp_path: Path) -> None:
    async def main() -> None:
        node = Node(tmp_path, local(tmp_path))
        node.keep(events(1, 2, 3, 4))
        await until(lambda: len(shipped(tmp_path / "local.jsonl")) == 4)
        await until(lambda: node.shipping.states()[0].cursor == 4)
        # Shortly before the third, by the clock as it is now.
        since = events(3)[0].time + clock.realtime_offset() - SECOND // 2
        rewound = await node.shipping.rewind("local", since)
        assert (rewound.output, rewound.cursor) == ("local", 2)
        await until(lambda: shipped(tmp_path / "local.jsonl") == [1, 2, 3, 4, 3, 4])
        with pytest.raises(ValueError, match="nothing is kept"):
            await node.shipping.rewind("local", since + 10**15)
        with pytest.raises(KeyError):
            await node.shipping.rewind("other", 0)
        assert await node.shipping.retry_dead("local") == 0
        await node.close()

    asyncio.run(main())


def test_an_output_that_is_configured_no_more_is_forgotten_and_said_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        node = Node(tmp_path, local(tmp_path), local(tmp_path, "old"))
        node.keep(events(1))
        await node.close()
        node = Node(tmp_path, local(tmp_path))
        await node.close()
        node = Node(tmp_path)
        assert set(node.keeper.store.cursors) == {"local"}
        assert node.shipping.states() == ()
        await node.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert [one for one in caplog.messages if "output old is configured no more" in one]


def _lags_by(node: Node, count: int) -> bool:
    return node.shipping.states()[0].lag_events == count


def test_what_retention_takes_from_an_output_is_a_gap_of_that_time(tmp_path: Path) -> None:
    async def main() -> None:
        unreachable = local(tmp_path / "missing")
        small = StoreSettings(sync="normal", max_bytes=400_000)
        node = Node(tmp_path, unreachable, settings=small)
        for number in range(1, 4000, 100):
            node.keep(events(*range(number, number + 100)))
        await asyncio.to_thread(node.keeper.store.flush, PATIENCE)
        await asyncio.to_thread(node.keeper.store.close, PATIENCE)
        missing = node.keeper.reader.extent().oldest
        losses = [one for one in node.fed if isinstance(one, StoreLoss)]
        assert sum(one.lost or 0 for one in losses) == missing > 0
        assert losses[0].reason == "retention took events that local had not shipped"
        offset = clock.realtime_offset()
        first, last = events(1, missing)
        begun, ended = losses[0].since + offset, losses[-1].time + offset
        assert abs(begun - first.time - first.realtime_offset) < SECOND
        assert abs(ended - last.time - last.realtime_offset) < SECOND
        # The output's thread learns of it a moment after the store.
        counted = partial(_lags_by, node, 4000 - missing)
        await until(counted)
        await node.shipping.close()

    asyncio.run(main())


def test_an_output_that_cannot_work_is_refused_before_anything_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    own = KafkaSettings(brokers=("127.0.0.1:9",))
    output = OutputSettings("queue", "kafka", own, "native", Filters(), StartAt.OLDEST)
    with pytest.raises(ConfigError, match="confluent_kafka"):
        Delivery(DeliverySettings((output,)), HOST)


def test_what_is_shipped_says_where_it_stands_in_the_log(tmp_path: Path) -> None:
    async def main() -> str | None:
        node = Node(tmp_path, local(tmp_path))
        node.keep(events(1, 2, 2, 3))
        await until(lambda: shipped(tmp_path / "local.jsonl") == [1, 2, 3])
        stream = node.keeper.health().stream
        await node.close()
        return stream

    log_id = asyncio.run(main())
    lines = (tmp_path / "local.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["log"] for line in lines] == [
        {"id": log_id, "sequence": number} for number in (1, 2, 3)
    ]


def test_the_head_of_the_log_is_reported_when_it_is_opened_and_when_the_agent_stops(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        node = Node(tmp_path)
        (opened,) = node.keeper.opened()
        assert isinstance(opened, Notice)
        assert opened.log is not None
        assert (opened.action, opened.log.sequence) == ("log_opened", 0)
        assert opened.detail == opened.log.broken == "the log begins here"
        node.keep(events(1, 2, 3))
        (stopped,) = await asyncio.to_thread(node.keeper.stopped)
        assert isinstance(stopped, Notice)
        assert stopped.log is not None
        assert (stopped.action, stopped.log.sequence, stopped.log.oldest) == ("agent_stopped", 3, 1)
        await node.close()
        again = Node(tmp_path)
        (opened,) = again.keeper.opened()
        assert isinstance(opened, Notice)
        assert opened.log == stopped.log
        assert opened.detail is None
        await again.close()

    asyncio.run(main())
