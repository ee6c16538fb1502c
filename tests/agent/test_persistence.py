"""What is known of containers is never behind their events: not after a power cut at any moment."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensor.agent.descriptions import DescriptionService
from sensor.agent.judging import Judging
from sensor.agent.parsers import parsers
from sensor.agent.persistence import Persistence
from sensor.agent.pipeline import Pipeline
from sensor.correlate.events import Clock
from sensor.correlate.inventory import known_of
from sensor.model.agent_records import ClockSynced
from sensor.model.container import Orchestrator
from sensor.model.events import Event, PreviousRun
from sensor.model.inventory import ContainerDescribed, KnownContainer
from sensor.model.kernel_records import CommandExec
from sensor.model.observations import Observation
from sensor.model.vocabulary import StartKind
from sensor.sources.kernel import KernelSource
from sensor.store import knowledge
from sensor.store.log import StoreSettings
from sensor.store.reader import connect
from tests.agent.test_pipeline import Descriptions, Disk
from tests.correlate.observations import HOST, OFFSET, attached, wall
from tests.correlate.observations import knowledge as restored
from tests.correlate.scenario import DB, PLAIN, WEB, Box, Core

PATIENCE = 10.0
NEXT_BOOT = "the next boot"
POD = Orchestrator(type="kubernetes", pod_uid="uid-1", container="db", attempt=0)
BOXES = (WEB, DB.in_pod("uid-1"), PLAIN)
LATER = 10_000.0
"""When the next agent comes, in ms: all is over."""
GROUP_SECONDS = 3600.0
"""A transaction is made when a test asks for it."""

Known = dict[knowledge.Key, KnownContainer]

Cut = tuple[int, bool]
"""A number of observations that make a batch, and whether a checkpoint follows it."""

CUTS = st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=8, max_size=8)


def history(order: Sequence[int]) -> list[Observation]:
    """Lives of the boxes, one after the other; a number says whose comes next."""
    next_run, found = list(BOXES), []
    for place, number in enumerate(order):
        box = next_run[number]
        next_run[number] = box.again()
        found += _life(box, 100 * place)
    return found


def reported_of(events: Iterable[Event]) -> dict[str, tuple[object, ...]]:
    """Return what events say of containers, by their ids."""
    about = [event for event in events if event.container is not None]
    return {event.id: (event.type, event.start, event.stop, event.initiator) for event in about}


def _life(box: Box, at: float) -> list[Observation]:
    pod = POD if box.name == DB.name else None
    return [box.create(at), box.described(at + 1, pod=pod), box.execs(at + 5), box.exits(at + 50)]


class Noting(Pipeline):
    """Remembers what was known at the last checkpoint."""

    noted: Known
    released = 0
    """How many of the observations the kernel needs to keep no more."""
    fed = 0

    def known(self) -> Known:
        """Return what the core knows of all that ever ran."""
        clock = Clock(realtime_offset=OFFSET, host=HOST)
        every = [known_of(state, clock) for state in self.core.table.all() if state.starts]
        return {(one.id, one.scope): one for one in every}

    def checkpoint(self) -> None:
        super().checkpoint()
        self.noted = self.known()
        if not self.core.waiting():
            self.released = self.fed


class Trial:
    """A pipeline with a real store, of which the disk is looked at between transactions."""

    def __init__(self, directory: Path) -> None:
        self.persistence = Persistence(
            directory, StoreSettings(group_seconds=GROUP_SECONDS), HOST.boot_id, lambda _: None
        )
        self.pipeline = Noting(
            parsers(),
            persistence=self.persistence,
            source=cast("KernelSource", Disk()),
            descriptions=cast("DescriptionService", Descriptions()),
            judging=Judging(directory, directory, lambda _: None, lambda _: None),
        )
        self.pipeline.noted = {}
        self.pipeline.feed([HOST, ClockSynced(0, OFFSET)])

    def on_disk(self, boot_id: str) -> Known:
        """Return what the next agent knows if it is one of that boot."""
        assert self.persistence.store.flush(PATIENCE)
        with closing(connect(self.persistence.store.path)) as connection:
            noted, ahead = knowledge.read(connection, 0), knowledge.read_ahead(connection)
        found = knowledge.completed(noted, ahead, boot_id, 0)
        return {(one.id, one.scope): one for one in found.containers} if found else {}

    def reported(self) -> frozenset[str]:
        """Return the ids of the events on the disk."""
        return self.persistence.resume().ids


async def cuts_the_power_everywhere(order: Sequence[int], cuts: Sequence[Cut]) -> None:
    with tempfile.TemporaryDirectory() as base:
        trial = Trial(Path(base))
        pipeline, rest = trial.pipeline, history(order)
        for size, checkpoint in cuts:
            batch, rest = rest[:size], rest[size:]
            pipeline.feed(batch)
            assert trial.on_disk(NEXT_BOOT) == pipeline.known()
            assert trial.on_disk(HOST.boot_id) == pipeline.noted
            if checkpoint:
                pipeline.checkpoint()
                assert trial.on_disk(NEXT_BOOT) == pipeline.known()
                assert trial.on_disk(HOST.boot_id) == pipeline.noted
        trial.pipeline.stop()
        trial.persistence.close()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(order=st.lists(st.integers(0, 2), min_size=1, max_size=5), cuts=CUTS)
def test_after_a_power_cut_at_any_moment_all_is_known_that_was_reported(
    order: list[int], cuts: list[Cut]
) -> None:
    """In its own boot the next agent has what was noted: it reads the kernel's records again."""
    asyncio.run(cuts_the_power_everywhere(order, cuts))


