"""The agent's report on itself: what is wrong with the sensor is a problem and no mere counter."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from sensor.agent.status import health
from sensor.errors import SensorImpaired
from sensor.store.log import StoreHealth

if TYPE_CHECKING:
    from sensor.agent.parts import Parts


def agent(failing: str | None, *problems: str, rules: tuple[str, ...] = ()) -> Parts:
    store = StoreHealth(None, failing, 1, 0, 0, 0, 0, None)
    probes = SimpleNamespace(problems=lambda: problems)
    persistence = SimpleNamespace(health=lambda: store)
    optional = SimpleNamespace(problems=lambda: rules)
    parts = SimpleNamespace(probes=probes, optional=optional, persistence=persistence)
    return cast("Parts", parts)


def test_a_sound_sensor_is_well() -> None:
    assert b"ok" in health(agent(None), "")


@pytest.mark.parametrize("problems", [(), ("the probes are gone",)])
def test_a_log_that_cannot_be_written_is_a_problem_with_its_fix(problems: tuple[str, ...]) -> None:
    with pytest.raises(SensorImpaired) as caught:
        health(agent("[Errno 30] Read-only file system: '/x/castoff.db'", *problems), "")
    for word in (*problems, "Read-only file system: '/x/castoff.db'", "mount options"):
        assert word in caught.value.problem


def test_what_a_source_misses_is_a_problem_beside_those_of_the_probes() -> None:
    with pytest.raises(SensorImpaired) as caught:
        health(agent(None, "the probes are gone", rules=("audit rules were removed",)), "")
    assert "the probes are gone" in caught.value.problem
    assert "audit rules were removed" in caught.value.problem
