"""The explanation of a start has the start's id and container, and nothing that is the start's."""

from __future__ import annotations

from sensor.correlate.start_explanation import start_explanation
from sensor.model.vocabulary import EventType
from tests.correlate.test_task_starts import BEGAN, start


def test_it_names_the_start_and_is_another_event() -> None:
    event = start("c1")
    made = start_explanation(event, event.orchestrator, BEGAN + 5)
    assert (made.type, made.start_id) == (EventType.START_EXPLAINED, event.id)
    assert made.id not in (event.id, start_explanation(start("c2"), None, BEGAN).id)
    assert (made.container, made.start, made.initiator) == (event.container, None, None)
    assert made.time == BEGAN + 5
