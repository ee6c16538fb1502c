"""What comes of a batch is handed on, and the kernel's records go when it is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from sensor.agent.descriptions import DescriptionService
from sensor.agent.judging import Judging
from sensor.agent.parsers import parsers
from sensor.agent.persistence import Persistence, Published
from sensor.agent.pipeline import Pipeline, Sink
from sensor.clock import TICK
from sensor.correlate.core import Correlator
from sensor.model.agent_records import ClockSynced
from sensor.model.events import Event
from sensor.model.inventory import KnownContainer
from sensor.model.requests import DescribeRequest
from sensor.model.vocabulary import ContainerId
from sensor.sources.kernel import KernelSource, ReadUpTo
from tests.correlate.observations import HOST, OFFSET
from tests.correlate.scenario import DB, WEB

PATIENCE = 10.0


class Disk:
    """A keeper whose disk takes its time, and the rings of the kernel in one."""

    def __init__(self) -> None:
        self.kept: list[Event] = []
        self.known: list[list[tuple[str, bool]]] = []
        """For each of them which containers it left running or stopped."""
        self.notes = 0
        self.marked: list[ReadUpTo] = []
        self.is_durable = False
        self.given_back: list[ReadUpTo] = []
        self.position = 0

    def keep(self, published: Sequence[Published]) -> None:
        self.kept += [one.event for one in published]
        self.known += [
            [(known.id, known.running) for known in one.known.values()] for one in published
        ]

    def learn(self, core: Correlator) -> dict[tuple[ContainerId, str | None], KnownContainer]:
        changed, _ = core.changes()
        return {(known.id, known.scope): known for known in changed}

    def note(self, core: Correlator) -> None:
        assert core is not None
        self.notes += 1

    def mark(self, read: ReadUpTo) -> None:
        self.marked.append(read)

    def released(self) -> ReadUpTo | None:
        return self.marked[-1] if self.is_durable else None

    def is_filling(self) -> bool:
        return False

    def read_up_to(self) -> ReadUpTo:
        return ReadUpTo(self.position, self.position, (("set", self.position, self.position),))

    def release(self, read: ReadUpTo) -> None:
        self.given_back.append(read)


class Shown:
    """Takes events as standard output does, and returns what was pushed together."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.groups: list[list[str]] = []

    def take(self, event: Event, line: bytes, *, more: bool) -> None:
        assert line.endswith(b"\n")
        self.waiting.append(event.type)
        if not more:
            self.push()

    def push(self) -> None:
        if self.waiting:
            self.groups.append(self.waiting)
        self.waiting = []


class Descriptions:
    """A service of descriptions that is asked and never answers."""

    awaited = False

    def submit(self, requests: Iterable[DescribeRequest]) -> None:
        del requests

    def expect(self, *, awaited: bool) -> None:
        self.awaited = awaited


def with_disk(*sinks: Sink) -> tuple[Pipeline, Disk]:
    disk = Disk()
    pipeline = Pipeline(
        parsers(),
        persistence=cast("Persistence", disk),
        source=cast("KernelSource", disk),
        descriptions=cast("DescriptionService", Descriptions()),
        judging=Judging(Path("/nonexistent"), Path("/nonexistent"), lambda _: None, lambda _: None),
        sinks=sinks,
    )
    pipeline.feed([HOST, ClockSynced(0, OFFSET)])
    return pipeline, disk


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(TICK / 20)


async def hands_on() -> None:
    pipeline, disk = with_disk()
    shown = Shown()
    pipeline.sinks.append(shown)
    pipeline.feed(WEB.life(0)[:4])
    assert shown.groups == [["container.start"]]
    pipeline.feed([WEB.exits(10), *DB.life(20)])
    assert shown.groups[1:] == [
        ["container.stop"],
        ["container.start", "container.stop"],
    ], "the first of a batch at once, the others together"
    assert [event.type for event in disk.kept] == [
        type_ for group in shown.groups for type_ in group
    ]
    assert pipeline.events == {"container.start": 2, "container.stop": 2}


def test_events_are_shown_and_kept_in_their_order() -> None:
    asyncio.run(hands_on())


async def keeps_what_each_left() -> None:
    pipeline, disk = with_disk()
    pipeline.feed(WEB.life(0)[:4])
    assert disk.known == [[(WEB.id, True)]]
    pipeline.feed([WEB.exits(10), *DB.life(20)])
    assert disk.known[1:] == [[(WEB.id, False)], [(DB.id, True)], [(DB.id, False)]]


def test_each_event_is_kept_with_how_it_left_its_container() -> None:
    asyncio.run(keeps_what_each_left())


async def shows_before_it_remembers() -> None:
    order: list[str] = []

    class Watched(Shown):
        def take(self, event: Event, line: bytes, *, more: bool) -> None:
            order.append("line")
            super().take(event, line, more=more)

    pipeline, _ = with_disk(Watched())
    judge = pipeline._judging.judge_
    remember = judge.memory.note_start

    def noting(*what: Any) -> None:
        order.append("memory")
        remember(*what)

    with patch.object(judge.memory, "note_start", noting):
        pipeline.feed(WEB.life(0)[:4])
    assert order == ["line", "memory"]


def test_a_starts_line_does_not_wait_for_what_the_judge_remembers() -> None:
    asyncio.run(shows_before_it_remembers())


async def releases() -> None:
    pipeline, disk = with_disk()
    disk.position = 7
    pipeline.feed(WEB.life(0)[:4])
    assert disk.marked == [], "one event is noted on the tick"
    await until(lambda: disk.marked)
    assert disk.notes == 1
    await asyncio.sleep(2 * TICK)
    assert disk.given_back == [], "it is not durable yet"
    disk.is_durable = True
    await until(lambda: disk.given_back)
    assert disk.given_back[-1].handled == 7
    settled = len(disk.given_back)
    await asyncio.sleep(2 * TICK)
    assert len(disk.given_back) == settled, "nothing is looked at when all is released"


def test_records_are_released_once_what_they_led_to_is_durable_though_nothing_happens() -> None:
    asyncio.run(releases())


async def marks_a_backlog() -> None:
    pipeline, disk = with_disk()
    disk.position = 9
    pipeline.feed([*WEB.life(0), *DB.life(20)])
    assert [read.handled for read in disk.marked] == [9]
    disk.position = 11
    pipeline.feed([WEB.again().create(50), WEB.again().execs(55)])
    await asyncio.sleep(0)
    assert len(disk.marked) == 1, "a start waits for its description: its record stays"


def test_a_backlog_is_marked_as_it_is_reported_but_not_what_waits() -> None:
    asyncio.run(marks_a_backlog())


async def resumes() -> None:
    before, first = with_disk()
    before.feed(WEB.life(0)[:4])
    (start,) = first.kept
    pipeline, disk = with_disk()
    shown = Shown()
    pipeline.sinks.append(shown)
    pipeline.reported = frozenset({start.id})
    pipeline.feed(WEB.life(0)[:4])
    assert (shown.groups, disk.kept) == ([], []), "it was reported and kept"
    pipeline.feed([WEB.exits(10), *DB.life(20)])
    assert shown.groups == [["container.stop"], ["container.start", "container.stop"]]
    assert [event.type for event in disk.kept] == [t for group in shown.groups for t in group]


def test_an_event_of_the_log_is_not_reported_again() -> None:
    """Case same-start-another-time."""
    asyncio.run(resumes())
