"""No init is reported twice, and what is remembered of them is bounded."""

from __future__ import annotations

from sensor.correlate.known_inits import ENDED_MAX, TAKEN_MAX, KnownInits
from sensor.model.process import NS_PER_TICK, ProcessKey


def init(number: int) -> ProcessKey:
    return ProcessKey(number, number * NS_PER_TICK)


def test_an_init_whose_start_was_taken_is_known() -> None:
    inits = KnownInits()
    inits.take(init(1), None)
    assert inits.is_taken(init(1))
    assert init(1) in inits
    assert init(2) not in inits


def test_an_init_is_known_by_procfs_too_which_rounds_its_start() -> None:
    inits = KnownInits()
    inits.take(ProcessKey(1, 5 * NS_PER_TICK + 3), None)
    inits.end(ProcessKey(2, 5 * NS_PER_TICK + 3), None)
    assert ProcessKey(1, 5 * NS_PER_TICK) in inits
    assert ProcessKey(2, 5 * NS_PER_TICK) in inits
    assert ProcessKey(1, 6 * NS_PER_TICK) not in inits


def test_an_end_alone_takes_no_start() -> None:
    inits = KnownInits()
    inits.end(init(1), None)
    assert init(1) in inits
    assert not inits.is_taken(init(1))


def test_the_oldest_are_forgotten() -> None:
    inits = KnownInits()
    for number in range(TAKEN_MAX + 1):
        inits.take(init(number), None)
    for number in range(ENDED_MAX + 1):
        inits.end(init(-number), None)
    assert init(0) not in inits
    assert init(1) in inits
    assert init(-1) in inits


def test_a_users_inits_push_out_none_of_roots() -> None:
    inits = KnownInits()
    inits.take(init(1), None)
    inits.end(init(2), None)
    inits.take_restore(init(3), None)
    for number in range(TAKEN_MAX):
        inits.take(init(100 + number), "uid 1001")
        inits.end(init(10_000 + number), "uid 1001")
        inits.take_restore(init(20_000 + number), "uid 1001")
    assert inits.is_taken(init(1))
    assert init(2) in inits
    assert inits.is_restore(init(3))
