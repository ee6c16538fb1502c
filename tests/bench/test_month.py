"""The made-up month is the same from the same seed, and the judge finds what is planted in it."""

from __future__ import annotations

import pytest

from bench.life_routes import Routes
from bench.life_variants import Variants
from bench.month import (
    FALSE_A_DAY,
    FALSE_IN_LEARNING,
    PRECISION,
    Run,
    killed_is_the_same,
    run,
    run_routes,
    run_variants,
)
from bench.node_life import Life

SEEDS = (1, 4)


def test_a_seed_makes_the_same_month() -> None:
    first = [(one.wall, one.event.id, one.planted) for one in Life(3, 12).happenings()]
    assert first == [(one.wall, one.event.id, one.planted) for one in Life(3, 12).happenings()]
    assert first != [(one.wall, one.event.id, one.planted) for one in Life(4, 12).happenings()]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_planted_are_found_and_the_rest_is_quiet(seed: int) -> None:
    found = run(seed)
    assert found.missed == []
    assert len(found.planted) == 18
    assert found.false_a_day <= FALSE_A_DAY
    assert len(found.false_learning) <= FALSE_IN_LEARNING


def test_intrusions_by_other_means_are_found_among_ordinary_changes() -> None:
    found = run_variants(31)
    assert found.missed == []
    assert found.planted == set(Variants.plants())
    assert found.false_a_day <= FALSE_A_DAY
    assert len(found.false_learning) <= FALSE_IN_LEARNING
    assert found.precision >= PRECISION


def test_intrusions_by_yet_other_routes_are_found() -> None:
    found = run_routes(401)
    assert found.missed == []
    assert found.planted == set(Routes.plants())
    assert found.false_a_day <= FALSE_A_DAY
    assert found.precision >= PRECISION


@pytest.mark.parametrize(
    "name", ["drain_at_night", "more_of_a_service", "blue_and_green", "out_of_memory_at_night"]
)
def test_an_ordinary_change_of_the_third_month_alone_raises_nothing(name: str) -> None:
    assert name in Routes.habits()
    assert Run(Life(33, variants=(name,))).go().false_later == []


@pytest.mark.parametrize("name", ["ci_names", "reboots", "nightly_by_cron", "hot_fix_at_night"])
def test_an_ordinary_change_alone_raises_nothing_after_the_week(name: str) -> None:
    assert name in Variants.habits()
    assert Run(Life(32, variants=(name,))).go().false_later == []


def test_an_intruder_of_the_learning_week_is_found() -> None:
    assert run(2, early=True).missed == []


def test_a_kill_in_the_middle_changes_no_row() -> None:
    assert killed_is_the_same(5)
