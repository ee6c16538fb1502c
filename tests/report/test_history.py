"""Changes and notes of the sensor."""

from __future__ import annotations

from tests.report.test_tally import tally_of
from tests.report.week import BEGIN, HOUR, Week


def test_changes_say_whether_they_were_used() -> None:
    tally = tally_of(list(Week(300).events()))
    unused = tally.history.changes.rows["CHG0999"]
    assert (unused.starts, unused.by, unused.ended) == (0, "bob", "never used")
    assert tally.history.changes.rows["CHG1001"].starts > 0


def test_signs_of_life_are_not_history_but_a_broken_chain_is() -> None:
    events = [one for one in Week(1).events() if one["type"] == "sensor"]
    alive = [one for one in events if one["sensor"]["action"] == "alive"]
    assert tally_of(alive).history.notes.count == 0
    alive[0]["sensor"]["log"] = {"broken": "events were lost with a damaged file"}
    (note,) = tally_of(alive).history.notes.rows
    assert note.detail == "events were lost with a damaged file"


def test_an_agent_that_begins_says_how_long_none_ran() -> None:
    notes = tally_of(list(Week(1).events())).history.notes.rows
    (attached,) = [note for note in notes if note.action == "probes_attached"]
    assert attached.detail == "no agent ran for 5400 s before; the last one ended: killed"
    assert attached.wall == BEGIN + 48 * HOUR
