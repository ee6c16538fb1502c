"""Processes that executed a client: by pid and start time, by name, and bounded."""

from __future__ import annotations

import pytest

from sensor.correlate import clients
from sensor.correlate.authority import HOST_ROOT, Origin
from sensor.correlate.client_command import ClientRequest
from sensor.correlate.clients import AUDIT_EARLY, CLIENT_WINDOW, ENDED_MAX, SAME_PROCESS, Client
from sensor.correlate.naming import Names
from sensor.correlate.past import RecentPast
from sensor.correlate.places import Places
from sensor.identity import cgroup
from sensor.model.vocabulary import Witness
from tests.correlate.observations import (
    DOCKER_START,
    MS,
    ancestor,
    audited,
    caller,
    connects,
    ns,
    typed,
)
from tests.correlate.scenario import WEB

SAME = SAME_PROCESS / MS
EARLY = AUDIT_EARLY / MS


def only(log: RecentPast) -> Client:
    client = log.clients.of(50, ns(0), ns(0))
    assert client is not None
    return client


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
    log: RecentPast, pid: int, born: int | None, time: int, *, same: bool
) -> None:
    found = log.clients.of(pid, born, time)
    assert (found.exec if found is not None else None) == (DOCKER_START if same else None)


def test_the_latest_client_of_a_pid_counts(log: RecentPast) -> None:
    later = typed(9000, "docker ps", 50)
    log.add_client(later, HOST_ROOT)
    found = log.clients.of(50, ns(9000), ns(9001))
    assert found is not None
    assert found.exec is later
    assert log.clients.of(50, ns(0), ns(9001)) is None


RECORDS = {
    "at-once": (0.0, True),
    "a-little-early": (-EARLY, True),
    "too-early": (-EARLY - 1, False),
    "late": (SAME, True),
    "too-late": (SAME + 1, False),
}


@pytest.mark.parametrize(("at", "joined"), RECORDS.values(), ids=RECORDS)
def test_audit_is_joined_by_pid_and_time(log: RecentPast, at: float, *, joined: bool) -> None:
    record, connect = audited(at, 50), connects(at, caller(50, None), witness=Witness.AUDIT)
    for others in (audited(at, 51), audited(at, 49)):
        log.add_audit(others)
    log.add_audit(record)
    log.add_connect(connect)
    assert log.audit_of(DOCKER_START) == (record if joined else None)
    assert log.connects_of(only(log)) == ((connect,) if joined else ())


def test_a_process_born_in_the_same_tick_is_the_same(log: RecentPast) -> None:
    """The start times of procfs are given in ticks of 10 ms."""
    near, far = connects(3, caller(50, 1)), connects(4, caller(50, 10))
    log.add_connect(near)
    log.add_connect(far)
    assert log.connects_of(only(log)) == (near,)


def test_clients_are_bounded_and_a_users_own_are_forgotten(
    log: RecentPast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "CLIENTS_MAX", 16)
    log = RecentPast(Places(cgroup.parse).origin_of_caller)
    log.add_client(DOCKER_START, HOST_ROOT)
    for number in range(100):
        log.add_client(typed(number, "docker start web", 100 + number), Origin(1001))
    assert only(log).exec is DOCKER_START
    assert len(log.clients.waiting(0, ns(1000))) == 3, "an eighth of root's, and root's one"


# ------------------------------------------------------------------ clients


def asked(
    log: RecentPast, *, since: float = 0, until: float = 100, name: str | None = "web"
) -> str:
    names = Names(WEB.id, name)
    found = log.clients.asked_by_command(ClientRequest.START, names, ns(since), ns(until))
    return "" if found is None else " ".join(found.exec.argv)


@pytest.mark.parametrize("target", ["web", WEB.id, WEB.id[:12], WEB.id[:1]])
def test_a_container_is_named_by_name_id_or_prefix(empty: RecentPast, target: str) -> None:
    empty.add_client(typed(50, f"docker start {target}"), HOST_ROOT)
    assert asked(empty)


@pytest.mark.parametrize("target", ["we", "webs", "WEB", WEB.id + "0", WEB.id[1:12], "x"])
def test_other_words_name_other_containers(empty: RecentPast, target: str) -> None:
    empty.add_client(typed(50, f"docker start {target}"), HOST_ROOT)
    assert not asked(empty)


