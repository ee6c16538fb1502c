"""What a report adds up: every event once, in its period, whatever form it has."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sensor.report.page import Sheet, render
from sensor.report.tally import Tally
from sensor.schema.times import rfc3339
from tests.report.week import BEGIN, DAY, HOUR, Week

NOW = BEGIN + 8 * DAY

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
BLOCKS = ("host", "container", "start", "initiator", "verdict", "gap", "sensor", "alert", "log")
KINDS = ("container.start", "container.start_failed", "alert", "gap", "sensor", "other")


def tally_of(events: list[dict[str, Any]], since: int | None = None) -> Tally:
    tally = Tally(since, None, NOW)
    for event in events:
        tally.add(event)
    tally.finish()
    return tally


def start(number: int = 0) -> dict[str, Any]:
    return [one for one in Week(number + 1).events() if one["type"] == "container.start"][-1]


def test_an_event_that_came_twice_counts_once() -> None:
    events = list(Week(50).events())
    tally = tally_of(events + events)
    assert (tally.events, tally.repeated) == (len(events), len(events))
    assert tally.starts.count == 60


def test_pause_containers_are_not_counted() -> None:
    event = start()
    event["container"]["sandbox"] = True
    assert tally_of([event]).starts.count == 0


def test_the_period_has_its_beginning_and_not_its_end() -> None:
    event = start()
    tally = Tally(BEGIN, BEGIN + HOUR, NOW)
    for wall, number in ((BEGIN - 1, 1), (BEGIN, 2), (BEGIN + HOUR - 1, 3), (BEGIN + HOUR, 4)):
        tally.add(event | {"time": rfc3339(wall), "id": str(number)})
    assert tally.events == 2


@given(
    st.lists(
        st.fixed_dictionaries({"type": st.sampled_from(KINDS), **dict.fromkeys(BLOCKS, JSON)}),
        max_size=4,
    )
)
def test_events_of_any_form_give_a_page(events: list[dict[str, Any]]) -> None:
    tally = Tally(None, None, NOW)
    for number, event in enumerate(events):
        tally.add(event | {"schema": "castoff.event/1", "id": str(number), "time": rfc3339(BEGIN)})
    tally.finish()
    assert tally.events == len(events)
    assert "</html>" in render(Sheet("any", tally, []))


@given(JSON)
def test_what_is_not_an_event_is_counted_as_that(value: object) -> None:
    tally = Tally(None, None, NOW)
    tally.add({"a": value})
    tally.add({"schema": "castoff.event/1", "type": "alert", "time": json.dumps(value)})
    assert (tally.events, tally.strange) == (0, 2)


def test_events_of_an_older_agent_count_and_are_said_to_have_no_verdict() -> None:
    events = list(Week(20).events())
    for event in events:
        for key in ("log", "alert", "verdict", "request", "start_id"):
            del event[key]
        event["confidence"] = {}
    tally = tally_of(events)
    assert tally.starts.older == tally.starts.count == 30
    text = render(Sheet("older", tally, []))
    assert "30 starts have no verdict: an agent without a judge reported them." in text
