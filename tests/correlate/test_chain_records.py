"""Lists of records are bounded in all, and no namespace pushes out the others'."""

from __future__ import annotations

from sensor.correlate.chain_records import WRITES_LIMIT, HeldRecords

SHOP, OTHER = (None, "shop"), (None, "other")


def test_one_list_keeps_the_latest() -> None:
    held, numbers = HeldRecords(), list[int]()
    for number in range(WRITES_LIMIT + 3):
        held.keep(SHOP, numbers, number)
    assert numbers == list(range(3, WRITES_LIMIT + 3))
    assert held.forgotten == 3


def test_all_lists_together_are_bounded() -> None:
    held = HeldRecords(limit=200)
    many = [list[int]() for _ in range(500)]
    for number, one in enumerate(many):
        held.keep(SHOP, one, number)
    assert len(held) <= 200
    assert sum(len(one) for one in many) == len(held)
    assert held.forgotten == 500 - len(held)
    assert many[-1] == [499]


def test_a_flood_of_one_namespace_leaves_the_others_theirs() -> None:
    held, ours = HeldRecords(limit=200), [list[int]() for _ in range(50)]
    for number, one in enumerate(ours):
        held.keep(OTHER, one, number)
    for number in range(10_000):
        held.keep(SHOP, list[int](), number)
    assert all(ours)


def test_namespaces_that_are_quiet_give_up_what_they_hold() -> None:
    held = HeldRecords(limit=200)
    early = list[int]()
    held.keep(OTHER, early, 1)
    for number in range(1000):
        held.keep((None, f"ns-{number}"), list[int](), number)
    assert early == []
    assert len(held) == 200


def test_a_list_stays_in_the_order_of_time() -> None:
    held, times = HeldRecords(), list[int]()
    for time in (3, 1, 2):
        held.keep(SHOP, times, time, lambda one: one)
    assert times == [1, 2, 3]
