"""A bounded mapping holds what was put last, never more than its limit, and counts what went."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.bounded import Bounded

KEYS = st.lists(st.tuples(st.integers(0, 6), st.integers()), max_size=40)


@given(st.integers(1, 5), KEYS)
def test_the_keys_that_were_put_last_are_there(limit: int, puts: list[tuple[int, int]]) -> None:
    table: Bounded[int, int] = Bounded(limit)
    gone = [evicted for key, value in puts if (evicted := table.put(key, value)) is not None]
    latest = list(dict.fromkeys(key for key, _ in reversed(puts)))[:limit]
    assert list(table) == latest[::-1]
    assert dict(table.items()) == {key: dict(puts)[key] for key in latest}
    assert table.evicted == len(gone)
    assert len(table) <= limit


def test_the_oldest_entry_goes_and_is_returned() -> None:
    table: Bounded[str, int] = Bounded(2)
    assert table.put("a", 1) is None
    assert table.put("b", 2) is None
    assert table.put("a", 3) is None, "put again, it is the newest"
    assert table.oldest() == ("b", 2)
    assert table.put("c", 4) == ("b", 2)
    assert "b" not in table
    assert (table.get("a"), table.get("b")) == (3, None)
    assert table.evicted == 1


def test_what_is_taken_out_or_cleared_is_not_counted_as_evicted() -> None:
    table: Bounded[str, int] = Bounded(1)
    table.put("a", 1)
    assert table.pop("a") == 1
    assert table.pop("a") is None
    table.put("b", 2)
    table.clear()
    assert not table
    assert table.oldest() is None
    assert table.evicted == 0
