"""What comes again and again is on time or not, and summer time moves no nightly job."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sensor.judge.judge import Judge
from sensor.judge.period import TIMES_MAX, on_time
from sensor.judge.profile import Profile, profile_of_row
from sensor.model.events import Event
from sensor.model.vocabulary import Explanation, Finding, Trigger
from tests.judge.past import DAY, alerts_of, running
from tests.judge.samples import HOUR, NOW, initiator, judged, start

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = 60


def nights(begin: str, days: int, hour: float = 3, jitter: int = 0) -> list[int]:
    """Return local times of successive days, as seconds."""
    first = datetime.fromisoformat(begin).replace(tzinfo=BERLIN)
    return [
        int((first + timedelta(days=day, hours=hour)).timestamp())
        + (jitter if day % 2 else -jitter) * MINUTE
        for day in range(days)
    ]


def every(gap: int, count: int = 10) -> list[int]:
    return [1_790_000_000 + number * gap for number in range(count)]


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (nights("2026-11-02", 12), "every day at 03:00 ± 1 min"),
        (nights("2026-11-02", 12, jitter=6), "every day at 02:54 ± 12 min"),
        (nights("2026-10-18", 14), "every day at 03:00 ± 1 min"),
        (nights("2026-11-01", 64)[::7], "every Sunday at 03:00 ± 1 min"),
        (every(15 * MINUTE), "every 15 min ± 1 min"),
        (every(6 * 3600), "every 6 h ± 1 min"),
        (every(2 * 86_400), "every 2 d ± 1 min"),
    ],
    ids=["nightly", "with jitter", "over the end of summer time", "weekly", "15 min", "6 h", "2 d"],
)
def test_a_start_on_time_says_when_such_starts_come(times: list[int], said: str) -> None:
    assert on_time(times[:-1], times[-1], BERLIN) == said


def test_around_midnight_the_time_is_not_noon() -> None:
    times = nights("2026-11-02", 12, hour=24, jitter=4)
    said = on_time(times[:-1], times[-1], BERLIN)
    assert said is not None
    assert said in {"every day at 23:56 ± 8 min", "every day at 00:04 ± 8 min"}


def test_one_that_was_missed_leaves_the_next_one_on_time() -> None:
    times = every(3600, 12)
    assert on_time(times[:10], times[11], BERLIN) == "every 1 h ± 1 min"


@pytest.mark.parametrize(
    ("times", "at"),
    [
        (every(3600, 6)[:-1], every(3600, 6)[-1]),
        (every(3600), every(3600)[-1] + 1800),
        (every(3600), every(3600)[-1] + 100 * 3600),
        (every(3600), every(3600)[0]),
        ([number * number * 1000 for number in range(1, 12)], 12 * 12 * 1000),
        ([5] * 10, 5),
        ([], 5),
    ],
    ids=["few", "in between", "after long", "earlier", "irregular", "at once", "none"],
)
def test_what_is_not_on_time_says_nothing(times: list[int], at: int) -> None:
    assert on_time(times, at, BERLIN) is None


def test_a_year_that_no_calendar_has_is_not_an_error() -> None:
    times = [number * 90_000_000_000_000 for number in range(1, 12)]
    assert on_time(times, 12 * 90_000_000_000_000, UTC) is not None


def test_a_profile_remembers_its_last_starts_and_a_row_keeps_them() -> None:
    profile = Profile()
    for number in range(40):
        profile.see(1000 + number)
    profile.see(5)
    assert profile.times == list(range(1040 - TIMES_MAX, 1040))
    assert profile_of_row(profile.pack()) == profile


def timer(days: int) -> Judge:
    """Return a judge after a nightly job of some days."""
    judge = Judge(zone=BERLIN)
    for number in range(days, 0, -1):
        judge.judge(job(NOW - number * DAY))
    judge.take_alerts()
    return judge


def job(at: int) -> Event:
    event = start(
        "backup",
        "registry.example.com/ops/backup:1",
        by=initiator(None, unit="backup.service"),
        trigger=Trigger.SERVICE_MANAGER,
        at=at,
    )
    return running(event, "backup")


def test_a_nightly_job_is_explained_by_its_night() -> None:
    found = judged(timer(10), job(NOW))
    assert found.explanation is Explanation.BASELINE
    assert found.reasons[0] == (
        "like 10 starts of this workload since 2026-11-20, as every day at 11:00 ± 1 min"
    )


def test_a_nightly_job_at_a_new_hour_is_still_known_and_raises_no_alert() -> None:
    judge = timer(10)
    found = judged(judge, job(NOW + 5 * HOUR))
    assert found.expected
    assert "as every" not in found.reasons[0]
    assert alerts_of(judge) == []


def test_a_period_excuses_nothing_that_is_new() -> None:
    event = job(NOW)
    shell = running(event, "sh")
    found = judged(timer(10), replace(shell, id="x"))
    assert found.findings == (Finding.NEW_ENTRYPOINT,)
