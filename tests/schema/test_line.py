"""A line of kept parts equals the line that the whole document gives, whatever was kept before."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.agent.parsers import parsers
from sensor.correlate.core import Correlator
from sensor.judge.judge import Judge
from sensor.model.container import Description, Image, Mount, Orchestrator, Security
from sensor.model.events import (
    Certainty,
    Container,
    Event,
    Evidence,
    Initiator,
    InitiatorProcess,
    InitiatorUser,
    PreviousRun,
    Start,
    Stop,
    Verdict,
)
from sensor.model.process import Ancestor
from sensor.model.vocabulary import EventType
from sensor.schema import line as lines
from sensor.schema.document import encode_line
from sensor.schema.line import LineEncoder
from tests.golden import captures
from tests.outputs.sample_events import CONTAINER, EVENTS, START

TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=8)
for _type in (str,):
    st.register_type_strategy(_type, TEXT)

PARTS = (
    Container,
    Certainty,
    Evidence,
    Image,
    Initiator,
    InitiatorProcess,
    InitiatorUser,
    Mount,
    Orchestrator,
    PreviousRun,
    Security,
    Start,
    Stop,
    Verdict,
    Ancestor,
)


def test_a_sample_of_each_kind_has_the_same_line() -> None:
    encoder = LineEncoder()
    for _ in range(2):
        for name, event in EVENTS.items():
            assert encoder.encode(event) == encode_line(event), name


CONTAINERS = st.builds(
    Container,
    id=st.none() | TEXT,
    labels=st.none() | st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    command=st.none() | st.lists(TEXT, max_size=3).map(tuple),
    parents=st.lists(TEXT, max_size=2).map(tuple),
    created_wall=st.none() | st.integers(-(10**18), 10**20),
    pid=st.none() | st.integers(0, 1 << 22),
    image=st.none() | st.builds(Image),
    security=st.none() | st.builds(Security),
)
INITIATORS = st.none() | st.builds(Initiator)
STARTS = st.builds(
    Event,
    type=st.sampled_from([one for one in EventType if one.startswith("container.")]),
    id=TEXT,
    time=st.integers(0, 10**18),
    observed=st.integers(0, 10**18),
    realtime_offset=st.sampled_from([0, 1_700_000_000_000_000_000]),
    host=st.none() | st.just(START.host),
    container=st.none() | CONTAINERS,
    start=st.none() | st.builds(Start),
    stop=st.none() | st.builds(Stop, duration_seconds=st.none() | st.floats(0, 1e9)),
    initiator=INITIATORS,
    candidates=st.lists(st.builds(Initiator), max_size=2).map(tuple),
    orchestrator=st.none() | st.builds(Orchestrator),
    verdict=st.none() | st.builds(Verdict),
    confidence=st.builds(Certainty),
    evidence=st.lists(st.builds(Evidence), max_size=3).map(tuple),
    request=st.none(),
    start_id=st.none() | TEXT,
    gap=st.none(),
    sensor=st.none(),
    alert=st.none(),
)


@given(st.lists(STARTS, min_size=1, max_size=3))
def test_any_event_of_a_container_has_the_same_line(events: list[Event]) -> None:
    encoder = LineEncoder()
    for event in (*events, *events):
        assert encoder.encode(event) == encode_line(event)


def test_equal_parts_of_another_meaning_are_not_mixed_up() -> None:
    # Empty tuples are one object.
    empty = dataclasses.replace(CONTAINER, labels=(), command=())
    event = dataclasses.replace(START, container=empty)
    encoder = LineEncoder()
    encoder.foresee(Description(empty.id, labels=(), command=()), None, 0)  # type: ignore[arg-type] # it has one
    assert encoder.encode(event) == encode_line(event)


def test_a_clock_that_was_set_changes_the_times_of_kept_parts() -> None:
    encoder = LineEncoder()
    for offset in (START.realtime_offset, START.realtime_offset + 10**12):
        event = dataclasses.replace(START, realtime_offset=offset)
        assert encoder.encode(event) == encode_line(event)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = LineEncoder()
    monkeypatch.setattr(lines, "KEPT_MAX", 5)
    for number in range(20):
        container = dataclasses.replace(CONTAINER, command=("sleep", str(number)))
        event = dataclasses.replace(START, container=container)
        assert encoder.encode(event) == encode_line(event)
        assert len(encoder._kept) <= 5
    long = dataclasses.replace(CONTAINER, command=("x" * lines.PART_MAX,))
    encoder.encode(dataclasses.replace(START, container=long))
    assert not any(part is long.command for part, _ in encoder._kept.values())


@pytest.mark.parametrize("capture", captures.captures(), ids=lambda one: one.stem)
def test_what_was_foreseen_of_a_start_gives_the_same_line(capture: Path) -> None:
    encoder, judge = LineEncoder(), Judge(keeping=False)
    found: list[bytes] = []
    wanted: list[bytes] = []

    def on_event(event: Event) -> None:
        judged = judge.judge(event)
        found.append(encoder.encode(judged))
        wanted.append(encode_line(judged))

    core = Correlator(parsers(), on_event, encoder.foresee)
    for arrival in captures.read(capture):
        core.feed(arrival.now, arrival.observations)
    assert found == wanted
