"""What it takes to make a dead letter of a refused event."""

from __future__ import annotations

from sensor.outputs.engine.suspicion import HELD_FIRST, HELD_MOST, REFUSALS_PER_PROOF, Suspicion


def test_nothing_is_condemned_before_the_collector_took_an_event() -> None:
    suspicion = Suspicion()
    assert not suspicion.condemns(1, tried_after_proof=False)
    suspicion.accepted()
    assert suspicion.condemns(1, tried_after_proof=False)


def test_one_proof_is_enough_for_a_few_refusals_only() -> None:
    suspicion = Suspicion()
    suspicion.accepted()
    found = [suspicion.condemns(1, tried_after_proof=False) for _ in range(REFUSALS_PER_PROOF + 1)]
    assert found == [True] * REFUSALS_PER_PROOF + [False]
    assert not suspicion.condemns(1, tried_after_proof=False)


def test_what_is_refused_again_after_a_proof_is_condemned_however_much_it_is() -> None:
    assert Suspicion().condemns(500, tried_after_proof=True)


def test_each_blame_doubles_what_is_tried_next_and_a_proof_ends_that() -> None:
    suspicion = Suspicion()
    limits = []
    for _ in range(9):
        limits.append(suspicion.limit)
        suspicion.blamed()
    assert limits[:3] == [HELD_FIRST, 2 * HELD_FIRST, 4 * HELD_FIRST]
    assert limits[-1] == HELD_MOST
    suspicion.accepted()
    assert suspicion.limit == HELD_FIRST
