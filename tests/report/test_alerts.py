"""Alerts stand as their newest event says."""

from __future__ import annotations

from tests.report.test_tally import tally_of
from tests.report.week import Week


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


def test_what_a_person_settles_keeps_its_container_and_its_evidence() -> None:
    events = [one for one in Week(1).events() if one["type"] == "alert"]
    settled = next(one for one in events if one["alert"]["state"] == "acknowledged")
    # An acknowledgement follows from no start: it has neither a container nor an initiator.
    settled |= {"container": None, "start": None, "initiator": None}
    settled["alert"]["facts"] = []
    for order in (events, events[::-1]):
        row = next(one for one in tally_of(order).alerts.rows if one.id == settled["alert"]["id"])
        assert (row.state, row.container, row.who) == ("acknowledged", "web", "alice")
        assert row.facts == ("privilege: expected none, seen mount / writable",)
        assert row.seen < row.wall
