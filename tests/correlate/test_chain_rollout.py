"""A pod belongs to a rollout when its place had another revision before."""

from __future__ import annotations

from sensor.correlate.chain_rollout import SLOTS_LIMIT, Rollout


def test_a_place_had_a_revision_before() -> None:
    rollout = Rollout()
    assert rollout.took("node-1", "r1", 10) is None
    assert rollout.took("node-1", "r1", 20) == "r1"
    assert rollout.took("node-1", "r2", 30) == "r1"
    assert rollout.took("node-2", "r2", 40) is None
    assert (rollout.began("r1"), rollout.began("r2"), rollout.began("r3")) == (10, 30, None)


def test_a_write_leads_to_the_revision_that_begins_first_after_it() -> None:
    rollout = Rollout()
    rollout.took("node-1", "r1", 10)
    rollout.took("node-1", "r2", 30)
    assert [rollout.first_since(time) for time in (5, 15, 35)] == ["r1", "r2", None]


def test_a_revision_begins_again_with_a_rollback() -> None:
    rollout = Rollout()
    for place, revision, time in (("a", "r1", 10), ("b", "r1", 11), ("a", "r2", 30)):
        rollout.took(place, revision, time)
    rollout.took("b", "r1", 31)
    assert rollout.began("r1") == 10
    rollout.took("a", "r1", 50)
    assert rollout.began("r1") == 50


def test_a_name_that_a_stateful_set_has_no_longer_has_no_revision() -> None:
    rollout = Rollout()
    for name in ("db-0", "db-1", "db-2"):
        rollout.took(name, "r1", 10)
    rollout.shrank(1)
    assert [rollout.took(name, "r1", 20) for name in ("db-0", "db-2")] == ["r1", None]


def test_places_are_bounded() -> None:
    rollout = Rollout()
    for number in range(SLOTS_LIMIT + 1):
        rollout.took(f"node-{number}", "r1", number)
    assert rollout.took("node-0", "r2", 1) is None
    assert rollout.took(f"node-{SLOTS_LIMIT}", "r2", 1) == "r1"
