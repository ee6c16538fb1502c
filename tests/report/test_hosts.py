"""What each host saw, and what it could not see."""

from __future__ import annotations

from sensor.report.hosts import HostRow
from tests.report.test_tally import tally_of
from tests.report.week import BEGIN, DAY, HOUR, Week


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


def test_gaps_that_overlap_count_once_and_only_within_the_period() -> None:
    row = HostRow("key", "name", first=0, last=100 * HOUR)
    row.blind += [(0, 10 * HOUR), (5 * HOUR, 20 * HOUR), (90 * HOUR, 200 * HOUR)]
    assert row.coverage(0, 100 * HOUR) == 1 - 30 / 100
    assert row.coverage(30 * HOUR, 80 * HOUR) == 1
    assert row.coverage(200 * HOUR, 300 * HOUR) is None
