"""A pod belongs to a rollout when its place had another revision before."""

from __future__ import annotations

from sensor.correlate.chain_rollout import SLOTS_LIMIT, Rollout


def test_a_new_revision_in_an_old_place_is_an_update() -> None:
    rollout = Rollout()
    assert not rollout.took("node-1", "r1", 10)
    assert not rollout.took("node-1", "r1", 20)
    assert rollout.took("node-1", "r2", 30)
    assert not rollout.took("node-2", "r2", 40)
    assert (rollout.began("r1"), rollout.began("r2"), rollout.began("r3")) == (10, 30, None)


def test_places_are_bounded() -> None:
    rollout = Rollout()
    for number in range(SLOTS_LIMIT + 1):
        rollout.took(f"node-{number}", "r1", number)
    assert not rollout.took("node-0", "r2", 1)
    assert rollout.took(f"node-{SLOTS_LIMIT}", "r2", 1)
