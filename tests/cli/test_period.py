"""Times of options: a span counts back from now, and a period has to last."""

from __future__ import annotations

import time

import click
import pytest

from sensor.cli.period import period, unix_seconds, wall_time

NS = 1_000_000_000


def test_a_span_counts_back_from_now() -> None:
    found = wall_time("since", "2h")
    assert abs(time.time_ns() - 7200 * NS - found) < 60 * NS


def test_a_text_that_is_not_a_time_is_refused_with_its_option() -> None:
    with pytest.raises(click.BadParameter, match="'soon' is not a time") as refused:
        period(None, "soon")
    assert refused.value.param_hint == "--until"


def test_either_end_of_a_period_may_be_open() -> None:
    assert period(None, None) == (None, None)
    assert period("1700000000", None) == (1_700_000_000 * NS, None)
    assert period(None, "1700000000") == (None, 1_700_000_000 * NS)


@pytest.mark.parametrize("until", ["1700000000", "1699999999"])
def test_a_period_that_ends_before_it_begins_is_refused(until: str) -> None:
    with pytest.raises(click.BadParameter, match="ends before it begins") as refused:
        period("1700000000", until)
    assert refused.value.param_hint == "--until"


def test_the_agent_gets_unix_seconds_to_the_nanosecond() -> None:
    assert unix_seconds(1_700_000_000 * NS + 5) == "1700000000.000000005"
    assert float(unix_seconds(-(10**30))) >= 0
