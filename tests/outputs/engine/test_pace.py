"""The window after losses: one, then growing, up to a ceiling that rises slowly."""

from __future__ import annotations

from sensor.outputs.engine.pace import BATCHES_PER_STEP, Pace


def grown(pace: Pace, window: int, batches: int) -> list[int]:
    sizes = []
    for _ in range(batches):
        sizes.append(pace.size(window))
        pace.acknowledged(window)
    return sizes


def test_the_transports_own_window_is_used_while_nothing_is_lost() -> None:
    assert grown(Pace(), 4, 5) == [4] * 5


def test_a_loss_leaves_one_and_it_grows_to_half() -> None:
    pace = Pace()
    pace.lost(8)
    assert grown(pace, 8, 12) == [1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4]


def test_losses_again_and_again_keep_it_at_one() -> None:
    pace = Pace()
    for _ in range(3):
        pace.lost(4)
        assert grown(pace, 4, 1) == [1]
    assert grown(pace, 4, 20) == [1] * 20


def test_the_whole_window_comes_back_after_long_peace() -> None:
    pace = Pace()
    pace.lost(4)
    pace.lost(4)
    sizes = grown(pace, 4, 4 * BATCHES_PER_STEP)
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (1, 4)


def test_a_window_of_one_stays_one() -> None:
    pace = Pace()
    pace.lost(1)
    assert grown(pace, 1, 3) == [1, 1, 1]