def test_a_container_without_a_name_has_none(empty: RecentPast) -> None:
    empty.add_client(typed(50, "docker start web"), HOST_ROOT)
    assert not asked(empty, name=None)


def test_the_latest_fitting_command_is_found(empty: RecentPast) -> None:
    for pid, line in enumerate(
        ["docker start web", "podman start web", "docker restart web", "docker start db"]
    ):
        empty.add_client(typed(50, line, pid), HOST_ROOT)
    assert asked(empty) == "podman start web"


@pytest.mark.parametrize(("at", "found"), [(-1, False), (0, True), (100, True), (101, False)])
def test_only_commands_between_since_and_until_count(
    empty: RecentPast, at: float, *, found: bool
) -> None:
    empty.add_client(typed(at, "docker start web"), HOST_ROOT)
    assert bool(asked(empty)) is found


def test_commands_of_long_ago_explain_nothing(empty: RecentPast) -> None:
    empty.add_client(typed(0, "docker start web"), HOST_ROOT)
    window = CLIENT_WINDOW / MS
    assert asked(empty, since=0, until=window)
    assert not asked(empty, since=0, until=window + 1)


def test_a_client_that_ended_before_is_not_among_those_that_waited(empty: RecentPast) -> None:
    early, late = typed(0, "docker run -d a", 60), typed(1, "docker run -d b", 61)
    empty.add_client(early, HOST_ROOT)
    empty.add_client(late, HOST_ROOT)
    assert empty.end(early.process.key, ns(40))
    assert empty.end(late.process.key, ns(60))
    assert not empty.end(WEB.runtime.key, ns(60))
    assert [one.exec.argv[-1] for one in empty.clients.waiting(ns(0), ns(50))] == ["b"]


def test_the_outermost_client_of_one_request_is_its_head(empty: RecentPast) -> None:
    """compose-v2-up: the plugin is the child of the command that was typed."""
    outer = empty.add_client(typed(0, "docker compose up -d", 60), HOST_ROOT)
    plugin = typed(1, "docker-compose compose up -d", 61, above=(ancestor("docker", 60, 0),))
    inner = empty.add_client(plugin, HOST_ROOT)
    assert empty.clients.head_of(inner) is outer
    assert empty.clients.head_of(outer) is outer
    other = typed(2, "docker-compose compose up -d", 62, above=(ancestor("docker", 60, 5),))
    alone = empty.add_client(other, HOST_ROOT)
    assert empty.clients.head_of(alone) is alone, "another process has had that pid"


def ends(log: RecentPast, number: int, origin: Origin = HOST_ROOT) -> None:
    """A command that begins and ends 10 ms later."""
    began = typed(10 + number, "docker ps", 100 + number)
    log.add_client(began, origin)
    assert log.end(began.process.key, ns(20 + number))


def is_kept(log: RecentPast, number: int) -> bool:
    return log.clients.of(100 + number, None, ns(10 + number)) is not None


def test_clients_that_ended_long_ago_are_forgotten_and_those_that_run_are_not(
    log: RecentPast,
) -> None:
    for number in range(ENDED_MAX + 7):
        ends(log, number)
    kept = [is_kept(log, number) for number in range(ENDED_MAX + 7)]
    assert kept == [False] * 7 + [True] * ENDED_MAX
    assert only(log).exec is DOCKER_START


def test_clients_of_a_plain_user_that_ended_take_no_place_of_roots(log: RecentPast) -> None:
    ends(log, 0)
    for number in range(1, 2 * ENDED_MAX):
        ends(log, number, Origin(1001))
    assert is_kept(log, 0)
    assert not is_kept(log, 1)


def test_a_pid_that_is_used_again_is_not_forgotten_with_its_last_process(
    log: RecentPast,
) -> None:
    first, again = typed(1, "docker ps", 90), typed(5000, "docker ps", 90)
    log.add_client(first, HOST_ROOT)
    log.end(first.process.key, ns(2))
    log.add_client(again, HOST_ROOT)
    for number in range(5001, 5002 + ENDED_MAX):
        ends(log, number)
    found = log.clients.of(90, None, ns(5000))
    assert found is not None
    assert found.exec is again
