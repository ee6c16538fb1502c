"""Names in ARNs of AWS."""

from __future__ import annotations

import pytest

from sensor.model.control_plane import Effect, Standing
from sensor.sources.controlplane.aws_reading import Reading, tail


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        ("arn:aws:ecs:eu-central-1:1:task-definition/report:8", "report:8"),
        ("arn:aws:iam::1:role/service-role/runs-reports", "runs-reports"),
        ("report:8", "report:8"),
        ("arn:aws:ecs:eu-central-1:1:cluster/", None),
        (None, None),
    ],
)
def test_a_name_is_what_stands_behind_the_last_slash(arn: str | None, expected: str | None) -> None:
    assert tail(arn) == expected


def test_a_call_that_no_reader_knows_concerns_no_container() -> None:
    found = Reading()
    assert (found.standing, found.effect, found.facts) == (Standing.NO, Effect.NONE, None)
