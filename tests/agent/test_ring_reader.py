"""When the rings are read: not while behind, at once when that is over, and on the tick."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

from sensor.agent.descriptions import DescriptionService
from sensor.agent.persistence import Persistence
from sensor.agent.ring_reader import LOOK_LAST, REST, RingReader
from sensor.agent.sources import OptionalSources
from sensor.clock import TICK
from sensor.model.agent_records import Heartbeat
from sensor.model.observations import Observation
from sensor.sources.kernel import KernelSource

PATIENCE = 10.0


class Rings:
    """A source of made-up records; its descriptor is readable as long as no reader took them."""

    def __init__(self) -> None:
        self._reads, self._writes = os.pipe()
        os.set_blocking(self._reads, False)
        self.observations = 0
        self.waiting = 0
        self.drains = 0

    @property
    def descriptor(self) -> int:
        return self._reads

    @property
    def has_more(self) -> bool:
        return self.waiting > 0

    def is_pressing(self) -> bool:
        return False

    def wake(self) -> None:
        self.waiting += 1
        os.write(self._writes, b"!")

    def drain(self) -> list[Observation]:
        self.drains += 1
        taken, self.waiting = self.waiting, 0
        self.observations += taken
        return [Heartbeat(number) for number in range(taken)]

    def rearm(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._reads, 1 << 16)

    def close(self) -> None:
        os.close(self._reads)
        os.close(self._writes)


class Others:
    """What a drain asks beside the rings: all in one."""

    def __init__(self) -> None:
        self.is_busy = False
        self.asked = 0
        self.on_taken: Callable[[], None] = lambda: None

    def is_behind(self) -> bool:
        self.asked += 1
        return False

    def taken(self) -> list[Observation]:
        return []

    def sift(self, records: list[Observation]) -> list[Observation]:
        return records

    def drain(self) -> list[Observation]:
        return []


class Bench:
    def __init__(self) -> None:
        self.rings = Rings()
        self.others = Others()
        self.fed: list[Observation] = []
        self.changed = asyncio.Event()
        self.ticks = 0
        self.while_fed: Callable[[], None] = lambda: None
        self.drain = RingReader(
            cast("KernelSource", self.rings),
            cast("OptionalSources", self.others),
            cast("DescriptionService", self.others),
            cast("Persistence", self.others),
            self._feed,
            on_tick=self._beat,
        )
        self.drain.start()

    def get_behind(self) -> None:
        """What is read next keeps others busy."""
        self.others.is_busy = True
        self.drain.poll()

    def _feed(self, observations: list[Observation]) -> None:
        self.fed += observations
        self.changed.set()
        while_fed, self.while_fed = self.while_fed, lambda: None
        while_fed()

    def _beat(self) -> None:
        self.ticks += 1

    async def until_fed(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(self.fed) < count:
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def opened() -> AsyncIterator[Bench]:
    bench = Bench()
    try:
        yield bench
    finally:
        await bench.drain.stop()
        bench.rings.close()


async def rests() -> None:
    async with opened() as bench:
        bench.get_behind()
        turns = 0
        turn = bench.drain.poll

        def counted() -> None:
            nonlocal turns
            turns += 1
            turn()

        bench.drain.poll = counted  # type: ignore[method-assign]  # it counts turns
        bench.drain.start()
        bench.rings.wake()
        await asyncio.sleep(10 * REST)
        assert bench.fed == []
        assert 1 <= turns <= 12
        bench.others.is_busy = False
        await bench.until_fed(1)


def test_while_behind_nothing_is_read_and_the_loop_is_left_alone() -> None:
    asyncio.run(rests())


async def goes_on() -> None:
    async with opened() as bench:
        bench.get_behind()
        bench.rings.wake()
        while bench.drain._resting is None:
            await asyncio.sleep(0)
        bench.others.is_busy = False
        bench.others.on_taken()
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(bench.fed) == 1, "without waiting for the end of the rest"


def test_reading_goes_on_as_soon_as_answers_were_taken() -> None:
    asyncio.run(goes_on())


async def reads_on() -> None:
    async with opened() as bench:
        bench.while_fed = bench.rings.wake
        bench.rings.wake()
        await bench.until_fed(2)
        assert bench.ticks == 0, "at once, not on the tick"
        drains = bench.rings.drains
        for _ in range(10):
            await asyncio.sleep(0)
        assert bench.rings.drains == drains, "its own wake-up is answered as well"


def test_what_comes_while_a_batch_is_fed_is_read_at_once() -> None:
    asyncio.run(reads_on())


async def looks() -> None:
    async with opened() as bench:
        bench.rings.wake()
        await bench.until_fed(1)
        # An end that wakes no reader.
        bench.rings.waiting += 1
        began = asyncio.get_running_loop().time()
        await bench.until_fed(2)
        assert asyncio.get_running_loop().time() - began < 2 * TICK
        assert bench.ticks >= 1
        drains, span = bench.rings.drains, 2 * LOOK_LAST
        await asyncio.sleep(span)
        assert bench.rings.drains - drains <= 4, "twice as long each time, then not at all"


def test_what_wakes_no_reader_is_found_on_the_next_beat() -> None:
    asyncio.run(looks())
