"""Queries are read whole or refused with a sentence; nothing in them raises anything else."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.api.limits import LIMITS
from sensor.api.query import EventsRequest, parse_events
from sensor.store.query import Query

NOW = 1_800_000_000_000_000_000
NAMES = ("since", "until", "after", "limit", "tail", "follow", "type", "filter", "other")


def test_what_is_read() -> None:
    asked = parse_events("since=10m&until=2027-01-15T08:00:00Z&after=ab-7&limit=5&follow=1", NOW)
    query = Query(since=NOW - 600 * 10**9, until=NOW, after=7, rows=LIMITS.page_rows)
    assert asked == EventsRequest(query, stream="ab", limit=5, follow=True)


def test_one_container_and_the_types_narrow_the_query_itself() -> None:
    query = parse_events("filter=container=web&type=gap&type=stop", NOW).query
    assert query.container == "web"
    assert query.types == {"gap", "container.stop"}
    several = parse_events("filter=container=web&filter=container=db", NOW).query
    assert several.container is None


@pytest.mark.parametrize(
    ("text", "limit", "historical"),
    [
        ("", LIMITS.rows_default, True),
        ("tail=3", None, True),
        ("follow=1", None, False),
        ("follow=true&tail=3", None, True),
        ("follow=1&limit=3", 3, False),
        ("follow=0", LIMITS.rows_default, True),
    ],
)
def test_how_much_is_meant(text: str, limit: int | None, historical: bool) -> None:
    query = parse_events(text, NOW)
    assert (query.limit, query.historical) == (limit, historical)


@given(st.text(max_size=60))
def test_any_query_string_is_read_or_refused(text: str) -> None:
    for query in (text, quote(text), f"filter={quote(text)}", f"since={quote(text)}"):
        try:
            parsed = parse_events(query, NOW)
        except ValueError:
            continue
        assert parsed.query.since is None or 0 <= parsed.query.since < 2**63


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.text(max_size=12)), max_size=6))
def test_any_parameters_are_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    try:
        query = parse_events(urlencode(pairs), NOW)
    except ValueError:
        return
    assert query.limit is None or 1 <= query.limit <= LIMITS.rows_max
