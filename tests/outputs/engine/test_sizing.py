"""The size of batches follows what a collector takes."""

from __future__ import annotations

from sensor.outputs.engine.sizing import SMALL_BATCHES, Sizing


def test_a_size_that_was_refused_is_halved_and_comes_back_slowly() -> None:
    sizing = Sizing(500)
    sizing.halved(500)
    assert sizing.records == 250
    for _ in range(SMALL_BATCHES - 1):
        sizing.accepted()
    assert sizing.records == 250
    sizing.accepted()
    assert sizing.records == 500
    sizing.accepted()
    assert sizing.records == 500


def test_one_record_that_was_refused_is_no_matter_of_size() -> None:
    sizing = Sizing(500)
    sizing.halved(2)
    assert sizing.records == 1
    sizing.halved(1)
    assert sizing.records == 1
    sizing.poisoned()
    assert sizing.records == 500
