"""Starts that fail again and again, as one trouble."""

from __future__ import annotations

import itertools

import pytest

from sensor.correlate.authority import HOST_ROOT, Origin
from sensor.correlate.containers import container_key
from sensor.correlate.engine_reach import Home
from sensor.correlate.failed_starts import (
    HELD_MAX,
    HOLD,
    PACE,
    PACE_MAX,
    QUIET,
    TROUBLES_MAX,
    FailedStarts,
)
from sensor.model.agent_records import HostFacts
from sensor.model.events import Container, Event, Stop
from sensor.model.vocabulary import ContainerId, EventType

MALLORY = Origin(1001)
HOST = HostFacts("node", "boot", None, "6.1", None)
SECOND = 1_000_000_000


class Troubles:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.starts = FailedStarts(self.events.append)

    def fail(
        self,
        second: float,
        key: str = "pod",
        *,
        awaited: bool = False,
        owner: Origin = HOST_ROOT,
    ) -> None:
        time = int(second * SECOND)
        id_ = ContainerId(f"{key} at {second:g}")
        container = Container(id_, "app")
        stop = Stop(1, reason="create failed")
        event = Event(
            EventType.START_FAILED, "x", time, time, 0, HOST, container=container, stop=stop
        )
        self.starts.failed(
            (key, owner.domain),
            event,
            time,
            container=container_key(id_, None, owner.domain),
            home=Home(owner=owner),
            awaited=awaited,
        )

    @property
    def counts(self) -> list[tuple[float, int | None]]:
        return [(one.time / SECOND, one.stop.count) for one in self.events if one.stop]


@pytest.fixture
def troubles() -> Troubles:
    return Troubles()


def test_the_first_failure_is_reported_and_the_next_are_counted(troubles: Troubles) -> None:
    for second in range(10):
        troubles.fail(second)
    assert troubles.counts == [(0, None)]
    assert troubles.starts.folded == 9


def test_updates_come_at_a_growing_pace(troubles: Troubles) -> None:
    for second in range(200):
        troubles.fail(second)
    assert troubles.counts == [(0, None), (10, 11), (30, 31), (70, 71), (150, 151)]


def test_twenty_pods_that_fail_90_times_a_minute_make_few_events(troubles: Troubles) -> None:
    for number in range(90 * 10):
        for pod in range(20):
            troubles.fail(number / 1.5, f"pod {pod}")
    assert len(troubles.events) <= 20 * 7


def test_the_pace_has_a_limit(troubles: Troubles) -> None:
    for minute in range(60 * 24):
        troubles.fail(minute * 60)
    times = [time for time, _ in troubles.counts]
    assert max(after - before for before, after in itertools.pairwise(times)) <= (
        PACE_MAX / SECOND + 60
    )


def test_a_start_ends_the_trouble_and_says_how_long_it_was(troubles: Troubles) -> None:
    assert troubles.starts.started(("pod", None)) is None
    for second in range(5):
        troubles.fail(second)
    assert troubles.starts.started(("pod", None)) == 5
    troubles.fail(6)
    assert troubles.counts[-1] == (6, None)


def test_silence_ends_the_trouble_with_the_last_failure(troubles: Troubles) -> None:
    troubles.fail(0)
    troubles.fail(1)
    troubles.fail(2)
    troubles.starts.expire(2 * SECOND + QUIET - 1)
    assert troubles.counts == [(0, None)]
    troubles.starts.expire(2 * SECOND + QUIET)
    assert troubles.counts == [(0, None), (2, 3)]
    troubles.fail(5000)
    assert troubles.counts[-1] == (5000, None)


def test_a_single_failure_ends_without_another_event(troubles: Troubles) -> None:
    troubles.fail(0)
    troubles.starts.expire(QUIET * 2)
    assert troubles.counts == [(0, None)]


def test_a_failure_waits_for_the_engines_own_words(troubles: Troubles) -> None:
    troubles.fail(1, awaited=True)
    assert troubles.events == []
    assert troubles.starts.deadline() == SECOND + HOLD
    troubles.starts.explained("other", "something else", lambda _: True)
    troubles.starts.explained("pod at 1", 'exec: "/nope": no such file', lambda _: True)
    (event,) = troubles.events
    assert event.stop == Stop(1, reason="create failed", message='exec: "/nope": no such file')
    assert troubles.starts.deadline() is None


def test_a_name_in_the_request_finds_the_failure_too(troubles: Troubles) -> None:
    troubles.fail(1, awaited=True)
    troubles.starts.explained("app", "no", lambda _: True)
    assert len(troubles.events) == 1


def test_what_another_engine_answers_explains_no_failure(troubles: Troubles) -> None:
    """sec-refused-request-is-exact: its owner chooses the message."""
    troubles.fail(1, awaited=True)
    troubles.starts.explained("app", "disk failure, call 555-1234", lambda _: False)
    assert troubles.events == []
    troubles.starts.expire(SECOND + HOLD)
    (event,) = troubles.events
    assert event.stop is not None
    assert event.stop.message is None


def test_an_answer_that_does_not_come_is_waited_for_no_longer_than_hold(
    troubles: Troubles,
) -> None:
    troubles.fail(1, awaited=True)
    troubles.starts.expire(SECOND + HOLD)
    (event,) = troubles.events
    assert event.stop is not None
    assert event.stop.message is None


def test_troubles_are_bounded_and_the_one_that_goes_is_reported(troubles: Troubles) -> None:
    troubles.fail(0, "first")
    troubles.fail(1, "first")
    for number in range(TROUBLES_MAX):
        troubles.fail(2, f"pod {number}")
    assert (1, 2) in troubles.counts


def test_a_plain_users_container_of_the_same_id_takes_no_failures_place(
    troubles: Troubles,
) -> None:
    troubles.fail(1, awaited=True)
    troubles.fail(1, awaited=True, owner=MALLORY)
    troubles.starts.explained("pod at 1", "no such file", lambda home: home.owner is HOST_ROOT)
    troubles.starts.expire(SECOND + HOLD)
    messages = [one.stop.message for one in troubles.events if one.stop]
    assert messages == ["no such file", None]


def test_what_of_a_plain_user_fails_ends_no_trouble_and_no_wait_of_roots(
    troubles: Troubles,
) -> None:
    troubles.fail(0, "crashing")
    troubles.fail(1, "crashing")
    troubles.fail(2, "awaited", awaited=True)
    for number in range(2 * TROUBLES_MAX):
        troubles.fail(2, f"mallory's {number}", awaited=number < HELD_MAX, owner=MALLORY)
    reported = [str(one.container.id) for one in troubles.events if one.container is not None]
    assert [one for one in reported if "mallory" not in one] == ["crashing at 0"]
    troubles.starts.explained("awaited at 2", "no space", lambda _: True)
    stop = troubles.events[-1].stop
    assert stop is not None
    assert stop.message == "no space"


def test_the_pace_is_what_the_documents_say() -> None:
    assert (PACE, HOLD) == (10 * SECOND, SECOND)
