"""``castoff status``: its lines for people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.api.status import SourceState
from sensor.cli.status import lines
from tests.api.test_status import STATUS


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (SourceState("audit", "running", None, 15), "15 observations"),
        (SourceState("audit", "running", None, 0), "no observations yet"),
        (SourceState("audit", "running", "10:00", 2), "2 observations, the last at 10:00"),
    ],
    ids=["counted without a time", "nothing yet", "with its time"],
)
def test_a_source_says_when_its_last_observation_came(source: SourceState, expected: str) -> None:
    shown = lines(replace(STATUS, sources=(source,)))
    assert f"source   audit: running, {expected}" in shown
