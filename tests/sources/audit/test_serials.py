"""Serials that never come are counted; order and rollover do not matter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.sources.audit.serials import GAP_MAX, MISSING_MAX, PATIENCE, SerialWatch


def lost(serials: list[int]) -> int:
    watch = SerialWatch()
    for serial in serials:
        watch.note(serial, 0)
    assert len(watch._missing) <= MISSING_MAX
    return watch.take_lost(PATIENCE)


@pytest.mark.parametrize(
    ("serials", "expected"),
    [
        ([5, 6, 7], 0),
        ([5, 8], 2),
        ([5, 8, 6, 7], 0),
        ([5, 8, 7], 1),
        ([5, 5, 5], 0),
        ([4294967294, 4294967295, 0, 1, 2], 0),
        ([4294967294, 4294967295, 1], 0),
        ([4294967293, 2], 3),
        ([10, 10 + 2 * MISSING_MAX], 2 * MISSING_MAX - 1),
        ([10, 10 + 2 * GAP_MAX], 0),
        ([5_000_000, 1, 2], 0),
        ([100, 99, 98, 101], 0),
    ],
    ids=str,
)
def test_missing_serials_are_counted_once(serials: list[int], expected: int) -> None:
    assert lost(serials) == expected


def test_a_gap_is_not_a_loss_before_its_time() -> None:
    watch = SerialWatch()
    watch.note(1, 0)
    watch.note(3, 0)
    assert watch.take_lost(PATIENCE - 1) == 0
    assert watch.take_lost(PATIENCE) == 1
    assert watch.take_lost(PATIENCE) == 0


@given(st.permutations(range(30)), st.integers(0, 2**32 - 1))
def test_what_arrives_in_any_order_is_never_lost(order: list[int], base: int) -> None:
    watch = SerialWatch()
    watch.note(base, 0)
    for step in order:
        watch.note((base + 1 + step) % 2**32, 0)
    assert watch.take_lost(PATIENCE) == 0


@given(st.lists(st.integers(0, 2**32 - 1), max_size=50))
def test_any_serials_are_survived(serials: list[int]) -> None:
    lost(serials)
