"""Which sequences of events prove that one is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.model.vocabulary import ContainerId, Witness
from sensor.model.witness_records import EngineEvent
from sensor.sources.engines import continuity
from sensor.sources.engines.continuity import Continuity

LISTED = 100


def event(action: str, name: str = "c", wall: int | None = LISTED + 1) -> EngineEvent:
    return EngineEvent(0, wall, Witness.DOCKER, action, ContainerId(name), None, None)


def listed(*names: str) -> Continuity:
    one = Continuity()
    one.listed([event("running", name) for name in names], LISTED)
    return one


@pytest.mark.parametrize(
    ("running", "actions", "missed"),
    [
        ((), ("create", "start", "die", "start", "die", "destroy"), 0),
        (("c",), ("die", "start", "restart"), 0),
        (("c",), ("pause", "unpause", "die"), 0),
        (("c",), ("start",), 1),
        ((), ("die",), 1),
        ((), ("start", "start", "die", "die"), 2),
    ],
)
def test_an_event_that_does_not_follow_from_the_one_before_shows_that_some_are_missing(
    running: tuple[str, ...], actions: tuple[str, ...], missed: int
) -> None:
    one = listed(*running)
    assert sum(one.missed(event(action)) for action in actions) == missed


def test_the_end_of_a_containerd_task_that_never_started_proves_nothing() -> None:
    one = listed()
    events = [replace(event(a), witness=Witness.CONTAINERD) for a in ("create", "die", "die")]
    assert [one.missed(reported) for reported in events] == [False, False, True]


def test_events_from_before_the_list_prove_nothing() -> None:
    one = listed("c")
    assert not one.missed(event("start", wall=LISTED))
    assert not one.missed(event("start", wall=None))


def test_without_a_list_nothing_is_inferred() -> None:
    one = Continuity()
    assert not one.missed(event("die"))
    one.listed(None, LISTED)
    assert not one.missed(event("die"))


def test_too_many_containers_end_the_inference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continuity, "RUNNING_MAX", 3)
    one = listed()
    for number in range(5):
        one.missed(event("start", f"c{number}"))
    assert not one.missed(event("start", "c0"))
