"""Cores and logs of the recent past that several tests of the core begin with."""

from __future__ import annotations

import pytest

from sensor.correlate.authority import HOST_ROOT
from sensor.correlate.past import RecentPast
from sensor.correlate.places import Places
from sensor.identity import cgroup
from tests.correlate.observations import DOCKER_START
from tests.correlate.scenario import Core


@pytest.fixture
def core() -> Core:
    return Core()


@pytest.fixture
def empty() -> RecentPast:
    return RecentPast(Places(cgroup.parse).origin_of_caller)


@pytest.fixture
def log(empty: RecentPast) -> RecentPast:
    """One client: ``docker start web`` as pid 50."""
    empty.add_client(DOCKER_START, HOST_ROOT)
    return empty
