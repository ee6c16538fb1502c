"""The core as a whole: losses are said, nothing makes it raise, equal input gives equal output."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.correlate.core import Correlator, Parsers
from sensor.identity import cgroup
from sensor.model.agent_records import ClockSynced
from sensor.model.events import Event
from sensor.model.kernel_records import KernelLoss
from sensor.model.observations import Observation
from sensor.model.process import ProcessKey
from sensor.model.vocabulary import EventType, Lineage
from tests.correlate.observations import (
    BEGAN,
    HOST,
    OFFSET,
    ROLES,
    attached,
    client,
    engine_boots,
    inventory,
    knowledge,
    ns,
)
from tests.correlate.scenario import DB, PLAIN, WEB, Core, numbered


def loss(at: float, *, dropped: int = 0, limited: int = 0) -> KernelLoss:
    return KernelLoss(ns(at), ns(at - 1000), "lifecycle", "init_exec", dropped, limited)


def test_dropped_records_become_a_gap() -> None:
    core = Core()
    core >> loss(0, dropped=7)
    (event,) = core.of(EventType.GAP)
    assert event.gap is not None
    assert (event.gap.source, event.gap.lost) == ("kernel.lifecycle", 7)
    assert (event.gap.since, event.gap.until, event.time) == (ns(-1000), ns(0), ns(0))
    assert "init_exec" in event.gap.reason


def test_records_held_back_by_the_rate_limit_become_a_gap_of_their_own() -> None:
    core = Core()
    core >> loss(0, dropped=1, limited=2)
    gaps = [event.gap for event in core.of(EventType.GAP)]
    assert [gap.lost for gap in gaps if gap] == [1, 2]
    assert len({gap.reason for gap in gaps if gap}) == 2
    assert len({event.id for event in core.events}) == 2


def test_records_of_other_probes_that_are_not_understood_are_a_gap() -> None:
    core = Core()
    core >> replace(loss(0), malformed=3)
    (event,) = core.of(EventType.GAP)
    assert event.gap is not None
    assert (event.gap.source, event.gap.lost) == ("kernel", 3)


def test_no_loss_is_not_a_gap() -> None:
    core = Core()
    core >> loss(0)
    assert core.events == []


def listened_to(listener: Callable[[Event], None]) -> Correlator:
    core = Correlator(Parsers(cgroup.parse, lambda argv: argv, ROLES.of_name), listener)
    core.feed(BEGAN, [HOST, ClockSynced(BEGAN, OFFSET)])
    return core


def test_an_event_is_reported_before_the_rest_of_its_batch_is_looked_at() -> None:
    emitted: list[tuple[Event, bool]] = []
    core = listened_to(lambda event: emitted.append((event, core.table.named(DB.id) is not None)))
    outcome = core.feed(ns(20), [*WEB.life(0), DB.create(15)])
    assert core.table.named(DB.id) is not None
    assert emitted == [(event, False) for event in outcome.events]
    assert len(emitted) == 2


def test_what_a_listener_raises_is_its_own_and_costs_no_event() -> None:
    def fail(event: Event) -> None:
        emitted.append(event)
        raise OSError("a pipe that broke")

    emitted: list[Event] = []
    core = listened_to(fail)
    with pytest.raises(OSError, match="a pipe that broke"):
        core.feed(ns(20), WEB.life(0))
    assert [event.type for event in emitted] == [EventType.START, EventType.STOP]
    assert not core.defects
    core.feed(ns(30), [])


def test_an_empty_batch_gives_nothing() -> None:
    assert Core().feed([]) == []


def test_a_batch_and_its_parts_lead_to_the_same_containers_starting() -> None:
    whole, parts = Core(), Core()
    whole >> WEB.life(0)
    for observation in WEB.life(0):
        parts >> observation
    assert whole.types() == parts.types()
    assert [e.id for e in whole.starts] == [e.id for e in parts.starts]


def plausible() -> list[Observation]:
    """A busy while on a node: every kind of observation about three containers and their reruns."""
    again, plain = WEB.again(), PLAIN.again()
    late = numbered(7)
    late_init = ProcessKey(late.init.pid, ns(-500))
    late_exec = late.execs(-400, lineage=Lineage.CGROUP)
    return [
        knowledge(-5000, DB.known(running=True, born=DB.born + 10)),
        attached(-200),
        engine_boots(-150),
        client(-5, "docker run --name web nginx"),
        *WEB.life(0, 3),
        WEB.other(11, "delete"),
        inventory(12, DB.found(DB.born + 10), WEB.found(WEB.born + 10), late.found(-500)),
        DB.other(13, "pause"),
        DB.other_done(14, "pause"),
        again.create(20),
        again.execs(25),
        again.described(26),
        again.exits(30, signal=9),
        DB.exits(31, signal=15),
        replace(late_exec, process=replace(late_exec.process, key=late_init)),
        replace(late.exits(31), process=late_init),
        *late.again().life(32),
        PLAIN.birth(32),
        PLAIN.execs(33, lineage=Lineage.CGROUP_MAKER),
        PLAIN.exits(34),
        plain.create(40, "restore"),
        plain.created(45),
        plain.exits(50, started=False),
        again.again().create(60),
        again.again().exits(61, 1, started=False),
        again.again().created(62, 1 << 8),
        loss(70, dropped=1),
    ]


def starts_by_init(core: Core) -> Counter[tuple[str, int]]:
    return Counter(
        (event.container.id, event.container.pid or 0)
        for event in core.starts
        if event.container is not None and event.container.id is not None
    )


def test_the_plausible_while_goes_as_it_should() -> None:
    core = Core()
    core >> plausible()
    core.wait(until=1000)
    assert Counter(core.types()) == {
        "container.start": 6,
        "container.stop": 7,
        "container.pause": 1,
        "container.start_failed": 1,
    }
    assert core.table.running == 0


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_order_and_no_repetition_makes_two_starts_of_one_init(data: st.DataObject) -> None:
    observations = plausible()
    indexes = st.integers(0, len(observations) - 1)
    emitted = data.draw(st.permutations(range(len(observations))))
    emitted += data.draw(st.lists(indexes, max_size=20))
    sizes = itertools.cycle(data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=5)))
    core = Core(limit=data.draw(st.sampled_from([2, 3, 100])))
    while emitted:
        size = next(sizes)
        core.feed(observations[index] for index in emitted[:size])
        emitted = emitted[size:]
    core.wait(until=10_000)
    assert core.core.deadline() is None
    if core.table.forgotten == 0:
        assert all(count == 1 for count in starts_by_init(core).values()), starts_by_init(core)
    assert core.table.running == sum(state.alive for state in core.table.all())
    assert core.table.running == len(core.table._by_init)


@settings(max_examples=50, deadline=None)
@given(order=st.permutations(range(len(plausible()))), cut=st.integers(1, 7))
def test_equal_input_gives_equal_output(order: list[int], cut: int) -> None:
    observations = plausible()
    first, second = Core(), Core()
    for core in (first, second):
        for start in range(0, len(order), cut):
            core.feed(observations[index] for index in order[start : start + cut])
        core.wait(until=10_000)
    assert first.events == second.events
    assert first.requests == second.requests


@pytest.mark.parametrize("repetitions", [1, 3])
def test_repeating_every_observation_repeats_no_event(repetitions: int) -> None:
    once, often = Core(), Core()
    once >> plausible()
    often >> [o for o in plausible() for _ in range(repetitions)]
    once.wait(until=1000)
    often.wait(until=1000)
    assert often.types() == once.types()
