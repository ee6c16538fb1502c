"""Which requests that name no container may still have started one."""

from __future__ import annotations

import pytest

from sensor.correlate.authority import HOST_ROOT
from sensor.correlate.clients import CLIENT_WINDOW, ClientTable
from sensor.correlate.engine_api.calls import Action, CallOutcome, EngineCall
from sensor.correlate.engine_requests import Asked, EngineConnection
from sensor.correlate.indirect_requests import INDIRECT_MAX, UNSEEN_END_WINDOW, IndirectRequests
from tests.correlate.observations import caller, ended, ns, typed

BUILD, POD = "POST /build", "POST /pods/{name}/start"


def asked(at: float, method: str, pid: int = 77) -> Asked:
    call = EngineCall(1, 1, ns(at), Action.INDIRECT, method)
    who = caller(pid, at)
    return Asked(call, who, "/run/docker.sock", ns(at), "r", HOST_ROOT, foreign=False, watched=True)


@pytest.fixture
def clients() -> ClientTable:
    return ClientTable()


@pytest.fixture
def requests(clients: ClientTable) -> IndirectRequests:
    return IndirectRequests(clients)


def test_one_that_waits_for_its_answer_is_at_work(requests: IndirectRequests) -> None:
    one = asked(0, POD)
    requests.add(one, EngineConnection())
    assert list(requests.at_work(ns(500))) == [one]
    assert list(requests.at_work(ns(-1))) == []


@pytest.mark.parametrize(("method", "works"), [(POD, False), (BUILD, True)])
def test_an_answer_ends_all_but_a_build(
    requests: IndirectRequests, method: str, *, works: bool
) -> None:
    one = asked(0, method)
    requests.add(one, EngineConnection())
    one.answered, one.outcome = ns(10), CallOutcome.ACCEPTED
    assert list(requests.at_work(ns(500))) == ([one] if works else [])
    assert list(requests.asked(ns(0), ns(500))) == [one]


def test_a_refused_one_is_none(requests: IndirectRequests) -> None:
    one = asked(0, BUILD)
    requests.add(one, EngineConnection())
    one.answered, one.outcome = ns(10), CallOutcome.REFUSED
    assert list(requests.at_work(ns(500))) == []
    assert list(requests.asked(ns(0), ns(500))) == []


def test_it_ends_with_its_connection_or_its_client(
    requests: IndirectRequests, clients: ClientTable
) -> None:
    connection = EngineConnection()
    requests.add(asked(0, BUILD), connection)
    connection.closed = ns(100)
    build = typed(0, "docker build .", 50)
    clients.add(build, HOST_ROOT)
    requests.add(asked(0, BUILD, pid=50), EngineConnection())
    clients.end(build.process.key, ended(100, build).time)
    assert list(requests.at_work(ns(200))) == []
    assert len(list(requests.at_work(ns(50)))) == 2


@pytest.mark.parametrize(("seen", "window"), [(False, UNSEEN_END_WINDOW), (True, CLIENT_WINDOW)])
def test_where_ends_are_not_seen_it_goes_on_for_a_minute(
    requests: IndirectRequests, *, seen: bool, window: int
) -> None:
    requests.ends_seen = seen
    requests.add(asked(0, BUILD), EngineConnection())
    assert len(list(requests.at_work(ns(0) + window))) == 1
    assert list(requests.at_work(ns(0) + window + 1)) == []


def test_they_are_bounded(requests: IndirectRequests) -> None:
    for number in range(INDIRECT_MAX + 10):
        requests.add(asked(number, BUILD), EngineConnection())
    assert len(list(requests.asked(0, ns(1e6)))) == INDIRECT_MAX
