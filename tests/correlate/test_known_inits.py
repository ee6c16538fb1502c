"""No init is reported twice, and what is remembered of them is bounded."""

from __future__ import annotations

from sensor.correlate.known_inits import ENDED_MAX, TAKEN_MAX, KnownInits
from sensor.model.process import NS_PER_TICK, ProcessKey


def init(number: int) -> ProcessKey:
    return ProcessKey(number, number * NS_PER_TICK)


def test_an_init_whose_start_was_taken_is_known() -> None:
    inits = KnownInits()
    inits.take(init(1))
    assert inits.is_taken(init(1))
    assert init(1) in inits
    assert init(2) not in inits


def test_an_init_is_known_by_procfs_too_which_rounds_its_start() -> None:
    inits = KnownInits()
    inits.take(ProcessKey(1, 5 * NS_PER_TICK + 3))
    inits.end(ProcessKey(2, 5 * NS_PER_TICK + 3))
    assert ProcessKey(1, 5 * NS_PER_TICK) in inits
    assert ProcessKey(2, 5 * NS_PER_TICK) in inits
    assert ProcessKey(1, 6 * NS_PER_TICK) not in inits


def test_an_end_alone_takes_no_start() -> None:
    inits = KnownInits()
    inits.end(init(1))
    assert init(1) in inits
    assert not inits.is_taken(init(1))


def test_the_oldest_are_forgotten() -> None:
    inits = KnownInits()
    for number in range(TAKEN_MAX + 1):
        inits.take(init(number))
    for number in range(ENDED_MAX + 1):
        inits.end(init(-number))
    assert init(0) not in inits
    assert init(1) in inits
    assert init(-1) in inits
