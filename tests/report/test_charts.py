"""Charts: of whole numbers, without a script, and with nothing in them that an event chose."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sensor.report.charts import PALETTE, by_day

ORDER = ("one", "two")


def test_nothing_gives_no_chart() -> None:
    assert by_day({}, ORDER, PALETTE, "Empty") is None


def test_a_chart_has_a_name_and_no_script() -> None:
    text = by_day({"2026-01-01": Counter(one=3, two=1)}, ORDER, PALETTE, "Starts a day")
    assert text is not None
    assert 'aria-label="Starts a day"' in text
    assert 'id="chart-starts-a-day"' in text
    assert "<script" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


@given(st.dictionaries(st.text(min_size=1, max_size=9), st.integers(1, 10**12), min_size=1))
def test_a_name_that_only_an_event_claims_stays_outside(names: dict[str, int]) -> None:
    days = {"2026-01-01": Counter({f"<{name}>": value for name, value in names.items()})}
    text = by_day(days, ORDER, PALETTE, "Starts")
    assert text is not None
    assert "other" in text
    assert not any(f"<{name}>" in text or f"&lt;{name}&gt;" in text for name in names)


def test_two_charts_of_the_same_numbers_are_the_same() -> None:
    days = {f"2026-01-{day:02d}": Counter(one=day) for day in range(1, 32)}
    assert by_day(days, ORDER, PALETTE, "a") == by_day(days, ORDER, PALETTE, "a")
