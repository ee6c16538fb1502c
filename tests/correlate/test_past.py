"""What is remembered of those who asked engines for something: by process, and bounded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.authority import HOST_ROOT, ActorStanding, Origin
from sensor.correlate.clients import AUDIT_EARLY, SAME_PROCESS
from sensor.correlate.engine_reach import Home
from sensor.correlate.naming import Names
from sensor.correlate.past import AUDIT_MAX, CONNECTS_MAX, REQUESTS_MAX, RecentPast
from tests.correlate.observations import (
    MS,
    ancestor,
    audited,
    caller,
    connects,
    ns,
    requests,
    talks,
    typed,
)
from tests.correlate.scenario import WEB

SAME = SAME_PROCESS / MS
EARLY = AUDIT_EARLY / MS


# ------------------------------------------------------------------ stretches of time


def test_stretches_of_time_include_both_ends_and_go_backwards(log: RecentPast) -> None:
    made = [connects(at, caller(70 + at)) for at in range(5)]
    for connect in made:
        log.add_connect(connect)
    assert list(log.connects(ns(1), ns(3))) == made[3:0:-1]


def test_requests_that_name_nothing_are_not_kept(log: RecentPast) -> None:
    log.add_request(requests(0, caller(70), "GET /v1.43/containers/json"))
    log.add_request(requests(1, caller(70), "POST /containers/web/start"))
    log.add_request(requests(2, caller(70), "POST /containers/create?name=web"))
    found = log.requests(Names(WEB.id, "web"), Home(), ns(0), ns(9))
    assert [asked.call.targets for asked in found] == [("web",)]


@pytest.mark.parametrize("target", ["web", "/web", WEB.id, WEB.id[:12], WEB.id[:1]])
def test_requests_are_found_by_whatever_they_call_a_container(log: RecentPast, target: str) -> None:
    log.add_request(requests(0, caller(70), f"POST /containers/{target}/start"))
    log.add_request(requests(1, caller(71), f"POST /containers/{target}/start"))
    log.add_request(requests(2, caller(72), "POST /containers/other/start"))
    names = Names(WEB.id, "web")
    found = [asked.caller.pid for asked in log.requests(names, Home(), ns(0), ns(9))]
    assert found == [71, 70]
    assert not list(log.requests(names, Home(), ns(2), ns(9)))


def test_requests_are_bounded_and_the_oldest_forgotten(log: RecentPast) -> None:
    for number in range(REQUESTS_MAX + 1):
        log.add_request(requests(number, caller(70, uid=0), "POST /containers/web/start"))
        log.add_request(requests(number, caller(71), "POST /containers/web/start"))
    found = list(log.requests(Names(WEB.id, "web"), Home(), 0, ns(REQUESTS_MAX + 1)))
    of_root = [one for one in found if one.caller.pid == 70]
    assert len(of_root) == REQUESTS_MAX
    assert len(found) - len(of_root) == REQUESTS_MAX // 8
    found = of_root
    assert found[-1].time == ns(1)


# ------------------------------------------------------------------ bounds


def test_connections_are_bounded(log: RecentPast) -> None:
    for number in range(CONNECTS_MAX + 10):
        log.add_connect(connects(number / 1000, caller(1000 + number, uid=0)))
        log.add_connect(connects(number / 1000, caller(9000 + number)))
    kept = [one for one in log.connects(0, ns(10_000)) if one.caller.pid < 9000]
    assert len(kept) == CONNECTS_MAX
    assert kept[-1].caller.pid == 1010


# ------------------------------------------------------------------ who was let in


def test_a_client_that_connected_reached_an_engine_and_others_did_not(empty: RecentPast) -> None:
    """sec-forged-client-is-exact."""
    real, fake = typed(0, "docker start web", 60), typed(0, "docker start web", 61)
    one, two = empty.add_client(real, HOST_ROOT), empty.add_client(fake, Origin(1001))
    assert empty.standing(one, Home()) is ActorStanding.UNKNOWN, "no connect was ever seen here"
    empty.add_connect(talks(real))
    assert empty.standing(one, Home()) is ActorStanding.OWNER
    assert empty.standing(two, Home()) is ActorStanding.STRANGER


def test_a_connect_of_which_it_is_not_known_whether_it_was_let_in_proves_nothing(
    empty: RecentPast,
) -> None:
    exec_ = typed(0, "docker start web", 60)
    client = empty.add_client(exec_, HOST_ROOT)
    empty.add_connect(replace(talks(exec_), confirmed=False))
    assert empty.standing(client, Home()) is ActorStanding.UNKNOWN


def test_what_a_child_connects_is_its_clients_connection(empty: RecentPast) -> None:
    outer = typed(0, "docker compose up", 60)
    client = empty.add_client(outer, HOST_ROOT)
    plugin = caller(61, 1, comm="docker-buildx", above=(ancestor("docker", 60, 0),))
    empty.add_connect(connects(2, plugin))
    assert empty.standing(client, Home()) is ActorStanding.OWNER


def test_a_users_audit_records_push_out_none_of_roots(log: RecentPast) -> None:
    command = typed(0, "docker start web", 50, uid=0)
    of_root = audited(EARLY, 50)
    log.add_audit(replace(of_root, caller=replace(of_root.caller, uid=0)))
    for number in range(AUDIT_MAX):
        log.add_audit(audited(1 + number, 5000 + number))
    assert log.audit_of(command) is not None
