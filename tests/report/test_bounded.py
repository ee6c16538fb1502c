"""Lists and tables of the page are bounded, and count what they leave out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.report.bounded import FairList, TallyTable


def test_a_list_keeps_the_newest_in_their_order_and_counts_the_rest() -> None:
    fair: FairList[int] = FairList(3)
    for wall in (5, 1, 4, 2, 3, 9, 0):
        fair.add("a", wall, wall)
    assert (fair.rows, fair.count, fair.left_out) == ([4, 5, 9], 7, 4)


def test_a_noisy_host_hides_none_of_the_others() -> None:
    fair: FairList[tuple[str, int]] = FairList(11)
    for wall in range(5):
        fair.add("quiet", wall, ("quiet", wall))
    fair.add("rare", 0, ("rare", 0))
    for wall in range(10_000):
        fair.add("noisy", wall, ("noisy", wall))
    rows = fair.rows
    assert len(rows) == 11
    assert ("rare", 0) in rows
    assert sum(host == "quiet" for host, _ in rows) == 5
    assert rows[-4:] == [("noisy", wall) for wall in range(9_996, 10_000)]
    assert fair.left_out == 10_006 - 11


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 99))), st.integers(1, 20))
def test_a_list_is_full_and_never_longer_than_its_limit(
    entries: list[tuple[str, int]], limit: int
) -> None:
    fair: FairList[int] = FairList(limit)
    for origin, wall in entries:
        fair.add(origin, wall, wall)
    assert len(fair.rows) == min(limit, len(entries))
    assert fair.rows == sorted(fair.rows)
    assert fair.left_out + len(fair.rows) == len(entries)


def test_a_table_keeps_its_keys_and_counts_what_came_too_late() -> None:
    table: TallyTable[str, list[int]] = TallyTable(2)
    for key in ("a", "b", "c", "a", "d"):
        row = table.get(key, [])
        if row is not None:
            row.append(1)
    assert table.rows == {"a": [1, 1], "b": [1]}
    assert table.left_out == 2
