"""What waits for a source's thread: bounded, and shared between users."""

from __future__ import annotations

import threading

from sensor.identity.fair_queue import SHARE
from sensor.sources.waiting import WaitingJobs

PLACES = 4 * SHARE
MALLORY = "uid 1001"


def test_jobs_come_in_their_order_and_end_with_none() -> None:
    jobs: WaitingJobs[int] = WaitingJobs(PLACES)
    jobs.put(1, None)
    jobs.put(2, None)
    jobs.close()
    assert [jobs.take(), jobs.take(), jobs.take()] == [1, 2, None]
    assert jobs.closed


def test_a_wait_ends_after_its_time() -> None:
    assert WaitingJobs[int](PLACES).take(0.01) is None


def test_a_job_wakes_the_thread_that_waits() -> None:
    jobs: WaitingJobs[int] = WaitingJobs(PLACES)
    taken: list[int | None] = []
    thread = threading.Thread(target=lambda: taken.append(jobs.take(20)))
    thread.start()
    jobs.put(7, MALLORY)
    thread.join(20)
    assert taken == [7]


def test_a_users_flood_costs_that_users_own_jobs() -> None:
    jobs: WaitingJobs[str] = WaitingJobs(PLACES)
    for number in range(10 * PLACES):
        jobs.put("mallory", f"{MALLORY}/uid {100_000 + number}")
    assert len(jobs) == PLACES // SHARE
    assert jobs.dropped == 10 * PLACES - len(jobs)
    jobs.put("root", None)
    jobs.put("ann", "uid 1002")
    assert sorted(filter(None, [jobs.take(), jobs.take(), jobs.take()])) == [
        "ann",
        "mallory",
        "root",
    ]


def test_root_takes_the_place_of_another_when_all_are_taken() -> None:
    jobs: WaitingJobs[str] = WaitingJobs(PLACES)
    for number in range(PLACES):
        jobs.put("other", f"uid {number + 1}")
    jobs.put("root", None)
    assert (len(jobs), jobs.dropped) == (PLACES, 1)
    found = [jobs.take(0) for _ in range(PLACES)]
    assert found.count("root") == 1
