"""What is remembered of those who asked engines for something: by process, and bounded."""

from __future__ import annotations

import pytest

from sensor.correlate import callers
from sensor.correlate.callers import (
    AUDIT_EARLY,
    CONNECTS_MAX,
    REQUESTS_MAX,
    SAME_PROCESS,
    CallerLog,
)
from sensor.correlate.naming import Names
from sensor.model.vocabulary import Witness
from tests.correlate.scenario import (
    MS,
    WEB,
    audited,
    caller,
    connects,
    ns,
    requests,
    typed,
)

CLIENT = typed(0, "docker start web", 50)
SAME = SAME_PROCESS / MS
EARLY = AUDIT_EARLY / MS


@pytest.fixture
def log() -> CallerLog:
    made = CallerLog()
    made.add_client(CLIENT)
    return made


# ------------------------------------------------------------------ one process or another

PROCESSES = {
    "same": (50, ns(0), ns(3), True),
    "same-much-later": (50, ns(0), ns(100 * SAME), True),
    "another-start-time": (50, ns(9000), ns(9001), False),
    "another-pid": (51, ns(0), ns(3), False),
    "audit-soon": (50, None, ns(SAME), True),
    "audit-late": (50, None, ns(SAME + 1), False),
    "audit-long-before": (50, None, ns(-SAME - 1), False),
}


@pytest.mark.parametrize(("pid", "born", "time", "same"), PROCESSES.values(), ids=PROCESSES)
def test_a_client_is_known_by_pid_and_start_time(
    log: CallerLog, pid: int, born: int | None, time: int, *, same: bool
) -> None:
    assert log.client_of(pid, born, time) == (CLIENT if same else None)


def test_the_latest_client_of_a_pid_counts(log: CallerLog) -> None:
    later = typed(9000, "docker ps", 50)
    log.add_client(later)
    assert log.client_of(50, ns(9000), ns(9001)) is later
    assert log.client_of(50, ns(0), ns(9001)) is None


RECORDS = {
    "at-once": (0.0, True),
    "a-little-early": (-EARLY, True),
    "too-early": (-EARLY - 1, False),
    "late": (SAME, True),
    "too-late": (SAME + 1, False),
}


@pytest.mark.parametrize(("at", "joined"), RECORDS.values(), ids=RECORDS)
def test_audit_is_joined_by_pid_and_time(log: CallerLog, at: float, *, joined: bool) -> None:
    record, connect = audited(at, 50), connects(at, caller(50, None), witness=Witness.AUDIT)
    for others in (audited(at, 51), audited(at, 49)):
        log.add_audit(others)
    log.add_audit(record)
    log.add_connect(connect)
    assert log.audit_of(CLIENT) == (record if joined else None)
    assert log.connects_of(CLIENT) == ((connect,) if joined else ())


def test_a_process_born_in_the_same_tick_is_the_same(log: CallerLog) -> None:
    """The start times of procfs are told in ticks of 10 ms."""
    near, far = connects(3, caller(50, 1)), connects(4, caller(50, 10))
    log.add_connect(near)
    log.add_connect(far)
    assert log.connects_of(CLIENT) == (near,)


# ------------------------------------------------------------------ stretches of time


def test_stretches_of_time_include_both_ends_and_go_backwards(log: CallerLog) -> None:
    made = [connects(at, caller(70 + at)) for at in range(5)]
    for connect in made:
        log.add_connect(connect)
    assert list(log.connects(ns(1), ns(3))) == made[3:0:-1]


def test_requests_that_name_nothing_are_not_kept(log: CallerLog) -> None:
    log.add_request(requests(0, caller(70), "GET /v1.43/containers/json"))
    log.add_request(requests(1, caller(70), "POST /containers/web/start"))
    log.add_request(requests(2, caller(70), "POST /containers/create?name=web"))
    found = log.requests(Names(WEB.id, "web"), ns(0), ns(9))
    assert [asked.target.targets for asked in found] == [("web",)]


@pytest.mark.parametrize("target", ["web", "/web", WEB.id, WEB.id[:12], WEB.id[:1]])
def test_requests_are_found_by_whatever_they_call_a_container(log: CallerLog, target: str) -> None:
    log.add_request(requests(0, caller(70), f"POST /containers/{target}/start"))
    log.add_request(requests(1, caller(71), f"POST /containers/{target}/start"))
    log.add_request(requests(2, caller(72), "POST /containers/other/start"))
    names = Names(WEB.id, "web")
    found = [asked.request.caller.pid for asked in log.requests(names, ns(0), ns(9))]
    assert found == [71, 70]
    assert not list(log.requests(names, ns(2), ns(9)))


def test_requests_are_bounded_and_the_oldest_forgotten(log: CallerLog) -> None:
    for number in range(REQUESTS_MAX + 1):
        log.add_request(requests(number, caller(70), "POST /containers/web/start"))
    found = list(log.requests(Names(WEB.id, "web"), 0, ns(REQUESTS_MAX + 1)))
    assert len(found) == REQUESTS_MAX
    assert found[-1].request.time == ns(1)


# ------------------------------------------------------------------ bindings and supervisors


def test_a_command_is_bound_to_its_container(log: CallerLog) -> None:
    again = typed(9000, "docker start web", 50)
    log.bind(CLIENT, WEB.id)
    assert log.bound_to(CLIENT) == WEB.id
    assert log.bound_to(again) is None


# ------------------------------------------------------------------ bounds


def test_connections_are_bounded(log: CallerLog) -> None:
    for number in range(CONNECTS_MAX + 10):
        log.add_connect(connects(number / 1000, caller(1000 + number)))
    kept = list(log.connects(0, ns(10_000)))
    assert len(kept) == CONNECTS_MAX
    assert kept[-1].caller.pid == 1010


@pytest.mark.parametrize(
    ("limit", "table", "last"),
    [
        ("PROCESSES_MAX", "_clients", 108),
        ("BOUND_MAX", "_bound", (108, ns(8))),
    ],
)
def test_tables_forget_the_oldest(
    log: CallerLog, monkeypatch: pytest.MonkeyPatch, limit: str, table: str, last: object
) -> None:
    monkeypatch.setattr(callers, limit, 3)
    for number in range(9):
        exec_ = typed(number, "docker start web", 100 + number)
        log.add_client(exec_)
        log.bind(exec_, WEB.id)
    kept = list(getattr(log, table))
    assert len(kept) == 3
    assert kept[-1] == last
