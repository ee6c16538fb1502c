"""The reader's time and the queue's places, shared between origins."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.identity.fair_queue import NESTED, OTHERS, ROOT, FairQueue, origin_of
from sensor.identity.worker import QUEUE_FULL, DescriberWorker
from sensor.model.container import Description
from sensor.model.requests import DescribeRequest
from sensor.model.vocabulary import ContainerId
from tests.identity.sample_node import request_for

MALLORY = "uid 1001"
ANN = "uid 1000"


def test_origins_take_turns() -> None:
    queue: FairQueue[str] = FairQueue(100)
    for number in range(5):
        queue.push(f"m{number}", MALLORY)
    queue.push("r0", ROOT)
    queue.push("r1", ROOT)
    order = []
    while queue:
        origin, job = queue.pop()
        order.append(job)
        queue.charge(origin, 1.0)
    assert order == ["m0", "r0", "m1", "r1", "m2", "m3", "m4"]


def test_who_uses_more_time_waits_longer() -> None:
    queue: FairQueue[str] = FairQueue(100)
    for number in range(6):
        queue.push(f"m{number}", MALLORY)
        queue.push(f"a{number}", ANN)
    order = []
    while queue:
        origin, job = queue.pop()
        order.append(job)
        queue.charge(origin, 3.0 if origin == MALLORY else 1.0)
    assert order[:8] == ["m0", "a0", "a1", "a2", "m1", "a3", "a4", "a5"]


def test_what_was_used_counts_for_who_comes_back_again_and_again() -> None:
    queue: FairQueue[str] = FairQueue(400)
    for _ in range(30):
        queue.push("a", ANN)
    order = ""
    for _ in range(30):
        if "m" not in [job for _, job in queue.heads()]:
            queue.push("m", MALLORY)
        origin, job = queue.pop()
        queue.charge(origin, 10.0 if origin == MALLORY else 1.0)
        order += job
    assert order.count("m") == 3, "as much time as the other had"


def test_one_origin_fills_its_own_share_only() -> None:
    queue: FairQueue[int] = FairQueue(80)
    refused = [queue.push(number, MALLORY) for number in range(20)]
    assert refused == [None] * 10 + list(range(10, 20))
    assert queue.push(100, ANN) is None
    assert all(queue.push(number, ROOT) is None for number in range(200, 269))


def test_root_takes_the_place_of_the_origin_with_the_most() -> None:
    queue: FairQueue[str] = FairQueue(16)
    for origin in range(8):
        for number in range(2):
            assert queue.push(f"{origin}.{number}", f"uid {origin}") is None
    assert queue.push("x", "uid 9") == "x"
    assert queue.push("r", ROOT) == "0.1"
    assert len(queue) == 16
    only_root: FairQueue[str] = FairQueue(1)
    only_root.push("a", ROOT)
    assert only_root.push("b", ROOT) == "b"


def test_an_origin_that_was_away_has_no_more_credit_than_the_others() -> None:
    queue: FairQueue[str] = FairQueue(100)
    for number in range(3):
        queue.push(f"a{number}", ANN)
    for _ in range(2):
        queue.charge(queue.pop()[0], 50.0)
    queue.push("m0", MALLORY)
    queue.push("m1", MALLORY)
    assert queue.pop()[1] == "a2"


@given(
    st.lists(st.tuples(st.sampled_from([ROOT, MALLORY, ANN, NESTED]), st.booleans()), max_size=80)
)
def test_every_job_is_taken_once_or_refused_once(steps: list[tuple[str, bool]]) -> None:
    queue: FairQueue[int] = FairQueue(16)
    gone: list[int] = []
    for number, (origin, take) in enumerate(steps):
        refused = queue.push(number, origin)
        if refused is not None:
            gone.append(refused)
        if take and queue:
            taken_from, job = queue.pop()
            queue.charge(taken_from, 0.1)
            gone.append(job)
        assert len(queue) <= 16
    while queue:
        gone.append(queue.pop()[1])
    assert sorted(gone) == list(range(len(steps)))


@pytest.mark.parametrize(
    ("uid", "mnt_ns", "origin"),
    [(0, None, ROOT), (None, None, ROOT), (0, 7, ROOT), (0, 8, NESTED), (1001, 8, MALLORY),
     (165_536, 8, OTHERS)],
)  # fmt: skip
def test_the_origin_is_what_costs_something_to_change(
    uid: int | None, mnt_ns: int | None, origin: str
) -> None:
    request = replace(request_for(uid=uid), reader_mnt_ns=mnt_ns)
    assert origin_of(request, 7) == origin


def test_a_users_flood_refuses_no_others_request() -> None:
    """Case sec-event-log-washed-out: the describers' time is shared."""
    gate, done = threading.Event(), threading.Event()
    answers: dict[str, Description] = {}

    def describe(request: DescribeRequest) -> Description:
        gate.wait(10)
        return Description(request.id, name="known")

    def on_described(request: DescribeRequest, description: Description) -> None:
        answers[request.id] = description
        if request.id == "root":
            done.set()

    worker = DescriberWorker(
        describe, on_described, max_queued=64, deadline=60.0, suspect_after=30.0
    )
    for number in range(500):
        worker.submit(replace(request_for(uid=1001), id=ContainerId(f"m{number}")))
    worker.submit(replace(request_for(uid=0), id=ContainerId("root")))
    gate.set()
    assert done.wait(10)
    assert answers["root"].name == "known"
    refused = [id_ for id_, found in answers.items() if found.problems == (QUEUE_FULL,)]
    assert len(refused) >= 500 - 10
    worker.close()
