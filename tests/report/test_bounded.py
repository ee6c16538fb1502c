"""Lists and tables of the page are bounded, and count what they leave out."""

from __future__ import annotations

from sensor.report.bounded import ShortList, Table


def test_a_list_keeps_the_first_and_counts_the_rest() -> None:
    short: ShortList[int] = ShortList(3)
    for number in range(10):
        short.add(number)
    assert (short.rows, short.count, short.left_out) == ([0, 1, 2], 10, 7)


def test_a_table_keeps_its_keys_and_counts_what_came_too_late() -> None:
    table: Table[str, list[int]] = Table(2)
    for key in ("a", "b", "c", "a", "d"):
        row = table.get(key, [])
        if row is not None:
            row.append(1)
    assert table.rows == {"a": [1, 1], "b": [1]}
    assert table.left_out == 2
