"""What is not an event is a dead letter of its own, and does not stop what comes with it."""

from __future__ import annotations

import pytest

from sensor.outputs.delivery import Delivered, Outcome, Record, Refused, Rejection, Retry
from sensor.outputs.lines import lines_of
from sensor.outputs.registry import FORMATS, format_of
from tests.outputs.batches import batch_of, starts

DAMAGED = Record(2, "x", "container.start", 0, b'{"type": "container.start"')
BATCH = batch_of([*starts(1, 1), DAMAGED, *starts(3, 1)])
ECS = format_of("ecs")


def test_what_is_not_an_event_is_kept_apart() -> None:
    lines = lines_of(BATCH, ECS)
    assert lines.id == BATCH.id
    assert [line.record.sequence for line in lines.lines] == [1, 3]
    assert [one.sequence for one in lines.damaged] == [2]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "otel"])
def test_a_line_has_no_newline(name: str) -> None:
    form = format_of(name)
    (line,) = lines_of(batch_of(starts(1, 1)), form).lines
    assert b"\n" not in line.text
    assert line.text + b"\n" == form.line(line.record)


@pytest.mark.parametrize(
    ("outcome", "reported"),
    [
        (Delivered(), [2]),
        (Delivered((Rejection(1, "x"), Rejection(3, "y"))), [1, 2, 3]),
    ],
)
def test_its_rejection_is_reported_with_those_of_the_collector(
    outcome: Delivered, reported: list[int]
) -> None:
    both = lines_of(BATCH, ECS).outcome_of(outcome)
    assert isinstance(both, Delivered)
    assert [one.sequence for one in both.rejected] == reported


@pytest.mark.parametrize("outcome", [Retry("later"), Refused("never")])
def test_it_is_not_reported_before_the_others_are_delivered(outcome: Outcome) -> None:
    assert lines_of(BATCH, ECS).outcome_of(outcome) is outcome
