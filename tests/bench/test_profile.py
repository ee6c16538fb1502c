"""Every start of a capture is measured in each stage."""

from __future__ import annotations

from bench.profile import STAGES, arrivals_of, measured
from tests.golden.captures import HERE


def test_each_start_has_its_time_in_each_stage() -> None:
    times = measured(arrivals_of(HERE / "docker_parallel.capture"), cold=False, profile=None)
    assert times.starts > 1
    assert len(times.taken["judge"]) == len(times.taken["encode"]) == times.starts
    assert 0 < len(times.taken["event"]) <= times.starts
    assert all(times.of(stage) > 0 for stage in STAGES)
