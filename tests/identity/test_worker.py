"""The worker's rules, with describers that answer, raise, wait and hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from sensor.identity.worker import FAILED, MAX_STUCK, OVERDUE, QUEUE_FULL, DescriberWorker
from sensor.model.container import Description
from sensor.model.requests import DescribeRequest
from sensor.model.vocabulary import ContainerId
from tests.identity.sample_node import request_for

PATIENCE = 5.0


class Answers:
    """Collects descriptions from any thread."""

    def __init__(self) -> None:
        self.all: list[Description] = []
        self._changed = threading.Condition()

    def take(self, request: DescribeRequest, description: Description) -> None:
        assert request.id == description.id
        with self._changed:
            self.all.append(description)
            self._changed.notify_all()

    def wait_for(self, number: int) -> dict[str, tuple[str, ...]]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.all) >= number, PATIENCE)
            return {answer.id: answer.problems for answer in self.all}


class Describers:
    """Describes at once, but for ids that begin with ``hang``: those wait for :meth:`release`."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.hanging = 0

    def describe(self, request: DescribeRequest) -> Description:
        if request.id.startswith("hang"):
            self.hanging += 1
            self.released.wait(60)
        if request.id.startswith("raise"):
            raise RuntimeError(request.id)
        return Description(ContainerId(request.id))


Start = Callable[..., DescriberWorker]


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def disk() -> Describers:
    return Describers()


@pytest.fixture
def start(answers: Answers, disk: Describers) -> Iterator[Start]:
    workers: list[DescriberWorker] = []

    def make(
        *, max_queued: int = 100, deadline: float = 0.5, suspect_after: float = 0.05
    ) -> DescriberWorker:
        worker = DescriberWorker(
            disk.describe,
            answers.take,
            max_queued=max_queued,
            deadline=deadline,
            suspect_after=suspect_after,
        )
        workers.append(worker)
        return worker

    yield make
    disk.released.set()
    for worker in workers:
        worker.close()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_every_request_is_answered_in_order(start: Start, answers: Answers) -> None:
    worker = start()
    for number in range(50):
        worker.submit(request_for(container=f"c{number}"))
    answers.wait_for(50)
    assert [answer.id for answer in answers.all] == [f"c{number}" for number in range(50)]
    counts = worker.counts()
    assert (counts.submitted, counts.described, counts.queued) == (50, 50, 0)


def test_a_full_queue_refuses_the_newest_at_once(start: Start, answers: Answers) -> None:
    worker = start(max_queued=2, deadline=5, suspect_after=5)
    worker.submit(request_for(container="hang"))
    until(lambda: worker.counts().queued == 0)
    for name in ("a", "b", "c"):
        worker.submit(request_for(container=name))
    assert [(answer.id, answer.problems) for answer in answers.all] == [("c", (QUEUE_FULL,))]
    assert worker.counts().refused == 1


def test_a_hanging_read_is_answered_at_its_deadline(start: Start, answers: Answers) -> None:
    worker = start(deadline=0.2, suspect_after=5)
    begin = time.monotonic()
    worker.submit(request_for(container="hang"))
    assert answers.wait_for(1) == {"hang": (OVERDUE,)}
    assert 0.19 <= time.monotonic() - begin < 1
    assert worker.counts().overdue == 1


def test_those_behind_a_hanging_read_are_described_by_another_reader(
    start: Start, answers: Answers
) -> None:
    worker = start(deadline=1)
    for name in ("hang", "a", "b"):
        worker.submit(request_for(container=name))
    assert answers.wait_for(2) == {"a": (), "b": ()}
    assert (worker.counts().stuck, worker.counts().replaced) == (1, 1)


def test_a_reader_that_comes_back_in_time_still_answers(
    start: Start, answers: Answers, disk: Describers
) -> None:
    worker = start(deadline=4)
    worker.submit(request_for(container="hang"))
    worker.submit(request_for(container="a"))
    answers.wait_for(1)
    disk.released.set()
    assert answers.wait_for(2) == {"a": (), "hang": ()}
    until(lambda: worker.counts().stuck == 0)


def test_a_reader_that_comes_back_late_is_not_heard(
    start: Start, answers: Answers, disk: Describers
) -> None:
    worker = start(deadline=0.1)
    worker.submit(request_for(container="hang"))
    answers.wait_for(1)
    disk.released.set()
    until(lambda: worker.counts().stuck == 0)
    worker.submit(request_for(container="a"))
    assert answers.wait_for(2) == {"hang": (OVERDUE,), "a": ()}
    assert len(answers.all) == 2


def test_no_more_readers_than_allowed_are_set_aside(
    start: Start, answers: Answers, disk: Describers
) -> None:
    worker = start(deadline=0.6, suspect_after=0.02)
    for number in range(MAX_STUCK + 3):
        worker.submit(request_for(container=f"hang{number}"))
    until(lambda: disk.hanging == MAX_STUCK + 1)
    problems = answers.wait_for(MAX_STUCK + 3)
    assert set(problems.values()) == {(OVERDUE,)}
    assert disk.hanging == MAX_STUCK + 1
    assert worker.counts().stuck == MAX_STUCK
    disk.released.set()
    worker.submit(request_for(container="a"))
    assert answers.wait_for(MAX_STUCK + 4)["a"] == ()


def test_a_describer_that_raises_is_answered_for(
    start: Start, answers: Answers, caplog: pytest.LogCaptureFixture
) -> None:
    worker = start()
    worker.submit(request_for(container="raise"))
    worker.submit(request_for(container="a"))
    assert answers.wait_for(2) == {"raise": (FAILED,), "a": ()}
    assert worker.counts().failed == 1
    assert "raise" in caplog.text


def test_a_callback_that_raises_stops_nothing(disk: Describers) -> None:
    seen = Answers()

    def callback(request: DescribeRequest, description: Description) -> None:
        seen.take(request, description)
        raise RuntimeError

    worker = DescriberWorker(disk.describe, callback)
    try:
        worker.submit(request_for(container="a"))
        worker.submit(request_for(container="b"))
        seen.wait_for(2)
        until(lambda: worker.counts().failed == 2)
    finally:
        worker.close()


def test_nothing_is_answered_after_close(start: Start, answers: Answers, disk: Describers) -> None:
    worker = start(deadline=0.2, suspect_after=5)
    worker.submit(request_for(container="hang"))
    until(lambda: disk.hanging == 1)
    worker.submit(request_for(container="a"))
    closer = threading.Thread(target=worker.close)
    closer.start()
    until(lambda: worker.counts().queued == 0)
    disk.released.set()
    closer.join(PATIENCE)
    worker.submit(request_for(container="b"))
    time.sleep(0.3)
    assert answers.all == []


def test_close_does_not_wait_for_a_reader_that_hangs(start: Start, disk: Describers) -> None:
    worker = start(suspect_after=5)
    worker.submit(request_for(container="hang"))
    until(lambda: disk.hanging == 1)
    begin = time.monotonic()
    worker.close()
    assert time.monotonic() - begin < 2.5


def test_close_may_be_called_from_the_callback(disk: Describers) -> None:
    done = threading.Event()

    def callback(_request: DescribeRequest, _description: Description) -> None:
        worker.close()
        done.set()

    worker = DescriberWorker(disk.describe, callback)
    worker.submit(request_for(container="a"))
    assert done.wait(PATIENCE)


def test_an_idle_worker_does_not_wake_up(start: Start, answers: Answers) -> None:
    worker = start()
    worker.submit(request_for(container="a"))
    answers.wait_for(1)
    time.sleep(0.2)
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.05
    assert worker._watch_sleeps
