"""Go-back-N, walked by hand; whole lives of it are in the tests of workers."""

from __future__ import annotations

from sensor.outputs.delivery import Delivered, Record, Refused, Retry
from sensor.outputs.engine.stretch import Stage, Stretch
from sensor.outputs.engine.window import DeliveryWindow, make_batch


def stretch(*sequences: int, dead: bool = False) -> Stretch:
    records = [Record(n, f"id-{n}", "container.start", 0, b"{}\n") for n in sequences]
    return Stretch(make_batch("stream", records), sequences[-1], len(sequences), dead=dead)


def filled(*stretches: Stretch) -> DeliveryWindow:
    window = DeliveryWindow("stream")
    for one in stretches:
        window.add(one)
    return window


def sequences(window: DeliveryWindow) -> list[list[int]]:
    return [[r.sequence for r in one.batch.records] for one in window if one.batch is not None]


def test_only_the_first_ones_are_done_with() -> None:
    first, second = stretch(1), stretch(2)
    window = filled(first, second)
    assert window.begin() is first
    assert window.begin() is second
    assert window.begin() is None
    window.settle(second, second.attempt, Delivered())
    assert list(window.take_done()) == []
    window.settle(first, first.attempt, Delivered())
    assert [one.through for one in window.take_done()] == [1, 2]
    assert len(window) == 0


def test_an_outcome_of_an_attempt_that_was_given_up_is_ignored() -> None:
    one = stretch(1)
    window = filled(one)
    window.begin()
    late = one.attempt
    assert window.go_back() == [late]
    window.settle(one, late, Delivered())
    assert list(window.take_done()) == []
    assert window.begin() is one
    assert one.attempt != late


def test_going_back_begins_again_also_what_was_delivered_behind() -> None:
    first, second, third = stretch(1), stretch(2), stretch(3)
    window = filled(first, second, third)
    for one in (first, second, third):
        window.begin()
        assert one.stage is Stage.SENT
    window.settle(second, second.attempt, Retry("no"))
    window.settle(third, third.attempt, Delivered())
    assert window.trouble() is second
    assert window.go_back() == [1]
    assert [one.stage for one in window] == [Stage.WAITING] * 3


def test_halves_stand_in_the_place_of_the_whole() -> None:
    first, second = stretch(1, 2, 3, 5), stretch(6)
    first.through, first.rows = 5, 9
    window = filled(first, second)
    window.begin()
    window.settle(first, first.attempt, Refused("413"))
    window.go_back(first)
    window.halve(first)
    assert sequences(window) == [[1, 2], [3, 5], [6]]
    assert [(one.through, one.rows) for one in window] == [(2, 2), (5, 7), (6, 1)]
    assert all(one.stage is Stage.WAITING for one in window)


def test_stretches_that_no_output_wants_are_one_and_done() -> None:
    window = filled(stretch(1), Stretch(None, 5, 4), Stretch(None, 9, 4))
    assert len(window) == 2
    window.begin()
    (first, _) = tuple(window)
    window.settle(first, first.attempt, Delivered())
    assert [(one.through, one.rows) for one in window.take_done()] == [(1, 1), (9, 8)]


def test_dead_letters_are_not_merged_with_the_log() -> None:
    window = filled(Stretch(None, 5, 4), Stretch(None, 3, 0, dead=True))
    assert [one.dead for one in window.take_done()] == [False, True]


def test_clearing_forgets_everything() -> None:
    one = stretch(1)
    window = filled(one, stretch(2))
    window.begin()
    attempt = one.attempt
    assert window.clear() == [attempt]
    window.settle(one, attempt, Delivered())
    assert (len(window), window.under_way) == (0, 0)
