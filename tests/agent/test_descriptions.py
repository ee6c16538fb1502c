"""Answers of the describer wake the loop only when a start waits for one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from lab.waiting import until
from sensor.agent.descriptions import MOST, DescriptionService
from sensor.identity.describer import Describer
from sensor.model.container import Description
from sensor.model.inventory import ContainerDescribed
from sensor.model.observations import Observation
from sensor.model.requests import DescribeRequest
from sensor.model.vocabulary import ContainerId

PATIENCE = 10


class Reader:
    """Describes when it is let."""

    host_mnt_ns = None

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.described = 0

    def describe(self, request: DescribeRequest) -> Description:
        assert self.gate.wait(PATIENCE)
        self.described += 1
        return Description(request.id)


class Bench:
    def __init__(self) -> None:
        self.reader = Reader()
        self.fed: list[str] = []
        self.changed = asyncio.Event()
        self.describing = DescriptionService(cast("Describer", self.reader), self._feed)

    def _feed(self, observations: list[Observation]) -> None:
        self.fed += [one.id for one in observations if isinstance(one, ContainerDescribed)]
        self.changed.set()

    def ask(self, *ids: str) -> None:
        self.describing.submit(request(id_) for id_ in ids)

    def await_described(self, count: int) -> None:
        until(lambda: self.reader.described >= count, "it is described")
        until(lambda: len(self.describing._answers) >= count, "the answer is there")


def request(id_: str) -> DescribeRequest:
    return DescribeRequest(ContainerId(id_), None, None, None, None, None, None, None, None)


@asynccontextmanager
async def opened() -> AsyncIterator[Bench]:
    bench = Bench()
    try:
        yield bench
    finally:
        bench.reader.gate.set()
        bench.describing.close()


async def waits_until_taken() -> None:
    async with opened() as bench:
        bench.ask("web", "db")
        bench.await_described(2)
        await asyncio.sleep(0)
        assert bench.fed == []
        assert bench.describing.under_way == 2
        bench.describing.take()
        assert bench.fed == ["web", "db"]
        assert bench.describing.under_way == 0


def test_an_answer_that_no_caller_waits_for_is_taken_with_the_next_records() -> None:
    asyncio.run(waits_until_taken())


async def wakes() -> None:
    async with opened() as bench:
        bench.reader.gate.clear()
        bench.ask("web")
        bench.describing.expect(awaited=True)
        bench.reader.gate.set()
        await asyncio.wait_for(bench.changed.wait(), PATIENCE)
        assert bench.fed == ["web"]


def test_an_answer_that_a_start_waits_for_is_fed_at_once() -> None:
    asyncio.run(wakes())


async def is_not_missed() -> None:
    async with opened() as bench:
        bench.ask("web")
        bench.await_described(1)
        bench.describing.expect(awaited=True)
        await asyncio.wait_for(bench.changed.wait(), PATIENCE)
        assert bench.fed == ["web"]


def test_an_answer_that_came_before_it_was_awaited_is_not_missed() -> None:
    asyncio.run(is_not_missed())


async def lets_reading_go_on() -> None:
    async with opened() as bench:
        went_on = asyncio.Event()
        bench.describing.on_taken = went_on.set
        bench.ask(*(f"c{number}" for number in range(MOST + 1)))
        async with asyncio.timeout(PATIENCE):
            while bench.describing.is_busy:
                went_on.clear()
                await went_on.wait()
        assert bench.fed


def test_answers_that_the_reading_of_records_waits_for_wake_though_no_start_does() -> None:
    asyncio.run(lets_reading_go_on())


async def holds_more_back() -> None:
    async with opened() as bench:
        bench.reader.gate.clear()
        bench.ask(*(f"c{number}" for number in range(MOST)))
        assert not bench.describing.is_busy
        bench.ask("one too many")
        assert bench.describing.is_busy


def test_too_much_under_way_holds_more_back() -> None:
    asyncio.run(holds_more_back())
