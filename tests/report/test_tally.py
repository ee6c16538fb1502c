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


def test_starts_are_counted_by_their_explanation() -> None:
    explained, unknown, refused, older = (start(number) for number in range(4))
    explained["verdict"] = {"expected": True, "explanation": "change", "change": "CHG1,CHG2"}
    unknown["verdict"] = {"expected": None}
    refused["verdict"] = {"expected": False, "reasons": ["a rule forbids it"]}
    older["verdict"] = None
    events = [one | {"id": str(number)} for number, one in
              enumerate((explained, unknown, refused, older))]  # fmt: skip
    tally = tally_of(events)
    assert tally.starts.explanations == {
        "change": 1, "no explanation on file": 1, "not expected": 1, "no verdict": 1,
    }  # fmt: skip
    assert tally.history.changes.rows["CHG1"].starts == 1
    assert tally.history.changes.rows["CHG2"].starts == 1
    assert tally.starts.unexpected.rows[0].reasons == ("a rule forbids it",)


def test_changes_say_whether_they_were_used() -> None:
    tally = tally_of(list(Week(300).events()))
    unused = tally.history.changes.rows["CHG0999"]
    assert (unused.starts, unused.by, unused.ended) == (0, "bob", "never used")
    assert tally.history.changes.rows["CHG1001"].starts > 0


def test_alerts_show_their_newest_state_and_who_acknowledged() -> None:
    tally = tally_of(list(Week(1).events()))
    rows = {row.id: row for row in tally.alerts.rows}
    assert (rows["alert-3"].state, rows["alert-3"].by, rows["alert-3"].reason) == (
        "acknowledged", "carol", "known test",
    )  # fmt: skip
    assert rows["alert-7"].state == "suppressed"
    assert rows["alert-1"].state == "new"
    assert [row.id for row in tally.alerts.suppressed()] == ["alert-7"]


def test_a_state_that_arrives_before_its_alert_still_counts() -> None:
    alerts = [one for one in Week(1).events() if one["type"] == "alert"]
    tally = tally_of(alerts[::-1])
    assert {row.id: row.state for row in tally.alerts.rows}["alert-3"] == "acknowledged"


def test_a_crash_loop_is_five_restarts_in_ten_minutes() -> None:
    tally = tally_of(list(Week(1).events()))
    (loop,) = tally.starts.crash_loops()
    assert (loop.workload, loop.host, loop.worst) == ("compose/billing/mail", "node-a", 9)


def test_coverage_is_the_time_without_gaps_and_without_an_agent() -> None:
    tally = tally_of(list(Week(1).events()))
    shares = {
        row.name: row.coverage(BEGIN, BEGIN + 7 * DAY) for row in tally.hosts.table.rows.values()
    }
    span = 7 * 24 - 1
    assert shares["node-c"] is not None
    assert abs(shares["node-c"] - (1 - 1 / span)) < 0.001
    assert shares["node-b"] is not None
    assert abs(shares["node-b"] - (1 - 1.5 / span)) < 0.001


def test_people_are_logins_and_not_accounts() -> None:
    nobody = start()
    nobody["initiator"]["user"] = {"uid": 0, "name": "root", "auid": None, "auid_name": None}
    assert tally_of([nobody]).starts.people.rows == {}
    nobody["initiator"]["user"] |= {"auid": 1234}
    assert list(tally_of([nobody]).starts.people.rows) == ["login uid 1234"]


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
