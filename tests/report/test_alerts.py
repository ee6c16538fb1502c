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