def reads_again(heir: Core, every: Sequence[Observation], released: int) -> None:
    """Feed what the kernel kept, with commands of before as background, and answer requests."""
    descriptions = {one.id: one for one in every if isinstance(one, ContainerDescribed)}
    for number, one in enumerate(every):
        if isinstance(one, ContainerDescribed):
            continue
        if number >= released:
            heir >> one
        elif isinstance(one, CommandExec):
            heir >> replace(one, again=True)
        while heir.requests:
            heir >> replace(descriptions[heir.requests.pop().id], time=heir.now)


async def kills_everywhere(order: Sequence[int], cuts: Sequence[Cut]) -> None:
    every = history(order)
    whole = Core()
    whole >> attached(0)
    for one in every:
        whole >> one
    expected = reported_of(whole.events)
    with tempfile.TemporaryDirectory() as base:
        trial = Trial(Path(base))
        pipeline = trial.pipeline
        for size, checkpoint in cuts:
            batch = every[pipeline.fed : pipeline.fed + size]
            pipeline.fed += len(batch)
            pipeline.feed(batch)
            if checkpoint:
                pipeline.checkpoint()
            heir = Core()
            heir >> restored(LATER, *trial.on_disk(HOST.boot_id).values()) >> attached(0)
            reads_again(heir, every, pipeline.released)
            reported = trial.reported()
            later = {
                id_: what for id_, what in reported_of(heir.events).items() if id_ not in reported
            }
            assert later == {id_: expected[id_] for id_ in expected if id_ not in reported}
        pipeline.stop()
        trial.persistence.close()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(order=st.lists(st.integers(0, 2), min_size=1, max_size=5), cuts=CUTS)
def test_after_a_kill_at_any_moment_the_next_agent_says_the_same(
    order: list[int], cuts: list[Cut]
) -> None:
    asyncio.run(kills_everywhere(order, cuts))


async def starts_again_after_a_power_cut() -> None:
    with tempfile.TemporaryDirectory() as base:
        trial = Trial(Path(base))
        trial.pipeline.feed(_life(PLAIN, 0)[:3])
        known = trial.on_disk(NEXT_BOOT)
        trial.pipeline.stop()
        trial.persistence.close()
    heir = Core()
    earlier = [replace(one, boot_id="earlier") for one in known.values()]
    heir >> restored(0, *earlier, boot_id="earlier") >> attached(0) >> PLAIN.again().life(100)
    start = heir.last_start()
    assert start.kind is StartKind.REACTIVATION
    assert start.previous == PreviousRun(PLAIN.id, wall(5), None, None, None)


def test_a_start_without_a_note_is_known_when_the_container_starts_again() -> None:
    asyncio.run(starts_again_after_a_power_cut())
