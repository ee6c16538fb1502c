"""The vocabulary of observations: what captures, goldens and the core rely on in each of them."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from sensor.model.agent_records import HostFacts
from sensor.model.observations import Observation

KINDS: tuple[type, ...] = typing.get_args(Observation)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_observation_cannot_change_and_says_when_it_was_made(kind: type) -> None:
    fields = {one.name for one in dataclasses.fields(kind)}
    made: object = object.__new__(kind)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, next(iter(fields)), 1)
    assert not hasattr(made, "__dict__"), "slotted: thousands of them are alive in a burst"
    assert "time" in fields or kind is HostFacts


def test_no_two_observations_share_a_name() -> None:
    # A capture names the class and not its module.
    assert len({kind.__name__ for kind in KINDS}) == len(KINDS)
